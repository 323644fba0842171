//! The filter graph of a job: every input is decoded once, and each encoding gets a branch. Pure.

use super::clips::{Clip, parse_timecode};
use super::encode::{EncodedVideo, Picture};
use super::scaling::ScaledFrame;
use super::{Capture, PlanInput};
use crate::mediaconvert::settings::{
    BurnIn, BurnInColor, ColorCorrector, ColorSpace, ColorSpaceUsage, DeinterlaceControl, ImageInserter,
    S3Uri,
};
use crate::mediaconvert::source::{Ratio, Video};
use std::fmt::Write as _;

/// Picks what MediaConvert's tone mapper does: values are scaled to 100 nits, and highlights are compressed.
const TONE_MAP: &str = "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable:desat=0,\
                        zscale=t=bt709:m=bt709:r=tv,";

/// MediaConvert's largest font, in pixels.
const MAX_FONT_SIZE: u32 = 96;

/// A clip's video track, and how it becomes upright.
pub struct ClipVideo<'a> {
    pub clip: &'a Clip<'a>,
    pub track: u32,
    pub video: Video,
    /// Clockwise, in degrees.
    pub rotation: u32,
    pub deinterlace: Option<DeinterlaceControl>,
}

/// Writes a graph, and collects the image files that it reads.
pub struct GraphWriter<'a> {
    pub graph: String,
    pub files: &'a mut Vec<PlanInput>,
    /// Whether ffmpeg has the filters for tone mapping.
    pub tone_mapping: bool,
    labels: usize,
}

/// A branch from its clips to its output.
struct PictureBranch<'a> {
    picture: &'a Picture<'a>,
    /// The label, to which the clip's number is added if there are several.
    input: String,
    output: String,
    /// Filters before the picture is scaled, and at the end.
    head: &'a str,
    tail: &'a str,
}

/// A branch of one clip's picture: the label that ends it, and whether it keeps 10 bits.
struct Branch {
    label: String,
    ten_bit: bool,
}

impl<'a> GraphWriter<'a> {
    pub fn new(files: &'a mut Vec<PlanInput>, tone_mapping: bool) -> Self {
        Self { graph: String::new(), files, tone_mapping, labels: 0 }
    }

    pub(super) fn label(&mut self, prefix: &str) -> String {
        self.labels += 1;
        format!("{prefix}x{}", self.labels)
    }

    pub(super) fn start_chain(&mut self) {
        if !self.graph.is_empty() {
            self.graph.push(';');
        }
    }

    /// Writes the video part. The outputs are `[v0]`, `[v1]`… for the encodings and `[c0]`… for the captures.
    pub fn video(
        &mut self,
        clips: &[ClipVideo<'_>],
        encodings: &[&EncodedVideo<'_>],
        captures: &[Capture<'_>],
    ) {
        let is_single = clips.len() == 1;
        for (number, clip) in clips.iter().enumerate() {
            let suffix = if is_single { String::new() } else { format!("k{number}") };
            let branches = encodings.iter().enumerate().map(|(index, encoding)| Branch {
                label: format!("e{index}{suffix}"),
                ten_bit: encoding.encoder.ten_bit,
            });
            let frames = (0..captures.len())
                .map(|index| Branch { label: format!("f{index}{suffix}"), ten_bit: false });
            let branches: Vec<_> = branches.chain(frames).collect();
            let largest = encodings
                .iter()
                .filter(|encoding| !encoding.encoder.ten_bit)
                .map(|encoding| encoding.picture.frames[number])
                .max_by_key(|frame| frame.scaled.0 * frame.scaled.1);
            // A crop is in pixels of the input, so then the picture keeps its size.
            let all = encodings.iter().map(|e| &e.picture).chain(captures.iter().map(|c| &c.picture));
            let has_crop = all.into_iter().any(|picture| picture.frames[number].has_crop());
            let largest = largest.filter(|_| !has_crop);
            self.clip(clip, &branches, largest);
        }
        for (index, encoding) in encodings.iter().enumerate() {
            let Ratio { num, den } = encoding.frame_rate;
            let head = format!("fps={num}/{den}:start_time=0,");
            let (input, output) = (format!("e{index}"), format!("v{index}"));
            let picture = &encoding.picture;
            self.picture(clips, &PictureBranch { picture, input, output, head: &head, tail: "" });
        }
        for (index, Capture { settings, picture, .. }) in captures.iter().enumerate() {
            let interval_s =
                f64::from(settings.framerate_denominator) / f64::from(settings.framerate_numerator);
            let max_captures = settings.max_captures.unwrap_or(10_000_000);
            let select = format!(
                "select='lt(selected_n,{max_captures})*(isnan(prev_selected_t)+gte(t-prev_selected_t,{interval_s}))',"
            );
            // The pictures of joined clips are selected after they are joined.
            let after = format!(",{select}format=yuvj420p");
            let (head, tail) =
                if is_single { (select.as_str(), ",format=yuvj420p") } else { ("", after.as_str()) };
            let (input, output) = (format!("f{index}"), format!("c{index}"));
            self.picture(clips, &PictureBranch { picture, input, output, head, tail });
        }
    }

    /// Writes the part of a clip that all branches have in common: upright pictures, 8 bits unless a branch has 10.
    fn clip(&mut self, clip: &ClipVideo<'_>, branches: &[Branch], largest: Option<ScaledFrame>) {
        self.start_chain();
        let _ = write!(self.graph, "[{}:{}]", clip.clip.file, clip.track);
        self.graph += match clip.deinterlace {
            Some(DeinterlaceControl::ForceAllFrames) => "yadif,",
            Some(DeinterlaceControl::Normal) => "yadif=deint=interlaced,",
            None if clip.video.interlaced => "yadif=deint=interlaced,",
            None => "",
        };
        self.graph += match clip.rotation {
            90 => "transpose=clock,",
            180 => "hflip,vflip,",
            270 => "transpose=cclock,",
            _ => "",
        };
        self.graph += color_override(clip);
        if let Some(images) =
            clip.clip.input.image_inserter.as_ref().filter(|i| !i.insertable_images.is_empty())
        {
            let label = self.label("i");
            let _ = write!(self.graph, "null[{label}]");
            let rate = clip.video.frame_rate;
            let end = self.images(&label, images, rate);
            let _ = write!(self.graph, ";[{end}]");
        }
        let (deep, shallow): (Vec<_>, Vec<_>) = branches.iter().partition(|branch| branch.ten_bit);
        let labels =
            |list: &[&Branch]| list.iter().map(|branch| format!("[{}]", branch.label)).collect::<String>();
        let tone_map = if clip.video.is_hdr() && self.tone_mapping {
            // Tone mapping is slow, so the picture is first scaled to the largest output.
            let size = largest
                .map_or(String::new(), |frame| format!("scale={}:{},", frame.scaled.0, frame.scaled.1));
            format!("{size}{TONE_MAP}")
        } else {
            String::new()
        };
        if deep.is_empty() {
            let _ =
                write!(self.graph, "{tone_map}format=yuv420p,split={}{}", shallow.len(), labels(&shallow));
        } else if shallow.is_empty() {
            let _ = write!(self.graph, "format=yuv420p10le,split={}{}", deep.len(), labels(&deep));
        } else {
            let (d, s) = (self.label("d"), self.label("s"));
            let _ = write!(
                self.graph,
                "split=2[{d}][{s}];[{d}]format=yuv420p10le,split={}{}",
                deep.len(),
                labels(&deep)
            );
            let _ = write!(
                self.graph,
                ";[{s}]{tone_map}format=yuv420p,split={}{}",
                shallow.len(),
                labels(&shallow)
            );
        }
    }

    /// Writes one branch from its clips to the output label.
    fn picture(&mut self, clips: &[ClipVideo<'_>], branch: &PictureBranch<'_>) {
        let PictureBranch { picture, input, output, head, tail } = branch;
        let extra = color_filter(picture.color);
        let burn_in = picture
            .burn_in
            .as_ref()
            .map_or(String::new(), |(file, style)| burn_in(file, style, picture.frames[0].height));
        let images = picture.images.filter(|images| !images.insertable_images.is_empty());
        let mut joined = input.clone();
        if clips.len() > 1 {
            let mut parts = String::new();
            for (number, frame) in picture.frames.iter().enumerate() {
                let part = self.label("k");
                self.start_chain();
                let trim =
                    clips[number].clip.duration().map_or(String::new(), |d| format!(",trim=duration={d}"));
                let _ = write!(self.graph, "[{input}k{number}]{head}{}{trim}[{part}]", frame.filter());
                let _ = write!(parts, "[{part}]");
            }
            joined = self.label("j");
            let _ = write!(self.graph, ";{parts}concat=n={}:v=1:a=0[{joined}]", clips.len());
        }
        self.start_chain();
        let _ = write!(self.graph, "[{joined}]");
        if clips.len() == 1 {
            self.graph += head;
            self.graph += &picture.frames[0].filter();
        } else {
            self.graph += "null";
        }
        self.graph += &extra;
        if let Some(images) = images {
            let label = self.label("i");
            let _ = write!(self.graph, "[{label}]");
            let rate = clips[0].video.frame_rate;
            let end = self.images(&label, images, rate);
            let _ = write!(self.graph, ";[{end}]null");
        }
        let _ = write!(self.graph, "{burn_in}{tail}[{output}]");
    }

    /// Lays images over the picture with this label; returns the label of the result.
    fn images(&mut self, label: &str, inserter: &ImageInserter, rate: Ratio) -> String {
        let mut images: Vec<_> = inserter.insertable_images.iter().collect();
        images.sort_by_key(|image| image.layer);
        let mut below = label.to_owned();
        for image in images {
            let Some(uri) = S3Uri::parse_file(&image.image_inserter_input) else { continue };
            let (file, picture, above) = (self.files.len(), self.label("p"), self.label("o"));
            self.files.push(PlanInput::Image { uri });
            let size = |side: u32| if side == 0 { "-1".to_owned() } else { side.to_string() };
            let scale = match (image.width, image.height) {
                (0, 0) => String::new(),
                (width, height) => format!("scale={}:{},", size(width), size(height)),
            };
            let alpha = f64::from(image.opacity.min(100)) / 100.0;
            let _ =
                write!(self.graph, ";[{file}:v]{scale}format=rgba,colorchannelmixer=aa={alpha}[{picture}]");
            let start = image.start_time.as_deref().and_then(|text| parse_timecode(text, rate.as_f64()));
            let start = start.unwrap_or(0.0);
            let end = image.duration.filter(|ms| *ms > 0).map(|ms| start + f64::from(ms) / 1000.0);
            let enable = match end {
                Some(end) => format!(":enable='between(t,{start},{end})'"),
                None if start > 0.0 => format!(":enable='gte(t,{start})'"),
                None => String::new(),
            };
            let _ = write!(
                self.graph,
                ";[{below}][{picture}]overlay={}:{}{enable}[{above}]",
                image.image_x, image.image_y
            );
            below = above;
        }
        below
    }
}

/// Returns the filter that replaces the input's colour description, if the selector says so.
fn color_override(clip: &ClipVideo<'_>) -> &'static str {
    let selector = &clip.clip.input.video_selector;
    let known = clip.clip.source.video().is_some_and(|(_, video)| video.transfer.is_some());
    if selector.color_space_usage == ColorSpaceUsage::Fallback && known {
        return "";
    }
    match selector.color_space {
        ColorSpace::Follow => "",
        ColorSpace::Rec601 => "setparams=color_primaries=smpte170m:color_trc=smpte170m:colorspace=smpte170m,",
        ColorSpace::Rec709 => "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709,",
        ColorSpace::Hdr10 => "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc,",
        ColorSpace::Hlg2020 => "setparams=color_primaries=bt2020:color_trc=arib-std-b67:colorspace=bt2020nc,",
    }
}

/// Returns the filters of the colour corrector, each after a comma.
fn color_filter(color: &ColorCorrector) -> String {
    let mut filter = String::new();
    let ColorCorrector { brightness, contrast, saturation, hue, .. } = color;
    let changed = |value: &Option<u32>| value.filter(|value| *value != 50).map(f64::from);
    let values = [
        ("brightness", changed(brightness).map(|value| (value - 50.0) / 100.0)),
        ("contrast", changed(contrast).map(|value| value / 50.0)),
        ("saturation", changed(saturation).map(|value| value / 50.0)),
    ];
    let set: Vec<_> =
        values.iter().filter_map(|(name, value)| Some(format!("{name}={:.2}", (*value)?))).collect();
    if !set.is_empty() {
        let _ = write!(filter, ",eq={}", set.join(":"));
    }
    if let Some(degrees) = hue.filter(|degrees| *degrees != 0) {
        let _ = write!(filter, ",hue=h={degrees}");
    }
    filter
}

/// Returns the filter that draws captions, after a comma.
fn burn_in(file: &str, style: &BurnIn, height: u32) -> String {
    // ASS writes colours as &HBBGGRR.
    let color = |color: BurnInColor| {
        Some(match color {
            BurnInColor::Auto | BurnInColor::None => return None,
            BurnInColor::White => "&HFFFFFF",
            BurnInColor::Black => "&H000000",
            BurnInColor::Yellow => "&H00FFFF",
            BurnInColor::Red => "&H0000FF",
            BurnInColor::Green => "&H00FF00",
            BurnInColor::Blue => "&HFF0000",
        })
    };
    let mut fields = vec![];
    fields.extend(color(style.font_color).map(|color| format!("PrimaryColour={color}")));
    fields.extend(color(style.outline_color).map(|color| format!("OutlineColour={color}")));
    if let Some(color) = color(style.background_color) {
        fields.push(format!("BackColour={color},BorderStyle=3"));
    }
    if style.font_size > 0 {
        // libass scales sizes from a picture 288 pixels high.
        fields
            .push(format!("FontSize={}", (style.font_size.min(MAX_FONT_SIZE) * 288).div_ceil(height.max(1))));
    }
    fields.extend(style.outline_size.map(|size| format!("Outline={size}")));
    if fields.is_empty() {
        return format!(",subtitles={file}");
    }
    format!(",subtitles={file}:force_style='{}'", fields.join(","))
}
