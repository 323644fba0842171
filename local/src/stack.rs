//! Wires the local services to the edge and to the network.

use crate::db::Db;
use crate::mediaconvert::{self, MediaConvert, MediaConvertConfig};
use crate::outbox::{Handler, Outbox};
use crate::remote_edge::Elsewhere;
use crate::s3::{self, BucketConfig, CorsRule, S3, S3Config};
use crate::{cdn, secrets};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use edge::config::{Config, Place};
use edge::job::JobTemplate;
use edge::{App, Aws};
use serde_json::json;
use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::{Service, ServiceExt};
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

const ACCESS_KEY: &str = "local";
/// Known to everybody, so it serves on loopback only.
const LOOPBACK_SECRET: &str = "locallocal";
const REGION: &str = "us-east-1";
const UPLOADS: &str = "uploads";
const MEDIA: &str = "media";
/// Nobody assumes it here; MediaConvert's API wants one.
const ROLE: &str = "arn:aws:iam::000000000000:role/local";

const RECONCILE_EVERY: Duration = Duration::from_secs(3600);

/// Looks a variable up.
pub type Env = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What to run, and where.
pub struct Options {
    pub host: IpAddr,
    /// The page's port; S3 has the next one, MediaConvert the one after. 0 takes any three that are free.
    pub port: u16,
    pub data: PathBuf,
    /// The page's files; none are served without.
    pub site: Option<PathBuf>,
    /// A Lambda's function URL and Invoke API; without, the edge runs here.
    pub edge: Option<String>,
    /// The text of job.json.
    pub job: String,
    /// Settings of the edge that are to differ from the local ones, by their names in the environment.
    pub env: Env,
}

/// The running system. Dropping it ends it at once, as a kill would; `stop` ends it in order.
pub struct Stack {
    pub page: String,
    pub s3: String,
    pub mediaconvert: String,
    /// Events put here reach the edge, as if a service had sent them.
    pub outbox: Outbox,
    mediaconvert_service: MediaConvert,
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    /// Held as long as the data folder is ours.
    _lock: File,
}

impl Stack {
    /// Starts everything. The error is one sentence that says what to change.
    pub async fn start(options: Options) -> Result<Self, String> {
        let lock = take_folder(&options.data)?;
        let loopback = options.host.is_loopback();
        let secret_key =
            if loopback { LOOPBACK_SECRET.into() } else { secrets::kept(&options.data.join("s3-secret"))? };
        let [page, s3, mediaconvert] = listen(options.host, options.port).await?;
        let address = |listener: &TcpListener| {
            let address = listener.local_addr().map_err(|error| format!("a port is gone: {error}"))?;
            Ok::<_, String>(format!("http://{address}"))
        };
        let (page_url, s3_url, mediaconvert_url) = (address(&page)?, address(&s3)?, address(&mediaconvert)?);

        let db = Db::open(&options.data.join("local.db")).map_err(|error| unusable(&options.data, &error))?;
        let outbox = Outbox::open(db.clone()).await.map_err(|error| unusable(&options.data, &error))?;
        let s3_service = s3::open(S3Config {
            root: options.data.join("s3"),
            db: db.clone(),
            outbox: outbox.clone(),
            access_key: ACCESS_KEY.into(),
            secret_key: secret_key.clone(),
            region: REGION.into(),
            buckets: buckets(&page_url),
        })
        .await
        .map_err(|error| error.to_string())?;

        let s3_sdk = sdk(&secret_key, &s3_url);
        let s3_client = aws_sdk_s3::Client::from_conf(
            aws_sdk_s3::config::Builder::from(&s3_sdk).force_path_style(true).build(),
        );
        let mediaconvert_service = mediaconvert::open(MediaConvertConfig {
            work_dir: options.data.join("mediaconvert"),
            db,
            outbox: outbox.clone(),
            s3: s3_client.clone(),
            access_key: ACCESS_KEY.into(),
            secret_key: secret_key.clone(),
            region: REGION.into(),
            endpoint: mediaconvert_url.clone(),
        })
        .await
        .map_err(|error| error.to_string())?;

        let (api, handler) = match &options.edge {
            Some(url) => {
                let edge = Elsewhere::at(url)?;
                (edge.router(), edge.handler())
            }
            None => {
                let app = edge(&options, &page_url, &s3_sdk, &sdk(&secret_key, &mediaconvert_url))?;
                (Router::new().nest("/api", app.router()), handler(&app))
            }
        };
        let endpoints = json!({
            "s3": s3_url, "mediaconvert": mediaconvert_url,
            "cdn": format!("{page_url}/cdn"), "api": format!("{page_url}/api"),
        });
        let router = page_router(&options, api, endpoints, s3_client, &s3_service, &s3_url);

        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(page, router, stopped.clone()));
        tasks.spawn(serve(s3, s3_service.router(), stopped.clone()));
        tasks.spawn(serve(mediaconvert, mediaconvert_service.router(), stopped.clone()));
        tasks.spawn(until(stopped.clone(), outbox.clone().deliver(handler)));
        tasks.spawn(until(stopped, remind(outbox.clone())));
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

    /// Ends running conversions (they start again next time) and lets open requests finish.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        self.mediaconvert_service.shutdown().await;
        let finish = async { while self.tasks.join_next().await.is_some() {} };
        // A browser that keeps its connections open shall not keep us up.
        let _ = tokio::time::timeout(Duration::from_secs(3), finish).await;
    }
}

/// Makes the data folder and sees to it that nobody else uses it.
fn take_folder(data: &Path) -> Result<File, String> {
    let path = data.join("lock");
    let lock =
        fs::create_dir_all(data).and_then(|()| File::create(path)).map_err(|error| unusable(data, &error))?;
    lock.try_lock().map_err(|_| {
        format!("The data folder {} is in use by another server; stop it or choose --data.", data.display())
    })?;
    Ok(lock)
}

fn unusable(data: &Path, error: &dyn std::fmt::Display) -> String {
    format!("The data folder {} can't be used ({error}); choose another with --data.", data.display())
}

async fn listen(host: IpAddr, port: u16) -> Result<[TcpListener; 3], String> {
    let bind = async |offset: u16| {
        let port =
            if port == 0 { 0 } else { port.checked_add(offset).ok_or("--port must be below 65534")? };
        let address = SocketAddr::new(host, port);
        TcpListener::bind(address)
            .await
            .map_err(|error| format!("{address} can't be listened on ({error}); choose another with --port."))
    };
    Ok([bind(0).await?, bind(1).await?, bind(2).await?])
}

/// The same client settings as on AWS, with other addresses.
fn sdk(secret_key: &str, endpoint: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            ACCESS_KEY, secret_key, None, None, "local",
        )))
        .endpoint_url(endpoint)
        .build()
}

fn buckets(page: &str) -> Vec<BucketConfig> {
    let uploads = CorsRule {
        allowed_origins: vec![page.into()],
        allowed_methods: vec!["PUT".into()],
        allowed_headers: vec!["*".into()],
        expose_headers: vec!["ETag".into(), "x-amz-checksum-crc64nvme".into()],
        max_age_seconds: Some(3600),
    };
    vec![
        BucketConfig { name: UPLOADS.into(), cors: vec![uploads], notify_prefix: Some("inputs/".into()) },
        BucketConfig { name: MEDIA.into(), cors: Vec::new(), notify_prefix: None },
    ]
}

fn edge(options: &Options, page: &str, s3: &SdkConfig, mediaconvert: &SdkConfig) -> Result<App, String> {
    let place = if options.host.is_loopback() { Place::Loopback } else { Place::Network };
    let secret = secrets::kept(&options.data.join("upload-token-secret"))?;
    let catalog = options.data.join("catalog.db");
    let unspecified = options.host.is_unspecified();
    let config = Config::read(place, |name| {
        let ours = || {
            Some(match name {
                "UPLOAD_BUCKET" => UPLOADS.into(),
                "DESTINATION_BUCKET" => MEDIA.into(),
                "MEDIA_CONVERT_ROLE" => ROLE.into(),
                "UPLOAD_TOKEN_SECRET" => secret.clone(),
                "CATALOG" => format!("sqlite:{}", catalog.display()),
                // No browser can reach an unspecified address: then the person must name one.
                "CDN_BASE_URL" if !unspecified => format!("{page}/cdn"),
                // On the page's own origin no part needs a preflight, and others need reach one port only.
                "UPLOAD_BASE_URL" if !unspecified => page.into(),
                "AUTH_MODE" if place == Place::Loopback => "none".into(),
                _ => return None,
            })
        };
        (options.env)(name).or_else(ours)
    })
    .map_err(|error| error.to_string())?;
    let job = JobTemplate::checked(&options.job)?;
    App::new(config, job, &Aws { s3, s3_path_style: true, mediaconvert, dynamodb: s3 })
        .map_err(|error| error.to_string())
}

/// Has the edge look for what was missed, now and then: what a schedule of EventBridge does on AWS.
async fn remind(outbox: Outbox) {
    let mut times = tokio::time::interval(RECONCILE_EVERY);
    loop {
        times.tick().await;
        let event = json!({ "source": "greloupis", "detail-type": "Reconcile", "detail": {} });
        if let Err(error) = outbox.send(event).await {
            tracing::warn!(%error, "the reconciler isn't reminded");
        }
    }
}

/// Hands events to the edge as Lambda does.
fn handler(app: &App) -> Handler {
    let gate = app.gate();
    Arc::new(move |event| {
        let mut gate = gate.clone();
        Box::pin(async move {
            let outcome = gate.call(edge::invocation(&event)).await;
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
    let router = Router::new()
        .route("/healthz", get(move || async move { axum::Json(health) }))
        .merge(api)
        .route("/inputs/{*key}", put(same_origin).with_state((s3.router(), host)))
        .nest("/cdn", cdn::router(s3_client, MEDIA.into()));
    let Some(site) = &options.site else { return router };
    // The page changes with each build; browsers ask, and mostly hear that nothing has.
    let no_cache = HeaderValue::from_static("no-cache");
    router.fallback_service(
        tower::ServiceBuilder::new()
            .layer(SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, no_cache))
            .service(ServeDir::new(site)),
    )
}

/// `PUT /inputs/…` on the page's own origin: what CloudFront in front of the upload bucket does on AWS. The
/// query carries the signature, which is for the bucket's own host.
async fn same_origin(State((s3, host)): State<(Router, String)>, mut request: Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let (Ok(uri), Ok(host)) = (format!("/{UPLOADS}{path}").parse::<Uri>(), HeaderValue::from_str(&host))
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

async fn serve(listener: TcpListener, router: Router, stopped: watch::Receiver<bool>) {
    let served = axum::serve(listener, router).with_graceful_shutdown(is_set(stopped));
    if let Err(error) = served.await {
        tracing::error!(%error, "a server ended");
    }
}

async fn is_set(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, and so are we.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn until(stopped: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = is_set(stopped) => {}
    }
}
