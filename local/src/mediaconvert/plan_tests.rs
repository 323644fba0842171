//! What the plan makes of the repository's own `job.json` and of stranger settings.

use super::*;
use serde_json::{Value, json};

/// `job.json` as the edge hands it in for a video called `ID`: wire names, addresses filled in.
fn job_json() -> Value {
    let text = include_str!("../../../job.json");
    let mut settings = wire(serde_json::from_str(text).unwrap());
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

/// Member names with a small first letter; the keys of `AudioSelectors` are no member names.
fn wire(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| {
                let small = name[..1].to_lowercase() + &name[1..];
                let value = match (small.as_str(), value) {
                    ("audioSelectors", Value::Object(map)) => {
                        map.into_iter().map(|(key, value)| (key, wire(value))).collect()
                    }
                    (_, value) => wire(value),
                };
                (small, value)
            })
            .collect(),
        Value::Array(list) => list.into_iter().map(wire).collect(),
        other => other,
    }
}

fn source(video: Value, with_sound: bool) -> Source {
    let mut track = json!({"index": 0, "codec_type": "video", "codec_name": "h264", "width": 1920, "height": 1080,
        "avg_frame_rate": "30/1"});
    for (name, value) in video.as_object().unwrap() {
        track[name] = value.clone();
    }
    let sound = json!({"index": 1, "codec_type": "audio", "codec_name": "aac", "channels": 2, "sample_rate": "48000"});
    let tracks = if with_sound { vec![track, sound] } else { vec![track] };
    let report = json!({"streams": tracks, "format": {"format_name": "mov,mp4", "duration": "10"}});
    Source::parse(report.to_string().as_bytes()).unwrap()
}

fn plan(settings: &Value, source: &Source) -> Result<Plan, Failure> {
    Plan::new(&Settings::read(settings).unwrap(), source, true)
}

fn graph(plan: &Plan) -> &str {
    &plan.arguments[1]
}

/// How often these words follow each other on the command line.
fn count(plan: &Plan, wanted: &[&str]) -> usize {
    plan.arguments.windows(wanted.len()).filter(|words| *words == wanted).count()
}

#[test]
fn renditions_and_films_of_one_height_are_encoded_once() {
    let plan = plan(&job_json(), &source(json!({}), true)).unwrap();
    assert_eq!(count(&plan, &["-c:v", "libx264"]), 4);
    assert_eq!(count(&plan, &["-c:a", "aac"]), 4);
    assert_eq!(count(&plan, &["-filter_complex"]), 1);
    assert!(graph(&plan).starts_with("[0:0]format=yuv420p,split=5[e0][e1][e2][e3][f0];"), "{}", graph(&plan));
    assert!(graph(&plan).contains("[0:1]aresample=async=1:first_pts=0,asplit=4[a0][a1][a2][a3]"));
    let hls = "[f=hls:hls_time=6:hls_list_size=0:hls_playlist_type=vod:start_number=1:\
               hls_segment_filename=encode1s6_%05d.ts]encode1s6.m3u8";
    let tee = format!("{hls}|[f=mp4:movflags=+faststart]encode1.mp4");
    assert!(plan.arguments.contains(&tee), "{:?}", plan.arguments);
}

#[test]
fn names_and_sizes_are_the_promised_ones() {
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
fn quality_and_gops_are_the_jobs() {
    let plan = plan(&job_json(), &source(json!({"avg_frame_rate": "30000/1001"}), true)).unwrap();
    for rate in ["1000000", "2000000", "3000000", "4500000"] {
        let buffer = (rate.parse::<u32>().unwrap() * 2).to_string();
        assert_eq!(count(&plan, &["-crf", "23", "-maxrate", rate, "-bufsize", &buffer]), 1, "{rate}");
    }
    let gop = ["-g", "60", "-force_key_frames", "expr:gte(t,n_forced*2)", "-sc_threshold", "0"];
    assert_eq!(count(&plan, &gop), 4);
    assert!(graph(&plan).contains("fps=30000/1001:start_time=0,scale=640:360,setsar=1[v0]"));
    assert_eq!(count(&plan, &["-b:a", "96000", "-ar", "48000", "-ac", "2"]), 4);
    assert_eq!(count(&plan, &["-t", "80"]), 4);
    // Nothing of the stranger's metadata in any of the five outputs.
    assert_eq!(count(&plan, &["-map_metadata", "-1"]), 5);
}

#[test]
fn a_phones_clip_is_stood_upright() {
    let rotated = json!({"side_data_list": [{"rotation": -90}]});
    let plan_auto = plan(&job_json(), &source(rotated.clone(), true)).unwrap();
    assert!(graph(&plan_auto).starts_with("[0:0]transpose=clock,format=yuv420p"));
    let sizes: Vec<_> = plan_auto.groups[1].outputs.iter().map(|o| (o.width, o.height)).collect();
    assert_eq!(sizes, [(304, 540), (406, 720), (608, 1080)]);
    let capture = &plan_auto.groups[2].outputs[0];
    assert_eq!((capture.width, capture.height), (406, 720));

    let mut untouched = job_json();
    untouched["inputs"][0]["videoSelector"] = json!({});
    let plan_never = plan(&untouched, &source(rotated, true)).unwrap();
    assert!(graph(&plan_never).starts_with("[0:0]format=yuv420p"));
}

#[test]
fn captures_come_every_three_seconds_and_are_no_larger_than_the_source() {
    let plan = plan(&job_json(), &source(json!({"width": 321, "height": 241}), false)).unwrap();
    let every =
        "select='lt(selected_n,3)*(isnan(prev_selected_t)+gte(t-prev_selected_t,3))',scale=322:242,setsar=1";
    assert!(graph(&plan).contains(every), "{}", graph(&plan));
    assert_eq!(count(&plan, &["-q:v", "4"]), 1);
    assert_eq!(plan.arguments.last().map(String::as_str), Some("capture0.%07d.jpg"));
}

#[test]
fn a_film_without_sound_stays_silent() {
    let plan = plan(&job_json(), &source(json!({}), false)).unwrap();
    assert!(!graph(&plan).contains("aresample"));
    assert_eq!(count(&plan, &["-c:a", "aac"]), 0);
    assert!(plan.groups[0].outputs.iter().all(|o| matches!(o.made, Made::Playlist { sound: false, .. })));
}

#[test]
fn what_cant_be_converted_says_why() {
    let code = |result: Result<Plan, Failure>| result.unwrap_err().answer().0;
    let only_sound = source(json!({"disposition": {"attached_pic": 1}}), true);
    assert_eq!(code(plan(&job_json(), &only_sound)), 1020);
    assert_eq!(code(plan(&job_json(), &source(json!({"codec_name": "unknown"}), true))), 1030);
    let mut third_track = job_json();
    third_track["inputs"][0]["audioSelectors"]["Audio Selector 1"]["tracks"] = json!([3]);
    assert_eq!(code(plan(&third_track, &source(json!({}), true))), 1040);
    assert!(plan(&third_track, &source(json!({}), false)).is_ok());
    assert_eq!(code(plan(&job_json(), &source(json!({"width": 20_000, "height": 20}), true))), 1040);
    let mut endless = source(json!({}), true);
    endless.duration = Some(1e9);
    assert_eq!(code(plan(&job_json(), &endless)), 1040);
}

#[test]
fn high_dynamic_range_becomes_standard_where_ffmpeg_can() {
    let bright = source(json!({"color_transfer": "arib-std-b67", "width": 3840, "height": 2160}), true);
    let mapped = plan(&job_json(), &bright).unwrap();
    assert!(graph(&mapped).starts_with("[0:0]scale=1920:1080,zscale=t=linear"), "{}", graph(&mapped));
    assert_eq!(count(&mapped, &["-colorspace", "bt709"]), 4);
    let pale = Plan::new(&Settings::read(&job_json()).unwrap(), &bright, false).unwrap();
    assert!(graph(&pale).starts_with("[0:0]format=yuv420p"));
    assert_eq!(count(&pale, &["-colorspace", "bt709"]), 0);
}

#[test]
fn outputs_that_differ_are_encoded_each() {
    let mut settings = job_json();
    let film =
        &mut settings["outputGroups"][1]["outputs"][0]["videoDescription"]["codecSettings"]["h264Settings"];
    film["maxBitrate"] = json!(2_500_000);
    assert_eq!(count(&plan(&settings, &source(json!({}), true)).unwrap(), &["-c:v", "libx264"]), 5);
}

#[test]
fn a_callers_names_never_reach_the_command_line() {
    let mut settings = job_json();
    let evil = "s3://media/a|[f=mp4]/etc/passwd%d'";
    settings["outputGroups"][0]["outputGroupSettings"]["hlsGroupSettings"]["destination"] = evil.into();
    settings["outputGroups"][1]["outputs"][0]["nameModifier"] = "|evil".into();
    settings["outputGroups"][2]["outputs"][0]["extension"] = "evil".into();
    let plan = plan(&settings, &source(json!({}), true)).unwrap();
    assert!(plan.arguments.iter().all(|word| !word.contains("passwd") && !word.contains("evil")));
}

#[test]
fn a_folder_as_destination_takes_the_inputs_name() {
    let mut settings = job_json();
    settings["outputGroups"][1]["outputGroupSettings"]["fileGroupSettings"]["destination"] =
        "s3://media/a/".into();
    let plan = plan(&settings, &source(json!({}), true)).unwrap();
    assert_eq!(plan.groups[1].base.key, "a/ID");
}

#[test]
fn settings_that_cant_be_made_here_are_refused_with_their_place() {
    let refused = |path: &str, value: Value| {
        let mut settings = job_json();
        *settings.pointer_mut(path).unwrap() = value;
        Settings::read(&settings).map(drop).unwrap_err()
    };
    let video = "/outputGroups/0/outputs/1/videoDescription";
    let cases = [
        (refused("/inputs", json!([])), "/settings/inputs"),
        (refused("/inputs/0/fileInput", json!("/etc/passwd")), "/settings/inputs/0/fileInput"),
        (refused("/inputs/0/fileInput", json!("http://127.0.0.1/x")), "/settings/inputs/0/fileInput"),
        (refused("/outputGroups", json!([])), "/settings/outputGroups"),
        (refused("/outputGroups/1/outputs", json!([])), "/settings/outputGroups/1/outputs"),
        (refused("/outputGroups/1/outputs/1/nameModifier", json!("_540")), "nameModifier"),
        (refused("/outputGroups/0/outputGroupSettings/type", json!("DASH_ISO_GROUP_SETTINGS")), "DASH_ISO"),
        (refused("/outputGroups/2/outputs/0/containerSettings/container", json!("MP4")), "go together"),
        (refused(&format!("{video}/height"), json!(7)), "32 to 8192"),
        (
            refused(&format!("{video}/height"), json!("tall")),
            "outputGroups[0].outputs[1].videoDescription.height",
        ),
        (refused(&format!("{video}/codecSettings/codec"), json!("H_265")), "H_265"),
        (refused(&format!("{video}/codecSettings/h264Settings/maxBitrate"), json!(1)), "bit rate"),
        (refused(&format!("{video}/codecSettings/h264Settings/gopSize"), json!(0)), "gopSize"),
    ];
    for (sentence, place) in cases {
        assert!(sentence.contains(place) && sentence.ends_with('.'), "{sentence} should name {place}");
    }
}
