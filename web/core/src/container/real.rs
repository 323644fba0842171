//! RealMedia: chunks one after the other, the first of which are looked for by their marks (as its makers
//! described it in the Helix SDK).

use super::MediaBuilder;
use super::cursor::Cursor;

pub fn read<'a>(file: &mut Cursor<'a>, builder: &mut MediaBuilder<'a>) {
    let mut properties = file.after(b"PROP");
    properties.skip(26);
    builder.duration_ms = properties.be(4);
    if file.after(b".ra\xFD").is_found() {
        builder.add_audio(b"ra");
    }
    let mut video = file.after(b"VIDO");
    if video.is_found() {
        builder.add_video(video.bytes(4));
        (builder.width, builder.height) = (video.be16(), video.be16());
    }
    // Behind it there is no more to tell.
    builder.tracks_complete = file.after(b"DATA").is_found();
}
