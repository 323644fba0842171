//! The one SQLite file of the local services: metadata of S3 objects, MediaConvert jobs, and the events
//! that are still to be delivered, so that a change and its event are one transaction.

use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A handle to the database; clones share one connection.
#[derive(Clone)]
pub struct Db(Arc<Mutex<Connection>>);

impl Db {
    /// Opens or creates the database at `path`. What is committed survives a kill and a power cut.
    pub fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Runs `work` in one transaction off the async threads; an `Err` rolls it back.
    pub async fn call<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&rusqlite::Transaction<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<rusqlite::Error> + Send + 'static,
    {
        self.transact(work, "FULL").await
    }

    /// As [`Db::call`], without waiting for the disk: what is committed survives a kill at once, and a power
    /// cut from the next [`Db::call`] on.
    pub async fn call_lazily<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&rusqlite::Transaction<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<rusqlite::Error> + Send + 'static,
    {
        self.transact(work, "NORMAL").await
    }

    async fn transact<T, E, F>(&self, work: F, synchronous: &'static str) -> Result<T, E>
    where
        F: FnOnce(&rusqlite::Transaction<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<rusqlite::Error> + Send + 'static,
    {
        let shared = self.0.clone();
        let run = move || {
            // A panic in an earlier call rolled its transaction back; the connection is still good.
            let mut connection = shared.lock().unwrap_or_else(PoisonError::into_inner);
            connection.pragma_update(None, "synchronous", synchronous)?;
            // Immediate: a read that turns into a write would fail at once instead of waiting.
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        match tokio::task::spawn_blocking(run).await {
            Ok(result) => result,
            // The runtime is shutting down, or the work panicked: nothing was committed.
            Err(_) => Err(E::from(rusqlite::Error::ExecuteReturnedResults)),
        }
    }
}
