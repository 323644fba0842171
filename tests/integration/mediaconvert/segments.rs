//! Segments that are stored before the job has ended, and what is left of jobs that don't complete.

use super::fixture::{Fixture, clip, encode, ffprobe_path};
use serde_json::{Value, json};

/// HLS, CMAF and DASH with segments of 2 s; a slow encoder, so that there is something to see while the job runs.
fn settings(input: &str) -> Value {
    let codec = |max_bitrate: u32| {
        json!({"Codec": "H_264", "H264Settings": {
            "RateControlMode": "QVBR", "MaxBitrate": max_bitrate, "GopSize": 1, "GopSizeUnits": "SECONDS",
            "QualityTuningLevel": "MULTI_PASS_HQ",
        }})
    };
    let video = |modifier: &str, height: u32, max_bitrate: u32| json!({"NameModifier": modifier, "VideoDescription": {"Height": height, "CodecSettings": codec(max_bitrate)}});
    let group = |kind: &str, member: &str, name: &str, outputs: Value| {
        json!({
            "OutputGroupSettings": {"Type": kind, member: {
                "Destination": format!("s3://media/{name}/film"), "SegmentLength": 2,
            }},
            "Outputs": outputs,
        })
    };
    let both = json!([video("_a", 360, 900_000), video("_b", 720, 3_000_000)]);
    let one = json!([video("_b", 720, 3_000_000)]);
    json!({
        "Inputs": [{"FileInput": input}],
        "OutputGroups": [
            group("HLS_GROUP_SETTINGS", "HlsGroupSettings", "hls", both),
            group("CMAF_GROUP_SETTINGS", "CmafGroupSettings", "cmaf", one.clone()),
            group("DASH_ISO_GROUP_SETTINGS", "DashIsoGroupSettings", "dash", one),
        ],
    })
}

fn has(keys: &[String], key: &str) -> bool {
    keys.iter().any(|known| known == key)
}

#[tokio::test]
async fn running_job_can_be_played_and_leaves_nothing_when_canceled() {
    let mut fixture = Fixture::new().await;
    let input = fixture.put_input("inputs/film.mp4", clip("1280x720", 30, 60, false).await).await;
    let job = fixture.create_job_of(&settings(&input)).await;
    let masters = ["hls/film.m3u8", "cmaf/film.m3u8"];
    let dash = "dash/film_b_000000001.mp4";
    fixture.wait_for_keys(|keys| masters.iter().all(|key| has(keys, key)) && has(keys, dash)).await;
    let folder = fixture.download().await;
    assert_eq!(fixture.boto3(&["get", &job]).await["Status"], "PROGRESSING", "slow enough");

    // Both renditions with what is known: sizes and codecs, and rates that no segment will exceed.
    let master = std::fs::read_to_string(folder.path().join("hls/film.m3u8")).unwrap();
    for expected in ["RESOLUTION=640x360,CODECS=\"avc1.", "RESOLUTION=1280x720", "BANDWIDTH=3300000"] {
        assert!(master.contains(expected), "{expected} in {master}");
    }
    for name in ["hls/film_a.m3u8", "hls/film_b.m3u8", "cmaf/film_b.m3u8"] {
        let path = folder.path().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("#EXT-X-TARGETDURATION:2\n") && text.contains("TYPE:EVENT\n"), "{text}");
        assert!(!text.contains("#EXT-X-ENDLIST"), "{text}");
        // Every listed segment is there, also one that has come since the bucket was listed.
        let folder = name.split('/').next().unwrap();
        for segment in text.lines().filter(|line| !line.starts_with('#')) {
            let bytes = fixture.output(&format!("{folder}/{segment}")).await;
            std::fs::write(path.with_file_name(segment), bytes).unwrap();
        }
        // The end is added, as ffprobe waits for more segments.
        std::fs::write(&path, text + "#EXT-X-ENDLIST\n").unwrap();
        assert_eq!(ffprobe_path(&path, &["codec_name"]).await[0], ["h264"], "{name}");
    }
    // Stored segments are no longer in the work folder.
    let local: Vec<_> = std::fs::read_dir(&fixture.work_files()[0]).unwrap().collect();
    let names: Vec<_> =
        local.into_iter().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(
        !names.iter().any(|name| name.ends_with("_00001.ts") || name.ends_with("_00001.m4s")),
        "{names:?}"
    );

    fixture.aws_cli(&["cancel-job", "--id", &job]).await;
    assert_eq!(fixture.final_detail(&job).await["status"], "CANCELED");
    fixture.wait_for_keys(|keys| keys.is_empty()).await;
}

/// After a kill, the job stores the same set, which the final playlists list.
#[tokio::test]
async fn killed_job_ends_with_complete_output() {
    let fixture = Fixture::new().await;
    let input = fixture.put_input("inputs/film.mp4", clip("1280x720", 30, 20, false).await).await;
    let job = fixture.create_job_of(&settings(&input)).await;
    fixture.wait_for_keys(|keys| has(keys, "hls/film_b_00002.ts")).await;
    let mut fixture = fixture.kill_and_restart().await;
    assert_eq!(fixture.final_detail(&job).await["status"], "COMPLETE");
    let mut expected = vec![];
    for number in 1..=10 {
        expected.extend(["a", "b"].map(|name| format!("hls/film_{name}_{number:05}.ts")));
        expected.push(format!("cmaf/film_b_{number:09}.cmfv"));
        expected.push(format!("dash/film_b_{number:09}.mp4"));
    }
    let names = [
        "hls/film.m3u8",
        "hls/film_a.m3u8",
        "hls/film_b.m3u8",
        "cmaf/film.m3u8",
        "cmaf/film.mpd",
        "cmaf/film_b.m3u8",
        "cmaf/film_binit.cmfv",
        "dash/film.mpd",
        "dash/film_binit.mp4",
    ];
    expected.extend(names.map(str::to_owned));
    expected.sort();
    assert_eq!(fixture.output_keys().await, expected);
    let folder = fixture.download().await;
    for name in ["hls/film_a.m3u8", "cmaf/film_b.m3u8"] {
        let path = folder.path().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("TYPE:VOD\n") && text.ends_with("#EXT-X-ENDLIST\n"), "{text}");
        assert_eq!(text.matches("#EXTINF:2.000000,\n").count(), 10, "{text}");
    }
    let duration = ffprobe_path(&folder.path().join("dash/film.mpd"), &["codec_name", "width"]).await;
    assert_eq!(duration[0], ["h264", "1280"]);
}

/// Each I-frame is decodable from its bytes alone, and they last as long as the video.
#[tokio::test]
async fn i_frame_playlist_has_every_key_frame() {
    let mut fixture = Fixture::new().await;
    let input = fixture.put_input("inputs/film.mp4", clip("320x180", 10, 5, true).await).await;
    let codec = json!({"Codec": "H_264", "H264Settings": {
        "RateControlMode": "QVBR", "MaxBitrate": 300_000, "GopSize": 1, "GopSizeUnits": "SECONDS", "SceneChangeDetect": "DISABLED",
    }});
    let group = |name: &str, control: &str| {
        json!({
            "OutputGroupSettings": {"Type": "HLS_GROUP_SETTINGS", "HlsGroupSettings": {
                "Destination": format!("s3://media/{name}/film"), "SegmentLength": 2, "SegmentControl": control,
            }},
            "Outputs": [{
                "NameModifier": "_v", "VideoDescription": {"Height": 180, "CodecSettings": codec},
                "AudioDescriptions": [{"CodecSettings": {"Codec": "AAC"}}],
                "OutputSettings": {"HlsSettings": {"IFrameOnlyManifest": "INCLUDE"}},
            }],
        })
    };
    let groups = [group("files", "SEGMENTED_FILES"), group("one", "SINGLE_FILE")];
    let job = fixture.create_job_of(&json!({"Inputs": [{"FileInput": input}], "OutputGroups": groups})).await;
    assert_eq!(fixture.final_detail(&job).await["status"], "COMPLETE");
    let folder = fixture.download().await;
    for name in ["files", "one"] {
        let path = folder.path().join(name);
        let master = std::fs::read_to_string(path.join("film.m3u8")).unwrap();
        let line = master.lines().find(|line| line.starts_with("#EXT-X-I-FRAME-STREAM-INF:")).unwrap();
        assert!(line.ends_with("URI=\"film_v_iframe.m3u8\"") && !line.contains("mp4a"), "{line}");
        let text = std::fs::read_to_string(path.join("film_v_iframe.m3u8")).unwrap();
        assert!(text.contains("#EXT-X-VERSION:4\n") && text.contains("#EXT-X-I-FRAMES-ONLY\n"), "{text}");
        let lines: Vec<_> = text.lines().collect();
        let seconds = lines.iter().filter_map(|line| line.strip_prefix("#EXTINF:")?.strip_suffix(','));
        let seconds: f64 = seconds.map(|number| number.parse::<f64>().unwrap()).sum();
        assert!((seconds - 5.0).abs() < 0.05, "{text}");
        let ranges: Vec<_> =
            lines.windows(2).filter(|pair| pair[0].starts_with("#EXT-X-BYTERANGE:")).collect();
        assert_eq!(ranges.len(), 5, "{text}");
        for pair in ranges {
            let range = pair[0].strip_prefix("#EXT-X-BYTERANGE:").unwrap().split_once('@').unwrap();
            let [length, offset] = [range.0, range.1].map(|number| number.parse::<usize>().unwrap());
            let bytes = std::fs::read(path.join(pair[1])).unwrap()[offset..offset + length].to_vec();
            assert_eq!(length % 188, 0);
            let part = path.join("frame.ts");
            std::fs::write(&part, bytes).unwrap();
            let frames = encode(&format!("-i {} -map 0:v -f framemd5", part.display()), "txt").await;
            let frames = String::from_utf8(frames).unwrap();
            assert_eq!(frames.lines().filter(|line| !line.starts_with('#')).count(), 1, "{frames}");
        }
    }
}

/// The output of an earlier job isn't touched before the new one is complete.
#[tokio::test]
async fn failed_job_keeps_output_of_earlier_job() {
    let mut fixture = Fixture::new().await;
    let whole = clip("320x180", 10, 16, false).await;
    let input = fixture.put_input("inputs/film.mp4", whole.clone()).await;
    let first = fixture.create_job_of(&settings(&input)).await;
    assert_eq!(fixture.final_detail(&first).await["status"], "COMPLETE");
    let keys = fixture.output_keys().await;
    let segment = fixture.output("hls/film_a_00001.ts").await;
    let faststart = encode(
        "-f lavfi -i testsrc2=s=320x180:r=10:d=20 -c:v libx264 -preset ultrafast -movflags +faststart",
        "mp4",
    );
    let mut damaged = faststart.await;
    damaged.truncate(damaged.len() / 2);
    let input = fixture.put_input("inputs/damaged.mp4", damaged).await;
    let second = fixture.create_job_of(&settings(&input)).await;
    assert_eq!(fixture.final_detail(&second).await["status"], "ERROR");
    assert_eq!(fixture.output_keys().await, keys);
    assert!(fixture.output("hls/film_a_00001.ts").await == segment);
}
