//! The parts of the inputs that a job joins, and their audio tracks. Pure.

use super::super::job_error::JobError;
use super::super::settings::{AudioSelector, Input, S3Uri, TimecodeSource};
use super::super::source::{Source, Track};
use super::{Materials, PlanInput};

/// Maximum duration of an input, in seconds. A file of two pictures can declare years.
pub const MAX_DURATION_S: f64 = 24.0 * 60.0 * 60.0;

/// A part of an input, or a whole one.
pub struct Clip<'a> {
    pub input: &'a Input,
    pub source: &'a Source,
    /// Number among ffmpeg's inputs.
    pub file: usize,
    /// In seconds.
    pub start: Option<f64>,
    pub end: Option<f64>,
}

impl<'a> Clip<'a> {
    /// Returns all clips in order, and adds their files to `files`.
    pub fn all(
        inputs: &'a [Input],
        sources: &'a [Source],
        files: &mut Vec<PlanInput>,
    ) -> Result<Vec<Self>, JobError> {
        let mut clips = vec![];
        for (input, source) in inputs.iter().zip(sources) {
            let uri = S3Uri::parse_file(&input.file_input)
                .ok_or(JobError::Settings("Every input must have an s3:// address.".into()))?;
            if source.duration.is_some_and(|duration| duration > MAX_DURATION_S) {
                return Err(JobError::Settings("The input is longer than the maximum of 24 hours.".into()));
            }
            let mut add = |start: Option<f64>, end: Option<f64>| {
                clips.push(Self { input, source, file: files.len(), start, end });
                files.push(PlanInput::Media { uri: uri.clone(), start, end });
            };
            if input.input_clippings.is_empty() {
                add(None, None);
            }
            for clipping in &input.input_clippings {
                let seconds = |timecode: &Option<String>| {
                    timecode.as_deref().map(|text| timecode_seconds(text, input, source)).transpose()
                };
                let (start, end) = (seconds(&clipping.start_timecode)?, seconds(&clipping.end_timecode)?);
                let last = end.or(source.duration).unwrap_or(f64::INFINITY);
                if start.unwrap_or(0.0) >= last.min(source.duration.unwrap_or(f64::INFINITY)) {
                    return Err(JobError::Settings(
                        "A clip starts after its end, or that of the input.".into(),
                    ));
                }
                add(start, end);
            }
        }
        Ok(clips)
    }

    /// Returns the duration of the picture, or of the file if there is none, in seconds.
    pub fn duration(&self) -> Option<f64> {
        let whole = self.source.video_end();
        let end = match (self.end, whole) {
            (Some(end), Some(whole)) => Some(end.min(whole)),
            (end, whole) => end.or(whole),
        };
        Some((end? - self.start.unwrap_or(0.0)).max(0.0))
    }

    /// Returns the input's audio selector with this name, or that of a group with this name.
    fn selector(&self, name: &str) -> Option<&'a AudioSelector> {
        let in_group = self.input.audio_selector_groups.get(name);
        let name = in_group.and_then(|group| group.audio_selector_names.first()).map_or(name, String::as_str);
        self.input.audio_selectors.get(name)
    }

    /// Returns the selected audio: tracks of the input or of an external file; `None` if there is no audio at all.
    pub fn audio(
        &self,
        name: &str,
        materials: &'a Materials,
        files: &mut Vec<PlanInput>,
    ) -> Result<Option<SelectedAudio<'a>>, JobError> {
        let selector = self.selector(name);
        let external = selector.and_then(|selector| selector.external_audio_file_input.as_deref());
        let (file, source) = match external.and_then(S3Uri::parse_file) {
            None => (self.file, self.source),
            Some(uri) => {
                let source = materials.audio_files.get(&uri).ok_or(JobError::InputNotFound(uri.clone()))?;
                let file = PlanInput::Media { uri, start: self.start, end: self.end };
                let known = files.iter().position(|known| *known == file);
                let index = known.unwrap_or_else(|| {
                    files.push(file);
                    files.len() - 1
                });
                (index, source)
            }
        };
        let all: Vec<_> = source.audio().filter(|track| track.codec.is_some()).collect();
        if all.is_empty() {
            return match external {
                None => Ok(None),
                Some(uri) => Err(JobError::Settings(format!("The external audio file {uri} has no audio."))),
            };
        }
        let tracks = match selector {
            None => all.first().copied().into_iter().collect(),
            Some(selector) => select(selector, &all)?,
        };
        let offset_ms = selector.map_or(0, |selector| selector.offset);
        let remix = selector.and_then(|selector| selector.remix_settings.as_ref());
        Ok(Some(SelectedAudio { file, tracks, offset_ms, remix }))
    }
}

/// Audio of a clip.
pub struct SelectedAudio<'a> {
    /// Number among ffmpeg's inputs.
    pub file: usize,
    /// At least one; the channels of several are put together.
    pub tracks: Vec<&'a Track>,
    pub offset_ms: i32,
    pub remix: Option<&'a super::super::settings::RemixSettings>,
}

/// Returns the selected tracks, at least one.
fn select<'a>(selector: &AudioSelector, all: &[&'a Track]) -> Result<Vec<&'a Track>, JobError> {
    let missing = |what: String| {
        JobError::Settings(format!("The audio selector selects audio {what}, which the input doesn't have."))
    };
    if !selector.tracks.is_empty() {
        let find = |number: &usize| {
            let track = all.get(number.wrapping_sub(1)).copied();
            track.ok_or_else(|| missing(format!("track {number}")))
        };
        return selector.tracks.iter().map(find).collect();
    }
    if !selector.pids.is_empty() {
        let find = |pid: &u32| {
            let track = all.iter().find(|track| track.pid == Some(*pid)).copied();
            track.ok_or_else(|| missing(format!("PID {pid}")))
        };
        return selector.pids.iter().map(find).collect();
    }
    let code = selector.custom_language_code.as_ref().or(selector.language_code.as_ref());
    let Some(code) = code else { return Ok(all.first().copied().into_iter().collect()) };
    let is_language =
        |track: &&&Track| track.language.as_deref().is_some_and(|l| l.eq_ignore_ascii_case(code));
    let found = all.iter().find(is_language).or_else(|| {
        // A default selector takes what there is.
        let is_default = selector.default_selection == super::super::settings::DefaultSelection::Default;
        all.first().filter(|_| is_default)
    });
    found.map(|track| vec![*track]).ok_or_else(|| missing(format!("in the language {code}")))
}

/// Returns the time of `HH:MM:SS:FF` in the input, in seconds.
fn timecode_seconds(text: &str, input: &Input, source: &Source) -> Result<f64, JobError> {
    let rate = source.video().map_or(30.0, |(_, video)| video.frame_rate.as_f64());
    let origin = match input.timecode_source {
        TimecodeSource::Zerobased => None,
        TimecodeSource::Embedded => source.timecode.as_deref(),
        TimecodeSource::Specifiedstart => input.timecode_start.as_deref(),
    };
    let parse = |text: &str| {
        parse_timecode(text, rate)
            .ok_or_else(|| JobError::Settings(format!("The timecode {text} isn't of the form HH:MM:SS:FF.")))
    };
    let seconds = parse(text)? - origin.map(parse).transpose()?.unwrap_or(0.0);
    if seconds < 0.0 {
        return Err(JobError::Settings(format!("The timecode {text} is before the start of the input.")));
    }
    Ok(seconds)
}

/// Parses `HH:MM:SS:FF` as seconds at a frame rate; `;` before the frames is accepted, too.
pub fn parse_timecode(text: &str, rate: f64) -> Option<f64> {
    let parts: Vec<u32> = text.split([':', ';']).map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hours, minutes, seconds, frames] = parts.try_into().ok()?;
    let is_valid = hours < 100 && minutes < 60 && seconds < 60 && f64::from(frames) < rate.ceil();
    is_valid.then(|| f64::from(hours * 3600 + minutes * 60 + seconds) + f64::from(frames) / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timecode_is_parsed_at_frame_rate() {
        assert_eq!(parse_timecode("00:01:02:15", 30.0), Some(62.5));
        assert_eq!(parse_timecode("01:00:00;00", 29.97), Some(3600.0));
        for text in
            ["", "1:2:3", "00:60:00:00", "00:00:00:30", "4294967295:00:00:00", "a:b:c:d", "00:00:00:00:00"]
        {
            assert_eq!(parse_timecode(text, 30.0), None, "{text}");
        }
    }
}
