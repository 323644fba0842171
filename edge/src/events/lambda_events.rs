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
use serde_json::{Value, json};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Handles the events of one mode. `Err`: the event must be delivered again.
#[async_trait::async_trait]
pub trait EventHandler: Clone + Send + Sync + 'static {
    async fn object(&self, created: ObjectCreated) -> Result<(), ApiError>;
    async fn job(&self, event: JobEvent) -> Result<(), ApiError>;
    async fn reconcile(&self, event: &Reconcile) -> Result<(), ApiError>;
    async fn convert_again(&self, video_id: &str) -> Result<(), ApiError>;
    async fn deleted(&self, video_id: &str) -> Result<(), ApiError>;

    /// Handles what an invocation brings. If one event fails, the others are still handled.
    async fn handle(&self, event: Value) -> Handled {
        let mut handled = Handled { kind: UNREADABLE, outcome: Ok(()), failed_messages: Vec::new() };
        let (mut is_batch, mut any_done) = (false, false);
        for message in shapes::parse(&event) {
            let mut outcome = Ok(());
            for event in message.events {
                if let Ok(event) = &event {
                    handled.kind = event.kind();
                }
                let result = match event {
                    Ok(event) => self.handle_one(event).await,
                    Err(error) => Err(ApiError::BadRequest(error.to_string())),
                };
                outcome = outcome.and(result);
            }
            is_batch |= message.sqs_id.is_some();
            any_done |= outcome.is_ok();
            if outcome.is_err() {
                handled.failed_messages.extend(message.sqs_id);
            }
            handled.outcome = handled.outcome.and(outcome);
        }
        // Lambda deletes the messages that aren't reported. Where nothing was done, the invocation fails, which also a
        // queue without ReportBatchItemFailures understands.
        if !(is_batch && any_done) {
            handled.failed_messages.clear();
        }
        handled
    }

    async fn handle_one(&self, event: Event) -> Result<(), ApiError> {
        match event {
            Event::Object(object) => self.object(object).await,
            Event::Job(job) => self.job(job).await,
            Event::Reconcile(event) => self.reconcile(&event).await,
            Event::ConvertAgain(video_id) => self.convert_again(&video_id).await,
            Event::Deleted(video_id) => self.deleted(&video_id).await,
            Event::Ignored(reason) => {
                tracing::info!(reason, "event ignored");
                Ok(())
            }
        }
    }
}

/// The result of an invocation.
pub struct Handled {
    /// The kind of the last event that could be parsed, for the log.
    kind: &'static str,
    /// The first failure.
    outcome: Result<(), ApiError>,
    /// Ids of the messages of a queue that must be delivered again. Empty unless others were handled.
    failed_messages: Vec<String>,
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
    let handled = match JsonBody::<Value>::from_request(request, &handler).await {
        Ok(JsonBody(event)) => handler.handle(event).await,
        Err(error) => Handled { kind: UNREADABLE, outcome: Err(error), failed_messages: Vec::new() },
    };
    let Handled { kind, outcome, failed_messages } = handled;
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
    if !failed_messages.is_empty() {
        response = batch_item_failures(&failed_messages);
    }
    response.extensions_mut().insert(EventKind(kind));
    response
}

/// The answer by which Lambda delivers these messages of a batch again, and deletes the others.
fn batch_item_failures(messages: &[String]) -> Response {
    let failures: Vec<Value> = messages.iter().map(|id| json!({ "itemIdentifier": id })).collect();
    axum::Json(json!({ "batchItemFailures": failures })).into_response()
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
