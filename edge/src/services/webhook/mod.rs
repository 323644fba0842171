//! Delivers webhooks: one `POST` per finished video, with a few attempts. Types of the HTTP client stay here; the
//! bodies are built in `standard` and `greloupis`, which are pure.

mod greloupis;
mod standard;
#[cfg(test)]
mod tests;

use crate::clock;
use crate::config::{CallbackConfig, CallbackStyle, Secret};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::redirect::Policy;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use wire::Video;

/// For one attempt, connecting included.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Delays between the attempts of one invocation. After the last attempt Lambda retries the invocation.
const RETRY_DELAYS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];
/// Cap on the receiver's `Retry-After`: a waiting invocation is billed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5);

/// A client for one receiver.
pub struct Webhook {
    url: String,
    /// Scheme and host. The rest of the URL may contain a token and isn't logged.
    origin: String,
    style: CallbackStyle,
    client: OnceLock<reqwest::Client>,
    attempt_timeout: Duration,
    retry_delays: [Duration; 2],
}

/// A webhook wasn't delivered. The messages contain no secret.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error("{origin} didn't accept the webhook: {reason}, attempt {attempt}")]
    NotDelivered { origin: String, reason: String, attempt: usize },
    #[error("the callback's secret can't be used as a key")]
    InvalidKey,
}

/// A video's final state, as it is announced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Announcement {
    #[serde(flatten)]
    pub video: Video,
    /// Absent for an object that another tool has stored, unless it has an owner by configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Key of the video's object in the upload bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Number of the conversion, from 0. Tells announcements of the same state apart.
    #[serde(skip)]
    pub attempt: u32,
}

/// The request of one attempt.
struct Message {
    headers: Vec<(&'static str, String)>,
    /// JSON.
    body: String,
}

/// The result of one attempt.
struct Attempt {
    outcome: DeliveryOutcome,
    /// Status of the response, if there was one.
    status: Option<u16>,
    /// Why there was no response.
    reason: Option<String>,
}

enum DeliveryOutcome {
    Delivered,
    /// Another attempt may succeed, after this delay if the receiver named one.
    Retry(Option<Duration>),
    Rejected,
}

impl Webhook {
    /// Makes no network call; the HTTP client is built for the first delivery.
    pub fn new(config: &CallbackConfig) -> Self {
        Self {
            url: config.url.clone(),
            origin: scheme_and_host(&config.url),
            style: config.style.clone(),
            client: OnceLock::new(),
            attempt_timeout: ATTEMPT_TIMEOUT,
            retry_delays: RETRY_DELAYS,
        }
    }

    /// Delivers the announcement of a video's final state. `Ok` if the receiver answered 2xx, or if the style has no
    /// message for this state; on `Err` the event must be handled again. Deliveries can repeat.
    ///
    /// `trace` is X-Ray's id, as `log::trace_id` finds it.
    pub async fn deliver(
        &self,
        announcement: &Announcement,
        trace: Option<&str>,
    ) -> Result<(), WebhookError> {
        let video = &announcement.video;
        let mut delays = self.retry_delays.iter();
        for number in 1.. {
            let Some(message) = self.message(announcement)? else { return Ok(()) };
            let started = Instant::now();
            let attempt = self.post(message, trace).await;
            let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            let (origin, status, reason) = (&*self.origin, attempt.status, attempt.reason.as_deref());
            let delay = match attempt.outcome {
                DeliveryOutcome::Delivered => {
                    tracing::info!(
                        video = video.video_id,
                        origin,
                        attempt = number,
                        status,
                        took_ms,
                        "webhook delivered"
                    );
                    return Ok(());
                }
                DeliveryOutcome::Retry(retry_after) => {
                    delays.next().map(|delay| retry_delay(*delay, retry_after))
                }
                DeliveryOutcome::Rejected => None,
            };
            let video = &video.video_id;
            tracing::warn!(video, origin, attempt = number, status, reason, took_ms, "webhook not delivered");
            let Some(delay) = delay else {
                let reason = status.map_or_else(|| reason.unwrap_or_default().into(), |s| s.to_string());
                return Err(WebhookError::NotDelivered { origin: origin.into(), reason, attempt: number });
            };
            tokio::time::sleep(delay).await;
        }
        Ok(())
    }

    /// `None`: this style has no message for the video's state. Built for each attempt: it contains the time.
    fn message(&self, announcement: &Announcement) -> Result<Option<Message>, WebhookError> {
        match &self.style {
            CallbackStyle::Standard(keys) => {
                let keys: Vec<&[u8]> = keys.values().map(Secret::expose).collect();
                standard::message(&keys, announcement, clock::now_ms() / 1000).transpose()
            }
            CallbackStyle::Greloupis(key) => Ok(greloupis::message(key.expose(), &announcement.video)),
        }
    }

    async fn post(&self, message: Message, trace: Option<&str>) -> Attempt {
        let Some(client) = self.client() else { return Attempt::rejected("the HTTP client can't be built") };
        let Some(headers) = headers(message.headers, trace) else {
            return Attempt::rejected("a header can't be built");
        };
        match client.post(&self.url).headers(headers).body(message.body).send().await {
            // The response's body isn't read: it has no meaning and may be endless.
            Ok(response) => Attempt::from_response(response.status(), response.headers()),
            Err(error) if error.is_builder() => Attempt::rejected("the request can't be built"),
            Err(error) => Attempt::without_response(&error.without_url()),
        }
    }

    fn client(&self) -> Option<&reqwest::Client> {
        if self.client.get().is_none() {
            let client = reqwest::Client::builder()
                // Redirects aren't followed: they change the receiver, and POST becomes GET.
                .redirect(Policy::none())
                .timeout(self.attempt_timeout)
                // Lambda freezes the process between invocations: a pooled connection would be dead.
                .pool_max_idle_per_host(0)
                .user_agent(concat!("greloupis-uploads/", env!("CARGO_PKG_VERSION")))
                .build()
                .ok()?;
            // A concurrent call may have set an equal client.
            let _ = self.client.set(client);
        }
        self.client.get()
    }
}

impl Attempt {
    fn from_response(status: StatusCode, headers: &HeaderMap) -> Self {
        let retryable = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
        let outcome = match status {
            status if status.is_success() => DeliveryOutcome::Delivered,
            status if status.is_server_error() || retryable.contains(&status) => {
                let retry_after = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
                let seconds = retry_after.and_then(|text| text.trim().parse().ok());
                DeliveryOutcome::Retry(seconds.map(Duration::from_secs))
            }
            _ => DeliveryOutcome::Rejected,
        };
        Self { outcome, status: Some(status.as_u16()), reason: None }
    }

    fn without_response(error: &reqwest::Error) -> Self {
        let reason = if error.is_timeout() { "no response in time".into() } else { root_cause(error) };
        Self { outcome: DeliveryOutcome::Retry(None), status: None, reason: Some(reason) }
    }

    fn rejected(reason: &str) -> Self {
        Self { outcome: DeliveryOutcome::Rejected, status: None, reason: Some(reason.into()) }
    }
}

fn retry_delay(delay: Duration, retry_after: Option<Duration>) -> Duration {
    delay.max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER))
}

/// The innermost error's message; the outer ones only say that sending failed.
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn scheme_and_host(url: &str) -> String {
    let uri: http::Uri = url.parse().unwrap_or_default();
    format!("{}://{}", uri.scheme_str().unwrap_or_default(), uri.authority().map_or("", |host| host.as_str()))
}

fn headers(own: Vec<(&'static str, String)>, trace: Option<&str>) -> Option<HeaderMap> {
    let mut headers =
        HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let trace = trace.map(|id| ("x-amzn-trace-id", format!("Root={id}")));
    for (name, value) in own.into_iter().chain(trace) {
        headers.insert(name, value.parse().ok()?);
    }
    Some(headers)
}
