//! The settings of the four video codecs in one form.

use super::video::{
    BitDepth, FramerateControl, GopUnits, H26x, H264Profile, H265Profile, ParControl, Quality, Qvbr,
    RateControl, SceneChange, VideoCodec, VideoCodecSettings,
};

/// How to encode video, whatever the codec.
#[derive(Clone, Debug, PartialEq)]
pub struct VideoEncoder {
    pub codec: VideoCodec,
    pub rate_control: RateControl,
    /// 1 to 11; for QVBR.
    pub quality_level: f64,
    /// In bits per second.
    pub bitrate: Option<u32>,
    pub max_bitrate: Option<u32>,
    /// In bits.
    pub buffer: Option<u32>,
    /// As the encoder calls it.
    pub profile: Option<&'static str>,
    /// Such as `4.1`.
    pub level: Option<String>,
    pub ten_bit: bool,
    pub tuning: Quality,
    pub gop_size: Option<f64>,
    pub gop_units: GopUnits,
    pub scene_change: SceneChange,
    pub b_frames: Option<u32>,
    pub reference_frames: Option<u32>,
    /// Numerator and denominator; `None` is the source's.
    pub frame_rate: Option<(u32, u32)>,
}

impl VideoCodecSettings {
    /// Returns the settings of the chosen codec; `None` for captures and copies. `automated` means that bit rates
    /// are chosen later. `Err` names the member that is wrong.
    pub fn encoder(&self, automated: bool) -> Result<Option<VideoEncoder>, (&'static str, &'static str)> {
        let required = |member| (member, "they are required for this codec.");
        let encoder = match self.codec {
            VideoCodec::FrameCapture | VideoCodec::Passthrough => return Ok(None),
            VideoCodec::H264 => {
                let h264 = self.h264_settings.as_ref().ok_or(required("h264Settings"))?;
                let profile = match h264.codec_profile {
                    H264Profile::Baseline => "baseline",
                    H264Profile::Main => "main",
                    H264Profile::High => "high",
                };
                h264.encoder(VideoCodec::H264, profile, false).map_err(|error| ("h264Settings", error))?
            }
            VideoCodec::H265 => {
                let h265 = self.h265_settings.as_ref().ok_or(required("h265Settings"))?;
                let (profile, ten_bit) = match h265.codec_profile {
                    H265Profile::MainMain | H265Profile::MainHigh => ("main", false),
                    H265Profile::Main10Main | H265Profile::Main10High => ("main10", true),
                };
                h265.encoder(VideoCodec::H265, profile, ten_bit).map_err(|error| ("h265Settings", error))?
            }
            VideoCodec::Vp9 => {
                let vp9 = self.vp9_settings.as_ref().ok_or(required("vp9Settings"))?;
                let fraction = (vp9.framerate_numerator, vp9.framerate_denominator);
                VideoEncoder {
                    bitrate: vp9.bitrate,
                    max_bitrate: vp9.max_bitrate,
                    buffer: vp9.hrd_buffer_size,
                    gop_size: vp9.gop_size,
                    frame_rate: frame_rate(vp9.framerate_control, fraction)
                        .map_err(|error| ("vp9Settings", error))?,
                    ..VideoEncoder::new(VideoCodec::Vp9, RateControl::Vbr)
                }
            }
            VideoCodec::Av1 => {
                let av1 = self.av1_settings.as_ref().ok_or(required("av1Settings"))?;
                let fraction = (av1.framerate_numerator, av1.framerate_denominator);
                VideoEncoder {
                    quality_level: av1.qvbr_settings.level(),
                    max_bitrate: av1.max_bitrate,
                    ten_bit: av1.bit_depth == BitDepth::Ten,
                    gop_size: av1.gop_size,
                    frame_rate: frame_rate(av1.framerate_control, fraction)
                        .map_err(|error| ("av1Settings", error))?,
                    ..VideoEncoder::new(VideoCodec::Av1, RateControl::Qvbr)
                }
            }
        };
        encoder.validated(automated).map(Some)
    }
}

impl VideoEncoder {
    fn new(codec: VideoCodec, rate_control: RateControl) -> Self {
        Self {
            codec,
            rate_control,
            quality_level: 7.0,
            bitrate: None,
            max_bitrate: None,
            buffer: None,
            profile: None,
            level: None,
            ten_bit: false,
            tuning: Quality::SinglePass,
            gop_size: None,
            gop_units: GopUnits::Frames,
            scene_change: SceneChange::Disabled,
            b_frames: None,
            reference_frames: None,
            frame_rate: None,
        }
    }

    fn validated(self, automated: bool) -> Result<Self, (&'static str, &'static str)> {
        let rate = match self.rate_control {
            RateControl::Qvbr => self.max_bitrate,
            RateControl::Vbr | RateControl::Cbr => self.bitrate,
        };
        if !automated && rate.is_none_or(|rate| rate < 1000) {
            return Err(("…", "the rate control mode requires its bit rate, at least 1000."));
        }
        if self.gop_size.is_some_and(|size| !(size > 0.0 && size.is_finite())) {
            return Err(("…/gopSize", "it must be more than 0."));
        }
        if !(1.0..=11.0).contains(&self.quality_level) {
            return Err(("…/qvbrSettings/qvbrQualityLevel", "it must be in the range 1 to 10."));
        }
        Ok(self)
    }
}

impl<Profile> H26x<Profile> {
    fn encoder(
        &self,
        codec: VideoCodec,
        profile: &'static str,
        ten_bit: bool,
    ) -> Result<VideoEncoder, &'static str> {
        let par = (self.par_numerator, self.par_denominator);
        if self.par_control == ParControl::Specified && par.0 != par.1 {
            return Err("only square pixels are supported: parNumerator must be parDenominator.");
        }
        let level = self.codec_level.as_deref().filter(|level| *level != "AUTO");
        let level = level.map(|level| level.trim_start_matches("LEVEL_").replace('_', "."));
        if level.as_ref().is_some_and(|level| level.parse::<f64>().is_err()) {
            return Err("codecLevel must be AUTO or such as LEVEL_4_1.");
        }
        Ok(VideoEncoder {
            codec,
            rate_control: self.rate_control_mode.unwrap_or_default(),
            quality_level: self.qvbr_settings.level(),
            bitrate: self.bitrate,
            max_bitrate: self.max_bitrate,
            buffer: self.hrd_buffer_size,
            profile: Some(profile),
            level,
            ten_bit,
            tuning: self.quality_tuning_level,
            gop_size: self.gop_size,
            gop_units: self.gop_size_units.unwrap_or(if self.gop_size.is_some() {
                GopUnits::Frames
            } else {
                GopUnits::Auto
            }),
            scene_change: self.scene_change_detect,
            b_frames: self.number_b_frames_between_reference_frames,
            reference_frames: self.number_reference_frames,
            frame_rate: frame_rate(
                self.framerate_control,
                (self.framerate_numerator, self.framerate_denominator),
            )?,
        })
    }
}

impl Qvbr {
    fn level(&self) -> f64 {
        f64::from(self.qvbr_quality_level.unwrap_or(7)) + self.qvbr_quality_level_fine_tune.clamp(0.0, 1.0)
    }
}

fn frame_rate(
    control: FramerateControl,
    fraction: (Option<u32>, Option<u32>),
) -> Result<Option<(u32, u32)>, &'static str> {
    match (control, fraction) {
        (FramerateControl::InitializeFromSource, _) => Ok(None),
        (FramerateControl::Specified, (Some(numerator @ 1..), Some(denominator @ 1..))) => {
            let rate = f64::from(numerator) / f64::from(denominator);
            let is_valid = (1.0..=120.0).contains(&rate);
            is_valid.then_some(Some((numerator, denominator))).ok_or("the frame rate must be 1 to 120.")
        }
        (FramerateControl::Specified, _) => Err("the frame rate isn't a valid fraction."),
    }
}

impl VideoCodecSettings {
    /// Sets the maximum bit rate of QVBR, as automated ABR chooses it, in bits per second.
    pub fn set_rates(&mut self, rate: u32) {
        if let Some(h264) = &mut self.h264_settings {
            (h264.rate_control_mode, h264.max_bitrate) = (Some(RateControl::Qvbr), Some(rate));
        }
        if let Some(h265) = &mut self.h265_settings {
            // H.265 needs about a third less for the same picture.
            (h265.rate_control_mode, h265.max_bitrate) = (Some(RateControl::Qvbr), Some(rate / 3 * 2));
        }
    }
}
