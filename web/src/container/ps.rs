//! MPEG program streams and bare MPEG video: start codes (ISO/IEC 11172-1, 13818-1).

use super::Draft;
use super::cursor::Cursor;

#[inline(never)]
pub fn read(file: &mut Cursor, draft: &mut Draft) {
    draft.mime = "video/mpeg";
    // A pack begins with 01 in MPEG-2, with 0010 in MPEG-1.
    file.skip(4);
    draft.video = if file.be8() >> 6 == 1 { b"mp2v" } else { b"mp1v" };
    let mut file = file.clone();
    file.find(b"\0\0\x01\xB3");
    let size = file.be(3) as u32;
    (draft.width, draft.height) = (size >> 12, size & 0xFFF);
}
