//! Names of outputs: MediaConvert's `$…$` variables in destinations and modifiers. Pure.

use super::super::settings::S3Uri;
use super::super::source::Ratio;

/// Values of variables that are the same in the whole job.
#[derive(Clone, Debug)]
pub struct JobNames {
    /// The first input's name without folder and extension.
    pub input: String,
    /// When the job started, `YYYYMMDDTHHMMSS` in UTC.
    pub started: String,
}

/// Values of variables that an output has. Bit rates are in bits per second.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutputNames<'a> {
    pub size: Option<(u32, u32)>,
    pub frame_rate: Option<Ratio>,
    pub video_bitrate: u64,
    pub audio_bitrate: u64,
    pub extension: &'a str,
}

impl JobNames {
    /// `started_at` is RFC 3339 in UTC.
    pub fn new(input: &S3Uri, started_at: &str) -> Self {
        let name = input.key.rsplit('/').next().unwrap_or_default();
        let started = started_at.chars().filter(|c| c.is_ascii_digit() || *c == 'T').take(15).collect();
        Self { input: name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned(), started }
    }

    /// Replaces the variables of `text`. Unknown ones stay as they are, as in MediaConvert.
    pub fn expand(&self, text: &str, output: &OutputNames<'_>) -> String {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            expanded += before;
            rest = after;
            let Some((name, following)) = after.split_once('$') else {
                expanded.push('$');
                continue;
            };
            // `$w%05$` is padded with zeros to five digits.
            let (variable, padding) = name.split_once('%').unwrap_or((name, ""));
            let digits =
                padding.strip_prefix('0').and_then(|digits| digits.parse().ok()).filter(|n| *n <= 20);
            match self.value(variable, output) {
                Some(value) if padding.is_empty() => expanded += &value,
                Some(value) if digits.is_some() => {
                    expanded += &format!("{value:0>width$}", width = digits.unwrap_or(0));
                }
                _ => {
                    expanded.push('$');
                    continue;
                }
            }
            rest = following;
        }
        expanded + rest
    }

    fn value(&self, variable: &str, output: &OutputNames<'_>) -> Option<String> {
        let (date, time) = self.started.split_once('T').unwrap_or((&self.started, ""));
        let kilobits = |rate: u64| (rate > 0).then(|| (rate / 1000).to_string());
        Some(match variable {
            "dt" => self.started.clone(),
            "d" => date.into(),
            "t" => time.into(),
            "fn" => self.input.clone(),
            "w" => output.size?.0.to_string(),
            "h" => output.size?.1.to_string(),
            "f" => output.frame_rate?.as_f64().round().to_string(),
            "rv" => kilobits(output.video_bitrate)?,
            "ra" => kilobits(output.audio_bitrate)?,
            "rc" => kilobits(output.video_bitrate + output.audio_bitrate)?,
            "ex" => output.extension.into(),
            "" => "$".into(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_and_others_stay() {
        let uri = S3Uri { bucket: "b".into(), key: "in/my.film.mov".into() };
        let names = JobNames::new(&uri, "2026-11-26T01:02:03Z");
        let output = OutputNames {
            size: Some((640, 360)),
            frame_rate: Some(Ratio { num: 30_000, den: 1001 }),
            video_bitrate: 1_500_000,
            audio_bitrate: 96_000,
            extension: "mp4",
        };
        let cases = [
            ("_$w$x$h$_$f$", "_640x360_30"),
            ("$fn$-$dt$", "my.film-20261126T010203"),
            ("$d$/$t$", "20261126/010203"),
            ("$h%05$", "00360"),
            ("$rv$+$ra$=$rc$ $ex$", "1500+96=1596 mp4"),
            ("a$$b", "a$b"),
            ("cost $5 $unknown$ $w$", "cost $5 $unknown$ 640"),
            ("$", "$"),
        ];
        for (text, expected) in cases {
            assert_eq!(names.expand(text, &output), expected, "{text}");
        }
    }
}
