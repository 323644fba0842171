//! job.json: validated, and fitted to one source as the settings of a MediaConvert job. Pure.

#![warn(missing_docs)]

mod fit;
mod model;

pub use fit::{STORYBOARD_FOLDER, storyboard_interval_s};
pub use model::SettingsError;

use serde_json::{Map, Value};

/// The job.json of this build, validated when the Lambda is packaged.
pub const BUILT_IN: &str = include_str!("../../../job.json");

/// Maps: members whose keys are chosen by users, not by the API.
const MAP_MEMBERS: [&str; 4] =
    ["AudioSelectors", "AudioSelectorGroups", "CaptionSelectors", "DynamicAudioSelectors"];

/// Folders and suffixes of the outputs that other programs rely on.
const REQUIRED_OUTPUTS: [(&str, &str); 10] = [
    ("HLS", ".m3u8"),
    ("HLS", "_360.m3u8"),
    ("HLS", "_540.m3u8"),
    ("HLS", "_720.m3u8"),
    ("HLS", "_1080.m3u8"),
    ("MP4", "_540.mp4"),
    ("MP4", "_720.mp4"),
    ("MP4", "_1080.mp4"),
    ("Thumbnails", ".0000000.jpg"),
    ("Storyboards", ".0000000.jpg"),
];

/// The settings that every job is based on: job.json, with the console's capitalized names.
#[derive(Clone, Debug)]
pub struct JobTemplate(Value);

/// A job.json that can't be used. One sentence with the path of the fault.
#[derive(Debug, thiserror::Error)]
pub enum JobTemplateError {
    /// The text isn't JSON.
    #[error("job.json isn't valid JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A setting is missing or wrong.
    #[error("job.json: {0}")]
    Settings(#[from] SettingsError),
}

/// The properties of a source file, as found by a probe.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    /// The duration, in milliseconds, if known.
    pub duration_ms: Option<u64>,
    /// The displayed width in pixels, after rotation, if known.
    pub width: Option<u32>,
    /// The displayed height in pixels, after rotation, if known.
    pub height: Option<u32>,
    /// Frames per second, if known.
    pub frame_rate: Option<f64>,
    /// Whether there is a video track.
    pub has_video: bool,
    /// Whether there is an audio track.
    pub has_audio: bool,
}

impl Source {
    /// A file that couldn't be probed. Its job has all outputs; if the file is at fault, the job's error says so.
    pub fn unknown() -> Self {
        Self { has_video: true, has_audio: true, ..Self::default() }
    }
}

impl JobTemplate {
    /// Parses job.json: settings, or the console's export with a member `Settings`. [`BUILT_IN`] isn't validated again,
    /// because that would delay each start of the Lambda.
    pub fn parse(text: &str) -> Result<Self, JobTemplateError> {
        Self::read(text, text != BUILT_IN)
    }

    /// Like [`JobTemplate::parse`], but always validates.
    pub fn parse_validated(text: &str) -> Result<Self, JobTemplateError> {
        Self::read(text, true)
    }

    fn read(text: &str, validate: bool) -> Result<Self, JobTemplateError> {
        let mut json: Value = serde_json::from_str(text)?;
        let wrapped = json.get_mut("Settings").map(Value::take);
        let path = if wrapped.is_some() { "Settings" } else { "" };
        let settings = wrapped.unwrap_or(json);
        if validate {
            model::validate(&settings, path)?;
            validate_destinations(&settings, path)?;
        }
        Ok(Self(settings))
    }

    /// The seconds between two pictures of the storyboard of a source of unknown duration: the file's own value.
    pub fn default_storyboard_interval_s(&self) -> Option<u64> {
        let groups = self.0.get("OutputGroups")?.as_array()?;
        let group = groups.iter().find(|group| destination_of(group) == Some(STORYBOARD_FOLDER))?;
        fit::interval_s(group.pointer("/Outputs/0")?)
    }

    /// The folders of the output groups, such as `assets/HLS/`, in order.
    pub fn destinations(&self) -> Vec<String> {
        let groups = self.0.get("OutputGroups").and_then(Value::as_array).into_iter().flatten();
        groups.filter_map(destination_of).map(str::to_owned).collect()
    }

    /// The keys of a job's outputs for a large source, without HLS segments and thumbnails after the first.
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

    /// Whether an output of another video would have the name of an output of `video_id`: the id ends with a name modifier,
    /// as `v_360` with that of a rendition of `v`.
    pub fn is_ambiguous(&self, video_id: &str) -> bool {
        let groups = self.0.get("OutputGroups").and_then(Value::as_array).into_iter().flatten();
        let outputs = groups.filter_map(|group| group.get("Outputs")?.as_array()).flatten();
        let mut modifiers = outputs.filter_map(|output| output.get("NameModifier")?.as_str());
        modifiers.any(|modifier| !modifier.is_empty() && video_id.ends_with(modifier))
    }

    /// The first documented output that jobs with this job.json don't create.
    pub fn missing_output(&self) -> Option<String> {
        let outputs = self.outputs("ID");
        let mut required =
            REQUIRED_OUTPUTS.iter().map(|(folder, suffix)| format!("assets/{folder}/ID{suffix}"));
        required.find(|key| !outputs.contains(key))
    }

    /// The settings of the job for one video, with the names of MediaConvert's API. Sets input and destinations, drops
    /// outputs larger than the source, spreads captured pictures over its duration, and removes audio if it has none.
    pub fn settings(&self, input: &str, bucket: &str, video_id: &str, source: &Source) -> Value {
        let mut settings = self.0.clone();
        if let Some(first) = settings.get_mut("Inputs").and_then(|inputs| inputs.get_mut(0)) {
            first["FileInput"] = input.into();
            if !source.has_audio {
                remove(first, "AudioSelectors");
            }
        }
        for group in settings.get_mut("OutputGroups").and_then(Value::as_array_mut).into_iter().flatten() {
            let is_storyboard = destination_of(group) == Some(STORYBOARD_FOLDER);
            if let Some(Value::String(to)) = destination(group) {
                *to = format!("s3://{bucket}/{to}{video_id}");
            }
            let Some(outputs) = group.get_mut("Outputs").and_then(Value::as_array_mut) else { continue };
            fit::fit(outputs, source, is_storyboard);
            if !source.has_audio {
                outputs.iter_mut().for_each(|output| remove(output, "AudioDescriptions"));
            }
        }
        to_api_names(settings)
    }
}

/// Requirements beyond the service model: an input, and outputs with a destination folder each.
fn validate_destinations(settings: &Value, path: &str) -> Result<(), SettingsError> {
    const LIST: &str = "a list of at least one object";
    let fault = |setting: String, expected| {
        let path = if path.is_empty() { setting } else { format!("{path}.{setting}") };
        SettingsError::Requirement { path, expected }
    };
    if !settings.pointer("/Inputs/0").is_some_and(Value::is_object) {
        return Err(fault("Inputs".into(), LIST));
    }
    let groups =
        settings.get("OutputGroups").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if groups.is_empty() {
        return Err(fault("OutputGroups".into(), LIST));
    }
    for (index, group) in groups.iter().enumerate() {
        let fault = |setting, expected| fault(format!("OutputGroups[{index}].{setting}"), expected);
        match destination_of(group) {
            Some(to) if !to.contains("://") && !to.starts_with('/') && to.ends_with('/') => {}
            Some(_) => {
                return Err(fault("OutputGroupSettings…Destination", "a folder, as in assets/HLS/"));
            }
            None => return Err(fault("OutputGroupSettings", "an object with a Destination")),
        }
        if group.get("Outputs").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            return Err(fault("Outputs", LIST));
        }
    }
    Ok(())
}

fn remove(object: &mut Value, name: &str) {
    if let Some(object) = object.as_object_mut() {
        object.remove(name);
    }
}

/// The `Destination` of an output group, in the settings of its kind.
fn destination(group: &mut Value) -> Option<&mut Value> {
    let settings = group.get_mut("OutputGroupSettings")?.as_object_mut()?;
    settings.values_mut().find_map(|group_settings| group_settings.get_mut("Destination"))
}

fn destination_of(group: &Value) -> Option<&str> {
    let settings = group.get("OutputGroupSettings")?.as_object()?;
    settings.values().find_map(|group_settings| group_settings.get("Destination")?.as_str())
}

/// Converts the console's names to the API's: the first letter becomes lower case, except in keys of maps.
fn to_api_names(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(to_api_names).collect(),
        Value::Object(members) => Value::Object(members.into_iter().map(to_api_member).collect()),
        scalar => scalar,
    }
}

fn to_api_member((name, value): (String, Value)) -> (String, Value) {
    let value = match value {
        Value::Object(map) if MAP_MEMBERS.contains(&name.as_str()) => Value::Object(
            map.into_iter().map(|(key, value)| (key, to_api_names(value))).collect::<Map<_, _>>(),
        ),
        value => to_api_names(value),
    };
    let mut letters = name.chars();
    let name = letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect();
    (name, value)
}

/// Removes members that are `null`: AWS's senders use it like an absent member.
pub fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        scalar => scalar,
    }
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
            ..Source::default()
        }
    }

    fn heights(settings: &Value, group: usize) -> Vec<u64> {
        let outputs = settings["outputGroups"][group]["outputs"].as_array().unwrap();
        outputs.iter().map(|output| output["videoDescription"]["height"].as_u64().unwrap()).collect()
    }

    #[test]
    fn large_source_gets_all_outputs() {
        let settings = settings(&source(2160, true));
        assert_eq!(heights(&settings, 0), [360, 540, 720, 1080]);
        assert_eq!(heights(&settings, 1), [540, 720, 1080]);
        assert_eq!(settings["inputs"][0]["fileInput"], "s3://uploads/inputs/V.mp4");
        let group = &settings["outputGroups"][0]["outputGroupSettings"]["hlsGroupSettings"];
        assert_eq!(group["destination"], "s3://media/assets/HLS/V");
        assert!(settings["inputs"][0]["audioSelectors"].get("Audio Selector 1").is_some());
    }

    #[test]
    fn output_larger_than_the_source_is_dropped() {
        assert_eq!(heights(&settings(&source(720, true)), 0), [360, 540, 720]);
        assert_eq!(heights(&settings(&source(719, true)), 0), [360, 540]);
        assert_eq!(heights(&settings(&source(481, true)), 1), [480]);
        assert_eq!(heights(&settings(&source(1, true)), 1), [32]);
    }

    #[test]
    fn source_without_audio_gets_no_audio() {
        let text = settings(&source(1080, false)).to_string();
        assert!(!text.contains("audioDescriptions") && !text.contains("audioSelectors"));
    }

    #[test]
    fn console_export_is_unwrapped() {
        let settings: Value = serde_json::from_str(BUILT_IN).unwrap();
        let wrapped = json!({ "Settings": settings, "Queue": "q" });
        assert_eq!(JobTemplate::parse(&wrapped.to_string()).unwrap().0, settings);
    }

    #[test]
    fn built_in_template_is_valid_and_complete() {
        assert!(JobTemplate::parse_validated(BUILT_IN).is_ok());
        assert_eq!(template().missing_output(), None);
        assert_eq!(template().outputs("ID").len(), REQUIRED_OUTPUTS.len());
        assert_eq!(
            template().destinations(),
            ["assets/HLS/", "assets/MP4/", "assets/Thumbnails/", "assets/Storyboards/"]
        );
        assert_eq!(template().default_storyboard_interval_s(), Some(10));
    }

    #[test]
    fn id_that_ends_like_an_output_is_ambiguous() {
        for (id, expected) in
            [("v", false), ("v_360", true), ("v_360_", false), ("v_361", false), ("_1080", true)]
        {
            assert_eq!(template().is_ambiguous(id), expected, "{id}");
        }
    }

    #[test]
    fn missing_output_is_named() {
        let text = BUILT_IN.replacen("\"NameModifier\": \"_720\"", "\"NameModifier\": \"_hd\"", 1);
        let template = JobTemplate::parse(&text).unwrap();
        assert_eq!(template.missing_output().as_deref(), Some("assets/HLS/ID_720.m3u8"));
    }

    #[test]
    fn fault_is_reported_with_its_path() {
        let to = |folder: &str| {
            let settings = json!({ "FileGroupSettings": { "Destination": folder } });
            json!({ "Inputs": [{}], "OutputGroups": [{ "OutputGroupSettings": settings, "Outputs": [{}] }] })
        };
        for (text, message) in [
            ("{·}".into(), "job.json isn't valid JSON"),
            ("[]".into(), "job.json: the document must be an object"),
            ("{}".into(), "job.json: Inputs must be a list of at least one object"),
            (r#"{"Inputs":[{}]}"#.into(), "OutputGroups must"),
            (
                r#"{"Inputs":[{}],"OutputGroups":[{}]}"#.into(),
                "OutputGroups[0].OutputGroupSettings must be an object with a Destination",
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
            let error = JobTemplate::parse(&text).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
        assert!(JobTemplate::parse(&to("a/").to_string()).is_ok());
    }

    proptest! {
        #[test]
        fn output_is_never_taller_than_the_source(height in 32u32..5000) {
            for group in 0..2 {
                let heights = heights(&settings(&source(height, true)), group);
                prop_assert!(!heights.is_empty());
                prop_assert!(heights.iter().all(|h| *h <= u64::from(height) && h % 2 == 0));
            }
        }
    }
}
