//! Parts of uploads that an earlier page load has begun, and comparison with what the storage lists.

use super::part_state::PartState;
use super::{Parts, index};
use crate::crc64;
use crate::types::{Listing, PartChecksum};
use wire::{MultipartState, PartPlan};

impl Parts {
    /// The parts of an upload that an earlier page load has begun: `listing` is what the storage has of it, `saved` what
    /// that page load has sent.
    ///
    /// A stored part counts once its bytes in the file are found to be the same; one whose checksum nobody knows is sent
    /// again.
    pub fn resume(plan: PartPlan, listing: &Listing, saved: &[PartChecksum]) -> Self {
        let mut parts = Self::new(plan);
        let mut sent: Vec<Option<u64>> = vec![None; parts.parts.len()];
        for part in saved {
            if let Some(sent) = index(part.part).and_then(|index| sent.get_mut(index)) {
                *sent = Some(part.crc64);
            }
        }
        let sent = |number| index(number).and_then(|index| sent.get(index).copied().flatten());
        if listing.state == MultipartState::Completed {
            // An object has no parts to list. The completion compares the file's checksum with the object's.
            for number in 1..=plan.part_count() {
                parts.mark_unverified(number, sent(number));
            }
        }
        for listed in &listing.parts {
            let number = listed.part_number;
            let checksum = listed.checksum.as_deref().and_then(crc64::from_base64).or_else(|| sent(number));
            if listed.size == plan.len(number) && checksum.is_some() {
                parts.mark_unverified(number, checksum);
            }
        }
        parts.requeue_pending();
        parts
    }

    /// The parts of a completed upload; `None` unless the checksum of each is known.
    pub fn completed(plan: PartPlan, saved: &[PartChecksum]) -> Option<Self> {
        let listing = Listing { state: MultipartState::Completed, parts: Vec::new() };
        let parts = Self::resume(plan, &listing, saved);
        parts.parts.iter().all(|part| matches!(part.state, PartState::Unverified(Some(_)))).then_some(parts)
    }

    /// Another call has completed this upload: each part is stored once its checksum is known.
    pub fn mark_completed(&mut self) {
        for number in 1..=self.plan.part_count() {
            match self.part(number) {
                Some(part) if part.state == PartState::Stored => {}
                Some(part) if part.crc64.is_some() => {
                    part.state = PartState::Stored;
                    self.stored += 1;
                }
                Some(_) => self.mark_unverified(number, None),
                None => {}
            }
        }
        self.requeue_pending();
    }

    fn mark_unverified(&mut self, number: u32, crc64: Option<u64>) {
        if let Some(part) = self.part(number) {
            part.state = PartState::Unverified(crc64);
            self.unverified.push(number);
        }
    }

    /// The stored parts that the storage doesn't list, or lists with other bytes.
    pub fn missing_in(&self, listing: &Listing) -> Vec<u32> {
        let mut listed_parts = vec![None; self.parts.len()];
        for listed in &listing.parts {
            if let Some(slot) = index(listed.part_number).and_then(|index| listed_parts.get_mut(index)) {
                *slot = Some(listed);
            }
        }
        let is_missing = |(number, (part, listed)): &(u32, (&super::Part, Option<&wire::StoredPart>))| {
            let is_same = |listed: &wire::StoredPart| {
                let checksum = listed.checksum.as_deref().map(crc64::from_base64);
                listed.size == self.plan.len(*number)
                    && checksum.is_none_or(|checksum| checksum == part.crc64)
            };
            part.state == PartState::Stored && !listed.is_some_and(is_same)
        };
        (1..).zip(self.parts.iter().zip(listed_parts)).filter(is_missing).map(|(number, _)| number).collect()
    }

    /// [`PartChecksum`] of each stored part.
    pub fn stored_parts(&self) -> Vec<PartChecksum> {
        let stored = |(part, state): (u32, &super::Part)| {
            let crc64 = state.crc64.filter(|_| state.state == PartState::Stored)?;
            Some(PartChecksum { part, crc64 })
        };
        (1..).zip(&self.parts).filter_map(stored).collect()
    }

    /// The file's CRC64NVME; `None` until every part is hashed.
    pub fn file_crc64(&self) -> Option<u64> {
        let pieces = (1..).zip(&self.parts).map(|(number, part)| Some((part.crc64?, self.plan.len(number))));
        Some(crc64::combine(pieces.collect::<Option<Vec<_>>>()?))
    }
}
