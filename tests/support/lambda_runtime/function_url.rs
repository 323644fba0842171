//! A function URL: translates HTTP requests to events of payload format 2.0, and responses back. An HTTP API
//! with a `$default` route and stage does the same.

use crate::lambda_runtime::{Lambda, MAX_PAYLOAD_BYTES, Outcome, invoke_api};
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// The function URL, and the Invoke API at its path. On AWS they are two hosts.
pub fn router(lambda: Lambda) -> Router {
    Router::new()
        .route("/2015-03-31/functions/{name}/invocations", post(invoke_api::invoke))
        .fallback(call)
        .layer(DefaultBodyLimit::disable())
        .with_state(lambda)
}

async fn call(State(lambda): State<Lambda>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return StatusCode::BAD_REQUEST.into_response() };
    let event = event(&head, &body.to_bytes()).to_string();
    if event.len() > MAX_PAYLOAD_BYTES {
        return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    }
    match lambda.invoke(event.into()).await.outcome {
        Outcome::Response(payload) => http_response(&payload),
        Outcome::Error(_) => message(StatusCode::BAD_GATEWAY, "Internal Server Error"),
    }
}

fn message(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({ "Message": text }))).into_response()
}

/// The event of an HTTP request.
fn event(head: &Parts, body: &[u8]) -> Value {
    let text = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
    let mut headers = Map::new();
    for name in head.headers.keys().filter(|name| *name != header::COOKIE) {
        let values: Vec<_> =
            head.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        headers.insert(name.to_string(), values.join(",").into());
    }
    let domain = text(header::HOST).unwrap_or("function.lambda-url.us-east-1.on.aws");
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": head.uri.path(),
        "rawQueryString": head.uri.query().unwrap_or_default(),
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous", "apiId": "function", "domainName": domain, "domainPrefix": "function",
            "requestId": "00000000-0000-4000-8000-000000000000", "routeKey": "$default", "stage": "$default",
            "time": "01/Nov/2026:12:00:00 +0000", "timeEpoch": u64::try_from(since.as_millis()).unwrap_or(0),
            "http": {
                "method": head.method.as_str(), "path": head.uri.path(), "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1", "userAgent": text(header::USER_AGENT).unwrap_or_default(),
            },
        },
        "isBase64Encoded": false,
    });
    if let Some(cookies) = text(header::COOKIE) {
        event["cookies"] = cookies.split("; ").collect();
    }
    if !body.is_empty() {
        // Only text content types are passed as text; everything else is base64.
        let kind = text(header::CONTENT_TYPE).unwrap_or_default();
        let is_text = kind.starts_with("text/") || kind.starts_with("application/json");
        match std::str::from_utf8(body) {
            Ok(body) if is_text => event["body"] = body.into(),
            _ => {
                event["body"] = BASE64_STANDARD.encode(body).into();
                event["isBase64Encoded"] = true.into();
            }
        }
    }
    event
}

/// The HTTP response of a function's response payload.
fn http_response(payload: &[u8]) -> Response {
    let Ok(payload) = serde_json::from_slice::<Value>(payload) else {
        return message(StatusCode::BAD_GATEWAY, "Internal Server Error");
    };
    let status =
        payload["statusCode"].as_u64().and_then(|code| StatusCode::from_u16(u16::try_from(code).ok()?).ok());
    let Some(status) = status else {
        // Without a status code the payload itself is the body.
        return Json(payload).into_response();
    };
    let body = payload["body"].as_str().unwrap_or_default();
    let body = match payload["isBase64Encoded"].as_bool() {
        Some(true) => BASE64_STANDARD.decode(body).unwrap_or_default().into(),
        _ => Bytes::copy_from_slice(body.as_bytes()),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = payload["headers"].as_object().into_iter().flatten();
    for (name, value) in headers.filter_map(|(name, value)| Some((name, value.as_str()?))) {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
            response.headers_mut().insert(name, value);
        }
    }
    for cookie in payload["cookies"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if let Ok(cookie) = HeaderValue::from_str(cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    response
}
