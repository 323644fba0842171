//! One log line for each request and each event, within a span that bears the trace's id. What is logged is the
//! route, never the path that was asked for: upload tokens stand in paths.

#[cfg(test)]
pub mod capture;
#[cfg(test)]
mod tests;

use axum::extract::{MatchedPath, Request};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use lambda_http::request::RequestContext;
use std::time::Instant;
use tracing::Instrument;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::{EnvFilter, fmt};
use wire::ErrorCode;

/// Logs from now on, a JSON object for each line, whatever Lambda's log format: set to JSON, Lambda leaves such lines as
/// they are, and believes their level because they bear a time. `shown` is a level, or more than that in the words of
/// `RUST_LOG`.
pub fn start<W>(shown: &str, writer: W)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse_lossy(shown);
    fmt().json().with_target(false).with_env_filter(filter).with_writer(writer).init();
}

/// What an event was about. Its handler leaves it in the answer's extensions, for the line.
#[derive(Clone, Copy, Debug)]
pub struct EventKind(pub &'static str);

/// X-Ray's id of the trace that a request belongs to: `1-`, 8 hex digits, `-`, 24 hex digits. `lambda_http` puts
/// the invocation's own into this header, events' included.
pub fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("x-amzn-trace-id")?.to_str().ok()?;
    let id = value.split(';').find_map(|field| field.trim().strip_prefix("Root="))?;
    let hex = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit());
    let (time, random) = id.strip_prefix("1-")?.split_once('-')?;
    // Outside Lambda the header is the caller's: nothing but an id may get into the log.
    (hex(time, 8) && hex(random, 24)).then_some(id)
}

tokio::task_local! {
    static TRACE: Option<String>;
}

/// The trace of the call that is being answered, for what it asks of others.
pub fn trace() -> Option<String> {
    TRACE.try_with(Clone::clone).ok().flatten()
}

/// Goes around all routes, with `axum::middleware::from_fn`.
pub async fn access(request: Request, next: Next) -> Response {
    // Of level error, so that no chosen level takes the id from the lines that remain.
    let trace = trace_id(request.headers()).map(str::to_owned);
    let span = tracing::error_span!("call", trace_id = trace);
    TRACE.scope(trace, answer(request, next)).instrument(span).await
}

async fn answer(request: Request, next: Next) -> Response {
    let is_event = matches!(request.extensions().get(), Some(RequestContext::PassThrough));
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let began = Instant::now();
    let response = next.run(request).await;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let code = response.extensions().get::<ErrorCode>().map(|code| code.as_str());
    if is_event {
        let kind = response.extensions().get::<EventKind>().map(|kind| kind.0);
        let outcome = if response.status().is_success() { "done" } else { "failed" };
        tracing::info!(kind, outcome, code, took_ms, "event");
    } else {
        let (method, path) = (method.as_str(), path.as_ref().map(MatchedPath::as_str));
        tracing::info!(method, path, status = response.status().as_u16(), code, took_ms, "request");
    }
    response
}
