//! HLS playlists: parses those of ffmpeg and writes those of the job, with its file names. Pure.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt::Write as _;

/// Characters to escape in file names: all but RFC 3986's unreserved ones, so that a name can't contain a
/// scheme, a query or a line break.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A segment in a media playlist of ffmpeg.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    pub seconds: f64,
    pub file: String,
}

/// A variant stream in the master playlist.
pub struct Variant {
    /// Name of the media playlist, in the same folder.
    pub name: String,
    /// In bits per second: of the largest segment, and of all segments.
    pub peak: u64,
    pub average: u64,
    /// In pixels.
    pub width: u32,
    pub height: u32,
    pub frame_rate: f64,
    /// In the format of RFC 6381.
    pub codecs: String,
}

/// Parses the segments of a media playlist.
pub fn parse_segments(playlist: &str) -> Vec<Segment> {
    let mut seconds = 0.0;
    let mut segments = vec![];
    for line in playlist.lines().map(str::trim) {
        if let Some(info) = line.strip_prefix("#EXTINF:") {
            seconds = info.split(',').next().and_then(|number| number.parse().ok()).unwrap_or(0.0);
        } else if !line.is_empty() && !line.starts_with('#') {
            segments.push(Segment { seconds, file: line.into() });
        }
    }
    segments
}

/// Writes a media playlist of `segments` with their file names in `names`.
pub fn media_playlist(segments: &[Segment], names: &[String]) -> String {
    let longest = segments.iter().map(|segment| segment.seconds).fold(1.0, f64::max);
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n",
        // RFC 8216: no duration, rounded to whole seconds, may exceed it.
        longest.round()
    );
    for (segment, name) in segments.iter().zip(names) {
        let _ = writeln!(text, "#EXTINF:{:.6},\n{}", segment.seconds, utf8_percent_encode(name, ESCAPED));
    }
    text + "#EXT-X-ENDLIST\n"
}

/// Writes the master playlist with the variants in the job's order.
pub fn master_playlist(variants: &[Variant]) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    for variant in variants {
        let Variant { name, peak, average, width, height, frame_rate, codecs } = variant;
        let _ = writeln!(
            text,
            "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},RESOLUTION={width}x{height},\
             CODECS=\"{codecs}\",FRAME-RATE={frame_rate:.3}\n{}",
            utf8_percent_encode(name, ESCAPED)
        );
    }
    text
}

/// Returns the peak and average bit rate of segments with their sizes in bytes.
pub fn bandwidth(segments: &[Segment], bytes: &[u64]) -> (u64, u64) {
    // A last segment of a few frames would give a misleading peak.
    let counted = |segment: &Segment| segments.len() == 1 || segment.seconds >= 0.5;
    let rate = |bytes: u64, seconds: f64| (bytes as f64 * 8.0 / seconds.max(0.001)).ceil() as u64;
    let each = segments.iter().zip(bytes).filter(|(segment, _)| counted(segment));
    let peak = each.map(|(segment, bytes)| rate(*bytes, segment.seconds)).max().unwrap_or(0);
    let average = rate(bytes.iter().sum(), segments.iter().map(|segment| segment.seconds).sum());
    (peak.max(average), average)
}

/// Returns the codecs of an H.264 stream, with AAC-LC if there is audio, from ffprobe's profile and level.
pub fn codecs(profile: Option<&str>, level: Option<i32>, has_audio: bool) -> String {
    // The profile's number and the constraint flags that x264 sets.
    let profile = match profile {
        Some("Constrained Baseline" | "Baseline") => "42c0",
        Some("High") => "6400",
        _ => "4d40",
    };
    let level = level.filter(|level| (10..=62).contains(level)).unwrap_or(40);
    format!("avc1.{profile}{level:02x}{}", if has_audio { ",mp4a.40.2" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_playlist_keeps_segments_under_new_names() {
        let playlist = "#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:6.006,\nx_00001.ts\n#EXTINF:1.5,\nx_00002.ts\n#EXT-X-ENDLIST\n";
        let segments = parse_segments(playlist);
        assert_eq!(segments.len(), 2);
        let names = ["my film: 1%_00001.ts".to_owned(), "b.ts".to_owned()];
        let text = media_playlist(&segments, &names);
        assert!(text.contains("#EXT-X-TARGETDURATION:6\n"));
        assert!(text.contains("#EXT-X-PLAYLIST-TYPE:VOD\n"));
        assert!(text.contains("#EXTINF:6.006000,\nmy%20film%3A%201%25_00001.ts\n#EXTINF:1.500000,\nb.ts\n"));
        assert!(text.ends_with("#EXT-X-ENDLIST\n"));
        assert_eq!(bandwidth(&segments, &[750_750, 90_000]), (1_000_000, 896_084));
    }

    #[test]
    fn short_last_segment_is_excluded_from_peak() {
        let segments = [6.0, 0.04].map(|seconds| Segment { seconds, file: String::new() });
        assert_eq!(bandwidth(&segments, &[600_000, 40_000]).0, 847_683);
        assert_eq!(bandwidth(&segments[1..], &[40_000]).0, 8_000_000);
    }

    #[test]
    fn master_playlist_has_bandwidth_resolution_and_codecs() {
        let variant = Variant {
            name: "a_360.m3u8".into(),
            peak: 900_000,
            average: 700_000,
            width: 640,
            height: 360,
            frame_rate: 30_000.0 / 1001.0,
            codecs: codecs(Some("Main"), Some(30), true),
        };
        assert_eq!(
            master_playlist(&[variant]),
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-STREAM-INF:BANDWIDTH=900000,AVERAGE-BANDWIDTH=700000,RESOLUTION=640x360,\
             CODECS=\"avc1.4d401e,mp4a.40.2\",FRAME-RATE=29.970\na_360.m3u8\n"
        );
        assert_eq!(codecs(Some("High"), Some(42), false), "avc1.64002a");
    }
}
