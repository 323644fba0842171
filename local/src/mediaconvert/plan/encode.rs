//! ffmpeg's arguments for encoding one stream. Pure.

use super::super::settings::{
    AudioCodec, AudioDescription, BurnIn, ColorCorrector, GopUnits, ImageInserter, Quality, RateControl,
    SceneChange, VideoCodec, VideoEncoder,
};
use super::super::source::Ratio;
use super::scaling::ScaledFrame;

/// Length of a GOP for `AUTO`, in seconds.
const AUTO_GOP_S: f64 = 2.0;

/// One encoding of the video; several containers can have it.
#[derive(Clone, Debug, PartialEq)]
pub enum VideoEncoding<'a> {
    /// The packets of ffmpeg's input stream 0 of this index.
    Copy {
        track: u32,
        frame_rate: Ratio,
    },
    Encode(Box<EncodedVideo<'a>>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct EncodedVideo<'a> {
    pub encoder: VideoEncoder,
    pub frame_rate: Ratio,
    pub picture: Picture<'a>,
}

/// The changes of the picture before it is encoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture<'a> {
    /// One for each clip, all of the same size.
    pub frames: Vec<ScaledFrame>,
    pub color: &'a ColorCorrector,
    pub images: Option<&'a ImageInserter>,
    /// Local name of the captions' file, and their style.
    pub burn_in: Option<(String, &'a BurnIn)>,
}

/// One encoding of audio.
#[derive(Clone, Debug, PartialEq)]
pub struct AudioEncoding<'a> {
    pub description: &'a AudioDescription,
    /// ISO 639-2.
    pub language: Option<String>,
    /// For `PASSTHROUGH`, the stream that is copied: number of ffmpeg's input, index of the stream.
    pub copy: Option<(usize, u32)>,
}

impl VideoEncoding<'_> {
    pub fn frame_rate(&self) -> Ratio {
        match self {
            Self::Copy { frame_rate, .. } => *frame_rate,
            Self::Encode(video) => video.frame_rate,
        }
    }

    /// Returns the longest time between two key frames, in seconds; `None` for copies.
    pub fn gop_s(&self) -> Option<f64> {
        match self {
            Self::Copy { .. } => None,
            Self::Encode(video) => Some(video.gop_s()),
        }
    }

    /// Returns the maximum bit rate by the settings, in bits per second; 0 if it is unknown.
    pub fn max_bitrate(&self) -> u64 {
        match self {
            Self::Copy { .. } => 0,
            Self::Encode(video) => video.encoder.max_bitrate.max(video.encoder.bitrate).unwrap_or(0).into(),
        }
    }

    /// Returns the arguments of the output's video stream `index`. `hdr` is whether its colours stay those of a
    /// high dynamic range.
    pub fn arguments(&self, index: usize, tone_mapped: bool) -> Vec<String> {
        let Self::Encode(video) = self else {
            return strings(&[&format!("-c:v:{index}"), "copy"]);
        };
        let mut options = video.codec_options();
        options.extend(video.rate_control());
        options.extend(video.gop());
        if tone_mapped && !video.encoder.ten_bit {
            for name in ["color_primaries", "color_trc", "colorspace"] {
                options.push((name, "bt709".into()));
            }
        }
        let argument = |(name, value)| [format!("-{name}:v:{index}"), value];
        options.into_iter().flat_map(argument).collect()
    }
}

type CodecOption = (&'static str, String);

impl EncodedVideo<'_> {
    fn codec_options(&self) -> Vec<CodecOption> {
        let encoder = &self.encoder;
        let pixels = if encoder.ten_bit { "yuv420p10le" } else { "yuv420p" };
        let preset = match encoder.tuning {
            Quality::SinglePass | Quality::SinglePassHq => "veryfast",
            Quality::MultiPassHq => "medium",
        };
        let mut options: Vec<CodecOption> = vec![];
        match encoder.codec {
            VideoCodec::H264 | VideoCodec::FrameCapture | VideoCodec::Passthrough => {
                options.extend([("c", "libx264".into()), ("preset", preset.into())]);
                options.extend(encoder.profile.map(|profile| ("profile", profile.into())));
                options.extend(encoder.level.clone().map(|level| ("level", level)));
            }
            VideoCodec::H265 => {
                options.extend([("c", "libx265".into()), ("preset", preset.into())]);
                // Apple's players accept only this tag.
                options.extend([("tag", "hvc1".into()), ("forced-idr", "1".into())]);
                options.extend(encoder.profile.map(|profile| ("profile", profile.into())));
                let scene_cut =
                    if encoder.scene_change == SceneChange::Disabled { ":scenecut=0" } else { "" };
                let level =
                    encoder.level.as_ref().map_or(String::new(), |level| format!(":level-idc={level}"));
                let parameters = format!("log-level=error:open-gop=0{scene_cut}{level}");
                options.push(("x265-params", parameters));
            }
            VideoCodec::Vp9 => {
                options.extend([("c", "libvpx-vp9".into()), ("deadline", "good".into())]);
                options.extend([("cpu-used", "5".into()), ("row-mt", "1".into())]);
            }
            VideoCodec::Av1 => options.extend([("c", "libsvtav1".into()), ("preset", "10".into())]),
        }
        options.push(("pix_fmt", pixels.into()));
        options
    }

    fn rate_control(&self) -> Vec<CodecOption> {
        let encoder = &self.encoder;
        let rate = encoder.bitrate.unwrap_or_default();
        let max_rate = encoder.max_bitrate.unwrap_or(rate);
        let buffer =
            encoder.buffer.filter(|size| *size > 0).unwrap_or(max_rate.saturating_mul(2)).to_string();
        let (rate, max_rate) = (rate.to_string(), max_rate.to_string());
        let capped = [("maxrate", max_rate.clone()), ("bufsize", buffer)];
        match (encoder.rate_control, encoder.codec) {
            (RateControl::Qvbr, VideoCodec::Av1) => {
                // SVT-AV1 takes the cap in kilobits.
                let kilobits = max_rate.parse::<u64>().unwrap_or(0) / 1000;
                let parameters = format!("mbr={kilobits}");
                vec![("crf", encoder.crf().round().to_string()), ("svtav1-params", parameters)]
            }
            (RateControl::Qvbr, _) => [vec![("crf", encoder.crf().to_string())], capped.into()].concat(),
            (RateControl::Vbr, _) => [vec![("b", rate)], capped.into()].concat(),
            (RateControl::Cbr, VideoCodec::H265) => {
                [vec![("b", rate.clone()), ("minrate", rate)], capped.into()].concat()
            }
            (RateControl::Cbr, _) => {
                let filled = vec![("b", rate.clone()), ("minrate", rate.clone()), ("maxrate", rate)];
                [filled, capped[1..].to_vec()].concat()
            }
        }
    }

    fn gop_s(&self) -> f64 {
        let encoder = &self.encoder;
        match (encoder.gop_size, encoder.gop_units) {
            (Some(frames), GopUnits::Frames) => frames.max(1.0).floor() / self.frame_rate.as_f64(),
            (Some(seconds), GopUnits::Seconds) => seconds,
            _ => AUTO_GOP_S,
        }
    }

    /// Returns options for closed GOPs. Those in seconds start at multiples of their length, so that segments of
    /// all renditions are aligned.
    fn gop(&self) -> Vec<CodecOption> {
        let encoder = &self.encoder;
        let size = encoder.gop_size.unwrap_or(AUTO_GOP_S);
        let rate = self.frame_rate.as_f64();
        let is_h26x = matches!(encoder.codec, VideoCodec::H264 | VideoCodec::H265);
        let mut options: Vec<CodecOption> = match encoder.gop_units {
            GopUnits::Frames if encoder.gop_size.is_some() => {
                vec![("g", size.max(1.0).floor().to_string())]
            }
            units => {
                let seconds = if units == GopUnits::Seconds { size } else { AUTO_GOP_S };
                let frames = (seconds * rate).ceil().max(1.0).to_string();
                let mut options = vec![("g", frames)];
                if is_h26x {
                    options.push(("force_key_frames", format!("expr:gte(t,n_forced*{seconds})")));
                }
                options
            }
        };
        if encoder.codec == VideoCodec::Vp9
            && let Some((_, frames)) = options.first().cloned()
        {
            options.push(("keyint_min", frames));
        }
        if encoder.codec == VideoCodec::H264 && encoder.scene_change == SceneChange::Disabled {
            options.push(("sc_threshold", "0".into()));
        }
        options.extend(encoder.b_frames.map(|frames| ("bf", frames.to_string())));
        options.extend(encoder.reference_frames.map(|frames| ("refs", frames.to_string())));
        options
    }
}

impl VideoEncoder {
    /// Returns the constant rate factor for the QVBR level. Level 7 is close to each encoder's default, and a level
    /// changes the size by about the same share.
    fn crf(&self) -> f64 {
        match self.codec {
            VideoCodec::H265 => 41.0 - 2.0 * self.quality_level,
            VideoCodec::Av1 => 63.0 - 4.0 * self.quality_level,
            _ => 37.0 - 2.0 * self.quality_level,
        }
    }

    /// Returns the bit rate that names and playlists can state before the video is encoded.
    pub fn nominal_bitrate(&self) -> u64 {
        let rate = match self.rate_control {
            RateControl::Qvbr => self.max_bitrate.or(self.bitrate),
            RateControl::Vbr | RateControl::Cbr => self.bitrate,
        };
        rate.unwrap_or_default().into()
    }
}

impl AudioEncoding<'_> {
    /// Returns the arguments of the output's audio stream `index`.
    pub fn arguments(&self, index: usize) -> Vec<String> {
        let codec = match self.description.codec_settings.codec {
            AudioCodec::Aac => "aac",
            AudioCodec::Opus => "libopus",
            AudioCodec::Passthrough => "copy",
        };
        let mut list = strings(&[&format!("-c:a:{index}"), codec]);
        if codec != "copy" {
            let settings = &self.description.codec_settings;
            let (bitrate, rate) = settings.rates();
            for (name, value) in [("b", bitrate), ("ar", rate), ("ac", settings.channels())] {
                list.extend([format!("-{name}:a:{index}"), value.to_string()]);
            }
        }
        if let Some(language) = &self.language {
            list.extend([format!("-metadata:s:a:{index}"), format!("language={language}")]);
        }
        list
    }
}

/// Converts to owned strings.
pub fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}
