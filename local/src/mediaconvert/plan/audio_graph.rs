//! The audio part of the filter graph. Pure.

use super::clips::{Clip, SelectedAudio};
use super::graph::GraphWriter;
use crate::mediaconvert::settings::{AudioNormalization, NormalizationControl, RemixSettings};
use std::fmt::Write as _;

impl GraphWriter<'_> {
    /// Writes one chain of audio, joined from the clips, split into the labels of `outputs`.
    pub fn audio(
        &mut self,
        clips: &[Clip<'_>],
        selected: &[Option<SelectedAudio<'_>>],
        chain: AudioChain<'_>,
        outputs: &[usize],
    ) {
        let mut parts = String::new();
        for (clip, audio) in clips.iter().zip(selected) {
            self.start_chain();
            let duration = clip.duration();
            if let Some(audio) = audio {
                for track in &audio.tracks {
                    let _ = write!(self.graph, "[{}:{}]", audio.file, track.index);
                }
                if audio.tracks.len() > 1 {
                    let _ = write!(self.graph, "amerge=inputs={},", audio.tracks.len());
                }
                self.graph += "aresample=async=1:first_pts=0,";
                self.graph += &offset(audio.offset_ms);
                self.graph += &audio.remix.map_or(String::new(), remix);
            } else {
                self.graph += "anullsrc=r=48000:cl=stereo,";
            }
            // Players stall where audio ends before the picture, and show its last frame where audio is longer.
            if let Some(end) = duration {
                let _ = write!(self.graph, "apad=whole_dur={end},atrim=end={end},");
            }
            if clips.len() > 1 {
                let part = self.label("k");
                let _ = write!(self.graph, "aresample=48000,aformat=channel_layouts=stereo[{part}]");
                let _ = write!(parts, "[{part}]");
            }
        }
        if clips.len() > 1 {
            let _ = write!(self.graph, ";{parts}concat=n={}:v=0:a=1,", clips.len());
        }
        self.graph += &chain.remix.map_or(String::new(), remix);
        self.graph += &chain.normalization.map_or(String::new(), |settings| {
            if settings.algorithm_control == NormalizationControl::MeasureOnly {
                return String::new();
            }
            let target = settings.target_lkfs.unwrap_or(-24.0).clamp(-70.0, -5.0);
            let peak = settings.true_peak_limiter_threshold.unwrap_or(-2.0).clamp(-9.0, 0.0);
            // The filter's output has 192 kHz.
            format!("loudnorm=I={target}:TP={peak}:LRA=11,aresample=48000,")
        });
        let _ = write!(self.graph, "asplit={}", outputs.len());
        self.graph.extend(outputs.iter().map(|index| format!("[a{index}]")));
    }
}

/// The filters of audio after clips are joined.
#[derive(Clone, Copy, PartialEq)]
pub struct AudioChain<'a> {
    pub source_name: &'a str,
    pub remix: Option<&'a RemixSettings>,
    pub normalization: Option<&'a AudioNormalization>,
}

fn offset(milliseconds: i32) -> String {
    match milliseconds {
        0 => String::new(),
        1.. => format!("adelay={milliseconds}:all=1,"),
        _ => format!("atrim=start={},asetpts=PTS-STARTPTS,", -f64::from(milliseconds) / 1000.0),
    }
}

/// Returns the filter for a channel mapping; empty if there is none.
fn remix(settings: &RemixSettings) -> String {
    let channels = &settings.channel_mapping.output_channels;
    let layout = match channels.len() {
        0 => return String::new(),
        1 => "mono".to_owned(),
        2 => "stereo".to_owned(),
        6 => "5.1".to_owned(),
        count => format!("{count}c"),
    };
    let mut filter = format!("pan={layout}");
    for (output, channel) in channels.iter().enumerate() {
        // −60 dB is silence.
        let audible = channel.gains().iter().enumerate().filter(|(_, gain)| **gain > -60.0);
        let terms: Vec<_> =
            audible.map(|(input, gain)| format!("{:.6}*c{input}", 10f64.powf(gain / 20.0))).collect();
        let sum = if terms.is_empty() { "0*c0".to_owned() } else { terms.join("+") };
        let _ = write!(filter, "|c{output}={sum}");
    }
    filter + ","
}
