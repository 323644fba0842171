//! Video of an output: size, filters and codec.

use super::input::{ImageInserter, Rectangle};
use serde::Deserialize;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VideoDescription {
    /// In pixels. A missing side is derived from the other one; if both are missing, from the input.
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub scaling_behavior: Scaling,
    /// In pixels of the upright input.
    pub crop: Option<Rectangle>,
    /// In pixels of the output.
    pub position: Option<Rectangle>,
    pub video_preprocessors: Preprocessors,
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

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Preprocessors {
    pub deinterlacer: Option<Deinterlacer>,
    pub color_corrector: ColorCorrector,
    pub image_inserter: Option<ImageInserter>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Deinterlacer {
    pub control: DeinterlaceControl,
    pub mode: DeinterlaceMode,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeinterlaceControl {
    /// Frames that are marked as interlaced.
    #[default]
    Normal,
    ForceAllFrames,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeinterlaceMode {
    #[default]
    Deinterlace,
    Adaptive,
}

/// Brightness, contrast and saturation are 1 to 100, and 50 changes nothing. Hue is in degrees.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ColorCorrector {
    pub brightness: Option<u32>,
    pub contrast: Option<u32>,
    pub saturation: Option<u32>,
    pub hue: Option<i32>,
    pub color_space_conversion: ColorConversion,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ColorConversion {
    #[default]
    #[serde(rename = "NONE")]
    None,
    #[serde(rename = "FORCE_709")]
    Force709,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VideoCodecSettings {
    pub codec: VideoCodec,
    pub h264_settings: Option<H26x<H264Profile>>,
    pub h265_settings: Option<H26x<H265Profile>>,
    pub vp9_settings: Option<Vp9>,
    pub av1_settings: Option<Av1>,
    pub frame_capture_settings: Option<FrameCapture>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum VideoCodec {
    #[default]
    #[serde(rename = "H_264")]
    H264,
    #[serde(rename = "H_265")]
    H265,
    #[serde(rename = "VP9")]
    Vp9,
    #[serde(rename = "AV1")]
    Av1,
    #[serde(rename = "FRAME_CAPTURE")]
    FrameCapture,
    /// The input's packets as they are.
    #[serde(rename = "PASSTHROUGH")]
    Passthrough,
}

/// Settings that H.264 and H.265 have in common, with their profiles.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct H26x<Profile> {
    pub rate_control_mode: Option<RateControl>,
    pub qvbr_settings: Qvbr,
    /// In bits per second, like `max_bitrate`; `hrd_buffer_size` is in bits.
    pub bitrate: Option<u32>,
    pub max_bitrate: Option<u32>,
    pub hrd_buffer_size: Option<u32>,
    pub codec_profile: Profile,
    /// `AUTO`, or such as `LEVEL_4_1`.
    pub codec_level: Option<String>,
    pub quality_tuning_level: Quality,
    pub gop_size: Option<f64>,
    /// Frames if missing and there is a size.
    pub gop_size_units: Option<GopUnits>,
    pub scene_change_detect: SceneChange,
    pub number_b_frames_between_reference_frames: Option<u32>,
    pub number_reference_frames: Option<u32>,
    pub framerate_control: FramerateControl,
    pub framerate_numerator: Option<u32>,
    pub framerate_denominator: Option<u32>,
    pub par_control: ParControl,
    pub par_numerator: Option<u32>,
    pub par_denominator: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Vp9 {
    pub rate_control_mode: Option<Vp9RateControl>,
    pub bitrate: Option<u32>,
    pub max_bitrate: Option<u32>,
    pub hrd_buffer_size: Option<u32>,
    /// In frames.
    pub gop_size: Option<f64>,
    pub framerate_control: FramerateControl,
    pub framerate_numerator: Option<u32>,
    pub framerate_denominator: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Vp9RateControl {
    Vbr,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Av1 {
    pub rate_control_mode: Option<Av1RateControl>,
    pub qvbr_settings: Qvbr,
    pub max_bitrate: Option<u32>,
    /// In frames.
    pub gop_size: Option<f64>,
    pub bit_depth: BitDepth,
    pub framerate_control: FramerateControl,
    pub framerate_numerator: Option<u32>,
    pub framerate_denominator: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Av1RateControl {
    Qvbr,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum BitDepth {
    #[default]
    #[serde(rename = "BIT_8")]
    Eight,
    #[serde(rename = "BIT_10")]
    Ten,
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
    /// 0 to 1.
    pub qvbr_quality_level_fine_tune: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum H264Profile {
    Baseline,
    #[default]
    Main,
    High,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum H265Profile {
    #[default]
    MainMain,
    MainHigh,
    #[serde(rename = "MAIN10_MAIN")]
    Main10Main,
    #[serde(rename = "MAIN10_HIGH")]
    Main10High,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Quality {
    #[default]
    SinglePass,
    SinglePassHq,
    MultiPassHq,
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

/// The shape of pixels. Outputs always have square pixels, and `SPECIFIED` must say so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ParControl {
    #[default]
    InitializeFromSource,
    Specified,
}

/// One picture at the start, then one every `framerate_denominator / framerate_numerator` seconds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FrameCapture {
    pub framerate_numerator: u32,
    pub framerate_denominator: u32,
    pub max_captures: Option<u32>,
    /// 1 to 100; 100 is the best.
    pub quality: u32,
}

impl Default for FrameCapture {
    fn default() -> Self {
        Self { framerate_numerator: 1, framerate_denominator: 1, max_captures: None, quality: 80 }
    }
}
