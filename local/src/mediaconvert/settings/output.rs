//! One output of a group: its container and its video, audio and captions.

use super::audio::AudioDescription;
use super::captions::CaptionDescription;
use super::group::IncludeExclude;
use super::video::VideoDescription;
use serde::Deserialize;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Output {
    pub name_modifier: String,
    /// Without the dot; by default that of the container.
    pub extension: Option<String>,
    pub container_settings: ContainerSettings,
    pub output_settings: OutputSettings,
    pub video_description: Option<VideoDescription>,
    pub audio_descriptions: Vec<AudioDescription>,
    pub caption_descriptions: Vec<CaptionDescription>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OutputSettings {
    pub hls_settings: HlsOutput,
}

/// An output's place in an HLS playlist; `hlsSettings` of an HLS group, `cmfcSettings` of a CMAF group.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HlsOutput {
    pub audio_group_id: Option<String>,
    /// Names of the audio groups of a video output, separated by commas.
    pub audio_rendition_sets: Option<String>,
    pub audio_track_type: Option<AudioTrackType>,
    pub segment_modifier: Option<String>,
    /// Whether there is a playlist of the video's I-frames.
    pub i_frame_only_manifest: Option<IncludeExclude>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AudioTrackType {
    AlternateAudioAutoSelectDefault,
    AlternateAudioAutoSelect,
    AlternateAudioNotAutoSelect,
    AudioOnlyVariantStream,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerSettings {
    /// By default that of the group.
    pub container: Option<Container>,
    pub mp4_settings: Mp4Settings,
    pub cmfc_settings: CmfcOutput,
}

/// As [`HlsOutput`], for the members that `cmfcSettings` has.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CmfcOutput {
    pub audio_group_id: Option<String>,
    pub audio_rendition_sets: Option<String>,
    pub audio_track_type: Option<AudioTrackType>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Container {
    M3u8,
    Cmfc,
    Mpd,
    Mp4,
    Mov,
    Webm,
    Raw,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mp4Settings {
    pub moov_placement: MoovPlacement,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MoovPlacement {
    /// The index precedes the media.
    #[default]
    ProgressiveDownload,
    Normal,
}
