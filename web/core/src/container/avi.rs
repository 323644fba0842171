//! AVI: nested chunks, little-endian (Microsoft's RIFF, with OpenDML).

use super::cursor::{Cursor, tag};
use super::{MediaBuilder, milliseconds};

const AVI: u32 = tag(b"AVI ");
const LIST: u32 = tag(b"LIST");
const HDRL: u32 = tag(b"hdrl");
const STRL: u32 = tag(b"strl");
const STRH: u32 = tag(b"strh");
const STRF: u32 = tag(b"strf");
const VIDS: u32 = tag(b"vids");
const AUDS: u32 = tag(b"auds");

pub fn read<'a>(file: &mut Cursor<'a>, builder: &mut MediaBuilder<'a>) {
    file.skip(8);
    if file.be32() != AVI {
        builder.mime = "";
        return;
    }
    let mut list = inside(file, HDRL);
    while let Some(body) = next(&mut list) {
        if body.name == STRL {
            builder.tracks += 1;
            stream(&body, builder);
        }
    }
    builder.tracks_complete = builder.tracks > 0 && list.is_complete();
}

/// The content of the next chunk. A list's name is its list type.
fn next<'a>(chunks: &mut Cursor<'a>) -> Option<Cursor<'a>> {
    if chunks.left() < 8 {
        chunks.finish();
        return None;
    }
    let name = chunks.be32();
    let size = chunks.le32();
    let mut body = chunks.part(name, size.into());
    // Chunks start at even offsets.
    chunks.part(0, (size & 1).into());
    if name == LIST {
        body.name = body.be32();
    }
    Some(body)
}

/// The content of the first chunk of that name; empty if there is none.
#[inline(never)]
fn inside<'a>(chunks: &Cursor<'a>, name: u32) -> Cursor<'a> {
    let mut chunks = chunks.clone();
    while let Some(body) = next(&mut chunks) {
        if body.name == name {
            return body;
        }
    }
    chunks
}

fn stream<'a>(chunks: &Cursor<'a>, builder: &mut MediaBuilder<'a>) {
    let mut head = inside(chunks, STRH);
    let mut format = inside(chunks, STRF);
    match head.be32() {
        VIDS if bitmap(&mut format, builder) => {
            head.skip(16);
            // A frame lasts `scale / rate` seconds.
            let (scale, rate) = (head.le(4), head.le(4));
            head.skip(4);
            builder.duration_ms = milliseconds(head.le(4).saturating_mul(scale), rate);
        }
        AUDS => wave(&mut format, builder),
        _ => {}
    }
}

/// Reads size and codec from a BITMAPINFOHEADER; returns whether it is the first video track.
#[inline(never)]
pub fn bitmap<'a>(body: &mut Cursor<'a>, builder: &mut MediaBuilder<'a>) -> bool {
    body.skip(4);
    let (width, height) = (body.le32(), body.le32());
    body.skip(4);
    let is_first = builder.add_video(body.bytes(4));
    if is_first {
        builder.width = width;
        // Negative if the lines run from top to bottom.
        builder.height = (height as i32).unsigned_abs();
    }
    is_first
}

/// Reads the codec from a WAVEFORMATEX: a number; common ones are translated.
#[inline(never)]
pub fn wave(body: &mut Cursor, builder: &mut MediaBuilder) {
    builder.add_audio(match body.le(2) {
        0x55 => b"mp3 ",
        0xFF => b"mp4a",
        _ => b"wave",
    });
}
