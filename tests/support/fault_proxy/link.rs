//! The simulated network link that all requests share: bandwidth, latency, stalls and outages.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// A late timer's delay is made up for up to this limit.
const TIMER_SLACK: Duration = Duration::from_millis(50);

pub struct Link {
    shaping: Mutex<Shaping>,
    /// While set, no byte moves and no connection ends, as with an unplugged cable.
    stalled: watch::Sender<bool>,
    /// Incremented when the server goes down and when it comes back; odd while it is down.
    generation: watch::Sender<u64>,
}

#[derive(Default)]
struct Shaping {
    /// In bytes per second; unlimited when absent.
    bandwidth: Option<u64>,
    latency: Duration,
    /// When the bytes accepted so far have been transmitted.
    free_at: Option<Instant>,
}

impl Link {
    pub fn new() -> Self {
        Self {
            shaping: Mutex::default(),
            stalled: watch::Sender::new(false),
            generation: watch::Sender::new(0),
        }
    }

    /// Changes the settings at once, also for requests in flight.
    pub fn set(&self, bandwidth: Option<u64>, latency: Duration, stalled: bool) {
        *self.lock() = Shaping { bandwidth, latency, free_at: None };
        self.stalled.send_replace(stalled);
    }

    /// Waits for the latency of one request.
    pub async fn delay(&self) {
        self.wait_while_stalled().await;
        let latency = self.lock().latency;
        sleep(latency).await;
    }

    /// Waits until `bytes` have been transmitted, after those of earlier calls.
    pub async fn transmit(&self, bytes: usize) {
        self.wait_while_stalled().await;
        let transmitted_at = {
            let mut shaping = self.lock();
            let Some(bandwidth) = shaping.bandwidth else { return };
            // Timers wake late. Without making up for it, a single request would never reach the bandwidth.
            let now = Instant::now();
            let start = shaping.free_at.unwrap_or(now).max(now.checked_sub(TIMER_SLACK).unwrap_or(now));
            *shaping.free_at.insert(start + transmission_time(bytes, bandwidth))
        };
        sleep_until(transmitted_at).await;
    }

    async fn wait_while_stalled(&self) {
        // Never fails: `self` owns the sender.
        let _ = self.stalled.subscribe().wait_for(|stalled| !stalled).await;
    }

    pub fn is_down(&self) -> bool {
        is_odd(*self.generation.borrow())
    }

    /// Ends all connections and refuses new ones until `go_up`.
    pub fn go_down(&self) {
        self.generation.send_if_modified(|generation| {
            let up = !is_odd(*generation);
            *generation += u64::from(up);
            up
        });
    }

    pub fn go_up(&self) {
        self.generation.send_if_modified(|generation| {
            let down = is_odd(*generation);
            *generation += u64::from(down);
            down
        });
    }

    /// Resolves when the connections that exist now are to end.
    pub fn disconnected(&self) -> impl Future<Output = ()> + use<> {
        let mut receiver = self.generation.subscribe();
        let now = *receiver.borrow();
        async move {
            // An error means that the link was dropped, at the end of the process.
            let _ = receiver.wait_for(|generation| *generation != now || is_odd(*generation)).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shaping> {
        self.shaping.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time that `bytes` take at `bandwidth` bytes per second.
pub fn transmission_time(bytes: usize, bandwidth: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / bandwidth.max(1) as f64)
}

fn is_odd(number: u64) -> bool {
    !number.is_multiple_of(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bandwidth_is_shared_between_requests() {
        let link = Link::new();
        link.set(Some(1_000_000), Duration::ZERO, false);
        let start = Instant::now();
        tokio::join!(link.transmit(100_000), link.transmit(100_000));
        let seconds = start.elapsed().as_secs_f64();
        assert!((0.2..0.5).contains(&seconds), "{seconds}");
    }

    #[tokio::test]
    async fn stalled_request_continues_after_the_stall() {
        let link = Link::new();
        link.set(None, Duration::ZERO, true);
        let during_stall = tokio::time::timeout(Duration::from_millis(20), link.transmit(1)).await;
        assert!(during_stall.is_err());
        let transmission = link.transmit(1);
        link.set(None, Duration::ZERO, false);
        transmission.await;
    }

    #[tokio::test]
    async fn outage_ends_existing_connections_and_not_later_ones() {
        let link = Link::new();
        let disconnected = link.disconnected();
        link.go_down();
        link.go_down();
        assert!(link.is_down());
        disconnected.await;
        link.go_up();
        assert!(!link.is_down());
        let later = tokio::time::timeout(Duration::from_millis(20), link.disconnected()).await;
        assert!(later.is_err());
    }
}
