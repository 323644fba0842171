//! Errors of the MediaConvert API: a status, a type in the header `x-amzn-errortype`, a sentence in the body's
//! `message`.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

#[derive(Debug)]
pub enum ServiceError {
    BadRequest(String),
    NotFound(&'static str),
    Conflict(&'static str),
    Forbidden(&'static str),
    Unprocessable(&'static str),
    /// The request has no signature.
    Unsigned,
    /// The access key isn't the service's.
    UnknownKey,
    /// The signature can't be parsed.
    IncompleteSignature(&'static str),
    /// The signature doesn't match.
    BadSignature(&'static str),
    TooLarge,
    Internal,
}

impl ServiceError {
    /// Returns the status, the error type and the message. There is no `_` arm, so that each new variant chooses.
    fn parts(&self) -> (StatusCode, &'static str, &str) {
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
                (StatusCode::FORBIDDEN, "UnrecognizedClientException", "The access key is unknown.")
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
                "An internal error occurred; it is in the log.",
            ),
        }
    }
}

impl IntoResponse for ServiceError {
    fn into_response(self) -> Response {
        let (status, kind, sentence) = self.parts();
        let header = [(ERROR_TYPE, HeaderValue::from_static(kind))];
        (status, header, Json(json!({"message": sentence}))).into_response()
    }
}
