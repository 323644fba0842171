//! MediaConvert's `JobSettings` in the API's JSON format, as far as they have an effect here. `parse` refuses every
//! other member, but for those of `no_effect`, which become warnings of the job.

mod audio;
mod captions;
mod encoder;
mod group;
mod input;
mod no_effect;
mod output;
mod parse;
#[cfg(test)]
mod support_table;
mod validate;
mod video;

pub use audio::{AudioCodec, AudioDescription, AudioNormalization, NormalizationControl, RemixSettings};
pub use captions::{
    BurnIn, BurnInColor, CaptionDescription, CaptionDestination, CaptionFile, CaptionSelector,
    CaptionSourceType,
};
pub use encoder::VideoEncoder;
pub use group::{
    AbrSettings, DirectoryStructure, DurationFormat, EnabledDisabled, GroupKind, IncludeExclude, OutputGroup,
    OutputSelection,
};
pub use input::{
    AudioSelector, ColorSpace, ColorSpaceUsage, DefaultSelection, ImageInserter, Input, Rectangle, Rotate,
    TimecodeSource,
};
pub use output::{AudioTrackType, Container, MoovPlacement, Output};
pub use video::{
    ColorCorrector, DeinterlaceControl, FrameCapture, GopUnits, Quality, RateControl, Scaling, SceneChange,
    VideoCodec, VideoDescription,
};

use serde::Deserialize;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    pub inputs: Vec<Input>,
    pub output_groups: Vec<OutputGroup>,
}

/// `s3://bucket/key`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct S3Uri {
    pub bucket: String,
    /// Not percent-encoded; may be empty.
    pub key: String,
}

impl S3Uri {
    pub fn parse(uri: &str) -> Option<Self> {
        let (bucket, key) = uri.strip_prefix("s3://")?.split_once('/')?;
        (!bucket.is_empty()).then(|| Self { bucket: bucket.into(), key: key.into() })
    }

    /// Parses the address of a file; `None` if the key is empty.
    pub fn parse_file(uri: &str) -> Option<Self> {
        Self::parse(uri).filter(|uri| !uri.key.is_empty())
    }
}

impl std::fmt::Display for S3Uri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}
