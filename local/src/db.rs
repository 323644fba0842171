//! The SQLite database of the local services: S3 metadata, MediaConvert jobs, and undelivered events. They
//! share one file so that a change and its event are one transaction.

use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;

/// How long a transaction waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The error of a database operation.
#[derive(Debug, Error)]
pub enum DbError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// A stored JSON value can't be parsed or written.
    #[error("a stored value isn't valid JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// A handle to the database; clones share one connection.
#[derive(Clone)]
pub struct Db(Arc<Mutex<Connection>>);

impl Db {
    /// Opens or creates the database at `path`. Committed transactions survive a kill and a power cut.
    pub fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Runs `action` in one transaction on a blocking thread; an `Err` rolls it back.
    pub async fn call<T, E, F>(&self, action: F) -> Result<T, E>
    where
        F: FnOnce(&rusqlite::Transaction<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<rusqlite::Error> + Send + 'static,
    {
        self.transact(action, "FULL").await
    }

    /// As [`Db::call`], but without a flush to disk: the commit survives a kill, and a power cut only after the
    /// next [`Db::call`].
    pub async fn call_without_sync<T, E, F>(&self, action: F) -> Result<T, E>
    where
        F: FnOnce(&rusqlite::Transaction<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<rusqlite::Error> + Send + 'static,
    {
        self.transact(action, "NORMAL").await
    }

    async fn transact<T, E, F>(&self, action: F, synchronous: &'static str) -> Result<T, E>
    where
        F: FnOnce(&rusqlite::Transaction<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<rusqlite::Error> + Send + 'static,
    {
        let shared = self.0.clone();
        let run = move || {
            // After a panic the transaction was rolled back, so the connection is usable.
            let mut connection = shared.lock().unwrap_or_else(PoisonError::into_inner);
            connection.pragma_update(None, "synchronous", synchronous)?;
            // `Immediate`, because a read transaction that starts to write fails at once instead of waiting.
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = action(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        match tokio::task::spawn_blocking(run).await {
            Ok(result) => result,
            // The runtime is shutting down, or the action panicked; nothing was committed.
            Err(_) => Err(E::from(rusqlite::Error::ExecuteReturnedResults)),
        }
    }
}
