//! HLS playlists: ffmpeg's read, ours written, with the names that the job wants. Pure.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt::Write as _;

/// All but RFC 3986's unreserved characters: a name can't be mistaken for a scheme, a query or a new line.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A piece of a rendition, as ffmpeg's playlist lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    pub seconds: f64,
    pub file: String,
}

/// A rendition in the master playlist.
pub struct Variant {
    /// The media playlist's name, in the same folder.
    pub name: String,
    /// Bits a second: of the worst segment, and of all together.
    pub peak: u64,
    pub average: u64,
    /// In pixels.
    pub width: u32,
    pub height: u32,
    pub frame_rate: f64,
    /// As RFC 6381 writes them.
    pub codecs: String,
}

/// The segments that a media playlist lists.
pub fn segments(playlist: &str) -> Vec<Segment> {
    let mut seconds = 0.0;
    let mut found = vec![];
    for line in playlist.lines().map(str::trim) {
        if let Some(info) = line.strip_prefix("#EXTINF:") {
            seconds = info.split(',').next().and_then(|number| number.parse().ok()).unwrap_or(0.0);
        } else if !line.is_empty() && !line.starts_with('#') {
            found.push(Segment { seconds, file: line.into() });
        }
    }
    found
}

/// A media playlist of `segments`, each under its name in `names`.
pub fn media(segments: &[Segment], names: &[String]) -> String {
    let longest = segments.iter().map(|segment| segment.seconds).fold(1.0, f64::max);
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n",
        // RFC 8216: no segment may be longer, each rounded to whole seconds.
        longest.round()
    );
    for (segment, name) in segments.iter().zip(names) {
        let _ = writeln!(text, "#EXTINF:{:.6},\n{}", segment.seconds, utf8_percent_encode(name, NAME));
    }
    text + "#EXT-X-ENDLIST\n"
}

/// The master playlist, smallest rendition first as the job lists them.
pub fn master(variants: &[Variant]) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    for variant in variants {
        let Variant { name, peak, average, width, height, frame_rate, codecs } = variant;
        let _ = writeln!(
            text,
            "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},RESOLUTION={width}x{height},\
             CODECS=\"{codecs}\",FRAME-RATE={frame_rate:.3}\n{}",
            utf8_percent_encode(name, NAME)
        );
    }
    text
}

/// Peak and average bits a second of segments with their sizes in bytes.
pub fn bandwidth(segments: &[Segment], bytes: &[u64]) -> (u64, u64) {
    // A last segment of a few frames says nothing about the network that is needed.
    let counted = |segment: &Segment| segments.len() == 1 || segment.seconds >= 0.5;
    let rate = |bytes: u64, seconds: f64| (bytes as f64 * 8.0 / seconds.max(0.001)).ceil() as u64;
    let each = segments.iter().zip(bytes).filter(|(segment, _)| counted(segment));
    let peak = each.map(|(segment, bytes)| rate(*bytes, segment.seconds)).max().unwrap_or(0);
    let average = rate(bytes.iter().sum(), segments.iter().map(|segment| segment.seconds).sum());
    (peak.max(average), average)
}

/// The codecs of an H.264 stream, with AAC-LC where there is sound, from ffprobe's names.
pub fn codecs(profile: Option<&str>, level: Option<i32>, sound: bool) -> String {
    // The profile's number and the constraints that x264 declares with it.
    let profile = match profile {
        Some("Constrained Baseline" | "Baseline") => "42c0",
        Some("High") => "6400",
        _ => "4d40",
    };
    let level = level.filter(|level| (10..=62).contains(level)).unwrap_or(40);
    format!("avc1.{profile}{level:02x}{}", if sound { ",mp4a.40.2" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rendition_keeps_its_segments_under_new_names() {
        let made = "#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:6.006,\nx_00001.ts\n#EXTINF:1.5,\nx_00002.ts\n#EXT-X-ENDLIST\n";
        let found = segments(made);
        assert_eq!(found.len(), 2);
        let names = ["my film: 1%_00001.ts".to_owned(), "b.ts".to_owned()];
        let text = media(&found, &names);
        assert!(text.contains("#EXT-X-TARGETDURATION:6\n"));
        assert!(text.contains("#EXT-X-PLAYLIST-TYPE:VOD\n"));
        assert!(text.contains("#EXTINF:6.006000,\nmy%20film%3A%201%25_00001.ts\n#EXTINF:1.500000,\nb.ts\n"));
        assert!(text.ends_with("#EXT-X-ENDLIST\n"));
        assert_eq!(bandwidth(&found, &[750_750, 90_000]), (1_000_000, 896_084));
    }

    #[test]
    fn a_tiny_last_segment_doesnt_set_the_peak() {
        let found = [6.0, 0.04].map(|seconds| Segment { seconds, file: String::new() });
        assert_eq!(bandwidth(&found, &[600_000, 40_000]).0, 847_683);
        assert_eq!(bandwidth(&found[1..], &[40_000]).0, 8_000_000);
    }

    #[test]
    fn the_master_says_what_a_player_needs() {
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
            master(&[variant]),
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-STREAM-INF:BANDWIDTH=900000,AVERAGE-BANDWIDTH=700000,RESOLUTION=640x360,\
             CODECS=\"avc1.4d401e,mp4a.40.2\",FRAME-RATE=29.970\na_360.m3u8\n"
        );
        assert_eq!(codecs(Some("High"), Some(42), false), "avc1.64002a");
    }
}
