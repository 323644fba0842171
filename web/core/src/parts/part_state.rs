//! One part: its state, its signed URL, and what the storage said of it. Pure.

use crate::crc64;
use crate::types::{Moment, Receipt, SavedPart, Ticket};
use wire::StoredPart;

/// A URL this close to its end, in milliseconds, is not used any more; of short lives a quarter.
const MARGIN_MS: u64 = 15_000;

#[derive(Debug, Default)]
pub enum State {
    #[default]
    Todo,
    /// For its next try.
    Waiting {
        until: u64,
    },
    Flying {
        begun_at: u64,
        /// When it last moved; absent while it waits in the browser's queue.
        moved_at: Option<u64>,
        bytes: u64,
        /// How long it has been moving, in milliseconds: neither before its first bytes nor after its last.
        moving_ms: u64,
    },
    /// Taken by the storage; what it should have been isn't known yet.
    Landed(Receipt),
    /// Stored by an earlier page load, and not yet compared with the file.
    Claimed(Receipt),
    Stored(Receipt),
}

#[derive(Debug, Default)]
pub struct Slot {
    pub state: State,
    /// CRC64NVME, once it is known.
    pub crc: Option<u64>,
    pub tries: u32,
    /// How often it fell silent on its way.
    pub silences: u32,
    /// With the moment when it was asked for: it was signed no earlier.
    pub ticket: Option<(Ticket, Moment)>,
}

impl Slot {
    pub fn until(&self) -> Option<u64> {
        match self.state {
            State::Waiting { until } => Some(until),
            _ => None,
        }
    }

    /// Its URL, if there is one that lasts. One clock stands still while the machine sleeps, the other can be
    /// set: whichever says that it is over is believed, as a new URL costs little.
    pub fn ticket(&self, at: Moment) -> Option<&Ticket> {
        let (ticket, born) = self.ticket.as_ref()?;
        let age = at.now.saturating_sub(born.now).max(at.wall.saturating_sub(born.wall));
        ticket.life_ms.is_none_or(|life| age + MARGIN_MS.min(life / 4) < life).then_some(ticket)
    }
}

/// What came of a part that landed or was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet, or old news.
    Open,
    Stored,
    /// The storage has other bytes.
    Damaged,
    /// The file has other bytes than it had.
    Changed,
}

/// Whether a stored part's checksum is that of the file's; one of them unknown says nothing against it.
pub fn fits(ours: Option<u64>, theirs: &Option<String>) -> bool {
    match (ours, theirs) {
        (Some(crc), Some(checksum)) => *checksum == crc64::to_base64(crc),
        (None, _) | (_, None) => true,
    }
}

/// What a part is to be compared with that an earlier page load has stored; nothing if that can't be done.
///
/// Where the storage tells no checksum, the ETag tells that it is the part whose CRC was written down.
pub fn claim(theirs: StoredPart, saved: Option<&SavedPart>, hashing: bool) -> Option<Receipt> {
    let ours = saved.filter(|saved| saved.etag.as_ref() == Some(&theirs.etag));
    let checksum = theirs.checksum.or_else(|| ours?.crc.map(crc64::to_base64));
    let can_compare = if hashing { checksum.is_some() } else { ours.is_some() };
    can_compare.then_some(Receipt { etag: Some(theirs.etag), checksum })
}
