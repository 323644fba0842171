//! The Runtime API, where a function's process polls for events and posts responses. Each process has its own
//! server, so there is at most one invocation at a time.

use crate::lambda_runtime::{Function, MAX_PAYLOAD_BYTES, Outcome, error};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// The Runtime API of one process.
#[derive(Clone)]
pub struct RuntimeApi(Arc<Inner>);

/// Receives the outcome and its time of arrival.
type OutcomeSender = oneshot::Sender<(Outcome, Instant)>;

struct Inner {
    /// The function's ARN.
    arn: String,
    /// Notified at each poll for an event.
    polled: Notify,
    event_available: Notify,
    pending: Mutex<Option<Event>>,
    /// Request id of the event that was delivered and has no outcome yet.
    in_progress: Mutex<Option<(String, OutcomeSender)>>,
    init_error: Mutex<Option<Bytes>>,
}

struct Event {
    id: String,
    payload: Bytes,
    deadline_unix_ms: u128,
    outcome: OutcomeSender,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RuntimeApi {
    pub fn new(function: &Function) -> Self {
        Self(Arc::new(Inner {
            arn: format!("arn:aws:lambda:us-east-1:000000000000:function:{}", function.name),
            polled: Notify::new(),
            event_available: Notify::new(),
            pending: Mutex::default(),
            in_progress: Mutex::default(),
            init_error: Mutex::default(),
        }))
    }

    /// Waits until the process has polled for an event.
    pub async fn first_poll(&self) {
        self.0.polled.notified().await;
    }

    pub fn init_error(&self) -> Option<Bytes> {
        lock(&self.0.init_error).clone()
    }

    /// Delivers an event; returns its outcome and the time of arrival, or `None` if there will be none.
    pub async fn deliver(&self, id: &str, payload: Bytes, limit: Duration) -> Option<(Outcome, Instant)> {
        let (outcome, received) = oneshot::channel();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let deadline_unix_ms = (now + limit).as_millis();
        *lock(&self.0.pending) = Some(Event { id: id.to_owned(), payload, deadline_unix_ms, outcome });
        self.0.event_available.notify_one();
        received.await.ok()
    }

    pub fn serve(&self, listener: TcpListener) -> JoinHandle<()> {
        use axum::serve::ListenerExt;
        let routes = Router::new()
            .route("/invocation/next", get(next))
            .route("/invocation/{id}/response", post(response))
            .route("/invocation/{id}/error", post(failure))
            .route("/init/error", post(init_error))
            .layer(DefaultBodyLimit::disable())
            .with_state(self.clone());
        let router = Router::new().nest("/2018-06-01/runtime", routes);
        let listener = listener.tap_io(|stream| {
            // Without it, Nagle's algorithm delays small responses.
            let _ = stream.set_nodelay(true);
        });
        tokio::spawn(async move {
            // Aborted when the environment is dropped.
            let _ = axum::serve(listener, router).await;
        })
    }

    fn finish(&self, id: &str, outcome: Outcome) -> Response {
        let at = Instant::now();
        let in_progress = lock(&self.0.in_progress).take_if(|(in_progress, _)| in_progress == id);
        match in_progress {
            Some((_, sender)) => {
                // The receiver is gone after a timeout.
                let _ = sender.send((outcome, at));
                accepted()
            }
            None => {
                let error = json!({ "errorType": "InvalidRequestID", "errorMessage": "Invalid request ID" });
                (StatusCode::BAD_REQUEST, Json(error)).into_response()
            }
        }
    }
}

fn accepted() -> Response {
    let status: Value = json!({ "status": "OK" });
    (StatusCode::ACCEPTED, Json(status)).into_response()
}

async fn next(State(RuntimeApi(api)): State<RuntimeApi>) -> Response {
    api.polled.notify_one();
    let event = loop {
        if let Some(event) = lock(&api.pending).take() {
            break event;
        }
        api.event_available.notified().await;
    };
    let headers = [
        ("lambda-runtime-aws-request-id", event.id.clone()),
        ("lambda-runtime-deadline-ms", event.deadline_unix_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", api.arn.clone()),
        ("lambda-runtime-trace-id", trace_id(&event.id)),
        ("content-type", "application/json".into()),
    ];
    *lock(&api.in_progress) = Some((event.id, event.outcome));
    let mut response = event.payload.into_response();
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// A trace id in X-Ray's format.
fn trace_id(id: &str) -> String {
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).collect();
    format!("Root=1-{:0>8.8}-{:0>24.24};Parent=53995c3f42cd8ad8;Sampled=0", digits, digits)
}

async fn response(State(api): State<RuntimeApi>, Path(id): Path<String>, body: Bytes) -> Response {
    if body.len() <= MAX_PAYLOAD_BYTES {
        return api.finish(&id, Outcome::Response(body));
    }
    let message =
        format!("Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD_BYTES} bytes).");
    // Both the process and the caller get an error.
    let finished = api.finish(&id, Outcome::Error(error("Function.ResponseSizeTooLarge", &message)));
    if finished.status() != StatusCode::ACCEPTED {
        return finished;
    }
    let error = json!({ "errorType": "RequestEntityTooLarge", "errorMessage": message });
    (StatusCode::PAYLOAD_TOO_LARGE, Json(error)).into_response()
}

async fn failure(State(api): State<RuntimeApi>, Path(id): Path<String>, body: Bytes) -> Response {
    api.finish(&id, Outcome::Error(body))
}

async fn init_error(State(api): State<RuntimeApi>, body: Bytes) -> Response {
    *lock(&api.0.init_error) = Some(body);
    accepted()
}
