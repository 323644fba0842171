//! From a job's settings and what is in its input to ffmpeg's arguments and the names of all that comes
//! out. Pure: nothing is run or read here.
//!
//! The input is decoded once. Outputs with the same description are encoded once, whatever containers they
//! go into. ffmpeg sees only short local names that are made here, never a name that a caller chose.

use super::encode::{Encode, Sink, Sound, words};
use super::job_error::Failure;
use super::scaling::Frame;
use super::settings::{
    AudioDescription, Container, FrameCapture, FramerateControl, GroupKind, H264, Rotate, S3Uri, Settings,
    VideoDescription,
};
use super::source::{Ratio, Source, Video};
use std::fmt::Write as _;

/// The longest input, in seconds: a file of two pictures can claim to last for years.
const LONGEST: f64 = 24.0 * 60.0 * 60.0;
/// MediaConvert's longest side of a picture, in pixels; a sliver of a source can make one side very long.
const LARGEST_SIDE: u32 = 8192;

/// A job, thought through.
#[derive(Debug)]
pub struct Plan {
    /// What goes on ffmpeg's command line after the input.
    pub arguments: Vec<String>,
    pub groups: Vec<Group>,
}

#[derive(Debug)]
pub struct Group {
    pub kind: GroupKind,
    /// Where the names of the group's files begin.
    pub base: S3Uri,
    pub outputs: Vec<Output>,
}

#[derive(Debug)]
pub struct Output {
    /// What comes after the group's base in the output's names.
    pub modifier: String,
    pub made: Made,
    /// In pixels.
    pub width: u32,
    pub height: u32,
    pub frame_rate: Ratio,
}

/// What ffmpeg leaves in its folder for an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// A media playlist and the segments that it lists.
    Playlist {
        local: String,
        sound: bool,
    },
    File {
        local: String,
        extension: String,
    },
    /// `STEM.0000000.EXTENSION` and so on, in the folder too.
    Frames {
        stem: String,
        extension: String,
    },
}

/// Pictures taken out of the stream.
struct Capture<'a> {
    settings: &'a FrameCapture,
    frame: Frame,
    stem: String,
}

/// What the plan is made from and what it has come to so far.
struct Planner<'a> {
    settings: &'a Settings,
    input: S3Uri,
    source: &'a Source,
    track: u32,
    video: &'a Video,
    turn: u32,
    encodes: Vec<Encode<'a>>,
    captures: Vec<Capture<'a>>,
}

impl Plan {
    /// Plans `settings` for an input that holds `source`. `tone_mapping` says whether ffmpeg has the filter
    /// that turns high dynamic range into the standard one; without it such pictures come out pale.
    pub fn new(settings: &Settings, source: &Source, tone_mapping: bool) -> Result<Self, Failure> {
        let [job_input] = settings.inputs.as_slice() else {
            return Err(Failure::Settings("The job must have exactly one input.".into()));
        };
        let Some(input) = S3Uri::parse(&job_input.file_input) else {
            return Err(Failure::Settings("The job's input must have an s3:// address.".into()));
        };
        let Some((track, video)) = source.video() else { return Err(Failure::NoVideo(input)) };
        if track.codec.is_none() {
            return Err(Failure::UnsupportedCodec(input));
        }
        if source.duration.is_some_and(|duration| duration > LONGEST) {
            return Err(Failure::Settings(
                "The input is longer than the 24 hours that are converted here.".into(),
            ));
        }
        let turn = match job_input.video_selector.rotate {
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
            turn,
            encodes: vec![],
            captures: vec![],
        };
        let groups = planner.groups()?;
        Ok(Self { arguments: planner.arguments(tone_mapping), groups })
    }
}

impl<'a> Planner<'a> {
    fn groups(&mut self) -> Result<Vec<Group>, Failure> {
        let settings = self.settings;
        let mut groups = vec![];
        for group in &settings.output_groups {
            let Some(destination) = S3Uri::parse(group.destination()) else {
                return Err(Failure::Settings("Every destination must be an s3:// address.".into()));
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

    /// A destination that ends in a slash takes the input's name without its extension.
    fn base(&self, mut destination: S3Uri) -> S3Uri {
        if destination.key.is_empty() || destination.key.ends_with('/') {
            let name = self.input.key.rsplit('/').next().unwrap_or_default();
            destination.key += name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        }
        destination
    }

    fn output(&mut self, output: &'a super::settings::Output, segment: u32) -> Result<Output, Failure> {
        let Some(video) = &output.video_description else {
            return Err(Failure::Settings("Every output must have a video description.".into()));
        };
        let frame = Frame::new(video, self.video, self.turn);
        if frame.width.max(frame.height) > LARGEST_SIDE {
            let sentence =
                format!("An output would be {} by {} pixels; 8192 is the most.", frame.width, frame.height);
            return Err(Failure::Settings(sentence));
        }
        let codec = &video.codec_settings;
        let (made, rate) = match (output.container_settings.container, &codec.h264_settings) {
            (Container::Raw, _) => {
                let Some(settings) = &codec.frame_capture_settings else {
                    return Err(Failure::Settings("A frame capture must have its settings.".into()));
                };
                let stem = format!("capture{}", self.captures.len());
                self.captures.push(Capture { settings, frame, stem: stem.clone() });
                let extension = output.extension.clone().unwrap_or_else(|| "jpg".into());
                (Made::Frames { stem, extension }, self.video.frame_rate)
            }
            (_, None) => return Err(Failure::Settings("An H.264 output must have its settings.".into())),
            (Container::Mp4, Some(h264)) => {
                let (index, _, rate) = self.encode(video, h264, output, frame, Sink::Mp4)?;
                let extension = output.extension.clone().unwrap_or_else(|| "mp4".into());
                (Made::File { local: Sink::Mp4.local(index), extension }, rate)
            }
            (Container::M3u8, Some(h264)) => {
                let sink = Sink::Hls(segment);
                let (index, sound, rate) = self.encode(video, h264, output, frame, sink)?;
                (Made::Playlist { local: sink.local(index), sound }, rate)
            }
        };
        let Frame { width, height, .. } = frame;
        Ok(Output { modifier: output.name_modifier.clone(), made, width, height, frame_rate: rate })
    }

    /// Finds the encoding that already makes this, or adds it: its number, whether it has sound, its rate.
    fn encode(
        &mut self,
        video: &'a VideoDescription,
        h264: &'a H264,
        output: &'a super::settings::Output,
        frame: Frame,
        sink: Sink,
    ) -> Result<(usize, bool, Ratio), Failure> {
        let sound = match output.audio_descriptions.first() {
            Some(description) => self.sound(description)?,
            None => None,
        };
        let rate = match (h264.framerate_control, h264.framerate_numerator, h264.framerate_denominator) {
            (FramerateControl::Specified, Some(num @ 1..), Some(den @ 1..)) => Ratio { num, den },
            _ => self.video.frame_rate,
        };
        let same = |encode: &Encode<'_>| encode.video == video && encode.sound == sound;
        let index = self.encodes.iter().position(same).unwrap_or_else(|| {
            self.encodes.push(Encode { video, h264, sound, frame, rate, sinks: vec![] });
            self.encodes.len() - 1
        });
        let sinks = &mut self.encodes[index].sinks;
        if !sinks.contains(&sink) {
            sinks.push(sink);
        }
        Ok((index, sound.is_some(), rate))
    }

    /// An input without any sound gives outputs without it; a track that isn't there is the job's fault.
    fn sound(&self, description: &'a AudioDescription) -> Result<Option<Sound<'a>>, Failure> {
        let wanted = self.settings.inputs.first().and_then(|input| {
            input.audio_selectors.get(&description.audio_source_name)?.tracks.first().copied()
        });
        let mut tracks = self.source.audio().filter(|track| track.codec.is_some()).peekable();
        if tracks.peek().is_none() {
            return Ok(None);
        }
        match tracks.nth(wanted.unwrap_or(1).saturating_sub(1)) {
            Some(track) => Ok(Some(Sound { track: track.index, description })),
            None => Err(Failure::Settings(format!(
                "The audio selector asks for audio track {}, which the input doesn't have.",
                wanted.unwrap_or(1)
            ))),
        }
    }

    fn arguments(&self, tone_mapping: bool) -> Vec<String> {
        let mut arguments = words(&["-filter_complex", &self.graph(tone_mapping)]);
        for (index, encode) in self.encodes.iter().enumerate() {
            // Far more than the file says it lasts, or a jump in its clock would be filled with stills for hours.
            let most = self.source.duration.map_or(LONGEST, |duration| duration * 2.0 + 60.0);
            arguments.extend(words(&["-t", &most.to_string()]));
            arguments.extend(encode.arguments(index, tone_mapping && self.video.is_hdr()));
        }
        for (index, capture) in self.captures.iter().enumerate() {
            // 80 of 100 comes out close to what a JPEG library calls 80.
            let coarseness = (2 + 100u32.saturating_sub(capture.settings.quality) / 7).clamp(2, 31);
            arguments.extend(words(&["-map", &format!("[c{index}]"), "-c:v", "mjpeg"]));
            arguments.extend(words(&["-q:v", &coarseness.to_string(), "-fps_mode", "passthrough"]));
            arguments.extend(words(&["-map_metadata", "-1", "-start_number", "0", "-f", "image2"]));
            arguments.push(format!("{}.%07d.jpg", capture.stem));
        }
        arguments
    }

    /// The graph of filters: upright and 8-bit once, then a branch for each encoding and capture.
    fn graph(&self, tone_mapping: bool) -> String {
        let mut graph = format!("[0:{}]", self.track);
        if self.video.interlaced {
            graph += "yadif=deint=interlaced,";
        }
        graph += match self.turn {
            90 => "transpose=clock,",
            180 => "hflip,vflip,",
            270 => "transpose=cclock,",
            _ => "",
        };
        if self.video.is_hdr() && tone_mapping {
            // Tone mapping is dear, so it is done on no more pixels than the largest output has.
            let frames = self.encodes.iter().map(|encode| encode.frame);
            if let Some(largest) = frames.max_by_key(|frame| frame.scaled.0 * frame.scaled.1) {
                let _ = write!(graph, "scale={}:{},", largest.scaled.0, largest.scaled.1);
            }
            graph += "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable:desat=0,\
                      zscale=t=bt709:m=bt709:r=tv,";
        }
        let _ = write!(graph, "format=yuv420p,split={}", self.encodes.len() + self.captures.len());
        let branches = |letter, count| (0..count).map(move |index| format!("[{letter}{index}]"));
        graph.extend(branches("e", self.encodes.len()).chain(branches("f", self.captures.len())));
        for (index, encode) in self.encodes.iter().enumerate() {
            let Ratio { num, den } = encode.rate;
            let _ =
                write!(graph, ";[e{index}]fps={num}/{den}:start_time=0,{}[v{index}]", encode.frame.filter());
        }
        for (index, Capture { settings, frame, .. }) in self.captures.iter().enumerate() {
            let every = f64::from(settings.framerate_denominator) / f64::from(settings.framerate_numerator);
            let most = settings.max_captures.unwrap_or(10_000_000);
            let _ = write!(
                graph,
                ";[f{index}]select='lt(selected_n,{most})*(isnan(prev_selected_t)+gte(t-prev_selected_t,{every}))',\
                 {},format=yuvj420p[c{index}]",
                frame.filter()
            );
        }
        self.sound_graph(&mut graph);
        graph
    }

    /// Each track of sound once, gaps filled with silence, split for the encodings that want it.
    fn sound_graph(&self, graph: &mut String) {
        let wanting = |track| {
            self.encodes
                .iter()
                .enumerate()
                .filter(move |(_, encode)| encode.sound.is_some_and(|s| s.track == track))
        };
        let mut tracks: Vec<_> =
            self.encodes.iter().filter_map(|e| e.sound).map(|sound| sound.track).collect();
        tracks.sort_unstable();
        tracks.dedup();
        for track in tracks {
            let count = wanting(track).count();
            let _ = write!(graph, ";[0:{track}]aresample=async=1:first_pts=0,asplit={count}");
            graph.extend(wanting(track).map(|(index, _)| format!("[a{index}]")));
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
