//! Matroska and WebM: elements in elements (RFC 8794, RFC 9559).

use super::Draft;
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

pub fn read<'a>(file: &mut Cursor<'a>, draft: &mut Draft<'a>) {
    let Some(header) = next(file) else { return };
    if header.after(b"webm").found() {
        draft.mime = "video/webm";
    } else if !header.after(b"matroska").found() {
        draft.mime = "";
    }
    let Some(mut segment) = next(file) else { return };
    if segment.name != SEGMENT {
        return;
    }
    while let Some(mut body) = next(&mut segment) {
        match body.name {
            INFO => info(&mut body, draft),
            TRACKS => tracks(&mut body, draft),
            // What comes now is the film; the rest isn't worth a walk through it.
            CLUSTER => break,
            _ => {}
        }
    }
}

/// The content of the next element; its name is the id with its marker.
fn next<'a>(elements: &mut Cursor<'a>) -> Option<Cursor<'a>> {
    if elements.left() == 0 {
        return None;
    }
    let (id, _) = variable(elements);
    let (size, width) = variable(elements);
    let ones = u64::MAX >> (64 - 7 * width);
    // All ones: up to the end of what it is in.
    let size = if size & ones == ones { elements.left() } else { size & ones };
    Some(elements.part(id as u32, size))
}

/// A number of variable width, marker included, and its width in bytes, at most 8.
fn variable(elements: &mut Cursor) -> (u64, u32) {
    let first = elements.be8();
    // 0 promises a ninth byte, which no number has.
    let more = first.leading_zeros().min(7);
    (u64::from(first) << (8 * more) | elements.be(more.into()), more + 1)
}

fn info(elements: &mut Cursor, draft: &mut Draft) {
    let (mut scale, mut units) = (1_000_000, 0.0);
    while let Some(mut body) = next(elements) {
        match body.name {
            TIMESTAMP_SCALE => scale = number(&mut body),
            DURATION if body.left() == 4 => units = f32::from_bits(body.be32()).into(),
            DURATION => units = f64::from_bits(number(&mut body)),
            _ => {}
        }
    }
    // Of floats that are no number, or too large for one, `as` makes 0 or the largest.
    draft.duration_ms = (units * scale as f64 / 1e6) as u64;
}

fn tracks<'a>(elements: &mut Cursor<'a>, draft: &mut Draft<'a>) {
    while let Some(mut body) = next(elements) {
        if body.name == TRACK_ENTRY {
            draft.tracks += 1;
            track(&mut body, draft);
        }
    }
    draft.settled = elements.whole();
}

fn track<'a>(elements: &mut Cursor<'a>, draft: &mut Draft<'a>) {
    let (mut kind, mut codec, mut video) = (0, &b""[..], None);
    while let Some(mut body) = next(elements) {
        match body.name {
            TRACK_TYPE => kind = number(&mut body),
            CODEC_ID => codec = body.bytes(body.left().min(32)),
            VIDEO => video = Some(body),
            _ => {}
        }
    }
    match kind {
        1 if draft.video(codec) => {
            if let Some(mut video) = video {
                shape(&mut video, draft);
            }
        }
        2 => draft.audio(codec),
        _ => {}
    }
}

fn shape(elements: &mut Cursor, draft: &mut Draft) {
    let (mut width, mut height, mut unit) = (0, 0, 0);
    while let Some(mut body) = next(elements) {
        let value = number(&mut body);
        match body.name {
            PIXEL_WIDTH => draft.width = value as u32,
            PIXEL_HEIGHT => draft.height = value as u32,
            DISPLAY_WIDTH => width = value as u32,
            DISPLAY_HEIGHT => height = value as u32,
            DISPLAY_UNIT => unit = value,
            _ => {}
        }
    }
    // Other units than pixels are centimetres, inches and ratios.
    if unit == 0 && width > 0 && height > 0 {
        (draft.width, draft.height) = (width, height);
    }
}

/// The whole element as a number; of a longer one, what fits.
fn number(element: &mut Cursor) -> u64 {
    element.be(element.left().min(8))
}
