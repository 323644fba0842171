//! Validates settings before a job is accepted. An error names the path of the member.

use super::{
    AudioCodec, CaptionDestination, CaptionSourceType, Container, GroupKind, ImageInserter, IncludeExclude,
    Input, Output, OutputGroup, Rectangle, S3Uri, Settings, VideoCodec, VideoDescription,
};

/// MediaConvert's maximum number of inputs of a job.
const MAX_INPUTS: usize = 150;

/// The path below the current member, and the sentence.
type Invalid = (String, String);

fn invalid<T>(path: impl Into<String>, sentence: impl Into<String>) -> Result<T, Invalid> {
    Err((path.into(), sentence.into()))
}

/// Runs `validate` on each element and adds its index to the path.
fn each<T>(
    name: &str,
    list: &[T],
    mut validate: impl FnMut(&T) -> Result<(), Invalid>,
) -> Result<(), Invalid> {
    for (index, element) in list.iter().enumerate() {
        validate(element).map_err(|(path, sentence)| (format!("/{name}/{index}{path}"), sentence))?;
    }
    Ok(())
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        self.check().map_err(|(path, sentence)| format!("/settings{path}: {sentence}"))
    }

    fn check(&self) -> Result<(), Invalid> {
        if self.inputs.is_empty() || self.inputs.len() > MAX_INPUTS {
            return invalid("/inputs", "one to 150 inputs are required.");
        }
        let clips: usize = self.inputs.iter().map(|input| input.input_clippings.len()).sum();
        if clips > MAX_INPUTS {
            return invalid("/inputs", "at most 150 clips are supported.");
        }
        each("inputs", &self.inputs, Input::check)?;
        if self.output_groups.is_empty() {
            return invalid("/outputGroups", "at least one output group is required.");
        }
        each("outputGroups", &self.output_groups, |group| group.check(self))
    }

    /// Whether the input's packets can be copied: there is one input, whole and unchanged.
    fn is_unedited(&self) -> bool {
        matches!(self.inputs.as_slice(), [input] if input.input_clippings.is_empty())
    }
}

impl Input {
    fn check(&self) -> Result<(), Invalid> {
        if S3Uri::parse_file(&self.file_input).is_none() {
            return invalid("/fileInput", "an address like s3://bucket/key is required.");
        }
        for (name, selector) in &self.audio_selectors {
            if selector
                .external_audio_file_input
                .as_deref()
                .is_some_and(|uri| S3Uri::parse_file(uri).is_none())
            {
                let path = format!("/audioSelectors/{name}/externalAudioFileInput");
                return invalid(path, "an address like s3://bucket/key is required.");
            }
        }
        for (name, group) in &self.audio_selector_groups {
            let known = |name: &String| self.audio_selectors.contains_key(name);
            if !matches!(group.audio_selector_names.as_slice(), [name] if known(name)) {
                let path = format!("/audioSelectorGroups/{name}/audioSelectorNames");
                return invalid(path, "the name of exactly one audio selector is supported.");
            }
        }
        for (name, selector) in &self.caption_selectors {
            let source = &selector.source_settings;
            let file = source.file_source_settings.as_ref();
            if file.is_some_and(|file| S3Uri::parse_file(&file.source_file).is_none()) {
                let path = format!("/captionSelectors/{name}/sourceSettings/fileSourceSettings/sourceFile");
                return invalid(path, "an address like s3://bucket/key is required.");
            }
            let is_text = matches!(source.source_type, CaptionSourceType::Srt | CaptionSourceType::Webvtt);
            if is_text && file.is_none() && source.track_source_settings.is_none() {
                let path = format!("/captionSelectors/{name}/sourceSettings");
                return invalid(path, "fileSourceSettings or trackSourceSettings are required.");
            }
        }
        check_rectangles(self.crop, self.position)?;
        self.image_inserter.as_ref().map_or(Ok(()), check_images)
    }
}

fn check_rectangles(crop: Option<Rectangle>, position: Option<Rectangle>) -> Result<(), Invalid> {
    for (name, rectangle) in [("crop", crop), ("position", position)] {
        if rectangle.is_some_and(|r| [r.x, r.y, r.width, r.height].iter().any(|side| side % 2 == 1)) {
            return invalid(format!("/{name}"), "x, y, width and height must be even.");
        }
        if rectangle.is_some_and(|r| r.width < 2 || r.height < 2) {
            return invalid(format!("/{name}"), "width and height must be at least 2.");
        }
    }
    Ok(())
}

fn check_images(images: &ImageInserter) -> Result<(), Invalid> {
    for (index, image) in images.insertable_images.iter().enumerate() {
        let path = format!("/imageInserter/insertableImages/{index}/imageInserterInput");
        let Some(uri) = S3Uri::parse_file(&image.image_inserter_input) else {
            return invalid(path, "an address like s3://bucket/key is required.");
        };
        if image.width.max(image.height) > 8192 {
            return invalid(path, "the image may be scaled to 8192 by 8192 pixels at most.");
        }
        let extension = uri.key.rsplit('.').next().unwrap_or_default().to_lowercase();
        if !["png", "bmp"].contains(&extension.as_str()) {
            return invalid(path, "the image must be a .png or .bmp file.");
        }
    }
    Ok(())
}

impl OutputGroup {
    fn check(&self, settings: &Settings) -> Result<(), Invalid> {
        if S3Uri::parse(self.destination()).is_none() {
            let path = "/outputGroupSettings/…/destination";
            return invalid(path, "an address like s3://bucket/folder/name is required.");
        }
        if self.segments().0 == 0 {
            return invalid("/outputGroupSettings/…/segmentLength", "the minimum is one second.");
        }
        if let Some(encryption) = &self.output_group_settings.hls_group_settings.encryption {
            let is_key = |text: &str| text.len() == 32 && text.bytes().all(|c| c.is_ascii_hexdigit());
            let key = &encryption.static_key_provider;
            let iv = encryption.constant_initialization_vector.as_deref();
            if !is_key(&key.static_key_value) || !iv.is_none_or(is_key) {
                return invalid(
                    "/outputGroupSettings/hlsGroupSettings/encryption",
                    "the key and the initialization vector must be 32 hexadecimal digits.",
                );
            }
            if key.url.is_empty() || key.url.contains(['"', '\n', '\r']) {
                let path = "/outputGroupSettings/hlsGroupSettings/encryption/staticKeyProvider/url";
                return invalid(path, "a URL is required.");
            }
        }
        if self.outputs.is_empty() {
            return invalid("/outputs", "at least one output is required.");
        }
        if self.automated_encoding_settings.is_some() {
            let videos = self.outputs.iter().filter(|output| output.video_description.is_some()).count();
            if self.kind() == GroupKind::File || videos != 1 {
                let sentence =
                    "automated ABR requires a group with segments and exactly one output with video.";
                return invalid("/automatedEncodingSettings", sentence);
            }
        }
        each("outputs", &self.outputs, |output| output.check(self, settings))?;
        let key = |output: &Output| (output.name_modifier.clone(), output.extension(self.kind()));
        let mut names: Vec<_> = self.outputs.iter().map(key).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return invalid("/outputs", "the outputs of a group must have different values of nameModifier.");
        }
        Ok(())
    }
}

impl Output {
    /// Returns the output's container; by default that of the group.
    pub fn container(&self, group: GroupKind) -> Container {
        self.container_settings.container.unwrap_or(match group {
            GroupKind::Hls => Container::M3u8,
            GroupKind::Cmaf => Container::Cmfc,
            GroupKind::DashIso => Container::Mpd,
            GroupKind::File => Container::Mp4,
        })
    }

    /// Returns the extension of the output's file, or what tells outputs of segments apart.
    pub fn extension(&self, group: GroupKind) -> String {
        let default = match self.container(group) {
            Container::M3u8 => "m3u8",
            Container::Cmfc => "cmfc",
            Container::Mpd => "mpd",
            Container::Mp4 => "mp4",
            Container::Mov => "mov",
            Container::Webm => "webm",
            Container::Raw => match self.caption_destination() {
                Some(CaptionDestination::Srt) => "srt",
                Some(_) => "vtt",
                None => "jpg",
            },
        };
        self.extension.clone().filter(|extension| !extension.is_empty()).unwrap_or_else(|| default.into())
    }

    /// Returns the destination type of an output of captions alone.
    pub fn caption_destination(&self) -> Option<CaptionDestination> {
        let is_alone = self.video_description.is_none() && self.audio_descriptions.is_empty();
        let destination =
            |captions: &super::CaptionDescription| captions.destination_settings.destination_type;
        self.caption_descriptions.first().filter(|_| is_alone).map(destination)
    }

    fn check(&self, group: &OutputGroup, settings: &Settings) -> Result<(), Invalid> {
        let kind = group.kind();
        let container = self.container(kind);
        let video = self.video_description.as_ref();
        let codec = video.map(|video| video.codec_settings.codec);
        let is_capture = codec == Some(VideoCodec::FrameCapture);
        let has_audio = !self.audio_descriptions.is_empty();
        if video.is_none() && !has_audio && self.caption_descriptions.is_empty() {
            return invalid("", "video, audio or captions are required.");
        }
        let audio_is = |allowed: &[AudioCodec]| {
            self.audio_descriptions.iter().all(|audio| allowed.contains(&audio.codec_settings.codec))
        };
        let go_together = match (kind, container) {
            (GroupKind::File, Container::Raw) => {
                is_capture && !has_audio || self.caption_destination().is_some()
            }
            (_, _) if is_capture => false,
            (GroupKind::Hls, Container::M3u8) => {
                codec.is_none_or(|codec| !matches!(codec, VideoCodec::Vp9 | VideoCodec::Av1))
                    && audio_is(&[AudioCodec::Aac, AudioCodec::Passthrough])
            }
            (GroupKind::Cmaf, Container::Cmfc) => {
                // A track of its own each, as CMAF has it.
                (video.is_none() || !has_audio) && self.audio_descriptions.len() <= 1
            }
            (GroupKind::DashIso, Container::Mpd) => self.audio_descriptions.len() <= 1,
            (GroupKind::File, Container::Mp4 | Container::Mov) => true,
            (GroupKind::File, Container::Webm) => {
                codec.is_none_or(|codec| matches!(codec, VideoCodec::Vp9 | VideoCodec::Av1))
                    && audio_is(&[AudioCodec::Opus])
            }
            _ => false,
        };
        if !go_together {
            return invalid("", "group, container and codecs don't go together.");
        }
        if let Some(video) = video {
            video
                .check(group.automated_encoding_settings.is_some())
                .map_err(|(path, sentence)| (format!("/videoDescription{path}"), sentence))?;
        }
        let encryption = &group.output_group_settings.hls_group_settings.encryption;
        if self.output_settings.hls_settings.i_frame_only_manifest == Some(IncludeExclude::Include)
            && encryption.is_some()
        {
            return invalid(
                "/outputSettings/hlsSettings/iFrameOnlyManifest",
                "it requires segments without encryption: a player can't decrypt a part of one.",
            );
        }
        let copies =
            codec == Some(VideoCodec::Passthrough) || !audio_is(&[AudioCodec::Aac, AudioCodec::Opus]);
        if copies && !settings.is_unedited() {
            return invalid("", "PASSTHROUGH requires one input without clips.");
        }
        self.check_audio()?;
        self.check_captions(settings)
    }

    fn check_audio(&self) -> Result<(), Invalid> {
        each("audioDescriptions", &self.audio_descriptions, |audio| {
            let (bitrate, rate) = audio.codec_settings.rates();
            if audio.codec_settings.codec == AudioCodec::Opus && ![16_000, 24_000, 48_000].contains(&rate) {
                return invalid(
                    "/codecSettings/opusSettings/sampleRate",
                    "it must be 16000, 24000 or 48000.",
                );
            }
            if !(6000..=1_024_000).contains(&bitrate) || !(8000..=96_000).contains(&rate) {
                let sentence = "bitrate must be in the range 6000 to 1024000, sampleRate in 8000 to 96000.";
                return invalid("/codecSettings", sentence);
            }
            Ok(())
        })
    }

    fn check_captions(&self, settings: &Settings) -> Result<(), Invalid> {
        let is_alone = self.caption_destination().is_some();
        each("captionDescriptions", &self.caption_descriptions, |captions| {
            let name = &captions.caption_selector_name;
            let selector = settings.inputs.first().and_then(|input| input.caption_selectors.get(name));
            let Some(selector) = selector else {
                return invalid("/captionSelectorName", "the first input has no such caption selector.");
            };
            let source = &selector.source_settings;
            if !matches!(source.source_type, CaptionSourceType::Srt | CaptionSourceType::Webvtt) {
                return invalid("/captionSelectorName", "only captions of SRT and WEBVTT are supported.");
            }
            let burn_in = captions.destination_settings.destination_type == CaptionDestination::BurnIn;
            if burn_in && (is_alone || self.video_description.is_none()) {
                return invalid("/destinationSettings", "BURN_IN requires an output with video.");
            }
            if burn_in && source.file_source_settings.is_none() {
                return invalid("/destinationSettings", "BURN_IN requires captions from a file.");
            }
            if !burn_in && (!is_alone || self.caption_descriptions.len() > 1) {
                return invalid("", "captions in a file require an output of their own, one for each.");
            }
            if settings.inputs.len() > 1
                || settings.inputs.iter().any(|input| !input.input_clippings.is_empty())
            {
                return invalid("", "captions require one input without clips.");
            }
            Ok(())
        })
    }
}

impl VideoDescription {
    fn check(&self, automated: bool) -> Result<(), Invalid> {
        if [self.width, self.height].into_iter().flatten().any(|side| !(32..=8192).contains(&side)) {
            return invalid("", "width and height must be in the range 32 to 8192.");
        }
        check_rectangles(self.crop, self.position)?;
        if self.position.is_some() && (self.width.is_none() || self.height.is_none()) {
            return invalid("/position", "it requires width and height.");
        }
        let images = self.video_preprocessors.image_inserter.as_ref();
        images
            .map_or(Ok(()), check_images)
            .map_err(|(path, sentence)| (format!("/videoPreprocessors{path}"), sentence))?;
        if let Some(frames) = &self.codec_settings.frame_capture_settings
            && (frames.framerate_numerator == 0 || frames.framerate_denominator == 0)
        {
            return invalid("/codecSettings/frameCaptureSettings", "the frame rate isn't a valid fraction.");
        }
        let codec = self.codec_settings.codec;
        if automated && !matches!(codec, VideoCodec::H264 | VideoCodec::H265) {
            return invalid("/codecSettings/codec", "automated ABR requires H_264 or H_265.");
        }
        match self.codec_settings.encoder(automated) {
            Ok(_) => Ok(()),
            Err((member, sentence)) => invalid(format!("/codecSettings/{member}"), sentence),
        }
    }
}
