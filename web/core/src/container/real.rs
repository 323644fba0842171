//! RealMedia: a sequence of chunks, found by their marks (Helix SDK).

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
    // The headers end there.
    builder.tracks_complete = file.after(b"DATA").is_found();
}
