//! The fields of ffprobe's report that are read.

use super::{Ratio, Track, TrackKind, Video};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
pub(super) struct Report {
    #[serde(default)]
    pub streams: Vec<Stream>,
    pub format: Option<Format>,
}

#[derive(Deserialize)]
pub(super) struct Format {
    #[serde(default)]
    pub format_name: String,
    pub start_time: Option<String>,
    pub duration: Option<String>,
    pub bit_rate: Option<String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub(super) struct Stream {
    index: u32,
    /// In hexadecimal.
    id: Option<String>,
    codec_name: Option<String>,
    #[serde(default)]
    codec_type: String,
    profile: Option<String>,
    level: Option<i32>,
    width: Option<u32>,
    height: Option<u32>,
    pix_fmt: Option<String>,
    field_order: Option<String>,
    sample_aspect_ratio: Option<String>,
    r_frame_rate: Option<String>,
    avg_frame_rate: Option<String>,
    color_primaries: Option<String>,
    color_transfer: Option<String>,
    color_space: Option<String>,
    bits_per_raw_sample: Option<String>,
    start_time: Option<String>,
    duration: Option<String>,
    bit_rate: Option<String>,
    sample_rate: Option<String>,
    channels: Option<u32>,
    channel_layout: Option<String>,
    #[serde(default)]
    disposition: BTreeMap<String, i32>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Deserialize)]
struct SideData {
    rotation: Option<f64>,
}

impl Stream {
    /// Returns the track of a file whose timestamps start at `file_start` seconds.
    pub fn track(self, file_start: f64) -> Track {
        let kind = match (self.codec_type.as_str(), self.width, self.height) {
            ("video", Some(width @ 1..), Some(height @ 1..)) if !self.is_still() => {
                TrackKind::Video(self.video(width, height))
            }
            ("audio", _, _) => TrackKind::Audio {
                channels: self.channels.unwrap_or(0),
                sample_rate: self.sample_rate.as_deref().and_then(|rate| rate.parse().ok()).unwrap_or(0),
                layout: self.channel_layout.clone(),
                bit_depth: self.bit_depth(),
            },
            ("subtitle", _, _) if self.is_text() => TrackKind::Text,
            _ => TrackKind::Data,
        };
        Track {
            index: self.index,
            pid: self.id.as_deref().and_then(|id| u32::from_str_radix(id.strip_prefix("0x")?, 16).ok()),
            codec: self.codec_name.filter(|name| name != "unknown" && name != "none"),
            duration: seconds(self.duration.as_deref()).or_else(|| clock_time(self.tags.get("DURATION")?)),
            start: start_time(self.start_time.as_deref()) - file_start,
            bit_rate: self.bit_rate.and_then(|rate| rate.parse().ok()),
            language: self.tags.get("language").filter(|code| *code != "und").cloned(),
            kind,
        }
    }

    pub fn timecode(&self) -> Option<String> {
        self.tags.get("timecode").cloned()
    }

    fn is_text(&self) -> bool {
        matches!(self.codec_name.as_deref(), Some("subrip" | "webvtt" | "mov_text" | "ass" | "ssa" | "text"))
    }

    /// Returns whether the track is a cover picture, which ffprobe lists as a video track of one frame.
    fn is_still(&self) -> bool {
        ["attached_pic", "timed_thumbnails", "still_image"]
            .iter()
            .any(|name| self.disposition.get(*name).is_some_and(|flag| *flag != 0))
    }

    fn bit_depth(&self) -> Option<u32> {
        self.bits_per_raw_sample.as_deref().and_then(|bits| bits.parse().ok()).filter(|bits| *bits > 0)
    }

    fn video(&self, width: u32, height: u32) -> Video {
        let known = |value: &Option<String>| value.clone().filter(|name| name != "unknown");
        let from_pixels = self.pix_fmt.as_deref().map(|name| match name {
            deep if deep.contains("p10") => 10,
            deep if deep.contains("p12") => 12,
            _ => 8,
        });
        let counter_clockwise = self.side_data_list.iter().find_map(|side| side.rotation).unwrap_or(0.0);
        Video {
            width,
            height,
            pixel_ratio: self.sample_aspect_ratio.as_deref().and_then(Ratio::parse).unwrap_or(Ratio::ONE),
            frame_rate: frame_rate(self.avg_frame_rate.as_deref(), self.r_frame_rate.as_deref()),
            rotation: quarter_turns(-counter_clockwise) * 90,
            bit_depth: self.bit_depth().or(from_pixels),
            interlaced: matches!(self.field_order.as_deref(), Some("tt" | "bb" | "tb" | "bt")),
            primaries: known(&self.color_primaries),
            transfer: known(&self.color_transfer),
            matrix: known(&self.color_space),
            profile: self.profile.clone(),
            level: self.level,
        }
    }
}

pub(super) fn seconds(text: Option<&str>) -> Option<f64> {
    text?.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0)
}

pub(super) fn start_time(text: Option<&str>) -> f64 {
    text.and_then(|text| text.parse().ok()).filter(|seconds: &f64| seconds.is_finite()).unwrap_or(0.0)
}

/// Parses Matroska's `HH:MM:SS.nnnnnnnnn` as seconds.
fn clock_time(text: &str) -> Option<f64> {
    let mut seconds = 0.0;
    for part in text.split(':') {
        seconds = seconds * 60.0 + part.parse::<f64>().ok()?;
    }
    Some(seconds).filter(|seconds| seconds.is_finite() && *seconds > 0.0)
}

/// Returns 0 to 3 quarter turns. An angle that isn't within 1 degree of one counts as 0, as in MediaConvert.
pub(super) fn quarter_turns(degrees: f64) -> u32 {
    let normalized = degrees.rem_euclid(360.0);
    (0..4).find(|quarter| (normalized - f64::from(*quarter) * 90.0).abs() <= 1.0).unwrap_or(0)
}

/// Frame rates to which a measured average is rounded.
const COMMON_RATES: [(u32, u32); 11] = [
    (24_000, 1001),
    (24, 1),
    (25, 1),
    (30_000, 1001),
    (30, 1),
    (48, 1),
    (50, 1),
    (60_000, 1001),
    (60, 1),
    (15, 1),
    (120, 1),
];

/// The fastest frames of cameras, per second. Above it, and at 1000 as a clock of milliseconds has, a rate isn't known.
const MAX_AVERAGE_RATE: f64 = 960.0;
/// The least common multiple of a file's frame times is its real rate only up to here.
const MAX_REAL_RATE: f64 = 120.0;

/// Returns a constant frame rate for a rate that may vary: the average, rounded to a common rate within 0.5 %. Falls back
/// to 30.
pub(super) fn frame_rate(average: Option<&str>, real: Option<&str>) -> Ratio {
    let up_to = |rate: Option<&str>, max: f64| {
        rate.and_then(Ratio::parse).filter(|rate| (1.0..=max).contains(&rate.as_f64()))
    };
    let found = up_to(average, MAX_AVERAGE_RATE).or_else(|| up_to(real, MAX_REAL_RATE));
    let Some(rate) = found else { return Ratio { num: 30, den: 1 } };
    let distance = |(num, den): (u32, u32)| (rate.as_f64() / Ratio { num, den }.as_f64() - 1.0).abs();
    COMMON_RATES
        .into_iter()
        .filter(|common| distance(*common) < 0.005)
        .min_by(|a, b| distance(*a).total_cmp(&distance(*b)))
        .map_or(rate, |(num, den)| Ratio { num, den })
}
