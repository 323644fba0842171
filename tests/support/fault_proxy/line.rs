//! The line that all requests share: how fast it carries bytes up, how far away the server is, whether it is
//! there at all.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// How late a timer may wake without the line's standing empty.
const LATE: Duration = Duration::from_millis(50);

pub struct Line {
    wire: Mutex<Wire>,
    /// Nothing moves, and nothing ends either: a cable that is pulled.
    still: watch::Sender<bool>,
    /// Counts what ends every connection; odd while the server is gone.
    cuts: watch::Sender<u64>,
}

#[derive(Default)]
struct Wire {
    /// In bytes a second; none for as fast as it goes.
    bandwidth: Option<u64>,
    latency: Duration,
    /// When the bytes that were let in so far have passed.
    free: Option<Instant>,
}

impl Line {
    pub fn new() -> Self {
        Self { wire: Mutex::default(), still: watch::Sender::new(false), cuts: watch::Sender::new(0) }
    }

    /// From now on; may be called while bytes are on their way.
    pub fn set(&self, bandwidth: Option<u64>, latency: Duration, still: bool) {
        *self.lock() = Wire { bandwidth, latency, free: None };
        self.still.send_replace(still);
    }

    /// What every request waits before it is forwarded.
    pub async fn latency(&self) {
        self.moving().await;
        let latency = self.lock().latency;
        sleep(latency).await;
    }

    /// Waits until so many bytes have passed, behind all those of other requests.
    pub async fn carry(&self, bytes: usize) {
        self.moving().await;
        let passed = {
            let mut wire = self.lock();
            let Some(bandwidth) = wire.bandwidth else { return };
            // Timers wake late; what was lost by that is made up for, or a single request would never fill it.
            let now = Instant::now();
            let start = wire.free.unwrap_or(now).max(now.checked_sub(LATE).unwrap_or(now));
            *wire.free.insert(start + span(bytes, bandwidth))
        };
        sleep_until(passed).await;
    }

    async fn moving(&self) {
        // Can't fail: the sender is ours.
        let _ = self.still.subscribe().wait_for(|still| !still).await;
    }

    pub fn is_dead(&self) -> bool {
        is_odd(*self.cuts.borrow())
    }

    /// The server goes. `revive` brings it back.
    pub fn die(&self) {
        self.cuts.send_if_modified(|cuts| {
            let alive = !is_odd(*cuts);
            *cuts += u64::from(alive);
            alive
        });
    }

    pub fn revive(&self) {
        self.cuts.send_if_modified(|cuts| {
            let dead = is_odd(*cuts);
            *cuts += u64::from(dead);
            dead
        });
    }

    /// Resolves when the connections that exist now are to end.
    pub fn cut(&self) -> impl Future<Output = ()> + use<> {
        let mut cuts = self.cuts.subscribe();
        let now = *cuts.borrow();
        async move {
            // An error means that the line is gone, and nothing is left to end.
            let _ = cuts.wait_for(|cuts| *cuts != now || is_odd(*cuts)).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long so many bytes take at so many a second.
pub fn span(bytes: usize, bandwidth: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / bandwidth.max(1) as f64)
}

fn is_odd(number: u64) -> bool {
    !number.is_multiple_of(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_share_the_bandwidth() {
        let line = Line::new();
        line.set(Some(1_000_000), Duration::ZERO, false);
        let start = Instant::now();
        tokio::join!(line.carry(100_000), line.carry(100_000));
        let took = start.elapsed().as_secs_f64();
        assert!((0.2..0.5).contains(&took), "{took}");
    }

    #[tokio::test]
    async fn what_stands_still_goes_on_where_it_was() {
        let line = Line::new();
        line.set(None, Duration::ZERO, true);
        let stuck = tokio::time::timeout(Duration::from_millis(20), line.carry(1)).await;
        assert!(stuck.is_err());
        let carry = line.carry(1);
        line.set(None, Duration::ZERO, false);
        carry.await;
    }

    #[tokio::test]
    async fn death_ends_connections_and_birth_is_news_to_nobody() {
        let line = Line::new();
        let cut = line.cut();
        line.die();
        line.die();
        assert!(line.is_dead());
        cut.await;
        line.revive();
        assert!(!line.is_dead());
        let alive = tokio::time::timeout(Duration::from_millis(20), line.cut()).await;
        assert!(alive.is_err());
    }
}
