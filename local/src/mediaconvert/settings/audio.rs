//! Audio of an output: its source, codec, channels, language and loudness.

use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AudioDescription {
    /// Name of an audio selector or of a group of one selector.
    pub audio_source_name: String,
    pub codec_settings: AudioCodecSettings,
    pub audio_normalization_settings: Option<AudioNormalization>,
    pub remix_settings: Option<RemixSettings>,
    /// ISO 639-2; the input's own if missing.
    pub language_code: Option<String>,
    pub custom_language_code: Option<String>,
    pub language_code_control: LanguageCodeControl,
    /// Name of the rendition in an HLS playlist.
    pub stream_name: Option<String>,
}

impl Default for AudioDescription {
    fn default() -> Self {
        Self {
            audio_source_name: "Audio Selector 1".into(),
            codec_settings: AudioCodecSettings::default(),
            audio_normalization_settings: None,
            remix_settings: None,
            language_code: None,
            custom_language_code: None,
            language_code_control: LanguageCodeControl::default(),
            stream_name: None,
        }
    }
}

impl AudioDescription {
    /// Returns the language of the output for a source in the language `track`.
    pub fn language(&self, track: Option<&str>) -> Option<String> {
        let configured = self.custom_language_code.as_deref().or(self.language_code.as_deref());
        let language = match self.language_code_control {
            LanguageCodeControl::FollowInput => track.or(configured),
            LanguageCodeControl::UseConfigured => configured,
        };
        // The name goes into ffmpeg's arguments and into playlists.
        let is_code =
            |code: &&str| code.len() <= 35 && code.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
        language.filter(is_code).map(str::to_lowercase)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LanguageCodeControl {
    #[default]
    FollowInput,
    UseConfigured,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AudioCodecSettings {
    pub codec: AudioCodec,
    pub aac_settings: Aac,
    pub opus_settings: Opus,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AudioCodec {
    #[default]
    Aac,
    Opus,
    /// The input's packets as they are.
    Passthrough,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Aac {
    /// In bits per second.
    pub bitrate: u32,
    pub coding_mode: CodingMode,
    /// In hertz.
    pub sample_rate: u32,
}

impl Default for Aac {
    fn default() -> Self {
        Self { bitrate: 96_000, coding_mode: CodingMode::Stereo, sample_rate: 48_000 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum CodingMode {
    #[serde(rename = "CODING_MODE_1_0")]
    Mono,
    #[serde(rename = "CODING_MODE_2_0")]
    Stereo,
    #[serde(rename = "CODING_MODE_5_1")]
    Surround,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Opus {
    /// In bits per second.
    pub bitrate: u32,
    pub channels: u32,
    /// In hertz.
    pub sample_rate: u32,
}

impl Default for Opus {
    fn default() -> Self {
        Self { bitrate: 96_000, channels: 2, sample_rate: 48_000 }
    }
}

impl AudioCodecSettings {
    pub fn channels(&self) -> u32 {
        match (self.codec, self.aac_settings.coding_mode) {
            (AudioCodec::Opus, _) => self.opus_settings.channels.clamp(1, 2),
            (_, CodingMode::Mono) => 1,
            (_, CodingMode::Stereo) => 2,
            (_, CodingMode::Surround) => 6,
        }
    }

    /// Returns bits per second and hertz.
    pub fn rates(&self) -> (u32, u32) {
        match self.codec {
            AudioCodec::Opus => (self.opus_settings.bitrate, self.opus_settings.sample_rate),
            AudioCodec::Aac | AudioCodec::Passthrough => {
                (self.aac_settings.bitrate, self.aac_settings.sample_rate)
            }
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AudioNormalization {
    pub algorithm_control: NormalizationControl,
    /// In LKFS, −59 to 0.
    pub target_lkfs: Option<f64>,
    /// In dB, −8 to 0.
    pub true_peak_limiter_threshold: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NormalizationControl {
    #[default]
    CorrectAudio,
    MeasureOnly,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RemixSettings {
    pub channel_mapping: ChannelMapping,
    pub channels_in: Option<u32>,
    pub channels_out: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChannelMapping {
    pub output_channels: Vec<OutputChannel>,
}

/// The gain of each input channel in dB, −60 (silent) to 6.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OutputChannel {
    pub input_channels: Vec<f64>,
    pub input_channels_fine_tune: Vec<f64>,
}

impl OutputChannel {
    pub fn gains(&self) -> &[f64] {
        if self.input_channels_fine_tune.is_empty() {
            &self.input_channels
        } else {
            &self.input_channels_fine_tune
        }
    }
}
