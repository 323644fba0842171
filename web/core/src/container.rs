//! A container probe: finds out from a few small ranges of a file whether it is a video, and of which kind. Does no
//! I/O: the caller reads the ranges.
//!
//! A reader is plain code over the ranges read so far. At a byte that is missing it stops; the range around that byte
//! is requested, and the reader runs again from the start. So no reader keeps a state, and whatever a file contains,
//! the limits are those of [`cursor`]: 64 ranges of 32 KiB.

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

use cursor::{Cursor, RangeCache, tag};
use std::ops::Range;

/// A container probe: reads as little of a file as shows what it is.
///
/// Read the range that [`Probe::next_range`] returns and pass its bytes to [`Probe::feed`], until it returns `None`;
/// then ask [`Probe::media`].
pub struct Probe {
    cache: RangeCache,
    next: Option<Range<u64>>,
}

/// A video's properties as far as the probe has found them; `None` is unknown, not zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// The MIME type by content, whatever the file's name says.
    pub mime: &'static str,
    /// Duration in milliseconds.
    pub duration_ms: Option<u64>,
    /// Width in pixels as displayed: after rotation.
    pub width: Option<u32>,
    /// Height in pixels as displayed: after rotation.
    pub height: Option<u32>,
    /// Rotation as stored, in degrees clockwise: 0, 90, 180 or 270.
    pub rotation: u16,
    /// Codec of the first video track in the container's notation (`avc1`, `V_VP9`); printable ASCII.
    pub video_codec: Option<String>,
    /// Codec of the first audio track in the container's notation; printable ASCII.
    pub audio_codec: Option<String>,
    /// Number of tracks of any kind; 0 if the list of tracks couldn't be read.
    pub tracks: u32,
    /// For MP4 and related containers: whether the metadata precede the media data.
    pub moov_first: Option<bool>,
}

/// Collects what a reader finds: 0 is unknown, and an empty type means that the file is no video.
#[derive(Default)]
struct MediaBuilder<'a> {
    mime: &'static str,
    duration_ms: u64,
    width: u32,
    height: u32,
    rotation: u16,
    video_codec: &'a [u8],
    audio_codec: &'a [u8],
    tracks: u32,
    moov_first: Option<bool>,
    /// There is a video track.
    has_video: bool,
    /// The list of tracks was read to its end: if no video track was found, there is none.
    tracks_complete: bool,
}

impl<'a> MediaBuilder<'a> {
    /// Records a video track; returns whether it is the first.
    fn add_video(&mut self, codec: &'a [u8]) -> bool {
        let is_first = !self.has_video;
        if is_first {
            self.has_video = true;
            self.video_codec = codec;
        }
        is_first
    }

    /// Records an audio track.
    fn add_audio(&mut self, codec: &'a [u8]) {
        if self.audio_codec.is_empty() {
            self.audio_codec = codec;
        }
    }
}

impl Probe {
    /// A probe of a file of `size` bytes.
    pub fn new(size: u64) -> Self {
        let mut probe = Self { cache: RangeCache::new(size), next: None };
        probe.run();
        probe
    }

    /// The range to read next: within the file, 1 byte to 32 KiB; `None` once enough was read.
    pub fn next_range(&self) -> Option<Range<u64>> {
        self.next.clone()
    }

    /// Takes the bytes of [`Probe::next_range`]; if they are fewer, the rest counts as unreadable.
    pub fn feed(&mut self, bytes: &[u8]) {
        if let Some(range) = self.next.take() {
            self.cache.add(range, bytes);
            self.run();
        }
    }

    /// The file's first bytes as far as they were read: all of a small file.
    pub fn start(&self) -> &[u8] {
        self.cache.first()
    }

    /// The properties found; `None` if the file is no video of a known kind.
    pub fn media(self) -> Option<Media> {
        let builder = read(&self.cache);
        (!builder.mime.is_empty()).then(|| Media {
            mime: builder.mime,
            duration_ms: Some(builder.duration_ms).filter(|ms| (1..MAX_DURATION_MS).contains(ms)),
            width: Some(builder.width).filter(|pixels| *pixels > 0),
            height: Some(builder.height).filter(|pixels| *pixels > 0),
            rotation: builder.rotation,
            video_codec: printable(builder.video_codec),
            audio_codec: printable(builder.audio_codec),
            tracks: builder.tracks,
            moov_first: builder.moov_first,
        })
    }

    fn run(&mut self) {
        read(&self.cache);
        self.next = self.cache.missing();
    }
}

/// Some 300 years; a longer duration counts as unknown.
const MAX_DURATION_MS: u64 = 10_000_000_000_000;

type Reader = for<'a> fn(&mut Cursor<'a>, &mut MediaBuilder<'a>);

/// Containers by the first four bytes. A reader may clear the type again.
const CONTAINERS: [(u32, &str, Reader); 9] = [
    (0x1A45_DFA3, "video/x-matroska", matroska::read),
    (tag(b"RIFF"), "video/x-msvideo", avi::read),
    (tag(b"FLV\x01"), "video/x-flv", flv::read),
    (tag(b".RMF"), "application/vnd.rn-realmedia", real::read),
    (tag(b"OggS"), "video/ogg", ogg::read),
    (0x3026_B275, "video/x-ms-wmv", asf::read),
    // A pack of an MPEG program stream, or MPEG video without one.
    (0x0000_01BA, "video/mpeg", no_reader),
    (0x0000_01B3, "video/mpeg", no_reader),
    // The prefix of every SMPTE key; only MXF files start with one.
    (0x060E_2B34, "application/mxf", no_reader),
];

/// For containers of which only the type is known.
fn no_reader(_: &mut Cursor, _: &mut MediaBuilder) {}

fn read(cache: &RangeCache) -> MediaBuilder<'_> {
    let mut file = cache.start();
    let mut builder = MediaBuilder::default();
    let first = file.clone().be32();
    if let Some((_, mime, read)) = CONTAINERS.iter().find(|(mark, ..)| *mark == first) {
        builder.mime = mime;
        read(&mut file, &mut builder);
    } else {
        mp4::read(&mut file, &mut builder);
        if builder.mime.is_empty() {
            ts::read(&mut file, &mut builder);
        }
    }
    if builder.tracks_complete && !builder.has_video {
        builder.mime = "";
    }
    builder
}

/// The codec that a table has for a number; empty if none.
fn codec(table: &'static [[u8; 5]], number: u8) -> &'static [u8] {
    table.iter().find(|[first, ..]| *first == number).map_or(b"", |[_, codec @ ..]| codec)
}

fn printable(codec: &[u8]) -> Option<String> {
    let is_printable = |byte: &&u8| matches!(byte, b' '..=b'~');
    let codec: String = codec.iter().filter(is_printable).map(|byte| char::from(*byte)).collect();
    (!codec.is_empty()).then_some(codec)
}

/// A duration in units of 1/`per_second` s, in milliseconds.
fn milliseconds(units: u64, per_second: u64) -> u64 {
    // A division by zero makes NaN or infinity, which `as` makes 0 or a duration above the maximum.
    (units as f64 * 1000.0 / per_second as f64) as u64
}
