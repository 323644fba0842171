//! The look at a file: whatever the bytes, it ends, keeps its limits, wants only what is in the file, and
//! tells nothing that can't be.
#![no_main]

use libfuzzer_sys::fuzz_target;
use uploader_core::container::Look;

// The first byte says how the rest is a file: the whole of it, or the start and the end of a larger one with
// zeros between; and whether reads come short.
fuzz_target!(|data: &[u8]| {
    let Some((how, bytes)) = data.split_first() else { return };
    let gap = match how & 7 {
        0..=3 => 0,
        4 => 1 << 16,
        5 => 1 << 30,
        6 => 40 << 30,
        _ => (50u64 << 40) - bytes.len() as u64,
    };
    let middle = bytes.len() / 2;
    let size = bytes.len() as u64 + gap;
    let byte = |at: u64| match at.checked_sub(gap) {
        _ if at < middle as u64 => bytes[at as usize],
        Some(at) if at >= middle as u64 => bytes[at as usize],
        _ => 0,
    };
    let short = how & 8 != 0;
    let mut look = Look::new(size);
    let (mut reads, mut sum) = (0, 0);
    while let Some(range) = look.wants() {
        assert!(range.start < range.end && range.end <= size);
        reads += 1;
        sum += range.end - range.start;
        assert!(reads <= 64 && sum <= 2 << 20 && range.end - range.start <= 256 << 10);
        let given = if short && reads == 2 { (range.end - range.start) / 2 } else { range.end - range.start };
        look.take(&(range.start..range.start + given).map(byte).collect::<Vec<_>>());
    }
    assert!(look.wants().is_none());
    let Some(media) = look.media() else { return };
    assert!(!media.mime.is_empty() && [0, 90, 180, 270].contains(&media.rotation));
    assert!(media.duration_ms != Some(0) && media.width != Some(0) && media.height != Some(0));
    for codec in [media.video, media.audio].into_iter().flatten() {
        assert!((1..=32).contains(&codec.len()) && codec.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }
});
