//! HLS playlists with captions: the rendition of one language, and its entry in the master playlist. Pure.

use super::Language;
use std::fmt::Write as _;

const GROUP: &str = "captions";
const STREAM: &str = "#EXT-X-STREAM-INF:";
const MEDIA: &str = "#EXT-X-MEDIA:";

/// Captions of one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendition {
    pub language: Language,
    /// URI of its playlist, relative to the master playlist.
    pub uri: String,
}

/// The playlist of captions in one file, which is as long as the video.
pub fn media_playlist(uri: &str, seconds: f64) -> String {
    // Durations are far below the limit of the cast.
    let target = (seconds.ceil() as u64).max(1);
    format!(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-PLAYLIST-TYPE:VOD\n\
         #EXTINF:{seconds:.3},\n{uri}\n#EXT-X-ENDLIST\n"
    )
}

/// URIs of the captions' playlists in a master playlist.
pub fn captions(master: &str) -> Vec<&str> {
    let entries = master.lines().filter(|line| is_captions(line));
    entries.filter_map(|line| line.split_once("URI=\"")?.1.split('"').next()).collect()
}

/// A master playlist with these captions in place of those that it has.
pub fn with_captions(master: &str, renditions: &[Rendition]) -> String {
    let attribute = format!(",SUBTITLES=\"{GROUP}\"");
    let mut entries = String::new();
    for Rendition { language, uri } in renditions {
        let tag = if language.is_known() { format!("LANGUAGE=\"{language}\",") } else { String::new() };
        let name = language.name();
        let _ = writeln!(
            entries,
            "{MEDIA}TYPE=SUBTITLES,GROUP-ID=\"{GROUP}\",{tag}NAME=\"{name}\",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,URI=\"{uri}\""
        );
    }
    let mut text = String::new();
    for line in master.lines().filter(|line| !is_captions(line)) {
        if !line.starts_with(STREAM) {
            text += line;
        } else {
            // Before the first variant.
            text += &std::mem::take(&mut entries);
            text += &line.replace(&attribute, "");
            if !renditions.is_empty() && !line.replace(&attribute, "").contains(",SUBTITLES=") {
                text += &attribute;
            }
        }
        text.push('\n');
    }
    text
}

fn is_captions(line: &str) -> bool {
    line.starts_with(MEDIA) && line.contains(&format!("GROUP-ID=\"{GROUP}\""))
}

/// The first URI of a playlist: a master playlist's first variant, a media playlist's first segment.
pub fn first_uri(playlist: &str) -> Option<&str> {
    playlist.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASTER: &str = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-INDEPENDENT-SEGMENTS\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.4d401e,mp4a.40.2\"\nv_360.m3u8\n\
        #EXT-X-STREAM-INF:BANDWIDTH=2\nv_540.m3u8\n";

    fn rendition(tag: &str) -> Rendition {
        Rendition { language: Language::parse(tag).unwrap(), uri: format!("v.captions.{tag}.m3u8") }
    }

    #[test]
    fn master_playlist_has_exactly_these_captions() {
        let one = with_captions(MASTER, &[rendition("de")]);
        assert_eq!(
            one,
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"captions\",LANGUAGE=\"de\",NAME=\"German\",DEFAULT=NO,\
             AUTOSELECT=YES,FORCED=NO,URI=\"v.captions.de.m3u8\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.4d401e,mp4a.40.2\",SUBTITLES=\"captions\"\nv_360.m3u8\n\
             #EXT-X-STREAM-INF:BANDWIDTH=2,SUBTITLES=\"captions\"\nv_540.m3u8\n"
        );
        assert_eq!(with_captions(&one, &[rendition("de")]), one, "again");
        let two = with_captions(&one, &[rendition("de"), rendition("und")]);
        assert_eq!(captions(&two), ["v.captions.de.m3u8", "v.captions.und.m3u8"]);
        assert!(two.contains("GROUP-ID=\"captions\",NAME=\"Captions\","), "{two}");
        assert_eq!(with_captions(&two, &[rendition("de")]), one);
        assert_eq!(with_captions(&two, &[]), MASTER);
        assert_eq!(first_uri(&two), Some("v_360.m3u8"));
    }

    #[test]
    fn entries_of_another_group_are_kept() {
        let audio = "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"English\",URI=\"a.m3u8\"\n";
        let master = format!("#EXTM3U\n{audio}#EXT-X-STREAM-INF:BANDWIDTH=1,SUBTITLES=\"subs\"\nv.m3u8\n");
        let text = with_captions(&master, &[rendition("de")]);
        assert!(text.contains(audio) && text.contains("BANDWIDTH=1,SUBTITLES=\"subs\"\n"), "{text}");
        assert_eq!(with_captions(&text, &[]), master);
    }

    #[test]
    fn media_playlist_has_one_segment() {
        let text = media_playlist("v.vtt", 12.34);
        assert!(text.contains("#EXT-X-TARGETDURATION:13\n") && text.contains("\n#EXTINF:12.340,\nv.vtt\n"));
        assert_eq!(first_uri(&text), Some("v.vtt"));
        assert_eq!(first_uri("#EXTM3U\n\n"), None);
    }
}
