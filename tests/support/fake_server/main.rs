//! A small server that plays the edge and S3 at once, for tests and benchmarks of the uploader: it drains what
//! it is sent and keeps only sizes and checksums. What goes wrong is chosen by the first word of the path.
//!
//! ```text
//! /FAULTS/api/…            the edge, as the contract has it
//! /FAULTS/s3/BUCKET/KEY    S3's multipart calls
//! /inspect[/VIDEO]         what has become of an upload, or of all
//! ```
//!
//! `FAULTS` is `plain`, or words of `faults.rs` joined by commas.

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
use state::Sink;
use std::io::Write;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

/// In a response's extensions: the connection is cut instead of answering.
#[derive(Clone, Copy, Debug)]
pub struct HangUp;

impl HangUp {
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
    let app = app(Sink::default());
    writeln!(std::io::stdout(), "fake_server http://{}", listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream, app.clone()));
    }
}

fn app(sink: Sink) -> Router {
    Router::new()
        .merge(edge::routes())
        .merge(s3::routes())
        .layer(middleware::from_fn_with_state(sink.clone(), as_if_far_away))
        .with_state(sink)
}

async fn serve(stream: TcpStream, app: Router) {
    // Small answers would wait for company otherwise.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let app = app.clone();
        async move {
            let Ok(response) = app.oneshot(request.map(Body::new)).await;
            match response.extensions().get::<HangUp>() {
                Some(HangUp) => Err("hung up on purpose"),
                None => Ok(response),
            }
        }
    });
    // A client that leaves, or is left, is what this server is for.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// The delay, preflights, and the headers of CORS.
async fn as_if_far_away(State(sink): State<Sink>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let first = path.split('/').nth(1).unwrap_or_default();
    let faults = Faults::parse(first).unwrap_or_default();
    if let Some(delay) = faults.delay() {
        tokio::time::sleep(delay).await;
    }
    let mut response = if request.method() == Method::OPTIONS {
        sink.preflight(request.uri());
        let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        let mut response = StatusCode::NO_CONTENT.into_response();
        if let Some(asked) = asked {
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked);
        }
        response
            .headers_mut()
            .insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, PUT, POST, DELETE"));
        // As S3: remembered, but only for one URL, and each part has its own.
        response.headers_mut().insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3000"));
        response
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if !faults.has(faults::Fault::NoEtag) {
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("etag, x-amz-checksum-crc64nvme"),
        );
    }
    response
}
