//! Captions as text: shifts them, writes SRT, and cuts them into segments. Pure. The edge reads them and writes WebVTT.

pub use edge::captions::{Cue, parse, webvtt};

use std::fmt::Write as _;

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
        let [start, end] = cue.times(',');
        let _ = write!(text, "{number}\n{start} --> {end}\n{}\n\n", cue.text);
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

    fn cue(start: f64, end: f64) -> Cue {
        Cue { start, end, text: "x".into() }
    }

    #[test]
    fn written_srt_is_read_back() {
        let cues = [cue(0.5, 1.0), cue(3_661.25, 3_662.0)];
        let text = srt(&cues);
        assert!(text.contains("\n\n2\n01:01:01,250 --> 01:01:02,000\nx\n"), "{text}");
        assert_eq!(parse(text.as_bytes()).unwrap(), cues);
    }

    #[test]
    fn segments_have_the_cues_that_are_visible() {
        let cues = [cue(0.5, 1.0), cue(1.5, 2.5), cue(5.0, 6.0)];
        let counts: Vec<_> = segments(&cues, &[2.0, 2.0, 2.0]).map(|segment| segment.len()).collect();
        assert_eq!(counts, [2, 1, 1]);
        assert_eq!(shifted(&cues, -1.2).len(), 2);
    }
}
