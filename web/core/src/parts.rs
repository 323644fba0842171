//! The parts of one upload and the state of each: which to hash, presign and upload next, and which has stalled.

mod part_state;
mod resume;

pub use part_state::HashOutcome;

use crate::concurrency::BROWSER_CONNECTIONS;
use crate::timeout::{
    self, FIRST_PROGRESS_TIMEOUT_MS, MAX_NO_PROGRESS_TIMEOUT_MS, MAX_STALL_TIMEOUT_MS, QUEUED_TIMEOUT_MS,
};
use crate::types::{Clocks, PartChecksum, PresignedPart};
use part_state::{Part, PartState};
use wire::PartPlan;

/// Bytes hashed before an upload is opened, so that its first parts are presigned by the same call …
const FIRST_HASHED_BYTES: u64 = 64 << 20;
/// … and the most parts of these.
const MAX_FIRST_HASHED: usize = BROWSER_CONNECTIONS;

/// All parts of one upload.
#[derive(Debug)]
pub struct Parts {
    plan: PartPlan,
    parts: Vec<Part>,
    /// Pending, the next one first. At most 10,000, so that inserting at the front is cheap enough.
    queue: Vec<u32>,
    /// In backoff.
    backing_off: Vec<u32>,
    in_flight: Vec<u32>,
    /// Being hashed. One at a time: reading two places of a file at once is slower than one after the other.
    hashing: Option<u32>,
    /// Refused for their checksum, and to be hashed again: their bytes in the file may have changed.
    suspect: Vec<u32>,
    /// Stored by an earlier page load, to be hashed and compared.
    unverified: Vec<u32>,
    stored: u32,
    /// When any part last showed progress.
    progress_ms: u64,
    /// Whether any part has shown progress before its end. Service workers and some browsers report none.
    has_progress: bool,
    /// The most stalls of a part before any part has shown progress.
    stalls_without_progress: u32,
}

impl Parts {
    /// All pending, none hashed.
    pub fn new(plan: PartPlan) -> Self {
        Self {
            plan,
            parts: (0..plan.part_count()).map(|_| Part::default()).collect(),
            queue: (1..=plan.part_count()).collect(),
            backing_off: Vec::new(),
            in_flight: Vec::new(),
            hashing: None,
            suspect: Vec::new(),
            unverified: Vec::new(),
            stored: 0,
            progress_ms: 0,
            has_progress: false,
            stalls_without_progress: 0,
        }
    }

    /// The same file for another upload: nothing is stored, and what is hashed stays known.
    pub fn for_new_upload(self) -> Self {
        let mut parts = Self::new(self.plan);
        for (part, before) in parts.parts.iter_mut().zip(self.parts) {
            part.crc64 = before.crc64;
        }
        parts
    }

    /// How the file is cut.
    pub fn plan(&self) -> PartPlan {
        self.plan
    }

    /// How many are in flight.
    pub fn active(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether as many requests wait in the browser's own queue as it opens connections: more would only let
    /// their URLs expire there.
    pub fn browser_queue_is_full(&self) -> bool {
        let parts = self.in_flight.iter().filter_map(|part| self.part_ref(*part));
        let is_waiting = |part: &&Part| matches!(part.state, PartState::InFlight { progress_ms: None, .. });
        parts.filter(is_waiting).count() >= BROWSER_CONNECTIONS
    }

    /// The origin of the first part that has a URL.
    pub fn storage_origin(&self) -> &str {
        let presigned = self.parts.iter().find_map(|part| part.presigned.as_ref());
        presigned.map_or("the storage", |(presigned, _)| presigned.origin())
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
        let part = self.part(number)?;
        part.state =
            PartState::InFlight { started_ms: clocks.now_ms, progress_ms: None, bytes: 0, transfer_ms: 0 };
        self.in_flight.push(number);
        self.progress_ms = self.progress_ms.max(clocks.now_ms);
        Some(presigned)
    }

    /// The next part to hash, unless one is being hashed: a suspect or unverified one, else one of the first `ahead` in the
    /// queue.
    pub fn start_hashing(&mut self, ahead: usize) -> Option<u32> {
        if self.hashing.is_some() {
            return None;
        }
        let is_unhashed = |part: &u32| self.part_ref(*part).is_some_and(|part| part.crc64.is_none());
        let next = self.suspect.first().or(self.unverified.first()).copied();
        self.hashing = next.or_else(|| self.queue.iter().take(ahead).copied().find(is_unhashed));
        self.hashing
    }

    /// Whether a part is stored that isn't compared with the file yet.
    pub fn has_unverified(&self) -> bool {
        !self.unverified.is_empty()
    }

    /// The checksums of the first parts, once as many are hashed as an upload is opened with.
    pub fn first_checksums(&self) -> Option<Vec<u64>> {
        let by_bytes = (FIRST_HASHED_BYTES / self.plan.part_size()).max(1) as usize;
        let needed = by_bytes.min(MAX_FIRST_HASHED).min(self.parts.len());
        let checksums: Vec<u64> =
            self.parts.iter().map_while(|part| part.crc64).take(MAX_FIRST_HASHED).collect();
        (checksums.len() >= needed).then_some(checksums)
    }

    /// The parts to presign: the hashed ones of the first `ahead` in the queue that have no valid URL.
    pub fn unsigned(&self, ahead: usize, clocks: Clocks) -> Vec<PartChecksum> {
        let unsigned = |number: u32| {
            let part = self.part_ref(number).filter(|part| part.valid_url(clocks).is_none())?;
            Some(PartChecksum { part: number, crc64: part.crc64? })
        };
        let ahead = ahead.min(wire::MAX_PARTS_PER_CALL);
        self.queue.iter().take(ahead).copied().filter_map(unsigned).collect()
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
        match self.part_ref(number)?.state {
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
    /// slow isn't taken for a dead one for ever. Without any progress events it doubles for all parts together.
    fn deadline_ms(&self, number: u32, stall_timeout_ms: u64, suspect_since_ms: Option<u64>) -> u64 {
        let Some(Part { state: PartState::InFlight { started_ms, progress_ms, .. }, stalls, .. }) =
            self.part_ref(number)
        else {
            return u64::MAX;
        };
        let doubled = |timeout_ms: u64, stalls: u32| timeout_ms << stalls.min(5);
        let stalls_without_progress = self.stalls_without_progress.max(*stalls);
        let max_ms = if self.has_progress { MAX_STALL_TIMEOUT_MS } else { MAX_NO_PROGRESS_TIMEOUT_MS };
        let (since_ms, timeout_ms) = match progress_ms {
            Some(progress_ms) => (*progress_ms, doubled(stall_timeout_ms, *stalls).min(MAX_STALL_TIMEOUT_MS)),
            None if self.in_flight.len() <= BROWSER_CONNECTIONS => {
                let timeout_ms = FIRST_PROGRESS_TIMEOUT_MS.max(stall_timeout_ms);
                (*started_ms, doubled(timeout_ms, stalls_without_progress).min(max_ms))
            }
            None => {
                let timeout_ms = QUEUED_TIMEOUT_MS.max(stall_timeout_ms);
                (self.progress_ms, doubled(timeout_ms, stalls_without_progress).min(max_ms))
            }
        };
        // Parts get through without progress events: the lack of one tells nothing about a connection.
        let is_silent = !self.has_progress && self.stored > 0;
        timeout::deadline_ms(since_ms, timeout_ms, suspect_since_ms.filter(|_| !is_silent))
    }

    /// When the first part in flight times out.
    pub fn first_deadline_ms(&self, stall_timeout_ms: u64, suspect_since_ms: Option<u64>) -> Option<u64> {
        let deadline_ms = |part: &u32| self.deadline_ms(*part, stall_timeout_ms, suspect_since_ms);
        self.in_flight.iter().map(deadline_ms).min()
    }

    /// When the first backoff ends.
    pub fn next_retry_ms(&self) -> Option<u64> {
        self.backing_off.iter().filter_map(|part| self.part_ref(*part)?.retry_at_ms()).min()
    }

    /// A part's request has shown progress before its end.
    pub fn progress_event(&mut self) {
        self.has_progress = true;
    }

    /// The storage has accepted a part in flight; `None` if it isn't in flight.
    pub fn uploaded(&mut self, number: u32) -> Option<PartChecksum> {
        let part = self.part(number)?;
        let crc64 = part.crc64.filter(|_| matches!(part.state, PartState::InFlight { .. }))?;
        part.state = PartState::Stored;
        part.presigned = None;
        remove(&mut self.in_flight, number);
        self.stored += 1;
        Some(PartChecksum { part: number, crc64 })
    }

    /// A part's CRC64NVME was computed from the file.
    pub fn hashed(&mut self, number: u32, crc64: u64) -> HashOutcome {
        if self.hashing == Some(number) {
            self.hashing = None;
        }
        remove(&mut self.suspect, number);
        remove(&mut self.unverified, number);
        let Some(part) = self.part(number) else { return HashOutcome::Known };
        if part.crc64.replace(crc64).is_some_and(|before| before != crc64) {
            return HashOutcome::FileChanged;
        }
        let PartState::Unverified(stored) = part.state else { return HashOutcome::Known };
        if stored.is_some_and(|stored| stored != crc64) {
            return HashOutcome::OtherFile;
        }
        part.state = PartState::Stored;
        self.stored += 1;
        HashOutcome::Verified
    }

    /// Records a part's failure, perhaps because it `stalled`; returns how many there were. It is uploaded again
    /// after [`Parts::back_off`].
    pub fn failed(&mut self, number: u32, stalled: bool) -> u32 {
        let Some(part) = self.part(number) else { return 0 };
        part.attempts += 1;
        part.stalls += u32::from(stalled);
        let (attempts, stalls) = (part.attempts, part.stalls);
        if let PartState::InFlight { .. } = part.state {
            part.state = PartState::Pending;
            remove(&mut self.in_flight, number);
        }
        if !self.has_progress {
            self.stalls_without_progress = self.stalls_without_progress.max(stalls);
        }
        attempts
    }

    /// The storage doesn't have these stored parts: they are uploaded again.
    pub fn requeue_stored(&mut self, numbers: &[u32]) {
        for number in numbers {
            if let Some(part) = self.part(*number)
                && part.state == PartState::Stored
            {
                part.state = PartState::Pending;
                self.stored -= 1;
            }
        }
        self.requeue_pending();
    }

    /// Puts all pending parts into the queue, in their order.
    fn requeue_pending(&mut self) {
        let is_pending =
            |part: &u32| self.part_ref(*part).is_some_and(|part| part.state == PartState::Pending);
        self.queue = (1..=self.plan.part_count()).filter(is_pending).collect();
    }

    /// Requeues every part in flight at the front of the queue; returns their numbers. What is being hashed is dropped.
    pub fn requeue_in_flight(&mut self) -> Vec<u32> {
        let requeued: Vec<u32> = (1..=self.plan.part_count()).filter(|part| self.is_active(*part)).collect();
        for number in requeued.iter().rev() {
            if let Some(part) = self.part(*number) {
                part.state = PartState::Pending;
            }
            self.queue.insert(0, *number);
        }
        self.in_flight.clear();
        self.hashing = None;
        requeued
    }

    /// Whether a part is in flight. Events about any other are stale.
    pub fn is_active(&self, number: u32) -> bool {
        self.part_ref(number).is_some_and(|part| matches!(part.state, PartState::InFlight { .. }))
    }

    /// Hashes a part again: its bytes in the file may have changed.
    pub fn rehash(&mut self, number: u32) {
        if !self.suspect.contains(&number) {
            self.suspect.push(number);
        }
    }

    /// Puts a failed part back into the queue at `until_ms`.
    pub fn back_off(&mut self, number: u32, until_ms: u64) {
        if let Some(part) = self.part(number)
            && part.state == PartState::Pending
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

    fn part_ref(&self, number: u32) -> Option<&Part> {
        self.parts.get(index(number)?)
    }

    fn valid_url(&self, number: u32, clocks: Clocks) -> Option<&PresignedPart> {
        self.part_ref(number)?.valid_url(clocks)
    }
}

fn remove(numbers: &mut Vec<u32>, number: u32) {
    numbers.retain(|other| *other != number);
}

/// The index of a part: S3's part numbers start at 1.
fn index(number: u32) -> Option<usize> {
    usize::try_from(number).ok()?.checked_sub(1)
}
