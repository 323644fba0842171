//! How much at once: parts in flight, how far ahead to sign, how large a part to ask for. Pure.

use wire::{MAX_PART_SIZE, MAX_PARTS_PER_CALL, MIB};

/// What a browser opens to one host over HTTP/1.1, the only one S3 speaks.
const CONNECTIONS: usize = 6;
/// Files are cut into about this many parts, as far as the bounds below allow.
const PARTS_WANTED: u64 = 16;
/// Smaller parts spend more on requests, each with its preflight, than they save when one is sent again.
const SMALLEST_WISH: u64 = 8 * MIB;
/// Larger parts gain nothing, and each one lost costs that much.
const LARGEST_WISH: u64 = 32 * MIB;

/// The limits that an upload keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    at_once: usize,
}

impl Pace {
    /// `at_once` parts in flight, or as many as a browser carries to one host.
    pub fn new(at_once: Option<u32>) -> Self {
        Self { at_once: at_once.map_or(CONNECTIONS, |n| n.max(1) as usize) }
    }

    /// The most parts in flight.
    pub fn at_once(&self) -> usize {
        self.at_once
    }

    /// How many parts to hold signed URLs for, so that signing never delays sending: more for a quick
    /// line would only let the last ones expire in the queue.
    pub fn signed_ahead(&self) -> usize {
        (self.at_once * 4).min(MAX_PARTS_PER_CALL)
    }

    /// Below this many unused signed URLs it is time for more.
    pub fn sign_below(&self) -> usize {
        self.at_once * 2
    }
}

/// The part size to ask for, in bytes, for a file of `size` bytes.
pub fn part_size(size: u64) -> u64 {
    let even = (size / PARTS_WANTED).clamp(SMALLEST_WISH, LARGEST_WISH);
    even.next_multiple_of(MIB).min(MAX_PART_SIZE)
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::*;
    use wire::PartPlan;

    #[test]
    fn part_sizes_follow_the_file() {
        let sizes = [1, 128 * MIB, 256 * MIB, 300 * MIB, 1 << 40].map(part_size);
        assert_eq!(sizes, [8 * MIB, 8 * MIB, 16 * MIB, 19 * MIB, 32 * MIB]);
        for size in sizes {
            assert!(PartPlan::new(1, Some(size)).is_ok());
        }
    }

    #[test]
    fn a_window_outlasts_the_flights() {
        for at_once in [None, Some(0), Some(1), Some(6), Some(64)] {
            let pace = Pace::new(at_once);
            assert!(pace.at_once() >= 1);
            assert!(pace.sign_below() > pace.at_once());
            assert!(pace.signed_ahead() > pace.sign_below());
        }
    }
}
