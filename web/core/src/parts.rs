//! The parts of one upload and where each stands: which to send next, which need a signed URL, which has
//! stalled, and whether what is stored is what was sent. Pure.

mod part_state;
mod resume;

pub use part_state::Verdict;

use crate::concurrency::CONNECTIONS;
use crate::timeout::patience_ends;
use crate::types::{Moment, Receipt, Ticket};
use part_state::{Slot, State};
use wire::PartPlan;

/// A part may take so long, in milliseconds, until it begins to move …
const START_MS: u64 = 60_000;
/// … unless there are more than a browser has connections for. Then some wait in its own queue, and only if
/// nothing at all has moved for so long, in milliseconds, is something wrong.
const QUEUED_MS: u64 = 120_000;
/// However slow the line is and often a part has stalled, a silence this long, in milliseconds, is one.
const LONGEST_SILENCE_MS: u64 = 300_000;
/// All parts of one upload.
#[derive(Debug)]
pub struct Parts {
    plan: PartPlan,
    hashing: bool,
    slots: Vec<Slot>,
    /// At most ten thousand, so moving all of them costs nothing.
    queue: Vec<u32>,
    /// Failed, and not yet back in the queue.
    waiting: Vec<u32>,
    flying: Vec<u32>,
    /// Sent before they were hashed, the one being hashed first: one at a time, as reading two places of a
    /// file at once is slower than one after the other.
    unhashed: Vec<u32>,
    /// Stored by an earlier page load, and to be compared with the file.
    claimed: Vec<u32>,
    landed: usize,
    stored: u32,
    /// When anything last moved.
    moved_at: u64,
}

impl Parts {
    /// All still to be sent; with `hashing`, none counts before its own CRC is known.
    pub fn new(plan: PartPlan, hashing: bool) -> Self {
        Self {
            plan,
            hashing,
            slots: (0..plan.part_count()).map(|_| Slot::default()).collect(),
            queue: (1..=plan.part_count()).collect(),
            waiting: Vec::new(),
            flying: Vec::new(),
            unhashed: Vec::new(),
            claimed: Vec::new(),
            landed: 0,
            stored: 0,
            moved_at: 0,
        }
    }

    pub fn plan(&self) -> PartPlan {
        self.plan
    }

    /// In flight, or landed and not yet compared: each holds a place among those at once.
    pub fn busy(&self) -> usize {
        self.flying.len() + self.landed
    }

    /// Whether enough have been handed to the browser that it hasn't begun to send: their URLs grow old there.
    pub fn queue_is_full(&self) -> bool {
        let slots = self.flying.iter().filter_map(|part| self.slots.get(index(*part)?));
        slots.filter(|slot| matches!(slot.state, State::Flying { moved_at: None, .. })).count() >= CONNECTIONS
    }

    pub fn all_stored(&self) -> bool {
        self.stored == self.plan.part_count()
    }

    /// Takes the next part that can be sent.
    pub fn take(&mut self, at: Moment) -> Option<Ticket> {
        let near = self.queue.iter().take(wire::MAX_PARTS_PER_CALL);
        let place = near.copied().position(|part| self.ticket(part, at).is_some())?;
        let part = self.queue.remove(place);
        let ticket = self.ticket(part, at)?.clone();
        let hashing = self.hashing;
        let slot = self.slot(part)?;
        slot.state = State::Flying { begun_at: at.now, moved_at: None, bytes: 0, moving_ms: 0 };
        if slot.crc.is_none() && hashing && !self.unhashed.contains(&part) {
            self.unhashed.push(part);
        }
        self.flying.push(part);
        self.moved_at = self.moved_at.max(at.now);
        Some(ticket)
    }

    /// The part to hash now; the same one until it is.
    pub fn next_to_hash(&self) -> Option<u32> {
        self.unhashed.first().or(self.claimed.first()).copied()
    }

    /// The parts to get signed: none while the first `enough` of the queue have a URL that lasts, else those
    /// of the first `ahead` that lack one.
    pub fn unsigned(&self, enough: usize, ahead: usize, at: Moment) -> Vec<u32> {
        let lacks = |part: &&u32| self.ticket(**part, at).is_none();
        if !self.queue.iter().take(enough).any(|part| lacks(&part)) {
            return Vec::new();
        }
        self.queue.iter().take(ahead).filter(lacks).copied().collect()
    }

    /// Keeps signed URLs that were asked for at `asked`; says whether any of them is of use.
    pub fn signed(&mut self, tickets: Vec<Ticket>, asked: Moment, at: Moment) -> bool {
        let mut useful = false;
        for mut ticket in tickets {
            // A life of nothing is none that was told.
            ticket.life_ms = ticket.life_ms.filter(|life| *life > 0);
            if let Some(slot) = self.slot(ticket.part) {
                let lacked =
                    matches!(slot.state, State::Todo | State::Waiting { .. }) && slot.ticket(at).is_none();
                slot.ticket = Some((ticket, asked));
                useful |= lacked && slot.ticket(at).is_some();
            }
        }
        useful
    }

    /// Forgets the URL of a part that was refused, and all others that are by now as old as it was when it was
    /// used.
    pub fn unsign(&mut self, part: u32, now: u64) {
        let Some(slot) = self.slot(part) else { return };
        let begun = if let State::Flying { begun_at, .. } = slot.state { begun_at } else { now };
        let Some((_, born)) = slot.ticket.take() else { return };
        let age = begun.saturating_sub(born.now);
        for slot in &mut self.slots {
            if slot.ticket.as_ref().is_some_and(|(_, other)| now.saturating_sub(other.now) >= age) {
                slot.ticket = None;
            }
        }
    }

    /// A part has handed so many bytes to the network; how many of them are new, and how many milliseconds
    /// they took, if that is known.
    pub fn moved(&mut self, part: u32, now_moved: u64, now: u64) -> (u64, u64) {
        let Some(Slot { state: State::Flying { moved_at, bytes, moving_ms, .. }, .. }) = self.slot(part)
        else {
            return (0, 0);
        };
        let new = now_moved.saturating_sub(*bytes);
        let ms = if new > 0 { moved_at.map_or(0, |before| now.saturating_sub(before)) } else { 0 };
        (*bytes, *moved_at, *moving_ms) = (now_moved.max(*bytes), Some(now), *moving_ms + ms);
        self.moved_at = self.moved_at.max(now);
        (new, ms)
    }

    /// How long a part in flight has not been moving so far, in milliseconds.
    pub fn idle_ms(&self, part: u32, now: u64) -> Option<u64> {
        match self.slots.get(index(part)?)?.state {
            State::Flying { begun_at, moving_ms, .. } => Some(now.saturating_sub(begun_at + moving_ms)),
            _ => None,
        }
    }

    /// A part in flight that has been silent for too long: `silence_ms` at most, less if it hasn't moved
    /// since the network was `doubted` last.
    pub fn stalled(&self, silence_ms: u64, doubted: Option<u64>, now: u64) -> Option<u32> {
        self.flying.iter().copied().find(|part| self.ends(*part, silence_ms, doubted) <= now)
    }

    /// When the patience with a part in flight ends. It grows with each silence on its way: a line that has
    /// become slow must not be taken for a dead one for ever.
    fn ends(&self, part: u32, silence_ms: u64, doubted: Option<u64>) -> u64 {
        let slot = index(part).and_then(|index| self.slots.get(index));
        let Some(Slot { state: State::Flying { begun_at, moved_at, .. }, silences, .. }) = slot else {
            return u64::MAX;
        };
        match moved_at {
            Some(moved_at) => {
                let patience_ms = (silence_ms << (*silences).min(5)).min(LONGEST_SILENCE_MS);
                patience_ends(*moved_at, patience_ms, doubted)
            }
            None if self.flying.len() <= CONNECTIONS => {
                patience_ends(*begun_at, START_MS.max(silence_ms), doubted)
            }
            None => patience_ends(self.moved_at, QUEUED_MS.max(silence_ms), doubted),
        }
    }

    /// When the first patience with those in flight ends.
    pub fn first_end(&self, silence_ms: u64, doubted: Option<u64>) -> Option<u64> {
        self.flying.iter().map(|part| self.ends(*part, silence_ms, doubted)).min()
    }

    /// When the first wait ends.
    pub fn waits(&self) -> Option<u64> {
        self.waiting.iter().filter_map(|part| self.slots.get(index(*part)?)?.until()).min()
    }

    /// The storage took a part.
    pub fn landed(&mut self, part: u32, receipt: Receipt) -> Verdict {
        match self.slot(part) {
            Some(slot) if matches!(slot.state, State::Flying { .. }) => slot.state = State::Landed(receipt),
            _ => return Verdict::Open,
        }
        strike(&mut self.flying, part);
        self.landed += 1;
        self.judge(part)
    }

    /// A part's CRC64NVME, as read from the file.
    pub fn hashed(&mut self, part: u32, crc: u64) -> Verdict {
        strike(&mut self.unhashed, part);
        strike(&mut self.claimed, part);
        let Some(slot) = self.slot(part) else { return Verdict::Open };
        if slot.crc.replace(crc).is_some_and(|before| before != crc) {
            return Verdict::Changed;
        }
        let State::Claimed(receipt) = &mut slot.state else { return self.judge(part) };
        if part_state::fits(Some(crc), &receipt.checksum) {
            slot.state = State::Stored(std::mem::take(receipt));
            self.stored += 1;
            return Verdict::Stored;
        }
        slot.state = State::Todo;
        self.queue.push(part);
        Verdict::Open
    }

    fn judge(&mut self, part: u32) -> Verdict {
        let hashing = self.hashing;
        let Some(slot) = self.slot(part) else { return Verdict::Open };
        let State::Landed(receipt) = &mut slot.state else { return Verdict::Open };
        if !part_state::fits(slot.crc, &receipt.checksum) {
            return Verdict::Damaged;
        }
        if hashing && slot.crc.is_none() {
            return Verdict::Open;
        }
        slot.state = State::Stored(std::mem::take(receipt));
        slot.ticket = None;
        self.landed -= 1;
        self.stored += 1;
        Verdict::Stored
    }

    /// A part has failed, perhaps as it was `silent`; how often so far, this time included. It comes again by
    /// [`Parts::wait`].
    pub fn failed(&mut self, part: u32, silent: bool) -> u32 {
        let Some(slot) = self.slot(part) else { return 0 };
        slot.tries += 1;
        if silent && matches!(slot.state, State::Flying { moved_at: Some(_), .. }) {
            slot.silences += 1;
        }
        let tries = slot.tries;
        match std::mem::replace(&mut slot.state, State::Todo) {
            State::Flying { .. } => strike(&mut self.flying, part),
            State::Landed(_) => self.landed -= 1,
            State::Stored(_) => self.stored -= 1,
            State::Todo | State::Waiting { .. } | State::Claimed(_) => {}
        }
        tries
    }

    /// All that is under way is dropped, and comes again; answers which parts that are.
    pub fn ground(&mut self) -> Vec<u32> {
        let grounded: Vec<u32> =
            (1..=self.plan.part_count()).filter(|part| self.is_under_way(*part)).collect();
        for part in grounded.iter().rev() {
            if let Some(slot) = self.slot(*part) {
                slot.state = State::Todo;
            }
            self.queue.insert(0, *part);
        }
        self.flying.clear();
        self.landed = 0;
        grounded
    }

    /// Whether a part is under way, so that news of it is news.
    pub fn is_under_way(&self, part: u32) -> bool {
        let slot = index(part).and_then(|index| self.slots.get(index));
        slot.is_some_and(|slot| matches!(slot.state, State::Flying { .. } | State::Landed(_)))
    }

    /// Reads a part's bytes from the file once more: they may have changed.
    pub fn doubt(&mut self, part: u32) {
        if self.hashing && !self.unhashed.contains(&part) {
            self.unhashed.push(part);
        }
    }

    /// Puts a failed part back into the queue at `until`.
    pub fn wait(&mut self, part: u32, until: u64) {
        if let Some(slot) = self.slot(part)
            && matches!(slot.state, State::Todo)
        {
            slot.state = State::Waiting { until };
            self.waiting.push(part);
        }
    }

    /// Ends all waits at `until`, if they would be longer.
    pub fn hurry(&mut self, until: u64) {
        for part in self.waiting.clone() {
            if let Some(Slot { state: State::Waiting { until: later }, .. }) = self.slot(part) {
                *later = until.min(*later);
            }
        }
    }

    /// Puts those whose wait is over at the head of the queue.
    pub fn requeue(&mut self, now: u64) {
        for part in std::mem::take(&mut self.waiting) {
            match self.slot(part) {
                Some(slot) if slot.until().is_some_and(|until| until > now) => self.waiting.push(part),
                Some(slot) => {
                    slot.state = State::Todo;
                    self.queue.insert(0, part);
                }
                None => {}
            }
        }
    }

    fn slot(&mut self, part: u32) -> Option<&mut Slot> {
        self.slots.get_mut(index(part)?)
    }

    /// A part's URL, if it has one that lasts.
    fn ticket(&self, part: u32, at: Moment) -> Option<&Ticket> {
        self.slots.get(index(part)?)?.ticket(at)
    }
}

/// Takes a part out of a list.
fn strike(list: &mut Vec<u32>, part: u32) {
    list.retain(|other| *other != part);
}

/// Part numbers are S3's, from 1.
fn index(part: u32) -> Option<usize> {
    usize::try_from(part).ok()?.checked_sub(1)
}
