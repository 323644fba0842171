//! Matroska and WebM: nested elements (RFC 8794, RFC 9559).

use super::MediaBuilder;
use super::cursor::Cursor;

const SEGMENT: u32 = 0x1853_8067;
const CLUSTER: u32 = 0x1F43_B675;
const INFO: u32 = 0x1549_A966;
const TIMESTAMP_SCALE: u32 = 0x2A_D7B1;
const DURATION: u32 = 0x4489;
const TRACKS: u32 = 0x1654_AE6B;
const TRACK_ENTRY: u32 = 0xAE;
const TRACK_TYPE: u32 = 0x83;
const CODEC_ID: u32 = 0x86;
const VIDEO: u32 = 0xE0;
const PIXEL_WIDTH: u32 = 0xB0;
const PIXEL_HEIGHT: u32 = 0xBA;
const DISPLAY_WIDTH: u32 = 0x54B0;
const DISPLAY_HEIGHT: u32 = 0x54BA;
const DISPLAY_UNIT: u32 = 0x54B2;

pub fn read<'a>(file: &mut Cursor<'a>, builder: &mut MediaBuilder<'a>) {
    let Some(header) = next(file) else { return };
    if header.after(b"webm").is_found() {
        builder.mime = "video/webm";
    } else if !header.after(b"matroska").is_found() {
        builder.mime = "";
    }
    let Some(segment) = next(file) else { return };
    if segment.name != SEGMENT {
        return;
    }
    info(&inside(&segment, INFO), builder);
    let mut tracks = inside(&segment, TRACKS);
    while let Some(body) = next(&mut tracks) {
        if body.name == TRACK_ENTRY {
            builder.tracks += 1;
            track(&body, builder);
        }
    }
    builder.tracks_complete = builder.tracks > 0 && tracks.is_complete();
}

/// The content of the next element; its name is the id with its marker.
fn next<'a>(elements: &mut Cursor<'a>) -> Option<Cursor<'a>> {
    if elements.left() == 0 {
        return None;
    }
    let (id, _) = variable(elements);
    let (size, width) = variable(elements);
    let ones = u64::MAX >> (64 - 7 * width);
    // All ones: up to the end of the enclosing element.
    let size = if size & ones == ones { elements.left() } else { size & ones };
    Some(elements.part(id as u32, size))
}

/// A variable-width number with its marker, and its width in bytes, at most 8.
fn variable(elements: &mut Cursor) -> (u64, u32) {
    let first = elements.be8();
    // A first byte of 0 would mean nine bytes, which no number has.
    let more = first.leading_zeros().min(7);
    (u64::from(first) << (8 * more) | elements.be(more.into()), more + 1)
}

/// The content of the first element of that name; empty if there is none.
#[inline(never)]
fn inside<'a>(elements: &Cursor<'a>, name: u32) -> Cursor<'a> {
    let mut elements = elements.clone();
    while let Some(body) = next(&mut elements) {
        if body.name == name {
            return body;
        }
        // The media data follow; what is after them isn't worth reading through them.
        if body.name == CLUSTER {
            elements.finish();
        }
    }
    elements
}

/// The value of an element with up to eight bytes; 0 if there is none.
#[inline(never)]
fn number(elements: &Cursor, name: u32) -> u64 {
    let mut element = inside(elements, name);
    element.be(element.left().min(8))
}

fn info(elements: &Cursor, builder: &mut MediaBuilder) {
    let scale = match number(elements, TIMESTAMP_SCALE) {
        0 => 1_000_000,
        scale => scale,
    };
    let bits = number(elements, DURATION);
    let short = inside(elements, DURATION).left() == 4;
    let units = if short { f32::from_bits(bits as u32).into() } else { f64::from_bits(bits) };
    // `as` makes NaN 0 and saturates.
    builder.duration_ms = (units * scale as f64 / 1e6) as u64;
}

fn track<'a>(elements: &Cursor<'a>, builder: &mut MediaBuilder<'a>) {
    let mut name = inside(elements, CODEC_ID);
    let codec = name.bytes(name.left().min(32));
    match number(elements, TRACK_TYPE) {
        1 if builder.add_video(codec) => size(&inside(elements, VIDEO), builder),
        2 => builder.add_audio(codec),
        _ => {}
    }
}

fn size(elements: &Cursor, builder: &mut MediaBuilder) {
    let (mut width, mut height) =
        (number(elements, DISPLAY_WIDTH) as u32, number(elements, DISPLAY_HEIGHT) as u32);
    // The display size may be in centimetres, inches or a ratio.
    if number(elements, DISPLAY_UNIT) != 0 || width == 0 || height == 0 {
        (width, height) = (number(elements, PIXEL_WIDTH) as u32, number(elements, PIXEL_HEIGHT) as u32);
    }
    (builder.width, builder.height) = (width, height);
}
