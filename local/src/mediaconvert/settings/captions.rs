//! Captions: where they come from, and how an output has them.

use serde::Deserialize;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CaptionSelector {
    pub source_settings: CaptionSource,
    pub language_code: Option<String>,
    pub custom_language_code: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CaptionSource {
    pub source_type: CaptionSourceType,
    pub file_source_settings: Option<CaptionFile>,
    pub track_source_settings: Option<CaptionTrack>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CaptionSourceType {
    Srt,
    Webvtt,
    /// In the video's own packets: accepted in a selector, refused where an output uses it.
    Embedded,
    #[default]
    NullSource,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CaptionFile {
    pub source_file: String,
    /// Added to each time.
    pub time_delta: i32,
    pub time_delta_units: TimeDeltaUnits,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TimeDeltaUnits {
    #[default]
    Seconds,
    Milliseconds,
}

impl CaptionFile {
    /// Returns `time_delta` in seconds.
    pub fn delta_s(&self) -> f64 {
        match self.time_delta_units {
            TimeDeltaUnits::Seconds => self.time_delta.into(),
            TimeDeltaUnits::Milliseconds => f64::from(self.time_delta) / 1000.0,
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CaptionTrack {
    /// Number among the input's text tracks, from 1.
    pub track_number: Option<usize>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CaptionDescription {
    pub caption_selector_name: String,
    pub destination_settings: CaptionDestinationSettings,
    pub language_code: Option<String>,
    pub custom_language_code: Option<String>,
    pub language_description: Option<String>,
}

impl CaptionDescription {
    pub fn language(&self) -> Option<String> {
        self.custom_language_code
            .clone()
            .or_else(|| self.language_code.clone())
            .map(|code| code.to_lowercase())
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CaptionDestinationSettings {
    pub destination_type: CaptionDestination,
    pub burnin_destination_settings: BurnIn,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CaptionDestination {
    #[default]
    Webvtt,
    Srt,
    BurnIn,
}

/// Style of burned-in captions.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BurnIn {
    pub font_color: BurnInColor,
    pub outline_color: BurnInColor,
    pub background_color: BurnInColor,
    /// In pixels of the output; 0 is automatic.
    pub font_size: u32,
    /// 0 to 10.
    pub outline_size: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum BurnInColor {
    #[default]
    Auto,
    None,
    White,
    Black,
    Yellow,
    Red,
    Green,
    Blue,
}
