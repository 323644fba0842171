//! HLS playlists of a job's outputs.

use super::{Part, Track, bandwidth, escape};
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
    /// Whether segments will be added.
    pub is_event: bool,
    /// Whether each segment is an I-frame.
    pub i_frames_only: bool,
}

/// The master playlist's content besides the tracks.
#[derive(Clone, Copy, Debug, Default)]
pub struct MasterOptions {
    pub omit_resolution: bool,
}

/// Writes the media playlist of a track.
pub fn media_playlist(track: &Track, options: &MediaOptions) -> String {
    // The planned duration, because the value is the same in all versions of a playlist.
    let shortest = track.planned_segment_s.max(1.0);
    let longest = track.segments.iter().map(|segment| segment.seconds).fold(shortest, f64::max);
    let ranged = track.segments.iter().any(|segment| segment.part.range.is_some());
    let version = match (&track.init, ranged) {
        (Some(_), _) => 7,
        (None, true) => 4,
        (None, false) => 3,
    };
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:{}\n",
        // RFC 8216: no duration, rounded to whole seconds, may exceed it.
        longest.round(),
        if options.is_event { "EVENT" } else { "VOD" }
    );
    if options.i_frames_only {
        text += "#EXT-X-I-FRAMES-ONLY\n";
    }
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
    if !options.is_event {
        text += "#EXT-X-ENDLIST\n";
    }
    text
}

/// Writes the playlist of a track's I-frames; `None` if it has none.
pub fn i_frame_playlist(track: &Track, options: &MediaOptions) -> Option<String> {
    let frames = Track { segments: track.i_frames.clone(), ..Track::default() };
    let options = MediaOptions { i_frames_only: true, ..options.clone() };
    (!track.i_frames.is_empty()).then(|| media_playlist(&frames, &options))
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
    for track in tracks.iter().filter(|track| !track.i_frames.is_empty()) {
        i_frame_variant(&mut text, track, options);
    }
    text
}

fn i_frame_variant(text: &mut String, track: &Track, options: MasterOptions) {
    let durations: Vec<_> = track.i_frames.iter().map(|frame| frame.seconds).collect();
    let bytes: Vec<_> = track.i_frames.iter().filter_map(|frame| Some(frame.part.range?.1)).collect();
    let (peak, average) = bandwidth(&durations, &bytes);
    // The video's codec precedes that of audio.
    let codec = track.codecs.split(',').next().unwrap_or_default();
    let _ = writeln!(
        text,
        "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average}{},CODECS=\"{codec}\",URI=\"{}\"",
        resolution(track, options),
        escape(&track.i_frame_playlist)
    );
}

fn resolution(track: &Track, options: MasterOptions) -> String {
    let size = track.size.filter(|_| !options.omit_resolution);
    size.map_or(String::new(), |(width, height)| format!(",RESOLUTION={width}x{height}"))
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
    let resolution = resolution(track, options);
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
            is_event: true,
            i_frames_only: false,
        };
        track.planned_segment_s = 4.0;
        let text = media_playlist(&track, &options);
        assert!(
            text.contains("#EXT-X-TARGETDURATION:4\n") && text.contains("#EXT-X-PLAYLIST-TYPE:EVENT\n"),
            "{text}"
        );
        assert!(text.ends_with("https://cdn/a.m4s\n"), "{text}");
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
    fn i_frames_are_parts_of_segments() {
        let frame =
            |seconds, range| Segment { seconds, part: Part { name: "a_1.ts".into(), range: Some(range) } };
        let mut track = video();
        assert_eq!(i_frame_playlist(&track, &MediaOptions::default()), None);
        track.codecs += ",mp4a.40.2";
        track.i_frames = vec![frame(2.0, (0, 1000)), frame(2.0, (5000, 3000))];
        track.i_frame_playlist = "a_360_iframe.m3u8".into();
        assert_eq!(
            i_frame_playlist(&track, &MediaOptions::default()).unwrap(),
            "#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n\
             #EXT-X-I-FRAMES-ONLY\n#EXTINF:2.000000,\n#EXT-X-BYTERANGE:1000@0\na_1.ts\n\
             #EXTINF:2.000000,\n#EXT-X-BYTERANGE:3000@5000\na_1.ts\n#EXT-X-ENDLIST\n"
        );
        let master = master_playlist(&[track], MasterOptions::default());
        assert!(
            master.ends_with(
                "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=12000,AVERAGE-BANDWIDTH=8000,RESOLUTION=640x360,\
                 CODECS=\"avc1.4d401e\",URI=\"a_360_iframe.m3u8\"\n"
            ),
            "{master}"
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
