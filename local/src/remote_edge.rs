//! An edge that runs as a Lambda, reached by its function URL and its Invoke API instead of in this process.

use crate::outbox::Handler;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use thiserror::Error;

/// Lambda's maximum request body, in bytes.
const MAX_BODY_SIZE: usize = 6 * 1024 * 1024;
/// Headers that aren't forwarded, because they apply to one connection.
const HOP_BY_HOP_HEADERS: [HeaderName; 4] =
    [header::CONNECTION, header::CONTENT_LENGTH, header::HOST, header::TRANSFER_ENCODING];

/// The error of creating a [`RemoteEdge`].
#[derive(Debug, Error)]
pub enum RemoteEdgeError {
    #[error("--edge must be http://HOST:PORT, not {0}")]
    Url(String),
    #[error("the HTTP client can't be created: {0}")]
    Client(#[from] reqwest::Error),
}

/// A client of the Lambda's function URL and Invoke API.
#[derive(Clone)]
pub struct RemoteEdge {
    url: String,
    client: reqwest::Client,
}

impl RemoteEdge {
    /// Creates a client for `http://HOST:PORT`.
    pub fn new(url: &str) -> Result<Self, RemoteEdgeError> {
        let invalid = || RemoteEdgeError::Url(url.to_owned());
        let uri = url.parse::<axum::http::Uri>().map_err(|_| invalid())?;
        if uri.scheme_str() != Some("http") || uri.authority().is_none() {
            return Err(invalid());
        }
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        let client = client.build()?;
        Ok(Self { url: url.trim_end_matches('/').into(), client })
    }

    /// Forwards every request under `/api` with its path unchanged, as a CDN does.
    pub fn router(&self) -> Router {
        Router::new().route("/api/{*path}", axum::routing::any(forward_or_502)).with_state(self.clone())
    }

    /// Invokes the function with each event. A function error is an error of the handler.
    pub fn handler(&self) -> Handler {
        let edge = self.clone();
        Arc::new(move |event| {
            let edge = edge.clone();
            Box::pin(async move { edge.invoke(event.to_string()).await })
        })
    }

    async fn invoke(&self, event: String) -> Result<(), String> {
        let url = format!("{}/2015-03-31/functions/edge/invocations", self.url);
        let response = self.client.post(url).body(event).send().await.map_err(|error| error.to_string())?;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.map_err(|error| error.to_string())?;
        if status.is_success() && !headers.contains_key("x-amz-function-error") { Ok(()) } else { Err(text) }
    }

    async fn forward(&self, request: Request) -> Result<Response, reqwest::Error> {
        let (parts, body) = request.into_parts();
        let Ok(body) = to_bytes(body, MAX_BODY_SIZE).await else {
            return Ok(StatusCode::PAYLOAD_TOO_LARGE.into_response());
        };
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let request = self.client.request(parts.method, format!("{}{path}", self.url));
        let reply = request.headers(strip_hop_headers(parts.headers)).body(body).send().await?;
        let (status, headers) = (reply.status(), reply.headers().clone());
        let mut response = Response::new(Body::from(reply.bytes().await?));
        *response.status_mut() = status;
        *response.headers_mut() = strip_hop_headers(headers);
        Ok(response)
    }
}

async fn forward_or_502(State(edge): State<RemoteEdge>, request: Request) -> Response {
    edge.forward(request).await.unwrap_or_else(|error| {
        tracing::error!(error = %error.without_url(), "edge can't be reached");
        StatusCode::BAD_GATEWAY.into_response()
    })
}

fn strip_hop_headers(mut headers: HeaderMap) -> HeaderMap {
    for name in HOP_BY_HOP_HEADERS {
        headers.remove(name);
    }
    headers
}
