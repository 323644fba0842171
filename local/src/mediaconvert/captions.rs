//! Captions as text: reads SRT and WebVTT, writes both, and cuts WebVTT into segments. Pure; files are untrusted.

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
    let mut cues = vec![];
    for block in text.split("\n\n") {
        let mut lines = block.lines().skip_while(|line| !line.contains("-->"));
        let Some((start, end)) = lines.next().and_then(|line| line.split_once("-->")) else { continue };
        // WebVTT has settings of the cue after its end.
        let end = end.split_whitespace().next().unwrap_or_default();
        let (Some(start), Some(end)) = (parse_time(start.trim()), parse_time(end)) else { continue };
        let text = lines.collect::<Vec<_>>().join("\n");
        if end > start && !text.trim().is_empty() && cues.len() < MAX_CUES {
            cues.push(Cue { start, end, text });
        }
    }
    cues.sort_by(|a: &Cue, b: &Cue| a.start.total_cmp(&b.start));
    (!cues.is_empty()).then_some(cues)
}

/// Decodes UTF-8 or UTF-16 with a byte order mark; else every byte is a character of Latin-1.
fn decode(file: &[u8]) -> String {
    let units = |rest: &[u8], pair: fn([u8; 2]) -> u16| {
        let units: Vec<_> = rest.chunks_exact(2).map(|bytes| pair([bytes[0], bytes[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    match file {
        [0xFF, 0xFE, rest @ ..] => units(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => units(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8(file.to_vec())
            .unwrap_or_else(|_| file.iter().map(|byte| char::from(*byte)).collect()),
    }
}

/// Parses `HH:MM:SS,mmm` or `MM:SS.mmm` as seconds.
fn parse_time(text: &str) -> Option<f64> {
    let text = text.replace(',', ".");
    let parts: Vec<f64> = text.split(':').map(|part| part.trim().parse().ok()).collect::<Option<_>>()?;
    let valid = (2..=3).contains(&parts.len()) && parts.iter().all(|part| part.is_finite() && *part >= 0.0);
    valid.then(|| parts.iter().fold(0.0, |seconds, part| seconds * 60.0 + part))
}

fn format_time(seconds: f64, separator: char) -> String {
    // Times of cues are far below the limit of the cast.
    let milliseconds = (seconds.max(0.0) * 1000.0).round() as u64;
    let (hours, minutes) = (milliseconds / 3_600_000, milliseconds / 60_000 % 60);
    format!("{hours:02}:{minutes:02}:{:02}{separator}{:03}", milliseconds / 1000 % 60, milliseconds % 1000)
}

/// Returns the cues `delta` seconds later; those before the start are left out.
pub fn shifted(cues: &[Cue], delta: f64) -> Vec<Cue> {
    let shift =
        |cue: &Cue| Cue { start: (cue.start + delta).max(0.0), end: cue.end + delta, text: cue.text.clone() };
    cues.iter().map(shift).filter(|cue| cue.end > 0.0).collect()
}

/// Writes SRT.
pub fn srt(cues: &[Cue]) -> String {
    let mut text = String::new();
    for (number, cue) in (1..).zip(cues) {
        let (start, end) = (format_time(cue.start, ','), format_time(cue.end, ','));
        let _ = write!(text, "{number}\n{start} --> {end}\n{}\n\n", cue.text);
    }
    text
}

/// Writes WebVTT. `mpegts` is the timestamp of time 0 in the transport stream that the captions belong to, in
/// 1/90,000 s, for a segment of HLS.
pub fn webvtt(cues: &[Cue], mpegts: Option<u64>) -> String {
    let mut text = String::from("WEBVTT\n");
    if let Some(mpegts) = mpegts {
        let _ = writeln!(text, "X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:{mpegts}");
    }
    for cue in cues {
        let (start, end) = (format_time(cue.start, '.'), format_time(cue.end, '.'));
        // An arrow in the text would start another cue.
        let _ = write!(text, "\n{start} --> {end}\n{}\n", cue.text.replace("-->", "→"));
    }
    text
}

/// Returns for each segment the cues that are visible in it.
pub fn segments<'a>(cues: &'a [Cue], durations: &'a [f64]) -> impl Iterator<Item = Vec<Cue>> + 'a {
    let mut start = 0.0;
    durations.iter().map(move |duration| {
        let (from, to) = (start, start + duration);
        start = to;
        cues.iter().filter(|cue| cue.start < to && cue.end > from).cloned().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(parse(srt(&cues).as_bytes()).unwrap(), cues);
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
    fn other_encodings_are_decoded() {
        let cue = |bytes: &[u8]| parse(bytes).unwrap()[0].text.clone();
        assert_eq!(cue(b"00:00:01,0 --> 00:00:02,0\ncaf\xE9"), "café");
        let utf16: Vec<u8> =
            "\u{FEFF}00:00:01,0 --> 00:00:02,0\ncafé".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(cue(&utf16), "café");
    }

    #[test]
    fn segments_have_the_cues_that_are_visible() {
        let cue = |start, end| Cue { start, end, text: "x".into() };
        let cues = [cue(0.5, 1.0), cue(1.5, 2.5), cue(5.0, 6.0)];
        let counts: Vec<_> = segments(&cues, &[2.0, 2.0, 2.0]).map(|segment| segment.len()).collect();
        assert_eq!(counts, [2, 1, 1]);
        assert_eq!(shifted(&cues, -1.2).len(), 2);
    }
}
