//! Tests of [`Plan`] with the repository's `job.json` and with other settings.

use super::*;
use serde_json::{Value, json};

/// Returns `job.json` as the edge sends it for the video id `ID`: wire names, addresses filled in.
fn job_json() -> Value {
    let text = include_str!("../../../../job.json");
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

fn materials(sources: &[Source]) -> Materials {
    Materials {
        sources: sources.to_vec(),
        tone_mapping: true,
        started_at: "2026-11-26T01:02:03Z".into(),
        ..Materials::default()
    }
}

fn plan(settings: &Value, source: &Source) -> Result<Plan, JobError> {
    Plan::new(&Settings::parse(settings).unwrap().0, &materials(std::slice::from_ref(source)))
}

fn filter_graph(plan: &Plan) -> &str {
    &plan.arguments[1]
}

/// Counts the occurrences of consecutive arguments; the names of options without their stream.
fn count(plan: &Plan, arguments: &[&str]) -> usize {
    let names: Vec<_> = plan.arguments.iter().map(|argument| without_stream(argument)).collect();
    names.windows(arguments.len()).filter(|window| window == &arguments).count()
}

/// Returns `-crf` for `-crf:v:0`, and `-c:v` for `-c:v:0`.
fn without_stream(argument: &str) -> &str {
    let name = argument.trim_end_matches(|c: char| c.is_ascii_digit());
    let Some(option) = name.strip_suffix(":v:").or_else(|| name.strip_suffix(":a:")) else { return argument };
    if option == "-c" { &name[..name.len() - 1] } else { option }
}

fn size_of(output: &Output) -> (u32, u32) {
    output.video.map(|video| (video.width, video.height)).unwrap()
}

#[test]
fn hls_and_mp4_of_one_height_are_encoded_once() {
    let plan = plan(&job_json(), &source(json!({}), true)).unwrap();
    let codecs = |codec: &str| plan.arguments.iter().filter(|argument| *argument == codec).count();
    assert_eq!((codecs("libx264"), codecs("aac")), (4, 1));
    assert_eq!(count(&plan, &["-filter_complex"]), 1);
    assert!(
        filter_graph(&plan).starts_with("[0:0]format=yuv420p,split=6[e0][e1][e2][e3][f0][f1];"),
        "{}",
        filter_graph(&plan)
    );
    assert!(
        filter_graph(&plan)
            .contains("[0:1]aresample=async=1:first_pts=0,apad=whole_dur=10,atrim=end=10,asplit=1[a0]")
    );
    let tee = plan.arguments.iter().find(|argument| argument.starts_with("[select")).unwrap();
    let hls = r"[select=\'v:1,a:0\':f=hls:hls_time=6:hls_list_size=0:hls_playlist_type=event:hls_flags=temp_file:start_number=1:hls_segment_filename=r1_%05d.ts:output_ts_offset=1]r1.m3u8|";
    assert!(
        tee.contains(hls) && tee.contains(r"[select=\'v:1,a:0\':f=mp4:movflags=+faststart]r4.mp4|"),
        "{tee}"
    );
}

#[test]
fn job_json_gives_documented_names_and_sizes() {
    let plan = plan(&job_json(), &source(json!({}), true)).unwrap();
    let outputs: Vec<_> = plan
        .groups
        .iter()
        .flat_map(|group| {
            group.outputs.iter().map(move |o| {
                let (width, height) = size_of(o);
                (format!("{}{}", group.base, o.modifier), width, height)
            })
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
        ("s3://media/assets/Storyboards/ID", 160, 90),
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
    assert_eq!(count(&plan, &["-b", "96000", "-ar", "48000", "-ac", "2"]), 1);
    assert_eq!(count(&plan, &["-t", "80"]), 1);
    // No metadata of the input in what ffmpeg writes.
    assert_eq!(count(&plan, &["-map_metadata", "-1"]), 3);
}

#[test]
fn rotated_input_is_turned_upright() {
    let rotated = json!({"side_data_list": [{"rotation": -90}]});
    let plan_auto = plan(&job_json(), &source(rotated.clone(), true)).unwrap();
    assert!(filter_graph(&plan_auto).starts_with("[0:0]transpose=clock,format=yuv420p"));
    let sizes: Vec<_> = plan_auto.groups[1].outputs.iter().map(size_of).collect();
    assert_eq!(sizes, [(304, 540), (406, 720), (608, 1080)]);
    let capture = &plan_auto.groups[2].outputs[0];
    assert_eq!(size_of(capture), (406, 720));

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
    assert_eq!(count(&plan, &["-q:v", "4"]), 2);
    assert_eq!(plan.arguments.last().map(String::as_str), Some("capture1.%07d.jpg"));
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
            .all(|o| matches!(&o.files, OutputFiles::Segments(list) if !list[0].has_audio))
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
    let materials = Materials { tone_mapping: false, ..materials(&[hdr]) };
    let unmapped = Plan::new(&Settings::parse(&job_json()).unwrap().0, &materials).unwrap();
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
        let (parent, member) = path.rsplit_once('/').unwrap();
        let parent = settings.pointer_mut(parent).unwrap();
        match parent {
            Value::Array(list) => list[member.parse::<usize>().unwrap()] = value,
            parent => parent[member] = value,
        }
        Settings::parse(&settings).map(drop).unwrap_err()
    };
    let output = "/outputGroups/0/outputs/1";
    let video = &format!("{output}/videoDescription");
    let h264 = &format!("{video}/codecSettings/h264Settings");
    let cases = [
        (error_of("/inputs", json!([])), "/settings/inputs:"),
        (error_of("/inputs/0/fileInput", json!("/etc/passwd")), "/settings/inputs/0/fileInput:"),
        (error_of("/inputs/0/fileInput", json!("http://127.0.0.1/x")), "/settings/inputs/0/fileInput:"),
        (
            error_of("/inputs/0/denoiseFilter", json!("ENABLED")),
            "/settings/inputs/0/denoiseFilter: only DISABLED",
        ),
        (error_of("/inputs/0/videoGenerator", json!({"duration": 5})), "/settings/inputs/0/videoGenerator:"),
        (error_of("/inputs/0/crop", json!({"x": 1, "width": 9})), "/settings/inputs/0/crop:"),
        (error_of("/outputGroups", json!([])), "/settings/outputGroups:"),
        (error_of("/outputGroups/1/outputs", json!([])), "/settings/outputGroups/1/outputs:"),
        (error_of("/outputGroups/1/outputs/1/nameModifier", json!("_540")), "nameModifier"),
        (
            error_of("/outputGroups/0/outputGroupSettings/type", json!("MS_SMOOTH_GROUP_SETTINGS")),
            "MS_SMOOTH",
        ),
        (error_of("/outputGroups/2/outputs/0/containerSettings/container", json!("MP4")), "go together"),
        (error_of(&format!("{video}/height"), json!(7)), "32 to 8192"),
        (
            error_of(&format!("{video}/height"), json!("tall")),
            "outputGroups[0].outputs[1].videoDescription.height",
        ),
        (error_of(&format!("{video}/codecSettings/codec"), json!("MPEG2")), "MPEG2"),
        (error_of(&format!("{video}/scalingBehavior"), json!("SMART_CROP")), "SMART_CROP"),
        (
            error_of(&format!("{video}/videoPreprocessors"), json!({"timecodeBurnin": {"fontSize": 16}})),
            "outputs/1/videoDescription/videoPreprocessors/timecodeBurnin: it isn't supported",
        ),
        (error_of(&format!("{h264}/maxBitrate"), json!(1)), "bit rate"),
        (error_of(&format!("{h264}/gopSize"), json!(0)), "gopSize"),
        (error_of(&format!("{h264}/framerateControl"), json!("SPECIFIED")), "frame rate"),
        (error_of(&format!("{h264}/telecine"), json!("HARD")), "h264Settings/telecine: only NONE"),
        (error_of(&format!("{h264}/parNumerator"), json!(4)), "square pixels"),
    ];
    for (message, path) in cases {
        assert!(message.contains(path) && message.ends_with('.'), "{message} should name {path}");
    }
}

#[test]
fn settings_without_effect_become_warnings() {
    let mut settings = job_json();
    assert_eq!(Settings::parse(&settings).unwrap().1, Vec::<String>::new());
    settings["inputs"][0]["filterEnable"] = "AUTO".into();
    settings["inputs"][0]["audioSelectors"]["Audio Selector 1"]["programSelection"] = 5.into();
    settings["outputGroups"][0]["customName"] = "mine".into();
    let video = &mut settings["outputGroups"][0]["outputs"][0]["videoDescription"];
    video["sharpness"] = 80.into();
    video["codecSettings"]["h264Settings"]["slices"] = 1.into();
    video["codecSettings"]["h264Settings"]["softness"] = 9.into();
    let (_, mut warnings) = Settings::parse(&settings).unwrap();
    warnings.sort();
    let paths = [
        "/settings/inputs/0/audioSelectors/Audio Selector 1/programSelection",
        "/settings/outputGroups/0/outputs/0/videoDescription/codecSettings/h264Settings/softness",
        "/settings/outputGroups/0/outputs/0/videoDescription/sharpness",
    ];
    assert_eq!(warnings, paths.map(|path| format!("{path}: it has no effect here.")));
}

/// Returns settings with one group of these members and outputs.
fn group(settings: Value, outputs: Value) -> Value {
    json!({
        "inputs": [{"fileInput": "s3://uploads/inputs/ID.mov"}],
        "outputGroups": [{"outputGroupSettings": settings, "outputs": outputs}],
    })
}

fn h264(height: u32) -> Value {
    json!({"height": height, "codecSettings": {"codec": "H_264", "h264Settings": {"maxBitrate": 500_000}}})
}

fn aac() -> Value {
    json!([{"codecSettings": {"codec": "AAC"}}])
}

#[test]
fn audio_is_encoded_once_for_all_renditions() {
    let hls = json!({"type": "HLS_GROUP_SETTINGS", "hlsGroupSettings": {"destination": "s3://media/a"}});
    let outputs = json!([
        {"nameModifier": "_1", "videoDescription": h264(360)},
        {"nameModifier": "_2", "videoDescription": h264(540)},
        {"nameModifier": "_a", "audioDescriptions": aac(),
         "outputSettings": {"hlsSettings": {"audioGroupId": "aud", "audioTrackType": "ALTERNATE_AUDIO_AUTO_SELECT"}}},
    ]);
    let plan = plan(&group(hls, outputs), &source(json!({}), true)).unwrap();
    assert_eq!((count(&plan, &["-c:v", "libx264"]), count(&plan, &["-c:a", "aac"])), (2, 1));
    let tee = plan.arguments.last().unwrap();
    assert!(
        tee.starts_with(r"[select=\'v:0\':") && tee.contains(r"|[select=\'a:0\':f=hls:hls_time=10"),
        "{tee}"
    );
    assert_eq!(plan.groups[0].outputs[2].audio_group.as_deref(), Some("aud"));
}

#[test]
fn dash_and_cmaf_have_one_track_in_a_file() {
    let dash =
        json!({"type": "DASH_ISO_GROUP_SETTINGS", "dashIsoGroupSettings": {"destination": "s3://media/a"}});
    let muxed = json!([{"videoDescription": h264(360), "audioDescriptions": aac()}]);
    let plan_dash = plan(&group(dash, muxed.clone()), &source(json!({}), true)).unwrap();
    let OutputFiles::Segments(playlists) = &plan_dash.groups[0].outputs[0].files else { panic!() };
    assert_eq!(
        playlists.iter().map(|p| (p.has_video, p.has_audio)).collect::<Vec<_>>(),
        [(true, false), (false, true)]
    );
    assert!(plan_dash.arguments.last().unwrap().contains("hls_time=30"));
    let cmaf = json!({"type": "CMAF_GROUP_SETTINGS", "cmafGroupSettings": {"destination": "s3://media/a"}});
    assert!(Settings::parse(&group(cmaf, muxed)).unwrap_err().contains("go together"));
}

#[test]
fn codecs_have_their_encoders_and_options() {
    let file = json!({"type": "FILE_GROUP_SETTINGS", "fileGroupSettings": {"destination": "s3://media/a"}});
    let video = |codec: &str, member: &str, settings: Value| {
        let mut codec_settings = json!({"codec": codec});
        codec_settings[member] = settings;
        json!({"height": 360, "codecSettings": codec_settings})
    };
    let h265 =
        json!({"codecProfile": "MAIN10_MAIN", "rateControlMode": "VBR", "bitrate": 400_000, "gopSize": 48});
    let vp9 = json!({"bitrate": 300_000, "gopSize": 60});
    let opus = json!([{"codecSettings": {"codec": "OPUS", "opusSettings": {"bitrate": 64_000}}}]);
    let outputs = json!([
        {"nameModifier": "_265", "videoDescription": video("H_265", "h265Settings", h265)},
        {"nameModifier": "_vp9", "containerSettings": {"container": "WEBM"}, "audioDescriptions": opus,
         "videoDescription": video("VP9", "vp9Settings", vp9)},
        {"nameModifier": "_av1", "videoDescription": video("AV1", "av1Settings", json!({"maxBitrate": 200_000}))},
    ]);
    let plan = plan(&group(file, outputs), &source(json!({}), true)).unwrap();
    for arguments in [
        &["-c:v", "libx265", "-preset", "veryfast", "-tag", "hvc1", "-forced-idr", "1", "-profile", "main10"]
            [..],
        &["-pix_fmt", "yuv420p10le", "-b", "400000"],
        &["-g", "48"],
        &["-c:v", "libvpx-vp9"],
        &["-g", "60", "-keyint_min", "60"],
        &["-c:v", "libsvtav1"],
        &["-crf", "35", "-svtav1-params", "mbr=200"],
        &["-c:a", "libopus", "-b", "64000"],
    ] {
        assert_eq!(count(&plan, arguments), 1, "{arguments:?} in {:?}", plan.arguments);
    }
    assert!(filter_graph(&plan).contains("format=yuv420p10le,split=1[e0];"), "{}", filter_graph(&plan));
}

#[test]
fn clips_of_inputs_are_joined() {
    let file = json!({"type": "FILE_GROUP_SETTINGS", "fileGroupSettings": {"destination": "s3://media/a"}});
    let mut settings = group(file, json!([{"videoDescription": h264(360), "audioDescriptions": aac()}]));
    settings["inputs"] = json!([
        {"fileInput": "s3://u/a.mov", "timecodeSource": "ZEROBASED",
         "inputClippings": [{"startTimecode": "00:00:02:15", "endTimecode": "00:00:04:00"}, {"startTimecode": "00:00:08:00"}]},
        {"fileInput": "s3://u/b.mov"},
    ]);
    let (settings, _) = Settings::parse(&settings).unwrap();
    let sources = [source(json!({}), true), source(json!({"width": 640, "height": 480}), false)];
    let plan = Plan::new(&settings, &materials(&sources)).unwrap();
    let starts = plan.inputs.iter().map(|input| match input {
        PlanInput::Media { uri, start, end } => (uri.key.as_str(), *start, *end),
        PlanInput::Image { .. } => panic!(),
    });
    let starts = starts.collect::<Vec<_>>();
    assert_eq!(starts, [("a.mov", Some(2.5), Some(4.0)), ("a.mov", Some(8.0), None), ("b.mov", None, None)]);
    assert_eq!(plan.duration, Some(1.5 + 2.0 + 10.0));
    let graph = filter_graph(&plan);
    assert!(graph.contains("concat=n=3:v=1:a=0") && graph.contains("concat=n=3:v=0:a=1"), "{graph}");
    // The third input has another shape and no audio.
    assert!(graph.contains("scale=480:360,pad=640:360") && graph.contains("anullsrc"), "{graph}");
}

#[test]
fn audio_filters_follow_selectors_and_descriptions() {
    let file = json!({"type": "FILE_GROUP_SETTINGS", "fileGroupSettings": {"destination": "s3://media/a"}});
    let swap = json!({"channelMapping": {"outputChannels": [{"inputChannels": [-60, 0]}, {"inputChannels": [-6, -60]}]}});
    let audio = json!([{
        "remixSettings": swap, "languageCode": "DEU", "languageCodeControl": "USE_CONFIGURED",
        "audioNormalizationSettings": {"targetLkfs": -23}, "codecSettings": {"codec": "AAC"},
    }]);
    let mut settings = group(file, json!([{"audioDescriptions": audio}]));
    settings["inputs"][0]["audioSelectors"] = json!({"Audio Selector 1": {"offset": 250}});
    let plan = plan(&settings, &source(json!({}), true)).unwrap();
    let expected = "[0:1]aresample=async=1:first_pts=0,adelay=250:all=1,apad=whole_dur=10,atrim=end=10,\
                    pan=stereo|c0=1.000000*c1|c1=0.501187*c0,loudnorm=I=-23:TP=-2:LRA=11,aresample=48000,asplit=1[a0]";
    assert_eq!(filter_graph(&plan), expected);
    assert_eq!(
        count(&plan, &["-metadata:s:a:0", "language=deu"]) + count(&plan, &["-metadata:s", "language=deu"]),
        1
    );
}

#[test]
fn images_and_colors_are_in_the_graph() {
    let file = json!({"type": "FILE_GROUP_SETTINGS", "fileGroupSettings": {"destination": "s3://media/a"}});
    let mut video = h264(360);
    video["videoPreprocessors"] = json!({
        "colorCorrector": {"brightness": 60, "saturation": 50},
        "imageInserter": {"insertableImages": [
            {"imageInserterInput": "s3://u/logo.png", "imageX": 8, "imageY": 4, "width": 32, "opacity": 50, "layer": 1,
             "startTime": "00:00:01:00", "duration": 2000},
        ]},
    });
    let plan = plan(&group(file, json!([{"videoDescription": video}])), &source(json!({}), false)).unwrap();
    let graph = filter_graph(&plan);
    assert!(graph.contains("setsar=1,eq=brightness=0.10[ix"), "{graph}");
    assert!(graph.contains("[1:v]scale=32:-1,format=rgba,colorchannelmixer=aa=0.5[p"), "{graph}");
    assert!(graph.contains("overlay=8:4:enable='between(t,1,3)'"), "{graph}");
    assert!(matches!(&plan.inputs[1], PlanInput::Image { uri } if uri.key == "logo.png"));
}

#[test]
fn automated_abr_and_variables_name_the_outputs() {
    let cmaf =
        json!({"type": "CMAF_GROUP_SETTINGS", "cmafGroupSettings": {"destination": "s3://media/$dt$/$fn$"}});
    let mut settings = group(
        cmaf,
        json!([
            {"nameModifier": "_$h$", "videoDescription": {"codecSettings": {"codec": "H_264", "h264Settings": {}}}},
            {"nameModifier": "_audio", "audioDescriptions": aac()},
        ]),
    );
    settings["outputGroups"][0]["automatedEncodingSettings"] = json!({"abrSettings": {"maxRenditions": 3}});
    let plan = plan(&settings, &source(json!({}), true)).unwrap();
    let group = &plan.groups[0];
    assert_eq!(group.base.key, "20261126T010203/ID");
    let modifiers: Vec<_> = group.outputs.iter().map(|output| output.modifier.as_str()).collect();
    assert_eq!(modifiers, ["_1080_1", "_720_2", "_540_3", "_audio"]);
}
