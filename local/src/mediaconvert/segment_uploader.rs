//! Uploads segments while ffmpeg makes later ones, removes them from the work folder, and writes HLS playlists by which
//! a player can start before the job has ended.
//!
//! A segment is complete when ffmpeg's playlist lists it; ffmpeg renames playlists into place, so none is read half.

use super::collect::Collector;
use super::job_error::JobError;
use super::materials::AttemptError;
use super::plan::{Group, Plan};
use super::playlists::hls::media_playlist;
use super::playlists::local::{self, LocalMedia};
use super::playlists::{Part, Track};
use super::source::Source;
use super::stored_objects::StoredObjects;
use super::tracks::{Rendition, SegmentContent};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior};

/// Maximum number of concurrent uploads to S3.
pub const MAX_CONCURRENT_UPLOADS: usize = 4;
/// Time between two looks for complete segments.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// Percent by which containers may exceed the streams' own bit rates, which playlists state before the end.
const CONTAINER_OVERHEAD: u64 = 10;

/// A rendition whose segments are no longer in the work folder.
#[derive(Default)]
pub struct UploadedRendition {
    pub segments: Vec<SegmentContent>,
    pub probed: Option<Source>,
}

/// The uploads of one attempt.
pub struct SegmentUploader<'a> {
    objects: &'a StoredObjects<'a>,
    collector: &'a Collector<'a>,
    files: Vec<SegmentFiles<'a>>,
    groups: Vec<EarlyGroup<'a>>,
}

/// The segments of one of ffmpeg's playlists.
struct SegmentFiles<'a> {
    stem: &'a str,
    /// Several if outputs are equal.
    renditions: Vec<Rendition<'a>>,
    media: LocalMedia,
    /// In bytes, when it was read last.
    playlist_size: u64,
    /// Number of segments whose upload has begun.
    begun: usize,
    /// For each segment whether it is uploaded.
    is_uploaded: Vec<bool>,
    uploaded: UploadedRendition,
}

/// The HLS playlists of a group before the job has ended.
struct EarlyGroup<'a> {
    group: &'a Group,
    playlists: Vec<EarlyPlaylist<'a>>,
    has_master: bool,
}

struct EarlyPlaylist<'a> {
    rendition: Rendition<'a>,
    /// Index among the uploader's files.
    files: usize,
    /// Number of segments in the latest version, and when it was written.
    written: Option<(usize, Instant)>,
}

/// An upload that succeeded.
struct Uploaded {
    files: usize,
    segment: usize,
    content: SegmentContent,
    /// The probe of the first segment.
    probed: Option<Source>,
}

type Upload<'a> = BoxFuture<'a, Result<Uploaded, AttemptError>>;

impl<'a> SegmentUploader<'a> {
    /// Selects what can be uploaded early: segments that are files of their own and not encrypted, of groups that
    /// replace no earlier output. Those of other groups wait for the end of the conversion.
    pub async fn new(plan: &'a Plan, objects: &'a StoredObjects<'a>, collector: &'a Collector<'a>) -> Self {
        let mut files: Vec<SegmentFiles<'a>> = vec![];
        let mut waiting: Vec<&str> = vec![];
        let mut groups = vec![];
        for group in &plan.groups {
            let renditions: Vec<_> =
                group.outputs.iter().flat_map(|output| Rendition::all(group, output)).collect();
            if renditions.iter().any(|rendition| !rendition.local.is_streamed)
                || replaces_output(group, objects).await
            {
                waiting.extend(renditions.iter().map(|rendition| rendition.local.stem.as_str()));
                continue;
            }
            for rendition in &renditions {
                let stem = rendition.local.stem.as_str();
                match files.iter_mut().find(|known| known.stem == stem) {
                    Some(known) => known.renditions.push(*rendition),
                    None => files.push(SegmentFiles {
                        stem,
                        renditions: vec![*rendition],
                        media: LocalMedia::default(),
                        playlist_size: 0,
                        begun: 0,
                        is_uploaded: vec![],
                        uploaded: UploadedRendition::default(),
                    }),
                }
            }
            groups.push((group, renditions));
        }
        files.retain(|files| !waiting.contains(&files.stem));
        let groups = groups.into_iter().filter(|(group, _)| group.has_hls() && group.writes_playlists());
        let early = |(group, renditions): (&'a Group, Vec<Rendition<'a>>)| {
            let early = |rendition: Rendition<'a>| {
                let files = files.iter().position(|files| files.stem == rendition.local.stem)?;
                Some(EarlyPlaylist { rendition, files, written: None })
            };
            let playlists = renditions.into_iter().map(early).collect::<Option<Vec<_>>>()?;
            (!playlists.is_empty()).then_some(EarlyGroup { group, playlists, has_master: false })
        };
        let groups = groups.filter_map(early).collect();
        Self { objects, collector, files, groups }
    }

    /// Uploads until ffmpeg has ended and sent whether it succeeded; returns what was uploaded, by the stem of its
    /// local playlist. Uploads that have begun are never interrupted, so that what is removed later is all there is.
    pub async fn run(
        mut self,
        mut converted: oneshot::Receiver<bool>,
    ) -> Result<BTreeMap<String, UploadedRendition>, AttemptError> {
        let (objects, collector) = (self.objects, self.collector);
        let mut waiting: VecDeque<Upload<'a>> = VecDeque::new();
        let mut in_flight: FuturesUnordered<Upload<'a>> = FuturesUnordered::new();
        let mut ticks = tokio::time::interval(POLL_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut is_converted, mut outcome) = (false, Ok(()));
        loop {
            tokio::select! {
                ended = &mut converted, if !is_converted => {
                    is_converted = true;
                    if ended == Ok(true) {
                        self.find_segments(&mut waiting).await;
                    } else {
                        waiting.clear();
                    }
                }
                Some(result) = in_flight.next() => match result {
                    Ok(uploaded) => self.mark(uploaded),
                    Err(error) => outcome = Err(error),
                },
                _ = ticks.tick(), if !is_converted => self.find_segments(&mut waiting).await,
            }
            if outcome.is_err() || collector.cancel.is_cancelled() {
                waiting.clear();
            } else if !is_converted {
                let mut results = vec![];
                let written = {
                    let mut writing = pin!(self.write_playlists(objects));
                    loop {
                        // Uploads go on meanwhile: one of them may hold the lock that this waits for.
                        tokio::select! {
                            written = &mut writing => break written,
                            Some(result) = in_flight.next() => results.push(result),
                        }
                    }
                };
                outcome = outcome.and(written.map_err(AttemptError::from));
                for result in results {
                    match result {
                        Ok(uploaded) => self.mark(uploaded),
                        Err(error) => outcome = Err(error),
                    }
                }
            }
            while in_flight.len() < MAX_CONCURRENT_UPLOADS
                && let Some(upload) = waiting.pop_front()
            {
                in_flight.push(upload);
            }
            // An error ends ffmpeg, so there is no need to wait for it here.
            if in_flight.is_empty() && waiting.is_empty() && (is_converted || outcome.is_err()) {
                break;
            }
        }
        outcome?;
        Ok(self.files.into_iter().map(|files| (files.stem.to_owned(), files.uploaded)).collect())
    }

    /// Adds the uploads of segments that have become complete.
    async fn find_segments(&mut self, waiting: &mut VecDeque<Upload<'a>>) {
        for (index, files) in self.files.iter_mut().enumerate() {
            let path = self.collector.folder.join(format!("{}.m3u8", files.stem));
            let size = tokio::fs::metadata(&path).await.map_or(0, |file| file.len());
            // The playlist only grows.
            if size == files.playlist_size {
                continue;
            }
            files.media = local::parse(&tokio::fs::read_to_string(&path).await.unwrap_or_default());
            files.playlist_size = size;
            files.is_uploaded.resize(files.media.segments.len(), false);
            files.uploaded.segments.resize(files.media.segments.len(), SegmentContent::default());
            for segment in files.begun..files.media.segments.len() {
                let part = files.media.segments[segment].part.clone();
                let first = (segment == 0).then(|| files.media.clone());
                let renditions = files.renditions.clone();
                let upload = SegmentUpload { files: index, segment, part, renditions, first };
                waiting.push_back(upload.run(self.objects, self.collector).boxed());
            }
            files.begun = files.media.segments.len();
        }
    }

    fn mark(&mut self, uploaded: Uploaded) {
        let files = &mut self.files[uploaded.files];
        files.is_uploaded[uploaded.segment] = true;
        files.uploaded.segments[uploaded.segment] = uploaded.content;
        files.uploaded.probed = files.uploaded.probed.take().or(uploaded.probed);
    }

    /// Writes new versions of media playlists, and a group's master playlist as soon as all of its renditions have
    /// a playlist.
    async fn write_playlists(&mut self, objects: &StoredObjects<'_>) -> Result<(), JobError> {
        for early in &mut self.groups {
            let mut options = early.group.media_options(self.collector.started_ms);
            options.is_event = true;
            let interval = Duration::from_secs(early.group.settings.segments().0.into());
            for playlist in &mut early.playlists {
                let files = &self.files[playlist.files];
                // Players expect a new version once per segment, not more.
                let is_due =
                    |(count, at): (usize, Instant)| files.complete() > count && at.elapsed() >= interval;
                if files.complete() > 0 && playlist.written.is_none_or(is_due) {
                    let track = files.track(playlist.rendition);
                    objects
                        .put_text(media_playlist(&track, &options), &playlist.rendition.playlist())
                        .await?;
                    playlist.written = Some((track.segments.len(), Instant::now()));
                }
            }
            if !early.has_master && early.playlists.iter().all(|playlist| playlist.written.is_some()) {
                let tracks = early.playlists.iter().map(|playlist| {
                    let mut track = self.files[playlist.files].track(playlist.rendition);
                    // The segments that follow may be larger than the first ones.
                    let declared = playlist.rendition.output.max_bitrate * (100 + CONTAINER_OVERHEAD) / 100;
                    track.peak = track.peak.max(declared);
                    track
                });
                let tracks: Vec<_> = tracks.collect();
                if let Some((text, uri)) = early.group.master_playlist(&tracks) {
                    objects.put_text(text, &uri).await?;
                }
                early.has_master = true;
            }
        }
        Ok(())
    }
}

impl SegmentFiles<'_> {
    /// Returns the number of segments before the first one that isn't uploaded.
    fn complete(&self) -> usize {
        self.is_uploaded.iter().take_while(|is_uploaded| **is_uploaded).count()
    }

    /// Describes a rendition with the segments that are uploaded.
    fn track(&self, rendition: Rendition<'_>) -> Track {
        let mut media = self.media.clone();
        media.segments.truncate(self.complete());
        rendition.track(
            &media,
            &self.uploaded.segments,
            self.uploaded.probed.as_ref().unwrap_or(&Source::default()),
        )
    }
}

/// The upload of one segment to all of its destinations.
struct SegmentUpload<'a> {
    files: usize,
    segment: usize,
    part: Part,
    renditions: Vec<Rendition<'a>>,
    /// With the first segment, from which the tracks are probed and before which the initialization is uploaded.
    first: Option<LocalMedia>,
}

impl SegmentUpload<'_> {
    /// Uploads the segment, and removes it from the work folder.
    async fn run(
        self,
        objects: &StoredObjects<'_>,
        collector: &Collector<'_>,
    ) -> Result<Uploaded, AttemptError> {
        let Self { files, segment, part, renditions, first } = self;
        let mut probed = None;
        if let (Some(media), Some(rendition)) = (first, renditions.first()) {
            let playlist = collector.folder.join(format!("{}first.m3u8", rendition.local.stem));
            let written = tokio::fs::write(&playlist, local::first_segment(&media)).await;
            written.map_err(|error| {
                tracing::error!(%error, "work folder can't be written");
                JobError::Internal("The folder for the conversion can't be written.")
            })?;
            probed = Some(collector.probe(&playlist, rendition.output).await?);
            if let Some(init) = &media.init {
                for rendition in &renditions {
                    objects.put_file(&collector.folder.join(&init.name), &rendition.init()).await?;
                }
            }
        }
        let content = collector.content(&part, renditions.iter().any(Rendition::has_i_frames)).await;
        let path = collector.folder.join(&part.name);
        for rendition in &renditions {
            objects.put_file(&path, &rendition.segment(segment + 1)).await?;
        }
        if let Err(error) = tokio::fs::remove_file(&path).await {
            tracing::warn!(%error, "uploaded segment can't be removed");
        }
        Ok(Uploaded { files, segment, content, probed })
    }
}

/// Whether the group's playlist exists already, as another job's. Viewers of that one aren't disturbed before the new
/// output is complete. Without a playlist there is nothing by which to tell.
async fn replaces_output(group: &Group, objects: &StoredObjects<'_>) -> bool {
    if !group.writes_playlists() {
        return true;
    }
    for (is_written, extension) in [(group.has_hls(), ".m3u8"), (group.has_dash(), ".mpd")] {
        if is_written && objects.is_foreign(&group.uri(extension)).await {
            return true;
        }
    }
    false
}
