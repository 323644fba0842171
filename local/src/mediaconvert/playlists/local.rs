//! Parses the playlists that ffmpeg writes into the work folder.

use super::{Part, Segment};

/// A media playlist with local names.
#[derive(Debug, Default, PartialEq)]
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
    }
}
