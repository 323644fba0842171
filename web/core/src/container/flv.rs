//! FLV: a header, then `onMetaData`, a list of names and values (Adobe's FLV specification).
//!
//! The names are searched for: writers differ in what surrounds the list.

use super::cursor::Cursor;
use super::{MediaBuilder, codec};

const VIDEO_CODECS: &[[u8; 5]] = &[*b"\x02h263", *b"\x04vp6f", *b"\x07avc1", *b"\x0Chvc1"];
const AUDIO_CODECS: &[[u8; 5]] = &[*b"\x02mp3 ", *b"\x0Amp4a"];

pub fn read<'a>(file: &mut Cursor<'a>, builder: &mut MediaBuilder<'a>) {
    let value = |name: &[u8]| f64::from_bits(file.after(name).be(8));
    builder.duration_ms = (value(b"\x08duration\0") * 1000.0) as u64;
    builder.width = value(b"\x05width\0") as u32;
    builder.height = value(b"\x06height\0") as u32;
    builder.video_codec = codec(VIDEO_CODECS, value(b"\x0Cvideocodecid\0") as u8);
    builder.audio_codec = codec(AUDIO_CODECS, value(b"\x0Caudiocodecid\0") as u8);
    file.skip(4);
    let flags = file.be8();
    builder.tracks = ((flags & 1) + (flags >> 2 & 1)).into();
    // Recordings of live streams have no flags.
    builder.tracks_complete = flags != 0;
    builder.has_video = flags & 1 == 1 || builder.width > 0;
}
