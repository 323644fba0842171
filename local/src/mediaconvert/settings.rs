//! The supported part of MediaConvert's `JobSettings`, in the API's JSON format. Other members (colour,
//! timecode, tags…) are ignored; unsupported values are refused, either by deserialization or in `validate`.

use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    pub inputs: Vec<Input>,
    pub output_groups: Vec<OutputGroup>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    pub file_input: String,
    #[serde(default)]
    pub video_selector: VideoSelector,
    #[serde(default)]
    pub audio_selectors: BTreeMap<String, AudioSelector>,
    #[serde(default)]
    pub input_clippings: Vec<IgnoredAny>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VideoSelector {
    #[serde(default)]
    pub rotate: Rotate,
}

/// Rotation, clockwise. By default MediaConvert doesn't rotate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Rotate {
    #[default]
    #[serde(rename = "DEGREE_0")]
    Never,
    #[serde(rename = "DEGREES_90")]
    By90,
    #[serde(rename = "DEGREES_180")]
    By180,
    #[serde(rename = "DEGREES_270")]
    By270,
    /// By the input's own metadata.
    #[serde(rename = "AUTO")]
    Auto,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AudioSelector {
    /// Numbers among the input's audio tracks, from 1.
    #[serde(default)]
    pub tracks: Vec<usize>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputGroup {
    pub output_group_settings: GroupSettings,
    pub outputs: Vec<Output>,
}

impl OutputGroup {
    /// Returns the group's destination.
    pub fn destination(&self) -> &str {
        let settings = &self.output_group_settings;
        match settings.kind {
            GroupKind::Hls => settings.hls_group_settings.as_ref().map_or("", |group| &group.destination),
            GroupKind::File => settings.file_group_settings.as_ref().map_or("", |group| &group.destination),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupSettings {
    #[serde(rename = "type")]
    pub kind: GroupKind,
    pub hls_group_settings: Option<HlsGroup>,
    pub file_group_settings: Option<FileGroup>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum GroupKind {
    #[serde(rename = "HLS_GROUP_SETTINGS")]
    Hls,
    #[serde(rename = "FILE_GROUP_SETTINGS")]
    File,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HlsGroup {
    #[serde(default)]
    pub destination: String,
    /// In whole seconds.
    #[serde(default = "default_segment_length")]
    pub segment_length: u32,
    #[serde(default)]
    pub segment_control: SegmentControl,
    #[serde(default)]
    pub directory_structure: DirectoryStructure,
    pub encryption: Option<IgnoredAny>,
}

fn default_segment_length() -> u32 {
    10
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SegmentControl {
    #[default]
    SegmentedFiles,
    SingleFile,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DirectoryStructure {
    #[default]
    SingleDirectory,
    SubdirectoryPerStream,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileGroup {
    #[serde(default)]
    pub destination: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    #[serde(default)]
    pub name_modifier: String,
    /// Without the dot; by default that of the container.
    pub extension: Option<String>,
    pub container_settings: ContainerSettings,
    pub video_description: Option<VideoDescription>,
    #[serde(default)]
    pub audio_descriptions: Vec<AudioDescription>,
    #[serde(default)]
    pub caption_descriptions: Vec<IgnoredAny>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub struct ContainerSettings {
    pub container: Container,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Container {
    M3u8,
    Mp4,
    Raw,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VideoDescription {
    /// In pixels. A missing side is derived from the other one; if both are missing, from the input.
    pub width: Option<u32>,
    pub height: Option<u32>,
    #[serde(default)]
    pub scaling_behavior: Scaling,
    pub codec_settings: VideoCodecSettings,
}

/// Scaling for the case that both sides are given and the input has another aspect ratio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Scaling {
    /// Fits into the frame, with black bars.
    #[default]
    Default,
    StretchToOutput,
    /// Fits into the frame without bars: one side of the output is smaller than given.
    Fit,
    FitNoUpscale,
    /// Covers the frame; the rest is cropped.
    Fill,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VideoCodecSettings {
    pub codec: VideoCodec,
    pub h264_settings: Option<H264>,
    pub frame_capture_settings: Option<FrameCapture>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum VideoCodec {
    #[serde(rename = "H_264")]
    H264,
    #[serde(rename = "FRAME_CAPTURE")]
    FrameCapture,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct H264 {
    pub rate_control_mode: RateControl,
    pub qvbr_settings: Qvbr,
    /// In bits per second, like `max_bitrate`; `hrd_buffer_size` is in bits.
    pub bitrate: Option<u32>,
    pub max_bitrate: Option<u32>,
    pub hrd_buffer_size: Option<u32>,
    pub codec_profile: Profile,
    pub gop_size: Option<f64>,
    pub gop_size_units: GopUnits,
    pub scene_change_detect: SceneChange,
    pub number_b_frames_between_reference_frames: Option<u32>,
    pub number_reference_frames: Option<u32>,
    pub framerate_control: FramerateControl,
    pub framerate_numerator: Option<u32>,
    pub framerate_denominator: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RateControl {
    #[default]
    Qvbr,
    Vbr,
    Cbr,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Qvbr {
    /// 1 to 10; 10 is the best.
    pub qvbr_quality_level: Option<u32>,
    pub qvbr_quality_level_fine_tune: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Profile {
    Baseline,
    #[default]
    Main,
    High,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum GopUnits {
    #[default]
    Auto,
    Seconds,
    Frames,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SceneChange {
    Disabled,
    #[default]
    Enabled,
    TransitionDetection,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FramerateControl {
    #[default]
    InitializeFromSource,
    Specified,
}

/// One picture at the start, then one every `framerate_denominator / framerate_numerator` seconds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrameCapture {
    #[serde(default = "one")]
    pub framerate_numerator: u32,
    #[serde(default = "one")]
    pub framerate_denominator: u32,
    pub max_captures: Option<u32>,
    /// 1 to 100; 100 is the best.
    #[serde(default = "default_quality")]
    pub quality: u32,
}

fn one() -> u32 {
    1
}

fn default_quality() -> u32 {
    80
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AudioDescription {
    #[serde(default)]
    pub audio_source_name: String,
    pub codec_settings: AudioCodecSettings,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AudioCodecSettings {
    pub codec: AudioCodec,
    #[serde(default)]
    pub aac_settings: Aac,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AudioCodec {
    Aac,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Aac {
    /// In bits per second.
    pub bitrate: u32,
    pub coding_mode: CodingMode,
    /// In hertz.
    pub sample_rate: u32,
}

impl Default for Aac {
    fn default() -> Self {
        Self { bitrate: 96_000, coding_mode: CodingMode::Stereo, sample_rate: 48_000 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum CodingMode {
    #[serde(rename = "CODING_MODE_1_0")]
    Mono,
    #[serde(rename = "CODING_MODE_2_0")]
    Stereo,
    #[serde(rename = "CODING_MODE_5_1")]
    Surround,
}

impl CodingMode {
    pub fn channels(self) -> u32 {
        match self {
            Self::Mono => 1,
            Self::Stereo => 2,
            Self::Surround => 6,
        }
    }
}

/// `s3://bucket/key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Uri {
    pub bucket: String,
    /// Not percent-encoded; may be empty.
    pub key: String,
}

impl S3Uri {
    pub fn parse(uri: &str) -> Option<Self> {
        let (bucket, key) = uri.strip_prefix("s3://")?.split_once('/')?;
        (!bucket.is_empty()).then(|| Self { bucket: bucket.into(), key: key.into() })
    }
}

impl std::fmt::Display for S3Uri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}
