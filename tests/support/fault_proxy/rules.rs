//! Decides which request meets which fault. Pure: time is passed in.

use http::{Method, Uri};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;

/// The kind of a request, by its method and path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallKind {
    /// `PUT` of one part.
    Part,
    Open,
    Sign,
    List,
    Complete,
    Abort,
    Video,
    /// The page, converted videos, everything else.
    Other,
}

/// A request, as rules match it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    pub kind: CallKind,
    /// The part number; 0 for other calls.
    pub part: u32,
}

impl Call {
    pub fn of(method: &Method, uri: &Uri) -> Self {
        let path: Vec<&str> = uri.path().split('/').skip(1).collect();
        let kind = match (method.as_str(), path.as_slice()) {
            ("PUT", ["inputs", ..]) => {
                let part = part_number(uri.query().unwrap_or_default());
                return Self { kind: CallKind::Part, part };
            }
            ("POST", ["api", "uploads"]) => CallKind::Open,
            ("POST", ["api", "uploads", _, "parts"]) => CallKind::Sign,
            ("POST", ["api", "uploads", _, "complete"]) => CallKind::Complete,
            ("GET", ["api", "uploads", _]) => CallKind::List,
            ("DELETE", ["api", "uploads", _]) => CallKind::Abort,
            ("GET", ["api", "videos", ..]) => CallKind::Video,
            _ => CallKind::Other,
        };
        Self { kind, part: 0 }
    }
}

fn part_number(query: &str) -> u32 {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("partNumber="));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// A fault to inject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Received, not forwarded, answered with 503; for a part with S3's error document.
    SlowDown,
    /// The same with 500.
    InternalError,
    /// The same with 502 and a gateway's HTML page.
    BadGateway,
    /// The same with S3's 403 for an expired URL.
    Expired,
    /// The same with this status and the HTML page of a firewall.
    Html(u16),
    /// 503 with this `Retry-After`.
    RetryAfter(String),
    /// 503 with a `Retry-After` that is an HTTP date so many seconds ahead.
    RetryAfterDate(i64),
    /// Forwarded after so many seconds.
    Delay(f64),
    /// The connection is reset after so many bytes of the body.
    Reset(u64),
    /// Forwarded; the connection is closed instead of responding.
    LostResponse,
    /// Forwarded; the connection is closed after half of the response's body.
    Truncated,
    /// After so many bytes of the body, nothing more is read and there is no response.
    Stall(u64),
    /// Received, not forwarded, never answered.
    NoResponse,
    /// The body is read at so many bytes per second.
    Throttle(u64),
    /// The first byte of the body is changed.
    FlipByte,
    /// These headers are removed from the response.
    WithoutHeaders(Vec<String>),
    /// The server is down for so many seconds: all connections are reset, new ones included.
    Down(f64),
}

impl Fault {
    /// The request is answered with an error instead of being forwarded.
    pub fn is_error_response(&self) -> bool {
        use Fault::{BadGateway, Expired, Html, InternalError, RetryAfter, RetryAfterDate, SlowDown};
        matches!(
            self,
            SlowDown | InternalError | BadGateway | Expired | Html(_) | RetryAfter(_) | RetryAfterDate(_)
        )
    }
}

/// The parts that a rule matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parts {
    #[default]
    All,
    Even,
    From(u32),
    Only(u32),
}

impl Parts {
    fn contains(self, part: u32) -> bool {
        match self {
            Self::All => true,
            Self::Even => part.is_multiple_of(2),
            Self::From(first) => part >= first,
            Self::Only(one) => part == one,
        }
    }
}

/// A fault and the requests it applies to; without limits, to all of the kind.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    pub call: CallKind,
    #[serde(default)]
    pub parts: Parts,
    /// At most so often per part; per kind for other calls.
    pub max_per_part: Option<u32>,
    /// At most so often in total.
    pub max_total: Option<u32>,
    /// Only within so many seconds of its first use.
    pub seconds: Option<f64>,
    pub fault: Fault,
}

/// The active rules and their use counts.
#[derive(Debug, Default)]
pub struct Rules(Vec<ActiveRule>);

#[derive(Debug)]
struct ActiveRule {
    rule: Rule,
    uses: HashMap<Call, u32>,
    first_use: Option<Duration>,
}

impl Rules {
    pub fn new(rules: Vec<Rule>) -> Self {
        let active = |rule| ActiveRule { rule, uses: HashMap::new(), first_use: None };
        Self(rules.into_iter().map(active).collect())
    }

    /// The fault of a call at `now` (time since any fixed moment): that of the first rule that matches and isn't
    /// used up. Counts the use.
    pub fn next_fault(&mut self, call: Call, now: Duration) -> Option<Fault> {
        let active = self.0.iter_mut().find(|active| active.applies(call, now))?;
        *active.uses.entry(call).or_default() += 1;
        active.first_use.get_or_insert(now);
        Some(active.rule.fault.clone())
    }
}

impl ActiveRule {
    fn applies(&self, call: Call, now: Duration) -> bool {
        let Rule { call: kind, parts, max_per_part, max_total, seconds, .. } = &self.rule;
        let uses = self.uses.get(&call).copied().unwrap_or(0);
        let total_uses: u32 = self.uses.values().sum();
        let age = self.first_use.map_or(Duration::ZERO, |first_use| now.saturating_sub(first_use));
        *kind == call.kind
            && parts.contains(call.part)
            && max_per_part.is_none_or(|max| uses < max)
            && max_total.is_none_or(|max| total_uses < max)
            && seconds.is_none_or(|seconds| age.as_secs_f64() < seconds)
    }
}

#[cfg(test)]
mod tests;
