//! The size of output pictures, and ffmpeg's filters that crop, scale and place the input. Pure.

use crate::mediaconvert::settings::{Input, Rectangle, Scaling, VideoDescription};
use crate::mediaconvert::source::Video;

/// The part of the input that is used, and its place in the output.
#[derive(Clone, Copy, Debug, Default)]
pub struct Placement {
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub scaling: Scaling,
    pub crop: Option<Rectangle>,
    pub position: Option<Rectangle>,
}

impl Placement {
    /// The input's rectangles precede those of the output.
    pub fn new(description: &VideoDescription, input: &Input) -> Self {
        Self {
            width: description.width,
            height: description.height,
            scaling: description.scaling_behavior,
            crop: input.crop.or(description.crop),
            position: input.position.or(description.position),
        }
    }
}

/// The size of an output picture, with square pixels and even sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaledFrame {
    /// In pixels.
    pub width: u32,
    pub height: u32,
    crop: Option<Rectangle>,
    /// The size to which the input is scaled before it is cut to `inner` and padded.
    pub scaled: (u32, u32),
    inner: (u32, u32),
    /// The inner picture's, in the output; `None` is centred.
    offset: Option<(u32, u32)>,
}

impl ScaledFrame {
    /// Computes the output size for `video` rotated clockwise by `rotation` degrees. `Err` is a sentence.
    pub fn new(placement: Placement, video: &Video, rotation: u32) -> Result<Self, String> {
        let is_turned = !rotation.is_multiple_of(180);
        let (coded, pixel) = if is_turned {
            ((video.height, video.width), (1.0, video.pixel_ratio.as_f64()))
        } else {
            ((video.width, video.height), (video.pixel_ratio.as_f64(), 1.0))
        };
        let visible = match placement.crop {
            None => coded,
            Some(crop) if fits(crop, coded) => (crop.width, crop.height),
            Some(_) => {
                return Err(format!("A crop exceeds the input's {} by {} pixels.", coded.0, coded.1));
            }
        };
        let (width, height) = (f64::from(visible.0) * pixel.0, f64::from(visible.1) * pixel.1);
        let scaled_by = |factor: f64| (even(width * factor), even(height * factor));
        let unpadded = |size: (u32, u32)| Self {
            width: size.0,
            height: size.1,
            crop: placement.crop,
            scaled: size,
            inner: size,
            offset: None,
        };
        let frame = match (placement.width, placement.height) {
            (None, None) => return Ok(unpadded(scaled_by(1.0))),
            (Some(side), None) => {
                return Ok(unpadded((even(side.into()), even(height * f64::from(side) / width))));
            }
            (None, Some(side)) => {
                return Ok(unpadded((even(width * f64::from(side) / height), even(side.into()))));
            }
            (Some(width), Some(height)) => (even(width.into()), even(height.into())),
        };
        let area = placement.position.map_or(frame, |area| (area.width, area.height));
        if placement.position.is_some_and(|area| !fits(area, frame)) {
            return Err(format!("A position exceeds the output's {} by {} pixels.", frame.0, frame.1));
        }
        let ratios = (f64::from(area.0) / width, f64::from(area.1) / height);
        let inside = ratios.0.min(ratios.1);
        let at_most = |size: (u32, u32)| (size.0.min(area.0), size.1.min(area.1));
        let (scaled, inner) = match placement.scaling {
            Scaling::StretchToOutput => (area, area),
            Scaling::Fill => {
                let (width, height) = scaled_by(ratios.0.max(ratios.1));
                ((width.max(area.0), height.max(area.1)), area)
            }
            Scaling::Default | Scaling::Fit => (at_most(scaled_by(inside)), at_most(scaled_by(inside))),
            Scaling::FitNoUpscale => {
                let size = at_most(scaled_by(inside.min(1.0)));
                (size, size)
            }
        };
        let Some(position) = placement.position else {
            // Without bars the output has the picture's size.
            let has_bars = matches!(placement.scaling, Scaling::Default);
            let (width, height) = if has_bars { frame } else { inner };
            return Ok(Self { width, height, crop: placement.crop, scaled, inner, offset: None });
        };
        let offset = (position.x + (area.0 - inner.0) / 2, position.y + (area.1 - inner.1) / 2);
        Ok(Self {
            width: frame.0,
            height: frame.1,
            crop: placement.crop,
            scaled,
            inner,
            offset: Some(offset),
        })
    }

    pub fn has_crop(&self) -> bool {
        self.crop.is_some()
    }

    /// Returns ffmpeg's filters: crop, scale, cut, pad.
    pub fn filter(&self) -> String {
        let Self { width, height, crop, scaled, inner, offset } = *self;
        let crop = crop.map_or(String::new(), |Rectangle { x, y, width, height }| {
            format!("crop={width}:{height}:{x}:{y},")
        });
        let cut = if inner == scaled { String::new() } else { format!("crop={}:{},", inner.0, inner.1) };
        let pad = match offset {
            _ if inner == (width, height) => String::new(),
            None => format!("pad={width}:{height}:(ow-iw)/2:(oh-ih)/2,"),
            Some((x, y)) => format!("pad={width}:{height}:{x}:{y},"),
        };
        format!("{crop}scale={}:{},{cut}{pad}setsar=1", scaled.0, scaled.1)
    }
}

/// Whether a rectangle is within a picture of this size.
fn fits(rectangle: Rectangle, (width, height): (u32, u32)) -> bool {
    let end = |start: u32, length: u32| u64::from(start) + u64::from(length);
    end(rectangle.x, rectangle.width) <= width.into() && end(rectangle.y, rectangle.height) <= height.into()
}

/// Returns the nearest even number, from 2 to 16,384; 4:2:0 needs even sides.
pub fn even(side: f64) -> u32 {
    // The clamp keeps the value in the range of the cast.
    ((side / 2.0).round().clamp(1.0, 8192.0) * 2.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mediaconvert::source::Ratio;
    use proptest::prelude::*;

    fn video(width: u32, height: u32) -> Video {
        Video { width, height, ..Video::default() }
    }

    fn placement(width: Option<u32>, height: Option<u32>, scaling: Scaling) -> Placement {
        Placement { width, height, scaling, ..Placement::default() }
    }

    fn rectangle(x: u32, y: u32, width: u32, height: u32) -> Option<Rectangle> {
        Some(Rectangle { x, y, width, height })
    }

    fn size(frame: Result<ScaledFrame, String>) -> (u32, u32) {
        let frame = frame.unwrap();
        (frame.width, frame.height)
    }

    #[test]
    fn height_alone_keeps_aspect_ratio_with_rotation() {
        let by_height = placement(None, Some(720), Scaling::Default);
        assert_eq!(size(ScaledFrame::new(by_height, &video(1920, 1080), 0)), (1280, 720));
        assert_eq!(size(ScaledFrame::new(by_height, &video(1920, 1080), 90)), (406, 720));
        let mut anamorphic = video(720, 576);
        anamorphic.pixel_ratio = Ratio { num: 64, den: 45 };
        assert_eq!(size(ScaledFrame::new(by_height, &anamorphic, 180)), (1280, 720));
    }

    #[test]
    fn width_and_height_follow_scaling_behavior() {
        let filter = |scaling| {
            ScaledFrame::new(placement(Some(1280), Some(720), scaling), &video(640, 640), 0).unwrap().filter()
        };
        assert_eq!(filter(Scaling::Fit), "scale=720:720,setsar=1");
        assert_eq!(filter(Scaling::FitNoUpscale), "scale=640:640,setsar=1");
        assert_eq!(filter(Scaling::StretchToOutput), "scale=1280:720,setsar=1");
        assert_eq!(filter(Scaling::Default), "scale=720:720,pad=1280:720:(ow-iw)/2:(oh-ih)/2,setsar=1");
        assert_eq!(filter(Scaling::Fill), "scale=1280:1280,crop=1280:720,setsar=1");
    }

    #[test]
    fn crop_is_cut_out_and_position_is_where_it_goes() {
        let mut short = placement(Some(1080), Some(1920), Scaling::Default);
        short.crop = rectangle(420, 0, 1080, 1080);
        short.position = rectangle(0, 420, 1080, 1080);
        let frame = ScaledFrame::new(short, &video(1920, 1080), 0).unwrap();
        assert_eq!(frame.filter(), "crop=1080:1080:420:0,scale=1080:1080,pad=1080:1920:0:420,setsar=1");
        short.scaling = Scaling::Fill;
        short.crop = None;
        let frame = ScaledFrame::new(short, &video(1920, 1080), 0).unwrap();
        assert_eq!(frame.filter(), "scale=1920:1080,crop=1080:1080,pad=1080:1920:0:420,setsar=1");
        let only_cropped = Placement { crop: rectangle(0, 0, 100, 50), ..Placement::default() };
        assert_eq!(size(ScaledFrame::new(only_cropped, &video(1920, 1080), 0)), (100, 50));
    }

    #[test]
    fn rectangle_outside_is_refused() {
        let crop = Placement { crop: rectangle(1000, 0, 1000, 1000), ..Placement::default() };
        assert!(ScaledFrame::new(crop, &video(1920, 1080), 0).unwrap_err().contains("1920 by 1080"));
        let mut position = placement(Some(640), Some(360), Scaling::Fit);
        position.position = rectangle(600, 0, 100, 100);
        assert!(ScaledFrame::new(position, &video(1920, 1080), 0).unwrap_err().contains("640 by 360"));
    }

    proptest! {
        #[test]
        fn sides_are_even_and_at_least_two(
            width in 1..=20_000u32, height in 1..=20_000u32, side in 32..=8192u32, quarter_turns in 0..4u32,
        ) {
            let all =
                [Scaling::Default, Scaling::Fit, Scaling::FitNoUpscale, Scaling::Fill, Scaling::StretchToOutput];
            for scaling in all {
                for (wide, high) in [(None, Some(side)), (Some(side), None), (Some(side), Some(33)), (None, None)] {
                    let placement = placement(wide, high, scaling);
                    let frame = ScaledFrame::new(placement, &video(width, height), quarter_turns * 90).unwrap();
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
