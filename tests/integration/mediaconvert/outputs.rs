//! The files that jobs make, and the finished job.

use super::fixture::{Fixture, clip, encode, ffprobe, rust_sdk};
use serde_json::{Value, json};

/// Every output of `job.json`, for a landscape clip with audio.
#[tokio::test]
async fn clip_is_converted_to_every_output_of_job_json() {
    let mut fixture = Fixture::new().await;
    let input = fixture.put_input("inputs/ID.mp4", clip("1920x1080", 15, 7, true).await).await;
    let job = fixture.create_job(&input, "ID", "").await;

    let progressing = fixture.next_event().await;
    assert_eq!(progressing["detail"]["status"], "PROGRESSING", "{progressing}");
    assert_eq!(progressing["detail"]["userMetadata"], json!({"videoId": "ID"}));
    let mut percents = vec![];
    let end = loop {
        let detail =
            fixture.next_event_of(&job, &["STATUS_UPDATE", "COMPLETE", "ERROR"]).await["detail"].clone();
        match detail["jobProgress"]["jobPercentComplete"].as_u64() {
            Some(percent) => percents.push(percent),
            None => break detail,
        }
    };
    assert!(!percents.is_empty() && percents.is_sorted_by(|a, b| a < b), "{percents:?}");
    assert!(percents.len() <= 2, "one at the start of a phase, the next after 60 s: {percents:?}");
    assert_eq!(end["status"], "COMPLETE", "{end}");

    let mut expected = vec!["assets/HLS/ID.m3u8".to_owned()];
    for height in [360, 540, 720, 1080] {
        expected.push(format!("assets/HLS/ID_{height}.m3u8"));
        expected.extend([1, 2].map(|number| format!("assets/HLS/ID_{height}_0000{number}.ts")));
    }
    expected.extend([540, 720, 1080].map(|height| format!("assets/MP4/ID_{height}.mp4")));
    expected.extend([0, 1, 2].map(|number| format!("assets/Thumbnails/ID.000000{number}.jpg")));
    expected.push("assets/Storyboards/ID.0000000.jpg".into());
    expected.sort();
    assert_eq!(fixture.output_keys().await, expected);
    assert_eq!(fixture.work_files(), Vec::<std::path::PathBuf>::new());

    check_hls(&fixture).await;
    for (height, width) in [(540, "960"), (720, "1280"), (1080, "1920")] {
        let mp4 = fixture.output(&format!("assets/MP4/ID_{height}.mp4")).await;
        let streams =
            ffprobe(&mp4, "mp4", &["codec_name", "width", "height", "pix_fmt", "avg_frame_rate"]).await;
        let height = height.to_string();
        assert_eq!(streams[0], ["h264", width, &height, "yuv420p", "15/1"]);
        assert_eq!(streams[1][0], "aac");
        let offset = |name: &[u8]| mp4.windows(4).position(|four| four == name).unwrap();
        assert!(offset(b"moov") < offset(b"mdat"), "playable before it is loaded completely");
    }
    for number in [0, 1, 2] {
        let thumbnail = fixture.output(&format!("assets/Thumbnails/ID.000000{number}.jpg")).await;
        assert_eq!(
            ffprobe(&thumbnail, "jpg", &["codec_name", "width", "height"]).await,
            [["mjpeg", "1280", "720"]]
        );
    }
    for (key, content_type) in [
        ("assets/HLS/ID.m3u8", "application/vnd.apple.mpegurl"),
        ("assets/HLS/ID_360_00001.ts", "video/mp2t"),
        ("assets/MP4/ID_540.mp4", "video/mp4"),
        ("assets/Thumbnails/ID.0000000.jpg", "image/jpeg"),
    ] {
        let head = fixture.s3.head_object().bucket("media").key(key).send().await.unwrap();
        assert_eq!(head.content_type(), Some(content_type), "{key}");
    }
    check_details(&end["outputGroupDetails"]);
    check_job(&fixture, &job).await;
}

async fn check_hls(fixture: &Fixture) {
    let master = fixture.output_text("assets/HLS/ID.m3u8").await;
    let variants: Vec<_> = master.lines().filter(|line| line.starts_with("#EXT-X-STREAM-INF:")).collect();
    assert_eq!(variants.len(), 4, "{master}");
    for (line, size) in variants.iter().zip(["640x360", "960x540", "1280x720", "1920x1080"]) {
        for part in [format!("RESOLUTION={size}"), "FRAME-RATE=15.000".into(), "mp4a.40.2\"".into()] {
            assert!(line.contains(&part), "{part} is missing in {line}");
        }
    }
    let names: Vec<_> = master.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(names, ["ID_360.m3u8", "ID_540.m3u8", "ID_720.m3u8", "ID_1080.m3u8"]);
    let rendition = fixture.output_text("assets/HLS/ID_540.m3u8").await;
    assert!(
        rendition.contains("#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:6.000000,\nID_540_00001.ts\n"),
        "{rendition}"
    );
    assert!(rendition.ends_with("ID_540_00002.ts\n#EXT-X-ENDLIST\n"), "{rendition}");
    // Each segment is decodable by itself, so that players can switch renditions there.
    let second = fixture.output("assets/HLS/ID_720_00002.ts").await;
    assert_eq!(ffprobe(&second, "ts", &["codec_name", "width"]).await, [["h264", "1280"], ["aac", "null"]]);
    // The master playlist's codec is the stream's.
    let profile = ffprobe(&second, "ts", &["profile", "level"]).await[0].clone();
    let level: i32 = profile[1].parse().unwrap();
    assert_eq!(profile[0], "Main");
    assert!(variants[2].contains(&format!("avc1.4d40{level:02x}")), "{} is no level {level}", variants[2]);
}

fn check_details(groups: &Value) {
    let (hls, mp4s, thumbnails) = (&groups[0], &groups[1], &groups[2]);
    assert_eq!(hls["type"], "HLS_GROUP");
    assert_eq!(hls["playlistFilePaths"], json!(["s3://media/assets/HLS/ID.m3u8"]));
    let second = &hls["outputDetails"][1];
    assert_eq!(second["outputFilePaths"], json!(["s3://media/assets/HLS/ID_540.m3u8"]));
    let video = &second["videoDetails"];
    assert_eq!((&video["widthInPx"], &video["heightInPx"]), (&json!(960), &json!(540)));
    assert!(
        video["averageBitrate"].as_u64().is_some_and(|rate| (50_000..2_000_000).contains(&rate)),
        "{video}"
    );
    assert_eq!(mp4s["type"], "FILE_GROUP");
    assert!(mp4s.get("playlistFilePaths").is_none());
    assert_eq!(mp4s["outputDetails"][2]["outputFilePaths"], json!(["s3://media/assets/MP4/ID_1080.mp4"]));
    for duration in [&second["durationInMs"], &mp4s["outputDetails"][2]["durationInMs"]] {
        assert!(duration.as_u64().is_some_and(|ms| (6_900..7_200).contains(&ms)), "{duration}");
    }
    assert_eq!(
        thumbnails["outputDetails"][0]["outputFilePaths"],
        json!(["s3://media/assets/Thumbnails/ID.0000002.jpg"])
    );
}

/// The finished job, as boto3, the AWS CLI and the Rust SDK read it.
async fn check_job(fixture: &Fixture, id: &str) {
    let job = fixture.boto3(&["get", id]).await;
    assert_eq!(
        (&job["Status"], &job["JobPercentComplete"], &job["RetryCount"]),
        (&json!("COMPLETE"), &json!(100), &json!(0))
    );
    assert_eq!(job["OutputGroupDetails"][1]["OutputDetails"][0]["VideoDetails"]["WidthInPx"], 960);
    let job = fixture.aws_cli(&["get-job", "--id", id]).await;
    assert_eq!(job["Job"]["Status"], "COMPLETE");
    let listed = fixture.aws_cli(&["list-jobs", "--status", "COMPLETE"]).await;
    assert_eq!(listed["Jobs"][0]["Id"], id);
    let endpoints = fixture.aws_cli(&["describe-endpoints"]).await;
    assert_eq!(endpoints["Endpoints"][0]["Url"], fixture.url);

    let job = rust_sdk(&fixture.url).get_job().id(id).send().await.unwrap().job.unwrap();
    assert_eq!(job.status(), Some(&aws_sdk_mediaconvert::types::JobStatus::Complete));
    assert!(job.timing().and_then(|timing| timing.finish_time()).is_some());
    let group = &job.settings().unwrap().output_groups()[0];
    assert_eq!(group.outputs()[3].video_description().unwrap().height(), Some(1080));
}

#[tokio::test]
async fn portrait_phone_clip_is_converted_upright() {
    let mut fixture = Fixture::new().await;
    let folder = tempfile::tempdir().unwrap();
    let landscape = folder.path().join("landscape.mp4");
    std::fs::write(&landscape, clip("1280x720", 10, 2, true).await).unwrap();
    let bytes = encode(&format!("-i {} -c copy -metadata:s:v rotate=90", landscape.display()), "mov").await;
    let input = fixture.put_input("inputs/phone.mov", bytes).await;

    let probed = fixture.boto3(&["probe", &input]).await;
    let track = &probed["Container"]["Tracks"][0]["VideoProperties"];
    assert_eq!((&track["Width"], &track["Height"]), (&json!(1280), &json!(720)), "size before rotation");
    assert!(track["Rotation"] == 90 || track["Rotation"] == 270, "{track}");
    assert_eq!(probed["Container"]["Format"], "quicktime");

    let job = fixture.create_job(&input, "phone", "360,540").await;
    assert_eq!(fixture.final_detail(&job).await["status"], "COMPLETE");
    let mp4 = fixture.output("assets/MP4/phone_540.mp4").await;
    assert_eq!(ffprobe(&mp4, "mp4", &["width", "height", "side_data_list"]).await[0], ["304", "540", "null"]);
    let segment = fixture.output("assets/HLS/phone_360_00001.ts").await;
    assert_eq!(ffprobe(&segment, "ts", &["width", "height"]).await[0], ["202", "360"]);
    let thumbnail = fixture.output("assets/Thumbnails/phone.0000000.jpg").await;
    assert_eq!(ffprobe(&thumbnail, "jpg", &["width", "height"]).await[0], ["406", "720"]);
    // One thumbnail per three seconds.
    assert!(!fixture.output_keys().await.contains(&"assets/Thumbnails/phone.0000001.jpg".to_owned()));
}

#[tokio::test]
async fn silent_clip_is_converted_without_audio() {
    let mut fixture = Fixture::new().await;
    let input = fixture.put_input("inputs/silent.mp4", clip("320x240", 10, 2, false).await).await;
    let job = fixture.create_job(&input, "silent", "360,540").await;
    assert_eq!(fixture.final_detail(&job).await["status"], "COMPLETE");
    let mp4 = fixture.output("assets/MP4/silent_540.mp4").await;
    assert_eq!(ffprobe(&mp4, "mp4", &["codec_type", "width"]).await, [["video", "720"]]);
    let master = fixture.output_text("assets/HLS/silent.m3u8").await;
    assert!(master.contains("CODECS=\"avc1.") && !master.contains("mp4a"), "{master}");
}

/// 10 bit, HDR, odd sizes, variable frame rate, interlaced, six audio channels: all become 8-bit SDR H.264 and stereo.
#[tokio::test]
async fn unusual_sources_are_normalized() {
    let mut fixture = Fixture::new().await;
    let sources = [
        (
            "ten_bit",
            "mkv",
            "-f lavfi -i testsrc2=s=321x241:r=10:d=2 -pix_fmt yuv444p10le -c:v libx264 -preset ultrafast",
        ),
        (
            "variable_rate",
            "mkv",
            "-f lavfi -i testsrc2=s=320x240:r=30:d=2 -vf select=not(mod(n\\,7))+lt(n\\,9) -vsync vfr -c:v libx264",
        ),
        (
            "interlaced",
            "mpg",
            "-f lavfi -i testsrc2=s=720x576:r=25:d=2 -flags +ildct+ilme -top 1 -c:v mpeg2video -aspect 16:9",
        ),
        (
            "hdr",
            "mp4",
            "-f lavfi -i testsrc2=s=320x240:r=10:d=2 -pix_fmt yuv420p10le -c:v libx265 -x265-params log-level=error \
             -color_primaries bt2020 -color_trc arib-std-b67 -colorspace bt2020nc",
        ),
        (
            "six_channels",
            "webm",
            "-f lavfi -i testsrc2=s=320x240:r=10:d=2 -f lavfi -i aevalsrc=0|0|0|0|0|0:d=2 -c:v libvpx -c:a libvorbis",
        ),
    ];
    for (name, extension, args) in sources {
        let input =
            fixture.put_input(&format!("inputs/{name}.{extension}"), encode(args, extension).await).await;
        let job = fixture.create_job(&input, name, "540").await;
        let end = fixture.final_detail(&job).await;
        assert_eq!(end["status"], "COMPLETE", "{name}: {end}");
        let mp4 = fixture.output(&format!("assets/MP4/{name}_540.mp4")).await;
        let streams =
            ffprobe(&mp4, "mp4", &["codec_name", "height", "pix_fmt", "sample_aspect_ratio", "channels"])
                .await;
        assert_eq!(streams[0], ["h264", "540", "yuv420p", "1:1", "null"], "{name}");
        if name == "six_channels" {
            assert_eq!((streams[1][0].as_str(), streams[1][4].as_str()), ("aac", "2"));
        }
        if name == "hdr" {
            assert_eq!(ffprobe(&mp4, "mp4", &["color_transfer", "color_space"]).await[0], ["bt709", "bt709"]);
        }
        if name == "interlaced" {
            assert_eq!(ffprobe(&mp4, "mp4", &["width", "field_order"]).await[0], ["960", "progressive"]);
        }
    }
}

/// Players stall where audio ends, so it is as long as the picture; one frame before the video isn't the video.
#[tokio::test]
async fn short_or_late_audio_is_filled_and_still_picture_is_skipped() {
    let mut fixture = Fixture::new().await;
    let picture = "-f lavfi -i testsrc2=s=160x90:r=10:d=4";
    let encoders = "-c:v libx264 -preset ultrafast -c:a aac";
    let sources = [
        ("short", "mp4", format!("{picture} -f lavfi -i sine=d=1 {encoders}")),
        ("late", "mkv", format!("{picture} -itsoffset 2 -f lavfi -i sine=d=2 {encoders}")),
        (
            "still",
            "mkv",
            format!(
                "-f lavfi -i color=red:s=320x320:r=1:d=1 {picture} -map 0 -map 1 -c:v:0 mjpeg -c:v:1 libx264 \
                 -preset ultrafast"
            ),
        ),
    ];
    for (name, extension, args) in sources {
        let bytes = encode(&args, extension).await;
        let input = fixture.put_input(&format!("inputs/{name}.{extension}"), bytes).await;
        let job = fixture.create_job(&input, name, "360,540").await;
        assert_eq!(fixture.final_detail(&job).await["status"], "COMPLETE", "{name}");
        let mp4 = fixture.output(&format!("assets/MP4/{name}_540.mp4")).await;
        let streams = ffprobe(&mp4, "mp4", &["width", "start_time", "duration"]).await;
        assert_eq!(streams[0][0], "960", "{name}");
        for stream in &streams {
            let [start, duration] = [&stream[1], &stream[2]].map(|text| text.parse::<f64>().unwrap());
            assert!(start.abs() < 0.1 && (duration - 4.0).abs() < 0.1, "{name}: {streams:?}");
        }
    }
}
