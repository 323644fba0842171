//! The planned outputs: each with its names, its tracks and the files that ffmpeg writes for it.

use crate::mediaconvert::captions::Cue;
use crate::mediaconvert::settings::{self, AudioTrackType, S3Uri};
use crate::mediaconvert::source::Ratio;

#[derive(Debug)]
pub struct Group {
    /// The group as in the job, for what its playlists say.
    pub settings: settings::OutputGroup,
    /// Prefix of the group's output names.
    pub base: S3Uri,
    pub outputs: Vec<Output>,
}

#[derive(Debug)]
pub struct Output {
    /// Follows the group's base in the output's names.
    pub modifier: String,
    /// Follows the modifier in the names of segments.
    pub segment_modifier: String,
    pub video: Option<PlannedVideo>,
    pub audio: Vec<PlannedAudio>,
    /// The settings' maximum for video and audio together, in bits per second; 0 if it is unknown.
    pub max_bitrate: u64,
    pub files: OutputFiles,
    /// In an HLS playlist: the group of this audio, or the groups that this video plays with.
    pub audio_group: Option<String>,
    pub audio_groups: Vec<String>,
    pub audio_track_type: Option<AudioTrackType>,
    /// Whether the I-frames of its video get a playlist.
    pub has_i_frame_playlist: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlannedVideo {
    /// In pixels.
    pub width: u32,
    pub height: u32,
    pub frame_rate: Ratio,
    pub ten_bit: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedAudio {
    pub language: Option<String>,
    pub name: Option<String>,
    pub channels: u32,
}

/// The files that ffmpeg writes for an output.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputFiles {
    /// Playlists with their segments: one, or in DASH one for video and one for audio.
    Segments(Vec<LocalPlaylist>),
    File {
        local: String,
        extension: String,
    },
    /// Pictures `STEM.0000000.EXTENSION`, `STEM.0000001.EXTENSION`, …
    Frames {
        stem: String,
        extension: String,
    },
    Captions(PlannedCaptions),
}

#[derive(Clone, Debug, PartialEq)]
pub struct LocalPlaylist {
    pub stem: String,
    pub has_video: bool,
    pub has_audio: bool,
    /// Whether its segments can be uploaded before ffmpeg has ended.
    pub is_streamed: bool,
    /// Duration that segments have at most if the encoder has its key frames where they are planned, in seconds.
    pub max_segment_s: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PlannedCaptions {
    pub source: CaptionsSource,
    pub srt: bool,
    pub extension: String,
    pub language: Option<String>,
    pub name: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum CaptionsSource {
    Cues(Vec<Cue>),
    /// Local name of a WebVTT file that ffmpeg writes.
    Local(String),
}

impl Output {
    /// Returns the extension of the output's file; empty for segments.
    pub fn extension(&self) -> &str {
        match &self.files {
            OutputFiles::Segments(_) => "",
            OutputFiles::File { extension, .. } | OutputFiles::Frames { extension, .. } => extension,
            OutputFiles::Captions(captions) => &captions.extension,
        }
    }
}
