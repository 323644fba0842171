//! How large a picture comes out, and how the coded one is brought to that size. Pure.

use super::settings::{Scaling, VideoDescription};
use super::source::Video;

/// An output's picture: square pixels, even sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// In pixels, as is all here.
    pub width: u32,
    pub height: u32,
    /// The size that the input is scaled to before bars are added or edges cut off.
    pub scaled: (u32, u32),
}

impl Frame {
    /// The picture that `wanted` makes of `video`, turned clockwise by `turn` degrees.
    pub fn new(wanted: &VideoDescription, video: &Video, turn: u32) -> Self {
        let coded = (f64::from(video.width) * video.pixel.as_f64(), f64::from(video.height));
        let (width, height) = if turn.is_multiple_of(180) { coded } else { (coded.1, coded.0) };
        let by = |factor: f64| (even(width * factor), even(height * factor));
        let (box_width, box_height) = match (wanted.width, wanted.height) {
            (None, None) => return Self::plain(by(1.0)),
            (Some(side), None) => {
                return Self::plain((even(side.into()), even(height * f64::from(side) / width)));
            }
            (None, Some(side)) => {
                return Self::plain((even(width * f64::from(side) / height), even(side.into())));
            }
            (Some(box_width), Some(box_height)) => (f64::from(box_width), f64::from(box_height)),
        };
        let inside = (box_width / width).min(box_height / height);
        let over = (box_width / width).max(box_height / height);
        let full = (even(box_width), even(box_height));
        match wanted.scaling_behavior {
            Scaling::StretchToOutput => Self::plain(full),
            Scaling::Fit => Self::plain(by(inside)),
            Scaling::FitNoUpscale => Self::plain(by(inside.min(1.0))),
            Scaling::Default => {
                let (width, height) = by(inside);
                Self { width: full.0, height: full.1, scaled: (width.min(full.0), height.min(full.1)) }
            }
            Scaling::Fill => {
                let (width, height) = by(over);
                Self { width: full.0, height: full.1, scaled: (width.max(full.0), height.max(full.1)) }
            }
        }
    }

    fn plain(size: (u32, u32)) -> Self {
        Self { width: size.0, height: size.1, scaled: size }
    }

    /// ffmpeg's filters for it.
    pub fn filter(&self) -> String {
        let Self { width, height, scaled } = *self;
        let fitting = if scaled == (width, height) {
            String::new()
        } else if scaled.0 <= width && scaled.1 <= height {
            format!("pad={width}:{height}:(ow-iw)/2:(oh-ih)/2,")
        } else {
            format!("crop={width}:{height},")
        };
        format!("scale={}:{},{fitting}setsar=1", scaled.0, scaled.1)
    }
}

/// The nearest even number, from 2 to 16,384: 4:2:0 halves both sides.
fn even(side: f64) -> u32 {
    // In range by the clamp, so the cast keeps the value.
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
            pixel: Ratio::ONE,
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

    fn wanted(width: Option<u32>, height: Option<u32>, scaling: &str) -> VideoDescription {
        serde_json::from_value(serde_json::json!({
            "width": width, "height": height, "scalingBehavior": scaling, "codecSettings": {"codec": "FRAME_CAPTURE"}
        }))
        .unwrap()
    }

    fn size(frame: Frame) -> (u32, u32) {
        (frame.width, frame.height)
    }

    #[test]
    fn height_alone_keeps_the_shape_upright_and_turned() {
        let by_height = wanted(None, Some(720), "DEFAULT");
        assert_eq!(size(Frame::new(&by_height, &video(1920, 1080), 0)), (1280, 720));
        assert_eq!(size(Frame::new(&by_height, &video(1920, 1080), 90)), (406, 720));
        let mut anamorphic = video(720, 576);
        anamorphic.pixel = Ratio { num: 64, den: 45 };
        assert_eq!(size(Frame::new(&by_height, &anamorphic, 180)), (1280, 720));
    }

    #[test]
    fn a_box_is_used_as_its_scaling_says() {
        let of = |scaling| Frame::new(&wanted(Some(1280), Some(720), scaling), &video(640, 640), 0);
        assert_eq!(of("FIT").filter(), "scale=720:720,setsar=1");
        assert_eq!(of("FIT_NO_UPSCALE").filter(), "scale=640:640,setsar=1");
        assert_eq!(of("STRETCH_TO_OUTPUT").filter(), "scale=1280:720,setsar=1");
        assert_eq!(of("DEFAULT").filter(), "scale=720:720,pad=1280:720:(ow-iw)/2:(oh-ih)/2,setsar=1");
        assert_eq!(of("FILL").filter(), "scale=1280:1280,crop=1280:720,setsar=1");
    }

    proptest! {
        #[test]
        fn sides_are_even_and_never_nothing(
            width in 1..=20_000u32, height in 1..=20_000u32, side in 32..=8192u32, turn in 0..4u32,
        ) {
            for scaling in ["DEFAULT", "FIT", "FIT_NO_UPSCALE", "FILL", "STRETCH_TO_OUTPUT"] {
                for (wide, high) in [(None, Some(side)), (Some(side), None), (Some(side), Some(33)), (None, None)] {
                    let frame = Frame::new(&wanted(wide, high, scaling), &video(width, height), turn * 90);
                    for side in [frame.width, frame.height, frame.scaled.0, frame.scaled.1] {
                        prop_assert!(side >= 2 && side % 2 == 0);
                    }
                    let named = format!("={}:{}", frame.width, frame.height);
                    prop_assert!(frame.filter().contains(&named), "{}", frame.filter());
                }
            }
        }
    }
}
