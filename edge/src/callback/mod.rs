//! Tells the site how a video ended: one `POST`, tried a few times. The HTTP client's types stop here. What is
//! said in which style is in `standard` and `greloupis`, which are pure.

mod greloupis;
mod standard;
#[cfg(test)]
mod tests;

use crate::clock;
use crate::config::{CallbackConfig, CallbackStyle};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::redirect::Policy;
use std::error::Error;
use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use wire::Video;

/// How long one try may take, connecting included.
const PATIENCE: Duration = Duration::from_secs(10);
/// The waits between the tries of one invocation. What still fails then is Lambda's to try again.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];
/// The most that a receiver's `Retry-After` is obeyed within an invocation, which is paid for while it waits.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Where and how ends are announced.
pub struct Callback {
    url: String,
    /// Scheme and host. The rest of the URL may hold a token and stays out of logs.
    to: String,
    style: CallbackStyle,
    client: OnceLock<reqwest::Client>,
    patience: Duration,
    pauses: [Duration; 2],
}

/// Not announced. The sentence is for the log and holds no secret.
#[derive(Debug)]
pub struct CallbackError(pub String);

impl fmt::Display for CallbackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for CallbackError {}

/// What one try sends.
struct Message {
    headers: Vec<(&'static str, String)>,
    /// JSON.
    body: String,
}

/// How one try went.
struct Tried {
    verdict: Verdict,
    /// The answer's, where there was one.
    status: Option<u16>,
    /// Why there was none.
    reason: Option<String>,
}

enum Verdict {
    Taken,
    /// Another try can help, not before this long where the receiver says so.
    NotNow(Option<Duration>),
    Refused,
}

impl Callback {
    /// Reaches nothing yet; the client is made when the first video ends.
    pub fn new(config: &CallbackConfig) -> Self {
        Self {
            url: config.url.clone(),
            to: scheme_and_host(&config.url),
            style: config.style.clone(),
            client: OnceLock::new(),
            patience: PATIENCE,
            pauses: PAUSES,
        }
    }

    /// Announces a video's end: `Ok` once the receiver has said 2xx, or if there is nothing to announce.
    /// `Err`: the event that told of the end must come again. A receiver may hear of one end twice.
    ///
    /// `trace` is X-Ray's id, as `log::trace_id` finds it.
    pub async fn announce(&self, video: &Video, trace: Option<&str>) -> Result<(), CallbackError> {
        let mut pauses = self.pauses.iter();
        for attempt in 1.. {
            let Some(message) = self.message(video)? else { return Ok(()) };
            let began = Instant::now();
            let tried = self.post(message, trace).await;
            let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            let (to, status, reason) = (&*self.to, tried.status, tried.reason.as_deref());
            let pause = match tried.verdict {
                Verdict::Taken => {
                    tracing::info!(video = video.video_id, to, attempt, status, took_ms, "callback taken");
                    return Ok(());
                }
                Verdict::NotNow(asked) => pauses.next().map(|pause| pause_for(*pause, asked)),
                Verdict::Refused => None,
            };
            let video = &video.video_id;
            tracing::warn!(video, to, attempt, status, reason, took_ms, "callback not taken");
            let Some(pause) = pause else {
                let why = status.map_or_else(|| reason.unwrap_or_default().into(), |s| s.to_string());
                return Err(CallbackError(format!("{to} didn't take it: {why}, try {attempt}")));
            };
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    /// `None`: this style doesn't tell of such a video. Made for each try, since it bears the time.
    fn message(&self, video: &Video) -> Result<Option<Message>, CallbackError> {
        match &self.style {
            CallbackStyle::Standard(key) => {
                standard::message(key.expose(), video, clock::now_ms() / 1000).transpose()
            }
            CallbackStyle::Greloupis(key) => Ok(greloupis::message(key.expose(), video)),
        }
    }

    async fn post(&self, message: Message, trace: Option<&str>) -> Tried {
        let Some(client) = self.client() else { return Tried::refused("the HTTP client can't be made") };
        let Some(headers) = headers(message.headers, trace) else {
            return Tried::refused("a header can't be made");
        };
        match client.post(&self.url).headers(headers).body(message.body).send().await {
            // Its body isn't read: nothing in it counts, and it may have no end.
            Ok(answer) => Tried::answered(answer.status(), answer.headers()),
            Err(error) if error.is_builder() => Tried::refused("the request can't be made"),
            Err(error) => Tried::unanswered(&error.without_url()),
        }
    }

    fn client(&self) -> Option<&reqwest::Client> {
        if self.client.get().is_none() {
            let client = reqwest::Client::builder()
                // Whoever redirects is not who was meant to get this; and a POST would become a GET.
                .redirect(Policy::none())
                .timeout(self.patience)
                // Between two invocations Lambda freezes the process: a kept connection would be dead.
                .pool_max_idle_per_host(0)
                .user_agent(concat!("greloupis-uploads/", env!("CARGO_PKG_VERSION")))
                .build()
                .ok()?;
            // Another call may have been quicker; one client is as good as the other.
            let _ = self.client.set(client);
        }
        self.client.get()
    }
}

impl Tried {
    fn answered(status: StatusCode, headers: &HeaderMap) -> Self {
        let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
        let verdict = match status {
            status if status.is_success() => Verdict::Taken,
            status if status.is_server_error() || later.contains(&status) => {
                let asked = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
                Verdict::NotNow(asked.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs))
            }
            _ => Verdict::Refused,
        };
        Self { verdict, status: Some(status.as_u16()), reason: None }
    }

    fn unanswered(error: &reqwest::Error) -> Self {
        let reason = if error.is_timeout() { "no answer in time".into() } else { root_cause(error) };
        Self { verdict: Verdict::NotNow(None), status: None, reason: Some(reason) }
    }

    fn refused(why: &str) -> Self {
        Self { verdict: Verdict::Refused, status: None, reason: Some(why.into()) }
    }
}

fn pause_for(ours: Duration, asked: Option<Duration>) -> Duration {
    ours.max(asked.unwrap_or_default().min(LONGEST_PAUSE))
}

/// The innermost sentence; the outer ones say no more than that sending failed.
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
