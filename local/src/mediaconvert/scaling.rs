//! The size of output pictures, and ffmpeg's filters that scale to it. Pure.

use super::settings::{Scaling, VideoDescription};
use super::source::Video;

/// The size of an output picture, with square pixels and even sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaledFrame {
    /// In pixels.
    pub width: u32,
    pub height: u32,
    /// The size, in pixels, to which the input is scaled before padding or cropping.
    pub scaled: (u32, u32),
}

impl ScaledFrame {
    /// Computes the output size for `video` rotated clockwise by `rotation` degrees.
    pub fn new(description: &VideoDescription, video: &Video, rotation: u32) -> Self {
        let coded = (f64::from(video.width) * video.pixel_ratio.as_f64(), f64::from(video.height));
        let (width, height) = if rotation.is_multiple_of(180) { coded } else { (coded.1, coded.0) };
        let scaled_by = |factor: f64| (even(width * factor), even(height * factor));
        let (box_width, box_height) = match (description.width, description.height) {
            (None, None) => return Self::unpadded(scaled_by(1.0)),
            (Some(side), None) => {
                return Self::unpadded((even(side.into()), even(height * f64::from(side) / width)));
            }
            (None, Some(side)) => {
                return Self::unpadded((even(width * f64::from(side) / height), even(side.into())));
            }
            (Some(box_width), Some(box_height)) => (f64::from(box_width), f64::from(box_height)),
        };
        let inside = (box_width / width).min(box_height / height);
        let cover = (box_width / width).max(box_height / height);
        let full = (even(box_width), even(box_height));
        match description.scaling_behavior {
            Scaling::StretchToOutput => Self::unpadded(full),
            Scaling::Fit => Self::unpadded(scaled_by(inside)),
            Scaling::FitNoUpscale => Self::unpadded(scaled_by(inside.min(1.0))),
            Scaling::Default => {
                let (width, height) = scaled_by(inside);
                Self { width: full.0, height: full.1, scaled: (width.min(full.0), height.min(full.1)) }
            }
            Scaling::Fill => {
                let (width, height) = scaled_by(cover);
                Self { width: full.0, height: full.1, scaled: (width.max(full.0), height.max(full.1)) }
            }
        }
    }

    fn unpadded(size: (u32, u32)) -> Self {
        Self { width: size.0, height: size.1, scaled: size }
    }

    /// Returns ffmpeg's filters: scale, then pad or crop.
    pub fn filter(&self) -> String {
        let Self { width, height, scaled } = *self;
        let pad_or_crop = if scaled == (width, height) {
            String::new()
        } else if scaled.0 <= width && scaled.1 <= height {
            format!("pad={width}:{height}:(ow-iw)/2:(oh-ih)/2,")
        } else {
            format!("crop={width}:{height},")
        };
        format!("scale={}:{},{pad_or_crop}setsar=1", scaled.0, scaled.1)
    }
}

/// Returns the nearest even number, from 2 to 16,384; 4:2:0 needs even sides.
fn even(side: f64) -> u32 {
    // The clamp keeps the value in the range of the cast.
    ((side / 2.0).round().clamp(1.0, 8192.0) * 2.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mediaconvert::source::Ratio;
    use proptest::prelude::*;

    fn video(width: u32, height: u32) -> Video {
        Video {
            width,
            height,
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

    fn description(width: Option<u32>, height: Option<u32>, scaling: &str) -> VideoDescription {
        serde_json::from_value(serde_json::json!({
            "width": width, "height": height, "scalingBehavior": scaling, "codecSettings": {"codec": "FRAME_CAPTURE"}
        }))
        .unwrap()
    }

    fn size(frame: ScaledFrame) -> (u32, u32) {
        (frame.width, frame.height)
    }

    #[test]
    fn height_alone_keeps_aspect_ratio_with_rotation() {
        let by_height = description(None, Some(720), "DEFAULT");
        assert_eq!(size(ScaledFrame::new(&by_height, &video(1920, 1080), 0)), (1280, 720));
        assert_eq!(size(ScaledFrame::new(&by_height, &video(1920, 1080), 90)), (406, 720));
        let mut anamorphic = video(720, 576);
        anamorphic.pixel_ratio = Ratio { num: 64, den: 45 };
        assert_eq!(size(ScaledFrame::new(&by_height, &anamorphic, 180)), (1280, 720));
    }

    #[test]
    fn width_and_height_follow_scaling_behavior() {
        let scaled =
            |scaling| ScaledFrame::new(&description(Some(1280), Some(720), scaling), &video(640, 640), 0);
        assert_eq!(scaled("FIT").filter(), "scale=720:720,setsar=1");
        assert_eq!(scaled("FIT_NO_UPSCALE").filter(), "scale=640:640,setsar=1");
        assert_eq!(scaled("STRETCH_TO_OUTPUT").filter(), "scale=1280:720,setsar=1");
        assert_eq!(scaled("DEFAULT").filter(), "scale=720:720,pad=1280:720:(ow-iw)/2:(oh-ih)/2,setsar=1");
        assert_eq!(scaled("FILL").filter(), "scale=1280:1280,crop=1280:720,setsar=1");
    }

    proptest! {
        #[test]
        fn sides_are_even_and_at_least_two(
            width in 1..=20_000u32, height in 1..=20_000u32, side in 32..=8192u32, quarter_turns in 0..4u32,
        ) {
            for scaling in ["DEFAULT", "FIT", "FIT_NO_UPSCALE", "FILL", "STRETCH_TO_OUTPUT"] {
                for (wide, high) in [(None, Some(side)), (Some(side), None), (Some(side), Some(33)), (None, None)] {
                    let frame = ScaledFrame::new(&description(wide, high, scaling), &video(width, height), quarter_turns * 90);
                    for side in [frame.width, frame.height, frame.scaled.0, frame.scaled.1] {
                        prop_assert!(side >= 2 && side % 2 == 0);
                    }
                    let size = format!("={}:{}", frame.width, frame.height);
                    prop_assert!(frame.filter().contains(&size), "{}", frame.filter());
                }
            }
        }
    }
}
