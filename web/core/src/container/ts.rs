//! MPEG transport streams: packets of 188 bytes, in some files with a time before or a checksum after each
//! (ISO/IEC 13818-1; M2TS as on Blu-ray).

use super::cursor::{Cursor, READ_SIZE};
use super::{MediaBuilder, codec};

/// At most this many packets are read, some 400 kB: a stream repeats its tables at least twice within them.
const MAX_PACKETS: u32 = 2_000;

const VIDEO: &[[u8; 5]] = &[
    *b"\x01mp1v",
    *b"\x02mp2v",
    *b"\x10mp4v",
    *b"\x1Bavc1",
    *b"\x24hvc1",
    *b"\x33vvc1",
    *b"\x42avs2",
    *b"\xD1drac",
    *b"\xEAvc-1",
];
const AUDIO: &[[u8; 5]] =
    &[*b"\x03mpga", *b"\x04mpga", *b"\x0Fmp4a", *b"\x11mp4a", *b"\x81ac-3", *b"\x84ec-3", *b"\x87ec-3"];

pub fn read<'a>(file: &mut Cursor<'a>, builder: &mut MediaBuilder<'a>) {
    // The length of a packet, and the bytes before its header.
    for (length, lead) in [(188, 0), (192, 4), (204, 0)] {
        let mut packets = Packets { rest: file.clone(), length, lead };
        let count = (file.left() / length).min(5);
        if count > 2 && (0..count).all(|_| packets.next().is_some()) {
            builder.mime = "video/mp2t";
            programs(Packets { rest: file.clone(), length, lead }, builder);
            break;
        }
    }
}

struct Packets<'a> {
    rest: Cursor<'a>,
    length: u64,
    lead: u64,
}

struct Packet<'a> {
    stream: u32,
    /// A table or a frame starts in it.
    is_start: bool,
    /// Program clock reference at 90 kHz; 0 if there is none.
    clock: u64,
    body: Cursor<'a>,
}

impl<'a> Packets<'a> {
    /// `None` at the end, and where no packet begins.
    #[inline(never)]
    fn next(&mut self) -> Option<Packet<'a>> {
        let mut body = self.rest.part(0, self.length);
        body.skip(self.lead);
        let header = body.be32();
        // The sync byte G; no transport error; with a payload or an adaptation field.
        if header & 0xFF80_0000 != 0x4700_0000 || header & 0x30 == 0 {
            return None;
        }
        let mut body = body.part(0, 184);
        let mut clock = 0;
        if header & 0x20 != 0 {
            let size = body.be(1);
            let mut adaptation = body.part(0, size);
            if adaptation.be8() & 0x10 != 0 {
                clock = adaptation.be(6) >> 15;
            }
        }
        Some(Packet { stream: header >> 8 & 0x1FFF, is_start: header & 0x40_0010 == 0x40_0010, clock, body })
    }
}

fn programs<'a>(mut packets: Packets<'a>, builder: &mut MediaBuilder<'a>) {
    let mut end = packets.rest.clone();
    // The program association table first, then the map of the first program.
    let mut table = 0;
    let (mut clock_stream, mut start) = (0, 0);
    for _ in 0..MAX_PACKETS {
        let Some(mut packet) = packets.next() else { return };
        if packet.stream == table && packet.is_start && !builder.tracks_complete && builder.tracks == 0 {
            match table {
                0 => table = program(&mut packet.body),
                _ => streams(&mut packet.body, builder),
            }
        }
        if start == 0 && packet.clock != 0 {
            (clock_stream, start) = (packet.stream, packet.clock);
        }
        if start != 0 && builder.tracks != 0 {
            break;
        }
    }
    let last = (end.left() / packets.length).saturating_sub(READ_SIZE / packets.length);
    end.skip(last.saturating_mul(packets.length));
    packets.rest = end;
    while let Some(packet) = packets.next() {
        if packet.stream == clock_stream && packet.clock != 0 {
            // The clock wraps around after 26.5 hours.
            builder.duration_ms = (packet.clock.wrapping_sub(start) & 0x1_FFFF_FFFF) / 90;
        }
    }
}

/// The table that starts in a packet, without its header; empty if it is of another kind.
fn section<'a>(body: &mut Cursor<'a>, kind: u8) -> Cursor<'a> {
    let pointer = body.be(1);
    body.skip(pointer);
    if body.be8() != kind {
        body.finish();
    }
    let size = body.be(2) & 0xFFF;
    let mut section = body.part(0, size);
    section.skip(5);
    section
}

/// The stream that carries the map of the first program; 0 if there is none.
fn program(body: &mut Cursor) -> u32 {
    let mut section = section(body, 0);
    let mut entry = section.be32();
    if entry >> 16 == 0 {
        // The network information table.
        entry = section.be32();
    }
    entry & 0x1FFF
}

fn streams(body: &mut Cursor, builder: &mut MediaBuilder) {
    let mut section = section(body, 2);
    section.skip(2);
    let size = section.be(2) & 0xFFF;
    section.skip(size);
    let mut only_audio = true;
    // The last four bytes are a checksum.
    while section.left() > 4 {
        let kind = section.be8();
        section.skip(2);
        let size = section.be(2) & 0xFFF;
        section.skip(size);
        builder.tracks += 1;
        let (video, audio) = (codec(VIDEO, kind), codec(AUDIO, kind));
        if builder.video_codec.is_empty() {
            builder.video_codec = video;
            builder.has_video = !video.is_empty();
        }
        if builder.audio_codec.is_empty() {
            builder.audio_codec = audio;
        }
        only_audio &= !audio.is_empty();
    }
    section.skip(4);
    // An unknown stream may be video.
    builder.tracks_complete = only_audio && section.is_complete();
}
