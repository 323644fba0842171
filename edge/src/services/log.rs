//! One log line for each request and each event, in a span with the trace's id. Logs the matched route, never the
//! requested path: paths contain upload tokens.

#[cfg(test)]
pub mod capture;
#[cfg(test)]
mod tests;

use axum::extract::{MatchedPath, Request};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use lambda_http::request::RequestContext;
use sha2::{Digest, Sha256};
use std::time::Instant;
use tracing::Instrument;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::{EnvFilter, fmt};
use wire::ErrorCode;

/// Installs the global logger, which writes one JSON object per line. With Lambda's JSON log format such lines are kept
/// as they are, and their level is used because they have a timestamp. `filter` is a level, or a filter in the syntax of
/// `RUST_LOG`.
pub fn start<W>(filter: &str, writer: W)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse_lossy(filter);
    fmt().json().with_target(false).with_env_filter(filter).with_writer(writer).init();
}

/// In bytes.
const OWNER_HASH_SIZE: usize = 8;

/// The kind of an event. The event's handler puts it into the response's extensions, for the log line.
#[derive(Clone, Copy, Debug)]
pub struct EventKind(pub &'static str);

/// X-Ray's id of the request's trace: `1-`, 8 hex digits, `-`, 24 hex digits. `lambda_http` sets the header to the
/// invocation's trace, also for events.
pub fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("x-amzn-trace-id")?.to_str().ok()?;
    let id = value.split(';').find_map(|field| field.trim().strip_prefix("Root="))?;
    let is_hex = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit());
    let (time, random) = id.strip_prefix("1-")?.split_once('-')?;
    // Outside Lambda the caller sets the header: only a valid id may get into the log.
    (is_hex(time, 8) && is_hex(random, 24)).then_some(id)
}

tokio::task_local! {
    static TRACE: Option<String>;
}

/// The trace id of the current request or event, to be passed on to other services.
pub fn trace() -> Option<String> {
    TRACE.try_with(Clone::clone).ok().flatten()
}

/// Adds the caller to all lines of the current request, as a hash: operators find the lines of an owner that they know, and
/// the log has no personal data. `printf %s APPLICATION:OWNER | sha256sum | cut -c1-16` computes it.
pub fn record_owner(application: &str, owner: &str) {
    let hash = Sha256::digest(format!("{application}:{owner}"));
    let short: Vec<u8> = hash.iter().take(OWNER_HASH_SIZE).copied().collect();
    tracing::Span::current().record("owner", hex::encode(short));
}

/// Middleware around all routes, for `axum::middleware::from_fn`.
pub async fn access(request: Request, next: Next) -> Response {
    // The span's level is error, so that no filter removes it from the lines that remain.
    let trace = trace_id(request.headers()).map(str::to_owned);
    let span = tracing::error_span!("call", trace_id = trace, owner = tracing::field::Empty);
    TRACE.scope(trace, log_response(request, next)).instrument(span).await
}

async fn log_response(request: Request, next: Next) -> Response {
    let is_event = matches!(request.extensions().get(), Some(RequestContext::PassThrough));
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let started = Instant::now();
    let response = next.run(request).await;
    let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
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
