//! State that the S3 operations share, and the transaction that stores an object together with its event.

use super::blobs::Blobs;
use super::conditions::WriteConditions;
use super::cors::CorsRule;
use super::crc64::Crc64AndSize;
use super::error::OperationError;
use super::metadata::{self, Object, ObjectHeaders};
use super::notification::CreatedNotification;
use crate::db::Db;
use crate::outbox::Outbox;
use http::Extensions;
use rusqlite::Transaction;
use s3s::dto::{Timestamp, TimestampFormat};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

/// State of the endpoint; clones share it.
#[derive(Clone)]
pub struct Backend {
    pub db: Db,
    pub blobs: Blobs,
    pub outbox: Outbox,
    pub region: String,
    /// The access key, which is also the owner of all buckets and objects.
    pub owner: String,
    /// By bucket: the key prefixes for which `ObjectCreated` events are sent.
    pub notify_prefixes: Arc<HashMap<String, Vec<String>>>,
    pub cors: CorsTable,
    pub log: tracing::Dispatch,
}

/// CORS rules by bucket. In memory, because every response needs them.
#[derive(Clone, Default)]
pub struct CorsTable(Arc<RwLock<HashMap<String, Arc<[CorsRule]>>>>);

impl CorsTable {
    /// Returns a bucket's rules; `None` if it has no CORS configuration.
    pub fn get(&self, bucket: &str) -> Option<Arc<[CorsRule]>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(bucket).cloned()
    }

    pub fn set(&self, bucket: String, rules: Option<Vec<CorsRule>>) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match rules {
            Some(rules) => drop(table.insert(bucket, rules.into())),
            None => drop(table.remove(&bucket)),
        }
    }
}

/// The request id, which the response and the event of one request share.
#[derive(Clone)]
pub struct RequestId(pub String);

impl RequestId {
    /// Returns the id in a request's extensions; empty if there is none.
    pub fn from_extensions(extensions: &Extensions) -> String {
        extensions.get::<Self>().map(|id| id.0.clone()).unwrap_or_default()
    }
}

/// An object to be stored; its blob files are already on disk.
pub struct NewObject {
    pub bucket: String,
    pub key: String,
    pub content: Crc64AndSize,
    pub etag: String,
    pub headers: ObjectHeaders,
    /// Blob files in order, with their sizes in bytes.
    pub files: Vec<(String, u64)>,
    pub conditions: WriteConditions,
    /// `ObjectCreated:` is put before this name in the event.
    pub event_name: &'static str,
    pub request_id: String,
}

impl Backend {
    /// Inserts or replaces the object and queues its event, within `tx`. Returns its row and the blob files
    /// to remove after the commit. Fails as [`WriteConditions::check`], or with `NoSuchBucket`.
    pub fn store_object(
        &self,
        tx: &Transaction<'_>,
        new: NewObject,
    ) -> Result<(Object, Vec<String>), OperationError> {
        metadata::require_bucket(tx, &new.bucket)?;
        let existing = metadata::find_object(tx, &new.bucket, &new.key)?;
        new.conditions.check(existing.as_ref())?;
        let replaced = match existing {
            Some(existing) => metadata::remove_object(tx, existing.id)?,
            None => Vec::new(),
        };
        let object = metadata::add_object(
            tx,
            &new.bucket,
            &new.key,
            (new.content, new.etag, new.headers),
            &new.files,
        )?;
        let prefixes = self.notify_prefixes.get(&new.bucket).into_iter().flatten();
        if prefixes.into_iter().any(|prefix| new.key.starts_with(prefix)) {
            let notification = CreatedNotification {
                event_name: new.event_name,
                time: &event_time(&object.modified)?,
                region: &self.region,
                principal: &self.owner,
                request_id: &new.request_id,
                bucket: &new.bucket,
                key: &new.key,
                size: object.content.size,
                etag: &object.etag,
                sequence: object.id,
            };
            Outbox::put(tx, &notification.to_json())?;
        }
        Ok((object, replaced))
    }

    /// Wakes the outbox and removes replaced blob files. Call it after the commit of
    /// [`Backend::store_object`].
    pub async fn after_commit(&self, replaced: Vec<String>) {
        self.outbox.wake();
        self.blobs.remove(replaced).await;
    }

    /// Replaces a bucket's CORS rules in the database and in memory; `None` removes them.
    pub async fn set_cors(&self, bucket: String, rules: Option<Vec<CorsRule>>) -> Result<(), OperationError> {
        let json = rules.as_ref().map(serde_json::to_string).transpose().map_err(io::Error::other)?;
        let name = bucket.clone();
        self.db
            .call(move |tx| {
                metadata::require_bucket(tx, &name)?;
                Ok::<_, OperationError>(metadata::set_cors(tx, &name, json.as_deref())?)
            })
            .await?;
        self.cors.set(bucket, rules);
        Ok(())
    }
}

/// Formats a time as RFC 3339 with exactly three digits of milliseconds, as S3 does in events.
fn event_time(time: &Timestamp) -> Result<String, OperationError> {
    let mut text = Vec::new();
    time.format(TimestampFormat::DateTime, &mut text).map_err(io::Error::other)?;
    Ok(String::from_utf8(text).map_err(io::Error::other)?)
}
