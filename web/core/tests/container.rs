//! What the look says of real files, beside what ffprobe says. Makes them with ffmpeg.
#![allow(clippy::panic, clippy::unwrap_used)]

use serde_json::Value;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;
use uploader_core::container::{Media, Probe};

const PICTURES: [&str; 4] = ["-f", "lavfi", "-i", "testsrc2=duration=1:size=192x108:rate=25"];
const SOUND: [&str; 4] = ["-f", "lavfi", "-i", "sine=duration=1"];
const H264: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac";

fn run(program: &str, args: &[&str]) -> Vec<u8> {
    let out = Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("container");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Encodes pictures, sound or both.
fn make(name: &str, inputs: &[[&str; 4]], options: &str) -> PathBuf {
    let path = folder().join(name);
    let mut args = vec!["-v", "error", "-y"];
    args.extend(inputs.iter().flatten());
    args.extend(options.split_whitespace());
    args.push(path.to_str().unwrap());
    run("ffmpeg", &args);
    path
}

fn encodes(codec: &str) -> bool {
    String::from_utf8_lossy(&run("ffmpeg", &["-v", "error", "-encoders"])).contains(&format!(" {codec} "))
}

fn look(path: &Path) -> Option<Media> {
    let mut file = File::open(path).unwrap();
    let mut probe = Probe::new(file.metadata().unwrap().len());
    while let Some(range) = probe.next_range() {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        file.seek(SeekFrom::Start(range.start)).unwrap();
        file.read_exact(&mut bytes).unwrap();
        probe.feed(&bytes);
    }
    probe.media()
}

/// Compares with ffprobe; `sized` and `timed` where the format is read that far.
fn compare(path: &Path, sized: bool, timed: bool) -> Media {
    let media = look(path).unwrap_or_else(|| panic!("{} is no video", path.display()));
    let told = run(
        "ffprobe",
        &["-v", "error", "-of", "json", "-show_streams", "-show_format", path.to_str().unwrap()],
    );
    let told: Value = serde_json::from_slice(&told).unwrap();
    let streams = told["streams"].as_array().unwrap();
    let video = streams.iter().find(|stream| stream["codec_type"] == "video").unwrap();
    let turn = |side: &Value| side["rotation"].as_i64();
    let turned =
        video["side_data_list"].as_array().and_then(|sides| sides.iter().find_map(turn)).unwrap_or(0);
    assert_eq!(i64::from(media.rotation), (-turned).rem_euclid(360), "{}", path.display());
    let mut size = [&video["width"], &video["height"]].map(|side| side.as_u64().map(|side| side as u32));
    if media.rotation % 180 == 90 {
        size.reverse();
    }
    assert_eq!([media.width, media.height], if sized { size } else { [None; 2] }, "{}", path.display());
    let seconds: f64 = told["format"]["duration"].as_str().unwrap_or("0").parse().unwrap();
    let apart = media.duration_ms.map(|ms| (ms as f64 - seconds * 1000.0).abs());
    assert_eq!(apart.is_some_and(|ms| ms < 120.0), timed, "{}: {media:?}, {seconds} s", path.display());
    // Those of Ogg and RealMedia aren't counted.
    assert!([0, streams.len()].contains(&(media.tracks as usize)), "{}", path.display());
    media
}

fn codecs(media: &Media) -> (&str, &str) {
    (media.video_codec.as_deref().unwrap_or(""), media.audio_codec.as_deref().unwrap_or(""))
}

#[test]
fn mp4_and_kin() {
    let both = [PICTURES, SOUND];
    for (name, options, mime, first) in [
        ("behind.mp4", "", "video/mp4", false),
        ("before.mp4", "-movflags +faststart", "video/mp4", true),
        ("apple.m4v", "-f ipod", "video/x-m4v", false),
        ("phone.3gp", "", "video/3gpp", false),
        ("old.mov", "", "video/quicktime", false),
    ] {
        let media = compare(&make(name, &both, &format!("{H264} {options}")), true, true);
        assert_eq!((media.mime, media.moov_first), (mime, Some(first)), "{name}");
        assert_eq!(codecs(&media), ("avc1", "mp4a"), "{name}");
    }
    let fragmented = make("pieces.mp4", &both, &format!("{H264} -movflags +frag_keyframe+empty_moov"));
    let media = compare(&fragmented, true, false);
    assert_eq!((media.moov_first, media.duration_ms), (Some(true), None));
}

#[test]
fn a_phone_held_upright() {
    let lying = make("lying.mp4", &[PICTURES], H264);
    let lying = lying.to_str().unwrap();
    for turn in ["90", "180", "270"] {
        let path = folder().join(format!("turned-{turn}.mov"));
        let out = path.to_str().unwrap();
        // ffmpeg has renamed this option; whichever it knows.
        let new = ["-display_rotation", turn, "-i", lying, "-c", "copy"];
        let old = ["-i", lying, "-c", "copy", "-metadata:s:v:0", &format!("rotate={turn}")];
        let turned = [&new[..], &old[..]].iter().any(|way| {
            let status = Command::new("ffmpeg").args(["-v", "quiet", "-y"]).args(*way).arg(out).status();
            status.unwrap().success() && look(&path).is_some_and(|media| media.rotation != 0)
        });
        assert!(turned, "this ffmpeg writes no rotation");
        compare(&path, true, true);
    }
}

#[test]
fn all_the_others() {
    let both = [PICTURES, SOUND];
    for (name, options, encoder, mime, names, timed) in [
        ("a.mkv", H264, "libx264", "video/x-matroska", ("V_MPEG4/ISO/AVC", "A_AAC"), true),
        ("a.webm", "-c:v libvpx -c:a libvorbis", "libvpx", "video/webm", ("V_VP8", "A_VORBIS"), true),
        ("a.avi", "-c:v mpeg4 -c:a libmp3lame", "mpeg4", "video/x-msvideo", ("FMP4", "mp3 "), true),
        ("a.ts", H264, "libx264", "video/mp2t", ("avc1", "mp4a"), true),
        (
            "a.m2ts",
            "-c:v libx264 -preset ultrafast -c:a ac3",
            "libx264",
            "video/mp2t",
            ("avc1", "ac-3"),
            true,
        ),
        ("a.flv", H264, "libx264", "video/x-flv", ("avc1", "mp4a"), true),
        ("a.wmv", "-c:v wmv2 -c:a wmav2", "wmv2", "video/x-ms-wmv", ("WMV2", "wave"), true),
        ("a.mpg", "-c:v mpeg1video -c:a mp2", "mpeg1video", "video/mpeg", ("", ""), false),
        ("a.vob", "-c:v mpeg2video -c:a mp2", "mpeg2video", "video/mpeg", ("", ""), false),
        ("a.ogv", "-c:v libtheora -c:a libvorbis", "libtheora", "video/ogg", ("theora", "vorbis"), false),
        (
            "a.rm",
            "-s 176x144 -c:v rv20 -c:a ac3",
            "rv20",
            "application/vnd.rn-realmedia",
            ("RV20", "ra"),
            true,
        ),
    ] {
        if !encodes(encoder) {
            eprintln!("{name} is left out: this ffmpeg has no {encoder}");
            continue;
        }
        let path = make(name, &both, options);
        let media = match mime {
            "video/mp2t" => compare(&path, false, timed),
            // Only its mark is read.
            "video/mpeg" => look(&path).unwrap(),
            _ => compare(&path, true, timed),
        };
        assert_eq!((media.mime, codecs(&media)), (mime, names), "{name}");
    }
    let mxf = make("a.mxf", &[PICTURES], "-c:v mpeg2video");
    assert_eq!(look(&mxf).unwrap().mime, "application/mxf");
}

#[test]
fn what_is_no_video() {
    for (name, options) in [
        ("a.m4a", "-c:a aac"),
        ("sound.mp4", "-c:a aac"),
        ("a.mp3", "-c:a libmp3lame"),
        ("a.wav", ""),
        ("a.ogg", "-c:a libvorbis"),
        ("a.mka", "-c:a libvorbis"),
        ("sound.webm", "-c:a libvorbis"),
        ("a.wma", "-c:a wmav2"),
        ("sound.flv", "-c:a aac"),
        ("sound.ts", "-c:a aac"),
    ] {
        assert_eq!(look(&make(name, &[SOUND], options)), None, "{name}");
    }
    for (name, options) in [("a.png", "-frames:v 1"), ("a.jpg", "-frames:v 1"), ("a.gif", "-frames:v 3")] {
        assert_eq!(look(&make(name, &[PICTURES], options)), None, "{name}");
    }
}
