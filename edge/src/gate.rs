//! Between Lambda and the router: what AWS invokes directly goes to `POST /events`, which nobody reaches over
//! HTTP, and an event's failure becomes an error of the invocation.

use crate::error::ApiError;
use crate::event::{self, Created, Event, JobEvent, Reconcile};
use crate::log::EventKind;
use crate::request::Body;
use axum::Router;
use axum::extract::{FromRequest, Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use lambda_http::request::RequestContext;
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What acts on events: a whole edge, or the tutorial's stand-in. `Err`: not now; the event must come again.
#[async_trait::async_trait]
pub trait Events: Clone + Send + Sync + 'static {
    async fn object(&self, created: Created) -> Result<(), ApiError>;
    async fn job(&self, event: JobEvent) -> Result<(), ApiError>;
    async fn reconcile(&self, event: &Reconcile) -> Result<(), ApiError>;

    /// Acts on one event, and says what it was about. All of its records are tried, even when one fails.
    async fn handle(&self, event: Value) -> (EventKind, Result<(), ApiError>) {
        let event = match event::read(event) {
            Ok(event) => event,
            Err(why) => return (EventKind("unreadable"), Err(ApiError::BadRequest(why))),
        };
        let kind = event.kind();
        let outcome = match event {
            Event::Objects(objects) => {
                let mut outcome = Ok(());
                for object in objects {
                    let one = self.object(object).await;
                    outcome = outcome.and(one);
                }
                outcome
            }
            Event::Job(job) => self.job(job).await,
            Event::Reconcile(event) => self.reconcile(&event).await,
            Event::Ignored(why) => {
                tracing::info!(why, "an event is ignored");
                Ok(())
            }
        };
        (kind, outcome)
    }
}

/// `POST /events`, for what AWS invokes directly; over HTTP there is nothing here.
pub async fn events<E: Events>(
    State(edge): State<E>,
    context: Option<axum::Extension<RequestContext>>,
    request: Request,
) -> Response {
    if !matches!(context, Some(axum::Extension(RequestContext::PassThrough))) {
        return ApiError::NotFound.into_response();
    }
    let (kind, outcome) = match Body::<Value>::from_request(request, &edge).await {
        Ok(Body(event)) => edge.handle(event).await,
        Err(error) => (EventKind("unreadable"), Err(error)),
    };
    let mut response = match outcome {
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
    };
    response.extensions_mut().insert(kind);
    response
}

/// Turns an event's failure into an error of the invocation: to Lambda a 500 with a body is a success, and
/// nothing would be tried again.
#[derive(Clone)]
pub struct Gate(pub(crate) Router);

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
