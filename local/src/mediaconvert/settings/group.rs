//! Output groups: how outputs are packaged and where they go.

use super::output::Output;
use serde::Deserialize;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OutputGroup {
    pub output_group_settings: GroupSettings,
    pub automated_encoding_settings: Option<AutomatedEncoding>,
    pub outputs: Vec<Output>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupSettings {
    #[serde(rename = "type")]
    pub kind: GroupKind,
    pub hls_group_settings: HlsGroup,
    pub cmaf_group_settings: CmafGroup,
    pub dash_iso_group_settings: DashIsoGroup,
    pub file_group_settings: FileGroup,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum GroupKind {
    #[serde(rename = "HLS_GROUP_SETTINGS")]
    Hls,
    #[serde(rename = "CMAF_GROUP_SETTINGS")]
    Cmaf,
    #[serde(rename = "DASH_ISO_GROUP_SETTINGS")]
    DashIso,
    #[default]
    #[serde(rename = "FILE_GROUP_SETTINGS")]
    File,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HlsGroup {
    pub destination: String,
    /// In whole seconds.
    pub segment_length: Option<u32>,
    pub segment_control: SegmentControl,
    pub directory_structure: DirectoryStructure,
    pub segments_per_subdirectory: Option<u32>,
    pub output_selection: OutputSelection,
    pub manifest_duration_format: DurationFormat,
    pub stream_inf_resolution: IncludeExclude,
    /// Precedes the names of segments in playlists.
    pub base_url: Option<String>,
    pub program_date_time: Option<IncludeExclude>,
    /// In seconds.
    pub program_date_time_period: Option<u32>,
    pub encryption: Option<HlsEncryption>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CmafGroup {
    pub destination: String,
    /// In whole seconds.
    pub segment_length: Option<u32>,
    pub segment_control: SegmentControl,
    pub write_hls_manifest: EnabledDisabled,
    pub write_dash_manifest: EnabledDisabled,
    pub manifest_duration_format: DurationFormat,
    pub stream_inf_resolution: IncludeExclude,
    /// In milliseconds.
    pub min_buffer_time: Option<u32>,
    pub base_url: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DashIsoGroup {
    pub destination: String,
    /// In whole seconds.
    pub segment_length: Option<u32>,
    pub segment_control: SegmentControl,
    /// In milliseconds.
    pub min_buffer_time: Option<u32>,
    pub base_url: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FileGroup {
    pub destination: String,
}

impl OutputGroup {
    pub fn kind(&self) -> GroupKind {
        self.output_group_settings.kind
    }

    pub fn destination(&self) -> &str {
        let settings = &self.output_group_settings;
        match settings.kind {
            GroupKind::Hls => &settings.hls_group_settings.destination,
            GroupKind::Cmaf => &settings.cmaf_group_settings.destination,
            GroupKind::DashIso => &settings.dash_iso_group_settings.destination,
            GroupKind::File => &settings.file_group_settings.destination,
        }
    }

    /// Returns the length of a segment in seconds, and whether all segments of a rendition are one file.
    pub fn segments(&self) -> (u32, bool) {
        let settings = &self.output_group_settings;
        let (length, default, control) = match settings.kind {
            GroupKind::Hls => {
                let group = &settings.hls_group_settings;
                (group.segment_length, 10, group.segment_control)
            }
            GroupKind::Cmaf => {
                let group = &settings.cmaf_group_settings;
                (group.segment_length, 10, group.segment_control)
            }
            GroupKind::DashIso => {
                let group = &settings.dash_iso_group_settings;
                (group.segment_length, 30, group.segment_control)
            }
            GroupKind::File => (None, 10, SegmentControl::SegmentedFiles),
        };
        (length.unwrap_or(default), control == SegmentControl::SingleFile)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SegmentControl {
    #[default]
    SegmentedFiles,
    SingleFile,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DirectoryStructure {
    #[default]
    SingleDirectory,
    SubdirectoryPerStream,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OutputSelection {
    #[default]
    ManifestsAndSegments,
    SegmentsOnly,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DurationFormat {
    #[default]
    FloatingPoint,
    Integer,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum IncludeExclude {
    #[default]
    Include,
    Exclude,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EnabledDisabled {
    #[default]
    Enabled,
    Disabled,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HlsEncryption {
    #[serde(rename = "type")]
    pub key_source: KeySource,
    pub encryption_method: EncryptionMethod,
    pub static_key_provider: StaticKeyProvider,
    /// 32 hexadecimal digits.
    pub constant_initialization_vector: Option<String>,
}

impl HlsEncryption {
    /// Returns the initialization vector of all segments as 32 hexadecimal digits.
    pub fn initialization_vector(&self) -> String {
        let given = self.constant_initialization_vector.as_ref().map(|digits| digits.to_lowercase());
        given.unwrap_or_else(|| "0".repeat(32))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KeySource {
    #[default]
    StaticKey,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EncryptionMethod {
    #[default]
    Aes128,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StaticKeyProvider {
    /// 32 hexadecimal digits.
    pub static_key_value: String,
    /// From where players load the key.
    pub url: String,
    pub key_format: Option<String>,
    pub key_format_versions: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AutomatedEncoding {
    pub abr_settings: Option<AbrSettings>,
}

/// Automated ABR: the renditions are chosen by the source.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AbrSettings {
    /// In bits per second.
    pub max_abr_bitrate: Option<u32>,
    pub min_abr_bitrate: Option<u32>,
    pub max_renditions: Option<usize>,
}
