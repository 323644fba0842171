//! The MPD of a DASH or CMAF group.

use super::{Part, Track, escape};
use std::fmt::Write as _;

/// Time units in a second. ffmpeg's playlists have microseconds.
const TIMESCALE: f64 = 1_000_000.0;

/// The MPD's content besides the tracks.
#[derive(Clone, Debug)]
pub struct MpdOptions {
    pub min_buffer_ms: u32,
    /// Precedes the names of segments.
    pub base_url: Option<String>,
}

/// Writes the MPD: one adaptation set for all videos, one for each language of audio, one for each file of captions.
pub fn mpd(tracks: &[Track], options: &MpdOptions) -> String {
    let seconds = tracks.iter().filter(|track| !track.is_captions).map(Track::seconds).fold(0.0, f64::max);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" \
         profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" type=\"static\" mediaPresentationDuration=\"PT{seconds:.3}S\" \
         minBufferTime=\"PT{:.3}S\">\n",
        f64::from(options.min_buffer_ms) / 1000.0
    );
    if let Some(url) = &options.base_url {
        let _ = writeln!(text, "  <BaseURL>{}</BaseURL>", xml(url));
    }
    text += "  <Period start=\"PT0S\">\n";
    let videos: Vec<_> = tracks.iter().filter(|track| track.has_video).collect();
    adaptation_set(&mut text, "video", None, &videos);
    let mut languages: Vec<_> =
        tracks.iter().filter(|t| t.has_audio && !t.has_video).map(|t| &t.language).collect();
    languages.sort();
    languages.dedup();
    for language in languages {
        let is_same = |track: &&Track| track.has_audio && !track.has_video && track.language == *language;
        let audios: Vec<_> = tracks.iter().filter(is_same).collect();
        adaptation_set(&mut text, "audio", language.as_deref(), &audios);
    }
    for (index, track) in tracks.iter().enumerate().filter(|(_, track)| track.is_captions) {
        let language =
            track.language.as_ref().map_or(String::new(), |code| format!(" lang=\"{}\"", xml(code)));
        let name = track.captions_file.as_deref().unwrap_or_default();
        let _ = writeln!(
            text,
            "    <AdaptationSet contentType=\"text\" mimeType=\"text/vtt\"{language}>\n      \
             <Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"subtitle\"/>\n      \
             <Representation id=\"t{index}\" bandwidth=\"1000\">\n        <BaseURL>{}</BaseURL>\n      \
             </Representation>\n    </AdaptationSet>",
            escape(name)
        );
    }
    text + "  </Period>\n</MPD>\n"
}

fn adaptation_set(text: &mut String, kind: &str, language: Option<&str>, tracks: &[&Track]) {
    if tracks.is_empty() {
        return;
    }
    let language = language.map_or(String::new(), |code| format!(" lang=\"{}\"", xml(code)));
    let _ = writeln!(
        text,
        "    <AdaptationSet contentType=\"{kind}\" mimeType=\"{kind}/mp4\" segmentAlignment=\"true\" \
         startWithSAP=\"1\"{language}>"
    );
    for (index, track) in tracks.iter().enumerate() {
        representation(text, &format!("{}{index}{}", &kind[..1], language.len()), track);
    }
    *text += "    </AdaptationSet>\n";
}

fn representation(text: &mut String, id: &str, track: &Track) {
    let _ = write!(
        text,
        "      <Representation id=\"{id}\" bandwidth=\"{}\" codecs=\"{}\"",
        track.peak, track.codecs
    );
    if let Some((width, height)) = track.size {
        let _ = write!(text, " width=\"{width}\" height=\"{height}\"");
    }
    if let Some(rate) = track.frame_rate {
        let (numerator, denominator) = ((rate * 1001.0).round(), 1001);
        let is_whole = (rate - rate.round()).abs() < 1e-6;
        let rate = if is_whole { rate.round().to_string() } else { format!("{numerator}/{denominator}") };
        let _ = write!(text, " frameRate=\"{rate}\"");
    }
    if let Some(rate) = track.sample_rate {
        let _ = write!(text, " audioSamplingRate=\"{rate}\"");
    }
    *text += ">\n";
    if let Some(channels) = track.channels {
        let _ = writeln!(
            text,
            "        <AudioChannelConfiguration \
             schemeIdUri=\"urn:mpeg:dash:23003:3:audio_channel_configuration:2011\" value=\"{channels}\"/>"
        );
    }
    segment_list(text, track);
    *text += "      </Representation>\n";
}

fn segment_list(text: &mut String, track: &Track) {
    let ranged = |part: &Part, url: &str, range: &str| {
        let bytes = part.range.map_or(String::new(), |(offset, length)| {
            format!(" {range}=\"{offset}-{}\"", (offset + length).saturating_sub(1))
        });
        format!("{url}=\"{}\"{bytes}", escape(&part.name))
    };
    let _ = writeln!(text, "        <SegmentList timescale=\"{TIMESCALE}\">");
    if let Some(init) = &track.init {
        let _ = writeln!(text, "          <Initialization {}/>", ranged(init, "sourceURL", "range"));
    }
    *text += "          <SegmentTimeline>\n";
    let mut elapsed = 0.0;
    for segment in &track.segments {
        // Rounded ends, so that errors don't add up.
        let start = (elapsed * TIMESCALE).round();
        elapsed += segment.seconds;
        let _ =
            writeln!(text, "            <S t=\"{start}\" d=\"{}\"/>", (elapsed * TIMESCALE).round() - start);
    }
    *text += "          </SegmentTimeline>\n";
    for segment in &track.segments {
        let _ = writeln!(text, "          <SegmentURL {}/>", ranged(&segment.part, "media", "mediaRange"));
    }
    *text += "        </SegmentList>\n";
}

/// Escapes text for an attribute or an element.
fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::Segment;
    use super::*;

    #[test]
    fn mpd_lists_segments_with_their_times() {
        let part = |name: &str, range| Part { name: name.into(), range };
        let segment = |seconds, range| Segment { seconds, part: part("a v.mp4", range) };
        let video = Track {
            has_video: true,
            init: Some(part("a v.mp4", Some((0, 800)))),
            segments: vec![segment(2.002, Some((800, 200))), segment(1.5, Some((1000, 100)))],
            peak: 1000,
            codecs: "avc1.4d401e".into(),
            size: Some((640, 360)),
            frame_rate: Some(30_000.0 / 1001.0),
            ..Track::default()
        };
        let audio = Track {
            has_audio: true,
            segments: vec![Segment { seconds: 3.5, part: part("a.mp4", None) }],
            language: Some("eng".into()),
            channels: Some(2),
            ..Track::default()
        };
        let options = MpdOptions { min_buffer_ms: 30_000, base_url: Some("https://c/?a&b".into()) };
        let text = mpd(&[video, audio], &options);
        for expected in [
            "mediaPresentationDuration=\"PT3.502S\" minBufferTime=\"PT30.000S\"",
            "<BaseURL>https://c/?a&amp;b</BaseURL>",
            "width=\"640\" height=\"360\" frameRate=\"30000/1001\"",
            "<Initialization sourceURL=\"a%20v.mp4\" range=\"0-799\"/>",
            "<S t=\"0\" d=\"2002000\"/>",
            "<S t=\"2002000\" d=\"1500000\"/>",
            "<SegmentURL media=\"a%20v.mp4\" mediaRange=\"1000-1099\"/>",
            "contentType=\"audio\" mimeType=\"audio/mp4\" segmentAlignment=\"true\" startWithSAP=\"1\" lang=\"eng\"",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }
}
