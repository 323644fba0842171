//! The secret that the CDN adds to its requests: requests that don't come through the CDN are refused.

use crate::api::error::ApiError;
use crate::config::{RotatingSecret, Secret};
use crate::state::AppState;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use lambda_http::request::RequestContext;
use subtle::{Choice, ConstantTimeEq};

const HEADER: &str = "x-origin-secret";

/// Middleware around all others, so that nothing else of a refused request is handled. Events aren't HTTP requests and
/// pass.
pub async fn require_origin_secret(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let is_event = matches!(request.extensions().get(), Some(RequestContext::PassThrough));
    match &app.config.origin_secret {
        Some(secret) if !is_event && !has_secret(request.headers(), secret) => {
            ApiError::MissingOriginSecret.into_response()
        }
        _ => next.run(request).await,
    }
}

/// Exactly one header is accepted, compared in constant time with the current and the previous value.
fn has_secret(headers: &HeaderMap, secret: &RotatingSecret) -> bool {
    let mut values = headers.get_all(HEADER).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let is_equal = |secret: &Secret| value.as_bytes().ct_eq(secret.expose());
    secret.values().map(is_equal).fold(Choice::from(0), |equal, other| equal | other).into()
}

#[cfg(test)]
mod tests;
