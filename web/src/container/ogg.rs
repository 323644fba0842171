//! Ogg: the first page of each stream tells what it carries (RFC 3533; the Theora specification).

use super::Draft;
use super::cursor::{Cursor, tag};

const THEORA: u32 = tag(b"\x80the");
const DIRAC: u32 = tag(b"BBCD");
const OGM: u32 = tag(b"\x01vid");
const VORBIS: u32 = tag(b"\x01vor");
const OPUS: u32 = tag(b"Opus");

#[inline(never)]
pub fn read<'a>(file: &mut Cursor<'a>, draft: &mut Draft<'a>) {
    // Most files of this kind are music, so what isn't known isn't a video.
    draft.settled = true;
    loop {
        file.skip(5);
        // Opening pages come first, all of them.
        if file.be8() & 2 == 0 {
            break;
        }
        file.skip(20);
        let segments = file.be(1);
        let size = file.bytes(segments).iter().map(|size| u64::from(*size)).sum();
        let mut body = file.part(0, size);
        draft.tracks += 1;
        match body.be32() {
            THEORA if draft.video(b"theora") => {
                body.skip(10);
                (draft.width, draft.height) = (body.be(3) as u32, body.be(3) as u32);
            }
            DIRAC => {
                draft.video(b"drac");
            }
            OGM => {
                body.skip(5);
                draft.video(body.bytes(4));
            }
            VORBIS => draft.audio(b"vorbis"),
            OPUS => draft.audio(b"opus"),
            _ => {}
        }
    }
}
