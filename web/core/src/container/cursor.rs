//! What has been read of a file, and the cursor that walks over it. All limits are here.

use std::cell::Cell;
use std::ops::Range;

/// Reads of one file.
const READS: usize = 64;
/// Bytes of one read; all together are 2 MiB.
pub const READ: u64 = 32 << 10;
/// Values taken in one run, so that a file of two million empty boxes costs no time.
const STEPS: u32 = 20_000;

/// Where a cursor is that has found less than it wanted.
const BEYOND: u64 = u64::MAX;

/// The pieces of a file that have been read.
pub struct RangeCache {
    size: u64,
    pieces: Vec<Piece>,
    missing: Cell<Option<u64>>,
    steps: Cell<u32>,
}

/// Shorter than its range where the file couldn't be read.
struct Piece {
    range: Range<u64>,
    bytes: Vec<u8>,
}

impl RangeCache {
    pub fn new(size: u64) -> Self {
        Self { size, pieces: Vec::new(), missing: Cell::new(None), steps: Cell::new(0) }
    }

    /// What the run wanted and didn't have, unless enough has been read.
    pub fn missing(&self) -> Option<Range<u64>> {
        let at = self.missing.get().filter(|_| self.pieces.len() < READS)?;
        Some(at..at.saturating_add(READ).min(self.size))
    }

    pub fn add(&mut self, range: Range<u64>, bytes: &[u8]) {
        let bytes = bytes.get(..(range.end - range.start) as usize).unwrap_or(bytes);
        self.pieces.push(Piece { range, bytes: bytes.to_vec() });
    }

    /// The whole file, for a new run.
    pub fn start(&self) -> Cursor<'_> {
        self.missing.set(None);
        self.steps.set(STEPS);
        Cursor { cache: self, at: 0, end: self.size, name: 0 }
    }

    fn bytes(&self, range: Range<u64>) -> Option<&[u8]> {
        if range.is_empty() {
            return Some(&[]);
        }
        self.steps.set(self.steps.get().checked_sub(1)?);
        let within = |piece: &&Piece| piece.range.start <= range.start && range.end <= piece.range.end;
        if range.end > self.size {
            return None;
        }
        let Some(piece) = self.pieces.iter().rev().find(within) else {
            if self.missing.get().is_none() {
                self.missing.set(Some(range.start));
            }
            return None;
        };
        let from = (range.start - piece.range.start) as usize;
        piece.bytes.get(from..from + (range.end - range.start) as usize)
    }
}

/// A stretch of a file; it may reach beyond what surrounds it. Each value taken moves it on. Past the end,
/// and where nothing has been read yet, there are zeros, and the stretch is over, so that no loop goes on.
/// Readers need not ask after each value.
#[derive(Clone)]
pub struct Cursor<'a> {
    cache: &'a RangeCache,
    /// What the container calls it.
    pub name: u32,
    at: u64,
    end: u64,
}

impl<'a> Cursor<'a> {
    #[inline(never)]
    pub fn left(&self) -> u64 {
        self.end.saturating_sub(self.at)
    }

    /// Empty where they can't be had.
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

    /// A number of up to eight bytes, the highest first.
    #[inline(never)]
    pub fn be(&mut self, count: u64) -> u64 {
        self.bytes(count).iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }

    /// A number of up to eight bytes, the lowest first.
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

    /// Passes over bytes without reading them.
    #[inline(never)]
    pub fn skip(&mut self, count: u64) {
        self.at = self.at.saturating_add(count);
    }

    /// Passes over all that is left.
    pub fn finish(&mut self) {
        self.skip(self.left());
    }

    /// The next `count` bytes; passes over them.
    #[inline(never)]
    pub fn part(&mut self, name: u32, count: u64) -> Cursor<'a> {
        let at = self.at;
        self.skip(count);
        Cursor { cache: self.cache, name, at, end: self.at.min(BEYOND - 1) }
    }

    /// What is behind the first `needle` in the next bytes, at most [`READ`].
    #[inline(never)]
    pub fn after(&self, needle: &[u8]) -> Cursor<'a> {
        let mut rest = self.clone();
        let hay = self.clone().bytes(self.left().min(READ));
        let found = hay.windows(needle.len()).position(|bytes| bytes == needle);
        rest.skip(found.map_or(BEYOND, |found| (found + needle.len()) as u64));
        rest
    }

    /// It isn't over for a lack of something.
    pub fn is_found(&self) -> bool {
        self.at < BEYOND
    }

    /// Read to its end and no further.
    pub fn is_complete(&self) -> bool {
        self.at == self.end
    }
}

/// A name of four letters as a number.
pub const fn tag(name: &[u8; 4]) -> u32 {
    u32::from_be_bytes(*name)
}
