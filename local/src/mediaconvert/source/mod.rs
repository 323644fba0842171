//! Parses ffprobe's report about a media file. Pure. Files are untrusted: any value may be missing or invalid.

mod report;

use report::{Report, seconds, start_time};

/// A fraction such as a frame rate or the aspect ratio of a pixel; neither side is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    pub num: u32,
    pub den: u32,
}

/// Frames per second of an output at most.
const MAX_OUTPUT_RATE: f64 = 120.0;

impl Ratio {
    pub const ONE: Self = Self { num: 1, den: 1 };

    pub fn as_f64(self) -> f64 {
        f64::from(self.num) / f64::from(self.den)
    }

    /// Returns this frame rate, or the half, quarter… that isn't above 120, the most of an output.
    pub fn of_output(self) -> Self {
        let mut rate = self;
        while rate.as_f64() > MAX_OUTPUT_RATE {
            rate.den = rate.den.saturating_mul(2);
        }
        rate
    }

    /// Parses `30000/1001` or `4:3`; `None` if a side is 0 or not a number.
    fn parse(text: &str) -> Option<Self> {
        let (num, den) = text.split_once(['/', ':'])?;
        let (num, den) = (num.parse().ok()?, den.parse().ok()?);
        (num > 0 && den > 0).then_some(Self { num, den })
    }
}

#[derive(Clone, Debug, Default)]
pub struct Source {
    /// ffmpeg's container names, such as `mov,mp4,m4a,3gp,3g2,mj2`.
    pub format: String,
    pub major_brand: Option<String>,
    /// In seconds.
    pub duration: Option<f64>,
    /// In bits per second.
    pub bit_rate: Option<u64>,
    /// The first frame's, `HH:MM:SS:FF`.
    pub timecode: Option<String>,
    pub tracks: Vec<Track>,
}

#[derive(Clone, Debug)]
pub struct Track {
    /// ffmpeg's stream index, from 0.
    pub index: u32,
    /// Identifier of the track's packets in a transport stream.
    pub pid: Option<u32>,
    /// ffmpeg's codec name; `None` if ffmpeg doesn't know the codec.
    pub codec: Option<String>,
    /// In seconds.
    pub duration: Option<f64>,
    /// The time of the track's first sample after the start of the file, in seconds.
    pub start: f64,
    /// In bits per second.
    pub bit_rate: Option<u64>,
    pub language: Option<String>,
    pub kind: TrackKind,
}

#[derive(Clone, Debug)]
pub enum TrackKind {
    Video(Video),
    Audio {
        channels: u32,
        sample_rate: u32,
        layout: Option<String>,
        bit_depth: Option<u32>,
    },
    /// Captions that are text.
    Text,
    /// Timecode, cover pictures, captions that are pictures.
    Data,
}

#[derive(Clone, Debug)]
pub struct Video {
    /// As coded, before rotation, in pixels.
    pub width: u32,
    pub height: u32,
    /// Aspect ratio of a pixel.
    pub pixel_ratio: Ratio,
    pub frame_rate: Ratio,
    /// Clockwise rotation that makes the coded picture upright: 0, 90, 180 or 270 degrees.
    pub rotation: u32,
    pub bit_depth: Option<u32>,
    pub interlaced: bool,
    pub primaries: Option<String>,
    pub transfer: Option<String>,
    pub matrix: Option<String>,
    /// ffmpeg's H.264 profile and level, such as `Main` and 31.
    pub profile: Option<String>,
    pub level: Option<i32>,
}

impl Default for Video {
    fn default() -> Self {
        Self {
            width: 0,
            height: 0,
            pixel_ratio: Ratio::ONE,
            frame_rate: Ratio { num: 30, den: 1 },
            rotation: 0,
            bit_depth: None,
            interlaced: false,
            primaries: None,
            transfer: None,
            matrix: None,
            profile: None,
            level: None,
        }
    }
}

impl Video {
    /// Returns whether the transfer function is one of high dynamic range (PQ or HLG).
    pub fn is_hdr(&self) -> bool {
        matches!(self.transfer.as_deref(), Some("smpte2084" | "arib-std-b67"))
    }
}

impl Source {
    /// Parses ffprobe's JSON of `-show_format -show_streams`; `None` if it is no such report.
    pub fn parse(report: &[u8]) -> Option<Self> {
        let report: Report = serde_json::from_slice(report).ok()?;
        let format = report.format?;
        let start = start_time(format.start_time.as_deref());
        Some(Self {
            major_brand: format.tags.get("major_brand").cloned(),
            duration: seconds(format.duration.as_deref()),
            bit_rate: format.bit_rate.and_then(|rate| rate.parse().ok()),
            timecode: report.streams.iter().find_map(|stream| stream.timecode()),
            tracks: report.streams.into_iter().map(|stream| stream.track(start)).collect(),
            format: format.format_name,
        })
    }

    /// Returns the first video track. Pictures of one frame don't count.
    pub fn video(&self) -> Option<(&Track, &Video)> {
        self.videos().next()
    }

    pub fn videos(&self) -> impl Iterator<Item = (&Track, &Video)> {
        self.tracks.iter().filter_map(|track| match &track.kind {
            TrackKind::Video(video) => Some((track, video)),
            TrackKind::Audio { .. } | TrackKind::Text | TrackKind::Data => None,
        })
    }

    /// Returns the end of the picture in seconds after the start of the file; that of the file if the video track
    /// has no duration.
    pub fn video_end(&self) -> Option<f64> {
        let of_track = self.video().and_then(|(track, _)| Some(track.start.max(0.0) + track.duration?));
        of_track.or(self.duration)
    }

    /// Turns video tracks that don't move into data tracks, if there is one that moves: covers without their flag.
    /// `packets` has the track's index for each video packet at the start of the file.
    pub fn discard_stills(&mut self, packets: &[u32]) {
        let moves = |track: &Track| packets.iter().filter(|index| **index == track.index).count() > 1;
        if self.videos().any(|(track, _)| moves(track)) {
            for track in &mut self.tracks {
                if matches!(track.kind, TrackKind::Video(_)) && !moves(track) {
                    track.kind = TrackKind::Data;
                }
            }
        }
    }

    pub fn audio(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(|track| matches!(track.kind, TrackKind::Audio { .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::report::{frame_rate, quarter_turns};
    use super::*;

    #[test]
    fn report_of_phone_clip_is_parsed() {
        let report = br#"{"streams":[
            {"index":0,"codec_name":"hevc","codec_type":"video","width":1920,"height":1080,"pix_fmt":"yuv420p10le",
             "avg_frame_rate":"72000/2401","r_frame_rate":"30/1","color_transfer":"arib-std-b67",
             "side_data_list":[{"side_data_type":"x"},{"rotation":-90}],"duration":"4.002"},
            {"index":1,"codec_name":"aac","codec_type":"audio","sample_rate":"44100","channels":1},
            {"index":2,"codec_name":"mjpeg","codec_type":"video","width":100,"height":100,
             "disposition":{"attached_pic":1}},
            {"index":3,"codec_type":"data","codec_name":"unknown"}],
            "format":{"format_name":"mov,mp4","duration":"4.01","tags":{"major_brand":"qt  "}}}"#;
        let source = Source::parse(report).unwrap();
        let (track, video) = source.video().unwrap();
        assert_eq!((track.index, video.rotation, video.bit_depth), (0, 90, Some(10)));
        assert_eq!(video.frame_rate, Ratio { num: 30, den: 1 });
        assert!(video.is_hdr());
        assert_eq!(source.audio().map(|track| track.index).collect::<Vec<_>>(), [1]);
        assert!(matches!(source.tracks[2].kind, TrackKind::Data));
        assert_eq!(source.tracks[3].codec, None);
        assert_eq!(source.duration, Some(4.01));
    }

    #[test]
    fn end_of_picture_is_that_of_the_video_track() {
        let source = |video: &str| {
            let report = format!(
                r#"{{"streams":[{{"index":0,"codec_type":"video","width":2,"height":2{video}}}],
                    "format":{{"start_time":"1.4","duration":"9"}}}}"#
            );
            Source::parse(report.as_bytes()).unwrap().video_end()
        };
        assert_eq!(source(""), Some(9.0));
        assert_eq!(source(r#","start_time":"2.4","duration":"7""#), Some(8.0));
        assert_eq!(source(r#","start_time":"1.4","tags":{"DURATION":"00:01:02.500000000"}"#), Some(62.5));
    }

    #[test]
    fn one_frame_before_the_video_is_not_the_video() {
        let report = br#"{"streams":[{"index":0,"codec_type":"video","width":9,"height":9},
            {"index":1,"codec_type":"video","width":8,"height":8}],"format":{}}"#;
        let video_after = |packets: &[u32]| {
            let mut source = Source::parse(report).unwrap();
            source.discard_stills(packets);
            source.video().map(|(track, _)| track.index)
        };
        assert_eq!(video_after(&[0, 1, 1, 1]), Some(1));
        assert_eq!(video_after(&[0, 0, 1]), Some(0));
        assert_eq!(video_after(&[0, 1]), Some(0), "nothing moves");
    }

    #[test]
    fn frame_rate_above_120_is_divided_for_outputs() {
        let rate = frame_rate(Some("240/1"), Some("240/1"));
        assert_eq!(rate, Ratio { num: 240, den: 1 });
        assert_eq!(rate.of_output(), Ratio { num: 240, den: 2 });
        assert_eq!(Ratio { num: 120, den: 1 }.of_output(), Ratio { num: 120, den: 1 });
    }

    #[test]
    fn invalid_values_fall_back_to_defaults() {
        assert!(Source::parse(b"").is_none());
        assert!(Source::parse(b"{}").is_none());
        assert_eq!(frame_rate(Some("0/0"), Some("90000/1")), Ratio { num: 30, den: 1 });
        assert_eq!(frame_rate(Some("1000/1"), Some("1000/1")), Ratio { num: 30, den: 1 });
        assert_eq!(frame_rate(Some("17/2"), None), Ratio { num: 17, den: 2 });
        assert_eq!(frame_rate(Some("2997/100"), None), Ratio { num: 30_000, den: 1001 });
        assert_eq!(quarter_turns(-90.3), 3);
        assert_eq!(quarter_turns(45.0), 0);
        assert_eq!(seconds(Some("N/A")), None);
        assert_eq!(Ratio::parse("0:1"), None);
    }
}
