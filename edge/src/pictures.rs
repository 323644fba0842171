//! Captured pictures: decoded, judged as posters, and composed to a storyboard. Pure; files are untrusted.

use crate::captions::format_time;
use jpeg_encoder::{ColorType, Encoder, EncodingError};
use std::fmt::Write as _;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// The longest side of a picture that is decoded, in pixels: the memory of one is bounded.
const MAX_SIDE: usize = 2048;
/// In bytes of red, green and blue.
const PIXEL_SIZE: usize = 3;
/// A picture of a lower mean luminance is too dark for a poster. Of 255, like the deviation.
const MIN_LUMINANCE: f64 = 32.0;
/// A picture of a lower standard deviation of luminance shows one color only.
const MIN_DEVIATION: f64 = 12.0;
/// Pictures in a row of a sprite sheet.
const COLUMNS: usize = 10;
/// The most pictures of a storyboard.
pub const MAX_PICTURES: usize = COLUMNS * COLUMNS;
/// The longest side of a storyboard's picture, in pixels: a sheet's are ten times as long.
const MAX_TILE_SIDE: usize = 320;
const SHEET_QUALITY: u8 = 75;

/// A decoded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    /// Red, green and blue of each pixel, in rows.
    rgb: Vec<u8>,
}

impl Picture {
    /// `None`: it isn't a JPEG, is damaged, or is too large.
    pub fn decode(jpeg: &[u8]) -> Option<Self> {
        let options = DecoderOptions::default()
            .set_max_width(MAX_SIDE)
            .set_max_height(MAX_SIDE)
            .jpeg_set_out_colorspace(ColorSpace::RGB);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
        let rgb = decoder.decode().ok()?;
        let info = decoder.info()?;
        let (width, height) = (usize::from(info.width), usize::from(info.height));
        (rgb.len() == width * height * PIXEL_SIZE && !rgb.is_empty()).then_some(Self { width, height, rgb })
    }

    /// Whether a viewer can make something of it: it is neither dark nor of one color.
    pub fn is_poster(&self) -> bool {
        let (pixels, _) = self.rgb.as_chunks::<PIXEL_SIZE>();
        // The weights of BT.601, in 1/256.
        let luminance = |[red, green, blue]: &[u8; PIXEL_SIZE]| {
            (77 * u32::from(*red) + 150 * u32::from(*green) + 29 * u32::from(*blue)) >> 8
        };
        let (mut sum, mut squares) = (0u64, 0u64);
        for value in pixels.iter().map(luminance).map(u64::from) {
            sum += value;
            squares += value * value;
        }
        // Exact: fewer than 2^53.
        let count = pixels.len().max(1) as f64;
        let mean = sum as f64 / count;
        let deviation = (squares as f64 / count - mean * mean).max(0.0).sqrt();
        mean >= MIN_LUMINANCE && deviation >= MIN_DEVIATION
    }
}

/// A sprite sheet in the making: pictures of one size in rows of ten.
pub struct Sheet {
    columns: usize,
    /// The size of one picture, in pixels.
    width: usize,
    height: usize,
    rgb: Vec<u8>,
    /// Numbers of the pictures that it has, ascending.
    placed: Vec<usize>,
}

impl Sheet {
    /// A sheet for `count` pictures as large as `first`. `None`: they are too large or too many.
    pub fn new(first: &Picture, count: usize) -> Option<Self> {
        let Picture { width, height, .. } = *first;
        let fits = width <= MAX_TILE_SIDE && height <= MAX_TILE_SIDE && (1..=MAX_PICTURES).contains(&count);
        let columns = COLUMNS.min(count);
        let size = columns * width * count.div_ceil(COLUMNS) * height * PIXEL_SIZE;
        fits.then(|| Self { columns, width, height, rgb: vec![0; size], placed: Vec::new() })
    }

    /// Adds picture number `index`; one of another size is left out. Numbers must ascend.
    pub fn place(&mut self, index: usize, picture: &Picture) {
        let (row_size, sheet_row_size) = (self.width * PIXEL_SIZE, self.row_size());
        let (x, y) = self.position(index);
        let start = y * sheet_row_size + x * PIXEL_SIZE;
        let end = start + (self.height - 1) * sheet_row_size + row_size;
        let is_new = self.placed.last().is_none_or(|last| *last < index);
        if (picture.width, picture.height) != (self.width, self.height) || end > self.rgb.len() || !is_new {
            return;
        }
        let rows = self.rgb[start..].chunks_mut(sheet_row_size);
        for (to, from) in rows.zip(picture.rgb.chunks(row_size)) {
            to[..row_size].copy_from_slice(from);
        }
        self.placed.push(index);
    }

    /// In bytes of a row of the sheet's pixels.
    fn row_size(&self) -> usize {
        self.columns * self.width * PIXEL_SIZE
    }

    /// The upper left corner of a picture.
    fn position(&self, index: usize) -> (usize, usize) {
        (index % COLUMNS * self.width, index / COLUMNS * self.height)
    }

    pub fn jpeg(&self) -> Result<Vec<u8>, EncodingError> {
        let mut jpeg = Vec::new();
        let (width, height) = (self.columns * self.width, self.rgb.len() / self.row_size());
        // At most ten times MAX_TILE_SIDE.
        let side = |side: usize| u16::try_from(side).unwrap_or(u16::MAX);
        Encoder::new(&mut jpeg, SHEET_QUALITY).encode(
            &self.rgb,
            side(width),
            side(height),
            ColorType::Rgb,
        )?;
        Ok(jpeg)
    }

    /// The index in WebVTT: a cue for each picture, from its time to the next one's or the video's end. `image` is the
    /// sheet's URL relative to the index.
    pub fn webvtt(&self, image: &str, interval_s: u64, duration_ms: Option<u64>) -> String {
        let start = |index: usize| index as u64 * interval_s * 1000;
        let mut text = String::from("WEBVTT\n");
        for (number, index) in self.placed.iter().enumerate() {
            let from = start(*index);
            let next = self.placed.get(number + 1).map(|next| start(*next));
            let to = next.or(duration_ms).unwrap_or(from + interval_s * 1000).max(from + 1);
            let (x, y) = self.position(*index);
            let (from, to) = (format_time(from, '.'), format_time(to, '.'));
            let (width, height) = (self.width, self.height);
            let _ = write!(text, "\n{from} --> {to}\n{image}#xywh={x},{y},{width},{height}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picture(width: usize, height: usize, pixel: impl Fn(usize, usize) -> [u8; 3]) -> Picture {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Picture { width, height, rgb: pixels.flat_map(|(x, y)| pixel(x, y)).collect() }
    }

    fn jpeg(picture: &Picture) -> Vec<u8> {
        let mut jpeg = Vec::new();
        let side = |side: usize| u16::try_from(side).unwrap();
        let (width, height) = (side(picture.width), side(picture.height));
        Encoder::new(&mut jpeg, 95).encode(&picture.rgb, width, height, ColorType::Rgb).unwrap();
        jpeg
    }

    fn gray(level: u8) -> Picture {
        picture(16, 10, |_, _| [level; 3])
    }

    #[test]
    fn dark_and_flat_pictures_are_no_posters() {
        let stripes = |low, high| picture(64, 36, move |x, _| [if x % 8 < 4 { low } else { high }; 3]);
        for (picture, expected) in [
            (gray(0), false),
            (gray(200), false),
            (gray(255), false),
            (stripes(0, 40), false),
            (stripes(100, 110), false),
            (stripes(20, 120), true),
            (stripes(0, 255), true),
        ] {
            assert_eq!(picture.is_poster(), expected);
            assert_eq!(Picture::decode(&jpeg(&picture)).unwrap().is_poster(), expected);
        }
    }

    #[test]
    fn sheet_has_each_picture_at_its_place() {
        for count in [1, 3, 10, 11, 100] {
            let level = |index: usize| u8::try_from(index * 2 + 20).unwrap();
            let mut sheet = Sheet::new(&gray(0), count).unwrap();
            (0..count).for_each(|index| sheet.place(index, &gray(level(index))));
            let decoded = Picture::decode(&sheet.jpeg().unwrap()).unwrap();
            assert_eq!(decoded.width, 16 * count.min(10));
            assert_eq!(decoded.height, 10 * count.div_ceil(10));
            for index in 0..count {
                let (x, y) = sheet.position(index);
                let found = decoded.rgb[((y + 5) * decoded.width + x + 8) * 3];
                assert!(found.abs_diff(level(index)) < 4, "{index} of {count}: {found}");
            }
        }
    }

    #[test]
    fn index_covers_the_video_without_gaps() {
        let mut sheet = Sheet::new(&gray(0), 12).unwrap();
        for index in (0..12).filter(|index| *index != 4) {
            sheet.place(index, &gray(9));
        }
        let text = sheet.webvtt("v.jpg", 2, Some(23_456));
        assert!(text.starts_with("WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nv.jpg#xywh=0,0,16,10\n"));
        assert!(text.contains("\n00:00:06.000 --> 00:00:10.000\nv.jpg#xywh=48,0,16,10\n"), "{text}");
        assert!(text.ends_with("\n00:00:22.000 --> 00:00:23.456\nv.jpg#xywh=16,10,16,10\n"), "{text}");
        assert_eq!(text.matches("-->").count(), 11);
        assert!(sheet.webvtt("v.jpg", 2, None).ends_with("--> 00:00:24.000\nv.jpg#xywh=16,10,16,10\n"));
    }

    #[test]
    fn picture_of_another_size_is_left_out() {
        let mut sheet = Sheet::new(&gray(0), 2).unwrap();
        sheet.place(0, &picture(10, 16, |_, _| [0; 3]));
        sheet.place(1, &gray(0));
        assert_eq!(sheet.placed, [1]);
        let large = picture(400, 10, |_, _| [0; 3]);
        assert!(Sheet::new(&large, 2).is_none() && Sheet::new(&gray(0), 101).is_none());
    }

    #[test]
    fn other_files_are_not_decoded() {
        let whole = jpeg(&gray(9));
        for bad in [&b""[..], b"GIF89a", &whole[..20], &whole[2..]] {
            assert_eq!(Picture::decode(bad), None);
        }
        let wide = picture(MAX_SIDE + 1, 1, |_, _| [0; 3]);
        assert_eq!(Picture::decode(&jpeg(&wide)), None);
    }

    proptest! {
        #[test]
        fn damaged_picture_never_panics(at in 0usize..2000, value in any::<u8>(), end in 0usize..2000) {
            let mut bytes = jpeg(&picture(40, 30, |x, y| [(x * 6) as u8, (y * 8) as u8, 99]));
            let (at, end) = (at % bytes.len(), end % bytes.len());
            bytes[at] = value;
            let _ = Picture::decode(&bytes);
            let _ = Picture::decode(&bytes[..end]);
        }
    }
}
