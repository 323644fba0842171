//! What requests and answers have in common, whichever resource they are for.

use crate::App;
use crate::auth::Caller;
use crate::error::ApiError;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::header::IF_NONE_MATCH;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// A JSON body, whatever its `Content-Type`; problems with it are ours to tell, not the framework's.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        // The only way to fail is the router's limit on bodies, or a caller who went away.
        let bytes = Bytes::from_request(request, state).await.map_err(|_| ApiError::BodyTooLarge)?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            ApiError::BadJson(format!("The body isn't the JSON that this call takes: {error}."))
        })
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        app.auth.caller(&parts.headers).await
    }
}

/// Whether a caller has this version already.
pub fn has_version(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        // Weakly, as RFC 9110 has it for If-None-Match.
        .any(|one| one.trim() == "*" || one.trim().trim_start_matches("W/") == etag)
}
