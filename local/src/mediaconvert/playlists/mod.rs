//! Playlists and manifests of HLS and DASH. Pure.

pub mod codecs;
pub mod dash;
pub mod hls;
pub mod key_frames;
pub mod local;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Characters to escape in file names: all but RFC 3986's unreserved ones, so that a name can't contain a
/// scheme, a query or a line break. Folders below the playlist keep their slash.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

fn escape(name: &str) -> String {
    utf8_percent_encode(name, ESCAPED).to_string()
}

/// One rendition as the playlists describe it.
#[derive(Clone, Debug, Default)]
pub struct Track {
    /// Name of the HLS playlist, relative to the folder of the group's playlist.
    pub playlist: String,
    pub has_video: bool,
    pub has_audio: bool,
    pub is_captions: bool,
    /// Name of the file of all captions, for DASH.
    pub captions_file: Option<String>,
    /// Initialization segment of fragmented MP4.
    pub init: Option<Part>,
    pub segments: Vec<Segment>,
    /// Name of the HLS playlist of the I-frames, and their parts of the segments; empty without such a playlist.
    pub i_frame_playlist: String,
    pub i_frames: Vec<Segment>,
    /// Duration that segments are planned to have at most, in seconds.
    pub planned_segment_s: f64,
    /// In bits per second: of the largest segment, and of all segments.
    pub peak: u64,
    pub average: u64,
    /// In the format of RFC 6381, separated by commas.
    pub codecs: String,
    /// In pixels.
    pub size: Option<(u32, u32)>,
    pub frame_rate: Option<f64>,
    pub language: Option<String>,
    pub name: Option<String>,
    pub channels: Option<u32>,
    /// In hertz.
    pub sample_rate: Option<u32>,
    pub audio_group: Option<String>,
    pub audio_groups: Vec<String>,
    pub audio_track_type: Option<super::settings::AudioTrackType>,
}

/// A file, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    /// Offset and length in bytes.
    pub range: Option<(u64, u64)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    pub seconds: f64,
    pub part: Part,
}

impl Track {
    pub fn seconds(&self) -> f64 {
        self.segments.iter().map(|segment| segment.seconds).sum()
    }
}

/// Returns the peak and average bit rate of segments with their durations in seconds and sizes in bytes.
pub fn bandwidth(durations: &[f64], bytes: &[u64]) -> (u64, u64) {
    // A last segment of a few frames would give a misleading peak.
    let counted = |seconds: f64| durations.len() == 1 || seconds >= 0.5;
    let rate = |bytes: u64, seconds: f64| (bytes as f64 * 8.0 / seconds.max(0.001)).ceil() as u64;
    let each = durations.iter().zip(bytes).filter(|(seconds, _)| counted(**seconds));
    let peak = each.map(|(seconds, bytes)| rate(*bytes, *seconds)).max().unwrap_or(0);
    let average = rate(bytes.iter().sum(), durations.iter().sum());
    (peak.max(average), average)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_last_segment_is_excluded_from_peak() {
        assert_eq!(bandwidth(&[6.0, 0.04], &[600_000, 40_000]).0, 847_683);
        assert_eq!(bandwidth(&[0.04], &[40_000]).0, 8_000_000);
        assert_eq!(bandwidth(&[6.006, 1.5], &[750_750, 90_000]), (1_000_000, 896_084));
    }
}
