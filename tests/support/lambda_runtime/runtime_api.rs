//! The Runtime API, where a function's process asks for work and leaves its answers. Each process has one for
//! itself, so that there is never more than one invocation on the desk.

use crate::lambda_runtime::{Function, LARGEST_PAYLOAD, Outcome, error};
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

/// What lies between Lambda and one process.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

/// Where an outcome goes, with the moment at which it came.
type Answer = oneshot::Sender<(Outcome, Instant)>;

struct Inner {
    /// The function's ARN.
    arn: String,
    /// The process has asked for work.
    asked: Notify,
    /// There is work.
    work: Notify,
    waiting: Mutex<Option<Event>>,
    /// Handed out, and not answered yet.
    open: Mutex<Option<(String, Answer)>>,
    init_error: Mutex<Option<Bytes>>,
}

struct Event {
    id: String,
    payload: Bytes,
    /// In milliseconds since 1970.
    deadline: u128,
    answer: Answer,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    pub fn new(function: &Function) -> Self {
        Self(Arc::new(Inner {
            arn: format!("arn:aws:lambda:us-east-1:000000000000:function:{}", function.name),
            asked: Notify::new(),
            work: Notify::new(),
            waiting: Mutex::default(),
            open: Mutex::default(),
            init_error: Mutex::default(),
        }))
    }

    /// Until the process has asked for work.
    pub async fn asked(&self) {
        self.0.asked.notified().await;
    }

    pub fn init_error(&self) -> Option<Bytes> {
        lock(&self.0.init_error).clone()
    }

    /// Puts an event on the desk; what comes of it, and when it came. `None`: nothing will.
    pub async fn hand_out(&self, id: &str, payload: Bytes, limit: Duration) -> Option<(Outcome, Instant)> {
        let (answer, answered) = oneshot::channel();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let deadline = (now + limit).as_millis();
        *lock(&self.0.waiting) = Some(Event { id: id.to_owned(), payload, deadline, answer });
        self.0.work.notify_one();
        answered.await.ok()
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
            // Small answers would wait for company otherwise.
            let _ = stream.set_nodelay(true);
        });
        tokio::spawn(async move {
            // It ends with its environment.
            let _ = axum::serve(listener, router).await;
        })
    }

    fn answer(&self, id: &str, outcome: Outcome) -> Response {
        let at = Instant::now();
        let open = lock(&self.0.open).take_if(|(open, _)| open == id);
        match open {
            Some((_, answer)) => {
                // After a timeout nobody listens any more.
                let _ = answer.send((outcome, at));
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

async fn next(State(Desk(desk)): State<Desk>) -> Response {
    desk.asked.notify_one();
    let event = loop {
        if let Some(event) = lock(&desk.waiting).take() {
            break event;
        }
        desk.work.notified().await;
    };
    let headers = [
        ("lambda-runtime-aws-request-id", event.id.clone()),
        ("lambda-runtime-deadline-ms", event.deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", desk.arn.clone()),
        ("lambda-runtime-trace-id", trace_id(&event.id)),
        ("content-type", "application/json".into()),
    ];
    *lock(&desk.open) = Some((event.id, event.answer));
    let mut answer = event.payload.into_response();
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

/// In the form of X-Ray's.
fn trace_id(id: &str) -> String {
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).collect();
    format!("Root=1-{:0>8.8}-{:0>24.24};Parent=53995c3f42cd8ad8;Sampled=0", digits, digits)
}

async fn response(State(desk): State<Desk>, Path(id): Path<String>, body: Bytes) -> Response {
    if body.len() <= LARGEST_PAYLOAD {
        return desk.answer(&id, Outcome::Response(body));
    }
    let sentence =
        format!("Response payload size exceeded maximum allowed payload size ({LARGEST_PAYLOAD} bytes).");
    // The process hears of it, and so does the caller.
    let told = desk.answer(&id, Outcome::Error(error("Function.ResponseSizeTooLarge", &sentence)));
    if told.status() != StatusCode::ACCEPTED {
        return told;
    }
    let error = json!({ "errorType": "RequestEntityTooLarge", "errorMessage": sentence });
    (StatusCode::PAYLOAD_TOO_LARGE, Json(error)).into_response()
}

async fn failure(State(desk): State<Desk>, Path(id): Path<String>, body: Bytes) -> Response {
    desk.answer(&id, Outcome::Error(body))
}

async fn init_error(State(desk): State<Desk>, body: Bytes) -> Response {
    *lock(&desk.0.init_error) = Some(body);
    accepted()
}
