//! Queue of undelivered events for the edge, with retries and dead letters: the local counterpart of SQS,
//! EventBridge and Lambda's retries. Delivers at least once, without a guaranteed order.

use crate::db::Db;
use edge::clock::now_ms;
use rusqlite::Transaction;
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// After this many failed attempts an event is a dead letter: stored and logged, but not retried.
const MAX_ATTEMPTS: u32 = 20;
const MAX_RETRY_DELAY: Duration = Duration::from_secs(30);
/// Delay after a failed read of the database.
const READ_RETRY_DELAY: Duration = Duration::from_secs(1);

/// Handles one event. With `Err`, a message for the log, the event is retried.
pub type Handler =
    Arc<dyn Fn(Value) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// The queue of undelivered events.
#[derive(Clone)]
pub struct Outbox {
    db: Db,
    event_added: Arc<Notify>,
}

impl Outbox {
    pub async fn open(db: Db) -> rusqlite::Result<Self> {
        db.call(|tx| {
            tx.execute_batch(
                "CREATE TABLE IF NOT EXISTS outbox (
                    id INTEGER PRIMARY KEY, payload TEXT NOT NULL,
                    tries INTEGER NOT NULL DEFAULT 0, due_ms INTEGER NOT NULL DEFAULT 0)",
            )
        })
        .await?;
        Ok(Self { db, event_added: Arc::new(Notify::new()) })
    }

    /// Adds an event in the caller's transaction. Call [`Outbox::wake`] after the commit.
    pub fn put(tx: &Transaction<'_>, event: &Value) -> rusqlite::Result<()> {
        tx.execute("INSERT INTO outbox (payload) VALUES (?1)", [event.to_string()]).map(drop)
    }

    /// Adds an event in a separate transaction.
    pub async fn send(&self, event: Value) -> rusqlite::Result<()> {
        self.db.call(move |tx| Self::put(tx, &event)).await?;
        self.wake();
        Ok(())
    }

    /// Wakes the delivery task.
    pub fn wake(&self) {
        self.event_added.notify_one();
    }

    /// Delivers events one at a time, oldest first, and never returns. A failed event doesn't block the others.
    pub async fn deliver(self, handler: Handler) {
        loop {
            match self.next_due().await {
                Ok(Some((id, payload, attempts))) => self.attempt(&handler, id, &payload, attempts).await,
                Ok(None) => {
                    let delay = self.time_until_due().await.unwrap_or(MAX_RETRY_DELAY);
                    // Returns at a wake-up or when the next event is due.
                    let _ = tokio::time::timeout(delay, self.event_added.notified()).await;
                }
                Err(error) => {
                    tracing::error!(%error, "outbox can't be read");
                    tokio::time::sleep(READ_RETRY_DELAY).await;
                }
            }
        }
    }

    async fn next_due(&self) -> rusqlite::Result<Option<(i64, String, u32)>> {
        self.db
            .call(|tx| {
                let mut query = tx.prepare_cached(
                    "SELECT id, payload, tries FROM outbox WHERE due_ms <= ?1 AND tries < ?2
                     ORDER BY id LIMIT 1",
                )?;
                let mut rows = query.query((now_ms().cast_signed(), MAX_ATTEMPTS))?;
                rows.next()?.map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).transpose()
            })
            .await
    }

    async fn time_until_due(&self) -> Option<Duration> {
        let due_ms: Option<i64> = self
            .db
            .call(|tx| {
                tx.query_row("SELECT MIN(due_ms) FROM outbox WHERE tries < ?1", [MAX_ATTEMPTS], |row| {
                    row.get(0)
                })
            })
            .await
            .ok()?;
        Some(Duration::from_millis(due_ms?.saturating_sub(now_ms().cast_signed()).max(1).unsigned_abs()))
    }

    async fn attempt(&self, handler: &Handler, id: i64, payload: &str, attempts: u32) {
        let outcome = match serde_json::from_str(payload) {
            Ok(event) => handler(event).await,
            Err(error) => Err(error.to_string()),
        };
        let result = match outcome {
            Ok(()) => self.db.call(move |tx| tx.execute("DELETE FROM outbox WHERE id = ?1", [id])).await,
            Err(reason) => {
                let attempts = attempts + 1;
                if attempts < MAX_ATTEMPTS {
                    tracing::warn!(attempts, reason, "event delivery failed; it will be retried");
                } else {
                    tracing::error!(
                        attempts,
                        reason,
                        event = id,
                        "event delivery failed; the event is a dead letter"
                    );
                }
                let delay = Duration::from_millis(250 << attempts.min(10)).min(MAX_RETRY_DELAY);
                let due_ms = now_ms().cast_signed() + i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
                self.db
                    .call(move |tx| {
                        tx.execute(
                            "UPDATE outbox SET tries = ?2, due_ms = ?3 WHERE id = ?1",
                            (id, attempts, due_ms),
                        )
                    })
                    .await
            }
        };
        if let Err(error) = result {
            tracing::error!(%error, "outbox can't be written");
        }
    }
}
