//! Output containers, in the syntax of ffmpeg's `tee` muxer. Pure.

/// Timestamp of time 0 in transport streams, in seconds. Pictures that are decoded before they are shown have
/// timestamps below it.
pub const MPEGTS_START_S: u64 = 1;

/// A container that encoded streams are written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Muxer {
    Mp4 { index_first: bool },
    Mov,
    WebM,
    Segments(Segments),
}

/// A playlist with segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segments {
    /// A segment's, in whole seconds.
    pub length: u32,
    /// Fragmented MP4 instead of a transport stream.
    pub fragmented_mp4: bool,
    pub single_file: bool,
    /// Local name of the key info file of AES-128.
    pub key_info: Option<String>,
}

impl Segments {
    /// Whether each segment is a file of its own that is complete, and not encrypted, before the job has ended.
    pub fn is_streamed(&self) -> bool {
        !self.single_file && self.key_info.is_none()
    }
}

/// Encoded streams in a container: numbers among the job's video and audio encodings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendition {
    pub video: Option<usize>,
    pub audio: Vec<usize>,
    pub muxer: Muxer,
}

impl Muxer {
    /// Returns the local name of the rendition's file or playlist. `stem` is unique in the job.
    pub fn local_name(&self, stem: &str) -> String {
        let extension = match self {
            Self::Mp4 { .. } => "mp4",
            Self::Mov => "mov",
            Self::WebM => "webm",
            Self::Segments(_) => "m3u8",
        };
        format!("{stem}.{extension}")
    }
}

impl Rendition {
    /// Returns the output in the syntax of `tee`.
    pub fn tee_output(&self, stem: &str) -> String {
        let video = self.video.iter().map(|index| format!("v:{index}"));
        let audio = self.audio.iter().map(|index| format!("a:{index}"));
        let streams: Vec<_> = video.chain(audio).collect();
        let options = match &self.muxer {
            Muxer::Mp4 { index_first: true } => "f=mp4:movflags=+faststart".into(),
            Muxer::Mp4 { index_first: false } => "f=mp4".into(),
            Muxer::Mov => "f=mov:movflags=+faststart".into(),
            Muxer::WebM => "f=webm".into(),
            Muxer::Segments(segments) => segments.options(stem),
        };
        // The quotes are for the second of the two levels at which `tee` parses.
        format!(r"[select=\'{}\':{options}]{}", streams.join(","), self.muxer.local_name(stem))
    }
}

impl Segments {
    fn options(&self, stem: &str) -> String {
        let Self { length, fragmented_mp4, single_file, key_info } = self;
        // An `event` playlist is written after each segment, a `vod` playlist at the end.
        let kind = if self.is_streamed() { "event:hls_flags=temp_file" } else { "vod" };
        let mut options =
            format!("f=hls:hls_time={length}:hls_list_size=0:hls_playlist_type={kind}:start_number=1");
        let extension = if *fragmented_mp4 { "m4s" } else { "ts" };
        if *single_file {
            options += &format!(":hls_flags=single_file:hls_segment_filename={stem}.{extension}");
        } else {
            options += &format!(":hls_segment_filename={stem}_%05d.{extension}");
        }
        // Without these, each rendition would be shifted by its own first timestamp, and audio wouldn't match video.
        if *fragmented_mp4 {
            options += &format!(
                ":avoid_negative_ts=disabled:hls_segment_type=fmp4:hls_fmp4_init_filename={stem}init.mp4"
            );
        } else {
            options += &format!(":output_ts_offset={MPEGTS_START_S}");
        }
        if let Some(key_info) = key_info {
            options += &format!(":hls_key_info_file={key_info}");
        }
        options
    }
}
