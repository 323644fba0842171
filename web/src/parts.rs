//! The parts of one upload and where each stands: which to send next, which need a signed URL, and whether
//! what is stored is what was sent. Pure.

use crate::crc;
use std::collections::VecDeque;
use wire::{CompletedPart, PartPlan, StoredPart};

/// A URL this close to its end, in milliseconds, is not used any more.
const MARGIN_MS: u64 = 15_000;

/// A signed URL for one part.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    pub part: u32,
    pub url: String,
    /// Headers that must go with the `PUT`.
    pub headers: Vec<(String, String)>,
    /// In milliseconds since 1970, by the server's clock; absent if unknown.
    pub expires_at: Option<u64>,
}

/// A signed URL is a secret.
impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("part", &self.part).finish_non_exhaustive()
    }
}

/// What the storage answered to a part; either is absent where CORS hides it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    pub etag: Option<String>,
    /// CRC64NVME in base64.
    pub checksum: Option<String>,
}

#[derive(Debug)]
enum State {
    /// In the queue, or waiting for its next try.
    Todo,
    Flying,
    /// Taken by the storage; what it should have been isn't known yet.
    Landed(Receipt),
    Stored(Receipt),
}

#[derive(Debug)]
struct Slot {
    state: State,
    /// CRC64NVME, once it is known.
    crc: Option<u64>,
    tries: u32,
    ticket: Option<Ticket>,
}

/// What came of a part that landed or was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet, or old news.
    Open,
    Stored,
    /// The storage has other bytes.
    Damaged,
}

/// All parts of one upload.
#[derive(Debug)]
pub struct Parts {
    plan: PartPlan,
    hashing: bool,
    slots: Vec<Slot>,
    queue: VecDeque<u32>,
    /// Sent before they were hashed, the one being hashed first: one at a time, as reading two places of a
    /// file at once is slower than one after the other.
    unhashed: VecDeque<u32>,
    /// In flight or landed: each holds a place among those at once.
    busy: usize,
    stored: u32,
}

impl Parts {
    /// All still to be sent; with `hashing`, none counts before its own CRC is known.
    pub fn new(plan: PartPlan, hashing: bool) -> Self {
        let slot = || Slot { state: State::Todo, crc: None, tries: 0, ticket: None };
        Self {
            plan,
            hashing,
            slots: (0..plan.part_count()).map(|_| slot()).collect(),
            queue: (1..=plan.part_count()).collect(),
            unhashed: VecDeque::new(),
            busy: 0,
            stored: 0,
        }
    }

    pub fn plan(&self) -> PartPlan {
        self.plan
    }

    pub fn busy(&self) -> usize {
        self.busy
    }

    pub fn all_stored(&self) -> bool {
        self.stored == self.plan.part_count()
    }

    /// Takes the next part that can be sent at `now`.
    pub fn take(&mut self, now: u64) -> Option<Ticket> {
        let place = self.queue.iter().position(|part| self.ticket(*part, now).is_some())?;
        let part = self.queue.remove(place)?;
        let ticket = self.ticket(part, now)?.clone();
        let slot = self.slot(part)?;
        slot.state = State::Flying;
        // A part that is sent again has been hashed, or is about to be.
        if slot.crc.is_none() && self.hashing && !self.unhashed.contains(&part) {
            self.unhashed.push_back(part);
        }
        self.busy += 1;
        Some(ticket)
    }

    /// The part to hash now; the same one until it is.
    pub fn next_to_hash(&self) -> Option<u32> {
        self.unhashed.front().copied()
    }

    /// The parts to get signed: none while the first `enough` of the queue have a URL that lasts, else those
    /// of the first `ahead` that lack one.
    pub fn unsigned(&self, enough: usize, ahead: usize, now: u64) -> Vec<u32> {
        let lacks = |part: &&u32| self.ticket(**part, now).is_none();
        if !self.queue.iter().take(enough).any(|part| lacks(&part)) {
            return Vec::new();
        }
        self.queue.iter().take(ahead).filter(lacks).copied().collect()
    }

    /// Keeps signed URLs; says whether any of them is of use.
    pub fn signed(&mut self, tickets: Vec<Ticket>, now: u64) -> bool {
        let mut useful = false;
        for mut ticket in tickets {
            // What has run out on arrival tells that the clocks differ, not that the URL is old.
            ticket.expires_at = ticket.expires_at.filter(|end| now + MARGIN_MS < *end);
            if let Some(slot) = self.slot(ticket.part) {
                useful |= matches!(slot.state, State::Todo);
                slot.ticket = Some(ticket);
            }
        }
        useful
    }

    /// Forgets the URL of a part.
    pub fn unsign(&mut self, part: u32) {
        if let Some(slot) = self.slot(part) {
            slot.ticket = None;
        }
    }

    /// The storage took a part.
    pub fn landed(&mut self, part: u32, receipt: Receipt) -> Verdict {
        match self.slot(part) {
            Some(slot) if matches!(slot.state, State::Flying) => slot.state = State::Landed(receipt),
            _ => return Verdict::Open,
        }
        self.judge(part)
    }

    /// A part's CRC64NVME, as read from the file.
    pub fn hashed(&mut self, part: u32, crc: u64) -> Verdict {
        self.unhashed.retain(|other| *other != part);
        if let Some(slot) = self.slot(part) {
            slot.crc = Some(crc);
        }
        self.judge(part)
    }

    fn judge(&mut self, part: u32) -> Verdict {
        let hashing = self.hashing;
        let Some(slot) = self.slot(part) else { return Verdict::Open };
        let State::Landed(receipt) = &mut slot.state else { return Verdict::Open };
        if !fits(slot.crc, &receipt.checksum) {
            return Verdict::Damaged;
        }
        if hashing && slot.crc.is_none() {
            return Verdict::Open;
        }
        slot.state = State::Stored(std::mem::take(receipt));
        slot.ticket = None;
        self.busy -= 1;
        self.stored += 1;
        Verdict::Stored
    }

    /// A part has failed; how often so far, this time included. Once it may go on: [`Parts::requeue`].
    pub fn failed(&mut self, part: u32) -> u32 {
        let Some(slot) = self.slot(part) else { return 0 };
        slot.tries += 1;
        let tries = slot.tries;
        match std::mem::replace(&mut slot.state, State::Todo) {
            State::Flying | State::Landed(_) => self.busy -= 1,
            State::Stored(_) => self.stored -= 1,
            State::Todo => {}
        }
        tries
    }

    /// Puts a failed part back at the head of the queue.
    pub fn requeue(&mut self, part: u32) {
        if self.slot(part).is_some_and(|slot| matches!(slot.state, State::Todo))
            && !self.queue.contains(&part)
        {
            self.queue.push_front(part);
        }
    }

    /// Whether the storage must be asked for what it answered, because CORS hid it.
    pub fn receipts_missing(&self) -> bool {
        self.slots.iter().any(|slot| matches!(&slot.state, State::Stored(Receipt { etag: None, .. })))
    }

    /// Fills in receipts from the storage's own list; answers those parts that it doesn't have as sent.
    pub fn listed(&mut self, list: Vec<StoredPart>) -> Vec<u32> {
        let plan = self.plan;
        let mut theirs: Vec<Option<StoredPart>> = vec![None; self.slots.len()];
        for part in list {
            if let Some(place) = index(part.part_number).and_then(|index| theirs.get_mut(index)) {
                *place = Some(part);
            }
        }
        let mut wrong = Vec::new();
        for ((part, slot), theirs) in (1..).zip(&mut self.slots).zip(theirs) {
            let State::Stored(receipt) = &mut slot.state else { continue };
            match theirs.filter(|theirs| theirs.size == plan.len(part) && fits(slot.crc, &theirs.checksum)) {
                Some(theirs) => receipt.etag = Some(theirs.etag),
                None => wrong.push(part),
            }
        }
        wrong
    }

    /// The parts as completion wants them.
    pub fn completed(&self) -> Vec<CompletedPart> {
        let part = |(part_number, slot): (u32, &Slot)| match &slot.state {
            State::Stored(receipt) => Some(CompletedPart {
                part_number,
                etag: receipt.etag.clone()?,
                checksum: receipt.checksum.clone(),
            }),
            State::Todo | State::Flying | State::Landed(_) => None,
        };
        (1..).zip(&self.slots).filter_map(part).collect()
    }

    /// The whole file's CRC64NVME; absent until all parts are hashed.
    pub fn checksum(&self) -> Option<u64> {
        let pieces: Option<Vec<(u64, u64)>> =
            (1..).zip(&self.slots).map(|(part, slot)| Some((slot.crc?, self.plan.len(part)))).collect();
        Some(crc::combine(pieces?))
    }

    fn slot(&mut self, part: u32) -> Option<&mut Slot> {
        self.slots.get_mut(index(part)?)
    }

    /// A part's URL, if it has one that lasts beyond `now`.
    fn ticket(&self, part: u32, now: u64) -> Option<&Ticket> {
        let ticket = self.slots.get(index(part)?)?.ticket.as_ref()?;
        ticket.expires_at.is_none_or(|end| now + MARGIN_MS < end).then_some(ticket)
    }
}

/// Part numbers are S3's, from 1.
fn index(part: u32) -> Option<usize> {
    usize::try_from(part).ok()?.checked_sub(1)
}

/// Whether a stored part's checksum is that of the file's; one of them unknown says nothing against it.
fn fits(ours: Option<u64>, theirs: &Option<String>) -> bool {
    match (ours, theirs) {
        (Some(crc), Some(checksum)) => *checksum == crc::to_base64(crc),
        (None, _) | (_, None) => true,
    }
}
