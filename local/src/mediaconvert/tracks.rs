//! Names of an output's objects, and the description of its tracks for the playlists. Pure.

use super::plan::{Group, LocalPlaylist, Output, OutputFiles};
use super::playlists::key_frames::{KeyFrame, i_frames};
use super::playlists::local::LocalMedia;
use super::playlists::{Part, Segment, Track, bandwidth, codecs};
use super::settings::{DirectoryStructure, EnabledDisabled, GroupKind, S3Uri};
use super::source::{Source, TrackKind};
use std::collections::BTreeMap;

/// Properties of a segment that playlists have, besides its duration.
#[derive(Clone, Debug, Default)]
pub struct SegmentContent {
    pub bytes: u64,
    /// Empty unless they get a playlist.
    pub key_frames: Vec<KeyFrame>,
}

/// One playlist of an output, with its place in the destination.
#[derive(Clone, Copy)]
pub struct Rendition<'a> {
    pub group: &'a Group,
    pub output: &'a Output,
    pub local: &'a LocalPlaylist,
    /// Distinguishes video and audio of one output; empty if they are in one file.
    kind: &'static str,
}

impl<'a> Rendition<'a> {
    /// Returns the output's renditions; none if it isn't cut into segments.
    pub fn all(group: &'a Group, output: &'a Output) -> Vec<Self> {
        let OutputFiles::Segments(playlists) = &output.files else { return vec![] };
        let kind = |local: &LocalPlaylist| match (playlists.len() > 1, local.has_video) {
            (false, _) => "",
            (true, true) => "_video",
            (true, false) => "_audio",
        };
        playlists.iter().map(|local| Self { group, output, local, kind: kind(local) }).collect()
    }

    /// Returns the address of the media playlist.
    pub fn playlist(&self) -> S3Uri {
        self.group.uri(&format!("{}{}.m3u8", self.output.modifier, self.kind))
    }

    /// Whether its I-frames get a playlist.
    pub fn has_i_frames(&self) -> bool {
        self.output.has_i_frame_playlist && self.local.has_video
    }

    /// Returns the address of the playlist of the I-frames.
    pub fn i_frame_playlist(&self) -> S3Uri {
        self.group.uri(&format!("{}_iframe.m3u8", self.output.modifier))
    }

    /// Returns the address of the segment with this number, from 1, which is the same for all of a single file.
    pub fn segment(&self, number: usize) -> S3Uri {
        let (stem, extension) = (self.stem(), self.extension());
        if self.group.settings.segments().1 {
            return self.group.uri(&format!("{stem}.{extension}"));
        }
        let digits = if self.group.settings.kind() == GroupKind::Hls { 5 } else { 9 };
        let folder = self.subdirectory(number);
        self.group.uri(&format!("{folder}{stem}_{number:0digits$}.{extension}"))
    }

    /// Returns the address of the initialization segment.
    pub fn init(&self) -> S3Uri {
        self.group.uri(&format!("{}init.{}", self.stem(), self.extension()))
    }

    fn stem(&self) -> String {
        format!("{}{}{}", self.output.modifier, self.kind, self.output.segment_modifier)
    }

    fn extension(&self) -> &'static str {
        match (self.group.settings.kind(), self.local.has_video) {
            (GroupKind::Cmaf, true) => "cmfv",
            (GroupKind::Cmaf, false) => "cmfa",
            (GroupKind::DashIso, _) => "mp4",
            (GroupKind::Hls | GroupKind::File, _) => "ts",
        }
    }

    /// Returns what precedes the name of a segment so that it is in its output's folder; empty without folders.
    fn subdirectory(&self, number: usize) -> String {
        let hls = &self.group.settings.output_group_settings.hls_group_settings;
        let is_hls = self.group.settings.kind() == GroupKind::Hls;
        if !is_hls || hls.directory_structure != DirectoryStructure::SubdirectoryPerStream {
            return String::new();
        }
        let name = self.group.base.key.rsplit('/').next().unwrap_or_default();
        let part = hls.segments_per_subdirectory.and_then(|count| usize::try_from(count).ok());
        let part = part.filter(|count| *count > 0);
        let part = part.map_or(String::new(), |count| format!("{:05}/", (number - 1) / count + 1));
        format!("{}/{part}{name}", self.output.modifier)
    }

    /// Returns the local files of these segments with their destinations, each once.
    pub fn files(&self, media: &LocalMedia) -> BTreeMap<String, S3Uri> {
        let segments = (1..).zip(&media.segments);
        let mut files: BTreeMap<_, _> =
            segments.map(|(number, segment)| (segment.part.name.clone(), self.segment(number))).collect();
        if let Some(init) = &media.init {
            // A single file is that of all segments and of the initialization.
            files.entry(init.name.clone()).or_insert_with(|| self.init());
        }
        files
    }

    /// Describes the rendition. `probed` has the tracks of its files, `contents` is about each segment.
    pub fn track(&self, media: &LocalMedia, contents: &[SegmentContent], probed: &Source) -> Track {
        let files = self.files(media);
        let name = |name: &String| files.get(name).map(|uri| self.group.relative(uri)).unwrap_or_default();
        let renamed = |part: &Part| Part { name: name(&part.name), range: part.range };
        let segment = |segment: &Segment| Segment { seconds: segment.seconds, part: renamed(&segment.part) };
        let durations: Vec<_> = media.segments.iter().map(|segment| segment.seconds).collect();
        // Only of the listed segments.
        let contents = contents.iter().take(durations.len());
        let bytes: Vec<_> = contents.clone().map(|content| content.bytes).collect();
        let key_frames: Vec<_> = contents.map(|content| content.key_frames.clone()).collect();
        let (peak, average) = bandwidth(&durations, &bytes);
        let local = self.local;
        let video = self.output.video.filter(|_| local.has_video);
        let audio = self.output.audio.first().filter(|_| local.has_audio);
        let sample_rate = probed.audio().find_map(|track| match track.kind {
            TrackKind::Audio { sample_rate, .. } => Some(sample_rate),
            _ => None,
        });
        let mut track = Track {
            playlist: self.group.relative(&self.playlist()),
            has_video: local.has_video,
            has_audio: local.has_audio,
            is_captions: false,
            init: media.init.as_ref().map(renamed),
            segments: media.segments.iter().map(segment).collect(),
            planned_segment_s: if local.is_streamed { local.max_segment_s } else { 0.0 },
            peak,
            average,
            codecs: codecs::of(probed),
            size: video.map(|video| (video.width, video.height)),
            frame_rate: video.map(|video| video.frame_rate.as_f64()),
            language: audio.and_then(|audio| audio.language.clone()),
            name: audio.and_then(|audio| audio.name.clone()),
            channels: audio.filter(|_| !local.has_video).map(|audio| audio.channels),
            sample_rate,
            audio_group: self.output.audio_group.clone(),
            audio_groups: self.output.audio_groups.clone(),
            audio_track_type: self.output.audio_track_type,
            i_frame_playlist: self.group.relative(&self.i_frame_playlist()),
            i_frames: vec![],
            captions_file: None,
        };
        track.i_frames = i_frames(&track, &key_frames);
        track
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
    pub fn relative(&self, uri: &S3Uri) -> String {
        let folder = self.folder();
        let name = uri.key.strip_prefix(folder).unwrap_or(&uri.key);
        name.trim_start_matches('/').to_owned()
    }

    pub fn has_hls(&self) -> bool {
        let cmaf = &self.settings.output_group_settings.cmaf_group_settings;
        match self.settings.kind() {
            GroupKind::Hls => true,
            GroupKind::Cmaf => cmaf.write_hls_manifest == EnabledDisabled::Enabled,
            GroupKind::DashIso | GroupKind::File => false,
        }
    }

    pub fn has_dash(&self) -> bool {
        let cmaf = &self.settings.output_group_settings.cmaf_group_settings;
        match self.settings.kind() {
            GroupKind::DashIso => true,
            GroupKind::Cmaf => cmaf.write_dash_manifest == EnabledDisabled::Enabled,
            GroupKind::Hls | GroupKind::File => false,
        }
    }
}
