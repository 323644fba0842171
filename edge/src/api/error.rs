//! Failures of requests and events: their status, stable code and sentence. The only place that logs a failure.

use crate::services::ServiceError;
use crate::services::catalog::CatalogError;
use crate::services::store::StoreError;
use crate::services::transcoder::TranscoderError;
use crate::services::webhook::WebhookError;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::borrow::Cow;
use std::error::Error;
use wire::{ErrorCode, PROBLEM_JSON, PlanError, Problem};

/// A failed request or event. `Display` is the sentence for the caller, so it contains no secret, token or signed URL.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("{0}")]
    BadJson(String),
    #[error("{0}")]
    BadRequest(String),
    #[error("The request's body is larger than this call takes.")]
    BodyTooLarge,
    #[error("{}", PlanError::Empty)]
    FileEmpty,
    #[error("The file has {size} bytes; at most {limit} are allowed.")]
    FileTooLarge { size: u64, limit: u64 },
    #[error("A video id is 1 to 64 letters, digits, _ or -.")]
    BadVideoId,
    #[error("A video id must not end like the name of another video's output, as `_360`.")]
    AmbiguousVideoId,
    #[error("Captions need the id of the video that they belong to: send videoId.")]
    CaptionsWithoutVideo,
    #[error("Videos are private here, and the server chooses their ids: leave videoId out.")]
    VideoIdNotAllowed,
    #[error("A title has 1 to 200 characters, none of which is a control character.")]
    BadTitle,
    #[error("A video with this id exists, and none is ever overwritten.")]
    VideoExists,
    /// Contains the limit per owner.
    #[error("You have {0} uploads open, as many as are allowed; finish or cancel one first.")]
    TooManyUploads(u32),
    #[error("You have uploaded as much as is allowed per day; the count starts again at 0:00 UTC.")]
    DailyLimitReached,
    #[error("{0}")]
    Unauthorized(Cow<'static, str>),
    #[error("Bearer tokens can't be verified right now; try again shortly.")]
    AuthUnavailable,
    #[error("This upload belongs to another user.")]
    Forbidden,
    #[error("Requests must come through the CDN.")]
    MissingOriginSecret,
    #[error("The upload token wasn't issued here, or it was changed.")]
    BadUpload,
    #[error("The upload was opened too long ago; start it again.")]
    UploadExpired,
    #[error("The upload was aborted or removed; start it again.")]
    UploadGone,
    #[error("{0}")]
    BadPartNumbers(String),
    #[error("{0}")]
    BadChecksum(String),
    /// Contains the parts' numbers.
    #[error("The storage lacks {} parts of the file, or has them in another size; send them again.", .0.len())]
    PartsMissing(Vec<u32>),
    #[error("The storage refuses the parts because of their sizes.")]
    SizeMismatch,
    #[error("The storage keeps no CRC64NVME of the parts: a storage without it needs UPLOAD_CHECKSUM=none.")]
    NoChecksums,
    #[error("The checksum of the stored bytes differs from that of the sent ones.")]
    ChecksumMismatch,
    #[error("There is no such video, or it isn't yours.")]
    VideoNotFound,
    #[error("There is nothing at this path.")]
    NotFound,
    #[error("This path doesn't take that method.")]
    MethodNotAllowed,
    /// Contains what throttles, for the log.
    #[error("A service behind this one asks for a pause; try again shortly.")]
    Throttled(&'static str),
    #[error("The storage didn't respond as expected; try again shortly.")]
    Storage(#[source] ServiceError),
    #[error("The transcoder didn't respond as expected; try again shortly.")]
    Transcoder(#[source] ServiceError),
    #[error("{0}")]
    TranscoderRefused(String),
    #[error("The database didn't respond as expected; try again shortly.")]
    Catalog(#[source] CatalogError),
    #[error("The site didn't accept a video's announcement; it is repeated shortly.")]
    Callback(#[source] WebhookError),
    /// Contains the reason, for the log.
    #[error("Something went wrong here; try again shortly.")]
    Internal(&'static str),
}

impl ApiError {
    /// Status and code. Without a `_` arm, so that a new variant must choose.
    pub fn status_and_code(&self) -> (StatusCode, ErrorCode) {
        use ErrorCode as Code;
        match self {
            Self::BadJson(_) => (StatusCode::BAD_REQUEST, Code::BadJson),
            Self::BadRequest(_) | Self::BadTitle => (StatusCode::BAD_REQUEST, Code::BadRequest),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, Code::BodyTooLarge),
            Self::FileEmpty => (StatusCode::BAD_REQUEST, Code::FileEmpty),
            Self::FileTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, Code::FileTooLarge),
            Self::BadVideoId
            | Self::AmbiguousVideoId
            | Self::VideoIdNotAllowed
            | Self::CaptionsWithoutVideo => (StatusCode::BAD_REQUEST, Code::BadVideoId),
            Self::VideoExists => (StatusCode::CONFLICT, Code::VideoExists),
            Self::TooManyUploads(_) => (StatusCode::TOO_MANY_REQUESTS, Code::TooManyUploads),
            Self::DailyLimitReached => (StatusCode::TOO_MANY_REQUESTS, Code::DailyLimitReached),
            Self::Unauthorized(_) => (StatusCode::UNAUTHORIZED, Code::Unauthorized),
            Self::AuthUnavailable => (StatusCode::SERVICE_UNAVAILABLE, Code::AuthUnavailable),
            Self::Forbidden | Self::MissingOriginSecret => (StatusCode::FORBIDDEN, Code::Forbidden),
            Self::BadUpload => (StatusCode::NOT_FOUND, Code::BadUpload),
            Self::UploadExpired => (StatusCode::GONE, Code::UploadExpired),
            Self::UploadGone => (StatusCode::GONE, Code::UploadGone),
            Self::BadPartNumbers(_) => (StatusCode::BAD_REQUEST, Code::BadPartNumbers),
            Self::BadChecksum(_) => (StatusCode::BAD_REQUEST, Code::BadChecksum),
            Self::PartsMissing(_) => (StatusCode::CONFLICT, Code::PartsMissing),
            Self::SizeMismatch => (StatusCode::CONFLICT, Code::SizeMismatch),
            Self::ChecksumMismatch | Self::NoChecksums => (StatusCode::CONFLICT, Code::ChecksumMismatch),
            Self::VideoNotFound => (StatusCode::NOT_FOUND, Code::VideoNotFound),
            Self::NotFound => (StatusCode::NOT_FOUND, Code::NotFound),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, Code::MethodNotAllowed),
            Self::Throttled(_) => (StatusCode::SERVICE_UNAVAILABLE, Code::Throttled),
            Self::Storage(_) => (StatusCode::BAD_GATEWAY, Code::StorageUnavailable),
            Self::Transcoder(_) => (StatusCode::BAD_GATEWAY, Code::TranscoderUnavailable),
            Self::TranscoderRefused(_) => (StatusCode::UNPROCESSABLE_ENTITY, Code::TranscoderRefused),
            Self::Catalog(_) => (StatusCode::BAD_GATEWAY, Code::CatalogUnavailable),
            Self::Callback(_) => (StatusCode::BAD_GATEWAY, Code::CallbackFailed),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, Code::Internal),
        }
    }

    /// Details for the log that the response omits.
    fn cause(&self) -> String {
        match self {
            Self::Throttled(what) | Self::Internal(what) => (*what).into(),
            _ => self.source().map(ToString::to_string).unwrap_or_default(),
        }
    }
}

impl From<PlanError> for ApiError {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Empty => Self::FileEmpty,
            PlanError::TooLarge { size } => Self::FileTooLarge { size, limit: wire::MAX_OBJECT_SIZE },
            PlanError::BadPartSize { .. } => Self::BadRequest(error.to_string()),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoSuchUpload => Self::UploadGone,
            StoreError::ObjectExists => Self::VideoExists,
            StoreError::Conflict => Self::Throttled("a concurrent completion of this upload"),
            StoreError::PartsChanged => Self::Throttled("parts that change during the completion"),
            StoreError::SizeMismatch => Self::SizeMismatch,
            StoreError::ChecksumMismatch => Self::ChecksumMismatch,
            StoreError::Throttled => Self::Throttled("S3"),
            StoreError::Unavailable(error) => Self::Storage(error),
        }
    }
}

impl From<TranscoderError> for ApiError {
    fn from(error: TranscoderError) -> Self {
        match error {
            TranscoderError::Refused(message) => Self::TranscoderRefused(message),
            TranscoderError::Throttled => Self::Throttled("MediaConvert"),
            TranscoderError::Unavailable(error) => Self::Transcoder(error),
        }
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Throttled => Self::Throttled("the database"),
            error => Self::Catalog(error),
        }
    }
}

impl From<WebhookError> for ApiError {
    fn from(error: WebhookError) -> Self {
        Self::Callback(error)
    }
}

impl From<getrandom::Error> for ApiError {
    fn from(_: getrandom::Error) -> Self {
        Self::Internal("no random numbers available")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        if status.is_server_error() {
            tracing::error!(status = status.as_u16(), code = code.as_str(), cause = self.cause(), "failed");
        }
        let mut problem = Problem::new(code, status.as_u16(), self.to_string());
        if let Self::PartsMissing(numbers) = self {
            problem.part_numbers = numbers;
        }
        let mut response = (status, Json(problem)).into_response();
        // For the request's log line.
        response.extensions_mut().insert(code);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if code == ErrorCode::Throttled {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
