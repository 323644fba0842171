//! Finds the files that ffmpeg wrote for the outputs of a job, with their destinations, and writes their playlists.

use super::captions::{self, Cue};
use super::ffmpeg::{Ffmpeg, FfmpegError};
use super::job::OutputReport;
use super::job_error::JobError;
use super::materials::{AttemptError, ffmpeg_failed};
use super::plan::{CaptionsSource, Group, MPEGTS_START_S, Output, OutputFiles, PlannedCaptions};
use super::playlists::hls::{i_frame_playlist, media_playlist};
use super::playlists::{Part, Segment, Track, bandwidth, key_frames, local};
use super::segment_uploader::UploadedRendition;
use super::settings::{GroupKind, S3Uri};
use super::source::{Source, TrackKind};
use super::tracks::{Rendition, SegmentContent};
use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// Timestamp of time 0 in transport streams, in 1/90,000 s.
const MPEGTS_START: u64 = MPEGTS_START_S * 90_000;

/// The attempt whose outputs are collected.
pub struct Collector<'a> {
    pub ffmpeg: &'a Ffmpeg,
    pub cancel: &'a CancellationToken,
    pub folder: &'a Path,
    /// For errors.
    pub input: &'a S3Uri,
    /// In milliseconds since 1970.
    pub started_ms: u64,
}

/// The local files of an output with their destinations, and its report.
#[derive(Default)]
pub struct CollectedOutput {
    /// Segments, files and pictures; uploaded before the playlists that list them.
    pub files: Vec<(PathBuf, S3Uri)>,
    /// Captions and media playlists.
    pub texts: Vec<(String, S3Uri)>,
    /// Its entries in the group's playlist, one for each track.
    pub tracks: Vec<Track>,
    pub report: OutputReport,
}

impl Collector<'_> {
    /// `uploaded` has the renditions that are uploaded, by the stem of their local playlist.
    pub async fn collect(
        &self,
        group: &Group,
        output: &Output,
        uploaded: &BTreeMap<String, UploadedRendition>,
    ) -> Result<CollectedOutput, AttemptError> {
        match &output.files {
            OutputFiles::File { local, extension } => {
                let (path, uri) =
                    (self.folder.join(local), group.uri(&format!("{}.{extension}", output.modifier)));
                let probed = self.probe(&path, output).await?;
                let bytes = tokio::fs::metadata(&path).await.map_or(0, |file| file.len());
                let seconds = probed.duration.unwrap_or(0.0);
                let (_, average) = bandwidth(&[seconds], &[bytes]);
                let report = report(&uri, output, seconds, Some(average));
                Ok(CollectedOutput { files: vec![(path, uri)], report, ..CollectedOutput::default() })
            }
            OutputFiles::Frames { stem, extension } => self.frames(group, output, stem, extension).await,
            OutputFiles::Segments(_) => self.segments(group, output, uploaded).await,
            // Cut like the other tracks of the group, so they come last.
            OutputFiles::Captions(_) => Ok(CollectedOutput::default()),
        }
    }

    async fn frames(
        &self,
        group: &Group,
        output: &Output,
        stem: &str,
        extension: &str,
    ) -> Result<CollectedOutput, AttemptError> {
        let mut files = vec![];
        loop {
            let number = files.len();
            let path = self.folder.join(format!("{stem}.{number:07}.jpg"));
            if !tokio::fs::try_exists(&path).await.unwrap_or(false) {
                break;
            }
            files.push((path, group.uri(&format!("{}.{number:07}.{extension}", output.modifier))));
        }
        let (_, last) = files.last().ok_or(JobError::NoPictures(self.input.clone()))?;
        let report = report(last, output, 0.0, None);
        Ok(CollectedOutput { files, report, ..CollectedOutput::default() })
    }

    async fn segments(
        &self,
        group: &Group,
        output: &Output,
        uploaded: &BTreeMap<String, UploadedRendition>,
    ) -> Result<CollectedOutput, AttemptError> {
        let mut collected = CollectedOutput::default();
        let (mut average, mut seconds) = (0, 0.0f64);
        let renditions = Rendition::all(group, output);
        for rendition in &renditions {
            let uploaded = uploaded.get(&rendition.local.stem);
            let track = self.track(*rendition, uploaded, &mut collected.files).await?;
            average += track.average;
            seconds = seconds.max(track.seconds());
            if group.has_hls() {
                let text = media_playlist(&track, &group.media_options(self.started_ms));
                collected.texts.push((text, rendition.playlist()));
                let i_frames = i_frame_playlist(&track, &group.media_options(self.started_ms));
                collected.texts.extend(i_frames.map(|text| (text, rendition.i_frame_playlist())));
            }
            collected.tracks.push(track);
        }
        // Without a playlist of its own, an output is told by its first file.
        let first = renditions.first().map(|rendition| rendition.segment(1)).filter(|_| !group.has_hls());
        let uri = first.unwrap_or_else(|| group.uri(&format!("{}.m3u8", output.modifier)));
        collected.report = report(&uri, output, seconds, Some(average));
        Ok(collected)
    }

    /// Reads one local playlist. Its files are added to `files` unless they are uploaded.
    async fn track(
        &self,
        rendition: Rendition<'_>,
        uploaded: Option<&UploadedRendition>,
        files: &mut Vec<(PathBuf, S3Uri)>,
    ) -> Result<Track, AttemptError> {
        let path = self.folder.join(format!("{}.m3u8", rendition.local.stem));
        let text = tokio::fs::read_to_string(&path).await.unwrap_or_default();
        let media = local::parse(&text);
        if media.segments.is_empty() {
            return Err(JobError::NoPictures(self.input.clone()).into());
        }
        if let Some(UploadedRendition { segments, probed: Some(probed) }) = uploaded {
            return Ok(rendition.track(&media, segments, probed));
        }
        let mut contents = vec![];
        for segment in &media.segments {
            contents.push(self.content(&segment.part, rendition.has_i_frames()).await);
        }
        let local_files = rendition.files(&media).into_iter();
        files.extend(local_files.map(|(name, uri)| (self.folder.join(name), uri)));
        let probed = self.probe(&path, rendition.output).await?;
        Ok(rendition.track(&media, &contents, &probed))
    }

    /// Returns the size of a local segment, and its key frames if they are needed. A file that can't be read is
    /// reported by its upload.
    pub async fn content(&self, part: &Part, needs_key_frames: bool) -> SegmentContent {
        let path = self.folder.join(&part.name);
        let size = tokio::fs::metadata(&path).await.map_or(0, |file| file.len());
        let (start, bytes) = part.range.unwrap_or((0, size));
        let mut key_frames = vec![];
        if needs_key_frames {
            let read = tokio::task::spawn_blocking(move || {
                let mut file = std::fs::File::open(path)?;
                file.seek(SeekFrom::Start(start))?;
                let mut segment = vec![];
                file.take(bytes).read_to_end(&mut segment)?;
                Ok::<_, std::io::Error>(key_frames::find(&segment))
            });
            key_frames = read.await.ok().and_then(Result::ok).unwrap_or_default();
        }
        SegmentContent { bytes, key_frames }
    }

    /// Writes the captions of an output: one file, or a playlist with segments as long as those of `durations`.
    pub async fn captions(
        &self,
        group: &Group,
        output: &Output,
        planned: &PlannedCaptions,
        durations: &[f64],
    ) -> Result<CollectedOutput, AttemptError> {
        let cues: Vec<Cue> = match &planned.source {
            CaptionsSource::Cues(cues) => cues.clone(),
            CaptionsSource::Local(name) => {
                let text = tokio::fs::read(self.folder.join(name)).await.unwrap_or_default();
                captions::parse(&text).unwrap_or_default()
            }
        };
        let mut collected = CollectedOutput::default();
        let mut track = Track {
            is_captions: true,
            language: planned.language.clone(),
            name: planned.name.clone(),
            ..Track::default()
        };
        let file = match group.settings.kind() {
            GroupKind::File => {
                let text = if planned.srt { captions::srt(&cues) } else { captions::webvtt(&cues, None) };
                let uri = group.uri(&format!("{}.{}", output.modifier, planned.extension));
                collected.texts.push((text, uri.clone()));
                uri
            }
            GroupKind::DashIso => self.captions_file(group, output, &cues, &mut collected, &mut track),
            GroupKind::Hls | GroupKind::Cmaf => {
                let is_ts = group.settings.kind() == GroupKind::Hls;
                let mpegts = Some(if is_ts { MPEGTS_START } else { 0 });
                for (number, (segment, seconds)) in
                    (1..).zip(captions::segments(&cues, durations).zip(durations))
                {
                    let uri = group.uri(&format!("{}_{number:05}.vtt", output.modifier));
                    let part = Part { name: group.relative(&uri), range: None };
                    track.segments.push(Segment { seconds: *seconds, part });
                    collected.texts.push((captions::webvtt(&segment, mpegts), uri));
                }
                let uri = group.uri(&format!("{}.m3u8", output.modifier));
                track.playlist = group.relative(&uri);
                if group.has_dash() {
                    self.captions_file(group, output, &cues, &mut collected, &mut track);
                }
                let mut options = group.media_options(self.started_ms);
                options.key = None;
                let text = media_playlist(&track, &options);
                collected.texts.push((text, uri.clone()));
                uri
            }
        };
        collected.report = report(&file, output, durations.iter().sum(), None);
        collected.tracks.push(track);
        Ok(collected)
    }

    /// Adds all captions as one file, which a manifest of DASH names; returns its address.
    fn captions_file(
        &self,
        group: &Group,
        output: &Output,
        cues: &[Cue],
        collected: &mut CollectedOutput,
        track: &mut Track,
    ) -> S3Uri {
        let uri = group.uri(&format!("{}.vtt", output.modifier));
        collected.texts.push((captions::webvtt(cues, None), uri.clone()));
        track.captions_file = Some(group.relative(&uri));
        uri
    }

    /// Probes an output. Fails with `NoPictures` if it lacks the video that it should have.
    pub async fn probe(&self, path: &Path, output: &Output) -> Result<Source, AttemptError> {
        let has_media = |source: &Source| {
            let is_media = |kind: &TrackKind| matches!(kind, TrackKind::Video(_) | TrackKind::Audio { .. });
            let needs_video = output.video.is_some() && !matches!(output.files, OutputFiles::Segments(_));
            source.tracks.iter().any(|track| {
                if needs_video { matches!(track.kind, TrackKind::Video(_)) } else { is_media(&track.kind) }
            })
        };
        match self.ffmpeg.probe_file(path, self.cancel).await {
            Ok(source) if has_media(&source) => Ok(source),
            Ok(_) | Err(FfmpegError::Unreadable) => Err(JobError::NoPictures(self.input.clone()).into()),
            Err(error) => Err(ffmpeg_failed(error, self.input)),
        }
    }
}

fn report(uri: &S3Uri, output: &Output, seconds: f64, average: Option<u64>) -> OutputReport {
    OutputReport {
        path: uri.to_string(),
        // Durations are neither negative nor close to the limit of the cast.
        duration_ms: (seconds * 1000.0).round() as u64,
        size: output.video.map(|video| (video.width, video.height)),
        average_bitrate: average.filter(|rate| *rate > 0),
    }
}
