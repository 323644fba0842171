//! What the storage and an earlier page load say of the parts, and what is told of them at the end. Pure.

use super::part_state::{self, Slot, State};
use super::{Parts, index};
use crate::crc64;
use crate::types::{Listing, Receipt, SavedPart};
use wire::{CompletedPart, PartPlan, StoredPart, UploadState};

impl Parts {
    /// With what the storage has of an earlier page load, and what that one wrote down. With `hashing`,
    /// stored parts count once their CRC is found to be the file's; what can't be compared is sent again.
    pub fn resumed(plan: PartPlan, hashing: bool, listing: Listing, saved: Vec<SavedPart>) -> Self {
        let mut parts = Self::new(plan, hashing);
        let mut etags: Vec<Option<SavedPart>> = vec![None; parts.slots.len()];
        for part in saved {
            if let Some(place) = index(part.part).and_then(|index| etags.get_mut(index)) {
                *place = Some(part);
            }
        }
        let whole = listing.state == UploadState::Completed;
        let mut receipts: Vec<Option<Receipt>> = vec![None; parts.slots.len()];
        for theirs in listing.parts {
            let Some(place) = index(theirs.part_number) else { continue };
            let (Some(slot), Some(saved)) = (receipts.get_mut(place), etags.get(place)) else { continue };
            if theirs.size == plan.len(theirs.part_number) {
                *slot = part_state::claim(theirs, saved.as_ref(), hashing);
            }
        }
        if whole {
            // An object has no parts to list; it is compared as a whole when it is asked for.
            for receipt in &mut receipts {
                *receipt = Some(Receipt { etag: Some(String::new()), checksum: None });
            }
        }
        for ((part, slot), receipt) in (1..).zip(&mut parts.slots).zip(receipts) {
            let Some(receipt) = receipt else { continue };
            if hashing {
                slot.state = State::Claimed(receipt);
                parts.claimed.push(part);
            } else {
                slot.state = State::Stored(receipt);
                parts.stored += 1;
            }
        }
        let mut queue = std::mem::take(&mut parts.queue);
        queue.retain(|part| parts.slot(*part).is_some_and(|slot| matches!(slot.state, State::Todo)));
        parts.queue = queue;
        parts
    }

    /// Whether the storage must be asked for what it answered, because CORS hid it; its checksums too, if they
    /// `matter`.
    pub fn receipts_missing(&self, matter: bool) -> bool {
        let missing = |slot: &Slot| match &slot.state {
            State::Stored(receipt) => receipt.etag.is_none() || (matter && receipt.checksum.is_none()),
            _ => false,
        };
        self.slots.iter().any(missing)
    }

    /// Fills in receipts from the storage's own list. Parts that it doesn't have as they were sent come again,
    /// once their bytes are read anew; answers which ones.
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
            let sound = |theirs: &StoredPart| {
                theirs.size == plan.len(part) && part_state::fits(slot.crc, &theirs.checksum)
            };
            match theirs.filter(sound) {
                Some(theirs) => {
                    receipt.etag = Some(theirs.etag);
                    receipt.checksum = receipt.checksum.take().or(theirs.checksum);
                }
                None => wrong.push(part),
            }
        }
        for part in &wrong {
            self.failed(*part, false);
            self.doubt(*part);
            self.queue.push(*part);
        }
        wrong
    }

    /// The parts as completion wants them.
    pub fn completed(&self) -> Vec<CompletedPart> {
        let part = |(part_number, slot): (u32, &Slot)| {
            let State::Stored(receipt) = &slot.state else { return None };
            Some(CompletedPart {
                part_number,
                etag: receipt.etag.clone()?,
                checksum: receipt.checksum.clone(),
            })
        };
        (1..).zip(&self.slots).filter_map(part).collect()
    }

    /// What is known of a part that a later page load will want to know.
    pub fn saved(&self, part: u32) -> Option<SavedPart> {
        let slot = self.slots.get(index(part)?)?;
        let State::Stored(receipt) = &slot.state else { return None };
        Some(SavedPart { part, etag: receipt.etag.clone(), crc: slot.crc })
    }

    /// The same of all parts.
    pub fn all_saved(&self) -> Vec<SavedPart> {
        (1..=self.plan.part_count()).filter_map(|part| self.saved(part)).collect()
    }

    /// The whole file's CRC64NVME; absent until all parts are hashed.
    pub fn checksum(&self) -> Option<u64> {
        let pieces: Option<Vec<_>> =
            (1..).zip(&self.slots).map(|(part, slot)| Some((slot.crc?, self.plan.len(part)))).collect();
        Some(crc64::combine(pieces?))
    }
}
