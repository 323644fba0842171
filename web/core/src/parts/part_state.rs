//! One part: its state, its presigned URL, and what the storage has of it.

use crate::crc64;
use crate::types::{Clocks, PartReceipt, PresignedPart, SavedPart};
use wire::StoredPart;

/// A URL that expires within this, in milliseconds, isn't used any more; at most a quarter of its lifetime.
const EXPIRY_MARGIN_MS: u64 = 15_000;

#[derive(Debug, Default)]
pub enum PartState {
    #[default]
    Pending,
    /// Failed, and to be tried again.
    Backoff {
        until_ms: u64,
    },
    InFlight {
        started_ms: u64,
        /// When it last showed progress; `None` while it waits in the browser's queue.
        progress_ms: Option<u64>,
        bytes: u64,
        /// Time between its first and its last progress, in milliseconds.
        transfer_ms: u64,
    },
    /// The storage has it; its checksum in the file isn't known yet.
    Uploaded(PartReceipt),
    /// An earlier page load has stored it; it isn't compared with the file yet.
    Unverified(PartReceipt),
    Stored(PartReceipt),
}

#[derive(Debug, Default)]
pub struct Part {
    pub state: PartState,
    /// CRC64NVME of its bytes in the file, once known.
    pub crc64: Option<u64>,
    /// How many times it has failed.
    pub attempts: u32,
    /// How many times it has stalled after its first progress.
    pub stalls: u32,
    /// With the time when it was requested, which is no later than its signing.
    pub presigned: Option<(PresignedPart, Clocks)>,
}

impl Part {
    /// When its backoff ends, if it has one.
    pub fn retry_at_ms(&self) -> Option<u64> {
        match self.state {
            PartState::Backoff { until_ms } => Some(until_ms),
            _ => None,
        }
    }

    /// Its URL, unless that has expired or is about to. The monotonic clock may stop during a sleep and the wall
    /// clock may be set, so the longer of the two ages counts: a new URL costs little.
    pub fn valid_url(&self, clocks: Clocks) -> Option<&PresignedPart> {
        let (presigned, requested) = self.presigned.as_ref()?;
        let monotonic_ms = clocks.now_ms.saturating_sub(requested.now_ms);
        let age_ms = monotonic_ms.max(clocks.wall_ms.saturating_sub(requested.wall_ms));
        let is_valid = |ttl_ms| age_ms + EXPIRY_MARGIN_MS.min(ttl_ms / 4) < ttl_ms;
        presigned.ttl_ms.is_none_or(is_valid).then_some(presigned)
    }
}

/// The result of uploading or hashing a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartOutcome {
    /// Undecided, or stale.
    Pending,
    /// Stored, and the same as in the file as far as that can be known.
    Stored,
    /// The storage has other bytes.
    ChecksumMismatch,
    /// The file has other bytes than before.
    FileChanged,
}

/// Whether a stored part's checksum is that of the file's part. An unknown one matches.
pub fn checksum_matches(crc64: Option<u64>, stored: &Option<String>) -> bool {
    match (crc64, stored) {
        (Some(crc64), Some(stored)) => *stored == crc64::to_base64(crc64),
        (None, _) | (_, None) => true,
    }
}

/// The receipt to compare with the file, of a part that an earlier page load has stored; `None` if it can't be compared.
///
/// Without a checksum in the listing, an equal ETag shows that it is the part whose CRC was persisted.
pub fn resumable(listed: StoredPart, saved: Option<&SavedPart>, hashing: bool) -> Option<PartReceipt> {
    let saved = saved.filter(|saved| saved.etag.as_ref() == Some(&listed.etag));
    let checksum = listed.checksum.or_else(|| saved?.crc64.map(crc64::to_base64));
    let can_compare = if hashing { checksum.is_some() } else { saved.is_some() };
    can_compare.then_some(PartReceipt { etag: Some(listed.etag), checksum })
}
