//! The local MediaConvert, judged by boto3, the AWS CLI, the Rust SDK and ffprobe.

pub mod fixture;

use fixture::{House, JOB_JSON, clip, ffprobe, film, python};
use serde_json::{Value, json};

#[tokio::test]
async fn job_json_fits_the_service_model_and_the_promises() {
    python(&[concat!(env!("CARGO_MANIFEST_DIR"), "/python/job_json.py"), JOB_JSON]).await;
}

#[tokio::test]
async fn the_model_that_job_json_is_checked_by_is_the_services() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../edge/job/src/model.json");
    python(&[concat!(env!("CARGO_MANIFEST_DIR"), "/python/job_model.py"), model]).await;
}

/// All that `job.json` promises, of a landscape clip with sound.
#[tokio::test]
async fn a_clip_becomes_the_whole_ladder() {
    let mut house = House::new().await;
    let input = house.put("inputs/ID.mp4", clip("1920x1080", 15, 7, true).await).await;
    let job = house.job(&input, "ID", "").await;

    let begun = house.any_event().await;
    assert_eq!(begun["detail"]["status"], "PROGRESSING", "{begun}");
    assert_eq!(begun["detail"]["userMetadata"], json!({"videoId": "ID"}));
    let mut percents = vec![];
    let end = loop {
        let detail = house.event(&job, &["STATUS_UPDATE", "COMPLETE", "ERROR"]).await["detail"].clone();
        match detail["jobProgress"]["jobPercentComplete"].as_u64() {
            Some(percent) => percents.push(percent),
            None => break detail,
        }
    };
    assert!(!percents.is_empty() && percents.is_sorted_by(|a, b| a < b), "{percents:?}");
    assert_eq!(end["status"], "COMPLETE", "{end}");

    let mut expected = vec!["assets/HLS/ID.m3u8".to_owned()];
    for height in [360, 540, 720, 1080] {
        expected.push(format!("assets/HLS/ID_{height}.m3u8"));
        expected.extend([1, 2].map(|number| format!("assets/HLS/ID_{height}_0000{number}.ts")));
    }
    expected.extend([540, 720, 1080].map(|height| format!("assets/MP4/ID_{height}.mp4")));
    expected.extend([0, 1, 2].map(|number| format!("assets/Thumbnails/ID.000000{number}.jpg")));
    expected.sort();
    assert_eq!(house.outputs().await, expected);
    assert_eq!(house.work(), Vec::<std::path::PathBuf>::new());

    check_hls(&house).await;
    for (height, width) in [(540, "960"), (720, "1280"), (1080, "1920")] {
        let film = house.bytes(&format!("assets/MP4/ID_{height}.mp4")).await;
        let streams =
            ffprobe(&film, "mp4", &["codec_name", "width", "height", "pix_fmt", "avg_frame_rate"]).await;
        let tall = height.to_string();
        assert_eq!(streams[0], ["h264", width, &tall, "yuv420p", "15/1"]);
        assert_eq!(streams[1][0], "aac");
        let place = |name: &[u8]| film.windows(4).position(|four| four == name).unwrap();
        assert!(place(b"moov") < place(b"mdat"), "a browser could only play it once it has all of it");
    }
    for number in [0, 1, 2] {
        let picture = house.bytes(&format!("assets/Thumbnails/ID.000000{number}.jpg")).await;
        assert_eq!(
            ffprobe(&picture, "jpg", &["codec_name", "width", "height"]).await,
            [["mjpeg", "1280", "720"]]
        );
    }
    for (key, kind) in [
        ("assets/HLS/ID.m3u8", "application/vnd.apple.mpegurl"),
        ("assets/HLS/ID_360_00001.ts", "video/mp2t"),
        ("assets/MP4/ID_540.mp4", "video/mp4"),
        ("assets/Thumbnails/ID.0000000.jpg", "image/jpeg"),
    ] {
        let head = house.s3.head_object().bucket("media").key(key).send().await.unwrap();
        assert_eq!(head.content_type(), Some(kind), "{key}");
    }
    check_details(&end["outputGroupDetails"]);
    check_job(&house, &job).await;
}

async fn check_hls(house: &House) {
    let master = house.text("assets/HLS/ID.m3u8").await;
    let variants: Vec<_> = master.lines().filter(|line| line.starts_with("#EXT-X-STREAM-INF:")).collect();
    assert_eq!(variants.len(), 4, "{master}");
    for (line, size) in variants.iter().zip(["640x360", "960x540", "1280x720", "1920x1080"]) {
        for part in [format!("RESOLUTION={size}"), "FRAME-RATE=15.000".into(), "mp4a.40.2\"".into()] {
            assert!(line.contains(&part), "{part} is missing in {line}");
        }
    }
    let names: Vec<_> = master.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(names, ["ID_360.m3u8", "ID_540.m3u8", "ID_720.m3u8", "ID_1080.m3u8"]);
    let rendition = house.text("assets/HLS/ID_540.m3u8").await;
    assert!(
        rendition.contains("#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:6.000000,\nID_540_00001.ts\n"),
        "{rendition}"
    );
    assert!(rendition.ends_with("ID_540_00002.ts\n#EXT-X-ENDLIST\n"), "{rendition}");
    // Each segment can be decoded without the one before it: quality can be switched there.
    let second = house.bytes("assets/HLS/ID_720_00002.ts").await;
    assert_eq!(ffprobe(&second, "ts", &["codec_name", "width"]).await, [["h264", "1280"], ["aac", "null"]]);
    // What the master says of the codec is what the stream itself says.
    let profile = ffprobe(&second, "ts", &["profile", "level"]).await[0].clone();
    let level: i32 = profile[1].parse().unwrap();
    assert_eq!(profile[0], "Main");
    assert!(variants[2].contains(&format!("avc1.4d40{level:02x}")), "{} is no level {level}", variants[2]);
}

fn check_details(groups: &Value) {
    let (hls, films, pictures) = (&groups[0], &groups[1], &groups[2]);
    assert_eq!(hls["type"], "HLS_GROUP");
    assert_eq!(hls["playlistFilePaths"], json!(["s3://media/assets/HLS/ID.m3u8"]));
    let second = &hls["outputDetails"][1];
    assert_eq!(second["outputFilePaths"], json!(["s3://media/assets/HLS/ID_540.m3u8"]));
    assert_eq!(second["videoDetails"], json!({"widthInPx": 960, "heightInPx": 540}));
    assert_eq!(films["type"], "FILE_GROUP");
    assert!(films.get("playlistFilePaths").is_none());
    assert_eq!(films["outputDetails"][2]["outputFilePaths"], json!(["s3://media/assets/MP4/ID_1080.mp4"]));
    for duration in [&second["durationInMs"], &films["outputDetails"][2]["durationInMs"]] {
        assert!(duration.as_u64().is_some_and(|ms| (6_900..7_200).contains(&ms)), "{duration}");
    }
    assert_eq!(
        pictures["outputDetails"][0]["outputFilePaths"],
        json!(["s3://media/assets/Thumbnails/ID.0000002.jpg"])
    );
}

/// The finished job through boto3, the AWS CLI and the Rust SDK.
async fn check_job(house: &House, id: &str) {
    let job = house.boto3(&["get", id]).await;
    assert_eq!(
        (&job["Status"], &job["JobPercentComplete"], &job["RetryCount"]),
        (&json!("COMPLETE"), &json!(100), &json!(0))
    );
    assert_eq!(job["OutputGroupDetails"][1]["OutputDetails"][0]["VideoDetails"]["WidthInPx"], 960);
    let job = house.cli(&["get-job", "--id", id]).await;
    assert_eq!(job["Job"]["Status"], "COMPLETE");
    let listed = house.cli(&["list-jobs", "--status", "COMPLETE"]).await;
    assert_eq!(listed["Jobs"][0]["Id"], id);
    let endpoints = house.cli(&["describe-endpoints"]).await;
    assert_eq!(endpoints["Endpoints"][0]["Url"], house.url);

    let job = rust_sdk(&house.url).get_job().id(id).send().await.unwrap().job.unwrap();
    assert_eq!(job.status(), Some(&aws_sdk_mediaconvert::types::JobStatus::Complete));
    assert!(job.timing().and_then(|timing| timing.finish_time()).is_some());
    let group = &job.settings().unwrap().output_groups()[0];
    assert_eq!(group.outputs()[3].video_description().unwrap().height(), Some(1080));
}

fn rust_sdk(url: &str) -> aws_sdk_mediaconvert::Client {
    use aws_sdk_mediaconvert::config::{BehaviorVersion, Credentials, Region};
    let config = aws_sdk_mediaconvert::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "locallocal", None, None, "test"))
        .endpoint_url(url);
    aws_sdk_mediaconvert::Client::from_conf(config.build())
}

#[tokio::test]
async fn a_phones_portrait_clip_stands_upright() {
    let mut house = House::new().await;
    let folder = tempfile::tempdir().unwrap();
    let lying = folder.path().join("lying.mp4");
    std::fs::write(&lying, clip("1280x720", 10, 2, true).await).unwrap();
    let bytes = film(&format!("-i {} -c copy -metadata:s:v rotate=90", lying.display()), "mov").await;
    let input = house.put("inputs/phone.mov", bytes).await;

    let probed = house.boto3(&["probe", &input]).await;
    let track = &probed["Container"]["Tracks"][0]["VideoProperties"];
    assert_eq!((&track["Width"], &track["Height"]), (&json!(1280), &json!(720)), "as coded");
    assert!(track["Rotation"] == 90 || track["Rotation"] == 270, "{track}");
    assert_eq!(probed["Container"]["Format"], "quicktime");

    let job = house.job(&input, "phone", "360,540").await;
    assert_eq!(house.end(&job).await["status"], "COMPLETE");
    let film = house.bytes("assets/MP4/phone_540.mp4").await;
    assert_eq!(
        ffprobe(&film, "mp4", &["width", "height", "side_data_list"]).await[0],
        ["304", "540", "null"]
    );
    let segment = house.bytes("assets/HLS/phone_360_00001.ts").await;
    assert_eq!(ffprobe(&segment, "ts", &["width", "height"]).await[0], ["202", "360"]);
    let picture = house.bytes("assets/Thumbnails/phone.0000000.jpg").await;
    assert_eq!(ffprobe(&picture, "jpg", &["width", "height"]).await[0], ["406", "720"]);
    // Two seconds are one picture.
    assert!(!house.outputs().await.contains(&"assets/Thumbnails/phone.0000001.jpg".to_owned()));
}

#[tokio::test]
async fn a_silent_clip_is_converted_without_sound() {
    let mut house = House::new().await;
    let input = house.put("inputs/silent.mp4", clip("320x240", 10, 2, false).await).await;
    let job = house.job(&input, "silent", "360,540").await;
    assert_eq!(house.end(&job).await["status"], "COMPLETE");
    let film = house.bytes("assets/MP4/silent_540.mp4").await;
    assert_eq!(ffprobe(&film, "mp4", &["codec_type", "width"]).await, [["video", "720"]]);
    let master = house.text("assets/HLS/silent.m3u8").await;
    assert!(master.contains("CODECS=\"avc1.") && !master.contains("mp4a"), "{master}");
}

/// Ten bits, high dynamic range, odd sides, frames at no steady rate, interlaced, many-channelled: all come out plain.
#[tokio::test]
async fn odd_sources_come_out_plain() {
    let mut house = House::new().await;
    let sources = [
        (
            "deep",
            "mkv",
            "-f lavfi -i testsrc2=s=321x241:r=10:d=2 -pix_fmt yuv444p10le -c:v libx264 -preset ultrafast",
        ),
        (
            "uneven",
            "mkv",
            "-f lavfi -i testsrc2=s=320x240:r=30:d=2 -vf select=not(mod(n\\,7))+lt(n\\,9) -vsync vfr -c:v libx264",
        ),
        (
            "fields",
            "mpg",
            "-f lavfi -i testsrc2=s=720x576:r=25:d=2 -flags +ildct+ilme -top 1 -c:v mpeg2video -aspect 16:9",
        ),
        (
            "bright",
            "mp4",
            "-f lavfi -i testsrc2=s=320x240:r=10:d=2 -pix_fmt yuv420p10le -c:v libx265 -x265-params log-level=error \
             -color_primaries bt2020 -color_trc arib-std-b67 -colorspace bt2020nc",
        ),
        (
            "six",
            "webm",
            "-f lavfi -i testsrc2=s=320x240:r=10:d=2 -f lavfi -i aevalsrc=0|0|0|0|0|0:d=2 -c:v libvpx -c:a libvorbis",
        ),
    ];
    for (name, extension, words) in sources {
        let input = house.put(&format!("inputs/{name}.{extension}"), film(words, extension).await).await;
        let job = house.job(&input, name, "540").await;
        let end = house.end(&job).await;
        assert_eq!(end["status"], "COMPLETE", "{name}: {end}");
        let film = house.bytes(&format!("assets/MP4/{name}_540.mp4")).await;
        let streams =
            ffprobe(&film, "mp4", &["codec_name", "height", "pix_fmt", "sample_aspect_ratio", "channels"])
                .await;
        assert_eq!(streams[0], ["h264", "540", "yuv420p", "1:1", "null"], "{name}");
        if name == "six" {
            assert_eq!((streams[1][0].as_str(), streams[1][4].as_str()), ("aac", "2"));
        }
        if name == "bright" {
            assert_eq!(
                ffprobe(&film, "mp4", &["color_transfer", "color_space"]).await[0],
                ["bt709", "bt709"]
            );
        }
        if name == "fields" {
            assert_eq!(ffprobe(&film, "mp4", &["width", "field_order"]).await[0], ["960", "progressive"]);
        }
    }
}

/// Each with its number and a sentence, and nothing secret in it.
#[tokio::test]
async fn what_cant_be_converted_ends_in_error() {
    let mut house = House::new().await;
    let whole = film(
        "-f lavfi -i testsrc2=s=320x240:r=10:d=20 -c:v libx264 -preset ultrafast -movflags +faststart",
        "mp4",
    )
    .await;
    let plain = clip("320x240", 10, 3, false).await;
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let playlist =
        b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/secret.ts\n#EXT-X-ENDLIST\n";
    let cases = [
        ("text.mp4", b"Dear diary, this is no film.\n".repeat(99), 1010),
        ("empty.mp4", vec![], 1010),
        ("list.mp4", playlist.to_vec(), 1010),
        ("concat.mp4", b"ffconcat version 1.0\nfile /etc/hostname\n".to_vec(), 1010),
        ("song.m4a", film("-f lavfi -i sine=d=2 -c:a aac", "m4a").await, 1020),
        ("headless.mp4", half(&plain), 1075),
        ("cut.mp4", half(&whole), 1076),
    ];
    for (name, bytes, code) in cases {
        let input = house.put(&format!("inputs/{name}"), bytes).await;
        fails(&mut house, &input, "media", code).await;
    }
    fails(&mut house, "s3://uploads/inputs/never-there.mp4", "media", 1404).await;
    fails(&mut house, "s3://no-such-bucket/a.mp4", "media", 1404).await;
    let fine = house.put("inputs/fine.mp4", plain).await;
    fails(&mut house, &fine, "no-such-bucket", 1404).await;
    assert_eq!(house.outputs().await, Vec::<String>::new());
    assert_eq!(house.work(), Vec::<std::path::PathBuf>::new());
}

async fn fails(house: &mut House, input: &str, bucket: &str, code: u32) {
    let job = house.boto3(&["create", JOB_JSON, input, "ID", "360", "", bucket]).await;
    let id = job.as_str().unwrap();
    let end = house.end(id).await;
    assert_eq!((&end["status"], &end["errorCode"]), (&json!("ERROR"), &json!(code)), "{input}: {end}");
    let sentence = end["errorMessage"].as_str().unwrap();
    assert!(sentence.ends_with('.') && sentence.contains("s3://"), "{sentence}");
    assert!(!sentence.contains("X-Amz") && !sentence.contains("http"), "{sentence}");
    let job = house.boto3(&["get", id]).await;
    assert_eq!((&job["ErrorCode"], &job["ErrorMessage"]), (&json!(code), &end["errorMessage"]));
}

/// A film that takes long enough to be stopped halfway: a minute.
async fn long_film() -> Vec<u8> {
    clip("640x360", 30, 60, false).await
}

#[tokio::test]
async fn a_running_and_a_waiting_job_are_canceled() {
    let mut house = House::new().await;
    let long = house.put("inputs/long.mp4", long_film().await).await;
    let short = house.put("inputs/short.mp4", clip("320x240", 10, 1, false).await).await;
    let running = house.job(&long, "long", "540,1080").await;
    let waiting = house.job(&long, "long", "540").await;
    let last = house.job(&short, "short", "360").await;
    house.event(&running, &["STATUS_UPDATE"]).await;
    house.cli(&["cancel-job", "--id", &waiting]).await;
    house.cli(&["cancel-job", "--id", &running]).await;
    house.cli(&["cancel-job", "--id", &running]).await;
    // Both are canceled, neither goes on, and the third has its turn.
    let mut ends = vec![];
    while ends.len() < 3 {
        let detail = house.any_event().await["detail"].clone();
        if detail["status"] != "STATUS_UPDATE" && detail["status"] != "PROGRESSING" {
            ends.push((detail["jobId"].as_str().unwrap().to_owned(), detail["status"].clone()));
        }
    }
    let end = |id: &String, state: &str| (id.clone(), json!(state));
    assert_eq!(ends, [end(&waiting, "CANCELED"), end(&running, "CANCELED"), end(&last, "COMPLETE")]);
    assert!(house.outputs().await.iter().all(|key| key.contains("short")));
    assert_eq!(house.work(), Vec::<std::path::PathBuf>::new());

    let late = rust_sdk(&house.url).cancel_job().id(&last).send().await.unwrap_err().into_service_error();
    assert!(late.is_conflict_exception(), "{late:?}");
    let by_state = house.boto3(&["pages", &running, &waiting, &last]).await;
    assert_eq!(by_state["CANCELED"], json!([waiting, running]));
    assert_eq!(by_state["COMPLETE"], json!([last]));
}

#[tokio::test]
async fn an_interrupted_job_runs_again_to_its_end() {
    let mut house = House::new().await;
    let input = house.put("inputs/ID.mp4", clip("1280x720", 30, 12, false).await).await;
    let job = house.job(&input, "ID", "540,1080").await;
    house.event(&job, &["STATUS_UPDATE"]).await;
    let mut house = house.killed_and_started().await;
    house.event(&job, &["PROGRESSING"]).await;
    let mut house = house.stopped_and_started().await;
    let end = house.end(&job).await;
    assert_eq!(end["status"], "COMPLETE", "{end}");
    assert!(house.boto3(&["get", &job]).await["RetryCount"].as_u64().is_some_and(|count| count >= 1));
    let again = house.boto3(&["create", JOB_JSON, &input, "ID", "360", "kept"]).await;
    house.end(again.as_str().unwrap()).await;
    let house = house.stopped_and_started().await;
    assert_eq!(house.boto3(&["create", JOB_JSON, &input, "ID", "360", "kept"]).await, again);
}

#[tokio::test]
async fn callers_faults_are_refused_as_on_aws() {
    let mut house = House::new().await;
    let made = house.boto3(&["invalid_requests", JOB_JSON]).await;
    for id in made.as_array().unwrap() {
        assert_eq!(house.end(id.as_str().unwrap()).await["errorCode"], 1404);
    }
    let client = reqwest::Client::new();
    for path in ["/2017-08-29/jobs", "/2017-08-29/queues", "/"] {
        let answer = client.get(format!("{}{path}", house.url)).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{path}");
        assert_eq!(answer.headers()["x-amzn-errortype"], "MissingAuthenticationTokenException");
        assert!(answer.text().await.unwrap().starts_with("{\"message\":"));
    }
}

#[tokio::test]
async fn probe_tells_what_is_in_a_file() {
    let house = House::new().await;
    let bytes = clip("640x360", 25, 2, true).await;
    let size = bytes.len();
    let input = house.put("inputs/a.mp4", bytes.clone()).await;
    let probed = house.boto3(&["probe", &input]).await;
    assert_eq!(probed["Metadata"]["FileSize"], size);
    assert_eq!(probed["Container"]["Format"], "mp4");
    assert_eq!(probed["Container"]["Duration"].as_f64().map(f64::round), Some(2.0));
    let (video, audio) = (&probed["Container"]["Tracks"][0], &probed["Container"]["Tracks"][1]);
    assert_eq!(
        (&video["Index"], &video["TrackType"], &video["Codec"]),
        (&json!(1), &json!("video"), &json!("AVC"))
    );
    assert_eq!(video["VideoProperties"]["FrameRate"], json!({"Numerator": 25, "Denominator": 1}));
    assert!(video["VideoProperties"].get("Rotation").is_none());
    assert_eq!((&audio["Codec"], &audio["AudioProperties"]["SampleRate"]), (&json!("AAC"), &json!(44100)));
    let mapping = json!([{"VideoTrackIndexes": [1], "AudioTrackIndexes": [2], "DataTrackIndexes": []}]);
    assert_eq!(probed["TrackMappings"], mapping);

    let refused = async |key: &str, bytes: Vec<u8>| {
        let uri = house.put(key, bytes).await;
        house.boto3(&["probe", &uri]).await["refused"].clone()
    };
    assert_eq!(refused("inputs/text.mp4", b"nothing".repeat(99)).await, "BadRequestException");
    assert_eq!(refused("inputs/empty.mp4", vec![]).await, "BadRequestException");
    assert_eq!(refused("inputs/half.mp4", bytes[..size / 2].to_vec()).await, "UnprocessableEntityException");
    let elsewhere =
        ["s3://uploads/inputs/none.mp4", "http://127.0.0.1:1/a.mp4", "file:///etc/hostname", "/etc/hostname"];
    let expected = ["NotFoundException", "BadRequestException", "BadRequestException", "BadRequestException"];
    for (uri, code) in elsewhere.into_iter().zip(expected) {
        assert_eq!(house.boto3(&["probe", uri]).await, json!({"refused": code}), "{uri}");
    }
}
