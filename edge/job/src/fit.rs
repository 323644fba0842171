//! Fits outputs to one source: their sizes, and the times of captured pictures. Pure.

use crate::Source;
use serde_json::Value;

/// The folder of the storyboard's pictures and, made of them, its sprite sheet and its index.
pub const STORYBOARD_FOLDER: &str = "assets/Storyboards/";

/// The smallest side of a picture that MediaConvert takes, in pixels.
const MIN_SIDE: u64 = 32;
/// The largest side of an H.264 picture that MediaConvert makes, in pixels.
const MAX_SIDE: u64 = 4096;
/// The longer side of a storyboard's picture, in pixels.
const STORYBOARD_SIDE: u64 = 160;
/// The most pictures of a storyboard.
const STORYBOARD_PICTURES: u64 = 100;

/// The seconds between two pictures of a storyboard: as short as the most pictures reach to the video's end.
pub fn storyboard_interval_s(duration_ms: u64) -> u64 {
    duration_ms.div_ceil(1000 * STORYBOARD_PICTURES).max(1)
}

/// Fits a group's outputs to what is known of the source.
pub(crate) fn fit(outputs: &mut Vec<Value>, source: &Source, is_storyboard: bool) {
    if let (Some(width), Some(height)) = (source.width, source.height) {
        let (width, height) = (u64::from(width), u64::from(height));
        if is_storyboard {
            outputs.iter_mut().for_each(|output| fit_storyboard(output, width, height));
        } else {
            fit_sizes(outputs, width, height);
        }
    }
    if let Some(duration_ms) = source.duration_ms {
        for output in outputs {
            if is_storyboard {
                set_interval_s(output, storyboard_interval_s(duration_ms));
            } else {
                spread_captures(output, duration_ms);
            }
        }
    }
}

/// The height of an output without a width. Outputs with both sides define their own scaling.
fn scaled_height(output: &Value) -> Option<u64> {
    let video = output.get("VideoDescription")?;
    if video.get("Width").is_some() { None } else { video.get("Height")?.as_u64() }
}

/// Drops the outputs that are larger than the source, except the smallest, which is reduced to the source's size. An output's
/// height is that of its short side: a portrait source has it as its width. Sets both sides, in the source's aspect ratio:
/// MediaConvert refuses jobs in which its own result is odd.
fn fit_sizes(outputs: &mut Vec<Value>, width: u64, height: u64) {
    let (short, long) = (width.min(height), width.max(height));
    let smallest = outputs.iter().filter_map(scaled_height).min().unwrap_or(0);
    outputs.retain(|output| scaled_height(output).is_none_or(|side| side <= short.max(smallest)));
    for output in outputs {
        let Some(side) = scaled_height(output) else { continue };
        let side = even(side.min(short).min(MAX_SIDE * short / long));
        let other = even((long * side + short / 2) / short).min(MAX_SIDE);
        set_size(output, if width < height { (side, other) } else { (other, side) });
    }
}

/// Sets the size of a storyboard's pictures: small, all alike, in the source's aspect ratio.
fn fit_storyboard(output: &mut Value, width: u64, height: u64) {
    let (short, long) = (width.min(height), width.max(height));
    let side = even(STORYBOARD_SIDE.min(long));
    let other = even((short * side + long / 2) / long);
    set_size(output, if width < height { (other, side) } else { (side, other) });
}

fn set_size(output: &mut Value, (width, height): (u64, u64)) {
    let video = &mut output["VideoDescription"];
    video["Width"] = width.into();
    video["Height"] = height.into();
    // Stretches by the rounding error of up to one pixel instead of adding black bars.
    video["ScalingBehavior"] = "STRETCH_TO_OUTPUT".into();
}

/// Rounds down to an even number, which 4:2:0 video requires, but not below MediaConvert's minimum.
fn even(side: u64) -> u64 {
    (side & !1).max(MIN_SIDE)
}

fn captures(output: &Value) -> Option<&Value> {
    output.pointer("/VideoDescription/CodecSettings/FrameCaptureSettings")
}

/// The whole seconds between two pictures that an output captures.
pub(crate) fn interval_s(output: &Value) -> Option<u64> {
    let number = |name| captures(output)?.get(name)?.as_u64();
    number("FramerateDenominator")?.checked_div(number("FramerateNumerator")?)
}

fn set_interval_s(output: &mut Value, seconds: u64) {
    let captures = output.pointer_mut("/VideoDescription/CodecSettings/FrameCaptureSettings");
    if let Some(captures) = captures.filter(|captures| captures.is_object()) {
        captures["FramerateNumerator"] = 1.into();
        captures["FramerateDenominator"] = seconds.into();
    }
}

/// Spreads the pictures of an output that takes a few over the video, at no shorter interval than the file's own.
fn spread_captures(output: &mut Value, duration_ms: u64) {
    let Some(count) = captures(output).and_then(|captures| captures.get("MaxCaptures")?.as_u64()) else {
        return;
    };
    let Some(own) = interval_s(output) else { return };
    let spread = duration_ms / (1000 * (count + 1));
    if spread > own {
        set_interval_s(output, spread);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BUILT_IN, JobTemplate};

    fn settings(source: &Source) -> Value {
        JobTemplate::parse(BUILT_IN).unwrap().settings("s3://uploads/inputs/V.mp4", "media", "V", source)
    }

    /// A size of each output of a group.
    fn sizes_of(settings: &Value, group: usize) -> Vec<(u64, u64)> {
        let outputs = settings["outputGroups"][group]["outputs"].as_array().unwrap();
        let side = |output: &Value, name: &str| output["videoDescription"][name].as_u64().unwrap();
        outputs.iter().map(|output| (side(output, "width"), side(output, "height"))).collect()
    }

    fn source(width: u32, height: u32) -> Source {
        Source { width: Some(width), height: Some(height), ..Source::unknown() }
    }

    /// Width and height of each HLS rendition.
    fn sizes(width: u32, height: u32) -> Vec<(u64, u64)> {
        sizes_of(&settings(&source(width, height)), 0)
    }

    #[test]
    fn width_keeps_the_aspect_ratio_and_is_even() {
        assert_eq!(sizes(1920, 1080), [(640, 360), (960, 540), (1280, 720), (1920, 1080)]);
        assert_eq!(sizes(641, 361), [(638, 360)]);
        assert_eq!(sizes(720, 720), [(360, 360), (540, 540), (720, 720)]);
    }

    #[test]
    fn portrait_source_has_the_height_as_its_width() {
        assert_eq!(sizes(1080, 1920), [(360, 640), (540, 960), (720, 1280), (1080, 1920)]);
        assert_eq!(sizes(480, 854), [(360, 640)]);
        assert_eq!(sizes(361, 641), [(360, 638)]);
    }

    #[test]
    fn extreme_aspect_ratio_stays_within_the_limits() {
        assert_eq!(sizes(1, 5000), [(32, 4096)]);
        assert_eq!(sizes(8000, 400), [(4080, 204)]);
    }

    #[test]
    fn output_with_both_sides_keeps_them() {
        let settings = settings(&source(178, 100));
        let picture = &settings["outputGroups"][2]["outputs"][0]["videoDescription"];
        assert_eq!((picture["width"].as_u64(), picture["height"].as_u64()), (Some(1280), Some(720)));
        assert_eq!(picture["scalingBehavior"], "FIT_NO_UPSCALE");
    }

    #[test]
    fn storyboard_pictures_are_small_and_have_the_aspect_ratio() {
        let size = |width, height| sizes_of(&settings(&source(width, height)), 3)[0];
        assert_eq!(size(1920, 1080), (160, 90));
        assert_eq!(size(1080, 1920), (90, 160));
        assert_eq!(size(720, 720), (160, 160));
        assert_eq!(size(1920, 804), (160, 66), "66.9 rounds to 67, and down to an even number");
        assert_eq!(size(100, 60), (100, 60), "not enlarged");
        assert_eq!((size(8000, 40), size(1, 1)), ((160, 32), (32, 32)));
        assert_eq!(sizes_of(&settings(&Source::unknown()), 3)[0], (160, 90));
    }

    #[test]
    fn captures_are_spread_over_the_video() {
        let intervals = |duration_ms| {
            let settings = settings(&Source { duration_ms, ..source(1280, 720) });
            [2, 3].map(|group| {
                let output = &settings["outputGroups"][group]["outputs"][0];
                let captures = &output["videoDescription"]["codecSettings"]["frameCaptureSettings"];
                assert_eq!(captures["framerateNumerator"], 1);
                captures["framerateDenominator"].as_u64().unwrap()
            })
        };
        for (seconds, expected) in [(1, [3, 1]), (15, [3, 1]), (16, [4, 1]), (100, [25, 1]), (101, [25, 2])] {
            assert_eq!(intervals(Some(seconds * 1000)), expected, "{seconds} s");
        }
        assert_eq!(intervals(Some(100_001)), [25, 2]);
        assert_eq!(intervals(Some(6 * 3_600_000)), [5400, 216]);
        assert_eq!(intervals(None), [3, 10], "the file's own");
    }
}
