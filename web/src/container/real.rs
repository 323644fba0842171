//! RealMedia: chunks one after the other (the format as its makers described it in the Helix SDK).

use super::Draft;
use super::cursor::{Cursor, tag};

const PROP: u32 = tag(b"PROP");
const MDPR: u32 = tag(b"MDPR");
const DATA: u32 = tag(b"DATA");
const VIDO: u32 = tag(b"VIDO");
const SOUND: u32 = 0x2E72_61FD;

pub fn read<'a>(file: &mut Cursor<'a>, draft: &mut Draft<'a>) {
    while file.left() > 0 {
        let name = file.be32();
        let size = file.be(4).saturating_sub(8);
        let mut body = file.part(name, size);
        match name {
            PROP => {
                body.skip(22);
                draft.duration_ms = body.be(4);
            }
            MDPR => {
                draft.tracks += 1;
                stream(&mut body, draft);
            }
            DATA => {
                draft.settled = true;
                break;
            }
            _ => {}
        }
    }
}

fn stream<'a>(body: &mut Cursor<'a>, draft: &mut Draft<'a>) {
    body.skip(32);
    // Its name and its type.
    for _ in 0..2 {
        let length = body.be(1);
        body.skip(length);
    }
    body.skip(4);
    if body.be32() == SOUND {
        draft.audio(b"ra");
    }
    if body.be32() == VIDO && draft.video(body.bytes(4)) {
        (draft.width, draft.height) = (body.be16(), body.be16());
    }
}
