//! Small files of each kind, built by hand, and random ones. Real files are tested in `tests/container.rs`.

use super::cursor::READ_SIZE;
use super::*;
use proptest::prelude::*;

/// A file of zeros with bytes at some places.
#[derive(Clone, Debug)]
struct Sparse {
    size: u64,
    pieces: Vec<(u64, Vec<u8>)>,
}

impl Sparse {
    fn read(&self, range: Range<u64>) -> Vec<u8> {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        for (at, piece) in &self.pieces {
            for (place, byte) in (*at..).zip(piece).filter(|(place, _)| range.contains(place)) {
                bytes[(place - range.start) as usize] = *byte;
            }
        }
        bytes
    }
}

/// Runs a probe to its end and checks its limits; returns the number of reads, too.
fn probe(file: &Sparse) -> (Option<Media>, u32) {
    let mut probe = Probe::new(file.size);
    let (mut reads, mut sum) = (0, 0);
    while let Some(range) = probe.next_range() {
        assert!(range.start < range.end && range.end <= file.size, "{range:?} of {}", file.size);
        assert!(range.end - range.start <= READ_SIZE);
        (reads, sum) = (reads + 1, sum + range.end - range.start);
        assert!(reads <= 64 && sum <= 2 << 20);
        probe.feed(&file.read(range));
    }
    (probe.media(), reads)
}

fn media(bytes: &[u8]) -> Option<Media> {
    probe(&Sparse { size: bytes.len() as u64, pieces: vec![(0, bytes.to_vec())] }).0
}

fn mime(bytes: &[u8]) -> Option<&'static str> {
    media(bytes).map(|media| media.mime)
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn boxed(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    joined(&[&(content.len() as u32 + 8).to_be_bytes(), name, content])
}

fn u32s(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

const ONE: u32 = 0x1_0000;
const UPRIGHT: [u32; 4] = [ONE, 0, 0, ONE];

fn hdlr(handler: &[u8; 4]) -> Vec<u8> {
    joined(&[&u32s(&[0, 0]), handler, &[0; 12]])
}

fn track(handler: &[u8; 4], codec: &[u8; 4], [a, b, c, d]: [u32; 4]) -> Vec<u8> {
    let tkhd =
        u32s(&[0, 0, 0, 1, 0, 7000, 0, 0, 0, 0, a, b, 0, c, d, 0, 0, 0, 1 << 30, 640 << 16, 360 << 16]);
    let mdhd = u32s(&[0, 0, 0, 1000, 7000, 0]);
    let entry = boxed(codec, &joined(&[&[0; 24], &[2, 128, 1, 104], &[0; 50]]));
    let stsd = boxed(b"stsd", &joined(&[&u32s(&[0, 1]), &entry]));
    let minf = boxed(b"minf", &boxed(b"stbl", &joined(&[&stsd, &boxed(b"stsz", &[0; 4000])])));
    let mdia = joined(&[&boxed(b"mdhd", &mdhd), &boxed(b"hdlr", &hdlr(handler)), &minf]);
    boxed(b"trak", &joined(&[&boxed(b"tkhd", &tkhd), &boxed(b"mdia", &mdia)]))
}

fn moov(tracks: &[Vec<u8>]) -> Vec<u8> {
    let mvhd = u32s(&[0, 0, 0, 600, 4500]);
    boxed(b"moov", &joined(&[&boxed(b"mvhd", &mvhd), &tracks.concat()]))
}

fn ftyp(brand: &[u8; 4]) -> Vec<u8> {
    boxed(b"ftyp", &joined(&[brand, &[0; 4], b"isom"]))
}

fn mp4(brand: &[u8; 4]) -> Vec<u8> {
    let tracks = [track(b"vide", b"avc1", UPRIGHT), track(b"soun", b"mp4a", UPRIGHT)];
    joined(&[&ftyp(brand), &moov(&tracks), &boxed(b"mdat", &[7; 100])])
}

fn sample_media() -> Media {
    Media {
        mime: "video/mp4",
        duration_ms: Some(7500),
        width: Some(640),
        height: Some(360),
        rotation: 0,
        video_codec: Some("avc1".into()),
        audio_codec: Some("mp4a".into()),
        tracks: 2,
        moov_first: Some(true),
    }
}

#[test]
fn mp4_type_depends_on_the_main_brand() {
    assert_eq!(media(&mp4(b"isom")), Some(sample_media()));
    for (brand, mime) in [
        (b"qt  ", "video/quicktime"),
        (b"M4V ", "video/x-m4v"),
        (b"M4VH", "video/x-m4v"),
        (b"3gp5", "video/3gpp"),
        (b"3g2a", "video/3gpp2"),
        (b"av01", "video/mp4"),
    ] {
        assert_eq!(media(&mp4(brand)), Some(Media { mime, ..sample_media() }));
    }
    assert_eq!(media(&mp4(b"M4A ")), None, "cover art is no video");
    assert_eq!(media(&joined(&[&ftyp(b"isom"), &moov(&[track(b"soun", b"mp4a", UPRIGHT)])])), None);
    assert_eq!(media(&joined(&[&ftyp(b"heic"), &boxed(b"meta", &[0; 40]), &boxed(b"mdat", &[0; 9])])), None);
}

#[test]
fn quicktime_without_ftyp_is_recognized() {
    let tracks = [track(b"vide", b"SVQ3", UPRIGHT)];
    let wide = joined(&[&boxed(b"wide", b""), &boxed(b"mdat", &[7; 100]), &moov(&tracks)]);
    let media = media(&wide).unwrap();
    assert_eq!((media.mime, media.moov_first), ("video/quicktime", Some(false)));
    assert_eq!(mime(&moov(&tracks)), Some("video/quicktime"));
    assert_eq!(mime(b"\0\0\0\0mdat and so on"), Some("video/quicktime"));
    assert_eq!(mime(b"I'm free to say what I like"), None);
}

#[test]
fn rotation_by_90_degrees_swaps_width_and_height() {
    let minus = 0u32.wrapping_sub(ONE);
    for (matrix, rotation, size) in [
        (UPRIGHT, 0, (640, 360)),
        ([0, ONE, minus, 0], 90, (360, 640)),
        ([minus, 0, 0, minus], 180, (640, 360)),
        ([0, minus, ONE, 0], 270, (360, 640)),
        ([minus, 0, 0, ONE], 0, (640, 360)),
    ] {
        let file = joined(&[&ftyp(b"qt  "), &moov(&[track(b"vide", b"hvc1", matrix)])]);
        let media = media(&file).unwrap();
        assert_eq!(media.rotation, rotation);
        assert_eq!((media.width, media.height), (Some(size.0), Some(size.1)));
    }
}

#[test]
fn boxes_with_64_bit_numbers_are_read() {
    let long = |name: &[u8; 4], content: &[u8]| {
        joined(&[&u32s(&[1]), name, &(content.len() as u64 + 16).to_be_bytes(), content])
    };
    let mvhd = joined(&[&u32s(&[1 << 24, 0, 0, 0, 0, 1000]), &6_000_000_000u64.to_be_bytes()]);
    let content = joined(&[&boxed(b"mvhd", &mvhd), &track(b"vide", b"avc1", UPRIGHT)]);
    let file = joined(&[&ftyp(b"isom"), &long(b"mdat", &[0; 50]), &long(b"moov", &content)]);
    assert_eq!(media(&file).unwrap().duration_ms, Some(6_000_000_000));
}

#[test]
fn duration_of_fragmented_mp4_is_in_mehd() {
    let fragmented = |mehd: &[u8]| {
        let mvhd = boxed(b"mvhd", &u32s(&[0, 0, 0, 1000, 0]));
        let mvex = boxed(b"mvex", &joined(&[mehd, &boxed(b"trex", &[0; 24])]));
        let file = joined(&[&ftyp(b"iso5"), &boxed(b"moov", &joined(&[&mvhd, &mvex]))]);
        media(&file).map(|media| media.duration_ms)
    };
    assert_eq!(fragmented(&boxed(b"mehd", &u32s(&[0, 2500]))), None, "no track, no video");
    let track = track(b"vide", b"avc1", UPRIGHT);
    let with = |mehd: &[u8]| fragmented(&joined(&[mehd, b""]));
    assert_eq!(with(b""), None);
    let mvhd = boxed(b"mvhd", &u32s(&[0, 0, 0, 1000, 0]));
    let mvex = boxed(b"mvex", &boxed(b"mehd", &u32s(&[0, 2500])));
    let file = joined(&[&ftyp(b"iso5"), &boxed(b"moov", &joined(&[&mvhd, &mvex, &track]))]);
    assert_eq!(media(&file).unwrap().duration_ms, Some(2500));
}

#[test]
fn time_scale_of_zero_leaves_the_duration_unknown() {
    for (second, length) in [(0, 0), (0, 4500), (600, u32::MAX)] {
        let mvhd = boxed(b"mvhd", &u32s(&[0, 0, 0, second, length]));
        let content = joined(&[&mvhd, &boxed(b"trak", &boxed(b"mdia", &boxed(b"hdlr", &hdlr(b"vide"))))]);
        let file = joined(&[&ftyp(b"isom"), &boxed(b"moov", &content)]);
        assert_eq!(media(&file).unwrap().duration_ms, None);
    }
}

#[test]
fn truncated_mp4_is_still_a_video() {
    let file = mp4(b"isom");
    for size in [24, 30, 40, 200, 1000, file.len() - 50] {
        assert_eq!(mime(&file[..size]), Some("video/mp4"), "{size}");
    }
    // Each read returns at most 60 bytes.
    let mut probe = Probe::new(1 << 40);
    while let Some(range) = probe.next_range() {
        let cut = file.get(range.start as usize..).unwrap_or_default();
        probe.feed(&cut[..cut.len().min(60)]);
    }
    assert_eq!(probe.media().map(|media| media.mime), Some("video/mp4"));
}

#[test]
fn file_of_40_gib_takes_three_reads() {
    let data = 40u64 << 30;
    let head = joined(&[&ftyp(b"isom"), &u32s(&[1]), b"mdat", &data.to_be_bytes()]);
    let behind = ftyp(b"isom").len() as u64 + data;
    let tail = moov(&[track(b"vide", b"avc1", UPRIGHT), track(b"soun", b"mp4a", UPRIGHT)]);
    let file = Sparse { size: behind + tail.len() as u64, pieces: vec![(0, head), (behind, tail)] };
    let (media, reads) = probe(&file);
    assert_eq!(media, Some(Media { moov_first: Some(false), ..sample_media() }));
    assert!(reads <= 3, "{reads}");
}

fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
    joined(&[id, &(content.len() as u64 | 1 << 56).to_be_bytes(), content])
}

fn matroska(doc_type: &[u8], kind: u8, endless: bool) -> Vec<u8> {
    let header = element(&[0x1A, 0x45, 0xDF, 0xA3], &element(&[0x42, 0x82], doc_type));
    let info = joined(&[
        &element(&[0x2A, 0xD7, 0xB1], &1_000_000u32.to_be_bytes()),
        &element(&[0x44, 0x89], &1234.5f64.to_be_bytes()),
    ]);
    let video = joined(&[&element(&[0xB0], &[2, 128]), &element(&[0xBA], &[1, 104])]);
    let track =
        joined(&[&element(&[0x83], &[kind]), &element(&[0x86], b"V_VP9\0"), &element(&[0xE0], &video)]);
    let content = joined(&[
        &element(&[0x15, 0x49, 0xA9, 0x66], &info),
        &element(&[0x16, 0x54, 0xAE, 0x6B], &element(&[0xAE], &track)),
        &element(&[0x1F, 0x43, 0xB6, 0x75], &[0; 100]),
    ]);
    let segment = [0x18, 0x53, 0x80, 0x67];
    let segment = if endless { joined(&[&segment, &[0xFF], &content]) } else { element(&segment, &content) };
    joined(&[&header, &segment])
}

#[test]
fn matroska_type_depends_on_the_doc_type() {
    for endless in [false, true] {
        let media = media(&matroska(b"webm", 1, endless)).unwrap();
        assert_eq!((media.mime, media.duration_ms), ("video/webm", Some(1234)));
        assert_eq!((media.width, media.height), (Some(640), Some(360)));
        assert_eq!(media.video_codec.as_deref(), Some("V_VP9"));
    }
    assert_eq!(mime(&matroska(b"matroska", 1, true)), Some("video/x-matroska"));
    assert_eq!(mime(&matroska(b"webm", 2, false)), None, "audio only");
    assert_eq!(mime(&matroska(b"other", 1, false)), None);
}

fn packets(kinds: &[u8], length: usize, lead: usize) -> Vec<u8> {
    let packet = |stream: u16, section: &[u8]| {
        let mut packet = vec![0xFF; length];
        packet[lead..lead + 4].copy_from_slice(&[0x47, 0x40 | (stream >> 8) as u8, stream as u8, 0x10]);
        packet[lead + 4..][..section.len()].copy_from_slice(section);
        packet
    };
    let streams: Vec<u8> = kinds.iter().flat_map(|kind| [*kind, 0xE1, 0, 0xF0, 0]).collect();
    let size = 13 + streams.len() as u8;
    let table = joined(&[&[0, 2, 0xB0, size, 0, 1, 0xC1, 0, 0, 0xE1, 0, 0xF0, 0], &streams, &[0; 4]]);
    let list = [0, 0, 0xB0, 13, 0, 1, 0xC1, 0, 0, 0, 1, 0xF0, 0, 1, 2, 3, 4];
    let other = packet(0x1FFF, b"");
    joined(&[&other, &packet(0, &list), &other, &packet(0x1000, &table), &other, &other])
}

#[test]
fn transport_stream_is_read_with_any_packet_length() {
    for (length, lead) in [(188, 0), (192, 4), (204, 0)] {
        let media = media(&packets(&[0x1B, 0x0F], length, lead)).unwrap();
        assert_eq!((media.mime, media.tracks), ("video/mp2t", 2));
        assert_eq!(
            (media.video_codec.as_deref(), media.audio_codec.as_deref()),
            (Some("avc1"), Some("mp4a"))
        );
        assert_eq!(mime(&packets(&[0x0F], length, lead)), None, "audio only");
        assert!(mime(&packets(&[0x0F, 0x06], length, lead)).is_some(), "an unknown stream may be video");
    }
    assert_eq!(mime(&[b'G'; 4000]), None);
}

#[test]
fn other_containers_are_recognized_by_their_first_bytes() {
    assert_eq!(mime(b"RIFF\xFF\0\0\0AVI LIST"), Some("video/x-msvideo"));
    assert_eq!(mime(b"FLV\x01\x05\0\0\0\x09\0\0\0\0"), Some("video/x-flv"));
    assert_eq!(mime(b"FLV\x01\x04\0\0\0\x09\0\0\0\0"), None, "audio only");
    assert_eq!(mime(b".RMF\0\0\0\x12\0\0\0\0\0\0\0\0\0\0"), Some("application/vnd.rn-realmedia"));
    assert_eq!(mime(b"\0\0\x01\xBA\x44\0\x04\0"), Some("video/mpeg"));
    assert_eq!(mime(b"\x06\x0E\x2B\x34\x02\x05\x01\x01\x0D\x01\x02\x01\x01\x02"), Some("application/mxf"));
    assert_eq!(mime(b"\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9"), Some("video/x-ms-wmv"));
}

#[test]
fn other_files_are_no_video() {
    for other in [
        &b""[..],
        b"\0",
        b"abc",
        b"ID3\x04\0\0\0\0\0\x23TSSE",
        b"\xFF\xFB\x90\x64\0\0\0\0\0",
        b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0",
        b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR\0\0\0\x10",
        b"GIF89a\x10\0\x10\0\xF7\0\0",
        b"\xFF\xD8\xFF\xE0\0\x10JFIF\0\x01",
        b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\n1 0 obj",
        b"PK\x03\x04\x14\0\0\0\x08\0",
        b"{\"moov\": \"mdat\", \"ftyp\": 1}",
        b"OggS\0\x02\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01\x02\x03\x04\x01\x1E\x01vorbis\0\0\0\0\x02",
        b"\x7FELF\x02\x01\x01\0\0\0\0\0\0\0\0\0",
    ] {
        assert_eq!(media(other), None, "{other:?}");
    }
}

/// One file of each kind that has a reader.
fn seeds() -> Vec<Vec<u8>> {
    vec![
        mp4(b"isom"),
        joined(&[
            &boxed(b"wide", b""),
            &boxed(b"mdat", &[7; 100]),
            &moov(&[track(b"vide", b"avc1", UPRIGHT)]),
        ]),
        matroska(b"webm", 1, false),
        matroska(b"matroska", 1, true),
        packets(&[0x1B, 0x0F], 188, 0),
        packets(&[0x1B, 0x0F], 192, 4),
        b"RIFF\xFF\0\0\0AVI LIST\x20\0\0\0hdrlLIST\x14\0\0\0strlstrh\x04\0\0\0vidsstrf\0\0\0\0".to_vec(),
        b"FLV\x01\x05\0\0\0\x09\0\0\0\0\x12\0\0\x10\0\0\0\0\0\0\0\0\x08duration\0AAAAAAAA".to_vec(),
        b"\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9\0\xAA\0b\xCEl\x40\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
        b".RMF\0\0\0\x12\0\0\0\0\0\0\0\0\0\0PROP\0\0\0\x20\0\0MDPR\0\0\0\x20".to_vec(),
    ]
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), size in 0u64..1 << 46) {
        media(&bytes);
        probe(&Sparse { size, pieces: vec![(0, bytes)] });
    }

    #[test]
    fn mutated_files_never_panic(
        seed in 0usize..10,
        changes in prop::collection::vec((0usize..8000, any::<u8>()), 0..20),
        size in 0u64..1 << 50,
        repeat in 0u64..1 << 20,
    ) {
        let mut bytes = seeds().swap_remove(seed);
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        media(&bytes);
        let pieces = (0..3).map(|n| (n * repeat, bytes.clone())).collect();
        probe(&Sparse { size, pieces });
    }

    #[test]
    fn short_reads_end_the_probe(seed in 0usize..10, max_bytes in 0usize..5000) {
        let bytes = seeds().swap_remove(seed);
        let mut probe = Probe::new(u64::MAX);
        let mut reads = 0;
        while let Some(range) = probe.next_range() {
            reads += 1;
            prop_assert!(reads <= 64);
            let there = bytes.get(range.start.min(9999) as usize..).unwrap_or_default();
            probe.feed(&there[..there.len().min(max_bytes)]);
        }
        probe.media();
    }
}

/// Nothing but empty boxes is the most work that a file can cause.
#[test]
fn file_of_empty_boxes_ends_the_probe_within_its_limits() {
    let nothing = boxed(b"free", b"").repeat((3 << 20) / 8);
    let (media, reads) = probe(&Sparse { size: nothing.len() as u64, pieces: vec![(0, nothing)] });
    assert_eq!(media.map(|media| media.mime), Some("video/quicktime"));
    assert!(reads <= 64);
}
