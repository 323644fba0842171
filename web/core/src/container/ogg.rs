//! Ogg: the first pages, one for each stream, tell what they carry (RFC 3533; the Theora specification).

use super::Draft;
use super::cursor::Cursor;

pub fn read<'a>(file: &mut Cursor<'a>, draft: &mut Draft<'a>) {
    // Most files of this kind are music, so what isn't known isn't a video.
    draft.settled = true;
    let mut theora = file.after(b"\x80theora");
    let mut other = file.after(b"\x01video\0\0\0");
    if theora.found() {
        draft.video(b"theora");
        theora.skip(7);
        (draft.width, draft.height) = (theora.be(3) as u32, theora.be(3) as u32);
    } else if other.found() {
        draft.video(other.bytes(4));
    }
    if file.after(b"\x01vorbis").found() {
        draft.audio(b"vorbis");
    } else if file.after(b"OpusHead").found() {
        draft.audio(b"opus");
    }
}
