//! Compares the container probe with ffprobe, on files that ffmpeg makes.
#![allow(clippy::panic, clippy::unwrap_used)]

use serde_json::Value;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;
use uploader_core::container::{Media, Probe};

const VIDEO: [&str; 4] = ["-f", "lavfi", "-i", "testsrc2=duration=1:size=192x108:rate=25"];
const AUDIO: [&str; 4] = ["-f", "lavfi", "-i", "sine=duration=1"];
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

/// Encodes video, audio or both.
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

fn probe(path: &Path) -> Option<Media> {
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

/// Compares a file's media with ffprobe's. `has_size` and `has_duration`: the probe finds them in this container.
fn compare(path: &Path, has_size: bool, has_duration: bool) -> Media {
    let media = probe(path).unwrap_or_else(|| panic!("{} is no video", path.display()));
    let output = run(
        "ffprobe",
        &["-v", "error", "-of", "json", "-show_streams", "-show_format", path.to_str().unwrap()],
    );
    let expected: Value = serde_json::from_slice(&output).unwrap();
    let streams = expected["streams"].as_array().unwrap();
    let video = streams.iter().find(|stream| stream["codec_type"] == "video").unwrap();
    let rotation = |side: &Value| side["rotation"].as_i64();
    let rotation =
        video["side_data_list"].as_array().and_then(|sides| sides.iter().find_map(rotation)).unwrap_or(0);
    assert_eq!(i64::from(media.rotation), (-rotation).rem_euclid(360), "{}", path.display());
    let mut size = [&video["width"], &video["height"]].map(|side| side.as_u64().map(|side| side as u32));
    if media.rotation % 180 == 90 {
        size.reverse();
    }
    assert_eq!([media.width, media.height], if has_size { size } else { [None; 2] }, "{}", path.display());
    let seconds: f64 = expected["format"]["duration"].as_str().unwrap_or("0").parse().unwrap();
    let difference_ms = media.duration_ms.map(|ms| (ms as f64 - seconds * 1000.0).abs());
    assert_eq!(
        difference_ms.is_some_and(|ms| ms < 120.0),
        has_duration,
        "{}: {media:?}, {seconds} s",
        path.display()
    );
    // Tracks of Ogg and RealMedia aren't counted.
    assert!([0, streams.len()].contains(&(media.tracks as usize)), "{}", path.display());
    media
}

fn codecs(media: &Media) -> (&str, &str) {
    (media.video_codec.as_deref().unwrap_or(""), media.audio_codec.as_deref().unwrap_or(""))
}

#[test]
fn mp4_and_related_containers_match_ffprobe() {
    let both = [VIDEO, AUDIO];
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
fn rotation_matches_ffprobe() {
    let landscape = make("landscape.mp4", &[VIDEO], H264);
    let landscape = landscape.to_str().unwrap();
    for degrees in ["90", "180", "270"] {
        let path = folder().join(format!("rotated-{degrees}.mov"));
        let out = path.to_str().unwrap();
        // The option's name depends on ffmpeg's version.
        let new = ["-display_rotation", degrees, "-i", landscape, "-c", "copy"];
        let old = ["-i", landscape, "-c", "copy", "-metadata:s:v:0", &format!("rotate={degrees}")];
        let is_rotated = [&new[..], &old[..]].iter().any(|args| {
            let status = Command::new("ffmpeg").args(["-v", "quiet", "-y"]).args(*args).arg(out).status();
            status.unwrap().success() && probe(&path).is_some_and(|media| media.rotation != 0)
        });
        assert!(is_rotated, "this ffmpeg writes no rotation");
        compare(&path, true, true);
    }
}

#[test]
fn other_containers_match_ffprobe() {
    let both = [VIDEO, AUDIO];
    for (name, options, encoder, mime, expected_codecs, has_duration) in [
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
            eprintln!("{name} is skipped: this ffmpeg has no {encoder}");
            continue;
        }
        let path = make(name, &both, options);
        let media = match mime {
            "video/mp2t" => compare(&path, false, has_duration),
            // Only the type is known.
            "video/mpeg" => probe(&path).unwrap(),
            _ => compare(&path, true, has_duration),
        };
        assert_eq!((media.mime, codecs(&media)), (mime, expected_codecs), "{name}");
    }
    let mxf = make("a.mxf", &[VIDEO], "-c:v mpeg2video");
    assert_eq!(probe(&mxf).unwrap().mime, "application/mxf");
}

#[test]
fn audio_and_images_are_no_video() {
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
        assert_eq!(probe(&make(name, &[AUDIO], options)), None, "{name}");
    }
    for (name, options) in [("a.png", "-frames:v 1"), ("a.jpg", "-frames:v 1"), ("a.gif", "-frames:v 3")] {
        assert_eq!(probe(&make(name, &[VIDEO], options)), None, "{name}");
    }
}
