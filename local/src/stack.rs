//! Starts the local services and the edge, connects them, and serves them on three ports.

use crate::db::Db;
use crate::mediaconvert::{self, MediaConvert, MediaConvertConfig};
use crate::outbox::{Handler, Outbox};
use crate::remote_edge::RemoteEdge;
use crate::s3::{self, BucketConfig, CorsRule, S3, S3Config};
use crate::server::{self, ACCESS_KEY, REGION};
pub use crate::start_error::StartError;
use crate::{cdn, secrets};
use aws_types::SdkConfig;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use edge::config::{Config, Environment};
use edge::job::JobTemplate;
use edge::{Aws, Edge};
use serde_json::json;
use std::fs::File;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::{Service, ServiceExt};
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

const UPLOAD_BUCKET: &str = "uploads";
const MEDIA_BUCKET: &str = "media";
/// Required by MediaConvert's API; no role is assumed.
const ROLE: &str = "arn:aws:iam::000000000000:role/local";

const RECONCILE_INTERVAL: Duration = Duration::from_secs(3600);
/// The page shows a conversion's progress by its events; on AWS each of them costs something.
const MAX_STATUS_UPDATE_INTERVAL: Duration = Duration::from_secs(1);

/// Returns an environment variable.
pub type Env = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Options of the stack.
pub struct Options {
    pub host: IpAddr,
    /// The page's port; S3 gets the next one, MediaConvert the one after that. 0 selects three free ports.
    pub port: u16,
    pub data: PathBuf,
    /// Folder with the page's files; `None` serves no page.
    pub site: Option<PathBuf>,
    /// `http://HOST:PORT` of a Lambda's function URL and Invoke API; with `None` the edge runs in this process.
    pub edge: Option<String>,
    /// Origins of other servers' pages, such as a development server's, that may upload and play.
    pub allowed_origins: Vec<String>,
    /// Content of job.json.
    pub job: String,
    /// Environment variables of the edge that override the local settings.
    pub env: Env,
}

/// The running stack. Dropping it aborts it; `stop` ends it in order.
pub struct Stack {
    pub page: String,
    pub s3: String,
    pub mediaconvert: String,
    /// Events added here are delivered to the edge.
    pub outbox: Outbox,
    mediaconvert_service: MediaConvert,
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    /// The lock on the data folder.
    _lock: File,
}

impl Stack {
    /// Starts all services.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        // For webhooks and JWKS over HTTPS. An error means that the process has a provider already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let lock = server::lock_data_dir(&options.data)?;
        let secret_key = server::secret_key(options.host, &options.data)?;
        let [(page, page_url), (s3, s3_url), (mediaconvert, mediaconvert_url)] =
            listen(options.host, options.port).await?;

        let db = Db::open(&options.data.join("local.db"))
            .map_err(|error| StartError::data_dir(&options.data, error))?;
        let outbox =
            Outbox::open(db.clone()).await.map_err(|error| StartError::data_dir(&options.data, error))?;
        let s3_service = s3::open(S3Config {
            root: options.data.join("s3"),
            db: db.clone(),
            outbox: outbox.clone(),
            access_key: ACCESS_KEY.into(),
            secret_key: secret_key.clone(),
            region: REGION.into(),
            buckets: buckets(&page_url, &options.allowed_origins),
        })
        .await?;

        let s3_config = server::sdk_config(ACCESS_KEY, &secret_key, &s3_url);
        let s3_client = server::s3_client(&s3_config);
        let mediaconvert_service = mediaconvert::open(MediaConvertConfig {
            work_dir: options.data.join("mediaconvert"),
            db,
            outbox: outbox.clone(),
            s3: s3_client.clone(),
            access_key: ACCESS_KEY.into(),
            secret_key: secret_key.clone(),
            region: REGION.into(),
            endpoint: mediaconvert_url.clone(),
            max_status_update_interval: Some(MAX_STATUS_UPDATE_INTERVAL),
        })
        .await?;

        let (api, handler) = match &options.edge {
            Some(url) => {
                let edge = RemoteEdge::new(url)?;
                (edge.router(), edge.handler())
            }
            None => {
                let mediaconvert_config = server::sdk_config(ACCESS_KEY, &secret_key, &mediaconvert_url);
                let edge = local_edge(&options, &page_url, &s3_config, &mediaconvert_config)?;
                (Router::new().nest("/api", edge.router()), event_handler(&edge))
            }
        };
        let api = api.layer(from_fn_with_state(outbox.clone(), send_deletions));
        let endpoints = json!({
            "s3": s3_url, "mediaconvert": mediaconvert_url,
            "cdn": format!("{page_url}/cdn"), "api": format!("{page_url}/api"),
        });
        let router = page_router(&options, api, endpoints, s3_client, &s3_service, &s3_url);

        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(server::serve(page, router, stopped.clone()));
        tasks.spawn(server::serve(s3, s3_service.router(), stopped.clone()));
        tasks.spawn(server::serve(mediaconvert, mediaconvert_service.router(), stopped.clone()));
        tasks.spawn(server::run_until_stopped(stopped.clone(), outbox.clone().deliver(handler)));
        tasks.spawn(server::run_until_stopped(stopped, schedule_reconcile(outbox.clone())));
        Ok(Self {
            page: page_url,
            s3: s3_url,
            mediaconvert: mediaconvert_url,
            outbox,
            mediaconvert_service,
            tasks,
            stop,
            _lock: lock,
        })
    }

    /// Cancels running conversions (they are restarted at the next start) and waits for open requests.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        self.mediaconvert_service.shutdown().await;
        server::join(&mut self.tasks).await;
    }
}

/// Listens on three ports; returns each listener with its URL.
async fn listen(host: IpAddr, port: u16) -> Result<[(TcpListener, String); 3], StartError> {
    let bind = async |offset: u16| {
        let port = if port == 0 { 0 } else { port.checked_add(offset).ok_or(StartError::PortRange)? };
        server::listen(host, port).await
    };
    Ok([bind(0).await?, bind(1).await?, bind(2).await?])
}

fn buckets(page: &str, allowed_origins: &[String]) -> Vec<BucketConfig> {
    let uploads = CorsRule {
        allowed_origins: [&[page.to_owned()], allowed_origins].concat(),
        allowed_methods: vec!["PUT".into()],
        allowed_headers: vec!["x-amz-checksum-crc64nvme".into()],
        // The uploader waits as long as S3 asks it to.
        expose_headers: vec!["Retry-After".into()],
        max_age_seconds: Some(3600),
    };
    vec![
        BucketConfig {
            name: UPLOAD_BUCKET.into(),
            cors: vec![uploads],
            notify_prefixes: vec!["inputs/".into(), "captions/".into()],
        },
        BucketConfig { name: MEDIA_BUCKET.into(), cors: Vec::new(), notify_prefixes: Vec::new() },
    ]
}

/// Creates the edge in this process.
fn local_edge(
    options: &Options,
    page: &str,
    s3: &SdkConfig,
    mediaconvert: &SdkConfig,
) -> Result<Edge, StartError> {
    let environment = if options.host.is_loopback() { Environment::Loopback } else { Environment::Network };
    let secret = secrets::load_or_create(&options.data.join("upload-token-secret"))?;
    let catalog = options.data.join("catalog.db");
    let unspecified = options.host.is_unspecified();
    let config = Config::read(environment, |name| {
        let default = || {
            Some(match name {
                "UPLOAD_BUCKET" => UPLOAD_BUCKET.into(),
                "DESTINATION_BUCKET" => MEDIA_BUCKET.into(),
                "MEDIA_CONVERT_ROLE" => ROLE.into(),
                "UPLOAD_TOKEN_SECRET" => secret.clone(),
                "CATALOG" => format!("sqlite:{}", catalog.display()),
                // Browsers can't reach an unspecified address, so there is no default then.
                "CDN_BASE_URL" if !unspecified => format!("{page}/cdn"),
                // Parts on the page's origin need no preflight, and clients need only one port.
                "UPLOAD_BASE_URL" if !unspecified => page.into(),
                "AUTH_MODE" if environment == Environment::Loopback => "none".into(),
                _ => return None,
            })
        };
        let given = (options.env)(name);
        if name == "ALLOWED_ORIGINS" {
            return Some(given.iter().chain(&options.allowed_origins).cloned().collect::<Vec<_>>().join(","));
        }
        given.or_else(default)
    })
    .map_err(|error| StartError::Edge(error.into()))?;
    let job = JobTemplate::parse_validated(&options.job).map_err(|error| StartError::Edge(error.into()))?;
    Edge::new(config, job, &Aws { s3, s3_path_style: true, mediaconvert, dynamodb: s3 })
        .map_err(|error| StartError::Edge(error.into()))
}

/// Sends the `Reconcile` event at each interval: the local counterpart of an EventBridge schedule.
async fn schedule_reconcile(outbox: Outbox) {
    let mut interval = tokio::time::interval(RECONCILE_INTERVAL);
    loop {
        interval.tick().await;
        let event = json!({ "source": "greloupis", "detail-type": "Reconcile", "detail": {} });
        if let Err(error) = outbox.send(event).await {
            tracing::warn!(%error, "reconcile event can't be queued");
        }
    }
}

/// Sends an event for each deleted video: the local counterpart of the stream of the catalog's table. If the event is
/// lost, the reconciler finds the video.
async fn send_deletions(State(outbox): State<Outbox>, request: Request, next: Next) -> Response {
    let video_id = request.uri().path().rsplit_once("/videos/").map(|(_, id)| id.to_owned());
    let video_id = video_id.filter(|_| request.method() == Method::DELETE);
    let response = next.run(request).await;
    if let Some(video_id) = video_id.filter(|_| response.status().is_success()) {
        let detail = json!({ "videoId": video_id });
        let event = json!({ "source": "greloupis", "detail-type": "Video Deleted", "detail": detail });
        if let Err(error) = outbox.send(event).await {
            tracing::warn!(%error, "the deletion of a video can't be queued");
        }
    }
    response
}

/// Returns the handler that delivers events to the edge in this process, as Lambda does.
fn event_handler(edge: &Edge) -> Handler {
    let service = edge.lambda_service();
    Arc::new(move |event| {
        let mut service = service.clone();
        Box::pin(async move {
            let outcome = service.call(edge::event_request(&event)).await;
            outcome.map(drop).map_err(|error| error.to_string())
        })
    })
}

fn page_router(
    options: &Options,
    api: Router,
    endpoints: serde_json::Value,
    s3_client: aws_sdk_s3::Client,
    s3: &S3,
    s3_url: &str,
) -> Router {
    let health = json!({ "status": "ok", "endpoints": endpoints });
    let host = s3_url.trim_start_matches("http://").to_owned();
    let parts = put(forward_to_s3).options(forward_to_s3).with_state((s3.router(), host));
    let router = Router::new()
        .route("/healthz", get(move || async move { axum::Json(health) }))
        .merge(api)
        .route("/inputs/{*key}", parts.clone())
        .route("/captions/{*key}", parts)
        .nest("/cdn", cdn::router(s3_client, MEDIA_BUCKET.into()));
    let Some(site) = &options.site else { return router };
    // Browsers revalidate the page's files, which change with each build.
    let no_cache = HeaderValue::from_static("no-cache");
    router.fallback_service(
        tower::ServiceBuilder::new()
            .layer(SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, no_cache))
            .service(ServeDir::new(site)),
    )
}

/// Parts on the page's origin, and their preflights from other origins' pages: the local counterpart of CloudFront in
/// front of the upload bucket. The signature in the query is for the bucket's host, so `Host` is replaced.
async fn forward_to_s3(State((s3, host)): State<(Router, String)>, mut request: Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let (Ok(uri), Ok(host)) =
        (format!("/{UPLOAD_BUCKET}{path}").parse::<Uri>(), HeaderValue::from_str(&host))
    else {
        return axum::http::StatusCode::BAD_REQUEST.into_response();
    };
    *request.uri_mut() = uri;
    request.headers_mut().insert(header::HOST, host);
    match s3.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
