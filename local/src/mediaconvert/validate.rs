//! Validates settings before a job is accepted. An error names the path of the member.

use super::settings::{
    Container, DirectoryStructure, FramerateControl, GroupKind, Output, OutputGroup, RateControl, S3Uri,
    SegmentControl, Settings, VideoCodec, VideoDescription,
};

impl Settings {
    /// Parses and validates settings in the API's JSON format. `Err` is a sentence that names the member's path.
    pub fn parse(settings: &serde_json::Value) -> Result<Self, String> {
        let settings: Self = serde_path_to_error::deserialize(settings)
            .map_err(|error| format!("/settings/{}: {}.", error.path(), error.inner()))?;
        settings.validate()?;
        Ok(settings)
    }

    fn validate(&self) -> Result<(), String> {
        let [input] = self.inputs.as_slice() else {
            return Err("/settings/inputs: exactly one input is supported.".into());
        };
        if S3Uri::parse(&input.file_input).is_none_or(|uri| uri.key.is_empty()) {
            return Err("/settings/inputs/0/fileInput: an address like s3://bucket/key is required.".into());
        }
        if !input.input_clippings.is_empty() {
            return Err("/settings/inputs/0/inputClippings: clipping isn't supported.".into());
        }
        if self.output_groups.is_empty() {
            return Err("/settings/outputGroups: at least one output group is required.".into());
        }
        for (index, group) in self.output_groups.iter().enumerate() {
            group
                .validate()
                .map_err(|(path, error)| format!("/settings/outputGroups/{index}{path}: {error}"))?;
        }
        Ok(())
    }
}

impl OutputGroup {
    fn validate(&self) -> Result<(), (String, &'static str)> {
        if S3Uri::parse(self.destination()).is_none() {
            let path = "/outputGroupSettings/…/destination".into();
            return Err((path, "an address like s3://bucket/folder/name is required."));
        }
        if let Some(hls) = &self.output_group_settings.hls_group_settings {
            if hls.segment_length == 0 {
                return Err(("/…/segmentLength".into(), "the minimum is one second."));
            }
            if hls.segment_control == SegmentControl::SingleFile
                || hls.directory_structure == DirectoryStructure::SubdirectoryPerStream
            {
                let error = "only separate segment files in a single directory are supported.";
                return Err(("/…/hlsGroupSettings".into(), error));
            }
            if hls.encryption.is_some() {
                return Err(("/…/encryption".into(), "encryption isn't supported."));
            }
        }
        if self.outputs.is_empty() {
            return Err(("/outputs".into(), "at least one output is required."));
        }
        for (index, output) in self.outputs.iter().enumerate() {
            output
                .validate(self.output_group_settings.kind)
                .map_err(|(path, error)| (format!("/outputs/{index}{path}"), error))?;
        }
        let mut names: Vec<_> = self.outputs.iter().map(|output| &output.name_modifier).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err((
                "/outputs".into(),
                "the outputs of a group must have different values of nameModifier.",
            ));
        }
        Ok(())
    }
}

impl Output {
    fn validate(&self, kind: GroupKind) -> Result<(), (&'static str, &'static str)> {
        let Some(video) = &self.video_description else {
            return Err(("/videoDescription", "it is required: outputs without video aren't supported."));
        };
        let supported = match (kind, self.container_settings.container, video.codec_settings.codec) {
            (GroupKind::Hls, Container::M3u8, VideoCodec::H264) => true,
            (GroupKind::File, Container::Mp4, VideoCodec::H264) => true,
            (GroupKind::File, Container::Raw, VideoCodec::FrameCapture) => true,
            (GroupKind::Hls | GroupKind::File, _, _) => false,
        };
        if !supported {
            return Err(("", "group, container and codec don't go together."));
        }
        video.validate()?;
        if self.audio_descriptions.len() > 1 {
            return Err(("/audioDescriptions", "at most one is supported."));
        }
        if !self.caption_descriptions.is_empty() {
            return Err(("/captionDescriptions", "captions aren't supported."));
        }
        Ok(())
    }
}

impl VideoDescription {
    fn validate(&self) -> Result<(), (&'static str, &'static str)> {
        if [self.width, self.height].into_iter().flatten().any(|side| !(32..=8192).contains(&side)) {
            return Err(("/videoDescription", "width and height must be in the range 32 to 8192."));
        }
        if let Some(frames) = &self.codec_settings.frame_capture_settings
            && (frames.framerate_numerator == 0 || frames.framerate_denominator == 0)
        {
            return Err(("/…/frameCaptureSettings", "the frame rate isn't a valid fraction."));
        }
        let Some(h264) = &self.codec_settings.h264_settings else {
            return match self.codec_settings.codec {
                VideoCodec::H264 => Err(("/…/h264Settings", "they are required for this codec.")),
                VideoCodec::FrameCapture => Ok(()),
            };
        };
        let rate = match h264.rate_control_mode {
            RateControl::Qvbr => h264.max_bitrate,
            RateControl::Vbr | RateControl::Cbr => h264.bitrate,
        };
        if rate.is_none_or(|rate| rate < 1000) {
            return Err(("/…/h264Settings", "the rate control mode requires its bit rate, at least 1000."));
        }
        if h264.qvbr_settings.qvbr_quality_level.is_some_and(|level| !(1..=10).contains(&level)) {
            return Err(("/…/qvbrSettings/qvbrQualityLevel", "it must be in the range 1 to 10."));
        }
        if h264.gop_size.is_some_and(|size| !(size > 0.0 && size.is_finite())) {
            return Err(("/…/h264Settings/gopSize", "it must be more than 0."));
        }
        let fraction = (h264.framerate_numerator, h264.framerate_denominator);
        if h264.framerate_control == FramerateControl::Specified
            && !matches!(fraction, (Some(1..), Some(1..)))
        {
            return Err(("/…/h264Settings", "the frame rate isn't a valid fraction."));
        }
        Ok(())
    }
}
