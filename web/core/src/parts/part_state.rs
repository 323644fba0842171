//! One part: its state, its checksum, its presigned URL.

use crate::types::{Clocks, PresignedPart};

/// A URL that expires within this, in milliseconds, isn't used any more; at most a quarter of its lifetime.
const EXPIRY_MARGIN_MS: u64 = 15_000;

#[derive(Debug, Default, PartialEq, Eq)]
pub enum PartState {
    #[default]
    Pending,
    /// Failed, and to be tried again.
    Backoff { until_ms: u64 },
    InFlight {
        started_ms: u64,
        /// When it last showed progress; `None` while it waits in the browser's queue.
        progress_ms: Option<u64>,
        bytes: u64,
        /// Time between its first and its last progress, in milliseconds.
        transfer_ms: u64,
    },
    /// The storage has it from an earlier page load; its bytes aren't compared with the file yet. Contains the CRC64NVME
    /// of the stored bytes; `None` if only the completion can compare them.
    Unverified(Option<u64>),
    /// The storage has it, with the checksum of the file's bytes.
    Stored,
}

#[derive(Debug, Default)]
pub struct Part {
    pub state: PartState,
    /// CRC64NVME of its bytes in the file, once known.
    pub crc64: Option<u64>,
    /// How many times it has failed.
    pub attempts: u32,
    /// How many times it has stalled.
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

/// The result of hashing a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashOutcome {
    /// The checksum is known now.
    Known,
    /// The storage has these bytes from an earlier page load.
    Verified,
    /// An earlier page load has stored other bytes: the saved upload is another file's.
    OtherFile,
    /// The file has other bytes than before.
    FileChanged,
}
