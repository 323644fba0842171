//! The part of MediaConvert's `JobSettings` that decides what comes out on this machine, in the wire's
//! spelling. Members that aren't here (colour, timecode, tags…) are read over; values that can't be made
//! here are refused with the place where they stand. No ffmpeg here.

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

/// Clockwise. Without a word about it MediaConvert shows the picture as it is coded.
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
    /// As the file itself says.
    #[serde(rename = "AUTO")]
    Auto,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AudioSelector {
    /// Counted from 1 among the file's audio tracks.
    #[serde(default)]
    pub tracks: Vec<usize>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputGroup {
    pub output_group_settings: GroupSettings,
    pub outputs: Vec<Output>,
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
    #[serde(default = "ten")]
    pub segment_length: u32,
    #[serde(default)]
    pub segment_control: SegmentControl,
    #[serde(default)]
    pub directory_structure: DirectoryStructure,
    pub encryption: Option<IgnoredAny>,
}

fn ten() -> u32 {
    10
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub enum SegmentControl {
    #[default]
    #[serde(rename = "SEGMENTED_FILES")]
    SegmentedFiles,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub enum DirectoryStructure {
    #[default]
    #[serde(rename = "SINGLE_DIRECTORY")]
    SingleDirectory,
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
    /// Without the dot; else the container's own.
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
    /// In pixels; a side that isn't given follows from the other, both missing from the input.
    pub width: Option<u32>,
    pub height: Option<u32>,
    #[serde(default)]
    pub scaling_behavior: Scaling,
    pub codec_settings: VideoCodecSettings,
}

/// What to do when both sides are given and the input has another shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Scaling {
    /// Inside the frame, with black bars.
    #[default]
    Default,
    StretchToOutput,
    /// Inside the frame, without bars: the output is smaller than asked for on one side.
    Fit,
    FitNoUpscale,
    /// Over the frame, what hangs over cut off.
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
    /// In bits a second, as are the next two.
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
    /// 1 to 10, 10 the best.
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
    /// 1 to 100, 100 the best.
    #[serde(default = "eighty")]
    pub quality: u32,
}

fn one() -> u32 {
    1
}

fn eighty() -> u32 {
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
    /// In bits a second.
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

impl Settings {
    /// Reads settings as they come over the wire. `Err` is one sentence that names the place.
    pub fn read(settings: &serde_json::Value) -> Result<Self, String> {
        let settings: Self = serde_path_to_error::deserialize(settings)
            .map_err(|error| format!("/settings/{}: {}.", error.path(), error.inner()))?;
        settings.check()?;
        Ok(settings)
    }

    /// What one member alone can't tell.
    fn check(&self) -> Result<(), String> {
        let [input] = self.inputs.as_slice() else {
            return Err("/settings/inputs: exactly one input is taken here.".into());
        };
        if S3Uri::parse(&input.file_input).is_none_or(|uri| uri.key.is_empty()) {
            return Err("/settings/inputs/0/fileInput: an address like s3://bucket/key is needed.".into());
        }
        if !input.input_clippings.is_empty() {
            return Err("/settings/inputs/0/inputClippings: clips can't be cut here.".into());
        }
        if self.output_groups.is_empty() {
            return Err("/settings/outputGroups: at least one output group is needed.".into());
        }
        for (index, group) in self.output_groups.iter().enumerate() {
            group.check().map_err(|(place, fault)| format!("/settings/outputGroups/{index}{place}: {fault}"))?;
        }
        Ok(())
    }
}

impl OutputGroup {
    /// Where the group's files go, as the job says.
    pub fn destination(&self) -> &str {
        let settings = &self.output_group_settings;
        match settings.kind {
            GroupKind::Hls => settings.hls_group_settings.as_ref().map_or("", |group| &group.destination),
            GroupKind::File => settings.file_group_settings.as_ref().map_or("", |group| &group.destination),
        }
    }

    fn check(&self) -> Result<(), (String, &'static str)> {
        if S3Uri::parse(self.destination()).is_none() {
            let place = "/outputGroupSettings/…/destination".into();
            return Err((place, "an address like s3://bucket/folder/name is needed."));
        }
        if let Some(hls) = &self.output_group_settings.hls_group_settings {
            if hls.segment_length == 0 {
                return Err(("/…/segmentLength".into(), "at least one second is needed."));
            }
            if hls.encryption.is_some() {
                return Err(("/…/encryption".into(), "nothing can be encrypted here."));
            }
        }
        if self.outputs.is_empty() {
            return Err(("/outputs".into(), "at least one output is needed."));
        }
        for (index, output) in self.outputs.iter().enumerate() {
            output
                .check(self.output_group_settings.kind)
                .map_err(|(place, fault)| (format!("/outputs/{index}{place}"), fault))?;
        }
        let mut names: Vec<_> = self.outputs.iter().map(|output| &output.name_modifier).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(("/outputs".into(), "outputs of one group need different values of nameModifier."));
        }
        Ok(())
    }
}

impl Output {
    fn check(&self, kind: GroupKind) -> Result<(), (&'static str, &'static str)> {
        let Some(video) = &self.video_description else {
            return Err(("/videoDescription", "it is needed: outputs without a picture can't be made here."));
        };
        let fits = match (kind, self.container_settings.container, video.codec_settings.codec) {
            (GroupKind::Hls, Container::M3u8, VideoCodec::H264) => true,
            (GroupKind::File, Container::Mp4, VideoCodec::H264) => true,
            (GroupKind::File, Container::Raw, VideoCodec::FrameCapture) => true,
            (GroupKind::Hls | GroupKind::File, _, _) => false,
        };
        if !fits {
            return Err(("", "group, container and codec don't go together."));
        }
        video.check()?;
        if self.audio_descriptions.len() > 1 {
            return Err(("/audioDescriptions", "at most one is taken here."));
        }
        if !self.caption_descriptions.is_empty() {
            return Err(("/captionDescriptions", "captions can't be made here."));
        }
        Ok(())
    }
}

impl VideoDescription {
    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if [self.width, self.height].into_iter().flatten().any(|side| !(32..=8192).contains(&side)) {
            return Err(("/videoDescription", "width and height go from 32 to 8192."));
        }
        if let Some(frames) = &self.codec_settings.frame_capture_settings
            && (frames.framerate_numerator == 0 || frames.framerate_denominator == 0)
        {
            return Err(("/…/frameCaptureSettings", "the frame rate isn't a fraction."));
        }
        let Some(h264) = &self.codec_settings.h264_settings else {
            return match self.codec_settings.codec {
                VideoCodec::H264 => Err(("/…/h264Settings", "they are needed for this codec.")),
                VideoCodec::FrameCapture => Ok(()),
            };
        };
        let rate = match h264.rate_control_mode {
            RateControl::Qvbr => h264.max_bitrate,
            RateControl::Vbr | RateControl::Cbr => h264.bitrate,
        };
        if rate.is_none_or(|rate| rate < 1000) {
            return Err(("/…/h264Settings", "the rate control mode needs its bit rate, at least 1000."));
        }
        if h264.qvbr_settings.qvbr_quality_level.is_some_and(|level| !(1..=10).contains(&level)) {
            return Err(("/…/qvbrSettings/qvbrQualityLevel", "it goes from 1 to 10."));
        }
        if h264.gop_size.is_some_and(|size| !(size > 0.0 && size.is_finite())) {
            return Err(("/…/h264Settings/gopSize", "it must be more than 0."));
        }
        let fraction = (h264.framerate_numerator, h264.framerate_denominator);
        if h264.framerate_control == FramerateControl::Specified
            && !matches!(fraction, (Some(1..), Some(1..)))
        {
            return Err(("/…/h264Settings", "the frame rate isn't a fraction."));
        }
        Ok(())
    }
}

/// `s3://bucket/key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Uri {
    pub bucket: String,
    /// As S3 has it, nothing encoded; may be empty.
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
