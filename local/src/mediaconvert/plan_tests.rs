//! Tests of [`Plan`] with the repository's `job.json` and with other settings.

use super::*;
use serde_json::{Value, json};

/// Returns `job.json` as the edge sends it for the video id `ID`: wire names, addresses filled in.
fn job_json() -> Value {
    let text = include_str!("../../../job.json");
    let mut settings = to_wire(serde_json::from_str(text).unwrap());
    settings["inputs"][0]["fileInput"] = "s3://uploads/inputs/ID.mov".into();
    for group in settings["outputGroups"].as_array_mut().unwrap() {
        for kind in ["hlsGroupSettings", "fileGroupSettings"] {
            if let Some(Value::String(destination)) =
                group["outputGroupSettings"][kind].get_mut("destination")
            {
                *destination = format!("s3://media/{destination}ID");
            }
        }
    }
    settings
}

/// Converts member names to lower case first letters; the keys of `AudioSelectors` stay.
fn to_wire(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| {
                let lower = name[..1].to_lowercase() + &name[1..];
                let value = match (lower.as_str(), value) {
                    ("audioSelectors", Value::Object(map)) => {
                        map.into_iter().map(|(key, value)| (key, to_wire(value))).collect()
                    }
                    (_, value) => to_wire(value),
                };
                (lower, value)
            })
            .collect(),
        Value::Array(list) => list.into_iter().map(to_wire).collect(),
        other => other,
    }
}

fn source(video: Value, with_audio: bool) -> Source {
    let mut track = json!({"index": 0, "codec_type": "video", "codec_name": "h264", "width": 1920, "height": 1080,
        "avg_frame_rate": "30/1"});
    for (name, value) in video.as_object().unwrap() {
        track[name] = value.clone();
    }
    let audio = json!({"index": 1, "codec_type": "audio", "codec_name": "aac", "channels": 2, "sample_rate": "48000"});
    let tracks = if with_audio { vec![track, audio] } else { vec![track] };
    let report = json!({"streams": tracks, "format": {"format_name": "mov,mp4", "duration": "10"}});
    Source::parse(report.to_string().as_bytes()).unwrap()
}

fn plan(settings: &Value, source: &Source) -> Result<Plan, JobError> {
    Plan::new(&Settings::parse(settings).unwrap(), source, true)
}

fn filter_graph(plan: &Plan) -> &str {
    &plan.arguments[1]
}

/// Counts the occurrences of consecutive arguments.
fn count(plan: &Plan, arguments: &[&str]) -> usize {
    plan.arguments.windows(arguments.len()).filter(|window| *window == arguments).count()
}

#[test]
fn hls_and_mp4_of_one_height_are_encoded_once() {
    let plan = plan(&job_json(), &source(json!({}), true)).unwrap();
    assert_eq!(count(&plan, &["-c:v", "libx264"]), 4);
    assert_eq!(count(&plan, &["-c:a", "aac"]), 4);
    assert_eq!(count(&plan, &["-filter_complex"]), 1);
    assert!(
        filter_graph(&plan).starts_with("[0:0]format=yuv420p,split=5[e0][e1][e2][e3][f0];"),
        "{}",
        filter_graph(&plan)
    );
    assert!(
        filter_graph(&plan)
            .contains("[0:1]aresample=async=1:first_pts=0,apad=whole_dur=10,asplit=4[a0][a1][a2][a3]")
    );
    let hls = "[f=hls:hls_time=6:hls_list_size=0:hls_playlist_type=vod:start_number=1:\
               hls_segment_filename=encode1s6_%05d.ts]encode1s6.m3u8";
    let tee = format!("{hls}|[f=mp4:movflags=+faststart]encode1.mp4");
    assert!(plan.arguments.contains(&tee), "{:?}", plan.arguments);
}

#[test]
fn job_json_gives_documented_names_and_sizes() {
    let plan = plan(&job_json(), &source(json!({}), true)).unwrap();
    let outputs: Vec<_> = plan
        .groups
        .iter()
        .flat_map(|group| {
            group.outputs.iter().map(move |o| (format!("{}{}", group.base, o.modifier), o.width, o.height))
        })
        .collect();
    let expected = [
        ("s3://media/assets/HLS/ID_360", 640, 360),
        ("s3://media/assets/HLS/ID_540", 960, 540),
        ("s3://media/assets/HLS/ID_720", 1280, 720),
        ("s3://media/assets/HLS/ID_1080", 1920, 1080),
        ("s3://media/assets/MP4/ID_540", 960, 540),
        ("s3://media/assets/MP4/ID_720", 1280, 720),
        ("s3://media/assets/MP4/ID_1080", 1920, 1080),
        ("s3://media/assets/Thumbnails/ID", 1280, 720),
    ];
    assert_eq!(outputs, expected.map(|(name, width, height)| (name.to_owned(), width, height)));
}

#[test]
fn job_json_gives_quality_and_gop_arguments() {
    let plan = plan(&job_json(), &source(json!({"avg_frame_rate": "30000/1001"}), true)).unwrap();
    for rate in ["1000000", "2000000", "3000000", "4500000"] {
        let buffer = (rate.parse::<u32>().unwrap() * 2).to_string();
        assert_eq!(count(&plan, &["-crf", "23", "-maxrate", rate, "-bufsize", &buffer]), 1, "{rate}");
    }
    let gop = ["-g", "60", "-force_key_frames", "expr:gte(t,n_forced*2)", "-sc_threshold", "0"];
    assert_eq!(count(&plan, &gop), 4);
    assert!(filter_graph(&plan).contains("fps=30000/1001:start_time=0,scale=640:360,setsar=1[v0]"));
    assert_eq!(count(&plan, &["-b:a", "96000", "-ar", "48000", "-ac", "2"]), 4);
    assert_eq!(count(&plan, &["-t", "80"]), 4);
    // No metadata of the input in any of the five outputs.
    assert_eq!(count(&plan, &["-map_metadata", "-1"]), 5);
}

#[test]
fn rotated_input_is_turned_upright() {
    let rotated = json!({"side_data_list": [{"rotation": -90}]});
    let plan_auto = plan(&job_json(), &source(rotated.clone(), true)).unwrap();
    assert!(filter_graph(&plan_auto).starts_with("[0:0]transpose=clock,format=yuv420p"));
    let sizes: Vec<_> = plan_auto.groups[1].outputs.iter().map(|o| (o.width, o.height)).collect();
    assert_eq!(sizes, [(304, 540), (406, 720), (608, 1080)]);
    let capture = &plan_auto.groups[2].outputs[0];
    assert_eq!((capture.width, capture.height), (406, 720));

    let mut unrotated = job_json();
    unrotated["inputs"][0]["videoSelector"] = json!({});
    let plan_never = plan(&unrotated, &source(rotated, true)).unwrap();
    assert!(filter_graph(&plan_never).starts_with("[0:0]format=yuv420p"));
}

#[test]
fn captures_are_every_3_s_and_not_upscaled() {
    let plan = plan(&job_json(), &source(json!({"width": 321, "height": 241}), false)).unwrap();
    let filters =
        "select='lt(selected_n,3)*(isnan(prev_selected_t)+gte(t-prev_selected_t,3))',scale=322:242,setsar=1";
    assert!(filter_graph(&plan).contains(filters), "{}", filter_graph(&plan));
    assert_eq!(count(&plan, &["-q:v", "4"]), 1);
    assert_eq!(plan.arguments.last().map(String::as_str), Some("capture0.%07d.jpg"));
}

#[test]
fn input_without_audio_gives_outputs_without_audio() {
    let plan = plan(&job_json(), &source(json!({}), false)).unwrap();
    assert!(!filter_graph(&plan).contains("aresample"));
    assert_eq!(count(&plan, &["-c:a", "aac"]), 0);
    assert!(
        plan.groups[0]
            .outputs
            .iter()
            .all(|o| matches!(o.files, OutputFiles::Playlist { has_audio: false, .. }))
    );
}

#[test]
fn unsupported_input_has_job_error_code() {
    let code = |result: Result<Plan, JobError>| result.unwrap_err().code_and_message().0;
    let only_audio = source(json!({"disposition": {"attached_pic": 1}}), true);
    assert_eq!(code(plan(&job_json(), &only_audio)), 1020);
    assert_eq!(code(plan(&job_json(), &source(json!({"codec_name": "unknown"}), true))), 1030);
    let mut third_track = job_json();
    third_track["inputs"][0]["audioSelectors"]["Audio Selector 1"]["tracks"] = json!([3]);
    assert_eq!(code(plan(&third_track, &source(json!({}), true))), 1040);
    assert!(plan(&third_track, &source(json!({}), false)).is_ok());
    assert_eq!(code(plan(&job_json(), &source(json!({"width": 20_000, "height": 20}), true))), 1040);
    let mut too_long = source(json!({}), true);
    too_long.duration = Some(1e9);
    assert_eq!(code(plan(&job_json(), &too_long)), 1040);
}

#[test]
fn hdr_is_tone_mapped_if_ffmpeg_supports_it() {
    let hdr = source(json!({"color_transfer": "arib-std-b67", "width": 3840, "height": 2160}), true);
    let mapped = plan(&job_json(), &hdr).unwrap();
    assert!(
        filter_graph(&mapped).starts_with("[0:0]scale=1920:1080,zscale=t=linear"),
        "{}",
        filter_graph(&mapped)
    );
    assert_eq!(count(&mapped, &["-colorspace", "bt709"]), 4);
    let unmapped = Plan::new(&Settings::parse(&job_json()).unwrap(), &hdr, false).unwrap();
    assert!(filter_graph(&unmapped).starts_with("[0:0]format=yuv420p"));
    assert_eq!(count(&unmapped, &["-colorspace", "bt709"]), 0);
}

#[test]
fn different_outputs_are_encoded_separately() {
    let mut settings = job_json();
    let output =
        &mut settings["outputGroups"][1]["outputs"][0]["videoDescription"]["codecSettings"]["h264Settings"];
    output["maxBitrate"] = json!(2_500_000);
    assert_eq!(count(&plan(&settings, &source(json!({}), true)).unwrap(), &["-c:v", "libx264"]), 5);
}

#[test]
fn names_from_request_are_not_in_arguments() {
    let mut settings = job_json();
    let evil = "s3://media/a|[f=mp4]/etc/passwd%d'";
    settings["outputGroups"][0]["outputGroupSettings"]["hlsGroupSettings"]["destination"] = evil.into();
    settings["outputGroups"][1]["outputs"][0]["nameModifier"] = "|evil".into();
    settings["outputGroups"][2]["outputs"][0]["extension"] = "evil".into();
    let plan = plan(&settings, &source(json!({}), true)).unwrap();
    assert!(plan.arguments.iter().all(|argument| !argument.contains("passwd") && !argument.contains("evil")));
}

#[test]
fn destination_with_slash_gets_input_name() {
    let mut settings = job_json();
    settings["outputGroups"][1]["outputGroupSettings"]["fileGroupSettings"]["destination"] =
        "s3://media/a/".into();
    let plan = plan(&settings, &source(json!({}), true)).unwrap();
    assert_eq!(plan.groups[1].base.key, "a/ID");
}

#[test]
fn unsupported_settings_are_refused_with_path() {
    let error_of = |path: &str, value: Value| {
        let mut settings = job_json();
        *settings.pointer_mut(path).unwrap() = value;
        Settings::parse(&settings).map(drop).unwrap_err()
    };
    let video = "/outputGroups/0/outputs/1/videoDescription";
    let cases = [
        (error_of("/inputs", json!([])), "/settings/inputs"),
        (error_of("/inputs/0/fileInput", json!("/etc/passwd")), "/settings/inputs/0/fileInput"),
        (error_of("/inputs/0/fileInput", json!("http://127.0.0.1/x")), "/settings/inputs/0/fileInput"),
        (error_of("/outputGroups", json!([])), "/settings/outputGroups"),
        (error_of("/outputGroups/1/outputs", json!([])), "/settings/outputGroups/1/outputs"),
        (error_of("/outputGroups/1/outputs/1/nameModifier", json!("_540")), "nameModifier"),
        (error_of("/outputGroups/0/outputGroupSettings/type", json!("DASH_ISO_GROUP_SETTINGS")), "DASH_ISO"),
        (error_of("/outputGroups/2/outputs/0/containerSettings/container", json!("MP4")), "go together"),
        (error_of(&format!("{video}/height"), json!(7)), "32 to 8192"),
        (
            error_of(&format!("{video}/height"), json!("tall")),
            "outputGroups[0].outputs[1].videoDescription.height",
        ),
        (error_of(&format!("{video}/codecSettings/codec"), json!("H_265")), "H_265"),
        (error_of(&format!("{video}/codecSettings/h264Settings/maxBitrate"), json!(1)), "bit rate"),
        (error_of(&format!("{video}/codecSettings/h264Settings/gopSize"), json!(0)), "gopSize"),
    ];
    for (message, path) in cases {
        assert!(message.contains(path) && message.ends_with('.'), "{message} should name {path}");
    }
}
