//! Finds the files that ffmpeg wrote for the outputs of a job, with their destinations, and writes their playlists.

use super::captions::{self, Cue};
use super::ffmpeg::{Ffmpeg, FfmpegError};
use super::job::OutputReport;
use super::job_error::JobError;
use super::materials::{AttemptError, ffmpeg_failed};
use super::plan::{
    CaptionsSource, Group, LocalPlaylist, MPEGTS_START_S, Output, OutputFiles, PlannedCaptions,
};
use super::playlists::hls::MediaOptions;
use super::playlists::{Part, Segment, Track, bandwidth, codecs, local};
use super::settings::{DirectoryStructure, DurationFormat, GroupKind, IncludeExclude, S3Uri};
use super::source::{Source, TrackKind};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
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
    pub async fn collect(&self, group: &Group, output: &Output) -> Result<CollectedOutput, AttemptError> {
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
            OutputFiles::Segments(playlists) => self.segments(group, output, playlists).await,
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
        playlists: &[LocalPlaylist],
    ) -> Result<CollectedOutput, AttemptError> {
        let mut collected = CollectedOutput::default();
        let (mut average, mut seconds) = (0, 0.0f64);
        for playlist in playlists {
            let track =
                self.track(group, output, playlist, playlists.len() > 1, &mut collected.files).await?;
            average += track.average;
            seconds = seconds.max(track.seconds());
            collected.tracks.push(track);
        }
        if group.has_hls() {
            for track in &collected.tracks {
                let text = super::playlists::hls::media_playlist(track, &self.media_options(group));
                collected.texts.push((text, group.sibling(&track.playlist)));
            }
        }
        // Without a playlist of its own, an output is told by its first file.
        let first = collected.files.first().map(|(_, uri)| uri.clone()).filter(|_| !group.has_hls());
        let uri = first.unwrap_or_else(|| group.uri(&format!("{}.m3u8", output.modifier)));
        collected.report = report(&uri, output, seconds, Some(average));
        Ok(collected)
    }

    /// Reads one local playlist, and adds its files to `files`.
    async fn track(
        &self,
        group: &Group,
        output: &Output,
        playlist: &LocalPlaylist,
        is_split: bool,
        files: &mut Vec<(PathBuf, S3Uri)>,
    ) -> Result<Track, AttemptError> {
        let path = self.folder.join(format!("{}.m3u8", playlist.stem));
        let text = tokio::fs::read_to_string(&path).await.unwrap_or_default();
        let media = local::parse(&text);
        if media.segments.is_empty() {
            return Err(JobError::NoPictures(self.input.clone()).into());
        }
        let kind = match (is_split, playlist.has_video) {
            (false, _) => "",
            (true, true) => "_video",
            (true, false) => "_audio",
        };
        let extension = group.segment_extension(playlist);
        let (single_file, modifier) = (group.settings.segments().1, &output.segment_modifier);
        let stem = format!("{}{kind}{modifier}", output.modifier);
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        let mut add = |local: &str, suffix: String| {
            let uri = group.uri(&suffix);
            let name = group.relative(&uri);
            // A single file is that of all segments and of the initialization.
            if let Entry::Vacant(entry) = names.entry(local.to_owned()) {
                entry.insert(name);
                files.push((self.folder.join(local), uri));
            }
        };
        let digits = if group.settings.kind() == GroupKind::Hls { 5 } else { 9 };
        for (number, segment) in (1..).zip(&media.segments) {
            let suffix = if single_file {
                format!("{stem}.{extension}")
            } else {
                format!("{}{stem}_{number:0digits$}.{extension}", group.subdirectory(output, number))
            };
            add(&segment.part.name, suffix);
        }
        if let Some(init) = media.init.as_ref() {
            add(&init.name, format!("{stem}init.{extension}"));
        }
        let renamed = |part: &Part| Part {
            name: names.get(&part.name).cloned().unwrap_or_default(),
            range: part.range,
        };
        let mut bytes = vec![];
        for segment in &media.segments {
            let size = tokio::fs::metadata(self.folder.join(&segment.part.name)).await;
            bytes.push(segment.part.range.map_or(size.map_or(0, |file| file.len()), |(_, length)| length));
        }
        let probed = self.probe(&path, output).await?;
        let durations: Vec<_> = media.segments.iter().map(|segment| segment.seconds).collect();
        let (peak, average) = bandwidth(&durations, &bytes);
        let video = output.video.filter(|_| playlist.has_video);
        let audio = output.audio.first().filter(|_| playlist.has_audio);
        let sample_rate = probed.audio().find_map(|track| match track.kind {
            TrackKind::Audio { sample_rate, .. } => Some(sample_rate),
            _ => None,
        });
        let segment = |segment: &Segment| Segment { seconds: segment.seconds, part: renamed(&segment.part) };
        Ok(Track {
            playlist: group.relative(&group.uri(&format!("{}{kind}.m3u8", output.modifier))),
            has_video: playlist.has_video,
            has_audio: playlist.has_audio,
            is_captions: false,
            init: media.init.as_ref().map(renamed),
            segments: media.segments.iter().map(segment).collect(),
            peak,
            average,
            codecs: codecs::of(&probed),
            size: video.map(|video| (video.width, video.height)),
            frame_rate: video.map(|video| video.frame_rate.as_f64()),
            language: audio.and_then(|audio| audio.language.clone()),
            name: audio.and_then(|audio| audio.name.clone()),
            channels: audio.filter(|_| !playlist.has_video).map(|audio| audio.channels),
            sample_rate,
            audio_group: output.audio_group.clone(),
            audio_groups: output.audio_groups.clone(),
            audio_track_type: output.audio_track_type,
            captions_file: None,
        })
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
                let mut options = self.media_options(group);
                options.key = None;
                let text = super::playlists::hls::media_playlist(&track, &options);
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

    fn media_options(&self, group: &Group) -> MediaOptions {
        let settings = &group.settings.output_group_settings;
        if group.settings.kind() != GroupKind::Hls {
            let cmaf = &settings.cmaf_group_settings;
            return MediaOptions {
                integer_durations: cmaf.manifest_duration_format == DurationFormat::Integer,
                base_url: cmaf.base_url.clone().unwrap_or_default(),
                ..MediaOptions::default()
            };
        }
        let hls = &settings.hls_group_settings;
        let key = hls.encryption.as_ref().map(|encryption| {
            let provider = &encryption.static_key_provider;
            let attribute = |name: &str, value: &Option<String>| {
                let value = value.as_ref().filter(|value| !value.contains(['"', '\n', '\r']));
                value.map_or(String::new(), |value| format!(",{name}=\"{value}\""))
            };
            format!(
                "METHOD=AES-128,URI=\"{}\",IV=0x{}{}{}",
                provider.url,
                encryption.initialization_vector(),
                attribute("KEYFORMAT", &provider.key_format),
                attribute("KEYFORMATVERSIONS", &provider.key_format_versions)
            )
        });
        let dates = hls.program_date_time == Some(IncludeExclude::Include);
        MediaOptions {
            integer_durations: hls.manifest_duration_format == DurationFormat::Integer,
            base_url: hls.base_url.clone().unwrap_or_default(),
            key,
            program_date_time: dates.then(|| (self.started_ms, hls.program_date_time_period.unwrap_or(600))),
        }
    }

    /// Probes an output. Fails with `NoPictures` if it lacks the video that it should have.
    async fn probe(&self, path: &Path, output: &Output) -> Result<Source, AttemptError> {
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

impl Group {
    /// Returns the group's base with a suffix.
    pub fn uri(&self, suffix: &str) -> S3Uri {
        S3Uri { bucket: self.base.bucket.clone(), key: format!("{}{suffix}", self.base.key) }
    }

    fn folder(&self) -> &str {
        self.base.key.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Returns the name of an object relative to the folder of the group's playlists.
    fn relative(&self, uri: &S3Uri) -> String {
        let folder = self.folder();
        let name = uri.key.strip_prefix(folder).unwrap_or(&uri.key);
        name.trim_start_matches('/').to_owned()
    }

    /// Returns the object with this name relative to the folder of the group's playlists.
    fn sibling(&self, name: &str) -> S3Uri {
        let folder = self.folder();
        let key = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        S3Uri { bucket: self.base.bucket.clone(), key }
    }

    pub fn has_hls(&self) -> bool {
        use super::settings::EnabledDisabled::Enabled;
        let cmaf = &self.settings.output_group_settings.cmaf_group_settings;
        match self.settings.kind() {
            GroupKind::Hls => true,
            GroupKind::Cmaf => cmaf.write_hls_manifest == Enabled,
            GroupKind::DashIso | GroupKind::File => false,
        }
    }

    pub fn has_dash(&self) -> bool {
        use super::settings::EnabledDisabled::Enabled;
        let cmaf = &self.settings.output_group_settings.cmaf_group_settings;
        match self.settings.kind() {
            GroupKind::DashIso => true,
            GroupKind::Cmaf => cmaf.write_dash_manifest == Enabled,
            GroupKind::Hls | GroupKind::File => false,
        }
    }

    fn segment_extension(&self, playlist: &LocalPlaylist) -> &'static str {
        match (self.settings.kind(), playlist.has_video) {
            (GroupKind::Cmaf, true) => "cmfv",
            (GroupKind::Cmaf, false) => "cmfa",
            (GroupKind::DashIso, _) => "mp4",
            (GroupKind::Hls | GroupKind::File, _) => "ts",
        }
    }

    /// Returns what precedes the name of a segment so that it is in its output's folder; empty without folders.
    fn subdirectory(&self, output: &Output, number: u32) -> String {
        let hls = &self.settings.output_group_settings.hls_group_settings;
        let is_hls = self.settings.kind() == GroupKind::Hls;
        if !is_hls || hls.directory_structure != DirectoryStructure::SubdirectoryPerStream {
            return String::new();
        }
        let name = self.base.key.rsplit('/').next().unwrap_or_default();
        let part = hls.segments_per_subdirectory.filter(|count| *count > 0);
        let part = part.map_or(String::new(), |count| format!("{:05}/", (number - 1) / count + 1));
        format!("{}/{part}{name}", output.modifier)
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
