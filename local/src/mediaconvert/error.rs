//! Errors of the API in AWS's shape: a status, a type in the header `x-amzn-errortype`, a sentence in the
//! body's `message`.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

#[derive(Debug)]
pub enum ApiError {
    BadRequest(String),
    NotFound(&'static str),
    Conflict(&'static str),
    Forbidden(&'static str),
    Unprocessable(&'static str),
    /// No signature at all.
    Unsigned,
    /// Signed with a key that isn't ours.
    UnknownKey,
    /// A signature that can't be read.
    IncompleteSignature(&'static str),
    /// A signature that doesn't hold.
    BadSignature(&'static str),
    TooLarge,
    Internal,
}

impl ApiError {
    /// No `_` arm: a new variant must choose.
    fn answer(&self) -> (StatusCode, &'static str, &str) {
        match self {
            Self::BadRequest(sentence) => (StatusCode::BAD_REQUEST, "BadRequestException", sentence),
            Self::NotFound(sentence) => (StatusCode::NOT_FOUND, "NotFoundException", sentence),
            Self::Conflict(sentence) => (StatusCode::CONFLICT, "ConflictException", sentence),
            Self::Forbidden(sentence) => (StatusCode::FORBIDDEN, "ForbiddenException", sentence),
            Self::Unprocessable(sentence) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "UnprocessableEntityException", sentence)
            }
            Self::Unsigned => (
                StatusCode::FORBIDDEN,
                "MissingAuthenticationTokenException",
                "The request isn't signed; sign it with Signature Version 4.",
            ),
            Self::UnknownKey => {
                (StatusCode::FORBIDDEN, "UnrecognizedClientException", "The access key isn't known here.")
            }
            Self::IncompleteSignature(sentence) => {
                (StatusCode::FORBIDDEN, "IncompleteSignatureException", sentence)
            }
            Self::BadSignature(sentence) => (StatusCode::FORBIDDEN, "InvalidSignatureException", sentence),
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "BadRequestException", "The body is over the limit of 1 MiB.")
            }
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalServerErrorException",
                "Something went wrong here; the log says what.",
            ),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, kind, sentence) = self.answer();
        let header = [(ERROR_TYPE, HeaderValue::from_static(kind))];
        (status, header, Json(json!({"message": sentence}))).into_response()
    }
}
