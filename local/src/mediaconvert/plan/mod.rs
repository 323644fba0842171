//! Derives ffmpeg's arguments and the output files from a job's settings and its inputs' tracks. Pure.
//!
//! Every input is decoded once, and outputs with the same description are encoded once for all containers.
//! ffmpeg gets only generated local names, never names from the request.

mod abr;
mod audio_graph;
mod clips;
mod encode;
mod graph;
mod muxer;
mod naming;
mod outputs;
mod planned;
mod scaling;

pub use muxer::MPEGTS_START_S;
pub use planned::{CaptionsSource, Group, LocalPlaylist, Output, OutputFiles, PlannedCaptions};

use super::captions::Cue;
use super::job_error::JobError;
use super::settings::{
    AudioCodec, ColorSpace, ColorSpaceUsage, FrameCapture, Rotate, S3Uri, Settings, VideoCodec,
};
use super::source::{Ratio, Source, TrackKind};
use audio_graph::AudioChain;
use clips::{Clip, MAX_DURATION_S, SelectedAudio};
use encode::{AudioEncoding, EncodedVideo, Picture, VideoEncoding, strings};
use graph::{ClipVideo, GraphWriter};
use muxer::{Muxer, Rendition};
use naming::JobNames;
use std::collections::BTreeMap;

/// MediaConvert's maximum side of a picture, in pixels. An extreme aspect ratio can exceed it.
const MAX_SIDE: u32 = 8192;

/// The conversion of one job.
#[derive(Debug)]
pub struct Plan {
    /// In the order of ffmpeg's inputs.
    pub inputs: Vec<PlanInput>,
    /// Local files that must exist before ffmpeg starts, by name.
    pub files: Vec<(String, Vec<u8>)>,
    /// ffmpeg's arguments after the inputs.
    pub arguments: Vec<String>,
    pub groups: Vec<Group>,
    /// Frame rate of the video whose frames ffmpeg counts; `None` without such a video.
    pub counted_rate: Option<Ratio>,
    /// Whether all outputs are captured pictures, so that ffmpeg's time is theirs.
    pub captures_only: bool,
    /// All clips', in seconds.
    pub duration: Option<f64>,
}

/// One of ffmpeg's inputs.
#[derive(Clone, Debug, PartialEq)]
pub enum PlanInput {
    /// Video or audio, or the part between `start` and `end`, in seconds.
    Media {
        uri: S3Uri,
        start: Option<f64>,
        end: Option<f64>,
    },
    Image {
        uri: S3Uri,
    },
}

/// The job's files, as far as the plan needs them.
#[derive(Debug, Default)]
pub struct Materials {
    /// One for each input.
    pub sources: Vec<Source>,
    pub audio_files: BTreeMap<S3Uri, Source>,
    pub captions: BTreeMap<S3Uri, Vec<Cue>>,
    /// Whether ffmpeg has the filters that convert high to standard dynamic range; without them the colours of HDR
    /// inputs are pale.
    pub tone_mapping: bool,
    /// When the job started, RFC 3339 in UTC.
    pub started_at: String,
}

/// One frame capture output.
struct Capture<'a> {
    settings: &'a FrameCapture,
    picture: Picture<'a>,
    stem: String,
}

/// The encodings, captures and containers found so far.
struct Planner<'a> {
    settings: &'a Settings,
    materials: &'a Materials,
    names: JobNames,
    input: S3Uri,
    clips: &'a [Clip<'a>],
    videos: &'a [ClipVideo<'a>],
    inputs: Vec<PlanInput>,
    files: Vec<(String, Vec<u8>)>,
    videos_encoded: Vec<VideoEncoding<'a>>,
    audios_encoded: Vec<AudioEncoding<'a>>,
    /// Numbers of ffmpeg's streams of text that are written to a file: input and stream index.
    text_tracks: Vec<(usize, u32)>,
    captures: Vec<Capture<'a>>,
    renditions: Vec<Rendition>,
}

impl Plan {
    pub fn new(settings: &Settings, materials: &Materials) -> Result<Self, JobError> {
        let first = settings.inputs.first().and_then(|input| S3Uri::parse_file(&input.file_input));
        let input = first.ok_or(JobError::Settings("The job must have an input.".into()))?;
        let settings = &abr::with_automated_renditions(settings, materials);
        let mut inputs = vec![];
        let clips = Clip::all(&settings.inputs, &materials.sources, &mut inputs)?;
        if clips.len() > 1 && clips.iter().any(|clip| clip.duration().is_none()) {
            return Err(JobError::Settings("An input has no duration, so it can't be joined.".into()));
        }
        let needs_video = settings
            .output_groups
            .iter()
            .flat_map(|group| &group.outputs)
            .any(|output| output.video_description.is_some());
        let videos = if needs_video { clip_videos(settings, &clips)? } else { vec![] };
        let mut planner = Planner {
            settings,
            materials,
            names: JobNames::new(&input, &materials.started_at),
            input,
            clips: &clips,
            videos: &videos,
            inputs,
            files: vec![],
            videos_encoded: vec![],
            audios_encoded: vec![],
            text_tracks: vec![],
            captures: vec![],
            renditions: vec![],
        };
        let groups = planner.groups()?;
        let arguments = planner.arguments()?;
        let counted_rate = planner.videos_encoded.first().map(VideoEncoding::frame_rate);
        let duration = clips.iter().map(Clip::duration).sum();
        let captures_only = planner.renditions.is_empty() && !planner.captures.is_empty();
        let (inputs, files) = (planner.inputs, planner.files);
        Ok(Self { inputs, files, arguments, groups, counted_rate, captures_only, duration })
    }
}

/// Returns the clips' video tracks, with what the selectors say about them.
fn clip_videos<'a>(settings: &'a Settings, clips: &'a [Clip<'a>]) -> Result<Vec<ClipVideo<'a>>, JobError> {
    let descriptions = settings.output_groups.iter().flat_map(|group| &group.outputs);
    let deinterlacer = descriptions
        .filter_map(|output| output.video_description.as_ref()?.video_preprocessors.deinterlacer.as_ref())
        .map(|deinterlacer| deinterlacer.control)
        .next();
    let video_of = |clip: &'a Clip<'a>| {
        let uri = || {
            S3Uri::parse(&clip.input.file_input)
                .unwrap_or(S3Uri { bucket: String::new(), key: String::new() })
        };
        let selector = &clip.input.video_selector;
        let mut found = clip
            .source
            .videos()
            .filter(|(track, _)| selector.pid.is_none() || track.pid.is_none() || track.pid == selector.pid);
        let Some((track, video)) = found.next() else { return Err(JobError::NoVideo(uri())) };
        if track.codec.is_none() {
            return Err(JobError::UnsupportedCodec(uri()));
        }
        let rotation = match selector.rotate {
            Rotate::Never => 0,
            Rotate::By90 => 90,
            Rotate::By180 => 180,
            Rotate::By270 => 270,
            Rotate::Auto => video.rotation,
        };
        let mut video = video.clone();
        if selector.color_space_usage == ColorSpaceUsage::Force || video.transfer.is_none() {
            let transfer = match selector.color_space {
                ColorSpace::Follow => video.transfer,
                ColorSpace::Rec601 | ColorSpace::Rec709 => Some("bt709".into()),
                ColorSpace::Hdr10 => Some("smpte2084".into()),
                ColorSpace::Hlg2020 => Some("arib-std-b67".into()),
            };
            video.transfer = transfer;
        }
        Ok(ClipVideo { clip, track: track.index, video, rotation, deinterlace: deinterlacer })
    };
    clips.iter().map(video_of).collect()
}

impl<'a> Planner<'a> {
    /// Returns the number of an encoding, which is added if there is none like it.
    fn video_encoding(&mut self, encoding: VideoEncoding<'a>) -> usize {
        number_of(&mut self.videos_encoded, encoding)
    }

    /// Returns the local name, without extension, of the container with these streams.
    fn rendition(&mut self, rendition: Rendition) -> String {
        format!("r{}", number_of(&mut self.renditions, rendition))
    }

    fn arguments(&mut self) -> Result<Vec<String>, JobError> {
        let mut arguments = vec![];
        let graph = self.graph()?;
        if !graph.is_empty() {
            arguments.extend(strings(&["-filter_complex", &graph]));
        }
        // Limits each output: a jump in the input's timestamps would be filled with hours of still frames.
        let duration: Option<f64> = self.clips.iter().map(Clip::duration).sum();
        let max_duration = duration.map_or(MAX_DURATION_S, |duration| duration * 2.0 + 60.0).to_string();
        if !self.renditions.is_empty() {
            arguments.extend(strings(&["-t", &max_duration]));
            arguments.extend(self.tee_arguments());
        }
        for (index, capture) in self.captures.iter().enumerate() {
            // Quality 80 becomes a scale close to that of other JPEG encoders at 80.
            let qscale = (2 + 100u32.saturating_sub(capture.settings.quality) / 7).clamp(2, 31);
            arguments.extend(strings(&["-map", &format!("[c{index}]"), "-c:v", "mjpeg"]));
            arguments.extend(strings(&["-q:v", &qscale.to_string(), "-fps_mode", "passthrough"]));
            arguments.extend(strings(&["-map_metadata", "-1", "-start_number", "0", "-f", "image2"]));
            arguments.push(format!("{}.%07d.jpg", capture.stem));
        }
        for (index, (file, track)) in self.text_tracks.iter().enumerate() {
            arguments.extend(strings(&["-map", &format!("{file}:{track}"), "-map_metadata", "-1"]));
            arguments.extend(strings(&["-f", "webvtt", &format!("text{index}.vtt")]));
        }
        Ok(arguments)
    }

    /// Returns the arguments of the one output that has all encoded streams and writes all containers.
    fn tee_arguments(&self) -> Vec<String> {
        let is_hdr = self.videos.iter().any(|clip| clip.video.is_hdr());
        let tone_mapped = is_hdr && self.materials.tone_mapping;
        let (mut maps, mut options, mut filtered) = (vec![], vec![], 0);
        for (index, encoding) in self.videos_encoded.iter().enumerate() {
            let map = match encoding {
                VideoEncoding::Copy { track, .. } => format!("0:{track}"),
                VideoEncoding::Encode(_) => {
                    filtered += 1;
                    format!("[v{}]", filtered - 1)
                }
            };
            maps.extend(["-map".to_owned(), map]);
            options.extend(encoding.arguments(index, tone_mapped));
        }
        for (index, encoding) in self.audios_encoded.iter().enumerate() {
            let map = encoding.copy.map_or(format!("[a{index}]"), |(file, track)| format!("{file}:{track}"));
            maps.extend(["-map".to_owned(), map]);
            options.extend(encoding.arguments(index));
        }
        let mut list = [maps, options].concat();
        // The input's metadata can contain the place of recording.
        list.extend(strings(&["-map_metadata", "-1", "-map_chapters", "-1"]));
        list.extend(strings(&["-flags", "+global_header", "-f", "tee"]));
        let outputs: Vec<_> = self
            .renditions
            .iter()
            .enumerate()
            .map(|(index, rendition)| rendition.tee_output(&format!("r{index}")))
            .collect();
        list.push(outputs.join("|"));
        list
    }

    fn graph(&mut self) -> Result<String, JobError> {
        // External audio files are among ffmpeg's inputs before images are.
        let mut chains: Vec<(AudioChain<'a>, Vec<usize>)> = vec![];
        for (index, encoding) in self.audios_encoded.iter().enumerate() {
            if encoding.copy.is_some() {
                continue;
            }
            let chain = AudioChain {
                source_name: &encoding.description.audio_source_name,
                remix: encoding.description.remix_settings.as_ref(),
                normalization: encoding.description.audio_normalization_settings.as_ref(),
            };
            match chains.iter_mut().find(|(known, _)| *known == chain) {
                Some((_, outputs)) => outputs.push(index),
                None => chains.push((chain, vec![index])),
            }
        }
        let selected: Vec<Vec<Option<SelectedAudio<'a>>>> = chains
            .iter()
            .map(|(chain, _)| {
                let audio = |clip: &Clip<'a>| clip.audio(chain.source_name, self.materials, &mut self.inputs);
                self.clips.iter().map(audio).collect()
            })
            .collect::<Result<_, _>>()?;
        let encoded: Vec<&EncodedVideo<'_>> = self
            .videos_encoded
            .iter()
            .filter_map(|encoding| match encoding {
                VideoEncoding::Encode(video) => Some(&**video),
                VideoEncoding::Copy { .. } => None,
            })
            .collect();
        let mut writer = GraphWriter::new(&mut self.inputs, self.materials.tone_mapping);
        if !encoded.is_empty() || !self.captures.is_empty() {
            writer.video(self.videos, &encoded, &self.captures);
        }
        for ((chain, outputs), selected) in chains.iter().zip(&selected) {
            writer.audio(self.clips, selected, *chain, outputs);
        }
        Ok(writer.graph)
    }
}

/// Returns the index of `item`, which is added if the list doesn't have it.
fn number_of<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    list.iter().position(|known| *known == item).unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    })
}

#[cfg(test)]
mod tests;
