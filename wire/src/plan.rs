//! The part plan: how a file is split into parts, within S3's multipart limits.

use std::ops::Range;

/// One MiB, in bytes.
pub const MIB: u64 = 1024 * 1024;
/// S3's smallest part, in bytes; only the last part may be smaller.
pub const MIN_PART_SIZE: u64 = 5 * MIB;
/// S3's largest part, in bytes.
pub const MAX_PART_SIZE: u64 = 5 * 1024 * MIB;
/// S3's maximum number of parts in one multipart upload.
pub const MAX_PARTS: u64 = 10_000;
/// S3's largest object, in bytes (48.8 TiB): [`MAX_PARTS`] parts of [`MAX_PART_SIZE`].
pub const MAX_OBJECT_SIZE: u64 = MAX_PARTS * MAX_PART_SIZE;
/// The part size if none is requested, in bytes.
pub const DEFAULT_PART_SIZE: u64 = 8 * MIB;
/// The most parts signed in one call. Their request has some 5 kB, as AWS WAF's common rule set refuses bodies over 8 KB; their
/// response at most 200 kB.
pub const MAX_PARTS_PER_CALL: usize = 100;

/// The split of one file into `part_count` parts of `part_size` bytes; the last part may be smaller.
///
/// Part numbers are S3's, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartPlan {
    size: u64,
    part_size: u64,
}

/// A file that can't be split into parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The file has no bytes; a multipart upload needs one.
    #[error("The file is empty.")]
    Empty,
    /// The file is larger than [`MAX_OBJECT_SIZE`].
    #[error("The file has {size} bytes, more than the {max} an S3 object can hold.", max = MAX_OBJECT_SIZE)]
    TooLarge {
        /// The file's size, in bytes.
        size: u64,
    },
    /// The part size isn't a whole number of MiB, or is outside S3's limits.
    #[error("A part size of {part_size} bytes is not a whole number of MiB from 5 MiB to 5 GiB.")]
    BadPartSize {
        /// The part size, in bytes.
        part_size: u64,
    },
}

impl PartPlan {
    /// Plans a file of `size` bytes. The requested part size, in bytes, is enlarged in whole MiB until the file fits into
    /// [`MAX_PARTS`] parts.
    pub fn new(size: u64, requested_part_size: Option<u64>) -> Result<Self, PlanError> {
        let requested = requested_part_size.unwrap_or(DEFAULT_PART_SIZE);
        if size == 0 {
            return Err(PlanError::Empty);
        }
        if size > MAX_OBJECT_SIZE {
            return Err(PlanError::TooLarge { size });
        }
        if !(MIN_PART_SIZE..=MAX_PART_SIZE).contains(&requested) || !requested.is_multiple_of(MIB) {
            return Err(PlanError::BadPartSize { part_size: requested });
        }
        let needed = size.div_ceil(MAX_PARTS).next_multiple_of(MIB);
        Ok(Self { size, part_size: requested.max(needed) })
    }

    /// The plan with exactly this part size, in bytes, such as one that the server has chosen.
    pub fn with_part_size(size: u64, part_size: u64) -> Result<Self, PlanError> {
        let plan = Self::new(size, Some(part_size))?;
        if plan.part_size != part_size {
            return Err(PlanError::BadPartSize { part_size });
        }
        Ok(plan)
    }

    /// The file's size, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The size of every part but the last, in bytes.
    pub fn part_size(&self) -> u64 {
        self.part_size
    }

    /// The number of parts, 1 to [`MAX_PARTS`].
    pub fn part_count(&self) -> u32 {
        // At most MAX_PARTS by construction, so the cast is lossless.
        self.size.div_ceil(self.part_size) as u32
    }

    /// Whether the plan has a part of this number.
    pub fn contains(&self, part_number: u32) -> bool {
        (1..=self.part_count()).contains(&part_number)
    }

    /// The part's byte range in the file; empty for a number outside the plan.
    pub fn range(&self, part_number: u32) -> Range<u64> {
        if !self.contains(part_number) {
            return 0..0;
        }
        let start = u64::from(part_number - 1) * self.part_size;
        start..(start + self.part_size).min(self.size)
    }

    /// The part's size, in bytes; 0 for a number outside the plan.
    pub fn len(&self, part_number: u32) -> u64 {
        let range = self.range(part_number);
        range.end - range.start
    }

    /// Always `false`: a plan has at least one byte.
    pub fn is_empty(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_file_has_the_default_part_size() {
        let plan = PartPlan::new(100 * MIB, None).unwrap();
        assert_eq!((plan.part_size(), plan.part_count()), (8 * MIB, 13));
        assert_eq!(plan.range(13), 96 * MIB..100 * MIB);
    }

    #[test]
    fn size_outside_s3s_limits_is_refused() {
        assert_eq!(PartPlan::new(0, None), Err(PlanError::Empty));
        assert!(PartPlan::new(MAX_OBJECT_SIZE + 1, None).is_err());
        assert_eq!(PartPlan::new(MAX_OBJECT_SIZE, None).unwrap().part_size(), MAX_PART_SIZE);
        for bad in [0, 1, 4 * MIB, 5 * MIB + 1, MAX_PART_SIZE + MIB, u64::MAX] {
            assert_eq!(PartPlan::new(1, Some(bad)), Err(PlanError::BadPartSize { part_size: bad }));
        }
        assert_eq!(PartPlan::new(1, Some(5 * MIB)).unwrap().part_count(), 1);
    }

    proptest! {
        #[test]
        fn parts_cover_the_file_without_overlap(size in 1..=MAX_OBJECT_SIZE, mib in 5..=5120u64) {
            let plan = PartPlan::new(size, Some(mib * MIB)).unwrap();
            let count = plan.part_count();
            prop_assert!(u64::from(count) <= MAX_PARTS);
            prop_assert!(plan.part_size() >= mib * MIB && plan.part_size() <= MAX_PART_SIZE);
            prop_assert_eq!(plan.part_size() % MIB, 0);
            prop_assert_eq!(plan.range(1).start, 0);
            prop_assert_eq!(plan.range(count).end, size);
            for n in [1, count / 2, count - 1].into_iter().filter(|n| (1..count).contains(n)) {
                prop_assert_eq!(plan.range(n).end, plan.range(n + 1).start);
                prop_assert_eq!(plan.len(n), plan.part_size());
            }
            prop_assert!(plan.len(count) > 0);
            prop_assert_eq!(plan.len(count + 1), 0);
            prop_assert_eq!(PartPlan::with_part_size(size, plan.part_size()), Ok(plan));
        }
    }
}
