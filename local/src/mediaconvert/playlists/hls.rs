//! HLS playlists of a job's outputs.

use super::{Part, Track, escape};
use crate::mediaconvert::settings::AudioTrackType;
use std::fmt::Write as _;

/// A media playlist's content besides its segments.
#[derive(Clone, Debug, Default)]
pub struct MediaOptions {
    /// Whole seconds instead of fractions.
    pub integer_durations: bool,
    /// Precedes the names of segments.
    pub base_url: String,
    /// The attributes of `EXT-X-KEY`.
    pub key: Option<String>,
    /// Time of the first segment in milliseconds since 1970, and the least time between two tags in seconds.
    pub program_date_time: Option<(u64, u32)>,
}

/// The master playlist's content besides the tracks.
#[derive(Clone, Copy, Debug, Default)]
pub struct MasterOptions {
    pub omit_resolution: bool,
}

/// Writes the media playlist of a track.
pub fn media_playlist(track: &Track, options: &MediaOptions) -> String {
    let longest = track.segments.iter().map(|segment| segment.seconds).fold(1.0, f64::max);
    let ranged = track.segments.iter().any(|segment| segment.part.range.is_some());
    let version = match (&track.init, ranged) {
        (Some(_), _) => 7,
        (None, true) => 4,
        (None, false) => 3,
    };
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n",
        // RFC 8216: no duration, rounded to whole seconds, may exceed it.
        longest.round()
    );
    let name = |part: &Part| format!("{}{}", options.base_url, escape(&part.name));
    if let Some(key) = &options.key {
        let _ = writeln!(text, "#EXT-X-KEY:{key}");
    }
    if let Some(init) = &track.init {
        let range =
            init.range.map_or(String::new(), |(offset, length)| format!(",BYTERANGE=\"{length}@{offset}\""));
        let _ = writeln!(text, "#EXT-X-MAP:URI=\"{}\"{range}", name(init));
    }
    let (mut elapsed, mut next_date) = (0.0f64, 0.0f64);
    for segment in &track.segments {
        if let Some((start_ms, period)) = options.program_date_time.filter(|_| elapsed >= next_date) {
            // The sum is far below the limit of the cast.
            let time = edge::clock::rfc3339(start_ms + (elapsed * 1000.0).round() as u64);
            let _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{time}");
            next_date = elapsed + f64::from(period);
        }
        elapsed += segment.seconds;
        if options.integer_durations {
            let _ = writeln!(text, "#EXTINF:{},", segment.seconds.round().max(1.0));
        } else {
            let _ = writeln!(text, "#EXTINF:{:.6},", segment.seconds);
        }
        if let Some((offset, length)) = segment.part.range {
            let _ = writeln!(text, "#EXT-X-BYTERANGE:{length}@{offset}");
        }
        let _ = writeln!(text, "{}", name(&segment.part));
    }
    text + "#EXT-X-ENDLIST\n"
}

/// Writes the master playlist with the tracks in the job's order.
pub fn master_playlist(tracks: &[Track], options: MasterOptions) -> String {
    let has_video = tracks.iter().any(|track| track.has_video);
    let is_alternate = |track: &&Track| {
        let default = if has_video {
            AudioTrackType::AlternateAudioAutoSelectDefault
        } else {
            AudioTrackType::AudioOnlyVariantStream
        };
        track.has_audio
            && !track.has_video
            && track.audio_track_type.unwrap_or(default) != AudioTrackType::AudioOnlyVariantStream
    };
    let alternates: Vec<_> = tracks.iter().filter(is_alternate).collect();
    let captions: Vec<_> = tracks.iter().filter(|track| track.is_captions).collect();
    let version = if tracks.iter().any(|track| track.init.is_some()) { 7 } else { 3 };
    let mut text = format!("#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    audio_renditions(&mut text, &alternates);
    for (index, track) in captions.iter().enumerate() {
        let flags = if index == 0 { "DEFAULT=YES,AUTOSELECT=YES" } else { "DEFAULT=NO,AUTOSELECT=YES" };
        let name = track.name.as_deref().or(track.language.as_deref()).unwrap_or("Captions");
        let language = language(track);
        let _ = writeln!(
            text,
            "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subs\",NAME=\"{}\"{language},{flags},FORCED=NO,URI=\"{}\"",
            quoted(name),
            escape(&track.playlist)
        );
    }
    let subtitles = if captions.is_empty() { "" } else { ",SUBTITLES=\"subs\"" };
    for track in tracks.iter().filter(|track| !track.is_captions && !is_alternate(track)) {
        // Without its own audio, a video plays with all groups.
        let plays_with = |group: &str| {
            if track.audio_groups.is_empty() {
                track.has_video && !track.has_audio
            } else {
                track.audio_groups.iter().any(|name| name == group)
            }
        };
        let mut groups: Vec<_> = alternates.iter().map(|audio| group_id(audio)).collect();
        groups.dedup();
        groups.retain(|group| plays_with(group));
        if groups.is_empty() {
            variant(&mut text, track, &[], "", subtitles, options);
        }
        for group in groups {
            let audio: Vec<_> = alternates.iter().filter(|audio| group_id(audio) == group).copied().collect();
            let attribute = format!(",AUDIO=\"{}\"", quoted(group));
            variant(&mut text, track, &audio, &attribute, subtitles, options);
        }
    }
    text
}

fn audio_renditions(text: &mut String, alternates: &[&Track]) {
    let mut defaults: Vec<&str> = vec![];
    let mut names: Vec<(&str, String)> = vec![];
    for track in alternates {
        let group = group_id(track);
        let kind = track.audio_track_type.unwrap_or(AudioTrackType::AlternateAudioAutoSelectDefault);
        let wants_default = kind == AudioTrackType::AlternateAudioAutoSelectDefault;
        // A group has one default.
        let is_default = wants_default && !defaults.contains(&group);
        if is_default {
            defaults.push(group);
        }
        let auto_select = kind != AudioTrackType::AlternateAudioNotAutoSelect;
        let yes_no = |flag| if flag { "YES" } else { "NO" };
        let wanted = track.name.as_deref().or(track.language.as_deref()).unwrap_or("Audio");
        // Names in a group differ.
        let is_taken = |name: &String| names.iter().any(|known| *known == (group, name.clone()));
        let name = std::iter::once(wanted.to_owned())
            .chain((2..).map(|number| format!("{wanted} {number}")))
            .find(|name| !is_taken(name))
            .unwrap_or_default();
        names.push((group, name.clone()));
        let channels = track.channels.map_or(String::new(), |count| format!(",CHANNELS=\"{count}\""));
        let _ = writeln!(
            text,
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{}\",NAME=\"{}\"{},DEFAULT={},AUTOSELECT={}{channels},URI=\"{}\"",
            quoted(group),
            quoted(&name),
            language(track),
            yes_no(is_default),
            yes_no(auto_select),
            escape(&track.playlist)
        );
    }
}

fn variant(
    text: &mut String,
    track: &Track,
    audio: &[&Track],
    audio_attribute: &str,
    subtitles: &str,
    options: MasterOptions,
) {
    let peak = track.peak + audio.iter().map(|audio| audio.peak).max().unwrap_or(0);
    let average = track.average + audio.iter().map(|audio| audio.average).max().unwrap_or(0);
    let resolution = track.size.filter(|_| !options.omit_resolution);
    let resolution =
        resolution.map_or(String::new(), |(width, height)| format!(",RESOLUTION={width}x{height}"));
    let mut codecs = vec![track.codecs.as_str()];
    codecs.extend(audio.first().map(|audio| audio.codecs.as_str()));
    let frame_rate = track.frame_rate.map_or(String::new(), |rate| format!(",FRAME-RATE={rate:.3}"));
    let _ = writeln!(
        text,
        "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average}{resolution},CODECS=\"{}\"{frame_rate}\
         {audio_attribute}{subtitles}\n{}",
        codecs.join(","),
        escape(&track.playlist)
    );
}

fn group_id(track: &Track) -> &str {
    track.audio_group.as_deref().unwrap_or("program_audio")
}

fn language(track: &Track) -> String {
    track.language.as_ref().map_or(String::new(), |code| format!(",LANGUAGE=\"{}\"", quoted(code)))
}

/// Removes what a quoted string of a playlist can't have.
fn quoted(text: &str) -> String {
    text.chars().filter(|c| *c != '"' && !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Segment;
    use super::*;

    fn segment(seconds: f64, name: &str) -> Segment {
        Segment { seconds, part: Part { name: name.into(), range: None } }
    }

    fn video() -> Track {
        Track {
            playlist: "a_360.m3u8".into(),
            has_video: true,
            peak: 900_000,
            average: 700_000,
            size: Some((640, 360)),
            frame_rate: Some(30_000.0 / 1001.0),
            codecs: "avc1.4d401e".into(),
            ..Track::default()
        }
    }

    #[test]
    fn media_playlist_has_segments_under_their_names() {
        let segments = vec![segment(6.006, "my film: 1%_00001.ts"), segment(1.5, "b.ts")];
        let track = Track { segments, ..Track::default() };
        let text = media_playlist(&track, &MediaOptions::default());
        assert!(text.contains("#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:6\n"));
        assert!(text.contains("#EXTINF:6.006000,\nmy%20film%3A%201%25_00001.ts\n#EXTINF:1.500000,\nb.ts\n"));
        assert!(text.ends_with("#EXT-X-ENDLIST\n"));
    }

    #[test]
    fn media_playlist_has_key_ranges_and_dates() {
        let mut track =
            Track { segments: vec![segment(2.0, "a.m4s"), segment(2.0, "a.m4s")], ..Track::default() };
        track.init = Some(Part { name: "a.m4s".into(), range: Some((0, 90)) });
        track.segments[0].part.range = Some((90, 10));
        let options = MediaOptions {
            integer_durations: true,
            base_url: "https://cdn/".into(),
            key: Some("METHOD=AES-128,URI=\"k\"".into()),
            program_date_time: Some((1000, 3)),
        };
        let text = media_playlist(&track, &options);
        let expected = "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXT-X-MAP:URI=\"https://cdn/a.m4s\",BYTERANGE=\"90@0\"\n\
                        #EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:01Z\n#EXTINF:2,\n#EXT-X-BYTERANGE:10@90\nhttps://cdn/a.m4s\n\
                        #EXTINF:2,\nhttps://cdn/a.m4s\n";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn master_playlist_has_bandwidth_resolution_and_codecs() {
        let mut muxed = video();
        muxed.has_audio = true;
        muxed.codecs = "avc1.4d401e,mp4a.40.2".into();
        assert_eq!(
            master_playlist(&[muxed], MasterOptions::default()),
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-STREAM-INF:BANDWIDTH=900000,AVERAGE-BANDWIDTH=700000,RESOLUTION=640x360,\
             CODECS=\"avc1.4d401e,mp4a.40.2\",FRAME-RATE=29.970\na_360.m3u8\n"
        );
    }

    #[test]
    fn audio_and_captions_are_renditions_of_the_video() {
        let audio = |language: &str, kind| Track {
            playlist: format!("a_{language}.m3u8"),
            has_audio: true,
            peak: 100_000,
            average: 90_000,
            codecs: "mp4a.40.2".into(),
            language: Some(language.into()),
            channels: Some(2),
            audio_track_type: kind,
            ..Track::default()
        };
        let captions = Track {
            playlist: "a_en.m3u8".into(),
            is_captions: true,
            name: Some("Eng\"lish".into()),
            ..Track::default()
        };
        let not_auto = Some(AudioTrackType::AlternateAudioNotAutoSelect);
        let only = Some(AudioTrackType::AudioOnlyVariantStream);
        let tracks = [video(), audio("eng", None), audio("deu", not_auto), audio("fra", only), captions];
        assert_eq!(
            master_playlist(&tracks, MasterOptions { omit_resolution: true }),
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"program_audio\",NAME=\"eng\",LANGUAGE=\"eng\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"a_eng.m3u8\"\n\
             #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"program_audio\",NAME=\"deu\",LANGUAGE=\"deu\",DEFAULT=NO,AUTOSELECT=NO,CHANNELS=\"2\",URI=\"a_deu.m3u8\"\n\
             #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subs\",NAME=\"English\",DEFAULT=YES,AUTOSELECT=YES,FORCED=NO,URI=\"a_en.m3u8\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH=1000000,AVERAGE-BANDWIDTH=790000,CODECS=\"avc1.4d401e,mp4a.40.2\",FRAME-RATE=29.970,AUDIO=\"program_audio\",SUBTITLES=\"subs\"\na_360.m3u8\n\
             #EXT-X-STREAM-INF:BANDWIDTH=100000,AVERAGE-BANDWIDTH=90000,CODECS=\"mp4a.40.2\",SUBTITLES=\"subs\"\na_fra.m3u8\n"
        );
    }
}
