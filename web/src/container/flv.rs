//! FLV: tags one after the other (Adobe's FLV specification, with Enhanced RTMP's codec names).

use super::cursor::Cursor;
use super::{Draft, named};

/// Where both kinds haven't come by then, the other isn't waited for.
const TAGS: u32 = 64;

const PICTURES: &[[u8; 5]] =
    &[*b"\x02h263", *b"\x03scrv", *b"\x04vp6f", *b"\x05vp6a", *b"\x06scrv", *b"\x07avc1", *b"\x0Chvc1"];
const SOUNDS: &[[u8; 5]] = &[*b"\x02mp3 ", *b"\x0Amp4a", *b"\x0Bspex", *b"\x0Emp3 "];

#[inline(never)]
pub fn read<'a>(file: &mut Cursor<'a>, draft: &mut Draft<'a>) {
    file.skip(4);
    let kinds = file.be8();
    draft.tracks = (kinds & 1).into();
    draft.pictures = kinds & 1 == 1;
    let sound = kinds & 4 != 0;
    draft.tracks += u32::from(sound);
    let header = file.be(4);
    file.skip(header.saturating_sub(9));
    for _ in 0..TAGS {
        file.skip(4);
        let kind = file.be32();
        file.skip(7);
        let mut body = file.part(0, (kind & 0xFF_FFFF).into());
        match kind >> 24 {
            8 if draft.audio.is_empty() => draft.audio = named(SOUNDS, body.be8() >> 4),
            9 if draft.video.is_empty() => {
                draft.pictures = true;
                let first = body.be8();
                // Enhanced: the name itself follows.
                draft.video = if first > 0x7F { body.bytes(4) } else { named(PICTURES, first & 15) };
            }
            18 if draft.width == 0 => {
                draft.duration_ms = (value(&body, b"\x08duration\0") * 1000.0) as u64;
                draft.width = value(&body, b"\x05width\0") as u32;
                draft.height = value(&body, b"\x06height\0") as u32;
            }
            _ => {}
        }
        if !(draft.video.is_empty() || sound && draft.audio.is_empty()) {
            break;
        }
    }
    draft.settled = true;
}

/// Of `onMetaData`, a list of names and values. Names are looked for rather than read through to.
#[inline(never)]
fn value(body: &Cursor, name: &[u8]) -> f64 {
    let mut body = body.clone();
    body.find(name);
    f64::from_bits(body.be(8))
}
