//! Codecs in the format of RFC 6381, from what ffprobe says about a track.

use crate::mediaconvert::source::{Ratio, Source, Track, TrackKind, Video};

/// Returns the codecs of an output's tracks, separated by commas.
pub fn of(source: &Source) -> String {
    let codecs: Vec<_> = source.tracks.iter().filter_map(of_track).collect();
    codecs.join(",")
}

fn of_track(track: &Track) -> Option<String> {
    let codec = track.codec.as_deref()?;
    Some(match (codec, &track.kind) {
        ("h264", TrackKind::Video(video)) => h264(video),
        ("hevc", TrackKind::Video(video)) => {
            let profile = if video.profile.as_deref() == Some("Main 10") { "2.4" } else { "1.6" };
            let level = video.level.filter(|level| (30..=186).contains(level)).unwrap_or(120);
            format!("hvc1.{profile}.L{level}.90")
        }
        ("vp9", TrackKind::Video(video)) => {
            format!("vp09.00.{}.{:02}", vp9_level(video), video.bit_depth.unwrap_or(8))
        }
        ("av1", TrackKind::Video(video)) => {
            let level = video.level.filter(|level| (0..=31).contains(level)).unwrap_or(8);
            format!("av01.0.{level:02}M.{:02}", video.bit_depth.unwrap_or(8))
        }
        ("aac", TrackKind::Audio { .. }) => "mp4a.40.2".into(),
        ("opus", TrackKind::Audio { .. }) => "opus".into(),
        ("mp3", TrackKind::Audio { .. }) => "mp4a.40.34".into(),
        ("ac3", TrackKind::Audio { .. }) => "ac-3".into(),
        ("eac3", TrackKind::Audio { .. }) => "ec-3".into(),
        _ => return None,
    })
}

fn h264(video: &Video) -> String {
    // The profile's number and the constraint flags that x264 sets.
    let profile = match video.profile.as_deref() {
        Some("Constrained Baseline" | "Baseline") => "42c0",
        Some("High") => "6400",
        _ => "4d40",
    };
    let level = video.level.filter(|level| (10..=62).contains(level)).unwrap_or(40);
    format!("avc1.{profile}{level:02x}")
}

/// Returns VP9's level by its maximum number of luma samples in a second; ffmpeg doesn't know it.
fn vp9_level(video: &Video) -> u32 {
    let Ratio { num, den } = video.frame_rate;
    let samples = u64::from(video.width) * u64::from(video.height) * u64::from(num) / u64::from(den.max(1));
    let levels = [
        (10, 829_440),
        (11, 2_764_800),
        (20, 4_608_000),
        (21, 9_216_000),
        (30, 20_736_000),
        (31, 36_864_000),
        (40, 83_558_400),
        (41, 160_432_128),
        (50, 311_951_360),
        (51, 588_251_136),
    ];
    levels.into_iter().find(|(_, most)| samples <= *most).map_or(52, |(level, _)| level)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codecs(streams: &str) -> String {
        of(&Source::parse(format!(r#"{{"streams":[{streams}],"format":{{}}}}"#).as_bytes()).unwrap())
    }

    #[test]
    fn codecs_have_profile_and_level() {
        let video = |codec: &str, profile: &str, level: i32| {
            format!(
                r#"{{"index":0,"codec_type":"video","codec_name":"{codec}","profile":"{profile}","level":{level},
                    "width":1920,"height":1080,"avg_frame_rate":"30/1","pix_fmt":"yuv420p"}}"#
            )
        };
        let audio = r#",{"index":1,"codec_type":"audio","codec_name":"aac"}"#;
        assert_eq!(codecs(&(video("h264", "Main", 30) + audio)), "avc1.4d401e,mp4a.40.2");
        assert_eq!(codecs(&video("h264", "High", 42)), "avc1.64002a");
        assert_eq!(codecs(&video("hevc", "Main", 93)), "hvc1.1.6.L93.90");
        assert_eq!(codecs(&video("hevc", "Main 10", 120)), "hvc1.2.4.L120.90");
        assert_eq!(codecs(&video("vp9", "Profile 0", -99)), "vp09.00.40.08");
        assert_eq!(codecs(&video("av1", "Main", 8)), "av01.0.08M.08");
    }
}
