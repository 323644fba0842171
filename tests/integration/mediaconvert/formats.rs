//! Groups, containers and codecs beyond those of job.json, in few jobs with tiny inputs.

use super::fixture::{Fixture, encode, ffprobe_path};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A clip of 4 s with sound, 160×90.
async fn tiny_clip() -> Vec<u8> {
    let args = "-f lavfi -i testsrc2=s=160x90:r=10:d=4 -f lavfi -i sine=d=4 -metadata:s:a:0 language=eng \
                -c:v libx264 -preset ultrafast -c:a aac";
    encode(args, "mp4").await
}

fn video(codec: &str, member: &str, settings: Value) -> Value {
    json!({"Height": 90, "CodecSettings": {"Codec": codec, member: settings}})
}

fn h264() -> Value {
    let settings =
        json!({"RateControlMode": "QVBR", "MaxBitrate": 300_000, "GopSize": 2, "GopSizeUnits": "SECONDS"});
    video("H_264", "H264Settings", settings)
}

fn audio(codec: &str) -> Value {
    json!([{"CodecSettings": {"Codec": codec}}])
}

fn group(kind: &str, member: &str, settings: Value, outputs: Value) -> Value {
    json!({"OutputGroupSettings": {"Type": kind, member: settings}, "Outputs": outputs})
}

/// ffprobe's codecs of a playlist, manifest or file, sorted.
async fn codecs(path: PathBuf) -> Vec<String> {
    let mut codecs: Vec<_> =
        ffprobe_path(&path, &["codec_name"]).await.into_iter().map(|mut fields| fields.remove(0)).collect();
    codecs.sort();
    codecs.dedup();
    codecs
}

#[tokio::test]
async fn every_group_and_codec_can_be_played() {
    let mut fixture = Fixture::new().await;
    let input = fixture.put_input("inputs/tiny.mp4", tiny_clip().await).await;
    let srt = "1\n00:00:00,500 --> 00:00:01,500\nHello\n\n2\n00:00:02,500 --> 00:00:03,500\nAgain\n";
    let captions = fixture.put_input("inputs/tiny.srt", srt.into()).await;
    let hls_settings = json!({
        "Destination": "s3://media/hls/", "SegmentLength": 2, "DirectoryStructure": "SUBDIRECTORY_PER_STREAM",
        "ProgramDateTime": "INCLUDE", "ProgramDateTimePeriod": 2,
    });
    let alternate =
        json!({"HlsSettings": {"AudioGroupId": "aud", "AudioTrackType": "ALTERNATE_AUDIO_AUTO_SELECT"}});
    let hls = json!([
        {"NameModifier": "_v", "VideoDescription": h264(), "OutputSettings": {"HlsSettings": {"AudioRenditionSets": "aud"}}},
        {"NameModifier": "_a", "AudioDescriptions": audio("AAC"), "OutputSettings": alternate},
        {"NameModifier": "_c", "CaptionDescriptions": [{
            "CaptionSelectorName": "srt", "LanguageCode": "ENG",
            "DestinationSettings": {"DestinationType": "WEBVTT", "WebvttDestinationSettings": {}},
        }]},
    ]);
    let key = json!({
        "Type": "STATIC_KEY", "EncryptionMethod": "AES128",
        "StaticKeyProvider": {"StaticKeyValue": "000102030405060708090a0b0c0d0e0f", "Url": "https://keys.test/k"},
    });
    let encrypted_settings =
        json!({"Destination": "s3://media/encrypted/", "SegmentLength": 2, "Encryption": key});
    let muxed =
        json!([{"NameModifier": "_m", "VideoDescription": h264(), "AudioDescriptions": audio("AAC")}]);
    let cmaf = json!([
        {"NameModifier": "_v", "VideoDescription": h264()},
        {"NameModifier": "_a", "AudioDescriptions": audio("AAC")},
    ]);
    let vp9 = video("VP9", "Vp9Settings", json!({"Bitrate": 200_000, "GopSize": 20}));
    let h265 = video("H_265", "H265Settings", json!({"RateControlMode": "QVBR", "MaxBitrate": 200_000}));
    let files = json!([
        {"NameModifier": "_265", "VideoDescription": h265, "AudioDescriptions": audio("AAC")},
        {"NameModifier": "_vp9", "VideoDescription": vp9, "AudioDescriptions": audio("OPUS"),
         "ContainerSettings": {"Container": "WEBM"}},
        {"NameModifier": "_mov", "VideoDescription": h264(), "AudioDescriptions": audio("PASSTHROUGH"),
         "ContainerSettings": {"Container": "MOV"}},
    ]);
    let settings = json!({
        "Inputs": [{
            "FileInput": input, "AudioSelectors": {"Audio Selector 1": {"DefaultSelection": "DEFAULT"}},
            "CaptionSelectors": {"srt": {"SourceSettings": {
                "SourceType": "SRT", "FileSourceSettings": {"SourceFile": captions},
            }}},
        }],
        "OutputGroups": [
            group("HLS_GROUP_SETTINGS", "HlsGroupSettings", hls_settings, hls),
            group("HLS_GROUP_SETTINGS", "HlsGroupSettings", encrypted_settings, muxed.clone()),
            group("CMAF_GROUP_SETTINGS", "CmafGroupSettings", json!({"Destination": "s3://media/cmaf/", "SegmentLength": 2}), cmaf),
            group("DASH_ISO_GROUP_SETTINGS", "DashIsoGroupSettings",
                json!({"Destination": "s3://media/dash/", "SegmentLength": 2, "SegmentControl": "SINGLE_FILE"}), muxed),
            group("FILE_GROUP_SETTINGS", "FileGroupSettings", json!({"Destination": "s3://media/file/"}), files),
        ],
    });
    let job = fixture.create_job_of(&settings).await;
    let end = fixture.final_detail(&job).await;
    assert_eq!(end["status"], "COMPLETE", "{end}");
    let kinds: Vec<_> =
        end["outputGroupDetails"].as_array().unwrap().iter().map(|g| g["type"].clone()).collect();
    assert_eq!(kinds, ["HLS_GROUP", "HLS_GROUP", "CMAF_GROUP", "DASH_ISO_GROUP", "FILE_GROUP"]);
    assert_eq!(
        end["outputGroupDetails"][2]["playlistFilePaths"],
        json!(["s3://media/cmaf/tiny.m3u8", "s3://media/cmaf/tiny.mpd"])
    );

    let folder = fixture.download().await;
    let path = |name: &str| folder.path().join(name);
    for (name, expected) in [
        ("hls/tiny_v.m3u8", &["h264"][..]),
        ("hls/tiny_a.m3u8", &["aac"]),
        ("hls/tiny_v/tiny_v_00002.ts", &["h264"]),
        ("cmaf/tiny_v.m3u8", &["h264"]),
        ("cmaf/tiny.mpd", &["aac", "h264"]),
        ("dash/tiny_m_video.mp4", &["h264"]),
        ("dash/tiny_m_audio.mp4", &["aac"]),
        ("file/tiny_265.mp4", &["aac", "hevc"]),
        ("file/tiny_vp9.webm", &["opus", "vp9"]),
        ("file/tiny_mov.mov", &["aac", "h264"]),
    ] {
        assert_eq!(codecs(path(name)).await, expected, "{name}");
    }
    for name in [
        "cmaf/tiny_vinit.cmfv",
        "cmaf/tiny_v_000000001.cmfv",
        "cmaf/tiny_ainit.cmfa",
        "dash/tiny_m_video.mp4",
    ] {
        assert!(path(name).exists(), "{name}");
    }
    // ffprobe doesn't end on ranges of local files, so the manifest of single files is compared with them.
    let size = std::fs::metadata(path("dash/tiny_m_video.mp4")).unwrap().len();
    let mpd = text(&path("dash/tiny.mpd"));
    assert!(mpd.contains("<Initialization sourceURL=\"tiny_m_video.mp4\" range=\"0-"), "{mpd}");
    assert!(mpd.contains(&format!("-{}\"/>\n        </SegmentList>", size - 1)), "{mpd}");
    let tags = ffprobe_path(&path("file/tiny_265.mp4"), &["codec_tag_string"]).await;
    assert_eq!(tags[0], ["hvc1"]);
    let master = text(&path("hls/tiny.m3u8"));
    for line in [
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aud\",NAME=\"eng\",LANGUAGE=\"eng\",DEFAULT=NO,AUTOSELECT=YES",
        "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subs\",NAME=\"eng\",LANGUAGE=\"eng\",DEFAULT=YES",
        ",AUDIO=\"aud\",SUBTITLES=\"subs\"\ntiny_v.m3u8\n",
    ] {
        assert!(master.contains(line), "{line} in {master}");
    }
    assert_eq!(text(&path("hls/tiny_v.m3u8")).matches("#EXT-X-PROGRAM-DATE-TIME:").count(), 2);
    let captions = text(&path("hls/tiny_c_00002.vtt"));
    assert!(captions.contains("X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:90000"), "{captions}");
    assert!(captions.contains("Again") && !captions.contains("Hello"), "{captions}");
    check_timestamps(&folder.path().join("hls")).await;
    check_encryption(&folder.path().join("encrypted"));
}

/// Audio in segments of its own has the video's timestamps; only the encoder's first samples are before it.
async fn check_timestamps(folder: &Path) {
    let start = async |name: &str| {
        let fields = ffprobe_path(&folder.join(name), &["start_time"]).await;
        fields[0][0].parse::<f64>().unwrap()
    };
    let (video, audio) = (start("tiny_v/tiny_v_00001.ts").await, start("tiny_a/tiny_a_00001.ts").await);
    assert!((video - 1.0).abs() < 0.001 && (audio - video).abs() < 0.05, "{video} {audio}");
}

/// Segments aren't readable as they are, and the playlist names the key's address, not the key.
fn check_encryption(folder: &Path) {
    let playlist = text(&folder.join("tiny_m.m3u8"));
    let key = "#EXT-X-KEY:METHOD=AES-128,URI=\"https://keys.test/k\",IV=0x00000000000000000000000000000000\n";
    assert!(playlist.contains(key) && !playlist.contains("0001020304"), "{playlist}");
    let segment = std::fs::read(folder.join("tiny_m_00001.ts")).unwrap();
    assert!(segment.len().is_multiple_of(16) && segment[0] != b'G');
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A crop, a place in the picture, clips, an image and captions in the picture.
#[tokio::test]
async fn picture_is_edited_as_the_settings_say() {
    let mut fixture = Fixture::new().await;
    // Left half red, right half blue; 2 s.
    let halves = "-f lavfi -i color=red:s=80x90:r=10:d=2 -f lavfi -i color=blue:s=80x90:r=10:d=2 \
                  -filter_complex hstack -c:v libx264 -preset ultrafast";
    let input = fixture.put_input("inputs/halves.mp4", encode(halves, "mp4").await).await;
    let image = encode("-f lavfi -i color=lime:s=16x16 -frames:v 1", "png").await;
    let image = fixture.put_input("inputs/dot.png", image).await;
    let mut description = h264();
    description["Width"] = json!(90);
    description["Height"] = json!(160);
    description["ScalingBehavior"] = json!("STRETCH_TO_OUTPUT");
    description["Crop"] = json!({"X": 80, "Y": 0, "Width": 80, "Height": 90});
    description["Position"] = json!({"X": 0, "Y": 80, "Width": 90, "Height": 80});
    description["VideoPreprocessors"] = json!({"ImageInserter": {"InsertableImages": [
        {"ImageInserterInput": image, "ImageX": 10, "ImageY": 10, "Layer": 0, "Opacity": 100},
    ]}});
    let clipping = json!([{"StartTimecode": "00:00:00:05", "EndTimecode": "00:00:01:00"}]);
    let settings = json!({
        "Inputs": [
            {"FileInput": input, "TimecodeSource": "ZEROBASED", "InputClippings": clipping, "VideoSelector": {}},
            {"FileInput": input},
        ],
        "OutputGroups": [group("FILE_GROUP_SETTINGS", "FileGroupSettings",
            json!({"Destination": "s3://media/$fn$"}), json!([{"NameModifier": "_$w$x$h$", "VideoDescription": description}]))],
    });
    let job = fixture.create_job_of(&settings).await;
    let end = fixture.final_detail(&job).await;
    assert_eq!(end["status"], "COMPLETE", "{end}");
    let folder = fixture.download().await;
    let path = folder.path().join("halves_90x160.mp4");
    let fields = ffprobe_path(&path, &["width", "height", "duration"]).await;
    assert_eq!(fields[0], ["90", "160", "2.500000"]);
    let pixels =
        encode(&format!("-ss 1 -i {} -frames:v 1 -pix_fmt rgb24 -f rawvideo", path.display()), "raw").await;
    let pixel = |x: usize, y: usize| {
        let start = (y * 90 + x) * 3;
        pixels[start..start + 3].iter().map(|value| *value > 100).collect::<Vec<_>>()
    };
    assert_eq!(pixel(60, 120), [false, false, true], "the right half, in its place");
    assert_eq!(pixel(60, 40), [false, false, false], "black elsewhere");
    assert_eq!(pixel(18, 18), [false, true, false], "the image");
}
