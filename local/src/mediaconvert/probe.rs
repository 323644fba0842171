//! `Probe`: converts ffprobe's report into MediaConvert's terms. Sizes are as coded, before `rotation` (in
//! degrees clockwise).
//!
//! A file without a known container is a `BadRequestException`; one with a known container that can't be read
//! is an `UnprocessableEntityException`.

use super::error::ServiceError;
use super::ffmpeg::FfmpegError;
use super::settings::S3Uri;
use super::source::{Source, Track, TrackKind, Video};
use super::state::ServiceState;
use super::storage::{ObjectInfo, Storage, StorageError};
use serde_json::{Map, Value, json};

/// Returns the `ProbeResult` of an object.
pub async fn probe(service: &ServiceState, uri: &S3Uri) -> Result<Value, ServiceError> {
    let object = service.storage.head(uri).await?;
    if object.size == 0 {
        return Err(ServiceError::BadRequest(NOT_MEDIA.into()));
    }
    let url = service.storage.presign(uri).await?;
    // Each probe is a process; more than a few at once slow each other down.
    let _permit = service.probe_permits.acquire().await.map_err(|_| ServiceError::Internal)?;
    match service.ffmpeg.probe_url(&url, &service.shutdown).await {
        Ok(source) => Ok(probe_result(&source, &object)),
        Err(FfmpegError::Unreadable) if has_mp4_signature(&service.storage, uri).await => {
            Err(ServiceError::Unprocessable("The file is a video that is damaged or not complete."))
        }
        Err(FfmpegError::Unreadable) => Err(ServiceError::BadRequest(NOT_MEDIA.into())),
        Err(FfmpegError::Canceled) => Err(ServiceError::Internal),
        Err(error) => {
            tracing::error!(%error, "probe failed");
            Err(ServiceError::Internal)
        }
    }
}

const NOT_MEDIA: &str = "The file isn't a known media format.";

impl From<StorageError> for ServiceError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NotFound | StorageError::NoSuchBucket => Self::NotFound("The file doesn't exist."),
            StorageError::Denied => Self::Forbidden("Access to the file is denied."),
            StorageError::Failed | StorageError::File(_) => Self::Internal,
        }
    }
}

/// Returns whether the object starts with a box type of MP4 and QuickTime files. An unreadable file is then
/// reported as damaged, otherwise as an unknown format.
pub async fn has_mp4_signature(storage: &Storage, uri: &S3Uri) -> bool {
    let beginning = storage.first_bytes(uri, 8).await.unwrap_or_default();
    [b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"]
        .iter()
        .any(|kind| beginning.get(4..8) == Some(&kind[..]))
}

fn probe_result(source: &Source, object: &ObjectInfo) -> Value {
    let tracks: Vec<_> = source.tracks.iter().map(track).collect();
    let indexes = |track_type: &str| -> Vec<Value> {
        tracks
            .iter()
            .filter(|track| track["trackType"] == track_type)
            .map(|track| track["index"].clone())
            .collect()
    };
    let mapping = json!({
        "videoTrackIndexes": indexes("video"),
        "audioTrackIndexes": indexes("audio"),
        "dataTrackIndexes": indexes("data"),
    });
    json!({
        "container": non_null([
            ("format", container(source).into()),
            ("duration", source.duration.into()),
            ("bitRate", source.bit_rate.into()),
            ("tracks", tracks.into()),
        ]),
        "metadata": non_null([
            ("eTag", object.etag.as_deref().map(|etag| etag.trim_matches('"')).into()),
            ("fileSize", object.size.into()),
            ("lastModified", object.modified.into()),
            ("mimeType", object.content_type.clone().into()),
        ]),
        "trackMappings": [mapping],
    })
}

/// Returns an object of the members that aren't null.
fn non_null<const N: usize>(members: [(&str, Value); N]) -> Value {
    let with_value = members.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(with_value.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

fn track(track: &Track) -> Value {
    let (kind, name, properties) = match &track.kind {
        TrackKind::Video(video) => ("video", "videoProperties", video_properties(track, video)),
        TrackKind::Audio { channels, sample_rate, layout, bit_depth } => {
            let properties = non_null([
                ("bitDepth", (*bit_depth).into()),
                ("bitRate", track.bit_rate.into()),
                ("channels", (*channels).into()),
                ("channelLayout", layout.clone().into()),
                ("sampleRate", (*sample_rate).into()),
                ("languageCode", track.language.clone().into()),
            ]);
            ("audio", "audioProperties", properties)
        }
        TrackKind::Text | TrackKind::Data => {
            ("data", "dataProperties", non_null([("languageCode", track.language.clone().into())]))
        }
    };
    non_null([
        // MediaConvert counts from 1.
        ("index", track.index.saturating_add(1).into()),
        ("trackType", kind.into()),
        ("codec", codec(track.codec.as_deref()).into()),
        ("duration", track.duration.into()),
        (name, properties),
    ])
}

fn video_properties(track: &Track, video: &Video) -> Value {
    non_null([
        ("width", video.width.into()),
        ("height", video.height.into()),
        ("rotation", Some(video.rotation).filter(|rotation| *rotation != 0).into()),
        ("frameRate", json!({"numerator": video.frame_rate.num, "denominator": video.frame_rate.den})),
        (
            "sampleAspectRatio",
            json!({"numerator": video.pixel_ratio.num, "denominator": video.pixel_ratio.den}),
        ),
        ("bitDepth", video.bit_depth.into()),
        ("bitRate", track.bit_rate.into()),
        ("colorPrimaries", color(video.primaries.as_deref()).into()),
        ("transferCharacteristics", color(video.transfer.as_deref()).into()),
        ("matrixCoefficients", color(video.matrix.as_deref()).into()),
    ])
}

/// Returns the API's value for the container; `None` if it has no value for it.
fn container(source: &Source) -> Option<&'static str> {
    let first = source.format.split(',').next().unwrap_or_default();
    let brand = source.major_brand.as_deref().unwrap_or_default();
    let is_webm_codec = |codec: &str| matches!(codec, "vp8" | "vp9" | "av1" | "opus" | "vorbis");
    Some(match first {
        "mov" if brand.starts_with("qt") => "quicktime",
        "mov" if brand.starts_with("3gp") => "three_gp",
        "mov" if brand.starts_with("3g2") => "three_g2",
        "mov" => "mp4",
        "matroska" if source.tracks.iter().all(|t| t.codec.as_deref().is_some_and(is_webm_codec)) => "webm",
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

/// Returns the API's value for the codec.
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

/// Returns the API's value for colour primaries, transfer or matrix, for those that phones and cameras write.
fn color(name: Option<&str>) -> Option<&'static str> {
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
