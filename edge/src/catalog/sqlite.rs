//! The catalog in a SQLite file: one machine.

use super::{
    Added, Catalog, CatalogError, Change, Claim, Cursor, Entry, LEASE_MS, Lease, ObjectVersion, UPLOAD_LIFE,
};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS videos (
        video_id TEXT PRIMARY KEY, owner TEXT NOT NULL, created_ms INTEGER NOT NULL, entry TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS videos_by_owner ON videos (owner, created_ms DESC, video_id DESC);
    CREATE INDEX IF NOT EXISTS videos_open ON videos (owner, created_ms)
        WHERE entry ->> 'status' = 'uploading';
    CREATE INDEX IF NOT EXISTS videos_unfinished ON videos (entry ->> 'updated_ms')
        WHERE entry ->> 'status' NOT IN ('ready', 'failed', 'canceled') OR entry ->> 'announced' = 0;
    CREATE TABLE IF NOT EXISTS leases (
        object TEXT PRIMARY KEY, video_id TEXT NOT NULL, ends_ms INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS leases_by_video ON leases (video_id);";

/// A claim that is settled has a lease without an end.
const SETTLED: i64 = i64::MAX;

pub struct Sqlite(Arc<Mutex<Connection>>);

impl Sqlite {
    /// Opens or creates the file at `path`; other processes may have it open, too.
    pub fn open(path: &Path) -> Result<Self, String> {
        let open = || {
            let connection = Connection::open(path)?;
            connection.busy_timeout(Duration::from_secs(5))?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.execute_batch(SCHEMA)?;
            Ok(connection)
        };
        let connection = open()
            .map_err(|error: rusqlite::Error| format!("{} can't be opened: {error}", path.display()))?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let shared = self.0.clone();
        let run = move || {
            let mut connection = shared.lock().unwrap_or_else(PoisonError::into_inner);
            // Immediate: a read that turns into a write would fail at once instead of waiting.
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        let result: rusqlite::Result<T> = tokio::task::spawn_blocking(run)
            .await
            .map_err(|error| CatalogError::Failed(error.to_string()))?;
        result.map_err(|error| CatalogError::Failed(error.to_string()))
    }
}

fn find(tx: &Transaction<'_>, video_id: &str) -> rusqlite::Result<Option<Entry>> {
    let text: Option<String> = tx
        .query_row("SELECT entry FROM videos WHERE video_id = ?1", [video_id], |row| row.get(0))
        .optional()?;
    text.map(|text| parse(&text)).transpose()
}

fn parse(text: &str) -> rusqlite::Result<Entry> {
    serde_json::from_str(text).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn write(tx: &Transaction<'_>, entry: &Entry) -> rusqlite::Result<()> {
    let text = serde_json::to_string(entry)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    tx.execute(
        "INSERT OR REPLACE INTO videos (video_id, owner, created_ms, entry) VALUES (?1, ?2, ?3, ?4)",
        params![entry.video_id, entry.owner, signed(entry.created_ms), text],
    )
    .map(drop)
}

/// SQLite's integers are signed; our milliseconds fit for longer than the sun.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[async_trait::async_trait]
impl Catalog for Sqlite {
    async fn add(&self, entry: Entry, most_open: u32) -> Result<Added, CatalogError> {
        self.call(move |tx| {
            if let Some(there) = find(tx, &entry.video_id)? {
                return Ok(Added::There(Box::new(there)));
            }
            let since = entry.created_ms.saturating_sub(UPLOAD_LIFE * 1000);
            let open: u32 = tx.query_row(
                "SELECT COUNT(*) FROM videos
                 WHERE owner = ?1 AND created_ms > ?2 AND entry ->> 'status' = 'uploading'",
                params![entry.owner, signed(since)],
                |row| row.get(0),
            )?;
            if entry.is_open() && open >= most_open {
                return Ok(Added::TooMany);
            }
            write(tx, &entry)?;
            Ok(Added::New)
        })
        .await
    }

    async fn get(&self, video_id: &str) -> Result<Option<Entry>, CatalogError> {
        let video_id = video_id.to_owned();
        self.call(move |tx| find(tx, &video_id)).await
    }

    async fn change(
        &self,
        video_id: &str,
        change: Change,
        now_ms: u64,
    ) -> Result<Option<Entry>, CatalogError> {
        let video_id = video_id.to_owned();
        self.call(move |tx| {
            let Some(mut entry) = find(tx, &video_id)? else { return Ok(None) };
            if entry.apply(change, now_ms) {
                write(tx, &entry)?;
            }
            Ok(Some(entry))
        })
        .await
    }

    async fn forget(&self, video_id: &str) -> Result<(), CatalogError> {
        let video_id = video_id.to_owned();
        self.call(move |tx| {
            tx.execute(
                "DELETE FROM videos WHERE video_id = ?1 AND entry ->> 'status' = 'uploading'
                 AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.video_id = ?1)",
                [video_id],
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
    ) -> Result<Vec<Entry>, CatalogError> {
        let owner = owner.to_owned();
        self.call(move |tx| {
            let from = from.unwrap_or(Cursor { created_ms: u64::MAX, video_id: String::new() });
            let mut query = tx.prepare_cached(
                "SELECT entry FROM videos WHERE owner = ?1 AND (created_ms, video_id) < (?2, ?3)
                 ORDER BY created_ms DESC, video_id DESC LIMIT ?4",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = query
                .query_map(params![owner, signed(from.created_ms), from.video_id, limit], |row| {
                    parse(&row.get::<_, String>(0)?)
                })?;
            rows.collect()
        })
        .await
    }

    async fn overdue(&self, before_ms: u64, limit: usize) -> Result<Vec<Entry>, CatalogError> {
        self.call(move |tx| {
            let mut query = tx.prepare_cached(
                "SELECT entry FROM videos
                 WHERE (entry ->> 'status' NOT IN ('ready', 'failed', 'canceled') OR entry ->> 'announced' = 0)
                 AND entry ->> 'updated_ms' < ?1",
            )?;
            let rows = query.query_map([signed(before_ms)], |row| parse(&row.get::<_, String>(0)?))?;
            let mut due: Vec<Entry> = rows.collect::<Result<_, _>>()?;
            // Open uploads are due later than they were last touched.
            due.retain(|entry| entry.due_ms() < before_ms);
            due.sort_by_key(Entry::due_ms);
            due.truncate(limit);
            Ok(due)
        })
        .await
    }

    async fn claim(&self, object: ObjectVersion, new: Entry, now_ms: u64) -> Result<Claim, CatalogError> {
        self.call(move |tx| {
            let digest = object.digest();
            let lease: Option<i64> = tx
                .query_row("SELECT ends_ms FROM leases WHERE object = ?1", [&digest], |row| row.get(0))
                .optional()?;
            if lease.is_some_and(|ends| ends != SETTLED && ends > signed(now_ms)) {
                return Ok(Claim::Busy);
            }
            let entry = match find(tx, &new.video_id)? {
                Some(entry) => entry,
                None => {
                    write(tx, &new)?;
                    new
                }
            };
            if lease == Some(SETTLED) {
                return Ok(Claim::Done(Box::new(entry)));
            }
            lease_until(tx, &digest, &entry.video_id, signed(now_ms + LEASE_MS))?;
            Ok(Claim::Granted(Box::new(Lease { object, entry, again: lease.is_some() })))
        })
        .await
    }

    async fn settle(&self, lease: Lease, change: Change, now_ms: u64) -> Result<Entry, CatalogError> {
        self.call(move |tx| {
            let mut entry = find(tx, &lease.entry.video_id)?.unwrap_or(lease.entry);
            if entry.apply(change, now_ms) {
                write(tx, &entry)?;
            }
            lease_until(tx, &lease.object.digest(), &entry.video_id, SETTLED)?;
            Ok(entry)
        })
        .await
    }

    async fn release(&self, lease: &Lease) -> Result<(), CatalogError> {
        let (digest, video_id) = (lease.object.digest(), lease.entry.video_id.clone());
        self.call(move |tx| lease_until(tx, &digest, &video_id, 0)).await
    }
}

fn lease_until(tx: &Transaction<'_>, digest: &str, video_id: &str, ends: i64) -> rusqlite::Result<()> {
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
    async fn sqlite_passes_the_suite() {
        let dir = tempfile::tempdir().unwrap();
        super::super::suite::run(&Sqlite::open(&dir.path().join("catalog.db")).unwrap()).await;
    }

    #[test]
    fn a_folder_that_is_not_there_is_one_sentence() {
        let error = Sqlite::open(Path::new("/nowhere/catalog.db")).err().unwrap();
        assert!(error.contains("/nowhere/catalog.db can't be opened"), "{error}");
    }
}
