//! Resuming from what the storage lists, and what completion and later page loads need of the parts.

use super::part_state::{self, Part, PartState};
use super::{Parts, index};
use crate::crc64;
use crate::types::{Listing, PartReceipt, SavedPart};
use wire::{CompletedPart, MultipartState, PartPlan, StoredPart};

impl Parts {
    /// The parts of an upload that an earlier page load has begun: `listing` is what the storage has of it,
    /// `saved` what was persisted.
    ///
    /// With `hashing`, a stored part counts once its CRC in the file is found to be the same; a part that can't
    /// be compared is uploaded again.
    pub fn resume(plan: PartPlan, hashing: bool, listing: Listing, saved: Vec<SavedPart>) -> Self {
        let mut parts = Self::new(plan, hashing);
        let mut saved_parts: Vec<Option<SavedPart>> = vec![None; parts.parts.len()];
        for part in saved {
            if let Some(saved) = index(part.part).and_then(|index| saved_parts.get_mut(index)) {
                *saved = Some(part);
            }
        }
        let mut receipts: Vec<Option<PartReceipt>> = vec![None; parts.parts.len()];
        for listed in listing.parts {
            let Some(index) = index(listed.part_number) else { continue };
            let (Some(receipt), Some(saved)) = (receipts.get_mut(index), saved_parts.get(index)) else {
                continue;
            };
            if listed.size == plan.len(listed.part_number) {
                *receipt = part_state::resumable(listed, saved.as_ref(), hashing);
            }
        }
        if listing.state == MultipartState::Completed {
            // An object has no parts to list; completing again compares the whole file.
            receipts.fill(Some(PartReceipt { etag: Some(String::new()), checksum: None }));
        }
        for ((number, part), receipt) in (1..).zip(&mut parts.parts).zip(receipts) {
            let Some(receipt) = receipt else { continue };
            if hashing {
                part.state = PartState::Unverified(receipt);
                parts.unverified.push(number);
            } else {
                part.state = PartState::Stored(receipt);
                parts.stored += 1;
            }
        }
        let mut queue = std::mem::take(&mut parts.queue);
        queue.retain(|part| parts.part(*part).is_some_and(|part| matches!(part.state, PartState::Pending)));
        parts.queue = queue;
        parts
    }

    /// Whether the storage must be asked for receipts that CORS hid: ETags, and with `checksums` those too.
    pub fn receipts_missing(&self, checksums: bool) -> bool {
        let is_missing = |part: &Part| match &part.state {
            PartState::Stored(receipt) => receipt.etag.is_none() || (checksums && receipt.checksum.is_none()),
            _ => false,
        };
        self.parts.iter().any(is_missing)
    }

    /// Fills in receipts from the storage's listing. A part that is missing there or differs is hashed and
    /// uploaded again; returns the numbers of those.
    pub fn apply_listing(&mut self, listing: Vec<StoredPart>) -> Vec<u32> {
        let plan = self.plan;
        let mut listed_parts: Vec<Option<StoredPart>> = vec![None; self.parts.len()];
        for part in listing {
            if let Some(listed) = index(part.part_number).and_then(|index| listed_parts.get_mut(index)) {
                *listed = Some(part);
            }
        }
        let mut mismatched = Vec::new();
        for ((number, part), listed) in (1..).zip(&mut self.parts).zip(listed_parts) {
            let PartState::Stored(receipt) = &mut part.state else { continue };
            let matches = |listed: &StoredPart| {
                listed.size == plan.len(number) && part_state::checksum_matches(part.crc64, &listed.checksum)
            };
            match listed.filter(matches) {
                Some(listed) => {
                    receipt.etag = Some(listed.etag);
                    receipt.checksum = receipt.checksum.take().or(listed.checksum);
                }
                None => mismatched.push(number),
            }
        }
        for part in &mismatched {
            self.failed(*part, false);
            self.rehash(*part);
            self.queue.push(*part);
        }
        mismatched
    }

    /// The parts in the form that completion takes.
    pub fn completed_parts(&self) -> Vec<CompletedPart> {
        let completed = |(part_number, part): (u32, &Part)| {
            let PartState::Stored(receipt) = &part.state else { return None };
            Some(CompletedPart {
                part_number,
                etag: receipt.etag.clone()?,
                checksum: receipt.checksum.clone(),
            })
        };
        (1..).zip(&self.parts).filter_map(completed).collect()
    }

    /// The data to persist of a stored part; `None` if it isn't stored.
    pub fn saved_part(&self, number: u32) -> Option<SavedPart> {
        let part = self.parts.get(index(number)?)?;
        let PartState::Stored(receipt) = &part.state else { return None };
        Some(SavedPart { part: number, etag: receipt.etag.clone(), crc64: part.crc64 })
    }

    /// [`Parts::saved_part`] of every stored part.
    pub fn saved_parts(&self) -> Vec<SavedPart> {
        (1..=self.plan.part_count()).filter_map(|part| self.saved_part(part)).collect()
    }

    /// The file's CRC64NVME; `None` until every part is hashed.
    pub fn file_crc64(&self) -> Option<u64> {
        let pieces = (1..).zip(&self.parts).map(|(number, part)| Some((part.crc64?, self.plan.len(number))));
        Some(crc64::combine(pieces.collect::<Option<Vec<_>>>()?))
    }
}
