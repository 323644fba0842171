//! Parses the playlists that ffmpeg writes into the work folder.

use super::{Part, Segment};
use std::fmt::Write as _;

/// A media playlist with local names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocalMedia {
    pub init: Option<Part>,
    pub segments: Vec<Segment>,
}

/// Parses a media playlist.
pub fn parse(playlist: &str) -> LocalMedia {
    let mut media = LocalMedia::default();
    let (mut seconds, mut range) = (0.0, None);
    for line in playlist.lines().map(str::trim) {
        if let Some(info) = line.strip_prefix("#EXTINF:") {
            seconds = info.split(',').next().and_then(|number| number.parse().ok()).unwrap_or(0.0);
        } else if let Some(bytes) = line.strip_prefix("#EXT-X-BYTERANGE:") {
            range = parse_range(bytes);
        } else if let Some(map) = line.strip_prefix("#EXT-X-MAP:") {
            let attribute = |name: &str| map.split_once(&format!("{name}=\""))?.1.split('"').next();
            let range = attribute("BYTERANGE").and_then(parse_range);
            media.init = attribute("URI").map(|name| Part { name: name.into(), range });
        } else if !line.is_empty() && !line.starts_with('#') {
            let part = Part { name: line.into(), range: range.take() };
            media.segments.push(Segment { seconds, part });
        }
    }
    media
}

/// Writes a playlist of the first segment alone.
pub fn first_segment(media: &LocalMedia) -> String {
    let mut text = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:60\n".to_owned();
    if let Some(init) = &media.init {
        let _ = writeln!(text, "#EXT-X-MAP:URI=\"{}\"", init.name);
    }
    if let Some(segment) = media.segments.first() {
        let _ = writeln!(text, "#EXTINF:{:.6},\n{}", segment.seconds, segment.part.name);
    }
    text + "#EXT-X-ENDLIST\n"
}

/// Parses `LENGTH@OFFSET` as offset and length.
fn parse_range(text: &str) -> Option<(u64, u64)> {
    let (length, offset) = text.split_once('@')?;
    Some((offset.parse().ok()?, length.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_ranges_and_initialization_are_parsed() {
        let playlist = "#EXTM3U\n#EXT-X-MAP:URI=\"r0.m4s\",BYTERANGE=\"800@0\"\n#EXTINF:6.006,\n\
                        #EXT-X-BYTERANGE:500@800\nr0.m4s\n#EXTINF:1.5,\nr0_00002.ts\n#EXT-X-ENDLIST\n";
        let media = parse(playlist);
        assert_eq!(media.init, Some(Part { name: "r0.m4s".into(), range: Some((0, 800)) }));
        let part = |name: &str, range| Part { name: name.into(), range };
        assert_eq!(
            media.segments,
            [
                Segment { seconds: 6.006, part: part("r0.m4s", Some((800, 500))) },
                Segment { seconds: 1.5, part: part("r0_00002.ts", None) },
            ]
        );
        assert_eq!(parse("Not a playlist?").init, None);
        let streamed = "#EXT-X-MAP:URI=\"i.mp4\"\n#EXTINF:2,\na.m4s\n#EXTINF:1,\nb.m4s\n";
        let mut first = parse(streamed);
        first.segments.truncate(1);
        assert_eq!(parse(&first_segment(&parse(streamed))), first);
    }
}
