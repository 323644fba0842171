//! Automated ABR: which renditions a source gets. Pure.
//!
//! The rungs are those of [`RUNGS`] whose short side isn't larger than the source's, from the largest down, at
//! most `maxRenditions`. The one with the source's own size comes first if it isn't a rung. Bit rates are those of
//! the rung, within `minAbrBitrate` and `maxAbrBitrate`; a rung whose limit is below the minimum is left out.

use super::Materials;
use crate::mediaconvert::settings::{AbrSettings, Output, OutputGroup, Settings, VideoDescription};

/// Short side in pixels, and the maximum bit rate of H.264 in bits per second.
const RUNGS: [(u32, u32); 8] = [
    (2160, 16_000_000),
    (1440, 9_000_000),
    (1080, 5_000_000),
    (720, 3_000_000),
    (540, 2_000_000),
    (480, 1_400_000),
    (360, 800_000),
    (240, 400_000),
];
/// MediaConvert's default of `maxRenditions`.
const DEFAULT_MAX_RENDITIONS: usize = 15;

/// Replaces each output with video of a group with automated ABR by its renditions.
pub fn with_automated_renditions(settings: &Settings, materials: &Materials) -> Settings {
    let mut settings = settings.clone();
    let size = materials.sources.first().and_then(|source| source.video()).map(|(_, video)| {
        let width = f64::from(video.width) * video.pixel_ratio.as_f64();
        let is_turned = !video.rotation.is_multiple_of(180);
        let size = (width, f64::from(video.height));
        if is_turned { (size.1, size.0) } else { size }
    });
    for group in &mut settings.output_groups {
        let automated = group.automated_encoding_settings.take();
        if let (Some(abr), Some(size)) = (automated.and_then(|automated| automated.abr_settings), size) {
            replace_outputs(group, &abr, size);
        }
    }
    settings
}

fn replace_outputs(group: &mut OutputGroup, abr: &AbrSettings, size: (f64, f64)) {
    let outputs = std::mem::take(&mut group.outputs);
    for output in outputs {
        let Some(video) = &output.video_description else {
            group.outputs.push(output);
            continue;
        };
        for (number, (short_side, rate)) in (1..).zip(rungs(abr, size)) {
            group.outputs.push(Output {
                name_modifier: format!("{}_{number}", output.name_modifier),
                video_description: Some(rendition(video, size, short_side, rate)),
                ..output.clone()
            });
        }
    }
}

/// Returns short sides and bit rates, largest first; at least one.
fn rungs(abr: &AbrSettings, size: (f64, f64)) -> Vec<(u32, u32)> {
    // The value is at most that of ffprobe's `u32` times a pixel's ratio.
    let source = size.0.min(size.1).round().min(8192.0) as u32;
    let largest = abr.max_abr_bitrate.unwrap_or(u32::MAX);
    let smallest = abr.min_abr_bitrate.unwrap_or(0);
    let mut rungs: Vec<_> = RUNGS.into_iter().filter(|(side, _)| *side <= source).collect();
    if rungs.first().is_none_or(|(side, _)| *side != source) {
        let next_larger = RUNGS.into_iter().rev().find(|(side, _)| *side >= source);
        rungs.insert(0, (source, next_larger.map_or(RUNGS[0].1, |(_, rate)| rate)));
    }
    let mut fitting: Vec<_> = rungs
        .iter()
        .filter(|(_, rate)| *rate >= smallest)
        .map(|(side, rate)| (*side, (*rate).min(largest)))
        .collect();
    // Rungs above the maximum rate would all have that rate; the smallest of them is enough.
    while fitting.len() > 1 && fitting[0].1 == fitting[1].1 {
        fitting.remove(0);
    }
    fitting.truncate(abr.max_renditions.unwrap_or(DEFAULT_MAX_RENDITIONS).max(1));
    if fitting.is_empty() {
        fitting.extend(rungs.first().map(|(side, _)| (*side, smallest)));
    }
    fitting
}

fn rendition(video: &VideoDescription, size: (f64, f64), short_side: u32, rate: u32) -> VideoDescription {
    let mut video = video.clone();
    (video.width, video.height) =
        if size.0 < size.1 { (Some(short_side.max(32)), None) } else { (None, Some(short_side.max(32))) };
    video.codec_settings.set_rates(rate);
    video
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renditions_are_never_above_the_source() {
        let abr = |max_renditions| AbrSettings { max_renditions, ..AbrSettings::default() };
        let sides = |abr: &AbrSettings, size| -> Vec<u32> {
            rungs(abr, size).into_iter().map(|(side, _)| side).collect()
        };
        assert_eq!(sides(&abr(Some(3)), (1920.0, 1080.0)), [1080, 720, 540]);
        assert_eq!(sides(&abr(None), (608.0, 1080.0)), [608, 540, 480, 360, 240]);
        assert_eq!(sides(&abr(None), (160.0, 90.0)), [90]);
    }

    #[test]
    fn bit_rates_are_within_the_limits() {
        let abr = AbrSettings {
            max_abr_bitrate: Some(2_500_000),
            min_abr_bitrate: Some(700_000),
            max_renditions: None,
        };
        let expected = [(720, 2_500_000), (540, 2_000_000), (480, 1_400_000), (360, 800_000)];
        assert_eq!(rungs(&abr, (3840.0, 2160.0)), expected);
    }
}
