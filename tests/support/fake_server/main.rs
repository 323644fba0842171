//! `fake_server`: the edge's API and S3 in one process, for tests and benchmarks of the uploader. It keeps sizes
//! and checksums of parts, not their bytes. The first path segment selects faults.
//!
//! ```text
//! /FAULTS/api/…            the edge's HTTP API
//! /FAULTS/s3/BUCKET/KEY    S3's multipart calls
//! /inspect[/VIDEO]         counts of one upload, or of all
//! ```
//!
//! `FAULTS` is `plain`, or names in `faults.rs` joined by commas. `fake_server [PORT]` prints its address.

mod edge;
mod faults;
mod s3;
mod state;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use faults::Faults;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use state::Uploads;
use std::io::Write;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

/// The header of a part's CRC64NVME.
pub const CHECKSUM_HEADER: &str = "x-amz-checksum-crc64nvme";

/// Marks a response (as an extension) that is replaced by closing the connection.
#[derive(Clone, Copy, Debug)]
pub struct CloseConnection;

impl CloseConnection {
    pub fn response() -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(Self);
        response
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(0);
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    let app = app(Uploads::default());
    writeln!(std::io::stdout(), "fake_server http://{}", listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream, app.clone()));
    }
}

fn app(uploads: Uploads) -> Router {
    Router::new()
        .merge(edge::routes())
        .merge(s3::routes())
        .layer(middleware::from_fn_with_state(uploads.clone(), delay_and_cors))
        .with_state(uploads)
}

async fn serve(stream: TcpStream, app: Router) {
    // Without it, Nagle's algorithm delays small responses.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let app = app.clone();
        async move {
            let Ok(response) = app.oneshot(request.map(Body::new)).await;
            match response.extensions().get::<CloseConnection>() {
                Some(CloseConnection) => Err("closed by a fault"),
                None => Ok(response),
            }
        }
    });
    // Broken connections are expected: faults cause them.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Adds the fault's delay, answers preflights, and adds the CORS headers.
async fn delay_and_cors(State(uploads): State<Uploads>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let fault_names = path.split('/').nth(1).unwrap_or_default();
    let faults = Faults::parse(fault_names).unwrap_or_default();
    if let Some(delay) = faults.delay() {
        tokio::time::sleep(delay).await;
    }
    let mut response = if request.method() == Method::OPTIONS {
        uploads.count_preflight(request.uri());
        let requested = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        let mut response = StatusCode::NO_CONTENT.into_response();
        if let Some(requested) = requested {
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_HEADERS, requested);
        }
        response
            .headers_mut()
            .insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, PUT, POST, DELETE"));
        // As S3's: cacheable, but per URL, and each part has its own URL.
        response.headers_mut().insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3000"));
        response
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    // The other uploaders read the ETag.
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("etag, retry-after"));
    response
}
