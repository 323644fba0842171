//! RealMedia: chunks one after the other, the first of which are looked for by their marks (as its makers
//! described it in the Helix SDK).

use super::Draft;
use super::cursor::Cursor;

pub fn read<'a>(file: &mut Cursor<'a>, draft: &mut Draft<'a>) {
    let mut properties = file.after(b"PROP");
    properties.skip(26);
    draft.duration_ms = properties.be(4);
    if file.after(b".ra\xFD").found() {
        draft.audio(b"ra");
    }
    let mut video = file.after(b"VIDO");
    if video.found() {
        draft.video(video.bytes(4));
        (draft.width, draft.height) = (video.be16(), video.be16());
    }
    // Behind it there is no more to tell.
    draft.settled = file.after(b"DATA").found();
}
