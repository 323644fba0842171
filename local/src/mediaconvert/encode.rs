//! ffmpeg's arguments for one encoding and its output files. Pure.

use super::scaling::ScaledFrame;
use super::settings::{
    AudioDescription, GopUnits, H264, Profile, RateControl, SceneChange, VideoDescription,
};
use super::source::Ratio;

/// Length of a GOP for `AUTO`, in seconds.
const AUTO_GOP_S: f64 = 2.0;

/// One encoding of video and audio, written by one or more muxers.
pub struct Encoding<'a> {
    pub video: &'a VideoDescription,
    pub h264: &'a H264,
    pub audio: Option<Audio<'a>>,
    pub frame: ScaledFrame,
    pub frame_rate: Ratio,
    pub muxers: Vec<Muxer>,
}

/// An audio track of the input and how to encode it.
#[derive(Clone, Copy, PartialEq)]
pub struct Audio<'a> {
    /// ffmpeg's stream index.
    pub track: u32,
    pub description: &'a AudioDescription,
}

/// An output container.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Muxer {
    Mp4,
    /// With the length of a segment in seconds.
    Hls(u32),
}

impl Encoding<'_> {
    /// Returns the output arguments. `index` is the encoding's number in the filter graph; `tone_mapped` means
    /// that its colours are BT.709.
    pub fn arguments(&self, index: usize, tone_mapped: bool) -> Vec<String> {
        let h264 = self.h264;
        let profile = match h264.codec_profile {
            Profile::Baseline => "baseline",
            Profile::Main => "main",
            Profile::High => "high",
        };
        let mut list = strings(&["-map", &format!("[v{index}]"), "-c:v", "libx264"]);
        list.extend(strings(&["-preset", "veryfast", "-profile:v", profile]));
        list.extend(self.rate_control());
        list.extend(self.gop());
        if let Some(frames) = h264.number_b_frames_between_reference_frames {
            list.extend(strings(&["-bf", &frames.to_string()]));
        }
        if let Some(frames) = h264.number_reference_frames {
            list.extend(strings(&["-refs", &frames.to_string()]));
        }
        if tone_mapped {
            list.extend(strings(&[
                "-color_primaries",
                "bt709",
                "-color_trc",
                "bt709",
                "-colorspace",
                "bt709",
            ]));
        }
        if let Some(Audio { description, .. }) = self.audio {
            let aac = &description.codec_settings.aac_settings;
            list.extend(strings(&["-map", &format!("[a{index}]"), "-c:a", "aac"]));
            list.extend(strings(&["-b:a", &aac.bitrate.to_string(), "-ar", &aac.sample_rate.to_string()]));
            list.extend(strings(&["-ac", &aac.coding_mode.channels().to_string()]));
        }
        // The input's metadata can contain the place of recording.
        list.extend(strings(&["-map_metadata", "-1", "-map_chapters", "-1"]));
        list.extend(strings(&["-flags", "+global_header", "-f", "tee"]));
        let outputs: Vec<_> = self.muxers.iter().map(|muxer| muxer.tee_output(index)).collect();
        list.push(outputs.join("|"));
        list
    }

    fn rate_control(&self) -> Vec<String> {
        let h264 = self.h264;
        let rate = h264.bitrate.unwrap_or_default();
        let max_rate = h264.max_bitrate.unwrap_or(rate);
        let buffer =
            h264.hrd_buffer_size.filter(|size| *size > 0).unwrap_or(max_rate.saturating_mul(2)).to_string();
        let (rate, max_rate) = (rate.to_string(), max_rate.to_string());
        match h264.rate_control_mode {
            RateControl::Qvbr => {
                let level = f64::from(h264.qvbr_settings.qvbr_quality_level.unwrap_or(7))
                    + h264.qvbr_settings.qvbr_quality_level_fine_tune.clamp(0.0, 1.0);
                // Level 7 is x264's default CRF of 23; each level is two steps of CRF.
                let crf = (37.0 - 2.0 * level).to_string();
                strings(&["-crf", &crf, "-maxrate", &max_rate, "-bufsize", &buffer])
            }
            RateControl::Vbr => strings(&["-b:v", &rate, "-maxrate", &max_rate, "-bufsize", &buffer]),
            RateControl::Cbr => {
                strings(&["-b:v", &rate, "-minrate", &rate, "-maxrate", &rate, "-bufsize", &buffer])
            }
        }
    }

    /// Returns arguments for closed GOPs. Those in seconds start at multiples of their length, so that segments of
    /// all renditions are aligned.
    fn gop(&self) -> Vec<String> {
        let h264 = self.h264;
        let size = h264.gop_size.unwrap_or(AUTO_GOP_S);
        let mut list = match h264.gop_size_units {
            GopUnits::Frames => strings(&["-g", &size.max(1.0).floor().to_string()]),
            GopUnits::Seconds | GopUnits::Auto => {
                let seconds = if h264.gop_size_units == GopUnits::Auto { AUTO_GOP_S } else { size };
                let frames = (seconds * self.frame_rate.as_f64()).ceil().max(1.0).to_string();
                strings(&["-g", &frames, "-force_key_frames", &format!("expr:gte(t,n_forced*{seconds})")])
            }
        };
        if h264.scene_change_detect == SceneChange::Disabled {
            list.extend(strings(&["-sc_threshold", "0"]));
        }
        list
    }
}

impl Muxer {
    /// Returns the local name of the file or media playlist.
    pub fn local_name(self, index: usize) -> String {
        match self {
            Self::Mp4 => format!("encode{index}.mp4"),
            Self::Hls(seconds) => format!("encode{index}s{seconds}.m3u8"),
        }
    }

    /// Returns the output in the syntax of ffmpeg's `tee` muxer.
    fn tee_output(self, index: usize) -> String {
        let local = self.local_name(index);
        match self {
            Self::Mp4 => format!("[f=mp4:movflags=+faststart]{local}"),
            Self::Hls(seconds) => format!(
                "[f=hls:hls_time={seconds}:hls_list_size=0:hls_playlist_type=vod:start_number=1:\
                 hls_segment_filename=encode{index}s{seconds}_%05d.ts]{local}"
            ),
        }
    }
}

/// Converts to owned strings.
pub fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}
