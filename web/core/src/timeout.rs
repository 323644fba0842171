//! How long is waited for what may never come. Pure.

/// After a sleep or a change of network, connections are believed for so long, in milliseconds.
const DOUBT_MS: u64 = 10_000;

/// How long any call but completion may take, in milliseconds.
pub const PATIENCE_MS: u64 = 60_000;
/// Completing is the storage's longest work, in milliseconds. It can be asked for again at any time, so this
/// is how long a lost answer goes unnoticed, not how long S3 may take.
pub const COMPLETION_MS: u64 = 180_000;

/// When the patience with what is silent `since` then ends: after a doubt it isn't believed for long.
pub fn patience_ends(since: u64, patience_ms: u64, doubted: Option<u64>) -> u64 {
    match doubted {
        Some(doubted) if doubted >= since => (doubted + DOUBT_MS).min(since + patience_ms),
        _ => since + patience_ms,
    }
}
