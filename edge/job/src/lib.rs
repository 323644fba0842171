//! job.json, checked, and with what was found in the file made into the settings of one MediaConvert job. Pure.

mod model;

use serde_json::{Map, Value};

/// The one that was there when this was built; who packages it has checked it.
pub const BUILT_IN: &str = include_str!("../../../job.json");

/// MediaConvert's smallest side of a picture.
const SMALLEST_SIDE: u64 = 32;
/// Members whose keys are names given by people, not by the API.
const MAPS: [&str; 4] =
    ["AudioSelectors", "AudioSelectorGroups", "CaptionSelectors", "DynamicAudioSelectors"];

/// Folders and names that other programs build on.
const PROMISED: [(&str, &str); 9] = [
    ("HLS", ".m3u8"),
    ("HLS", "_360.m3u8"),
    ("HLS", "_540.m3u8"),
    ("HLS", "_720.m3u8"),
    ("HLS", "_1080.m3u8"),
    ("MP4", "_540.mp4"),
    ("MP4", "_720.mp4"),
    ("MP4", "_1080.mp4"),
    ("Thumbnails", ".0000000.jpg"),
];

/// The settings that every job starts from: job.json, with the names as the console writes them.
#[derive(Clone, Debug)]
pub struct JobTemplate(Value);

/// What a probe found, as people see it: width and height are those after rotation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    pub duration_ms: Option<u64>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub has_video: bool,
    pub has_audio: bool,
}

impl Source {
    /// Of a file that no probe could read: the job is made as for the best one, and tells what is wrong.
    pub fn unknown() -> Self {
        Self { duration_ms: None, width: None, height: None, has_video: true, has_audio: true }
    }
}

impl JobTemplate {
    /// Reads job.json: bare settings, or the console's export with `Settings` around them. The error is one
    /// sentence with the path of what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        // A start has no time for what packaging has done.
        Self::read(text, text != BUILT_IN)
    }

    /// The same, never in a hurry.
    pub fn checked(text: &str) -> Result<Self, String> {
        Self::read(text, true)
    }

    fn read(text: &str, check: bool) -> Result<Self, String> {
        let mut json: Value =
            serde_json::from_str(text).map_err(|error| format!("job.json isn't valid JSON: {error}"))?;
        let wrapped = json.get_mut("Settings").map(Value::take);
        let path = if wrapped.is_some() { "Settings." } else { "" };
        let settings = wrapped.unwrap_or(json);
        if check {
            model::check(&settings, path.trim_end_matches('.'))
                .and_then(|()| usable(&settings).map_err(|fault| format!("{path}{fault}")))
                .map_err(|fault| format!("job.json: {fault}"))?;
        }
        Ok(Self(settings))
    }

    /// The folders of the output groups, `assets/HLS/`, in order.
    pub fn destinations(&self) -> Vec<String> {
        let groups = self.0.get("OutputGroups").and_then(Value::as_array).into_iter().flatten();
        groups.filter_map(destination_of).map(str::to_owned).collect()
    }

    /// The keys that a job makes for a video at the most, without HLS segments and pictures after the first.
    pub fn outputs(&self, video_id: &str) -> Vec<String> {
        let mut keys = Vec::new();
        for group in self.0.get("OutputGroups").and_then(Value::as_array).into_iter().flatten() {
            let Some(folder) = destination_of(group) else { continue };
            if group.pointer("/OutputGroupSettings/HlsGroupSettings").is_some() {
                keys.push(format!("{folder}{video_id}.m3u8"));
            }
            for output in group.get("Outputs").and_then(Value::as_array).into_iter().flatten() {
                let text =
                    |pointer: &str| output.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                let extension = match text("/ContainerSettings/Container") {
                    "M3U8" => "m3u8",
                    "RAW" => "0000000.jpg",
                    "MP4" => "mp4",
                    _ => continue,
                };
                keys.push(format!("{folder}{video_id}{}.{extension}", text("/NameModifier")));
            }
        }
        keys
    }

    /// The first of the outputs that the README promises and this job.json doesn't make.
    pub fn missing_output(&self) -> Option<String> {
        let made = self.outputs("ID");
        let promised = PROMISED.iter().map(|(folder, name)| format!("assets/{folder}/ID{name}"));
        promised.into_iter().find(|key| !made.contains(key))
    }

    /// The settings of the job for one video, as the wire wants them: its input, its destinations, no output
    /// larger than the source, no audio where there is none.
    pub fn settings(&self, input: &str, bucket: &str, video_id: &str, source: &Source) -> Value {
        let mut settings = self.0.clone();
        if let Some(first) = settings.get_mut("Inputs").and_then(|inputs| inputs.get_mut(0)) {
            first["FileInput"] = input.into();
            if !source.has_audio {
                remove(first, "AudioSelectors");
            }
        }
        for group in settings.get_mut("OutputGroups").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(Value::String(to)) = destination(group) {
                *to = format!("s3://{bucket}/{to}{video_id}");
            }
            let Some(outputs) = group.get_mut("Outputs").and_then(Value::as_array_mut) else { continue };
            if let (Some(width), Some(height)) = (source.width, source.height) {
                fit(outputs, u64::from(width), u64::from(height));
            }
            if !source.has_audio {
                outputs.iter_mut().for_each(|output| remove(output, "AudioDescriptions"));
            }
        }
        wire_form(settings)
    }
}

/// What we ask for beyond the service model: an input, and folders to put outputs into.
fn usable(settings: &Value) -> Result<(), String> {
    if !settings.pointer("/Inputs/0").is_some_and(Value::is_object) {
        return Err("Inputs must be a list of at least one object".into());
    }
    let groups =
        settings.get("OutputGroups").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if groups.is_empty() {
        return Err("OutputGroups must be a list of at least one object".into());
    }
    for (at, group) in groups.iter().enumerate() {
        let wrong = |what: &str| format!("OutputGroups[{at}].{what}");
        match destination_of(group) {
            Some(to) if !to.contains("://") && !to.starts_with('/') && to.ends_with('/') => {}
            Some(_) => {
                return Err(wrong("OutputGroupSettings…Destination must be a folder, as in assets/HLS/"));
            }
            None => return Err(wrong("OutputGroupSettings must name a Destination")),
        }
        if group.get("Outputs").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            return Err(wrong("Outputs must be a list of at least one object"));
        }
    }
    Ok(())
}

fn remove(object: &mut Value, name: &str) {
    if let Some(object) = object.as_object_mut() {
        object.remove(name);
    }
}

/// The `Destination` in whichever kind of settings a group has.
fn destination(group: &mut Value) -> Option<&mut Value> {
    let settings = group.get_mut("OutputGroupSettings")?.as_object_mut()?;
    settings.values_mut().find_map(|of_kind| of_kind.get_mut("Destination"))
}

fn destination_of(group: &Value) -> Option<&str> {
    let settings = group.get("OutputGroupSettings")?.as_object()?;
    settings.values().find_map(|of_kind| of_kind.get("Destination")?.as_str())
}

/// A height that we are to mind: outputs that name their width, too, say themselves how they scale.
fn free_height(output: &Value) -> Option<u64> {
    let video = output.get("VideoDescription")?;
    if video.get("Width").is_some() { None } else { video.get("Height")?.as_u64() }
}

/// Drops what would be larger than the source; the smallest one stays, made no taller than the source. Each
/// gets the width that keeps the picture's shape: left to itself, MediaConvert refuses where it comes out odd.
fn fit(outputs: &mut Vec<Value>, width: u64, height: u64) {
    let smallest = outputs.iter().filter_map(free_height).min().unwrap_or(0);
    outputs.retain(|output| free_height(output).is_none_or(|wanted| wanted <= height.max(smallest)));
    for output in outputs {
        let Some(wanted) = free_height(output) else { continue };
        let fitting = even(wanted.min(height));
        let video = &mut output["VideoDescription"];
        video["Height"] = fitting.into();
        video["Width"] = even((width * fitting + height / 2) / height).into();
        // The half pixel that rounding took is stretched, not framed in black.
        video["ScalingBehavior"] = "STRETCH_TO_OUTPUT".into();
    }
}

/// 4:2:0 video has even sides.
fn even(side: u64) -> u64 {
    (side & !1).max(SMALLEST_SIDE)
}

/// The console's names as the wire has them: the first letter of each in lower case, but for keys of maps.
fn wire_form(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(wire_form).collect(),
        Value::Object(members) => Value::Object(members.into_iter().map(wire_member).collect()),
        plain => plain,
    }
}

fn wire_member((name, value): (String, Value)) -> (String, Value) {
    let value = match value {
        Value::Object(map) if MAPS.contains(&name.as_str()) => {
            Value::Object(map.into_iter().map(|(key, value)| (key, wire_form(value))).collect::<Map<_, _>>())
        }
        value => wire_form(value),
    };
    let mut letters = name.chars();
    let name = letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect();
    (name, value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn template() -> JobTemplate {
        JobTemplate::parse(BUILT_IN).unwrap()
    }

    fn settings(source: &Source) -> Value {
        template().settings("s3://uploads/inputs/V.mp4", "media", "V", source)
    }

    fn source(height: u32, has_audio: bool) -> Source {
        Source {
            width: Some(height * 16 / 9),
            height: Some(height),
            has_video: true,
            has_audio,
            duration_ms: None,
        }
    }

    #[test]
    fn widths_keep_the_shape_and_are_even() {
        let sizes = |width, height| -> Vec<(u64, u64)> {
            let source = Source { width: Some(width), height: Some(height), ..source(1, true) };
            let settings = settings(&source);
            let outputs = settings["outputGroups"][0]["outputs"].as_array().unwrap();
            let side = |output: &Value, name: &str| output["videoDescription"][name].as_u64().unwrap();
            outputs.iter().map(|output| (side(output, "width"), side(output, "height"))).collect()
        };
        assert_eq!(sizes(1080, 1920), [(202, 360), (304, 540), (404, 720), (608, 1080)]);
        assert_eq!(sizes(641, 361), [(638, 360)]);
        assert_eq!(sizes(1, 5000)[0], (32, 360));
    }

    #[test]
    fn pictures_scale_as_they_say() {
        let settings = settings(&source(100, true));
        let picture = &settings["outputGroups"][2]["outputs"][0]["videoDescription"];
        assert_eq!((picture["width"].as_u64(), picture["height"].as_u64()), (Some(1280), Some(720)));
        assert_eq!(picture["scalingBehavior"], "FIT_NO_UPSCALE");
    }

    fn heights(settings: &Value, group: usize) -> Vec<u64> {
        let outputs = settings["outputGroups"][group]["outputs"].as_array().unwrap();
        outputs.iter().map(|output| output["videoDescription"]["height"].as_u64().unwrap()).collect()
    }

    #[test]
    fn a_large_source_gets_the_whole_ladder() {
        let settings = settings(&source(2160, true));
        assert_eq!(heights(&settings, 0), [360, 540, 720, 1080]);
        assert_eq!(heights(&settings, 1), [540, 720, 1080]);
        assert_eq!(settings["inputs"][0]["fileInput"], "s3://uploads/inputs/V.mp4");
        let group = &settings["outputGroups"][0]["outputGroupSettings"]["hlsGroupSettings"];
        assert_eq!(group["destination"], "s3://media/assets/HLS/V");
        assert!(settings["inputs"][0]["audioSelectors"].get("Audio Selector 1").is_some());
    }

    #[test]
    fn nothing_is_enlarged() {
        assert_eq!(heights(&settings(&source(720, true)), 0), [360, 540, 720]);
        assert_eq!(heights(&settings(&source(719, true)), 0), [360, 540]);
        assert_eq!(heights(&settings(&source(481, true)), 1), [480]);
        assert_eq!(heights(&settings(&source(1, true)), 1), [32]);
    }

    #[test]
    fn silent_sources_have_no_audio_anywhere() {
        let text = settings(&source(1080, false)).to_string();
        assert!(!text.contains("audioDescriptions") && !text.contains("audioSelectors"));
    }

    #[test]
    fn a_console_export_is_unwrapped() {
        let bare: Value = serde_json::from_str(BUILT_IN).unwrap();
        let wrapped = json!({ "Settings": bare, "Queue": "q" });
        assert_eq!(JobTemplate::parse(&wrapped.to_string()).unwrap().0, bare);
    }

    #[test]
    fn what_is_built_in_stands_every_check() {
        assert!(JobTemplate::checked(BUILT_IN).is_ok());
        assert_eq!(template().missing_output(), None);
        assert_eq!(template().outputs("ID").len(), PROMISED.len());
        assert_eq!(template().destinations(), ["assets/HLS/", "assets/MP4/", "assets/Thumbnails/"]);
    }

    #[test]
    fn missing_output_is_named() {
        let text = BUILT_IN.replacen("\"NameModifier\": \"_720\"", "\"NameModifier\": \"_hd\"", 1);
        let template = JobTemplate::parse(&text).unwrap();
        assert_eq!(template.missing_output().as_deref(), Some("assets/HLS/ID_720.m3u8"));
    }

    #[test]
    fn faults_are_named_with_their_path() {
        let to = |folder: &str| {
            let settings = json!({ "FileGroupSettings": { "Destination": folder } });
            json!({ "Inputs": [{}], "OutputGroups": [{ "OutputGroupSettings": settings, "Outputs": [{}] }] })
        };
        for (text, says) in [
            ("{·}".into(), "job.json isn't valid JSON"),
            ("[]".into(), "job.json: the whole must be an object"),
            ("{}".into(), "job.json: Inputs must be a list of at least one object"),
            (r#"{"Inputs":[{}]}"#.into(), "OutputGroups must"),
            (
                r#"{"Inputs":[{}],"OutputGroups":[{}]}"#.into(),
                "OutputGroups[0].OutputGroupSettings must name",
            ),
            (to("s3://b/").to_string(), "OutputGroups[0].OutputGroupSettings…Destination must be a folder"),
            (to("/a/").to_string(), "Destination must be a folder"),
            (to("a").to_string(), "Destination must be a folder"),
            (r#"{"Settings":{"Inputs":[{}]}}"#.into(), "job.json: Settings.OutputGroups must"),
            (r#"{"Settings":{"Input":[{}]}}"#.into(), "job.json: Settings.Input isn't known"),
            (r#"{"Settings":7}"#.into(), "job.json: Settings must be an object; it is 7"),
            (
                BUILT_IN.replace("QVBR\"", "QVRB\""),
                "H264Settings.RateControlMode must be one of VBR, CBR, QVBR",
            ),
        ] {
            let error = JobTemplate::parse(&text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
        assert!(JobTemplate::parse(&to("a/").to_string()).is_ok());
    }

    proptest! {
        #[test]
        fn no_output_is_taller_than_its_source(height in 32u32..5000) {
            for group in 0..2 {
                let heights = heights(&settings(&source(height, true)), group);
                prop_assert!(!heights.is_empty());
                prop_assert!(heights.iter().all(|h| *h <= u64::from(height) && h % 2 == 0));
            }
        }
    }
}
