//! job.json and what was found in the file, made into the settings of one MediaConvert job. Pure.

use crate::key::VideoId;
use serde_json::{Map, Value};

/// MediaConvert's smallest side of a picture.
const SMALLEST_SIDE: u64 = 32;
/// Members whose keys are names given by people, not by the API.
const MAPS: [&str; 4] =
    ["AudioSelectors", "AudioSelectorGroups", "CaptionSelectors", "DynamicAudioSelectors"];

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
        let mut json: Value =
            serde_json::from_str(text).map_err(|error| format!("job.json isn't valid JSON: {error}"))?;
        let settings = json.get_mut("Settings").map(Value::take).unwrap_or(json);
        if !settings.pointer("/Inputs/0").is_some_and(Value::is_object) {
            return Err("job.json: Inputs must be a list of at least one object".into());
        }
        let groups =
            settings.get("OutputGroups").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if groups.is_empty() {
            return Err("job.json: OutputGroups must be a list of at least one object".into());
        }
        for (at, group) in groups.iter().enumerate() {
            let wrong = |what: &str| format!("job.json: OutputGroups[{at}].{what}");
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
        Ok(Self(settings))
    }

    /// The folders that outputs go to, such as `assets/HLS/`.
    pub fn destinations(&self) -> Vec<String> {
        let groups = self.0.get("OutputGroups").and_then(Value::as_array);
        groups.into_iter().flatten().filter_map(destination_of).map(str::to_owned).collect()
    }

    /// The settings of the job for one video, as the wire wants them: its input, its destinations, no output
    /// larger than the source, no audio where there is none.
    pub fn settings(&self, input: &str, bucket: &str, video_id: &VideoId, source: &Source) -> Value {
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
        JobTemplate::parse(include_str!("../../job.json")).unwrap()
    }

    fn settings(source: &Source) -> Value {
        let id = VideoId::parse("V").unwrap();
        template().settings("s3://uploads/inputs/V.mp4", "media", &id, source)
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
        let bare: Value = serde_json::from_str(include_str!("../../job.json")).unwrap();
        let wrapped = json!({ "Settings": bare, "Queue": "q" });
        assert_eq!(JobTemplate::parse(&wrapped.to_string()).unwrap().0, bare);
    }

    #[test]
    fn faults_are_named_with_their_path() {
        for (text, says) in [
            ("{·}", "isn't valid JSON"),
            ("[]", "Inputs"),
            (r#"{"Inputs":[{}]}"#, "OutputGroups must"),
            (r#"{"Inputs":[{}],"OutputGroups":[{}]}"#, "OutputGroups[0].OutputGroupSettings"),
        ] {
            let error = JobTemplate::parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
        let absolute = json!({"Inputs": [{}], "OutputGroups": [
            {"OutputGroupSettings": {"FileGroupSettings": {"Destination": "s3://b/"}}, "Outputs": [{}]}]});
        assert!(JobTemplate::parse(&absolute.to_string()).unwrap_err().contains("Destination"));
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
