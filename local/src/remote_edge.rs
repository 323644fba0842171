//! An edge that runs elsewhere, as on AWS: a Lambda behind its function URL and its Invoke API, in place of the
//! one in this process.

use crate::outbox::Handler;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// In bytes. Lambda takes no more.
const LARGEST_BODY: usize = 6 * 1024 * 1024;
/// What belongs to one connection, not to the message.
const OF_THE_HOP: [HeaderName; 4] =
    [header::CONNECTION, header::CONTENT_LENGTH, header::HOST, header::TRANSFER_ENCODING];

#[derive(Clone)]
pub struct Elsewhere {
    url: String,
    client: reqwest::Client,
}

impl Elsewhere {
    /// An edge at `http://HOST:PORT`.
    pub fn at(url: &str) -> Result<Self, String> {
        let wrong = || format!("--edge must be http://HOST:PORT, not {url}");
        let uri = url.parse::<axum::http::Uri>().map_err(|_| wrong())?;
        if uri.scheme_str() != Some("http") || uri.authority().is_none() {
            return Err(wrong());
        }
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        let client = client.build().map_err(|error| format!("no HTTP client can be had: {error}"))?;
        Ok(Self { url: url.trim_end_matches('/').into(), client })
    }

    /// Hands on every request under `/api`, its path unchanged, as a CDN does.
    pub fn router(&self) -> Router {
        Router::new().route("/api/{*path}", axum::routing::any(relay)).with_state(self.clone())
    }

    /// Invokes the function with each event. One that it fails on hasn't been taken.
    pub fn handler(&self) -> Handler {
        let edge = self.clone();
        Arc::new(move |event| {
            let edge = edge.clone();
            Box::pin(async move { edge.invoke(event.to_string()).await })
        })
    }

    async fn invoke(&self, event: String) -> Result<(), String> {
        let url = format!("{}/2015-03-31/functions/edge/invocations", self.url);
        let answer = self.client.post(url).body(event).send().await.map_err(|error| error.to_string())?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let said = answer.text().await.map_err(|error| error.to_string())?;
        if status.is_success() && !headers.contains_key("x-amz-function-error") { Ok(()) } else { Err(said) }
    }

    async fn send(&self, request: Request) -> Result<Response, reqwest::Error> {
        let (head, body) = request.into_parts();
        let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
            return Ok(StatusCode::PAYLOAD_TOO_LARGE.into_response());
        };
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let request = self.client.request(head.method, format!("{}{path}", self.url));
        let answer = request.headers(of_the_message(head.headers)).body(body).send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut response = Response::new(Body::from(answer.bytes().await?));
        *response.status_mut() = status;
        *response.headers_mut() = of_the_message(headers);
        Ok(response)
    }
}

async fn relay(State(edge): State<Elsewhere>, request: Request) -> Response {
    edge.send(request).await.unwrap_or_else(|error| {
        tracing::error!(error = %error.without_url(), "the edge can't be reached");
        StatusCode::BAD_GATEWAY.into_response()
    })
}

fn of_the_message(mut headers: HeaderMap) -> HeaderMap {
    for name in OF_THE_HOP {
        headers.remove(name);
    }
    headers
}
