//! The ranges of a file that were read, and a cursor over them. All limits are here.

use std::cell::Cell;
use std::ops::Range;

/// Most reads of one file.
const MAX_READS: usize = 64;
/// Bytes of one read; all reads together are at most 2 MiB.
pub const READ_SIZE: u64 = 32 << 10;
/// Most values read in one run, so that a file of two million empty boxes takes no time.
const MAX_STEPS: u32 = 20_000;

/// Position of a cursor that found fewer bytes than it needed.
const BEYOND: u64 = u64::MAX;

/// The ranges of a file that were read so far.
pub struct RangeCache {
    size: u64,
    ranges: Vec<ReadRange>,
    /// The first byte that the current run needed and that isn't read yet.
    missing: Cell<Option<u64>>,
    /// Values that the current run may still read.
    steps: Cell<u32>,
}

/// One read. Its bytes are fewer than its range where the file couldn't be read.
struct ReadRange {
    range: Range<u64>,
    bytes: Vec<u8>,
}

impl RangeCache {
    pub fn new(size: u64) -> Self {
        Self { size, ranges: Vec::new(), missing: Cell::new(None), steps: Cell::new(0) }
    }

    /// The range to read next; `None` if the last run needed none or the limit is reached.
    pub fn missing(&self) -> Option<Range<u64>> {
        let at = self.missing.get().filter(|_| self.ranges.len() < MAX_READS)?;
        Some(at..at.saturating_add(READ_SIZE).min(self.size))
    }

    pub fn add(&mut self, range: Range<u64>, bytes: &[u8]) {
        let bytes = bytes.get(..(range.end - range.start) as usize).unwrap_or(bytes);
        self.ranges.push(ReadRange { range, bytes: bytes.to_vec() });
    }

    /// The bytes of the first read.
    pub fn first(&self) -> &[u8] {
        self.ranges.first().map_or(&[], |read| &read.bytes)
    }

    /// Starts a run: a cursor over the whole file.
    pub fn start(&self) -> Cursor<'_> {
        self.missing.set(None);
        self.steps.set(MAX_STEPS);
        Cursor { cache: self, at: 0, end: self.size, name: 0 }
    }

    fn bytes(&self, range: Range<u64>) -> Option<&[u8]> {
        if range.is_empty() {
            return Some(&[]);
        }
        self.steps.set(self.steps.get().checked_sub(1)?);
        let within = |read: &&ReadRange| read.range.start <= range.start && range.end <= read.range.end;
        if range.end > self.size {
            return None;
        }
        let Some(read) = self.ranges.iter().rev().find(within) else {
            if self.missing.get().is_none() {
                self.missing.set(Some(range.start));
            }
            return None;
        };
        let from = (range.start - read.range.start) as usize;
        read.bytes.get(from..from + (range.end - range.start) as usize)
    }
}

/// A cursor over a part of a file, which may reach beyond the enclosing part. Reading a value advances it. Past its
/// end, and where nothing was read yet, it reads zeros and is at its end, so that loops end and readers need no check
/// after each value.
#[derive(Clone)]
pub struct Cursor<'a> {
    cache: &'a RangeCache,
    /// The container's name for this part.
    pub name: u32,
    at: u64,
    end: u64,
}

impl<'a> Cursor<'a> {
    /// Bytes up to its end.
    #[inline(never)]
    pub fn left(&self) -> u64 {
        self.end.saturating_sub(self.at)
    }

    /// The next bytes; empty if they aren't all there.
    #[inline(never)]
    pub fn bytes(&mut self, count: u64) -> &'a [u8] {
        let from = self.at;
        self.skip(count);
        let bytes = if self.at <= self.end { self.cache.bytes(from..self.at) } else { None };
        if bytes.is_none() {
            self.at = BEYOND;
        }
        bytes.unwrap_or_default()
    }

    /// A big-endian number of up to eight bytes.
    #[inline(never)]
    pub fn be(&mut self, count: u64) -> u64 {
        self.bytes(count).iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }

    /// A little-endian number of up to eight bytes.
    #[inline(never)]
    pub fn le(&mut self, count: u64) -> u64 {
        self.be(count).swap_bytes().checked_shr(64 - 8 * count as u32).unwrap_or(0)
    }

    #[inline(never)]
    pub fn be8(&mut self) -> u8 {
        self.be(1) as u8
    }

    #[inline(never)]
    pub fn be16(&mut self) -> u32 {
        self.be(2) as u32
    }

    #[inline(never)]
    pub fn be32(&mut self) -> u32 {
        self.be(4) as u32
    }

    #[inline(never)]
    pub fn le32(&mut self) -> u32 {
        self.be32().swap_bytes()
    }

    /// Skips bytes without reading them.
    #[inline(never)]
    pub fn skip(&mut self, count: u64) {
        self.at = self.at.saturating_add(count);
    }

    /// Skips the rest.
    pub fn finish(&mut self) {
        self.skip(self.left());
    }

    /// A cursor over the next `count` bytes; skips them.
    #[inline(never)]
    pub fn part(&mut self, name: u32, count: u64) -> Cursor<'a> {
        let at = self.at;
        self.skip(count);
        Cursor { cache: self.cache, name, at, end: self.at.min(BEYOND - 1) }
    }

    /// A cursor after the first `needle` within the next [`READ_SIZE`] bytes; not found is at its end.
    #[inline(never)]
    pub fn after(&self, needle: &[u8]) -> Cursor<'a> {
        let mut rest = self.clone();
        let bytes = self.clone().bytes(self.left().min(READ_SIZE));
        let found = bytes.windows(needle.len()).position(|window| window == needle);
        rest.skip(found.map_or(BEYOND, |found| (found + needle.len()) as u64));
        rest
    }

    /// Whether everything needed was there so far.
    pub fn is_found(&self) -> bool {
        self.at < BEYOND
    }

    /// Whether it was read exactly to its end.
    pub fn is_complete(&self) -> bool {
        self.at == self.end
    }
}

/// A four-letter name as a big-endian number.
pub const fn tag(name: &[u8; 4]) -> u32 {
    u32::from_be_bytes(*name)
}
