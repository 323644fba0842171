//! What can go wrong in a request, the status and code it gets, and the only place that logs it.

use crate::callback::CallbackError;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wire::{ErrorCode, PROBLEM_JSON, PlanError, Problem};

/// A request's failure. The sentence in it reaches the caller: no secret, token or signed URL in it.
#[derive(Debug)]
pub enum ApiError {
    BadJson(String),
    BadRequest(String),
    BodyTooLarge,
    FileEmpty,
    FileTooLarge {
        size: u64,
        limit: u64,
    },
    BadVideoId,
    OwnVideoId,
    VideoExists,
    /// The most that one owner may have open.
    TooManyUploads(u32),
    Unauthorized(&'static str),
    AuthUnavailable,
    Forbidden,
    AroundTheCdn,
    BadUpload,
    UploadExpired,
    UploadGone,
    BadPartNumbers(String),
    PartsMismatch(String),
    SizeMismatch,
    ChecksumMismatch,
    VideoNotFound,
    NotFound,
    MethodNotAllowed,
    Throttled(&'static str),
    Storage(Service),
    Transcoder(Service),
    TranscoderRefused(String),
    Catalog(String),
    Callback(String),
    Internal(&'static str),
}

/// A foreign service's failure, as its adapter describes it: an error code, no addresses.
#[derive(Debug)]
pub struct Service {
    pub doing: &'static str,
    pub code: String,
}

impl ApiError {
    /// No `_` arm: a new variant must choose.
    pub fn answer(&self) -> (StatusCode, ErrorCode) {
        use ErrorCode as Code;
        match self {
            Self::BadJson(_) => (StatusCode::BAD_REQUEST, Code::BadJson),
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, Code::BadRequest),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, Code::BodyTooLarge),
            Self::FileEmpty => (StatusCode::BAD_REQUEST, Code::FileEmpty),
            Self::FileTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, Code::FileTooLarge),
            Self::BadVideoId | Self::OwnVideoId => (StatusCode::BAD_REQUEST, Code::BadVideoId),
            Self::VideoExists => (StatusCode::CONFLICT, Code::VideoExists),
            Self::TooManyUploads(_) => (StatusCode::TOO_MANY_REQUESTS, Code::TooManyUploads),
            Self::Unauthorized(_) => (StatusCode::UNAUTHORIZED, Code::Unauthorized),
            Self::AuthUnavailable => (StatusCode::SERVICE_UNAVAILABLE, Code::AuthUnavailable),
            Self::Forbidden | Self::AroundTheCdn => (StatusCode::FORBIDDEN, Code::Forbidden),
            Self::BadUpload => (StatusCode::NOT_FOUND, Code::BadUpload),
            Self::UploadExpired => (StatusCode::GONE, Code::UploadExpired),
            Self::UploadGone => (StatusCode::GONE, Code::UploadGone),
            Self::BadPartNumbers(_) => (StatusCode::BAD_REQUEST, Code::BadPartNumbers),
            Self::PartsMismatch(_) => (StatusCode::CONFLICT, Code::PartsMismatch),
            Self::SizeMismatch => (StatusCode::CONFLICT, Code::SizeMismatch),
            Self::ChecksumMismatch => (StatusCode::CONFLICT, Code::ChecksumMismatch),
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

    /// One sentence for the caller.
    pub fn detail(&self) -> String {
        match self {
            Self::BadJson(why) | Self::BadRequest(why) => why.clone(),
            Self::BadPartNumbers(why) | Self::PartsMismatch(why) => why.clone(),
            Self::BodyTooLarge => "The request's body is larger than this call takes.".into(),
            Self::FileEmpty => PlanError::Empty.to_string(),
            Self::FileTooLarge { size, limit } => {
                format!("The file has {size} bytes; at most {limit} are allowed.")
            }
            Self::BadVideoId => "A video id is 1 to 64 letters, digits, _ or -.".into(),
            Self::OwnVideoId => {
                "Videos are private here, and their ids are made here: leave videoId out.".into()
            }
            Self::VideoExists => "There is a video of that id already, and none is ever overwritten.".into(),
            Self::TooManyUploads(most) => {
                format!("You have {most} uploads open, as many as are allowed; finish or cancel one first.")
            }
            Self::Unauthorized(why) => (*why).into(),
            Self::AuthUnavailable => "Nobody can be recognized right now; try again shortly.".into(),
            Self::Forbidden => "This upload belongs to somebody else.".into(),
            Self::AroundTheCdn => "Come in through the CDN.".into(),
            Self::BadUpload => "This is no upload token of ours, or it was changed.".into(),
            Self::UploadExpired => "The upload was opened too long ago; start it again.".into(),
            Self::UploadGone => "The upload was aborted or removed; start it again.".into(),
            Self::SizeMismatch => "The stored parts don't add up to the declared size.".into(),
            Self::ChecksumMismatch => "The stored bytes don't have the checksum of those sent.".into(),
            Self::VideoNotFound => "There is no such video, or it isn't yours.".into(),
            Self::NotFound => "There is nothing at this path.".into(),
            Self::MethodNotAllowed => "This path doesn't take that method.".into(),
            Self::Throttled(_) => "The service behind this one asks for a pause; try again shortly.".into(),
            Self::Storage(_) => "The storage didn't answer as it should; try again shortly.".into(),
            Self::Transcoder(_) => "The transcoder didn't answer as it should; try again shortly.".into(),
            Self::TranscoderRefused(why) => why.clone(),
            Self::Catalog(_) => "The database didn't answer as it should; try again shortly.".into(),
            Self::Callback(_) => "The site didn't take the news of a video; it is told again shortly.".into(),
            Self::Internal(_) => "Something went wrong here; try again shortly.".into(),
        }
    }

    /// What the log gets beyond the answer.
    fn cause(&self) -> String {
        match self {
            Self::Storage(service) | Self::Transcoder(service) => {
                format!("{}: {}", service.doing, service.code)
            }
            Self::Catalog(why) | Self::Callback(why) => why.clone(),
            Self::Throttled(why) | Self::Internal(why) => (*why).into(),
            _ => String::new(),
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

impl From<CallbackError> for ApiError {
    fn from(error: CallbackError) -> Self {
        Self::Callback(error.0)
    }
}

impl From<getrandom::Error> for ApiError {
    fn from(_: getrandom::Error) -> Self {
        Self::Internal("no randomness to be had")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.answer();
        if status.is_server_error() {
            tracing::error!(status = status.as_u16(), code = code.as_str(), cause = self.cause(), "failed");
        }
        let problem = Problem::new(code, status.as_u16(), self.detail());
        let mut response = (status, Json(problem)).into_response();
        // For the line that tells how the request went.
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
