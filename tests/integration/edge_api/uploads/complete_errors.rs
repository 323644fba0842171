//! Completions that S3 answers with an error although they may have succeeded: the edge must neither report a success
//! that isn't one nor lose one that is.

use super::{MIB, file};
use crate::support::api_client::{ApiClient, assert_problem};
use crate::support::http::{forward, serve};
use crate::support::stack::{self, Services, UNREACHABLE, app, now_ms};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use local::stack::Stack;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tests::crc64;

/// More than the SDK retries by itself, so that the edge's caller sees an error.
const BEYOND_SDK_RETRIES: u32 = 5;
/// The SDK's attempts of one call.
const SDK_ATTEMPTS: u32 = 3;

/// Whether S3 executed the completion that it answers with an error.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Execution {
    Skipped,
    Done,
}

#[derive(Clone, Copy, Debug)]
enum S3Error {
    /// Status 200 and an error document.
    InternalErrorIn200,
    /// 409: another completion is in progress.
    Conflict,
    /// 412: the object exists.
    ObjectExists,
    /// 400: a part was replaced after it had been listed.
    InvalidPart,
    /// 400: the store takes only larger parts.
    EntityTooSmall,
}

impl S3Error {
    fn response(self) -> Response {
        let (status, code) = match self {
            Self::InternalErrorIn200 => (StatusCode::OK, "InternalError"),
            Self::Conflict => (StatusCode::CONFLICT, "ConditionalRequestConflict"),
            Self::ObjectExists => (StatusCode::PRECONDITION_FAILED, "PreconditionFailed"),
            Self::InvalidPart => (StatusCode::BAD_REQUEST, "InvalidPart"),
            Self::EntityTooSmall => (StatusCode::BAD_REQUEST, "EntityTooSmall"),
        };
        let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
        let body = format!("{declaration}\n<Error><Code>{code}</Code><Message>Injected.</Message></Error>");
        (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
    }
}

/// A proxy in front of S3 that injects errors into completions.
struct FaultyS3 {
    /// `HOST:PORT` of S3.
    s3: String,
    error: S3Error,
    execution: Execution,
    /// Completions still to be answered with the error.
    remaining: AtomicU32,
}

async fn handle(State(faulty): State<Arc<FaultyS3>>, request: Request) -> Response {
    let completes =
        request.method() == Method::POST && request.uri().query().is_some_and(|q| q.contains("uploadId="));
    let decrement = |remaining: u32| remaining.checked_sub(1);
    let fails =
        completes && faulty.remaining.fetch_update(Ordering::SeqCst, Ordering::SeqCst, decrement).is_ok();
    if !fails {
        return forward(&faulty.s3, request).await;
    }
    if faulty.execution == Execution::Done {
        let response = forward(&faulty.s3, request).await;
        axum::body::to_bytes(response.into_body(), MIB).await.unwrap();
    }
    faulty.error.response()
}

/// An edge in front of the services of `stack`, with another S3 address.
async fn edge_with_s3(s3_url: &str, stack: &Stack, data: &Path) -> ApiClient {
    let services = Services { s3: s3_url, mediaconvert: &stack.mediaconvert, dynamodb: UNREACHABLE };
    let catalog = format!("sqlite:{}", data.join("complete_errors.db").display());
    let app = app(&services, &catalog, now_ms);
    ApiClient::new(&serve(Router::new().nest("/api", app.router())).await)
}

/// Retries until the completion succeeds, as the uploader does; each error must be retryable. Returns the number of
/// errors and the result.
async fn complete_with_retries(api: &ApiClient, upload: &Value, request: &Value) -> (u32, Value) {
    for errors in 0..=BEYOND_SDK_RETRIES {
        let (status, body) = api.complete(upload, request).await;
        if status == StatusCode::OK {
            return (errors, body);
        }
        assert_eq!(body["retryable"], true, "{status} {body}");
    }
    panic!("It never completed.");
}

/// An edge before an S3 that answers `count` completions with `error`.
async fn edge_with_error(
    stack: &Stack,
    data: &Path,
    error: S3Error,
    execution: Execution,
    count: u32,
) -> (ApiClient, Arc<FaultyS3>) {
    let s3 = stack.s3.trim_start_matches("http://").to_owned();
    let faulty = Arc::new(FaultyS3 { s3, error, execution, remaining: AtomicU32::new(count) });
    let s3_url = serve(Router::new().fallback(handle).with_state(faulty.clone())).await;
    (edge_with_s3(&s3_url, stack, data).await, faulty)
}

/// Uploads a file of two parts while S3 answers `count` completions with `error`; checks that the object is stored
/// when the edge reports success. Returns the number of errors that the edge's caller got.
async fn assert_completes(error: S3Error, execution: Execution, count: u32) -> u32 {
    let (stack, data) = stack::start(&[]).await;
    let (api, faulty) = edge_with_error(&stack, data.path(), error, execution, count).await;

    let file = file(5 * MIB + 7);
    let upload = api.store_parts(&file, &json!({ "fileName": "a.mp4", "partSize": 5 * MIB })).await;
    let request = json!({ "checksum": crc64(&file) });
    let (caller_errors, completed) = complete_with_retries(&api, &upload, &request).await;
    assert_eq!(faulty.remaining.load(Ordering::SeqCst), 0, "all errors were injected");
    assert_eq!(completed["size"], file.len());
    assert_eq!(completed["checksum"], crc64(&file));
    assert_eq!(api.get(&ApiClient::path_of(&upload)).await.1["state"], "completed", "the object is stored");
    let (errors, repeated) = complete_with_retries(&api, &upload, &request).await;
    assert_eq!((errors, &repeated["key"]), (0, &completed["key"]));
    stack.stop().await;
    caller_errors
}

#[tokio::test]
async fn single_error_in_200_is_retried() {
    assert_completes(S3Error::InternalErrorIn200, Execution::Skipped, 1).await;
}

#[tokio::test]
async fn repeated_error_in_200_is_reported_as_retryable() {
    assert_completes(S3Error::InternalErrorIn200, Execution::Skipped, BEYOND_SDK_RETRIES).await;
}

#[tokio::test]
async fn single_error_in_200_after_success_is_recognized_as_success() {
    assert_completes(S3Error::InternalErrorIn200, Execution::Done, 1).await;
}

#[tokio::test]
async fn repeated_error_in_200_after_success_is_recognized_as_success() {
    let errors = assert_completes(S3Error::InternalErrorIn200, Execution::Done, SDK_ATTEMPTS).await;
    // The second call finds that there is no such multipart upload any more, and the object.
    assert_eq!(errors, 1);
}

#[tokio::test]
async fn conflict_with_its_own_earlier_attempt_is_recognized_as_success() {
    assert_completes(S3Error::Conflict, Execution::Done, 1).await;
}

#[tokio::test]
async fn repeated_conflict_is_reported_as_retryable() {
    assert_completes(S3Error::Conflict, Execution::Skipped, BEYOND_SDK_RETRIES).await;
}

#[tokio::test]
async fn object_of_its_own_earlier_attempt_is_recognized_as_success() {
    assert_completes(S3Error::ObjectExists, Execution::Done, 1).await;
}

#[tokio::test]
async fn part_replaced_after_it_was_listed_is_listed_again() {
    assert_eq!(assert_completes(S3Error::InvalidPart, Execution::Skipped, 1).await, 0);
}

#[tokio::test]
async fn repeatedly_replaced_part_is_reported_as_retryable() {
    assert_eq!(assert_completes(S3Error::InvalidPart, Execution::Skipped, 2).await, 1);
}

#[tokio::test]
async fn parts_that_the_store_finds_too_small_are_reported_as_permanent() {
    let (stack, data) = stack::start(&[]).await;
    let (api, _) = edge_with_error(&stack, data.path(), S3Error::EntityTooSmall, Execution::Skipped, 1).await;
    let upload = api.store_parts(&file(5 * MIB + 7), &json!({ "fileName": "a.mp4" })).await;
    let refused = api.complete(&upload, &json!({})).await;
    assert_eq!(refused.1["retryable"], false);
    assert_problem(refused, "size_mismatch");
    stack.stop().await;
}

#[tokio::test]
async fn concurrent_completions_have_the_same_result() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let file = file(5 * MIB + 7);
    let upload = api.store_parts(&file, &json!({ "fileName": "a.mp4", "partSize": 5 * MIB })).await;
    let request = json!({ "checksum": crc64(&file) });
    let completions = (0..8).map(|_| complete_with_retries(&api, &upload, &request));
    for (_, completed) in futures_util::future::join_all(completions).await {
        assert_eq!((&completed["key"], &completed["checksum"]), (&upload["key"], &json!(crc64(&file))));
    }
    stack.stop().await;
}
