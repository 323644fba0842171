//! The catalog in a SQLite file: one machine.

use super::{Catalog, CatalogError, Change, Claim, Cursor, Entry, LEASE_MS, ObjectVersion};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS videos (
        video_id TEXT PRIMARY KEY, owner TEXT NOT NULL, created_ms INTEGER NOT NULL, entry TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS videos_by_owner ON videos (owner, created_ms DESC, video_id DESC);
    CREATE TABLE IF NOT EXISTS claims (
        bucket TEXT, key TEXT, etag TEXT, lease_ends_ms INTEGER, PRIMARY KEY (bucket, key, etag)
    ) WITHOUT ROWID;";

/// A claim that is settled has a lease without an end.
const SETTLED: i64 = i64::MAX;

pub struct Sqlite(Arc<Mutex<Connection>>);

impl Sqlite {
    /// Opens or creates the file at `path`; other processes may have it open, too.
    pub fn open(path: &Path) -> Result<Self, CatalogError> {
        let open = || {
            let connection = Connection::open(path)?;
            connection.busy_timeout(Duration::from_secs(5))?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.execute_batch(SCHEMA)?;
            Ok(connection)
        };
        let connection = open().map_err(|error: rusqlite::Error| {
            CatalogError(format!("{} can't be opened: {error}", path.display()))
        })?;
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
        let result: rusqlite::Result<T> =
            tokio::task::spawn_blocking(run).await.map_err(|error| CatalogError(error.to_string()))?;
        result.map_err(|error| CatalogError(error.to_string()))
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
    async fn add(&self, entry: Entry) -> Result<Option<Entry>, CatalogError> {
        self.call(move |tx| {
            let there = find(tx, &entry.video_id)?;
            if there.is_none() {
                write(tx, &entry)?;
            }
            Ok(there)
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
            if find(tx, &video_id)?.is_some_and(|entry| entry.status == wire::VideoStatus::Uploading) {
                tx.execute("DELETE FROM videos WHERE video_id = ?1", [video_id])?;
            }
            Ok(())
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

    async fn claim(&self, object: &ObjectVersion, now_ms: u64) -> Result<Claim, CatalogError> {
        let object = object.clone();
        self.call(move |tx| {
            let lease: Option<i64> = tx
                .query_row(
                    "SELECT lease_ends_ms FROM claims WHERE bucket = ?1 AND key = ?2 AND etag = ?3",
                    [&object.bucket, &object.key, &object.etag],
                    |row| row.get(0),
                )
                .optional()?;
            match lease {
                Some(SETTLED) => return Ok(Claim::Done),
                Some(ends) if ends > signed(now_ms) => return Ok(Claim::Busy),
                Some(_) | None => {}
            }
            lease_until(tx, &object, signed(now_ms + LEASE_MS))?;
            Ok(Claim::Granted)
        })
        .await
    }

    async fn settle(&self, object: &ObjectVersion) -> Result<(), CatalogError> {
        let object = object.clone();
        self.call(move |tx| lease_until(tx, &object, SETTLED)).await
    }

    async fn release(&self, object: &ObjectVersion) -> Result<(), CatalogError> {
        let object = object.clone();
        self.call(move |tx| lease_until(tx, &object, 0)).await
    }
}

fn lease_until(tx: &Transaction<'_>, object: &ObjectVersion, ends: i64) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT OR REPLACE INTO claims (bucket, key, etag, lease_ends_ms) VALUES (?1, ?2, ?3, ?4)",
        params![object.bucket, object.key, object.etag, ends],
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
        assert!(error.0.contains("/nowhere/catalog.db can't be opened"), "{}", error.0);
    }
}
