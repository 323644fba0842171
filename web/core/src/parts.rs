//! The parts of one upload and the state of each: which to upload next, which need a presigned URL, which has
//! stalled, and whether what is stored is what the file has.

mod part_state;
mod resume;

pub use part_state::PartOutcome;

use crate::concurrency::BROWSER_CONNECTIONS;
use crate::timeout::{self, FIRST_PROGRESS_TIMEOUT_MS, MAX_STALL_TIMEOUT_MS, QUEUED_TIMEOUT_MS};
use crate::types::{Clocks, PartReceipt, PresignedPart};
use part_state::{Part, PartState};
use wire::PartPlan;

/// All parts of one upload.
#[derive(Debug)]
pub struct Parts {
    plan: PartPlan,
    hashing: bool,
    parts: Vec<Part>,
    /// Pending, the next one first. At most 10,000, so that inserting at the front is cheap enough.
    queue: Vec<u32>,
    /// In backoff.
    backing_off: Vec<u32>,
    in_flight: Vec<u32>,
    /// Started before they were hashed, the one being hashed first. One at a time: reading two places of a file
    /// at once is slower than one after the other.
    unhashed: Vec<u32>,
    /// Stored by an earlier page load, to be hashed and compared.
    unverified: Vec<u32>,
    uploaded: usize,
    stored: u32,
    /// When any part last showed progress.
    progress_ms: u64,
}

impl Parts {
    /// All pending. With `hashing`, no part counts as stored before its CRC in the file is known.
    pub fn new(plan: PartPlan, hashing: bool) -> Self {
        Self {
            plan,
            hashing,
            parts: (0..plan.part_count()).map(|_| Part::default()).collect(),
            queue: (1..=plan.part_count()).collect(),
            backing_off: Vec::new(),
            in_flight: Vec::new(),
            unhashed: Vec::new(),
            unverified: Vec::new(),
            uploaded: 0,
            stored: 0,
            progress_ms: 0,
        }
    }

    /// How the file is cut.
    pub fn plan(&self) -> PartPlan {
        self.plan
    }

    /// How many count against the concurrency limit: in flight, or uploaded and not yet compared.
    pub fn active(&self) -> usize {
        self.in_flight.len() + self.uploaded
    }

    /// Whether as many requests wait in the browser's own queue as it opens connections: more would only let
    /// their URLs expire there.
    pub fn browser_queue_is_full(&self) -> bool {
        let parts = self.in_flight.iter().filter_map(|part| self.parts.get(index(*part)?));
        let is_waiting = |part: &&Part| matches!(part.state, PartState::InFlight { progress_ms: None, .. });
        parts.filter(is_waiting).count() >= BROWSER_CONNECTIONS
    }

    /// Whether every part is stored.
    pub fn all_stored(&self) -> bool {
        self.stored == self.plan.part_count()
    }

    /// Starts the next part that has a valid URL.
    pub fn start_next(&mut self, clocks: Clocks) -> Option<PresignedPart> {
        let mut next = self.queue.iter().take(wire::MAX_PARTS_PER_CALL).copied();
        let position = next.position(|part| self.valid_url(part, clocks).is_some())?;
        let number = self.queue.remove(position);
        let presigned = self.valid_url(number, clocks)?.clone();
        let hashing = self.hashing;
        let part = self.part(number)?;
        part.state =
            PartState::InFlight { started_ms: clocks.now_ms, progress_ms: None, bytes: 0, transfer_ms: 0 };
        if part.crc64.is_none() && hashing && !self.unhashed.contains(&number) {
            self.unhashed.push(number);
        }
        self.in_flight.push(number);
        self.progress_ms = self.progress_ms.max(clocks.now_ms);
        Some(presigned)
    }

    /// The part to hash now; the same one until [`Parts::hashed`].
    pub fn next_to_hash(&self) -> Option<u32> {
        self.unhashed.first().or(self.unverified.first()).copied()
    }

    /// The parts to presign: none while each of the first `threshold` in the queue has a valid URL, else those of
    /// the first `target` without one.
    pub fn unsigned(&self, threshold: usize, target: usize, clocks: Clocks) -> Vec<u32> {
        let is_unsigned = |part: &&u32| self.valid_url(**part, clocks).is_none();
        if !self.queue.iter().take(threshold).any(|part| is_unsigned(&part)) {
            return Vec::new();
        }
        self.queue.iter().take(target).filter(is_unsigned).copied().collect()
    }

    /// Keeps presigned URLs that were requested at `requested`; returns whether any of them is of use.
    pub fn add_presigned(
        &mut self,
        presigned: Vec<PresignedPart>,
        requested: Clocks,
        clocks: Clocks,
    ) -> bool {
        let mut is_useful = false;
        for mut presigned in presigned {
            // A lifetime of 0 means that none was given.
            presigned.ttl_ms = presigned.ttl_ms.filter(|ttl_ms| *ttl_ms > 0);
            if let Some(part) = self.part(presigned.part) {
                let was_unsigned = matches!(part.state, PartState::Pending | PartState::Backoff { .. })
                    && part.valid_url(clocks).is_none();
                part.presigned = Some((presigned, requested));
                is_useful |= was_unsigned && part.valid_url(clocks).is_some();
            }
        }
        is_useful
    }

    /// Discards the URL of a part that was refused, and every URL that is by now as old as that one was when its
    /// request started.
    pub fn discard_url(&mut self, number: u32, now_ms: u64) {
        let Some(part) = self.part(number) else { return };
        let started_ms =
            if let PartState::InFlight { started_ms, .. } = part.state { started_ms } else { now_ms };
        let Some((_, requested)) = part.presigned.take() else { return };
        let age_ms = started_ms.saturating_sub(requested.now_ms);
        for part in &mut self.parts {
            let is_as_old =
                |(_, requested): &(PresignedPart, Clocks)| now_ms.saturating_sub(requested.now_ms) >= age_ms;
            if part.presigned.as_ref().is_some_and(is_as_old) {
                part.presigned = None;
            }
        }
    }

    /// Records that a part's request has handed `total_bytes` to the network; returns how many of them are new,
    /// and the milliseconds since the previous progress, 0 if there was none.
    pub fn record_progress(&mut self, number: u32, total_bytes: u64, now_ms: u64) -> (u64, u64) {
        let Some(Part { state: PartState::InFlight { progress_ms, bytes, transfer_ms, .. }, .. }) =
            self.part(number)
        else {
            return (0, 0);
        };
        let new_bytes = total_bytes.saturating_sub(*bytes);
        let took_ms =
            if new_bytes > 0 { progress_ms.map_or(0, |last_ms| now_ms.saturating_sub(last_ms)) } else { 0 };
        (*bytes, *progress_ms, *transfer_ms) =
            (total_bytes.max(*bytes), Some(now_ms), *transfer_ms + took_ms);
        self.progress_ms = self.progress_ms.max(now_ms);
        (new_bytes, took_ms)
    }

    /// For how long a part in flight has shown no progress in all, in milliseconds.
    pub fn idle_ms(&self, number: u32, now_ms: u64) -> Option<u64> {
        match self.parts.get(index(number)?)?.state {
            PartState::InFlight { started_ms, transfer_ms, .. } => {
                Some(now_ms.saturating_sub(started_ms + transfer_ms))
            }
            _ => None,
        }
    }

    /// A part in flight that has timed out; `stall_timeout_ms` is the timeout between two signs of progress.
    pub fn stalled(&self, stall_timeout_ms: u64, suspect_since_ms: Option<u64>, now_ms: u64) -> Option<u32> {
        let deadline_ms = |part| self.deadline_ms(part, stall_timeout_ms, suspect_since_ms);
        self.in_flight.iter().copied().find(|part| deadline_ms(*part) <= now_ms)
    }

    /// When a part in flight times out. The timeout doubles with each stall, so that a network that has become
    /// slow isn't taken for a dead one for ever.
    fn deadline_ms(&self, number: u32, stall_timeout_ms: u64, suspect_since_ms: Option<u64>) -> u64 {
        let part = index(number).and_then(|index| self.parts.get(index));
        let Some(Part { state: PartState::InFlight { started_ms, progress_ms, .. }, stalls, .. }) = part
        else {
            return u64::MAX;
        };
        let (since_ms, timeout_ms) = match progress_ms {
            Some(progress_ms) => {
                (*progress_ms, (stall_timeout_ms << (*stalls).min(5)).min(MAX_STALL_TIMEOUT_MS))
            }
            None if self.in_flight.len() <= BROWSER_CONNECTIONS => {
                (*started_ms, FIRST_PROGRESS_TIMEOUT_MS.max(stall_timeout_ms))
            }
            None => (self.progress_ms, QUEUED_TIMEOUT_MS.max(stall_timeout_ms)),
        };
        timeout::deadline_ms(since_ms, timeout_ms, suspect_since_ms)
    }

    /// When the first part in flight times out.
    pub fn first_deadline_ms(&self, stall_timeout_ms: u64, suspect_since_ms: Option<u64>) -> Option<u64> {
        let deadline_ms = |part: &u32| self.deadline_ms(*part, stall_timeout_ms, suspect_since_ms);
        self.in_flight.iter().map(deadline_ms).min()
    }

    /// When the first backoff ends.
    pub fn next_retry_ms(&self) -> Option<u64> {
        self.backing_off.iter().filter_map(|part| self.parts.get(index(*part)?)?.retry_at_ms()).min()
    }

    /// The storage has accepted a part.
    pub fn uploaded(&mut self, number: u32, receipt: PartReceipt) -> PartOutcome {
        match self.part(number) {
            Some(part) if matches!(part.state, PartState::InFlight { .. }) => {
                part.state = PartState::Uploaded(receipt);
            }
            _ => return PartOutcome::Pending,
        }
        remove(&mut self.in_flight, number);
        self.uploaded += 1;
        self.compare(number)
    }

    /// A part's CRC64NVME was computed from the file.
    pub fn hashed(&mut self, number: u32, crc64: u64) -> PartOutcome {
        remove(&mut self.unhashed, number);
        remove(&mut self.unverified, number);
        let Some(part) = self.part(number) else { return PartOutcome::Pending };
        if part.crc64.replace(crc64).is_some_and(|before| before != crc64) {
            return PartOutcome::FileChanged;
        }
        let PartState::Unverified(receipt) = &mut part.state else { return self.compare(number) };
        if part_state::checksum_matches(Some(crc64), &receipt.checksum) {
            part.state = PartState::Stored(std::mem::take(receipt));
            self.stored += 1;
            return PartOutcome::Stored;
        }
        part.state = PartState::Pending;
        self.queue.push(number);
        PartOutcome::Pending
    }

    fn compare(&mut self, number: u32) -> PartOutcome {
        let hashing = self.hashing;
        let Some(part) = self.part(number) else { return PartOutcome::Pending };
        let PartState::Uploaded(receipt) = &mut part.state else { return PartOutcome::Pending };
        if !part_state::checksum_matches(part.crc64, &receipt.checksum) {
            return PartOutcome::ChecksumMismatch;
        }
        if hashing && part.crc64.is_none() {
            return PartOutcome::Pending;
        }
        part.state = PartState::Stored(std::mem::take(receipt));
        part.presigned = None;
        self.uploaded -= 1;
        self.stored += 1;
        PartOutcome::Stored
    }

    /// Records a part's failure, perhaps because it `stalled`; returns how many there were. It is uploaded again
    /// after [`Parts::back_off`].
    pub fn failed(&mut self, number: u32, stalled: bool) -> u32 {
        let Some(part) = self.part(number) else { return 0 };
        part.attempts += 1;
        if stalled && matches!(part.state, PartState::InFlight { progress_ms: Some(_), .. }) {
            part.stalls += 1;
        }
        let attempts = part.attempts;
        match std::mem::replace(&mut part.state, PartState::Pending) {
            PartState::InFlight { .. } => remove(&mut self.in_flight, number),
            PartState::Uploaded(_) => self.uploaded -= 1,
            PartState::Stored(_) => self.stored -= 1,
            PartState::Pending | PartState::Backoff { .. } | PartState::Unverified(_) => {}
        }
        attempts
    }

    /// Requeues every active part at the front of the queue; returns their numbers.
    pub fn requeue_in_flight(&mut self) -> Vec<u32> {
        let requeued: Vec<u32> = (1..=self.plan.part_count()).filter(|part| self.is_active(*part)).collect();
        for number in requeued.iter().rev() {
            if let Some(part) = self.part(*number) {
                part.state = PartState::Pending;
            }
            self.queue.insert(0, *number);
        }
        self.in_flight.clear();
        self.uploaded = 0;
        requeued
    }

    /// Whether a part is in flight, or uploaded and not yet compared. Events about any other are stale.
    pub fn is_active(&self, number: u32) -> bool {
        let part = index(number).and_then(|index| self.parts.get(index));
        part.is_some_and(|part| matches!(part.state, PartState::InFlight { .. } | PartState::Uploaded(_)))
    }

    /// Hashes a part again: its bytes in the file may have changed.
    pub fn rehash(&mut self, number: u32) {
        if self.hashing && !self.unhashed.contains(&number) {
            self.unhashed.push(number);
        }
    }

    /// Puts a failed part back into the queue at `until_ms`.
    pub fn back_off(&mut self, number: u32, until_ms: u64) {
        if let Some(part) = self.part(number)
            && matches!(part.state, PartState::Pending)
        {
            part.state = PartState::Backoff { until_ms };
            self.backing_off.push(number);
        }
    }

    /// Ends every backoff at `until_ms` if it would last longer.
    pub fn shorten_wait(&mut self, until_ms: u64) {
        for number in self.backing_off.clone() {
            if let Some(Part { state: PartState::Backoff { until_ms: later_ms }, .. }) = self.part(number) {
                *later_ms = until_ms.min(*later_ms);
            }
        }
    }

    /// Puts the parts whose backoff is over at the front of the queue.
    pub fn requeue_due(&mut self, now_ms: u64) {
        for number in std::mem::take(&mut self.backing_off) {
            match self.part(number) {
                Some(part) if part.retry_at_ms().is_some_and(|until_ms| until_ms > now_ms) => {
                    self.backing_off.push(number);
                }
                Some(part) => {
                    part.state = PartState::Pending;
                    self.queue.insert(0, number);
                }
                None => {}
            }
        }
    }

    fn part(&mut self, number: u32) -> Option<&mut Part> {
        self.parts.get_mut(index(number)?)
    }

    fn valid_url(&self, number: u32, clocks: Clocks) -> Option<&PresignedPart> {
        self.parts.get(index(number)?)?.valid_url(clocks)
    }
}

fn remove(numbers: &mut Vec<u32>, number: u32) {
    numbers.retain(|other| *other != number);
}

/// The index of a part: S3's part numbers start at 1.
fn index(number: u32) -> Option<usize> {
    usize::try_from(number).ok()?.checked_sub(1)
}
