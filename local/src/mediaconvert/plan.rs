//! Derives ffmpeg's arguments and the output files from a job's settings and its input's tracks. Pure.
//!
//! The input is decoded once, and outputs with the same description are encoded once for all containers.
//! ffmpeg gets only generated local names, never names from the request.

use super::encode::{Audio, Encoding, Muxer, strings};
use super::job_error::JobError;
use super::scaling::ScaledFrame;
use super::settings::{
    AudioDescription, Container, FrameCapture, FramerateControl, GroupKind, H264, Rotate, S3Uri, Settings,
    VideoDescription,
};
use super::source::{Ratio, Source, Video};
use std::fmt::Write as _;

/// Maximum duration of an input, in seconds. A file of two pictures can declare years.
const MAX_DURATION_S: f64 = 24.0 * 60.0 * 60.0;
/// MediaConvert's maximum side of a picture, in pixels. An extreme aspect ratio can exceed it.
const MAX_SIDE: u32 = 8192;

/// The conversion of one job.
#[derive(Debug)]
pub struct Plan {
    /// ffmpeg's arguments after the input.
    pub arguments: Vec<String>,
    pub groups: Vec<Group>,
    /// Frame rate of the video whose frames ffmpeg counts; `None` if only pictures are captured.
    pub counted_rate: Option<Ratio>,
}

#[derive(Debug)]
pub struct Group {
    pub kind: GroupKind,
    /// Prefix of the group's output names.
    pub base: S3Uri,
    pub outputs: Vec<Output>,
}

#[derive(Debug)]
pub struct Output {
    /// Follows the group's base in the output's names.
    pub modifier: String,
    pub files: OutputFiles,
    /// In pixels.
    pub width: u32,
    pub height: u32,
    pub frame_rate: Ratio,
}

/// The files that ffmpeg writes for an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputFiles {
    /// A media playlist and its segments.
    Playlist {
        local: String,
        has_audio: bool,
    },
    File {
        local: String,
        extension: String,
    },
    /// Pictures `STEM.0000000.EXTENSION`, `STEM.0000001.EXTENSION`, …
    Frames {
        stem: String,
        extension: String,
    },
}

/// One frame capture output.
struct Capture<'a> {
    settings: &'a FrameCapture,
    frame: ScaledFrame,
    stem: String,
}

/// The inputs of a plan, and the encodings and captures found so far.
struct Planner<'a> {
    settings: &'a Settings,
    input: S3Uri,
    source: &'a Source,
    track: u32,
    video: &'a Video,
    rotation: u32,
    encodings: Vec<Encoding<'a>>,
    captures: Vec<Capture<'a>>,
}

impl Plan {
    /// Plans `settings` for the input `source`. `tone_mapping` is whether ffmpeg has the filters that convert high
    /// to standard dynamic range; without them the colours of HDR inputs are pale.
    pub fn new(settings: &Settings, source: &Source, tone_mapping: bool) -> Result<Self, JobError> {
        let [job_input] = settings.inputs.as_slice() else {
            return Err(JobError::Settings("The job must have exactly one input.".into()));
        };
        let Some(input) = S3Uri::parse(&job_input.file_input) else {
            return Err(JobError::Settings("The job's input must have an s3:// address.".into()));
        };
        let Some((track, video)) = source.video() else { return Err(JobError::NoVideo(input)) };
        if track.codec.is_none() {
            return Err(JobError::UnsupportedCodec(input));
        }
        if source.duration.is_some_and(|duration| duration > MAX_DURATION_S) {
            return Err(JobError::Settings("The input is longer than the maximum of 24 hours.".into()));
        }
        let rotation = match job_input.video_selector.rotate {
            Rotate::Never => 0,
            Rotate::By90 => 90,
            Rotate::By180 => 180,
            Rotate::By270 => 270,
            Rotate::Auto => video.rotation,
        };
        let mut planner = Planner {
            settings,
            input,
            source,
            track: track.index,
            video,
            rotation,
            encodings: vec![],
            captures: vec![],
        };
        let groups = planner.groups()?;
        let counted_rate = planner.encodings.first().map(|encoding| encoding.frame_rate);
        Ok(Self { arguments: planner.arguments(tone_mapping), groups, counted_rate })
    }
}

impl<'a> Planner<'a> {
    fn groups(&mut self) -> Result<Vec<Group>, JobError> {
        let settings = self.settings;
        let mut groups = vec![];
        for group in &settings.output_groups {
            let Some(destination) = S3Uri::parse(group.destination()) else {
                return Err(JobError::Settings("Every destination must be an s3:// address.".into()));
            };
            let kind = group.output_group_settings.kind;
            let segment =
                group.output_group_settings.hls_group_settings.as_ref().map(|hls| hls.segment_length);
            let mut outputs = vec![];
            for output in &group.outputs {
                outputs.push(self.output(output, segment.unwrap_or(10))?);
            }
            groups.push(Group { kind, base: self.base(destination), outputs });
        }
        Ok(groups)
    }

    /// Returns the prefix of output names. The input's name without extension is appended to a destination that
    /// ends with a slash.
    fn base(&self, mut destination: S3Uri) -> S3Uri {
        if destination.key.is_empty() || destination.key.ends_with('/') {
            let name = self.input.key.rsplit('/').next().unwrap_or_default();
            destination.key += name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        }
        destination
    }

    fn output(&mut self, output: &'a super::settings::Output, segment: u32) -> Result<Output, JobError> {
        let Some(video) = &output.video_description else {
            return Err(JobError::Settings("Every output must have a video description.".into()));
        };
        let frame = ScaledFrame::new(video, self.video, self.rotation);
        if frame.width.max(frame.height) > MAX_SIDE {
            let message = format!(
                "An output would be {} by {} pixels; the maximum is 8192.",
                frame.width, frame.height
            );
            return Err(JobError::Settings(message));
        }
        let codec = &video.codec_settings;
        let (files, frame_rate) = match (output.container_settings.container, &codec.h264_settings) {
            (Container::Raw, _) => {
                let Some(settings) = &codec.frame_capture_settings else {
                    return Err(JobError::Settings("A frame capture must have its settings.".into()));
                };
                let stem = format!("capture{}", self.captures.len());
                self.captures.push(Capture { settings, frame, stem: stem.clone() });
                let extension = output.extension.clone().unwrap_or_else(|| "jpg".into());
                (OutputFiles::Frames { stem, extension }, self.video.frame_rate)
            }
            (_, None) => return Err(JobError::Settings("An H.264 output must have its settings.".into())),
            (Container::Mp4, Some(h264)) => {
                let (index, _, frame_rate) = self.encoding(video, h264, output, frame, Muxer::Mp4)?;
                let extension = output.extension.clone().unwrap_or_else(|| "mp4".into());
                (OutputFiles::File { local: Muxer::Mp4.local_name(index), extension }, frame_rate)
            }
            (Container::M3u8, Some(h264)) => {
                let muxer = Muxer::Hls(segment);
                let (index, has_audio, frame_rate) = self.encoding(video, h264, output, frame, muxer)?;
                (OutputFiles::Playlist { local: muxer.local_name(index), has_audio }, frame_rate)
            }
        };
        let ScaledFrame { width, height, .. } = frame;
        Ok(Output { modifier: output.name_modifier.clone(), files, width, height, frame_rate })
    }

    /// Adds `muxer` to the encoding with this description, which is created if there is none yet. Returns its
    /// number, whether it has audio, and its frame rate.
    fn encoding(
        &mut self,
        video: &'a VideoDescription,
        h264: &'a H264,
        output: &'a super::settings::Output,
        frame: ScaledFrame,
        muxer: Muxer,
    ) -> Result<(usize, bool, Ratio), JobError> {
        let audio = match output.audio_descriptions.first() {
            Some(description) => self.audio(description)?,
            None => None,
        };
        let frame_rate = match (h264.framerate_control, h264.framerate_numerator, h264.framerate_denominator)
        {
            (FramerateControl::Specified, Some(num @ 1..), Some(den @ 1..)) => Ratio { num, den },
            _ => self.video.frame_rate,
        };
        let same = |encoding: &Encoding<'_>| encoding.video == video && encoding.audio == audio;
        let index = self.encodings.iter().position(same).unwrap_or_else(|| {
            self.encodings.push(Encoding { video, h264, audio, frame, frame_rate, muxers: vec![] });
            self.encodings.len() - 1
        });
        let muxers = &mut self.encodings[index].muxers;
        if !muxers.contains(&muxer) {
            muxers.push(muxer);
        }
        Ok((index, audio.is_some(), frame_rate))
    }

    /// Returns the selected audio track; `None` if the input has no audio. Fails if it has audio, but not this
    /// track.
    fn audio(&self, description: &'a AudioDescription) -> Result<Option<Audio<'a>>, JobError> {
        let selected = self.settings.inputs.first().and_then(|input| {
            input.audio_selectors.get(&description.audio_source_name)?.tracks.first().copied()
        });
        let mut tracks = self.source.audio().filter(|track| track.codec.is_some()).peekable();
        if tracks.peek().is_none() {
            return Ok(None);
        }
        match tracks.nth(selected.unwrap_or(1).saturating_sub(1)) {
            Some(track) => Ok(Some(Audio { track: track.index, description })),
            None => Err(JobError::Settings(format!(
                "The audio selector selects audio track {}, which the input doesn't have.",
                selected.unwrap_or(1)
            ))),
        }
    }

    fn arguments(&self, tone_mapping: bool) -> Vec<String> {
        let mut arguments = strings(&["-filter_complex", &self.filter_graph(tone_mapping)]);
        for (index, encoding) in self.encodings.iter().enumerate() {
            // Limits the output: a jump in the input's timestamps would be filled with hours of still frames.
            let max_duration = self.source.duration.map_or(MAX_DURATION_S, |duration| duration * 2.0 + 60.0);
            arguments.extend(strings(&["-t", &max_duration.to_string()]));
            arguments.extend(encoding.arguments(index, tone_mapping && self.video.is_hdr()));
        }
        for (index, capture) in self.captures.iter().enumerate() {
            // Quality 80 becomes a scale close to that of other JPEG encoders at 80.
            let qscale = (2 + 100u32.saturating_sub(capture.settings.quality) / 7).clamp(2, 31);
            arguments.extend(strings(&["-map", &format!("[c{index}]"), "-c:v", "mjpeg"]));
            arguments.extend(strings(&["-q:v", &qscale.to_string(), "-fps_mode", "passthrough"]));
            arguments.extend(strings(&["-map_metadata", "-1", "-start_number", "0", "-f", "image2"]));
            arguments.push(format!("{}.%07d.jpg", capture.stem));
        }
        arguments
    }

    /// Returns the filter graph: rotation and conversion to 8 bit once, then a branch for each encoding and capture.
    fn filter_graph(&self, tone_mapping: bool) -> String {
        let mut graph = format!("[0:{}]", self.track);
        if self.video.interlaced {
            graph += "yadif=deint=interlaced,";
        }
        graph += match self.rotation {
            90 => "transpose=clock,",
            180 => "hflip,vflip,",
            270 => "transpose=cclock,",
            _ => "",
        };
        if self.video.is_hdr() && tone_mapping {
            // Tone mapping is slow, so the picture is first scaled to the largest output.
            let frames = self.encodings.iter().map(|encoding| encoding.frame);
            if let Some(largest) = frames.max_by_key(|frame| frame.scaled.0 * frame.scaled.1) {
                let _ = write!(graph, "scale={}:{},", largest.scaled.0, largest.scaled.1);
            }
            graph += "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable:desat=0,\
                      zscale=t=bt709:m=bt709:r=tv,";
        }
        let _ = write!(graph, "format=yuv420p,split={}", self.encodings.len() + self.captures.len());
        let branches = |letter, count| (0..count).map(move |index| format!("[{letter}{index}]"));
        graph.extend(branches("e", self.encodings.len()).chain(branches("f", self.captures.len())));
        for (index, encoding) in self.encodings.iter().enumerate() {
            let Ratio { num, den } = encoding.frame_rate;
            let _ = write!(
                graph,
                ";[e{index}]fps={num}/{den}:start_time=0,{}[v{index}]",
                encoding.frame.filter()
            );
        }
        for (index, Capture { settings, frame, .. }) in self.captures.iter().enumerate() {
            let interval_s =
                f64::from(settings.framerate_denominator) / f64::from(settings.framerate_numerator);
            let max_captures = settings.max_captures.unwrap_or(10_000_000);
            let _ = write!(
                graph,
                ";[f{index}]select='lt(selected_n,{max_captures})*(isnan(prev_selected_t)+gte(t-prev_selected_t,{interval_s}))',\
                 {},format=yuvj420p[c{index}]",
                frame.filter()
            );
        }
        self.audio_graph(&mut graph);
        graph
    }

    /// Appends the audio filters: each track once, split for the encodings that use it. Silence fills gaps, the time
    /// before the first sample, and that from the last sample to the picture's end: players stall where audio ends.
    fn audio_graph(&self, graph: &mut String) {
        let encodings_of = |track| {
            self.encodings
                .iter()
                .enumerate()
                .filter(move |(_, encoding)| encoding.audio.is_some_and(|audio| audio.track == track))
        };
        let mut tracks: Vec<_> =
            self.encodings.iter().filter_map(|encoding| encoding.audio).map(|audio| audio.track).collect();
        tracks.sort_unstable();
        tracks.dedup();
        for track in tracks {
            let count = encodings_of(track).count();
            let _ = write!(graph, ";[0:{track}]aresample=async=1:first_pts=0,");
            if let Some(end) = self.source.video_end() {
                let _ = write!(graph, "apad=whole_dur={end},");
            }
            let _ = write!(graph, "asplit={count}");
            graph.extend(encodings_of(track).map(|(index, _)| format!("[a{index}]")));
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
