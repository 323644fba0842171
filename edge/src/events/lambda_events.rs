//! The event endpoint: events that Lambda delivers reach `POST /events`, HTTP requests don't, and a failed event fails
//! the invocation.

use crate::api::error::ApiError;
use crate::api::extract::JsonBody;
use crate::events::shapes::{self, Event, JobEvent, ObjectCreated, Reconcile};
use crate::services::log::EventKind;
use axum::Router;
use axum::extract::{FromRequest, Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use lambda_http::request::RequestContext;
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Handles the events of one mode. `Err`: the event must be delivered again.
#[async_trait::async_trait]
pub trait EventHandler: Clone + Send + Sync + 'static {
    async fn object(&self, created: ObjectCreated) -> Result<(), ApiError>;
    async fn job(&self, event: JobEvent) -> Result<(), ApiError>;
    async fn reconcile(&self, event: &Reconcile) -> Result<(), ApiError>;

    /// Handles one event, and returns its kind for the log. If one of its records fails, the others are still handled.
    async fn handle(&self, event: Value) -> (&'static str, Result<(), ApiError>) {
        let event = match shapes::parse(event) {
            Ok(event) => event,
            Err(error) => return (UNREADABLE, Err(ApiError::BadRequest(error.to_string()))),
        };
        let kind = event.kind();
        let outcome = match event {
            Event::Objects(objects) => {
                let mut outcome = Ok(());
                for object in objects {
                    let result = self.object(object).await;
                    outcome = outcome.and(result);
                }
                outcome
            }
            Event::Job(job) => self.job(job).await,
            Event::Reconcile(event) => self.reconcile(&event).await,
            Event::Ignored(reason) => {
                tracing::info!(reason, "event ignored");
                Ok(())
            }
        };
        (kind, outcome)
    }
}

/// The kind of events that can't be parsed, in the log.
const UNREADABLE: &str = "unreadable";

/// `POST /events`: handles an event that Lambda delivers. HTTP requests get 404.
pub async fn receive<E: EventHandler>(
    State(handler): State<E>,
    context: Option<axum::Extension<RequestContext>>,
    request: Request,
) -> Response {
    if !matches!(context, Some(axum::Extension(RequestContext::PassThrough))) {
        return ApiError::NotFound.into_response();
    }
    let (kind, outcome) = match JsonBody::<Value>::from_request(request, &handler).await {
        Ok(JsonBody(event)) => handler.handle(event).await,
        Err(error) => (UNREADABLE, Err(error)),
    };
    let mut response = match outcome {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        // Also client errors become server errors: Lambda must retry the event and then send it to the dead-letter
        // queue.
        Err(error) => {
            let (status, _) = error.status_and_code();
            let mut response = error.into_response();
            if !status.is_server_error() {
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            }
            response
        }
    };
    response.extensions_mut().insert(EventKind(kind));
    response
}

/// The router as Lambda runs it: a failed event is an error of the invocation. `lambda_http` alone reports a 500
/// response as a success, which isn't retried.
#[derive(Clone)]
pub struct LambdaService(Router);

impl LambdaService {
    pub fn new(router: Router) -> Self {
        Self(router)
    }
}

/// The error that Lambda logs and sends to the dead-letter queue.
#[derive(Debug, thiserror::Error)]
#[error("the event can't be handled now ({0}); the log has the reason")]
pub struct EventFailed(StatusCode);

impl<B> tower::Service<http::Request<B>> for LambdaService
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
            // The router's error type is `Infallible`.
            let Ok(response) = router.call(request.map(axum::body::Body::new)).await;
            match response.status() {
                status if is_event && !status.is_success() => Err(EventFailed(status).into()),
                _ => Ok(response),
            }
        })
    }
}

/// The request that Lambda makes for an event, for tests and servers that call a [`LambdaService`] themselves.
pub fn event_request(event: &Value) -> http::Request<axum::body::Body> {
    let mut request = http::Request::new(axum::body::Body::from(event.to_string()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static("/events");
    request.extensions_mut().insert(RequestContext::PassThrough);
    request
}
