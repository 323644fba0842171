//! The edge: signs uploads, starts conversions, hands out videos. One router, in Lambda and on one machine.
//!
//! Pure: `key`, `token`, `job`, `event`, the rules of `catalog`. Outside services, one file each, where SDK
//! types stop: `store`, `transcoder`, `catalog`'s databases, `auth`. Handlers: `uploads`, `videos`,
//! `convert`, `completion`. Here they come together.

mod auth;
pub mod callback;
mod catalog;
mod clock;
mod completion;
pub mod config;
mod convert;
mod error;
mod event;
pub mod job;
mod key;
pub mod log;
pub mod metrics;
mod request;
mod store;
mod token;
mod transcoder;
mod uploads;
mod videos;

use crate::auth::Auth;
use crate::catalog::{Catalog, Sqlite};
use crate::config::{CatalogConfig, Config, ConfigError};
use crate::error::ApiError;
use crate::event::Event;
use crate::job::JobTemplate;
use crate::request::Body;
use crate::store::Store;
use crate::token::Tokens;
use crate::transcoder::Transcoder;
use aws_config::SdkConfig;
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequest, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use lambda_http::request::RequestContext;
use serde_json::Value;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
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
}

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
}

impl App {
    /// Puts the edge together. Opens the catalog; reaches nothing else yet.
    pub fn new(config: Config, job: JobTemplate, aws: &Aws<'_>) -> Result<Self, ConfigError> {
        let s3 = aws_sdk_s3::Client::from_conf(Store::settings(aws.s3, aws.s3_path_style).build());
        let catalog = match &config.catalog {
            CatalogConfig::Sqlite(path) => {
                Sqlite::open(path).map_err(|error| ConfigError(format!("CATALOG is wrong: {}", error.0)))?
            }
            CatalogConfig::DynamoDb(_) => return Err(ConfigError("CATALOG is wrong: not yet".into())),
        };
        Ok(Self(Arc::new(Parts {
            tokens: Tokens::new(config.upload_token_secret.expose()),
            auth: Auth::new(&config.auth),
            store: Store::new(
                s3,
                &config.upload_bucket,
                aws.s3_path_style,
                config.upload_base_url.as_deref(),
            ),
            transcoder: Transcoder::new(
                aws_sdk_mediaconvert::Client::new(aws.mediaconvert),
                &config.conversion.media_convert_role,
                &config.conversion.application,
            ),
            catalog: Box::new(catalog),
            config,
            job,
        })))
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
            .route("/events", post(events))
            .fallback(|| async { ApiError::NotFound })
            .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
            .layer(self.cors())
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
    }
}

/// `POST /events`, for what AWS invokes directly; over HTTP there is nothing here.
async fn events(
    State(app): State<App>,
    context: Option<axum::Extension<RequestContext>>,
    request: axum::extract::Request,
) -> Response {
    if !matches!(context, Some(axum::Extension(RequestContext::PassThrough))) {
        return ApiError::NotFound.into_response();
    }
    let outcome = match Body::<Value>::from_request(request, &app).await {
        Ok(Body(event)) => handle(&app, event).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        // Whatever is wrong with an event, Lambda must learn of it: retries first, then the dead letter.
        Err(error) => {
            let status = error.answer().0;
            let mut response = error.into_response();
            if !status.is_server_error() {
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            }
            response
        }
    }
}

/// Acts on one event. All of its records are tried, even when one fails.
async fn handle(app: &App, event: Value) -> Result<(), ApiError> {
    match event::read(event).map_err(ApiError::BadRequest)? {
        Event::Objects(objects) => {
            let mut outcome = Ok(());
            for object in objects {
                let one = convert::convert(app, object).await;
                outcome = outcome.and(one);
            }
            outcome
        }
        Event::Job(job) => completion::take(app, job).await,
        Event::Ignored(why) => {
            tracing::info!(why, "an event is ignored");
            Ok(())
        }
    }
}

/// Turns an event's failure into an error of the invocation: to Lambda a 500 with a body is a success, and
/// nothing would be tried again.
#[derive(Clone)]
pub struct Gate(Router);

/// What Lambda logs and hands to the dead-letter queue.
#[derive(Debug)]
pub struct EventFailed(StatusCode);

impl std::fmt::Display for EventFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the event can't be handled now ({}); the log says why", self.0)
    }
}

impl std::error::Error for EventFailed {}

impl<B> tower::Service<http::Request<B>> for Gate
where
    B: axum::body::HttpBody<Data = axum::body::Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response;
    type Error = lambda_http::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, lambda_http::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), lambda_http::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let is_event = matches!(request.extensions().get(), Some(RequestContext::PassThrough));
        let mut router = self.0.clone();
        Box::pin(async move {
            // A router doesn't fail.
            let Ok(response) = router.call(request.map(axum::body::Body::new)).await;
            match response.status() {
                status if is_event && !status.is_success() => Err(EventFailed(status).into()),
                _ => Ok(response),
            }
        })
    }
}

/// An event as Lambda hands it to the gate, for those who run the gate themselves.
pub fn invocation(event: &Value) -> http::Request<axum::body::Body> {
    let mut request = http::Request::new(axum::body::Body::from(event.to_string()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static("/events");
    request.extensions_mut().insert(RequestContext::PassThrough);
    request
}
