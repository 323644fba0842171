//! The inputs of a job: files, selectors, clips, crops and images.

use super::audio::RemixSettings;
use super::captions::CaptionSelector;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Input {
    pub file_input: String,
    pub video_selector: VideoSelector,
    pub audio_selectors: BTreeMap<String, AudioSelector>,
    pub audio_selector_groups: BTreeMap<String, AudioSelectorGroup>,
    pub caption_selectors: BTreeMap<String, CaptionSelector>,
    /// In pixels of the upright input; precedes that of the outputs.
    pub crop: Option<Rectangle>,
    /// In pixels of the output; precedes that of the outputs.
    pub position: Option<Rectangle>,
    pub image_inserter: Option<ImageInserter>,
    pub input_clippings: Vec<InputClipping>,
    pub timecode_source: TimecodeSource,
    pub timecode_start: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VideoSelector {
    pub rotate: Rotate,
    pub color_space: ColorSpace,
    pub color_space_usage: ColorSpaceUsage,
    /// Identifier of the video's packets in a transport stream.
    pub pid: Option<u32>,
}

/// Rotation, clockwise. By default MediaConvert doesn't rotate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Rotate {
    #[default]
    #[serde(rename = "DEGREE_0")]
    Never,
    #[serde(rename = "DEGREES_90")]
    By90,
    #[serde(rename = "DEGREES_180")]
    By180,
    #[serde(rename = "DEGREES_270")]
    By270,
    /// By the input's own metadata.
    #[serde(rename = "AUTO")]
    Auto,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ColorSpace {
    /// By the input's own metadata.
    #[default]
    Follow,
    #[serde(rename = "REC_601")]
    Rec601,
    #[serde(rename = "REC_709")]
    Rec709,
    #[serde(rename = "HDR10")]
    Hdr10,
    #[serde(rename = "HLG_2020")]
    Hlg2020,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ColorSpaceUsage {
    #[default]
    Force,
    Fallback,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AudioSelector {
    pub selector_type: Option<AudioSelectorType>,
    /// Numbers among the input's audio tracks, from 1.
    pub tracks: Vec<usize>,
    /// Identifiers of packets in a transport stream.
    pub pids: Vec<u32>,
    /// ISO 639-2 or 639-3.
    pub language_code: Option<String>,
    pub custom_language_code: Option<String>,
    pub default_selection: DefaultSelection,
    pub external_audio_file_input: Option<String>,
    /// In milliseconds; positive values delay the audio.
    pub offset: i32,
    pub remix_settings: Option<RemixSettings>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AudioSelectorType {
    Pid,
    Track,
    LanguageCode,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DefaultSelection {
    Default,
    #[default]
    NotDefault,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AudioSelectorGroup {
    pub audio_selector_names: Vec<String>,
}

/// In pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rectangle {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

/// Part of an input, in timecodes `HH:MM:SS:FF`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InputClipping {
    pub start_timecode: Option<String>,
    pub end_timecode: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TimecodeSource {
    /// The input's own; as `ZEROBASED` if it has none.
    #[default]
    Embedded,
    Zerobased,
    Specifiedstart,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageInserter {
    pub insertable_images: Vec<InsertableImage>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InsertableImage {
    pub image_inserter_input: String,
    /// In pixels of the picture below; 0 is the image's own size.
    pub width: u32,
    pub height: u32,
    pub image_x: u32,
    pub image_y: u32,
    /// Images of higher layers cover those of lower ones.
    pub layer: u32,
    /// In percent.
    pub opacity: u32,
    /// `HH:MM:SS:FF`; from the beginning if missing.
    pub start_time: Option<String>,
    /// In milliseconds; to the end if missing.
    pub duration: Option<u32>,
}

impl Default for InsertableImage {
    fn default() -> Self {
        Self {
            image_inserter_input: String::new(),
            width: 0,
            height: 0,
            image_x: 0,
            image_y: 0,
            layer: 0,
            opacity: 50,
            start_time: None,
            duration: None,
        }
    }
}
