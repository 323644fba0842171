//! The edge: signs uploads, starts conversions, lists videos. One router, run as a Lambda or inside a local server.
//!
//! Modules import in one direction: `captions`, `key`, `title`, `pictures`, `token`, `clock` and `config` (which reach nothing outside the process),
//! then `services`, `state`, `api` and `events`, and this file.

mod api;
pub mod captions;
pub mod clock;
pub mod config;
mod events;
mod key;
mod pictures;
mod services;
mod state;
mod title;
mod token;

pub use ::job;

pub use crate::clock::Clock;
pub use crate::events::events_only::EventsOnly;
pub use crate::events::lambda_events::{EventFailed, LambdaService, event_request};
pub use crate::events::sanitize_event::sanitize_event;
pub use crate::services::{log, secrets, webhook};
pub use crate::state::Aws;

use crate::api::ApiState;
use crate::api::auth::Auth;
use crate::api::error::ApiError;
use crate::api::origin_secret::require_origin_secret;
use crate::api::signed_cookies::SignedCookies;
use crate::config::{Config, ConfigError};
use crate::events::lambda_events::receive;
use crate::job::JobTemplate;
use crate::state::AppState;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::post;
use std::sync::Arc;
use std::time::Duration;
use tower_http::cors::CorsLayer;

/// In bytes. Events are the largest: a call signs at most 100 parts, with a body of some 6 kB.
const MAX_BODY_SIZE: usize = 4 * 1024 * 1024;
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(7200);

/// The complete edge: HTTP API and events. Clones share their state.
#[derive(Clone)]
pub struct Edge(ApiState);

impl Edge {
    /// Builds every client and opens the catalog; makes no network call. Fails with the setting that is wrong.
    pub fn new(config: Config, job: JobTemplate, aws: &Aws<'_>) -> Result<Self, ConfigError> {
        Self::with_clock(config, job, aws, clock::now_ms)
    }

    /// Like [`Edge::new`] with another clock, for tests that can't wait until a lease ends.
    pub fn with_clock(
        config: Config,
        job: JobTemplate,
        aws: &Aws<'_>,
        clock: Clock,
    ) -> Result<Self, ConfigError> {
        let auth = Arc::new(Auth::new(&config.auth));
        let cookies = SignedCookies::new(&config, &job.destinations())?.map(Arc::new);
        let app = AppState::new(config, job, aws, clock)?;
        Ok(Self(ApiState { app, auth, cookies }))
    }

    /// All routes, at the root and under `/api`, the path that a CDN forwards unchanged.
    pub fn router(&self) -> Router {
        let routes = api::routes();
        Router::new()
            .merge(routes.clone())
            .nest("/api", routes)
            .route("/events", post(receive::<AppState>))
            .fallback(|| async { ApiError::NotFound })
            .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
            .layer(DefaultBodyLimit::max(MAX_BODY_SIZE))
            .layer(cors(&self.0.app.config))
            .layer(from_fn(log::access))
            .layer(from_fn_with_state(self.0.app.clone(), require_origin_secret))
            .with_state(self.0.clone())
    }

    /// The router as Lambda runs it: a failed event fails its invocation.
    pub fn lambda_service(&self) -> LambdaService {
        LambdaService::new(self.router())
    }
}

fn cors(config: &Config) -> CorsLayer {
    let origins: Vec<HeaderValue> =
        config.allowed_origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, header::IF_NONE_MATCH])
        .expose_headers([header::ETAG, header::RETRY_AFTER, HeaderName::from_static("date")])
        .max_age(PREFLIGHT_MAX_AGE)
        // Pages of other origins receive the cookies of private videos only with credentials allowed.
        .allow_credentials(config.cookies.is_some())
}
