//! Ogg: the first pages, one for each stream, contain the codecs (RFC 3533; the Theora specification).

use super::MediaBuilder;
use super::cursor::Cursor;

pub fn read<'a>(file: &mut Cursor<'a>, builder: &mut MediaBuilder<'a>) {
    // Most Ogg files are music, so an unknown codec counts as audio.
    builder.tracks_complete = true;
    let mut theora = file.after(b"\x80theora");
    let mut other = file.after(b"\x01video\0\0\0");
    if theora.is_found() {
        builder.add_video(b"theora");
        theora.skip(7);
        (builder.width, builder.height) = (theora.be(3) as u32, theora.be(3) as u32);
    } else if other.is_found() {
        builder.add_video(other.bytes(4));
    }
    if file.after(b"\x01vorbis").is_found() {
        builder.add_audio(b"vorbis");
    } else if file.after(b"OpusHead").is_found() {
        builder.add_audio(b"opus");
    }
}
