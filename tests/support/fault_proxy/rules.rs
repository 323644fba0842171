//! Which request meets which fault. Pure: no clock of its own, no network.

use http::{Method, Uri};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;

/// What a request is about, by its method and path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `PUT` of one part.
    Part,
    Open,
    Sign,
    List,
    Complete,
    Abort,
    Video,
    /// The page, what was converted, anything else.
    Other,
}

/// A request, as far as rules look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    pub kind: Kind,
    /// Of a part; 0 for everything else.
    pub part: u32,
}

impl Call {
    pub fn of(method: &Method, uri: &Uri) -> Self {
        let path: Vec<&str> = uri.path().split('/').skip(1).collect();
        let kind = match (method.as_str(), path.as_slice()) {
            ("PUT", ["inputs", ..]) => {
                let part = number(uri.query().unwrap_or_default());
                return Self { kind: Kind::Part, part };
            }
            ("POST", ["api", "uploads"]) => Kind::Open,
            ("POST", ["api", "uploads", _, "parts"]) => Kind::Sign,
            ("POST", ["api", "uploads", _, "complete"]) => Kind::Complete,
            ("GET", ["api", "uploads", _]) => Kind::List,
            ("DELETE", ["api", "uploads", _]) => Kind::Abort,
            ("GET", ["api", "videos", ..]) => Kind::Video,
            _ => Kind::Other,
        };
        Self { kind, part: 0 }
    }
}

fn number(query: &str) -> u32 {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("partNumber="));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Taken whole, not forwarded, answered 503; to a part in S3's words.
    SlowDown,
    /// The same with 500.
    InternalError,
    /// The same with 502 and a gateway's page.
    BadGateway,
    /// The same with S3's 403 for a URL that has run out.
    Expired,
    /// After so many bytes of the body the connection is reset.
    Reset(u64),
    /// Forwarded and done, then the connection is closed instead of answering.
    Lost,
    /// Forwarded and done; half of the answer's body comes, then the connection is closed.
    Truncated,
    /// After so many bytes of the body nothing is read any more, nor answered.
    Stall(u64),
    /// Taken whole, not forwarded, never answered.
    Silence,
    /// The body is taken at so many bytes a second.
    Drip(u64),
    /// The first byte of the body is another when it arrives.
    Flip,
    /// The answer lacks these headers.
    Without(Vec<String>),
    /// The server is gone for so many seconds: connections are reset, new ones at once.
    Dead(f64),
}

/// Which parts a rule is about.
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
    fn has(self, part: u32) -> bool {
        match self {
            Self::All => true,
            Self::Even => part.is_multiple_of(2),
            Self::From(first) => part >= first,
            Self::Only(one) => part == one,
        }
    }
}

/// A fault, and when it strikes: without limits, always.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    pub call: Kind,
    #[serde(default)]
    pub parts: Parts,
    /// So often for each part; for other calls, so often.
    pub each: Option<u32>,
    /// So often in all.
    pub total: Option<u32>,
    /// So long after it first struck, in seconds.
    pub seconds: Option<f64>,
    pub fault: Fault,
}

/// The rules in force, and how often each has struck.
#[derive(Debug, Default)]
pub struct Rules(Vec<Active>);

#[derive(Debug)]
struct Active {
    rule: Rule,
    struck: HashMap<Call, u32>,
    first: Option<Duration>,
}

impl Rules {
    pub fn new(rules: Vec<Rule>) -> Self {
        let active = |rule| Active { rule, struck: HashMap::new(), first: None };
        Self(rules.into_iter().map(active).collect())
    }

    /// The fault that a call meets at `now`, a time since any fixed moment: that of the first rule which is
    /// about such calls and not used up. Counts it.
    pub fn strike(&mut self, call: Call, now: Duration) -> Option<Fault> {
        let active = self.0.iter_mut().find(|active| active.strikes(call, now))?;
        *active.struck.entry(call).or_default() += 1;
        active.first.get_or_insert(now);
        Some(active.rule.fault.clone())
    }
}

impl Active {
    fn strikes(&self, call: Call, now: Duration) -> bool {
        let Rule { call: kind, parts, each, total, seconds, .. } = &self.rule;
        let often = self.struck.get(&call).copied().unwrap_or(0);
        let in_all: u32 = self.struck.values().sum();
        let age = self.first.map_or(Duration::ZERO, |first| now.saturating_sub(first));
        *kind == call.kind
            && parts.has(call.part)
            && each.is_none_or(|each| often < each)
            && total.is_none_or(|total| in_all < total)
            && seconds.is_none_or(|seconds| age.as_secs_f64() < seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: &str, uri: &str) -> Call {
        Call::of(&method.parse().unwrap(), &uri.parse().unwrap())
    }

    fn part(part: u32) -> Call {
        Call { kind: Kind::Part, part }
    }

    fn rules(json: &str) -> Rules {
        Rules::new(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn calls_are_told_apart() {
        for (method, uri, kind) in [
            ("POST", "/api/uploads", Kind::Open),
            ("POST", "/api/uploads/abc/parts", Kind::Sign),
            ("POST", "/api/uploads/abc/complete", Kind::Complete),
            ("GET", "/api/uploads/abc", Kind::List),
            ("DELETE", "/api/uploads/abc", Kind::Abort),
            ("GET", "/api/videos/abc", Kind::Video),
            ("GET", "/api/videos?limit=1", Kind::Video),
            ("GET", "/inputs/a.mp4?partNumber=1", Kind::Other),
            ("GET", "/", Kind::Other),
        ] {
            assert_eq!(call(method, uri), Call { kind, part: 0 }, "{method} {uri}");
        }
        let uri = "/inputs/abc.mp4?x-id=UploadPart&partNumber=17&uploadId=u";
        assert_eq!(call("PUT", uri), part(17));
    }

    #[test]
    fn parts_are_chosen() {
        let mut even = rules(r#"[{ "call": "part", "parts": "even", "fault": "slow-down" }]"#);
        let mut from = rules(r#"[{ "call": "part", "parts": { "from": 3 }, "fault": "expired" }]"#);
        let mut only = rules(r#"[{ "call": "part", "parts": { "only": 2 }, "fault": { "reset": 5 } }]"#);
        let struck = |rules: &mut Rules| {
            (1..=5).filter(|n| rules.strike(part(*n), Duration::ZERO).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(struck(&mut even), [2, 4]);
        assert_eq!(struck(&mut from), [3, 4, 5]);
        assert_eq!(struck(&mut only), [2]);
        assert_eq!(only.strike(part(2), Duration::ZERO), Some(Fault::Reset(5)));
        let sign = Call { kind: Kind::Sign, part: 0 };
        assert_eq!(even.strike(sign, Duration::ZERO), None);
    }

    #[test]
    fn rules_are_used_up_by_part_in_all_and_by_time() {
        let mut each = rules(r#"[{ "call": "part", "each": 2, "total": 3, "fault": "lost" }]"#);
        let struck = [1, 1, 1, 2, 2].map(|n| each.strike(part(n), Duration::ZERO).is_some());
        assert_eq!(struck, [true, true, false, true, false]);

        let mut timed = rules(r#"[{ "call": "sign", "seconds": 20, "fault": "bad-gateway" }]"#);
        let sign = Call { kind: Kind::Sign, part: 0 };
        let struck = [100, 110, 119, 120, 500].map(|s| timed.strike(sign, Duration::from_secs(s)).is_some());
        assert_eq!(struck, [true, true, true, false, false]);
    }

    #[test]
    fn the_first_rule_that_is_left_strikes() {
        let mut two = rules(
            r#"[{ "call": "part", "total": 1, "fault": { "without": ["etag"] } },
                { "call": "part", "fault": { "dead": 1.5 } }]"#,
        );
        assert_eq!(two.strike(part(1), Duration::ZERO), Some(Fault::Without(vec!["etag".into()])));
        assert_eq!(two.strike(part(1), Duration::ZERO), Some(Fault::Dead(1.5)));
    }

    #[test]
    fn a_rule_with_a_word_too_many_is_refused() {
        let rule = r#"{ "call": "part", "often": 2, "fault": "lost" }"#;
        assert!(serde_json::from_str::<Rule>(rule).is_err());
    }
}
