//! The container probe: for any bytes it ends within its limits, requests only ranges of the file, and returns only
//! possible values.
#![no_main]

use libfuzzer_sys::fuzz_target;
use uploader_core::container::Probe;

// The first byte chooses the file: the other bytes alone, or their halves at the start and the end of a larger file of
// zeros; and whether a read is short.
fuzz_target!(|data: &[u8]| {
    let Some((mode, bytes)) = data.split_first() else { return };
    let gap = match mode & 7 {
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
    let is_short = mode & 8 != 0;
    let mut probe = Probe::new(size);
    let (mut reads, mut sum) = (0, 0);
    while let Some(range) = probe.next_range() {
        assert!(range.start < range.end && range.end <= size);
        let len = range.end - range.start;
        reads += 1;
        sum += len;
        assert!(reads <= 64 && sum <= 2 << 20 && len <= 32 << 10);
        let read = if is_short && reads == 2 { len / 2 } else { len };
        probe.feed(&(range.start..range.start + read).map(byte).collect::<Vec<_>>());
    }
    let Some(media) = probe.media() else { return };
    assert!(!media.mime.is_empty() && [0, 90, 180, 270].contains(&media.rotation));
    assert!(media.duration_ms != Some(0) && media.width != Some(0) && media.height != Some(0));
    for codec in [media.video_codec, media.audio_codec].into_iter().flatten() {
        assert!((1..=32).contains(&codec.len()) && codec.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }
});
