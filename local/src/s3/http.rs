//! HTTP layer in front of `s3s`: adds CORS and request ids, reads bodies that an error response leaves unread,
//! completes requests whose client disconnects, and keeps requests out of the log.

use super::backend::{CorsTable, RequestId};
use super::error::OperationError;
use super::{access, cors, http_date, supported};
use crate::random::random_hex;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use s3s::service::S3Service;
use s3s::{S3Error, s3_error};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;
use wire::MAX_PART_SIZE;

/// State of the HTTP layer.
#[derive(Clone)]
pub struct HttpLayer {
    pub service: S3Service,
    pub cors: CorsTable,
    pub log: tracing::Dispatch,
}

/// Handles every request, including preflights.
pub async fn handle(State(layer): State<HttpLayer>, request: Request) -> Response {
    let id = random_hex(8).unwrap_or_default().to_uppercase();
    let (method, origin) = (request.method().clone(), request.headers().get(header::ORIGIN).cloned());
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let rules = layer.cors.get(addressed_bucket(host, request.uri().path()));

    let mut response = if method == Method::OPTIONS {
        preflight(rules.as_deref().unwrap_or_default(), request.headers())
    } else {
        layer.call(request, RequestId(id.clone())).await
    };
    if response.status().is_client_error() || response.status().is_server_error() {
        response = with_request_id(response, &id).await;
    }
    let headers = response.headers_mut();
    if let Some(rules) = rules {
        headers.append(header::VARY, cors::VARY);
        if let (Some(origin), false) = (origin, method == Method::OPTIONS) {
            headers.extend(cors::response_headers(&rules, &origin, method.as_str()));
        }
    }
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert("x-amz-request-id", id);
    }
    response
}

/// Returns the bucket that a request is about; empty for none.
fn addressed_bucket<'a>(host: &'a str, path: &'a str) -> &'a str {
    access::virtual_bucket(host).unwrap_or_else(|| path.split('/').nth(1).unwrap_or_default())
}

/// Adds the headers that the query of a presigned URL stands for, and rewrites unsigned headers for `s3s`, which
/// reads dates in one form only and refuses requests for several ranges. S3 answers those with the whole object.
fn normalize(query: &str, headers: &mut HeaderMap) -> Result<(), S3Error> {
    if query.contains("X-Amz-Signature=") {
        for (name, value) in supported::parameters(query) {
            if !supported::is_hoisted_header(&name) {
                continue;
            }
            let (Ok(header), Ok(value)) =
                (HeaderName::try_from(name.as_ref()), HeaderValue::try_from(value.as_ref()))
            else {
                return Err(s3_error!(InvalidArgument, "The parameter {name} is no valid header."));
            };
            headers.insert(header, value);
        }
    }
    let signed = access::signed_headers(Some(query), headers).unwrap_or_default();
    let is_signed = |name: &HeaderName| signed.iter().any(|signed| signed == name.as_str());
    for name in [header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE] {
        let Some(value) = headers.get(&name).filter(|_| !is_signed(&name)) else { continue };
        match value.to_str().ok().and_then(http_date::normalized).map(HeaderValue::try_from) {
            Some(Ok(date)) => drop(headers.insert(name, date)),
            // RFC 9110, 13.1.3: a condition that is no date is ignored.
            _ => drop(headers.remove(name)),
        }
    }
    let range = headers.get(header::RANGE).filter(|_| !is_signed(&header::RANGE));
    if range.is_some_and(|range| !range.to_str().is_ok_and(|range| s3s::dto::Range::parse(range).is_ok())) {
        headers.remove(header::RANGE);
    }
    Ok(())
}

fn preflight(rules: &[cors::CorsRule], headers: &HeaderMap) -> Response {
    match cors::preflight(rules, headers) {
        Ok(headers) => {
            let mut response = Response::default();
            *response.headers_mut() = headers;
            response
        }
        Err(error) => error_response(error),
    }
}

/// Adds the request's id to the XML of an error, where S3's clients and their logs look for it.
async fn with_request_id(response: Response, id: &str) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    match text.strip_suffix("</Error>") {
        Some(start) => {
            parts.headers.remove(header::CONTENT_LENGTH);
            let body = format!("{start}<RequestId>{id}</RequestId></Error>");
            Response::from_parts(parts, Body::from(body))
        }
        None => Response::from_parts(parts, Body::from(bytes)),
    }
}

fn error_response(error: S3Error) -> Response {
    match error.to_http_response() {
        Ok(response) => response.map(Body::new),
        Err(_) => empty_response(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn empty_response(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

impl HttpLayer {
    async fn call(&self, request: Request, id: RequestId) -> Response {
        let expects_continue = request.headers().contains_key(header::EXPECT);
        let is_form = request.method() == Method::POST
            && request
                .headers()
                .get(header::CONTENT_TYPE)
                .is_some_and(|kind| kind.as_bytes().to_ascii_lowercase().starts_with(b"multipart/form-data"));
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(id);
        let query = parts.uri.query().unwrap_or_default();
        let checked = supported::check_authentication(query, &parts.headers)
            .and_then(|()| normalize(query, &mut parts.headers));
        let body = SharedBody::new(body);
        let request = http::Request::from_parts(parts, s3s::Body::http_body(body.clone()));
        let response = if is_form {
            // `s3s` would read the whole form into memory before it checks the signature.
            error_response(s3_error!(NotImplemented, "Uploads by HTML form are not implemented."))
        } else if let Err(error) = checked {
            error_response(error)
        } else {
            self.run_detached(request).await
        };
        // A client that waits for `100 Continue` doesn't send the body after an error.
        if body.is_started() || !expects_continue {
            body.drain().await;
        }
        response
    }

    /// Runs the service in a separate task, so that a disconnecting client can't interrupt it between disk and
    /// database. Logging is disabled, because `s3s` logs whole requests including signatures.
    async fn run_detached(&self, request: s3s::HttpRequest) -> Response {
        let service = self.service.clone();
        let call = async move { service.call(request).await };
        match tokio::spawn(call.with_subscriber(NoSubscriber::default())).await {
            Ok(Ok(response)) => response.map(Body::new),
            Ok(Err(_)) => empty_response(StatusCode::INTERNAL_SERVER_ERROR),
            Err(error) => {
                let error = OperationError::Disk(std::io::Error::other(error));
                error_response(error.into_s3_error(&self.log))
            }
        }
    }
}

/// A request body that can still be read after the service has dropped it.
#[derive(Clone)]
struct SharedBody(Arc<Shared>);

struct Shared {
    body: Mutex<Body>,
    started: AtomicBool,
}

impl SharedBody {
    fn new(body: Body) -> Self {
        Self(Arc::new(Shared { body: Mutex::new(body), started: AtomicBool::new(false) }))
    }

    fn is_started(&self) -> bool {
        self.0.started.load(Ordering::Relaxed)
    }

    /// Reads and discards the rest, at most the size of one part. A connection that is closed with unread bytes
    /// is reset, and then a browser doesn't receive the response (for example, that the URL has expired).
    async fn drain(mut self) {
        let mut remaining = MAX_PART_SIZE;
        while let Some(Ok(frame)) = self.frame().await {
            remaining = remaining.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
            if remaining == 0 {
                return;
            }
        }
    }

    fn with_body<T>(&self, action: impl FnOnce(&mut Body) -> T) -> T {
        action(&mut self.0.body.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl HttpBody for SharedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.0.started.store(true, Ordering::Relaxed);
        self.with_body(|body| Pin::new(body).poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.with_body(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with_body(|body| body.size_hint())
    }
}
