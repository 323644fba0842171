//! The catalog in a SQLite file, for one machine.

use super::usage::day;
use super::video_record::TOMBSTONE_LIFETIME_SECS;
use super::{
    AddOutcome, ApplyOutcome, Catalog, CatalogError, Claim, Cursor, DailyLimits, Deletion, LEASE_MS, Lease,
    ObjectVersion, OwnerLimits, UPLOAD_LIFETIME_SECS, Usage, VideoRecord, VideoTransition,
};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// `entry` is the record as JSON. Members that a record of an earlier version lacks are NULL.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS videos (
        video_id TEXT PRIMARY KEY, owner TEXT NOT NULL, created_ms INTEGER NOT NULL, entry TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS videos_by_owner ON videos (owner, created_ms DESC, video_id DESC);
    CREATE INDEX IF NOT EXISTS videos_open ON videos (owner, created_ms)
        WHERE entry ->> 'status' = 'uploading';
    DROP INDEX IF EXISTS videos_unfinished;
    CREATE INDEX IF NOT EXISTS videos_not_done ON videos (entry ->> 'updated_ms')
        WHERE entry ->> 'status' NOT IN ('ready', 'failed', 'canceled') OR entry ->> 'announced' = 0
            OR entry ->> 'deletion' IS NOT NULL;
    CREATE TABLE IF NOT EXISTS usage (
        owner TEXT NOT NULL, day INTEGER NOT NULL, counted TEXT NOT NULL, PRIMARY KEY (owner, day)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS leases (
        object TEXT PRIMARY KEY, video_id TEXT NOT NULL, ends_ms INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS leases_by_video ON leases (video_id);";

/// End of the lease of a completed claim, which never ends.
const COMPLETED: i64 = i64::MAX;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The file can't be opened or created.
#[derive(Debug, thiserror::Error)]
#[error("{} can't be opened: {source}", path.display())]
pub struct OpenError {
    path: PathBuf,
    source: rusqlite::Error,
}

pub struct Sqlite(Arc<Mutex<Connection>>);

impl Sqlite {
    /// Opens or creates the file at `path`; other processes may have it open, too.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let open = || {
            let connection = Connection::open(path)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.execute_batch(SCHEMA)?;
            Ok(connection)
        };
        let connection = open().map_err(|source| OpenError { path: path.into(), source })?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    async fn call<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let shared = self.0.clone();
        let run = move || {
            let mut connection = shared.lock().unwrap_or_else(PoisonError::into_inner);
            // Immediate: a deferred transaction that turns from reading to writing fails instead of waiting for the lock.
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = query(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        let result: rusqlite::Result<T> = tokio::task::spawn_blocking(run).await?;
        Ok(result?)
    }
}

fn find(tx: &Transaction<'_>, video_id: &str) -> rusqlite::Result<Option<VideoRecord>> {
    let text: Option<String> = tx
        .query_row("SELECT entry FROM videos WHERE video_id = ?1", [video_id], |row| row.get(0))
        .optional()?;
    text.map(|text| from_json(&text)).transpose()
}

fn from_json<T: DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn to_json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn write(tx: &Transaction<'_>, record: &VideoRecord) -> rusqlite::Result<()> {
    let text = to_json(record)?;
    tx.execute(
        "INSERT OR REPLACE INTO videos (video_id, owner, created_ms, entry) VALUES (?1, ?2, ?3, ?4)",
        params![record.video_id, record.owner, signed(record.created_ms), text],
    )
    .map(drop)
}

/// Counts for an owner what `record` has more than `before`. `false`: it is over a limit, and isn't counted.
fn count(
    tx: &Transaction<'_>,
    record: &VideoRecord,
    before: Usage,
    limits: DailyLimits,
    now_ms: u64,
) -> rusqlite::Result<bool> {
    let more = record.counted.since(before);
    if limits.is_off() || more == Usage::default() {
        return Ok(true);
    }
    let today = signed(day(now_ms));
    // Yesterday's stays for a request whose clock is a little behind.
    tx.execute("DELETE FROM usage WHERE owner = ?1 AND day < ?2 - 1", params![record.owner, today])?;
    let text: Option<String> = tx
        .query_row(
            "SELECT counted FROM usage WHERE owner = ?1 AND day = ?2",
            params![record.owner, today],
            |row| row.get(0),
        )
        .optional()?;
    let used: Usage = text.map(|text| from_json(&text)).transpose()?.unwrap_or_default();
    if !limits.allow(used, more) {
        return Ok(false);
    }
    tx.execute(
        "INSERT OR REPLACE INTO usage (owner, day, counted) VALUES (?1, ?2, ?3)",
        params![record.owner, today, to_json(&used.plus(more))?],
    )?;
    Ok(true)
}

/// SQLite's integers are signed; milliseconds since 1970 fit.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[async_trait::async_trait]
impl Catalog for Sqlite {
    async fn add(&self, record: VideoRecord, limits: OwnerLimits) -> Result<AddOutcome, CatalogError> {
        self.call(move |tx| {
            if let Some(existing) = find(tx, &record.video_id)? {
                return Ok(AddOutcome::Exists(Box::new(existing)));
            }
            let since = record.created_ms.saturating_sub(UPLOAD_LIFETIME_SECS * 1000);
            let open: u32 = tx.query_row(
                "SELECT COUNT(*) FROM videos
                 WHERE owner = ?1 AND created_ms > ?2 AND entry ->> 'status' = 'uploading'
                 AND entry ->> 'deletion' IS NULL",
                params![record.owner, signed(since)],
                |row| row.get(0),
            )?;
            if record.is_open() && open >= limits.open_uploads {
                return Ok(AddOutcome::TooManyOpen);
            }
            if !count(tx, &record, Usage::default(), limits.daily, record.created_ms)? {
                return Ok(AddOutcome::OverDailyLimit);
            }
            write(tx, &record)?;
            Ok(AddOutcome::Added)
        })
        .await
    }

    async fn get(&self, video_id: &str) -> Result<Option<VideoRecord>, CatalogError> {
        let video_id = video_id.to_owned();
        self.call(move |tx| find(tx, &video_id)).await
    }

    async fn apply_within(
        &self,
        video_id: &str,
        transition: VideoTransition,
        limits: DailyLimits,
        now_ms: u64,
    ) -> Result<ApplyOutcome, CatalogError> {
        let video_id = video_id.to_owned();
        self.call(move |tx| {
            let Some(mut record) = find(tx, &video_id)? else { return Ok(ApplyOutcome::NotFound) };
            let before = record.counted;
            if record.apply(transition, now_ms) {
                if !count(tx, &record, before, limits, now_ms)? {
                    return Ok(ApplyOutcome::OverDailyLimit);
                }
                write(tx, &record)?;
            }
            if record.deletion == Some(Deletion::Done) {
                delete_tombstones(tx, now_ms)?;
            }
            Ok(ApplyOutcome::Applied(Box::new(record)))
        })
        .await
    }

    async fn delete_open(&self, video_id: &str, s3_upload: Option<&str>) -> Result<(), CatalogError> {
        let (video_id, s3_upload) = (video_id.to_owned(), s3_upload.map(str::to_owned));
        self.call(move |tx| {
            tx.execute(
                "DELETE FROM videos WHERE video_id = ?1 AND entry ->> 'status' = 'uploading'
                 AND entry ->> 'deletion' IS NULL
                 AND (?2 IS NULL OR entry ->> 's3_upload' IS NULL OR entry ->> 's3_upload' = ?2)
                 AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.video_id = ?1)",
                params![video_id, s3_upload],
            )
            .map(drop)
        })
        .await
    }

    async fn list(
        &self,
        owner: &str,
        limit: usize,
        from: Option<Cursor>,
    ) -> Result<Vec<VideoRecord>, CatalogError> {
        let owner = owner.to_owned();
        self.call(move |tx| {
            let from = from.unwrap_or(Cursor { created_ms: u64::MAX, video_id: String::new() });
            let mut query = tx.prepare_cached(
                "SELECT entry FROM videos WHERE owner = ?1 AND (created_ms, video_id) < (?2, ?3)
                 AND entry ->> 'deletion' IS NULL
                 ORDER BY created_ms DESC, video_id DESC LIMIT ?4",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = query
                .query_map(params![owner, signed(from.created_ms), from.video_id, limit], |row| {
                    from_json(&row.get::<_, String>(0)?)
                })?;
            rows.collect()
        })
        .await
    }

    async fn list_stale(&self, range: Range<u64>, limit: usize) -> Result<Vec<VideoRecord>, CatalogError> {
        self.call(move |tx| {
            let mut query = tx.prepare_cached(
                "SELECT entry FROM videos
                 WHERE (entry ->> 'status' NOT IN ('ready', 'failed', 'canceled') OR entry ->> 'announced' = 0
                     OR entry ->> 'deletion' IS NOT NULL)
                 AND entry ->> 'updated_ms' < ?1",
            )?;
            let rows = query.query_map([signed(range.end)], |row| from_json(&row.get::<_, String>(0)?))?;
            let mut stale: Vec<VideoRecord> = rows.collect::<Result<_, _>>()?;
            // Open uploads become stale later than their last change.
            stale.retain(|record| !record.is_done() && range.contains(&record.stale_at_ms()));
            stale.sort_by_key(VideoRecord::stale_at_ms);
            stale.truncate(limit);
            Ok(stale)
        })
        .await
    }

    async fn claim(
        &self,
        object: ObjectVersion,
        new: VideoRecord,
        now_ms: u64,
    ) -> Result<Claim, CatalogError> {
        self.call(move |tx| {
            let digest = object.digest();
            let lease: Option<i64> = tx
                .query_row("SELECT ends_ms FROM leases WHERE object = ?1", [&digest], |row| row.get(0))
                .optional()?;
            if lease.is_some_and(|ends| ends != COMPLETED && ends > signed(now_ms)) {
                return Ok(Claim::Busy);
            }
            let record = match find(tx, &new.video_id)? {
                Some(record) if record.key.as_ref().is_some_and(|key| *key != object.key) => {
                    return Ok(Claim::OtherObject);
                }
                Some(record) if record.is_deleted() => return Ok(Claim::Completed(Box::new(record))),
                Some(record) => record,
                None => {
                    write(tx, &new)?;
                    new
                }
            };
            if lease == Some(COMPLETED) {
                return Ok(Claim::Completed(Box::new(record)));
            }
            set_lease(tx, &digest, &record.video_id, signed(now_ms + LEASE_MS))?;
            Ok(Claim::Granted(Box::new(Lease { object, record, is_retry: lease.is_some() })))
        })
        .await
    }

    async fn complete_claim(
        &self,
        lease: Lease,
        transition: VideoTransition,
        now_ms: u64,
    ) -> Result<VideoRecord, CatalogError> {
        self.call(move |tx| {
            let mut record = find(tx, &lease.record.video_id)?.unwrap_or(lease.record);
            if record.apply(transition, now_ms) {
                write(tx, &record)?;
            }
            set_lease(tx, &lease.object.digest(), &record.video_id, COMPLETED)?;
            Ok(record)
        })
        .await
    }

    async fn release_claim(&self, lease: &Lease) -> Result<(), CatalogError> {
        let (digest, video_id) = (lease.object.digest(), lease.record.video_id.clone());
        self.call(move |tx| set_lease(tx, &digest, &video_id, 0)).await
    }
}

/// Deletes the records of deleted videos that nothing refers to any more.
fn delete_tombstones(tx: &Transaction<'_>, now_ms: u64) -> rusqlite::Result<()> {
    let before = now_ms.saturating_sub(TOMBSTONE_LIFETIME_SECS * 1000);
    tx.execute(
        "DELETE FROM videos WHERE entry ->> 'deletion' = 'done' AND entry ->> 'updated_ms' < ?1",
        [signed(before)],
    )
    .map(drop)
}

fn set_lease(tx: &Transaction<'_>, digest: &str, video_id: &str, ends: i64) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT OR REPLACE INTO leases (object, video_id, ends_ms) VALUES (?1, ?2, ?3)",
        params![digest, video_id, ends],
    )
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sqlite_catalog_conforms() {
        let dir = tempfile::tempdir().unwrap();
        super::super::conformance::run(&Sqlite::open(&dir.path().join("catalog.db")).unwrap()).await;
    }

    #[test]
    fn missing_folder_is_reported_with_its_path() {
        let error = Sqlite::open(Path::new("/nowhere/catalog.db")).err().unwrap();
        assert!(error.to_string().contains("/nowhere/catalog.db can't be opened"), "{error}");
    }
}
