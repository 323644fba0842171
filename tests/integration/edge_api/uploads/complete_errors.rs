//! Completions that S3 answers oddly, as it may: with 200 and an error in the body, or that another one is in the way
//! although that was this one's earlier try. An edge whose S3 stands behind a hop that does so.

use crate::support::api_client::Api;
use crate::support::stack::{self, NOWHERE, Services, app, now};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use hyper_util::rt::TokioIo;
use local::stack::Stack;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tests::crc64;
use tokio::net::{TcpListener, TcpStream};

const MIB: usize = 1024 * 1024;
/// More than an SDK tries by itself: the edge's own caller must come to hear of it.
const STUBBORN: u32 = 5;

/// Whether S3 did what it says it didn't.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Behind {
    NothingDone,
    AllDone,
}

/// What S3 says.
#[derive(Clone, Copy, Debug)]
enum Says {
    ErrorIn200,
    /// Another completion is at it.
    Conflict,
    /// The object is there.
    Exists,
}

impl Says {
    fn answer(self) -> Response {
        let (status, code) = match self {
            Self::ErrorIn200 => (StatusCode::OK, "InternalError"),
            Self::Conflict => (StatusCode::CONFLICT, "ConditionalRequestConflict"),
            Self::Exists => (StatusCode::PRECONDITION_FAILED, "PreconditionFailed"),
        };
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
        let body = format!("{head}\n<Error><Code>{code}</Code><Message>As it may.</Message></Error>");
        (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
    }
}

struct Hop {
    s3: String,
    says: Says,
    behind: Behind,
    /// How many completions are still to be answered so.
    left: AtomicU32,
}

async fn hop(State(hop): State<Arc<Hop>>, request: Request) -> Response {
    let completes =
        request.method() == Method::POST && request.uri().query().is_some_and(|q| q.contains("uploadId="));
    let take = |left: u32| left.checked_sub(1);
    let broken = completes && hop.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok();
    if !broken {
        return forward(&hop.s3, request).await;
    }
    if hop.behind == Behind::AllDone {
        let answer = forward(&hop.s3, request).await;
        axum::body::to_bytes(answer.into_body(), MIB).await.unwrap();
    }
    hop.says.answer()
}

/// As it came, `Host` included: the signature is for it.
pub async fn forward(s3: &str, request: Request) -> Response {
    let stream = TcpStream::connect(s3).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender.send_request(request).await.unwrap().map(Body::new)
}

/// Serves a router on a free port until the test's runtime ends; answers its address.
pub async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// An edge before the services of `stack`, S3 behind a hop at this address.
async fn edge_behind(hop_url: &str, stack: &Stack, data: &Path) -> Api {
    let services = Services { s3: hop_url, mediaconvert: &stack.mediaconvert, dynamodb: NOWHERE };
    let app = app(&services, &format!("sqlite:{}", data.join("hop.db").display()), now);
    Api::new(&serve(Router::new().nest("/api", app.router())).await)
}

/// Asks until it is done, as an uploader does: what fails in between must say that it may pass.
async fn complete_patiently(api: &Api, upload: &Value, list: &Value) -> (u32, Value) {
    for failures in 0..=STUBBORN {
        let (status, body) = api.complete(upload, list).await;
        if status == StatusCode::OK {
            return (failures, body);
        }
        assert_eq!(body["retryable"], true, "{status} {body}");
    }
    panic!("It never completed.");
}

/// One upload of two parts, its completion broken so often: it is stored in the end, and only then said to be.
async fn completes(says: Says, behind: Behind, times: u32) {
    let (stack, data) = stack::start(&[]).await;
    let s3 = stack.s3.trim_start_matches("http://").to_owned();
    let state = Arc::new(Hop { s3, says, behind, left: AtomicU32::new(times) });
    let hop_url = serve(Router::new().fallback(hop).with_state(state.clone())).await;
    let api = edge_behind(&hop_url, &stack, data.path()).await;

    let file: Vec<u8> = (0..5 * MIB + 7).map(|at| (at * 31 % 251) as u8).collect();
    let upload = api.open(file.len(), &json!({ "fileName": "a.mp4", "partSize": 5 * MIB })).await;
    let mut parts = Vec::new();
    for (part, bytes) in upload["parts"].as_array().unwrap().iter().zip(file.chunks(5 * MIB)) {
        parts.push(api.put(part, bytes).await);
    }
    let list = json!({ "parts": parts, "checksum": crc64(&file) });
    let (_, done) = complete_patiently(&api, &upload, &list).await;
    assert_eq!(state.left.load(Ordering::SeqCst), 0, "completions were broken");
    assert_eq!(done["size"], file.len());
    assert_eq!(done["checksum"], crc64(&file));
    let status = format!("/uploads/{}", upload["upload"].as_str().unwrap());
    assert_eq!(api.get(&status).await.1["state"], "completed", "the object is really there");
    let (failures, again) = complete_patiently(&api, &upload, &list).await;
    assert_eq!((failures, &again["key"]), (0, &done["key"]));
    stack.stop().await;
}

#[tokio::test]
async fn an_error_inside_of_a_200_passes_once() {
    completes(Says::ErrorIn200, Behind::NothingDone, 1).await;
}

#[tokio::test]
async fn an_error_inside_of_a_200_passes_stubborn() {
    completes(Says::ErrorIn200, Behind::NothingDone, STUBBORN).await;
}

#[tokio::test]
async fn an_error_inside_of_a_200_may_hide_a_success_once() {
    completes(Says::ErrorIn200, Behind::AllDone, 1).await;
}

#[tokio::test]
async fn an_error_inside_of_a_200_may_hide_a_success_stubborn() {
    completes(Says::ErrorIn200, Behind::AllDone, STUBBORN).await;
}

#[tokio::test]
async fn a_conflict_with_its_own_earlier_try_is_a_success() {
    completes(Says::Conflict, Behind::AllDone, 1).await;
}

#[tokio::test]
async fn a_conflict_passes() {
    completes(Says::Conflict, Behind::NothingDone, STUBBORN).await;
}

#[tokio::test]
async fn an_object_that_its_own_earlier_try_has_made_is_a_success() {
    completes(Says::Exists, Behind::AllDone, 1).await;
}
