//! A look before a byte is spent: from a few small ranges of a file, tells whether it is a video and which.
//! Pure: who reads the ranges is the caller's affair.
//!
//! The readers below are plain code over what has been read so far. Where one comes to a byte that is still
//! missing it stops; that range is asked for, and the reader runs again from the start. So none of them keeps
//! a state, and whatever a file claims, the limits are those of [`cursor`]: 64 reads of 32 KiB.

mod asf;
mod avi;
mod cursor;
mod flv;
mod matroska;
mod mp4;
mod ogg;
mod real;
#[cfg(test)]
mod tests;
mod ts;

use cursor::{Cursor, Seen, tag};
use std::ops::Range;

/// Reads as little of a file as tells what it is. Ask `wants`, read that range, give it to `take`; until
/// `None`.
pub struct Look {
    seen: Seen,
    next: Option<Range<u64>>,
}

/// What is known of a video; `None` is unknown, not zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// The true type, whatever the file's name says.
    pub mime: &'static str,
    pub duration_ms: Option<u64>,
    /// As displayed: after rotation.
    pub width: Option<u32>,
    pub height: Option<u32>,
    /// Degrees clockwise, as stored: 0, 90, 180 or 270.
    pub rotation: u16,
    /// Of the first video track, in the container's own words: `avc1`, `V_VP9`. Printable ASCII.
    pub video: Option<Box<str>>,
    pub audio: Option<Box<str>>,
    /// Of any kind; 0 where the list couldn't be read.
    pub tracks: u32,
    /// MP4 and its kin only: metadata come before media data.
    pub moov_first: Option<bool>,
}

/// A [`Media`] in the making: 0 is unknown, and an empty type is no video's.
#[derive(Default)]
struct Draft<'a> {
    mime: &'static str,
    duration_ms: u64,
    width: u32,
    height: u32,
    rotation: u16,
    video: &'a [u8],
    audio: &'a [u8],
    tracks: u32,
    moov_first: Option<bool>,
    /// There is a video track.
    pictures: bool,
    /// The list of tracks has been read to its end, so that none of video means none.
    settled: bool,
}

impl<'a> Draft<'a> {
    /// Answers whether it is the first.
    fn video(&mut self, codec: &'a [u8]) -> bool {
        let first = !self.pictures;
        if first {
            self.pictures = true;
            self.video = codec;
        }
        first
    }

    fn audio(&mut self, codec: &'a [u8]) {
        if self.audio.is_empty() {
            self.audio = codec;
        }
    }
}

impl Look {
    /// At a file of `size` bytes.
    pub fn new(size: u64) -> Self {
        let mut look = Self { seen: Seen::new(size), next: None };
        look.go_on();
        look
    }

    /// The range to read next: not empty, within the file, at most 32 KiB.
    pub fn wants(&self) -> Option<Range<u64>> {
        self.next.clone()
    }

    /// The bytes of the wanted range; what is missing at its end counts as unreadable.
    pub fn take(&mut self, bytes: &[u8]) {
        if let Some(range) = self.next.take() {
            self.seen.add(range, bytes);
            self.go_on();
        }
    }

    /// What the file is, as far as it has been read; `None`: no video.
    pub fn media(self) -> Option<Media> {
        let draft = tell(&self.seen);
        (!draft.mime.is_empty()).then(|| Media {
            mime: draft.mime,
            duration_ms: Some(draft.duration_ms).filter(|ms| (1..LONGEST).contains(ms)),
            width: Some(draft.width).filter(|pixels| *pixels > 0),
            height: Some(draft.height).filter(|pixels| *pixels > 0),
            rotation: draft.rotation,
            video: printable(draft.video),
            audio: printable(draft.audio),
            tracks: draft.tracks,
            moov_first: draft.moov_first,
        })
    }

    fn go_on(&mut self) {
        tell(&self.seen);
        self.next = self.seen.missing();
    }
}

/// In milliseconds, some 300 years: what claims more knows nothing.
const LONGEST: u64 = 10_000_000_000_000;

type Reader = for<'a> fn(&mut Cursor<'a>, &mut Draft<'a>);

/// What the first four bytes say; a reader may take the type back.
const KINDS: [(u32, &str, Reader); 9] = [
    (0x1A45_DFA3, "video/x-matroska", matroska::read),
    (tag(b"RIFF"), "video/x-msvideo", avi::read),
    (tag(b"FLV\x01"), "video/x-flv", flv::read),
    (tag(b".RMF"), "application/vnd.rn-realmedia", real::read),
    (tag(b"OggS"), "video/ogg", ogg::read),
    (0x3026_B275, "video/x-ms-wmv", asf::read),
    // A pack of an MPEG program stream, or MPEG video without one.
    (0x0000_01BA, "video/mpeg", nothing),
    (0x0000_01B3, "video/mpeg", nothing),
    // How each key of SMPTE begins; only MXF files begin with one.
    (0x060E_2B34, "application/mxf", nothing),
];

/// The type says it all.
fn nothing(_: &mut Cursor, _: &mut Draft) {}

fn tell(seen: &Seen) -> Draft<'_> {
    let mut file = seen.all();
    let mut draft = Draft::default();
    let first = file.clone().be32();
    if let Some((_, mime, read)) = KINDS.iter().find(|(mark, ..)| *mark == first) {
        draft.mime = mime;
        read(&mut file, &mut draft);
    } else {
        mp4::read(&mut file, &mut draft);
        if draft.mime.is_empty() {
            ts::read(&mut file, &mut draft);
        }
    }
    if draft.settled && !draft.pictures {
        draft.mime = "";
    }
    draft
}

/// The name that a table has for a code; empty if none.
fn named(table: &'static [[u8; 5]], code: u8) -> &'static [u8] {
    table.iter().find(|[first, ..]| *first == code).map_or(b"", |[_, name @ ..]| name)
}

fn printable(name: &[u8]) -> Option<Box<str>> {
    // `from_utf8` would bring a table along.
    let name: String =
        name.iter().filter(|byte| matches!(byte, b' '..=b'~')).map(|byte| char::from(*byte)).collect();
    (!name.is_empty()).then(|| name.into())
}

/// `units`, of which a second has `per_second`, in milliseconds.
fn milliseconds(units: u64, per_second: u64) -> u64 {
    // By zero: no number, of which `as` makes 0, or endless, which is no length either.
    (units as f64 * 1000.0 / per_second as f64) as u64
}
