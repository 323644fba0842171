//! The outputs of a plan: what each is made of, and its names. Pure.

use super::encode::{AudioEncoding, EncodedVideo, Picture, VideoEncoding};
use super::muxer::Segments;
use super::naming::OutputNames;
use super::planned::{
    CaptionsSource, Group, LocalPlaylist, Output, OutputFiles, PlannedAudio, PlannedCaptions, PlannedVideo,
};
use super::scaling::{Placement, ScaledFrame};
use super::{
    AudioCodec, Capture, JobError, MAX_SIDE, Muxer, Planner, Rendition, S3Uri, TrackKind, VideoCodec,
};
use crate::mediaconvert::captions::{self, Cue};
use crate::mediaconvert::settings::{
    self, AudioDescription, CaptionDestination, Container, GroupKind, MoovPlacement, Scaling,
    VideoDescription,
};
use crate::mediaconvert::source::{Ratio, Video};

impl<'a> Planner<'a> {
    pub(super) fn groups(&mut self) -> Result<Vec<Group>, JobError> {
        let settings = self.settings;
        let mut groups = vec![];
        for group in &settings.output_groups {
            let Some(destination) = S3Uri::parse(group.destination()) else {
                return Err(JobError::Settings("Every destination must be an s3:// address.".into()));
            };
            let mut outputs = vec![];
            for output in &group.outputs {
                outputs.push(self.output(output, group)?);
            }
            let names: Vec<_> =
                outputs.iter().map(|output: &Output| (&output.modifier, output.extension())).collect();
            if (1..names.len()).any(|index| names[..index].contains(&names[index])) {
                let sentence = "Two outputs of a group would have the same name.";
                return Err(JobError::Settings(sentence.into()));
            }
            groups.push(Group { settings: group.clone(), base: self.base(destination), outputs });
        }
        Ok(groups)
    }

    /// Returns the prefix of output names. The input's name without extension is appended to a destination that
    /// ends with a slash.
    fn base(&self, mut destination: S3Uri) -> S3Uri {
        if destination.key.is_empty() || destination.key.ends_with('/') {
            destination.key += &self.names.input;
        } else {
            destination.key = self.names.expand(&destination.key, &OutputNames::default());
            return destination;
        }
        let folder = destination.key.len() - self.names.input.len();
        let expanded = self.names.expand(&destination.key[..folder], &OutputNames::default());
        destination.key = expanded + &self.names.input;
        destination
    }

    fn output(
        &mut self,
        output: &'a settings::Output,
        group: &'a settings::OutputGroup,
    ) -> Result<Output, JobError> {
        let kind = group.kind();
        let container = output.container(kind);
        let extension = output.extension(kind);
        let mut audio_encodings = vec![];
        let mut audio = vec![];
        for description in &output.audio_descriptions {
            if let Some(encoding) = self.audio(description)? {
                audio.push(PlannedAudio {
                    language: encoding.language.clone(),
                    name: description.stream_name.clone(),
                    channels: description.codec_settings.channels(),
                });
                audio_encodings.push(super::number_of(&mut self.audios_encoded, encoding));
            }
        }
        let mut planned_video = None;
        let mut video_encoding = None;
        let mut files = None;
        let (mut video_bitrate, mut max_bitrate) = (0, 0);
        if let Some(video) = &output.video_description {
            if let (VideoCodec::FrameCapture, Some(capture)) =
                (video.codec_settings.codec, &video.codec_settings.frame_capture_settings)
            {
                let picture = self.picture(video, output)?;
                let frame = picture.frames[0];
                let stem = format!("capture{}", self.captures.len());
                self.captures.push(Capture { settings: capture, picture, stem: stem.clone() });
                planned_video = Some(self.planned(frame.width, frame.height, None, false));
                files = Some(OutputFiles::Frames { stem, extension: extension.clone() });
            } else if video.codec_settings.codec == VideoCodec::FrameCapture {
                return Err(JobError::Settings("A frame capture must have its settings.".into()));
            } else {
                let (encoding, planned, bitrate) = self.video(video, output)?;
                max_bitrate = encoding.max_bitrate();
                video_encoding = Some(self.video_encoding(encoding));
                planned_video = Some(planned);
                video_bitrate = bitrate;
            }
        }
        let audio_bitrate: u64 =
            output.audio_descriptions.iter().map(|a| u64::from(a.codec_settings.rates().0)).sum();
        max_bitrate += audio_bitrate;
        let files = match (files, output.caption_destination()) {
            (Some(files), _) => files,
            (None, Some(destination)) => {
                OutputFiles::Captions(self.captions(output, destination, &extension)?)
            }
            (None, None) => {
                if video_encoding.is_none() && audio_encodings.is_empty() {
                    let sentence = "An output has neither video nor audio: the input has no audio.";
                    return Err(JobError::Settings(sentence.into()));
                }
                self.containers(container, output, group, video_encoding, &audio_encodings, &extension)
            }
        };
        let names = OutputNames {
            size: planned_video.map(|video| (video.width, video.height)),
            frame_rate: planned_video.map(|video| video.frame_rate),
            video_bitrate,
            audio_bitrate,
            extension: &extension,
        };
        let hls = &output.output_settings.hls_settings;
        let cmfc = &output.container_settings.cmfc_settings;
        let sets = hls.audio_rendition_sets.as_ref().or(cmfc.audio_rendition_sets.as_ref());
        Ok(Output {
            modifier: self.names.expand(&output.name_modifier, &names),
            segment_modifier: self.names.expand(hls.segment_modifier.as_deref().unwrap_or_default(), &names),
            video: planned_video,
            audio,
            max_bitrate,
            files,
            audio_group: hls.audio_group_id.clone().or_else(|| cmfc.audio_group_id.clone()),
            audio_groups: sets
                .map(|sets| {
                    sets.split(',').map(|set| set.trim().to_owned()).filter(|s| !s.is_empty()).collect()
                })
                .unwrap_or_default(),
            audio_track_type: hls.audio_track_type.or(cmfc.audio_track_type),
            has_i_frame_playlist: container == Container::M3u8
                && hls.i_frame_only_manifest == Some(settings::IncludeExclude::Include),
        })
    }

    /// Adds the containers of an output's streams, and returns their local files.
    fn containers(
        &mut self,
        container: Container,
        output: &settings::Output,
        group: &settings::OutputGroup,
        video: Option<usize>,
        audio: &[usize],
        extension: &str,
    ) -> OutputFiles {
        let muxer = match container {
            Container::Mp4 => {
                let placement = output.container_settings.mp4_settings.moov_placement;
                Muxer::Mp4 { index_first: placement == MoovPlacement::ProgressiveDownload }
            }
            Container::Mov => Muxer::Mov,
            Container::Webm => Muxer::WebM,
            Container::M3u8 | Container::Cmfc | Container::Mpd | Container::Raw => {
                let (length, single_file) = group.segments();
                let fragmented_mp4 = container != Container::M3u8;
                let key_info = self.key_info(group);
                Muxer::Segments(Segments { length, fragmented_mp4, single_file, key_info })
            }
        };
        let Muxer::Segments(segments) = &muxer else {
            let stem = self.rendition(Rendition { video, audio: audio.to_vec(), muxer: muxer.clone() });
            return OutputFiles::File { local: muxer.local_name(&stem), extension: extension.to_owned() };
        };
        // DASH has one track in a file.
        let parts = if container == Container::Mpd && video.is_some() && !audio.is_empty() {
            vec![(video, vec![]), (None, audio.to_vec())]
        } else {
            vec![(video, audio.to_vec())]
        };
        let (is_streamed, length) = (segments.is_streamed(), f64::from(segments.length));
        let mut playlists = vec![];
        for (video, audio) in parts {
            let (has_video, has_audio) = (video.is_some(), !audio.is_empty());
            // A segment ends at the first key frame at or after its length. Those of copies are unknown.
            let gop_s = video.map(|video| self.videos_encoded[video].gop_s().unwrap_or(2.0 * length));
            let max_segment_s = gop_s.map_or(length, |gop_s| (length / gop_s - 1e-3).ceil() * gop_s);
            let stem = self.rendition(Rendition { video, audio, muxer: muxer.clone() });
            playlists.push(LocalPlaylist { stem, has_video, has_audio, is_streamed, max_segment_s });
        }
        OutputFiles::Segments(playlists)
    }

    /// Returns the local name of the file that tells ffmpeg the group's key; `None` without encryption.
    fn key_info(&mut self, group: &settings::OutputGroup) -> Option<String> {
        let encryption = group.output_group_settings.hls_group_settings.encryption.as_ref()?;
        if group.kind() != GroupKind::Hls {
            return None;
        }
        let key = hex::decode(&encryption.static_key_provider.static_key_value).unwrap_or_default();
        let key_name = self.file("key", "bin", key);
        // The local playlist names the local key, so that ffprobe can read the segments.
        let info = format!("{key_name}\n{key_name}\n{}\n", encryption.initialization_vector());
        Some(self.file("key", "info", info.into_bytes()))
    }

    /// Adds a local file; returns its name, which is that of an equal file if there is one.
    fn file(&mut self, stem: &str, extension: &str, content: Vec<u8>) -> String {
        if let Some((name, _)) = self.files.iter().find(|(_, known)| *known == content) {
            return name.clone();
        }
        let name = format!("{stem}{}.{extension}", self.files.len());
        self.files.push((name.clone(), content));
        name
    }

    fn planned(&self, width: u32, height: u32, rate: Option<Ratio>, ten_bit: bool) -> PlannedVideo {
        let source =
            self.videos.first().map_or(Ratio { num: 30, den: 1 }, |clip| clip.video.frame_rate.of_output());
        PlannedVideo { width, height, frame_rate: rate.unwrap_or(source), ten_bit }
    }

    /// Returns how the picture is scaled from each clip, and what is drawn on it.
    fn picture(
        &mut self,
        description: &'a VideoDescription,
        output: &'a settings::Output,
    ) -> Result<Picture<'a>, JobError> {
        let mut frames: Vec<ScaledFrame> = vec![];
        for clip in self.videos {
            let mut placement = Placement::new(description, clip.clip.input);
            if let Some(first) = frames.first() {
                // Joined pictures have one size, that of the first.
                let has_fixed_size = matches!(placement.scaling, Scaling::Fill | Scaling::StretchToOutput);
                if placement.width.is_none() || placement.height.is_none() || !has_fixed_size {
                    placement.scaling = Scaling::Default;
                }
                (placement.width, placement.height) = (Some(first.width), Some(first.height));
            }
            let frame =
                ScaledFrame::new(placement, &clip.video, clip.rotation).map_err(JobError::Settings)?;
            if frame.width.max(frame.height) > MAX_SIDE {
                let (width, height) = (frame.width, frame.height);
                return Err(JobError::Settings(format!(
                    "An output would be {width} by {height} pixels; the maximum is 8192."
                )));
            }
            frames.push(frame);
        }
        let mut burn_in = None;
        for captions in &output.caption_descriptions {
            let cues = self.cues(captions)?;
            let name = self.file("burn", "srt", captions::srt(&cues).into_bytes());
            burn_in = Some((name, &captions.destination_settings.burnin_destination_settings));
        }
        let preprocessors = &description.video_preprocessors;
        Ok(Picture {
            frames,
            color: &preprocessors.color_corrector,
            images: preprocessors.image_inserter.as_ref(),
            burn_in,
        })
    }

    /// Returns the encoding of a video description, what is known about its result, and its bit rate.
    fn video(
        &mut self,
        description: &'a VideoDescription,
        output: &'a settings::Output,
    ) -> Result<(VideoEncoding<'a>, PlannedVideo, u64), JobError> {
        let encoder = description.codec_settings.encoder(false);
        let encoder = encoder.map_err(|(member, error)| JobError::Settings(format!("{member}: {error}")))?;
        let Some(encoder) = encoder else {
            let (track, video) = self
                .videos
                .first()
                .map(|clip| (clip.track, &clip.video))
                .ok_or_else(|| JobError::NoVideo(self.input.clone()))?;
            let Video { width, height, frame_rate, .. } = *video;
            let planned = self.planned(width, height, Some(frame_rate), false);
            return Ok((VideoEncoding::Copy { track, frame_rate }, planned, 0));
        };
        let picture = self.picture(description, output)?;
        let rate = encoder.frame_rate.map(|(num, den)| Ratio { num, den });
        let frame = picture.frames[0];
        let planned = self.planned(frame.width, frame.height, rate, encoder.ten_bit);
        let bitrate = encoder.nominal_bitrate();
        let video = EncodedVideo { encoder, frame_rate: planned.frame_rate, picture };
        Ok((VideoEncoding::Encode(Box::new(video)), planned, bitrate))
    }

    /// Returns the encoding of an audio description; `None` if no input has audio. Fails if there is audio, but not
    /// what is selected.
    fn audio(&mut self, description: &'a AudioDescription) -> Result<Option<AudioEncoding<'a>>, JobError> {
        let mut first = None;
        for clip in self.clips {
            let selected = clip.audio(&description.audio_source_name, self.materials, &mut self.inputs)?;
            if first.is_none() {
                first = selected.and_then(|audio| Some((audio.file, *audio.tracks.first()?)));
            }
        }
        let Some((file, track)) = first else { return Ok(None) };
        let copies = description.codec_settings.codec == AudioCodec::Passthrough;
        let copy = copies.then_some((file, track.index));
        let language = description.language(track.language.as_deref());
        Ok(Some(AudioEncoding { description, language, copy }))
    }

    fn captions(
        &mut self,
        output: &'a settings::Output,
        destination: CaptionDestination,
        extension: &str,
    ) -> Result<PlannedCaptions, JobError> {
        let Some(description) = output.caption_descriptions.first() else {
            return Err(JobError::Internal("An output of captions has none."));
        };
        let selector = self.caption_selector(description)?;
        let track = selector.source_settings.track_source_settings.as_ref();
        let source = match track {
            Some(track) if selector.source_settings.file_source_settings.is_none() => {
                CaptionsSource::Local(self.text_track(track.track_number.unwrap_or(1))?)
            }
            _ => CaptionsSource::Cues(self.cues(description)?),
        };
        let selected = selector.custom_language_code.as_ref().or(selector.language_code.as_ref());
        Ok(PlannedCaptions {
            source,
            srt: destination == CaptionDestination::Srt,
            extension: extension.to_owned(),
            language: description.language().or_else(|| selected.map(|code| code.to_lowercase())),
            name: description.language_description.clone(),
        })
    }

    fn caption_selector(
        &self,
        description: &settings::CaptionDescription,
    ) -> Result<&'a settings::CaptionSelector, JobError> {
        let input = self.settings.inputs.first();
        let selector =
            input.and_then(|input| input.caption_selectors.get(&description.caption_selector_name));
        selector.ok_or(JobError::Settings("A caption selector is missing.".into()))
    }

    /// Returns the captions of a file.
    fn cues(&self, description: &settings::CaptionDescription) -> Result<Vec<Cue>, JobError> {
        let selector = self.caption_selector(description)?;
        let file = selector.source_settings.file_source_settings.as_ref();
        let uri = file.and_then(|file| S3Uri::parse_file(&file.source_file));
        let cues = uri.as_ref().and_then(|uri| self.materials.captions.get(uri));
        let delta = file.map_or(0.0, settings::CaptionFile::delta_s);
        let cues = cues.ok_or(JobError::Settings("A file of captions is missing.".into()))?;
        Ok(captions::shifted(cues, delta))
    }

    /// Returns the local name of the file that ffmpeg writes a text track to. Tracks are numbered from 1.
    fn text_track(&mut self, number: usize) -> Result<String, JobError> {
        let clip = self.clips.first();
        let mut tracks =
            clip.iter().flat_map(|clip| clip.source.tracks.iter().map(move |track| (clip.file, track)));
        let text = |kind: &TrackKind| matches!(kind, TrackKind::Text);
        let found = tracks.by_ref().filter(|(_, track)| text(&track.kind)).nth(number.saturating_sub(1));
        let Some((file, track)) = found else {
            let sentence =
                format!("The caption selector selects text track {number}, which the input doesn't have.");
            return Err(JobError::Settings(sentence));
        };
        let index = super::number_of(&mut self.text_tracks, (file, track.index));
        Ok(format!("text{index}.vtt"))
    }
}
