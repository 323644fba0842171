//! The Invoke API, synchronous invocations only. The response's headers carry the outcome and the log tail.

use crate::lambda_runtime::{Function, InvocationResult, Lambda, MAX_PAYLOAD_BYTES, Outcome, Report};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::json;

/// `POST /2015-03-31/functions/NAME/invocations`.
pub async fn invoke(State(lambda): State<Lambda>, Path(name): Path<String>, event: Bytes) -> Response {
    if name != lambda.function().name {
        let message = format!("Function not found: {name}");
        return error_response(StatusCode::NOT_FOUND, "ResourceNotFoundException", &message);
    }
    if event.len() > MAX_PAYLOAD_BYTES {
        let message = format!(
            "Request must be smaller than {MAX_PAYLOAD_BYTES} bytes for the InvokeFunction operation"
        );
        return error_response(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", &message);
    }
    // Lambda checks that an event is JSON, nothing more.
    let event = if event.is_empty() { Bytes::from_static(b"{}") } else { event };
    if serde_json::from_slice::<serde::de::IgnoredAny>(&event).is_err() {
        let message = "Could not parse request body into json";
        return error_response(StatusCode::BAD_REQUEST, "InvalidRequestContentException", message);
    }
    let InvocationResult { outcome, report } = lambda.invoke(event).await;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-amz-executed-version", HeaderValue::from_static("$LATEST"));
    let log = BASE64_STANDARD.encode(report_line(&report, lambda.function()));
    if let Ok(log) = HeaderValue::try_from(log) {
        headers.insert("x-amz-log-result", log);
    }
    let body = match outcome {
        Outcome::Response(body) => body,
        Outcome::Error(body) => {
            headers.insert("x-amz-function-error", HeaderValue::from_static("Unhandled"));
            body
        }
    };
    (StatusCode::OK, headers, body).into_response()
}

fn error_response(status: StatusCode, kind: &'static str, message: &str) -> Response {
    let mut response = (status, Json(json!({ "Type": "User", "message": message }))).into_response();
    response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(kind));
    response
}

fn report_line(report: &Report, function: &Function) -> String {
    let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1000.0;
    let mut line = format!(
        "REPORT Duration: {:.3} ms\tMemory Size: {} MB\tMax Memory Used: {:.1} MB",
        ms(report.duration),
        function.memory_mb,
        report.memory_kb as f64 / 1024.0,
    );
    if let Some(init) = report.init {
        line += &format!("\tInit Duration: {:.3} ms", ms(init));
    }
    line + "\n"
}
