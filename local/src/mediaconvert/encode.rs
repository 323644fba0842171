//! One encoding: ffmpeg's arguments for it, and the files it is written into. Pure.

use super::scaling::Frame;
use super::settings::{
    AudioDescription, GopUnits, H264, Profile, RateControl, SceneChange, VideoDescription,
};
use super::source::Ratio;

/// How long a GOP is when the job leaves it to the service, in seconds.
const AUTO_GOP: f64 = 2.0;

/// One encoding and the files it is written into.
pub struct Encode<'a> {
    pub video: &'a VideoDescription,
    pub h264: &'a H264,
    pub sound: Option<Sound<'a>>,
    pub frame: Frame,
    pub rate: Ratio,
    pub sinks: Vec<Sink>,
}

#[derive(Clone, Copy, PartialEq)]
pub struct Sound<'a> {
    /// ffmpeg's number of the track.
    pub track: u32,
    pub description: &'a AudioDescription,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sink {
    Mp4,
    /// Segments of so many seconds.
    Hls(u32),
}

impl Encode<'_> {
    /// `index` is the encoding's number in the graph of filters; `mapped` says that colours are BT.709 now.
    pub fn arguments(&self, index: usize, mapped: bool) -> Vec<String> {
        let h264 = self.h264;
        let profile = match h264.codec_profile {
            Profile::Baseline => "baseline",
            Profile::Main => "main",
            Profile::High => "high",
        };
        let mut list = words(&["-map", &format!("[v{index}]"), "-c:v", "libx264"]);
        list.extend(words(&["-preset", "veryfast", "-profile:v", profile]));
        list.extend(self.rate_control());
        list.extend(self.gop());
        if let Some(frames) = h264.number_b_frames_between_reference_frames {
            list.extend(words(&["-bf", &frames.to_string()]));
        }
        if let Some(frames) = h264.number_reference_frames {
            list.extend(words(&["-refs", &frames.to_string()]));
        }
        if mapped {
            list.extend(words(&["-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709"]));
        }
        if let Some(Sound { description, .. }) = self.sound {
            let aac = &description.codec_settings.aac_settings;
            list.extend(words(&["-map", &format!("[a{index}]"), "-c:a", "aac"]));
            list.extend(words(&["-b:a", &aac.bitrate.to_string(), "-ar", &aac.sample_rate.to_string()]));
            list.extend(words(&["-ac", &aac.coding_mode.channels().to_string()]));
        }
        // A stranger's metadata can tell where the film was taken.
        list.extend(words(&["-map_metadata", "-1", "-map_chapters", "-1"]));
        list.extend(words(&["-flags", "+global_header", "-f", "tee"]));
        let sinks: Vec<_> = self.sinks.iter().map(|sink| sink.tee(index)).collect();
        list.push(sinks.join("|"));
        list
    }

    fn rate_control(&self) -> Vec<String> {
        let h264 = self.h264;
        let rate = h264.bitrate.unwrap_or_default();
        let most = h264.max_bitrate.unwrap_or(rate);
        let buffer =
            h264.hrd_buffer_size.filter(|size| *size > 0).unwrap_or(most.saturating_mul(2)).to_string();
        let (rate, most) = (rate.to_string(), most.to_string());
        match h264.rate_control_mode {
            RateControl::Qvbr => {
                let level = f64::from(h264.qvbr_settings.qvbr_quality_level.unwrap_or(7))
                    + h264.qvbr_settings.qvbr_quality_level_fine_tune.clamp(0.0, 1.0);
                // Level 7 is x264's own idea of good, 23; each step is worth two.
                let quality = (37.0 - 2.0 * level).to_string();
                words(&["-crf", &quality, "-maxrate", &most, "-bufsize", &buffer])
            }
            RateControl::Vbr => words(&["-b:v", &rate, "-maxrate", &most, "-bufsize", &buffer]),
            RateControl::Cbr => {
                words(&["-b:v", &rate, "-minrate", &rate, "-maxrate", &rate, "-bufsize", &buffer])
            }
        }
    }

    /// Closed GOPs; in seconds they are bound to the clock, so that segments of all renditions begin together.
    fn gop(&self) -> Vec<String> {
        let h264 = self.h264;
        let size = h264.gop_size.unwrap_or(AUTO_GOP);
        let mut list = match h264.gop_size_units {
            GopUnits::Frames => words(&["-g", &size.max(1.0).floor().to_string()]),
            GopUnits::Seconds | GopUnits::Auto => {
                let seconds = if h264.gop_size_units == GopUnits::Auto { AUTO_GOP } else { size };
                let frames = (seconds * self.rate.as_f64()).ceil().max(1.0).to_string();
                words(&["-g", &frames, "-force_key_frames", &format!("expr:gte(t,n_forced*{seconds})")])
            }
        };
        if h264.scene_change_detect == SceneChange::Disabled {
            list.extend(words(&["-sc_threshold", "0"]));
        }
        list
    }
}

impl Sink {
    /// The name of what is played: the film or its playlist.
    pub fn local(self, index: usize) -> String {
        match self {
            Self::Mp4 => format!("encode{index}.mp4"),
            Self::Hls(seconds) => format!("encode{index}s{seconds}.m3u8"),
        }
    }

    fn tee(self, index: usize) -> String {
        let local = self.local(index);
        match self {
            Self::Mp4 => format!("[f=mp4:movflags=+faststart]{local}"),
            Self::Hls(seconds) => format!(
                "[f=hls:hls_time={seconds}:hls_list_size=0:hls_playlist_type=vod:start_number=1:\
                 hls_segment_filename=encode{index}s{seconds}_%05d.ts]{local}"
            ),
        }
    }
}

pub fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}
