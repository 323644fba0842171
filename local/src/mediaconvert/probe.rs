//! `Probe`: what is in a file, by ffprobe, in MediaConvert's words. Sizes are as coded; a phone's portrait
//! clip says so by `rotation`, in degrees clockwise.
//!
//! A file that no container format is found in is a `BadRequestException`; one that is known and can't be
//! read is the model's own `UnprocessableEntityException`.

use super::Shared;
use super::error::ApiError;
use super::ffmpeg::Trouble;
use super::settings::S3Uri;
use super::source::{Source, Track, TrackKind, Video};
use super::storage::{Head, Store, StoreError};
use serde_json::{Map, Value, json};

pub async fn probe(shared: &Shared, uri: &S3Uri) -> Result<Value, ApiError> {
    let head = shared.store.head(uri).await?;
    if head.size == 0 {
        return Err(ApiError::BadRequest(NOT_MEDIA.into()));
    }
    let url = shared.store.sign(uri).await?;
    // Each look is a process; more than a few at once would only slow each other down.
    let _turn = shared.looks.acquire().await.map_err(|_| ApiError::Internal)?;
    match shared.tools.look(&url, &shared.stop).await {
        Ok(source) => Ok(answer(&source, &head)),
        Err(Trouble::Unreadable) if looks_like_mp4(&shared.store, uri).await => {
            Err(ApiError::Unprocessable("The file is a video that is damaged or not complete."))
        }
        Err(Trouble::Unreadable) => Err(ApiError::BadRequest(NOT_MEDIA.into())),
        Err(Trouble::Stopped | Trouble::NoDecoder | Trouble::NoPictures | Trouble::Failed) => {
            Err(ApiError::Internal)
        }
    }
}

const NOT_MEDIA: &str = "The file isn't a known media format.";

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound | StoreError::NoBucket => Self::NotFound("The file doesn't exist."),
            StoreError::Denied => Self::Forbidden("Access to the file is denied."),
            StoreError::Other => Self::Internal,
        }
    }
}

/// Whether the file begins with a box that MP4 and QuickTime files begin with: then it is a damaged video
/// rather than something else.
pub async fn looks_like_mp4(store: &Store, uri: &S3Uri) -> bool {
    let beginning = store.beginning(uri, 8).await.unwrap_or_default();
    [b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"]
        .iter()
        .any(|kind| beginning.get(4..8) == Some(&kind[..]))
}

fn answer(source: &Source, head: &Head) -> Value {
    let tracks: Vec<_> = source.tracks.iter().map(track).collect();
    let numbers = |wanted: &str| -> Vec<Value> {
        tracks
            .iter()
            .filter(|track| track["trackType"] == wanted)
            .map(|track| track["index"].clone())
            .collect()
    };
    let mapping = json!({
        "videoTrackIndexes": numbers("video"),
        "audioTrackIndexes": numbers("audio"),
        "dataTrackIndexes": numbers("data"),
    });
    json!({
        "container": known([
            ("format", container(source).into()),
            ("duration", source.duration.into()),
            ("bitRate", source.bit_rate.into()),
            ("tracks", tracks.into()),
        ]),
        "metadata": known([
            ("eTag", head.etag.as_deref().map(|etag| etag.trim_matches('"')).into()),
            ("fileSize", head.size.into()),
            ("lastModified", head.modified.into()),
            ("mimeType", head.content_type.clone().into()),
        ]),
        "trackMappings": [mapping],
    })
}

/// An object of those members that have a value.
fn known<const N: usize>(members: [(&str, Value); N]) -> Value {
    let with_value = members.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(with_value.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

fn track(track: &Track) -> Value {
    let (kind, name, properties) = match &track.kind {
        TrackKind::Video(video) => ("video", "videoProperties", video_properties(track, video)),
        TrackKind::Audio { channels, sample_rate, layout, bit_depth } => {
            let properties = known([
                ("bitDepth", (*bit_depth).into()),
                ("bitRate", track.bit_rate.into()),
                ("channels", (*channels).into()),
                ("channelLayout", layout.clone().into()),
                ("sampleRate", (*sample_rate).into()),
                ("languageCode", track.language.clone().into()),
            ]);
            ("audio", "audioProperties", properties)
        }
        TrackKind::Data => {
            ("data", "dataProperties", known([("languageCode", track.language.clone().into())]))
        }
    };
    known([
        // MediaConvert counts from 1.
        ("index", track.index.saturating_add(1).into()),
        ("trackType", kind.into()),
        ("codec", codec(track.codec.as_deref()).into()),
        ("duration", track.duration.into()),
        (name, properties),
    ])
}

fn video_properties(track: &Track, video: &Video) -> Value {
    known([
        ("width", video.width.into()),
        ("height", video.height.into()),
        ("rotation", Some(video.rotation).filter(|turn| *turn != 0).into()),
        ("frameRate", json!({"numerator": video.frame_rate.num, "denominator": video.frame_rate.den})),
        ("sampleAspectRatio", json!({"numerator": video.pixel.num, "denominator": video.pixel.den})),
        ("bitDepth", video.bit_depth.into()),
        ("bitRate", track.bit_rate.into()),
        ("colorPrimaries", colour(video.primaries.as_deref()).into()),
        ("transferCharacteristics", colour(video.transfer.as_deref()).into()),
        ("matrixCoefficients", colour(video.matrix.as_deref()).into()),
    ])
}

/// The model's word for the container; nothing for those that it has no word for.
fn container(source: &Source) -> Option<&'static str> {
    let first = source.format.split(',').next().unwrap_or_default();
    let brand = source.major_brand.as_deref().unwrap_or_default();
    let of_the_web = |codec: &str| matches!(codec, "vp8" | "vp9" | "av1" | "opus" | "vorbis");
    Some(match first {
        "mov" if brand.starts_with("qt") => "quicktime",
        "mov" if brand.starts_with("3gp") => "three_gp",
        "mov" if brand.starts_with("3g2") => "three_g2",
        "mov" => "mp4",
        "matroska" if source.tracks.iter().all(|t| t.codec.as_deref().is_some_and(of_the_web)) => "webm",
        "matroska" => "matroska",
        "mxf" => "mxf",
        "wav" => "wave",
        "avi" => "avi",
        "mpegts" => "mpegts",
        "mpeg" => "mpegps",
        "mp3" => "mp3",
        "asf" => "asf",
        "ogg" => "ogg",
        _ => return None,
    })
}

/// The model's word for the codec.
fn codec(name: Option<&str>) -> &'static str {
    match name.unwrap_or_default() {
        "aac" => "AAC",
        "ac3" => "AC3",
        "amr_nb" | "amr_wb" => "AMR",
        "eac3" => "EAC3",
        "flac" => "FLAC",
        "mp2" => "MP2",
        "mp3" => "MP3",
        "opus" => "OPUS",
        "vorbis" => "VORBIS",
        "wmav1" => "WMA",
        "wmav2" => "WMA2",
        "wmapro" => "WMAPRO",
        pcm if pcm.starts_with("pcm_") => "PCM",
        "av1" => "AV1",
        "h264" => "AVC",
        "dvvideo" => "DV",
        "h263" => "H263",
        "hevc" => "HEVC",
        "jpeg2000" => "JPEG2000",
        "mjpeg" => "MJPEG",
        "mpeg1video" => "MPEG1",
        "mpeg4" => "MP4V",
        "mpeg2video" => "MPEG2",
        "prores" => "PRORES",
        "qtrle" => "QTRLE",
        "theora" => "THEORA",
        "rawvideo" => "UNCOMPRESSED",
        "vc1" => "VC1",
        "dnxhd" => "VC3",
        "vp8" => "VP8",
        "vp9" => "VP9",
        "webvtt" => "WEBVTT",
        _ => "UNKNOWN",
    }
}

/// The model's word for a colour's primaries, transfer or matrix; those that phones and cameras write.
fn colour(name: Option<&str>) -> Option<&'static str> {
    Some(match name? {
        "bt709" => "ITU_709",
        "bt470m" => "ITU_470M",
        "bt470bg" => "ITU_470BG",
        "smpte170m" => "SMPTE_170M",
        "smpte240m" => "SMPTE_240M",
        "bt2020" => "ITU_2020",
        "bt2020nc" => "ITU_2020_NCL",
        "bt2020c" => "ITU_2020_CL",
        "bt2020-10" => "ITU_2020_10bit",
        "bt2020-12" => "ITU_2020_12bit",
        "smpte2084" => "SMPTE_2084",
        "arib-std-b67" => "ARIB_B67",
        "smpte432" => "SMPTE_EG_432_1",
        "iec61966-2-1" => "IEC_61966_2_1",
        "gbr" => "RGB",
        _ => return None,
    })
}
