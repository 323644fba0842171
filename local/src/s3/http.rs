//! What stands between HTTP and `s3s`: CORS, which `s3s` leaves out; bodies that a refusal leaves unread;
//! and the walls around it: a request once begun is carried to its end, and nothing of it is logged.

use super::blobs::random_hex;
use super::cors;
use super::error::Failure;
use super::operations::CorsTable;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, header};
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

#[derive(Clone)]
pub struct Front {
    pub service: S3Service,
    pub cors: CorsTable,
    pub log: tracing::Dispatch,
}

/// The id that an answer and its event share.
#[derive(Clone)]
pub struct RequestId(String);

impl RequestId {
    /// The id of the request with these extensions.
    pub fn of(extensions: &Extensions) -> String {
        extensions.get::<Self>().map(|id| id.0.clone()).unwrap_or_default()
    }
}

/// Answers any request.
pub async fn handle(State(front): State<Front>, request: Request) -> Response {
    let id = random_hex(8).unwrap_or_default().to_uppercase();
    let (method, origin) = (request.method().clone(), request.headers().get(header::ORIGIN).cloned());
    let bucket = request.uri().path().split('/').nth(1).unwrap_or_default();
    let rules = front.cors.get(bucket);

    let mut response = if method == Method::OPTIONS {
        preflight(rules.as_deref().unwrap_or_default(), request.headers())
    } else {
        front.call(request, RequestId(id.clone())).await
    };
    let headers = response.headers_mut();
    if let Some(rules) = rules {
        headers.append(header::VARY, cors::VARY);
        if let (Some(origin), false) = (origin, method == Method::OPTIONS) {
            headers.extend(cors::of_answer(&rules, &origin, method.as_str()));
        }
    }
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert("x-amz-request-id", id);
    }
    response
}

fn preflight(rules: &[cors::CorsRule], headers: &HeaderMap) -> Response {
    match cors::preflight(rules, headers) {
        Ok(headers) => {
            let mut response = Response::default();
            *response.headers_mut() = headers;
            response
        }
        Err(error) => refusal(error),
    }
}

fn refusal(error: S3Error) -> Response {
    match error.to_http_response() {
        Ok(response) => response.map(Body::new),
        Err(_) => status(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn status(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

impl Front {
    async fn call(&self, request: Request, id: RequestId) -> Response {
        let expects = request.headers().contains_key(header::EXPECT);
        let form = request.method() == Method::POST
            && request
                .headers()
                .get(header::CONTENT_TYPE)
                .is_some_and(|kind| kind.as_bytes().to_ascii_lowercase().starts_with(b"multipart/form-data"));
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(id);
        let body = SharedBody::new(body);
        let request = http::Request::from_parts(parts, s3s::Body::http_body(body.clone()));
        let response = if form {
            // `s3s` would take the whole form into memory before it asks who sends it.
            refusal(s3_error!(NotImplemented, "Uploads by HTML form are not implemented."))
        } else {
            self.carry_out(request).await
        };
        // Whoever waits for leave to send a body needn't send it at all.
        if body.touched() || !expects {
            body.drain().await;
        }
        response
    }

    /// Runs in a task of its own, so that a client that goes away can't leave the work half done between
    /// disk and database; and without a log, because `s3s` writes whole requests to it, signatures included.
    async fn carry_out(&self, request: s3s::HttpRequest) -> Response {
        let service = self.service.clone();
        let work = async move { service.call(request).await };
        match tokio::spawn(work.with_subscriber(NoSubscriber::default())).await {
            Ok(Ok(response)) => response.map(Body::new),
            Ok(Err(_)) => status(StatusCode::INTERNAL_SERVER_ERROR),
            Err(error) => {
                let failure = Failure::Disk(std::io::Error::other(error));
                refusal(failure.into_answer(&self.log))
            }
        }
    }
}

/// A request's body which can still be read here when the service has dropped it.
#[derive(Clone)]
struct SharedBody(Arc<Shared>);

struct Shared {
    body: Mutex<Body>,
    touched: AtomicBool,
}

impl SharedBody {
    fn new(body: Body) -> Self {
        Self(Arc::new(Shared { body: Mutex::new(body), touched: AtomicBool::new(false) }))
    }

    fn touched(&self) -> bool {
        self.0.touched.load(Ordering::Relaxed)
    }

    /// Reads what is left, at most one part, to no purpose but this: a connection closed with bytes unread
    /// is reset, and then a browser never sees the answer (say, that the URL has expired).
    async fn drain(mut self) {
        let mut left = MAX_PART_SIZE;
        while let Some(Ok(frame)) = self.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
            if left == 0 {
                return;
            }
        }
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Body) -> T) -> T {
        use_it(&mut self.0.body.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl HttpBody for SharedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.0.touched.store(true, Ordering::Relaxed);
        self.with(|body| Pin::new(body).poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
    }
}
