//! Captions as text: reads SRT and WebVTT, writes WebVTT. Pure; files are untrusted.

mod language;
pub(crate) mod playlist;
pub(crate) mod transport_stream;

pub(crate) use language::Language;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use std::fmt::Write as _;

/// Maximum number of cues of a file; a film has some thousands.
const MAX_CUES: usize = 100_000;

/// A text with its time in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Cue {
    pub start: f64,
    pub end: f64,
    /// Lines of text, with the tags of the file.
    pub text: String,
}

/// Parses SRT or WebVTT, whichever it is. Broken cues are skipped; `None` if there is none at all.
pub fn parse(file: &[u8]) -> Option<Vec<Cue>> {
    let text = decode(file).replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = text.lines().collect();
    let mut cues = vec![];
    for block in lines.split(|line| line.trim().is_empty()) {
        let mut lines = block.iter().skip_while(|line| !line.contains("-->"));
        let Some((start, end)) = lines.next().and_then(|line| line.split_once("-->")) else { continue };
        // WebVTT has settings of the cue after its end.
        let end = end.split_whitespace().next().unwrap_or_default();
        let (Some(start), Some(end)) = (parse_time(start.trim()), parse_time(end)) else { continue };
        let text = lines.copied().collect::<Vec<_>>().join("\n");
        if end > start && !text.trim().is_empty() && cues.len() < MAX_CUES {
            cues.push(Cue { start, end, text });
        }
    }
    cues.sort_by(|a: &Cue, b: &Cue| a.start.total_cmp(&b.start));
    (!cues.is_empty()).then_some(cues)
}

/// Decodes UTF-8, UTF-16 with a byte order mark, or else Windows-1252.
fn decode(file: &[u8]) -> String {
    let (encoding, mark) = Encoding::for_bom(file).unwrap_or((UTF_8, 0));
    let text = &file[mark..];
    match encoding.decode_without_bom_handling_and_without_replacement(text) {
        Some(decoded) => decoded.into_owned(),
        None if mark > 0 => encoding.decode_without_bom_handling(text).0.into_owned(),
        None => WINDOWS_1252.decode_without_bom_handling(text).0.into_owned(),
    }
}

/// Parses `HH:MM:SS,mmm` or `MM:SS.mmm` as seconds.
fn parse_time(text: &str) -> Option<f64> {
    let text = text.replace(',', ".");
    let parts: Vec<f64> = text.split(':').map(|part| part.trim().parse().ok()).collect::<Option<_>>()?;
    let valid = (2..=3).contains(&parts.len()) && parts.iter().all(|part| part.is_finite() && *part >= 0.0);
    valid.then(|| parts.iter().fold(0.0, |seconds, part| seconds * 60.0 + part))
}

/// `HH:MM:SS.mmm`, with another separator in SRT.
pub fn format_time(milliseconds: u64, separator: char) -> String {
    let (hours, minutes) = (milliseconds / 3_600_000, milliseconds / 60_000 % 60);
    format!("{hours:02}:{minutes:02}:{:02}{separator}{:03}", milliseconds / 1000 % 60, milliseconds % 1000)
}

impl Cue {
    /// Start and end, as [`format_time`].
    pub fn times(&self, separator: char) -> [String; 2] {
        // Times of cues are far below the limit of the cast.
        [self.start, self.end]
            .map(|seconds| format_time((seconds.max(0.0) * 1000.0).round() as u64, separator))
    }
}

/// Writes WebVTT. `mpegts` is the timestamp of time 0 in the transport stream that the captions belong to, in
/// 1/90,000 s, for a segment of HLS.
pub fn webvtt(cues: &[Cue], mpegts: Option<u64>) -> String {
    let mut text = String::from("WEBVTT\n");
    if let Some(mpegts) = mpegts {
        let _ = writeln!(text, "X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:{mpegts}");
    }
    for cue in cues {
        let [start, end] = cue.times('.');
        // An arrow in the text would start another cue.
        let cue = without_overrides(&cue.text).replace("-->", "→");
        let _ = write!(text, "\n{start} --> {end}\n{cue}\n");
    }
    text
}

/// The text without positions and styles of SubStation Alpha, such as `{\an8}`, which SRT files have and WebVTT would show.
fn without_overrides(text: &str) -> String {
    let (mut kept, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("{\\") {
        let Some((_, behind)) = after.split_once('}') else { break };
        kept += before;
        rest = behind;
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SRT: &str = "1\r\n00:00:01,500 --> 00:00:03,000\r\nOne <i>line</i>\r\nand two\r\n\r\n\
                       2\r\n00:00:05,000 --> 00:00:04,000\r\nbackwards\r\n\r\n3\r\n00:00:06,000 --> 00:00:07,250\r\nlast\r\n";

    #[test]
    fn srt_and_webvtt_are_read_and_written() {
        let cues = parse(SRT.as_bytes()).unwrap();
        assert_eq!(cues.len(), 2);
        assert_eq!(cues[0], Cue { start: 1.5, end: 3.0, text: "One <i>line</i>\nand two".into() });
        let vtt = webvtt(&cues, Some(126_000));
        assert!(vtt.starts_with(
            "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:126000\n\n00:00:01.500 --> 00:00:03.000\n"
        ));
        assert_eq!(parse(vtt.as_bytes()).unwrap(), cues);
        let with_settings = "WEBVTT\n\nid\n00:01.000 --> 00:02.000 align:left line:0\nHello --> you\n";
        assert_eq!(parse(with_settings.as_bytes()).unwrap()[0].start, 1.0);
    }

    #[test]
    fn text_without_cues_is_no_captions() {
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"\xFF\xFEa"), None);
        assert_eq!(parse(b"00:00:01 --> never\nx"), None);
    }

    #[test]
    fn overrides_are_not_shown() {
        let vtt = webvtt(&[Cue { start: 1.0, end: 2.0, text: "{\\an8}up {\\i1}{here} {\\".into() }], None);
        assert!(vtt.ends_with("\nup {here} {\\\n"), "{vtt}");
    }

    #[test]
    fn time_has_hours_with_at_least_two_digits() {
        assert_eq!(format_time(3_600_000 * 100 + 61_001, ','), "100:01:01,001");
    }

    #[test]
    fn other_encodings_are_decoded() {
        let cue = |bytes: &[u8]| parse(bytes).unwrap()[0].text.clone();
        assert_eq!(cue(b"00:00:01,0 --> 00:00:02,0\ncaf\xE9 \x80"), "café €");
        assert_eq!(cue("\u{FEFF}00:00:01,0 --> 00:00:02,0\ncafé".as_bytes()), "café");
        let utf16: Vec<u8> =
            "\u{FEFF}00:00:01,0 --> 00:00:02,0\ncafé".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(cue(&utf16), "café");
    }

    proptest! {
        #[test]
        fn written_captions_are_read_back(file in "([0-9:,.]{0,12}|-->|\\n|[a-zé<{}\\\\ ]{0,6}|00:0[0-9]){0,40}") {
            if let Some(cues) = parse(file.as_bytes()) {
                let again = parse(webvtt(&cues, Some(90_000)).as_bytes());
                prop_assert!(again.is_none_or(|again| again.len() <= cues.len()));
            }
        }

        #[test]
        fn other_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let cue = [b"00:00:01,0 --> 9e300:0:9\n".as_slice(), &bytes].concat();
            let _ = parse(&bytes);
            let _ = parse(&cue).map(|cues| webvtt(&cues, None));
        }
    }
}
