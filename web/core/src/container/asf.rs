//! ASF, the container of WMV: objects named by GUIDs, whose first four bytes are enough to tell them apart
//! (Microsoft's ASF Specification).

use super::MediaBuilder;
use super::avi::{bitmap, wave};
use super::cursor::Cursor;

const FILE: u32 = 0xA1DC_AB8C;
const STREAM: u32 = 0x9107_DCB7;
const VIDEO: u32 = 0xC0EF_19BC;
const AUDIO: u32 = 0x409E_69F8;

pub fn read<'a>(file: &mut Cursor<'a>, builder: &mut MediaBuilder<'a>) {
    let mut header = next(file);
    header.skip(6);
    while header.left() > 0 {
        let mut body = next(&mut header);
        match body.name {
            FILE => {
                body.skip(40);
                let duration_ms = body.le(8) / 10_000;
                body.skip(8);
                // It includes the preroll, in milliseconds.
                builder.duration_ms = duration_ms.saturating_sub(body.le(8));
            }
            STREAM => {
                builder.tracks += 1;
                stream(&mut body, builder);
            }
            _ => {}
        }
    }
    builder.tracks_complete = header.is_complete();
}

/// The content of the next object.
fn next<'a>(objects: &mut Cursor<'a>) -> Cursor<'a> {
    let name = objects.be32();
    objects.skip(12);
    let size = objects.le(8).saturating_sub(24);
    objects.part(name, size)
}

fn stream<'a>(body: &mut Cursor<'a>, builder: &mut MediaBuilder<'a>) {
    let kind = body.be32();
    body.skip(50);
    match kind {
        VIDEO => {
            body.skip(11);
            bitmap(body, builder);
        }
        AUDIO => wave(body, builder),
        _ => {}
    }
}
