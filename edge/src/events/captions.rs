//! Adds uploaded captions to a converted video: one rendition of HLS for each language, in its master playlist.

use crate::api::error::ApiError;
use crate::captions::playlist::{self, Rendition};
use crate::captions::{self, Language, transport_stream};
use crate::events::shapes::ObjectCreated;
use crate::key::{CAPTIONS_PREFIX, CaptionsKey, MAX_CAPTIONS_SIZE, VideoId};
use crate::services::catalog::VideoRecord;
use crate::services::store::{ListedObject, ObjectContent, StoreError};
use crate::state::AppState;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use wire::VideoStatus;

/// Attempts to change a master playlist that concurrent events change, too.
const MAX_ATTEMPTS: u32 = 8;
/// The most languages of one video.
const MAX_LANGUAGES: usize = 50;
/// In bytes; one of a film has some kB.
const MAX_PLAYLIST_SIZE: usize = 1 << 20;
/// Bytes of a segment in which its first video frame begins: tables and sound come before it.
const SEGMENT_START_SIZE: usize = 64 << 10;
/// Hex digits of the file's version in names.
const VERSION_LENGTH: usize = 12;
const PLAYLIST_TYPE: &str = "application/vnd.apple.mpegurl";
const CAPTIONS_TYPE: &str = "text/vtt";

/// Handles captions that were stored, unless their video isn't converted yet.
pub async fn stored(app: &AppState, created: &ObjectCreated, key: &CaptionsKey) -> Result<(), ApiError> {
    let id = key.video_id();
    match app.catalog.get(id.as_str()).await? {
        // Stored after the deletion.
        Some(record) if record.is_deleted() => Ok(delete(app, id.as_str()).await?),
        Some(record) => attach(app, &record).await,
        None => {
            tracing::info!(key = created.key, "captions ignored: there is no such video");
            Ok(())
        }
    }
}

/// Deletes the uploaded captions of a video.
pub async fn delete(app: &AppState, video_id: &str) -> Result<(), StoreError> {
    let bucket = app.store.bucket();
    let keys = app.store.list_keys(bucket, &format!("{CAPTIONS_PREFIX}{video_id}/")).await?;
    app.store.delete_objects(bucket, &keys).await
}

/// Adds all captions of a ready video. Repeatable, also concurrently: captions that are stored before the last call are in
/// the playlist after it. `Err`: try again later.
pub async fn attach(app: &AppState, record: &VideoRecord) -> Result<(), ApiError> {
    match &record.outputs {
        Some(outputs) if record.status == VideoStatus::Ready && !record.is_deleted() => {
            attach_to(app, &record.video_id, &outputs.hls, record.duration_ms).await
        }
        _ => Ok(()),
    }
}

/// Adds all captions of a video to the master playlist `hls`.
pub async fn attach_to(
    app: &AppState,
    video_id: &str,
    hls: &str,
    duration_ms: Option<u64>,
) -> Result<(), ApiError> {
    let Some(id) = VideoId::parse(video_id) else { return Ok(()) };
    let attachment = Attachment { app, id, hls, duration_ms };
    for _ in 0..MAX_ATTEMPTS {
        match attachment.attempt().await {
            Err(StoreError::Conflict) => {}
            outcome => return Ok(outcome?),
        }
    }
    Err(ApiError::Throttled("concurrent changes of a playlist"))
}

/// Captions of one video to be added.
struct Attachment<'a> {
    app: &'a AppState,
    id: VideoId,
    /// Key of the master playlist.
    hls: &'a str,
    duration_ms: Option<u64>,
}

impl Attachment<'_> {
    /// Fails with `Conflict` if the master playlist was changed meanwhile.
    async fn attempt(&self) -> Result<(), StoreError> {
        if self.sources().await?.is_empty() {
            return Ok(());
        }
        let Some(master) = self.read(self.hls, MAX_PLAYLIST_SIZE).await? else {
            tracing::warn!(video = %self.id, "captions aren't added: there is no master playlist");
            return Ok(());
        };
        // Listed after the playlist was read: a concurrent event that has changed it has read no later list.
        let sources = self.sources().await?;
        let text = String::from_utf8_lossy(&master.bytes);
        let present: BTreeSet<&str> = playlist::captions(&text).into_iter().collect();
        let mut renditions = Vec::new();
        let mut offset = None;
        for (language, source) in sources {
            let name = self.name(&language, &source);
            let uri = format!("{name}.m3u8");
            if !present.contains(uri.as_str()) {
                let mpegts = match offset {
                    Some(mpegts) => mpegts,
                    None => *offset.insert(self.first_timestamp(&text).await?),
                };
                if !self.write_rendition(&source, &name, mpegts).await? {
                    continue;
                }
            }
            renditions.push(Rendition { language, uri });
        }
        let changed = playlist::with_captions(&text, &renditions);
        if changed == text {
            return Ok(());
        }
        self.write(self.hls, changed.into_bytes(), PLAYLIST_TYPE, Some(&master.etag)).await?;
        tracing::info!(video = %self.id, languages = renditions.len(), "captions added");
        let kept: BTreeSet<&str> = renditions.iter().map(|rendition| rendition.uri.as_str()).collect();
        let replaced = present.difference(&kept).filter_map(|uri| uri.strip_suffix(".m3u8"));
        let replaced: Vec<String> = replaced
            .filter(|name| is_captions_output(self.id.as_str(), &self.sibling(name)))
            .flat_map(|name| [".m3u8", ".vtt"].map(|end| self.sibling(&format!("{name}{end}"))))
            .collect();
        let bucket = &self.app.config.conversion.destination_bucket;
        self.app.store.delete_objects(bucket, &replaced).await
    }

    /// The newest uploaded file of each language.
    async fn sources(&self) -> Result<BTreeMap<Language, ListedObject>, StoreError> {
        let prefix = format!("{CAPTIONS_PREFIX}{}/", self.id);
        let mut objects = self.app.store.list_objects(self.app.store.bucket(), &prefix).await?;
        objects.sort_by_key(|object| object.modified_ms);
        let mut sources = BTreeMap::new();
        for object in objects {
            let Some(key) = CaptionsKey::parse(&object.key) else { continue };
            if sources.len() < MAX_LANGUAGES || sources.contains_key(key.language()) {
                sources.insert(key.language().clone(), object);
            }
        }
        Ok(sources)
    }

    /// The name of a rendition's files, without extensions. Each version of a file has its own, because the CDN keeps what it
    /// has read. No id has a dot.
    fn name(&self, language: &Language, source: &ListedObject) -> String {
        let version = hex::encode(Sha256::digest(format!("{} {}", source.etag, source.key)));
        let version = version.get(..VERSION_LENGTH).unwrap_or_default();
        format!("{}.captions.{language}.{version}", self.id)
    }

    /// Writes captions and their playlist. `false`: the file isn't captions.
    async fn write_rendition(
        &self,
        source: &ListedObject,
        name: &str,
        mpegts: Option<u64>,
    ) -> Result<bool, StoreError> {
        let (store, key) = (&self.app.store, source.key.as_str());
        let Some(file) = store.read_object(store.bucket(), key, MAX_CAPTIONS_SIZE).await? else {
            return Ok(false);
        };
        if file.is_truncated {
            tracing::warn!(key, size = source.size, "captions ignored: the file is too large");
            return Ok(false);
        }
        let Some(cues) = captions::parse(&file.bytes) else {
            tracing::warn!(key, "captions ignored: the file has no cues");
            return Ok(false);
        };
        let last = cues.iter().map(|cue| cue.end).fold(0.0, f64::max);
        // Exact: durations are far below 2^53 ms.
        let seconds = self.duration_ms.map_or(last, |ms| ms as f64 / 1000.0);
        let file = format!("{name}.vtt");
        let text = captions::webvtt(&cues, mpegts);
        self.write(&self.sibling(&file), text.into_bytes(), CAPTIONS_TYPE, None).await?;
        let text = playlist::media_playlist(&file, seconds);
        self.write(&self.sibling(&format!("{name}.m3u8")), text.into_bytes(), PLAYLIST_TYPE, None).await?;
        Ok(true)
    }

    /// The timestamp of the video's first frame in its transport stream. `None`: its segments are no transport stream.
    async fn first_timestamp(&self, master: &str) -> Result<Option<u64>, StoreError> {
        let Some(variant) = playlist::first_uri(master) else { return Ok(None) };
        let Some(variant) = self.read(&self.sibling(variant), MAX_PLAYLIST_SIZE).await? else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&variant.bytes);
        let Some(segment) = playlist::first_uri(&text) else { return Ok(None) };
        let segment = self.read(&self.sibling(segment), SEGMENT_START_SIZE).await?;
        let timestamp = segment.and_then(|segment| transport_stream::first_video_pts(&segment.bytes));
        if timestamp.is_none() {
            tracing::warn!(video = %self.id, "captions begin at time 0: no timestamp is found in the first segment");
        }
        Ok(timestamp)
    }

    /// The key of a file beside the master playlist.
    fn sibling(&self, name: &str) -> String {
        let folder = self.hls.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/{name}")
    }

    async fn read(&self, key: &str, max_size: usize) -> Result<Option<ObjectContent>, StoreError> {
        self.app.store.read_object(&self.app.config.conversion.destination_bucket, key, max_size).await
    }

    async fn write(
        &self,
        key: &str,
        bytes: Vec<u8>,
        content_type: &str,
        if_match: Option<&str>,
    ) -> Result<(), StoreError> {
        let bucket = &self.app.config.conversion.destination_bucket;
        self.app.store.write_object(bucket, key, bytes, content_type, if_match).await
    }
}

/// Whether a key is that of a file which is made of a video's captions.
pub fn is_captions_output(video_id: &str, key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    name.strip_prefix(video_id).is_some_and(|rest| rest.starts_with(".captions."))
}
