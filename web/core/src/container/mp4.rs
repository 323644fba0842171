//! MP4, QuickTime and related containers: nested boxes (ISO/IEC 14496-12; Apple's QuickTime File Format).

use super::cursor::{Cursor, tag};
use super::{MediaBuilder, milliseconds};

const FTYP: u32 = tag(b"ftyp");
const FREE: u32 = tag(b"free");
const HDLR: u32 = tag(b"hdlr");
const MDAT: u32 = tag(b"mdat");
const MDHD: u32 = tag(b"mdhd");
const MDIA: u32 = tag(b"mdia");
const MEHD: u32 = tag(b"mehd");
const META: u32 = tag(b"meta");
const MINF: u32 = tag(b"minf");
const MOOV: u32 = tag(b"moov");
const MVEX: u32 = tag(b"mvex");
const MVHD: u32 = tag(b"mvhd");
const PNOT: u32 = tag(b"pnot");
const SKIP: u32 = tag(b"skip");
const SOUN: u32 = tag(b"soun");
const STBL: u32 = tag(b"stbl");
const STSD: u32 = tag(b"stsd");
const STYP: u32 = tag(b"styp");
const TKHD: u32 = tag(b"tkhd");
const TRAK: u32 = tag(b"trak");
const VIDE: u32 = tag(b"vide");
const WIDE: u32 = tag(b"wide");
/// Compressed metadata of old QuickTime files.
const CMOV: u32 = tag(b"cmov");

/// Main brands of audio files and of raw images: their video tracks are cover art and stills.
const NON_VIDEO_BRANDS: [u32; 6] =
    [tag(b"M4A "), tag(b"M4B "), tag(b"M4P "), tag(b"F4A "), tag(b"F4B "), tag(b"crx ")];

pub fn read<'a>(file: &mut Cursor<'a>, builder: &mut MediaBuilder<'a>) {
    let mut head = file.clone();
    let size = head.be32();
    builder.mime = match head.be32() {
        FTYP | STYP => mime_type(head.be32()),
        // A text may contain these letters, but then the number before them is no plausible length.
        MOOV | MDAT | WIDE | FREE | SKIP | PNOT if size < 0x0900_0000 || u64::from(size) <= file.left() => {
            "video/quicktime"
        }
        _ => return,
    };
    let mut has_data = false;
    while let Some(mut body) = next(file) {
        match body.name {
            MDAT => has_data = true,
            // HEIF: an image, unless a movie follows.
            META => builder.tracks_complete = true,
            MOOV => {
                builder.moov_first = Some(!has_data);
                movie(&mut body, builder);
                break;
            }
            _ => {}
        }
    }
}

/// The MIME type by the main brand.
fn mime_type(brand: u32) -> &'static str {
    const QT: u32 = tag(b"qt  ");
    const M4V: u32 = tag(b"\0M4V");
    const GP3: u32 = tag(b"\x003gp");
    const GP3_2: u32 = tag(b"\x003g2");
    match (brand, brand >> 8) {
        (QT, _) => "video/quicktime",
        (_, M4V) => "video/x-m4v",
        (_, GP3) => "video/3gpp",
        (_, GP3_2) => "video/3gpp2",
        _ if NON_VIDEO_BRANDS.contains(&brand) => "",
        _ => "video/mp4",
    }
}

/// The content of the next box.
fn next<'a>(boxes: &mut Cursor<'a>) -> Option<Cursor<'a>> {
    if boxes.left() < 8 {
        boxes.finish();
        return None;
    }
    let size = boxes.be(4);
    let name = boxes.be32();
    let length = match size {
        0 => boxes.left(),
        1 => boxes.be(8).saturating_sub(16),
        _ => size.saturating_sub(8),
    };
    Some(boxes.part(name, length))
}

fn movie<'a>(boxes: &mut Cursor<'a>, builder: &mut MediaBuilder<'a>) {
    if inside(boxes, CMOV).left() > 0 {
        builder.tracks_complete = false;
        return;
    }
    let (time_scale, mut units) = time_scale_and_duration(inside(boxes, MVHD));
    if units == 0 {
        // The duration of a fragmented movie.
        let mut fragments = inside(&inside(boxes, MVEX), MEHD);
        let width = if fragments.be(4) >> 24 == 1 { 8 } else { 4 };
        units = fragments.be(width);
    }
    builder.duration_ms = milliseconds(units, time_scale);
    while let Some(body) = next(boxes) {
        if body.name == TRAK {
            builder.tracks += 1;
            track(&body, builder);
        }
    }
    builder.tracks_complete = boxes.is_complete();
}

/// The time scale (units a second) and the duration in units, from `mvhd` or `mdhd`; 0 if unknown.
fn time_scale_and_duration(mut body: Cursor) -> (u64, u64) {
    let width = if body.be(4) >> 24 == 1 { 8 } else { 4 };
    body.skip(2 * width);
    let time_scale = body.be(4);
    let units = body.be(width);
    // All ones.
    let unknown = u64::MAX >> (64 - 8 * width);
    (time_scale, if units == unknown { 0 } else { units })
}

fn track<'a>(boxes: &Cursor<'a>, builder: &mut MediaBuilder<'a>) {
    let media = inside(boxes, MDIA);
    let mut handler = inside(&media, HDLR);
    let mut entries = inside(&inside(&inside(&media, MINF), STBL), STSD);
    if builder.duration_ms == 0 {
        let (time_scale, units) = time_scale_and_duration(inside(&media, MDHD));
        builder.duration_ms = milliseconds(units, time_scale);
    }
    handler.skip(8);
    entries.skip(12);
    match handler.be32() {
        VIDE if builder.add_video(entries.bytes(4)) => {
            entries.skip(24);
            size_and_rotation(&mut inside(boxes, TKHD), &mut entries, builder);
        }
        SOUN => builder.add_audio(entries.bytes(4)),
        _ => {}
    }
}

/// The content of the first box of that name; empty if there is none.
#[inline(never)]
fn inside<'a>(boxes: &Cursor<'a>, name: u32) -> Cursor<'a> {
    let mut boxes = boxes.clone();
    while let Some(body) = next(&mut boxes) {
        if body.name == name {
            return body;
        }
    }
    boxes
}

/// Reads rotation and size from `tkhd`, or the size from `stsd` where `tkhd` has none.
fn size_and_rotation(head: &mut Cursor, entry: &mut Cursor, builder: &mut MediaBuilder) {
    head.skip(if head.clone().be8() == 1 { 52 } else { 40 });
    // The matrix a b u, c d v, x y w maps (1, 0) to (a, b); y points down.
    let (a, b) = (head.be32() as i32, head.be32() as i32);
    head.skip(8);
    let d = head.be32() as i32;
    head.skip(16);
    let (mut width, mut height) = (head.be32() >> 16, head.be32() >> 16);
    if width == 0 || height == 0 {
        (width, height) = (entry.be16(), entry.be16());
    }
    if b.unsigned_abs() > a.unsigned_abs() {
        builder.rotation = if b > 0 { 90 } else { 270 };
        (width, height) = (height, width);
    } else if a < 0 && d < 0 {
        // In a mirrored picture only one of them is negative.
        builder.rotation = 180;
    }
    (builder.width, builder.height) = (width, height);
}
