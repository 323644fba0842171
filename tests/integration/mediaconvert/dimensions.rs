//! Rate controls, codecs, loudness, captions and colours, each on one tiny input.

use super::fixture::{Fixture, encode, ffprobe_path};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Runs a job; returns its outputs in a folder.
async fn run(fixture: &mut Fixture, inputs: Value, groups: Value) -> tempfile::TempDir {
    let job = fixture.create_job_of(&json!({"Inputs": inputs, "OutputGroups": groups})).await;
    let end = fixture.final_detail(&job).await;
    assert_eq!(end["status"], "COMPLETE", "{end}");
    fixture.download().await
}

fn files(outputs: Value) -> Value {
    json!({
        "OutputGroupSettings": {"Type": "FILE_GROUP_SETTINGS", "FileGroupSettings": {"Destination": "s3://media/film"}},
        "Outputs": outputs,
    })
}

fn video(codec: &str, member: &str, settings: Value) -> Value {
    json!({"Height": 180, "CodecSettings": {"Codec": codec, member: settings}})
}

/// Noise, which no encoder makes small, at 320×180 for 3 s.
async fn noise(fixture: &Fixture) -> String {
    let args = "-f lavfi -i testsrc2=s=320x180:r=25:d=3,noise=alls=60:allf=t -f lavfi -i sine=d=3 \
                -metadata:s:a:0 language=eng -c:v libx264 -preset ultrafast -crf 10 -c:a aac";
    fixture.put_input("inputs/noise.mp4", encode(args, "mp4").await).await
}

#[tokio::test]
async fn rate_controls_keep_to_their_rates() {
    let mut fixture = Fixture::new().await;
    let input = noise(&fixture).await;
    let vbr = json!({"RateControlMode": "VBR", "Bitrate": 300_000, "MaxBitrate": 450_000});
    let multi_pass = json!({
        "RateControlMode": "VBR", "Bitrate": 300_000, "MaxBitrate": 450_000, "QualityTuningLevel": "MULTI_PASS_HQ",
    });
    let cbr = json!({"RateControlMode": "CBR", "Bitrate": 300_000});
    let qvbr = json!({"RateControlMode": "QVBR", "MaxBitrate": 300_000});
    let cases = [
        ("_vbr", "H_264", "H264Settings", vbr.clone(), "h264"),
        ("_multi", "H_264", "H264Settings", multi_pass, "h264"),
        ("_cbr", "H_264", "H264Settings", cbr.clone(), "h264"),
        ("_qvbr", "H_264", "H264Settings", qvbr.clone(), "h264"),
        ("_265cbr", "H_265", "H265Settings", cbr, "hevc"),
        ("_av1", "AV1", "Av1Settings", qvbr, "av1"),
        ("_vp9", "VP9", "Vp9Settings", vbr, "vp9"),
    ];
    let outputs: Vec<_> = cases
        .iter()
        .map(|(name, codec, member, settings, _)| {
            json!({"NameModifier": name, "VideoDescription": video(codec, member, settings.clone())})
        })
        .collect();
    let folder = run(&mut fixture, json!([{"FileInput": input}]), json!([files(json!(outputs))])).await;
    for (name, _, _, _, codec) in cases {
        let path = folder.path().join(format!("film{name}.mp4"));
        let fields = ["codec_name", "width", "height", "duration", "bit_rate"];
        let stream = ffprobe_path(&path, &fields).await[0].clone();
        assert_eq!(stream[..3], [codec, "320", "180"], "{name}");
        assert!((stream[3].parse::<f64>().unwrap() - 3.0).abs() < 0.05, "{name}: {stream:?}");
        let rate: f64 = stream[4].parse().unwrap();
        // Buffers let the first seconds be larger; VP9 in one pass exceeds its rate most.
        assert!((150_000.0..1_000_000.0).contains(&rate), "{name}: {rate}");
    }
}

#[tokio::test]
async fn cmaf_has_av1_captions_and_normalized_sound() {
    let mut fixture = Fixture::new().await;
    let args = "-f lavfi -i testsrc2=s=320x180:r=25:d=4 -f lavfi -i sine=d=4,volume=0.05 -metadata:s:a:0 language=eng \
                -c:v libx264 -preset ultrafast -c:a aac";
    let input = fixture.put_input("inputs/quiet.mp4", encode(args, "mp4").await).await;
    let vtt = "WEBVTT\n\n00:00.500 --> 00:01.500\nHello\n\n00:02.500 --> 00:03.500\nAgain\n";
    let captions = fixture.put_input("inputs/quiet.vtt", vtt.into()).await;
    let source = json!({"SourceType": "WEBVTT", "FileSourceSettings": {"SourceFile": captions}});
    let inputs = json!([{"FileInput": input, "CaptionSelectors": {"text": {"SourceSettings": source}},
            "AudioSelectors": {"Audio Selector 1": {"DefaultSelection": "DEFAULT"}}}]);
    let av1 = json!({"RateControlMode": "QVBR", "MaxBitrate": 300_000, "GopSize": 50});
    let cmaf = json!({
        "OutputGroupSettings": {"Type": "CMAF_GROUP_SETTINGS", "CmafGroupSettings": {
            "Destination": "s3://media/film", "SegmentLength": 2,
        }},
        "Outputs": [
            {"NameModifier": "_v", "VideoDescription": video("AV1", "Av1Settings", av1)},
            {"NameModifier": "_a", "AudioDescriptions": [{
                "CodecSettings": {"Codec": "AAC"},
                "AudioNormalizationSettings": {"AlgorithmControl": "CORRECT_AUDIO", "TargetLkfs": -20.0},
            }]},
            {"NameModifier": "_c", "CaptionDescriptions": [{
                "CaptionSelectorName": "text", "LanguageCode": "ENG", "LanguageDescription": "English",
                "DestinationSettings": {"DestinationType": "WEBVTT"},
            }]},
        ],
    });
    let folder = run(&mut fixture, inputs, json!([cmaf])).await;
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    assert_eq!(ffprobe_path(&path("film_v.m3u8"), &["codec_name"]).await, [["av1"]]);
    let master = text("film.m3u8");
    for expected in ["CODECS=\"av01.0.", "TYPE=SUBTITLES,GROUP-ID=\"subs\",NAME=\"English\"", "TYPE=AUDIO"] {
        assert!(master.contains(expected), "{expected} in {master}");
    }
    let second = text("film_c_00002.vtt");
    assert!(second.contains("Again") && !second.contains("Hello") && second.contains("MPEGTS:0"), "{second}");
    assert!(text("film.mpd").contains("<BaseURL>film_c.vtt</BaseURL>"));
    assert!(text("film_c.vtt").contains("Hello"));
    let loudness = loudness(&path("film_a.m3u8")).await;
    assert!((loudness + 20.0).abs() < 1.0, "{loudness} LUFS");
}

/// The integrated loudness by ITU-R BS.1770, in LUFS.
async fn loudness(path: &Path) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log.txt");
    let filter = format!("ebur128=metadata=1,ametadata=mode=print:key=lavfi.r128.I:file={}", log.display());
    let input = format!("-allowed_extensions ALL -i {}", path.display());
    encode(&format!("{input} -af {filter}"), "wav").await;
    let text = std::fs::read_to_string(log).unwrap();
    text.lines().filter_map(|line| line.strip_prefix("lavfi.r128.I=")).next_back().unwrap().parse().unwrap()
}

/// The mean of a part of a picture at this time, for red, green and blue.
async fn mean_color(path: &Path, seconds: f64, crop: &str) -> Vec<u8> {
    let picture = format!("-vf crop={crop},scale=1:1:flags=area -pix_fmt rgb24 -f rawvideo");
    encode(&format!("-ss {seconds} -i {} -frames:v 1 {picture}", path.display()), "raw").await
}

#[tokio::test]
async fn captions_are_drawn_where_and_when_they_are_due() {
    let mut fixture = Fixture::new().await;
    let args = "-f lavfi -i color=black:s=320x180:r=10:d=3 -c:v libx264 -preset ultrafast";
    let input = fixture.put_input("inputs/black.mp4", encode(args, "mp4").await).await;
    let srt = "1\n00:00:01,000 --> 00:00:02,000\nMMMMMMMMMMMM\n";
    let captions = fixture.put_input("inputs/black.srt", srt.into()).await;
    let source = json!({"SourceType": "SRT", "FileSourceSettings": {"SourceFile": captions}});
    let burn_in = json!({"DestinationType": "BURN_IN", "BurninDestinationSettings": {"FontColor": "YELLOW", "FontSize": 24}});
    let h264 = json!({"RateControlMode": "QVBR", "MaxBitrate": 500_000});
    let output = json!({
        "NameModifier": "_b", "VideoDescription": video("H_264", "H264Settings", h264),
        "CaptionDescriptions": [{"CaptionSelectorName": "text", "DestinationSettings": burn_in}],
    });
    let inputs = json!([{"FileInput": input, "CaptionSelectors": {"text": {"SourceSettings": source}}}]);
    let folder = run(&mut fixture, inputs, json!([files(json!([output]))])).await;
    let path: PathBuf = folder.path().join("film_b.mp4");
    let lower = "200:60:60:120";
    let during = mean_color(&path, 1.5, lower).await;
    assert!(during[0] > 20 && during[1] > 20 && during[2] < during[0], "yellow: {during:?}");
    for seconds in [0.5, 2.5] {
        assert!(mean_color(&path, seconds, lower).await.iter().all(|value| *value < 5), "at {seconds} s");
    }
}

/// Ten bits keep the colours' description; clips of other sizes, with and without sound, are joined in step.
#[tokio::test]
async fn hdr_is_kept_in_ten_bits_and_clips_are_joined() {
    let mut fixture = Fixture::new().await;
    let args = "-f lavfi -i testsrc2=s=320x180:r=10:d=1 -pix_fmt yuv420p10le -c:v libx265 -preset ultrafast \
                -x265-params log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc -tag:v hvc1";
    let hdr = fixture.put_input("inputs/hdr.mp4", encode(args, "mp4").await).await;
    let ten_bit = json!({"RateControlMode": "QVBR", "MaxBitrate": 500_000, "CodecProfile": "MAIN10_MAIN"});
    let h264 = json!({"RateControlMode": "QVBR", "MaxBitrate": 500_000});
    let outputs = json!([
        {"NameModifier": "_hdr", "VideoDescription": video("H_265", "H265Settings", ten_bit)},
        {"NameModifier": "_sdr", "VideoDescription": video("H_264", "H264Settings", h264.clone())},
    ]);
    let folder = run(&mut fixture, json!([{"FileInput": hdr}]), json!([files(outputs)])).await;
    let fields = ["pix_fmt", "color_transfer", "color_primaries", "color_space"];
    let stream = async |name: &str| ffprobe_path(&folder.path().join(name), &fields).await[0].clone();
    assert_eq!(stream("film_hdr.mp4").await, ["yuv420p10le", "smpte2084", "bt2020", "bt2020nc"]);
    assert_eq!(stream("film_sdr.mp4").await, ["yuv420p", "bt709", "bt709", "bt709"]);

    let tone = "-f lavfi -i color=red:s=320x180:r=25:d=2 -f lavfi -i sine=d=2 -c:v libx264 -preset ultrafast -c:a aac";
    let tone = fixture.put_input("inputs/tone.mp4", encode(tone, "mp4").await).await;
    let silent = "-f lavfi -i color=blue:s=180x320:r=10:d=1 -c:v libx264 -preset ultrafast";
    let silent = fixture.put_input("inputs/silent.mp4", encode(silent, "mp4").await).await;
    let clip = json!([{"StartTimecode": "00:00:00:00", "EndTimecode": "00:00:01:00"}]);
    let selectors = json!({"Audio Selector 1": {"DefaultSelection": "DEFAULT"}});
    let input =
        |uri: &str| json!({"FileInput": uri, "TimecodeSource": "ZEROBASED", "AudioSelectors": selectors});
    let mut cut = input(&tone);
    cut["InputClippings"] = clip;
    let output = json!([{
        "NameModifier": "_joined", "VideoDescription": video("H_264", "H264Settings", h264),
        "AudioDescriptions": [{"CodecSettings": {"Codec": "AAC"}}],
    }]);
    let folder = run(&mut fixture, json!([input(&silent), cut, input(&tone)]), json!([files(output)])).await;
    let path = folder.path().join("film_joined.mp4");
    for stream in ffprobe_path(&path, &["duration"]).await {
        assert!((stream[0].parse::<f64>().unwrap() - 4.0).abs() < 0.1, "{stream:?}");
    }
    for (seconds, channel) in [(0.5, 2), (1.5, 0), (3.5, 0)] {
        let color = mean_color(&path, seconds, "20:20:150:80").await;
        assert!(color[channel] > 150 && color.iter().filter(|value| **value > 150).count() == 1, "{color:?}");
    }
}
