//! Timeouts of requests: how long each may take, and when it times out.

/// Timeout of a request to the edge, except the completion, in milliseconds.
pub const REQUEST_TIMEOUT_MS: u64 = 60_000;
/// Timeout of the completion, in milliseconds. S3 may take longer; a completion can be repeated at any time, so
/// this only bounds how long a lost response goes unnoticed.
pub const COMPLETE_TIMEOUT_MS: u64 = 180_000;
/// A part's request must show its first progress within this, in milliseconds.
pub const FIRST_PROGRESS_TIMEOUT_MS: u64 = 60_000;
/// Replaces [`FIRST_PROGRESS_TIMEOUT_MS`], in milliseconds, while more parts are in flight than the browser opens
/// connections: some wait in the browser's queue, so the time counts from the last progress of any part.
pub const QUEUED_TIMEOUT_MS: u64 = 120_000;
/// No stall timeout is longer than this, in milliseconds, however slow the network is and however often the part
/// has stalled.
pub const MAX_STALL_TIMEOUT_MS: u64 = 300_000;
/// The longest timeout of a part while no part has shown any progress, in milliseconds: the browser may report none, and
/// then a part's whole transfer must fit.
pub const MAX_NO_PROGRESS_TIMEOUT_MS: u64 = 1_800_000;
/// A request that was in flight during a sleep or a network change must show progress within this, in
/// milliseconds: its connection may be dead.
pub const SUSPECT_TIMEOUT_MS: u64 = 10_000;

/// When a request times out that last showed progress at `since_ms`.
///
/// `suspect_since_ms` is when a sleep or a network change last made connections suspect; if that was after
/// `since_ms`, the shorter [`SUSPECT_TIMEOUT_MS`] applies from then on.
pub fn deadline_ms(since_ms: u64, timeout_ms: u64, suspect_since_ms: Option<u64>) -> u64 {
    match suspect_since_ms {
        Some(suspect_ms) if suspect_ms >= since_ms => {
            (suspect_ms + SUSPECT_TIMEOUT_MS).min(since_ms + timeout_ms)
        }
        _ => since_ms + timeout_ms,
    }
}
