//! The edge: signs uploads, starts conversions, hands out videos. One router, in Lambda and on one machine.
//!
//! Pure: `key`, `token`, `event`, the crate `job`, the rules of `catalog`. Outside services, one place each, where
//! their types stop: `store`, `transcoder`, `catalog`'s databases, `auth`, `callback`, `cookies`. Handlers: `uploads`
//! and `videos` of requests; `convert`, `completion`, `announce` and `reconcile` of events, which come through `gate`.
//! `log` and `metrics` tell of it. Here they come together; `dropin` is the tutorial's part of it alone.

mod announce;
mod auth;
pub mod callback;
mod catalog;
pub mod clock;
mod completion;
pub mod config;
mod convert;
mod cookies;
mod dropin;
mod error;
mod event;
mod gate;
mod key;
pub mod log;
mod metrics;
mod origin;
mod reconcile;
mod request;
mod store;
mod token;
mod transcoder;
mod uploads;
mod videos;

pub use ::job;

pub use crate::dropin::DropIn;
pub use crate::gate::{EventFailed, Gate, invocation};

use crate::auth::Auth;
use crate::callback::Callback;
use crate::catalog::{Catalog, DynamoDb, Entry, Sqlite};
use crate::config::{CatalogConfig, Config, ConfigError};
use crate::cookies::Cookies;
use crate::error::ApiError;
use crate::event::{Created, JobEvent, Reconcile};
use crate::gate::{Events, events};
use crate::job::JobTemplate;
use crate::key::IncomingKey;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::token::Tokens;
use crate::transcoder::Transcoder;
use aws_config::SdkConfig;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use tower_http::cors::CorsLayer;

/// In bytes. The largest call lists 10,000 parts with their ETags and checksums.
const LARGEST_BODY: usize = 4 * 1024 * 1024;
const PREFLIGHT_LIFE: Duration = Duration::from_secs(7200);

/// Everything a handler needs; clones share it.
#[derive(Clone)]
pub struct App(Arc<Parts>);

pub struct Parts {
    config: Config,
    job: JobTemplate,
    tokens: Tokens,
    auth: Auth,
    store: Store,
    transcoder: Transcoder,
    catalog: Box<dyn Catalog>,
    /// With them videos are private.
    cookies: Option<Cookies>,
    callback: Option<Callback>,
    metrics: Metrics,
    clock: Clock,
}

/// What time it is, in milliseconds since 1970.
pub type Clock = fn() -> u64;

impl Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// How to reach AWS, or what stands in for it.
pub struct Aws<'a> {
    pub s3: &'a SdkConfig,
    /// Whether S3 takes the bucket's name in the path only, as stores outside AWS do.
    pub s3_path_style: bool,
    pub mediaconvert: &'a SdkConfig,
    pub dynamodb: &'a SdkConfig,
}

impl App {
    /// Puts the edge together. Opens the catalog; reaches nothing else yet.
    pub fn new(config: Config, job: JobTemplate, aws: &Aws<'_>) -> Result<Self, ConfigError> {
        Self::with_clock(config, job, aws, clock::now_ms)
    }

    /// The same with another clock, for tests that can't wait for a lease to run out.
    pub fn with_clock(
        config: Config,
        job: JobTemplate,
        aws: &Aws<'_>,
        clock: Clock,
    ) -> Result<Self, ConfigError> {
        let catalog: Box<dyn Catalog> = match &config.catalog {
            CatalogConfig::Sqlite(path) => {
                Box::new(Sqlite::open(path).map_err(|why| ConfigError(format!("CATALOG is wrong: {why}")))?)
            }
            CatalogConfig::DynamoDb(table) => Box::new(DynamoDb::new(aws.dynamodb, table)),
        };
        Ok(Self(Arc::new(Parts {
            tokens: Tokens::new(config.upload_token_secret.expose()),
            auth: Auth::new(&config.auth),
            store: Store::new(
                aws.s3,
                &config.upload_bucket,
                aws.s3_path_style,
                config.upload_base_url.as_deref(),
            ),
            transcoder: Transcoder::new(
                aws.mediaconvert,
                &config.conversion.media_convert_role,
                &config.conversion.application,
            ),
            cookies: Cookies::new(&config, &job.destinations())?,
            catalog,
            callback: config.conversion.callback.as_ref().map(Callback::new),
            metrics: Metrics::new(&config.conversion.application, config.emits_metrics),
            clock,
            config,
            job,
        })))
    }

    pub(crate) fn now_ms(&self) -> u64 {
        (self.clock)()
    }

    /// A video of which nothing has happened yet.
    pub(crate) fn entry(&self, key: &IncomingKey, owner: &str, size: u64) -> Entry {
        Entry {
            key: Some(key.as_str().into()),
            announced: self.config.conversion.callback.is_none(),
            ..Entry::new(key.video_id().as_str(), owner, size, self.now_ms())
        }
    }

    /// All routes, at the root and under `/api`, where a CDN sends them unchanged.
    pub fn router(&self) -> Router {
        let routes = Router::new()
            .route("/uploads", post(uploads::open))
            .route("/uploads/{upload}", get(uploads::status).delete(uploads::abort))
            .route("/uploads/{upload}/parts", post(uploads::sign))
            .route("/uploads/{upload}/complete", post(uploads::complete))
            .route("/videos", get(videos::list))
            .route("/videos/{video_id}", get(videos::get));
        Router::new()
            .merge(routes.clone())
            .nest("/api", routes)
            .route("/events", post(events::<Self>))
            .fallback(|| async { ApiError::NotFound })
            .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
            .layer(self.cors())
            .layer(from_fn(log::access))
            .layer(from_fn_with_state(self.clone(), origin::only_through_the_cdn))
            .with_state(self.clone())
    }

    /// The router behind its gate: what Lambda runs.
    pub fn gate(&self) -> Gate {
        Gate(self.router())
    }

    fn cors(&self) -> CorsLayer {
        let origins: Vec<HeaderValue> =
            self.config.allowed_origins.iter().filter_map(|origin| origin.parse().ok()).collect();
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::POST, Method::DELETE])
            .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, header::IF_NONE_MATCH])
            .expose_headers([header::ETAG, header::RETRY_AFTER, HeaderName::from_static("date")])
            .max_age(PREFLIGHT_LIFE)
            // A page of another origin keeps the cookies of private videos only so.
            .allow_credentials(self.cookies.is_some())
    }
}

#[async_trait::async_trait]
impl Events for App {
    async fn object(&self, created: Created) -> Result<(), ApiError> {
        convert::convert(self, created).await
    }

    async fn job(&self, event: JobEvent) -> Result<(), ApiError> {
        completion::take(self, event).await
    }

    async fn reconcile(&self, event: &Reconcile) -> Result<(), ApiError> {
        reconcile::reconcile(self, event).await
    }
}
