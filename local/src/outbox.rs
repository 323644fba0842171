//! Events on their way to the edge, kept until it has taken them: what SQS, EventBridge and Lambda's
//! retries do on AWS. At least once, in no promised order.

use crate::db::Db;
use rusqlite::Transaction;
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;

/// After this many failed deliveries an event is a dead letter: kept, logged, not tried again.
const MAX_TRIES: u32 = 20;
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Takes one event; `Err` means "not now", with a sentence for the log.
pub type Handler =
    Arc<dyn Fn(Value) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// The queue of undelivered events.
#[derive(Clone)]
pub struct Outbox {
    db: Db,
    news: Arc<Notify>,
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
        Ok(Self { db, news: Arc::new(Notify::new()) })
    }

    /// Adds an event to the caller's transaction. Call [`Outbox::wake`] once that is committed.
    pub fn put(tx: &Transaction<'_>, event: &Value) -> rusqlite::Result<()> {
        tx.execute("INSERT INTO outbox (payload) VALUES (?1)", [event.to_string()]).map(drop)
    }

    /// Adds an event in a transaction of its own.
    pub async fn send(&self, event: Value) -> rusqlite::Result<()> {
        self.db.call(move |tx| Self::put(tx, &event)).await?;
        self.wake();
        Ok(())
    }

    /// Tells the delivery that there is something new.
    pub fn wake(&self) {
        self.news.notify_one();
    }

    /// Delivers for ever, oldest first, one at a time; a failed one waits its turn while others go on.
    pub async fn deliver(self, handler: Handler) {
        loop {
            match self.next().await {
                Ok(Some((id, payload, tries))) => self.try_once(&handler, id, &payload, tries).await,
                Ok(None) => {
                    let wait = self.until_due().await.unwrap_or(LONGEST_WAIT);
                    // A wake or the next due time, whichever is first.
                    let _ = tokio::time::timeout(wait, self.news.notified()).await;
                }
                Err(error) => {
                    tracing::error!(%error, "the outbox can't be read");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    async fn next(&self) -> rusqlite::Result<Option<(i64, String, u32)>> {
        self.db
            .call(|tx| {
                let mut query = tx.prepare_cached(
                    "SELECT id, payload, tries FROM outbox WHERE due_ms <= ?1 AND tries < ?2
                     ORDER BY id LIMIT 1",
                )?;
                let mut rows = query.query((now_ms(), MAX_TRIES))?;
                rows.next()?.map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).transpose()
            })
            .await
    }

    async fn until_due(&self) -> Option<Duration> {
        let due: Option<i64> = self
            .db
            .call(|tx| {
                tx.query_row("SELECT MIN(due_ms) FROM outbox WHERE tries < ?1", [MAX_TRIES], |row| row.get(0))
            })
            .await
            .ok()?;
        Some(Duration::from_millis(due?.saturating_sub(now_ms()).max(1).unsigned_abs()))
    }

    async fn try_once(&self, handler: &Handler, id: i64, payload: &str, tries: u32) {
        let outcome = match serde_json::from_str(payload) {
            Ok(event) => handler(event).await,
            Err(error) => Err(error.to_string()),
        };
        let result = match outcome {
            Ok(()) => self.db.call(move |tx| tx.execute("DELETE FROM outbox WHERE id = ?1", [id])).await,
            Err(reason) => {
                let tries = tries + 1;
                if tries < MAX_TRIES {
                    tracing::warn!(tries, reason, "an event wasn't taken and will be sent again");
                } else {
                    tracing::error!(tries, reason, event = id, "an event is given up as a dead letter");
                }
                let wait = Duration::from_millis(250 << tries.min(10)).min(LONGEST_WAIT);
                let due = now_ms() + i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
                self.db
                    .call(move |tx| {
                        tx.execute(
                            "UPDATE outbox SET tries = ?2, due_ms = ?3 WHERE id = ?1",
                            (id, tries, due),
                        )
                    })
                    .await
            }
        };
        if let Err(error) = result {
            tracing::error!(%error, "the outbox can't be written");
        }
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
