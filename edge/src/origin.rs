//! Requests come through the CDN, which knows a secret; those that go around it are turned away.

use crate::App;
use crate::error::ApiError;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use lambda_http::request::RequestContext;
use subtle::ConstantTimeEq;

const SECRET: &str = "x-origin-secret";

/// A layer around everything: nothing else of a request is looked at before. Events don't come by HTTP and pass.
pub async fn only_through_the_cdn(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_event = matches!(request.extensions().get(), Some(RequestContext::PassThrough));
    match &app.config.origin_secret {
        Some(secret) if !is_event && !knows(request.headers(), secret.expose()) => {
            ApiError::AroundTheCdn.into_response()
        }
        _ => next.run(request).await,
    }
}

/// Said once and rightly; how much of a wrong one is right shows in no time.
fn knows(headers: &HeaderMap, secret: &[u8]) -> bool {
    let mut said = headers.get_all(SECRET).iter();
    let first = said.next().is_some_and(|value| bool::from(value.as_bytes().ct_eq(secret)));
    first && said.next().is_none()
}

#[cfg(test)]
#[path = "origin_tests.rs"]
mod tests;
