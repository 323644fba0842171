//! Cross-origin rules of a bucket, judged as S3 judges them. Pure.

use super::error::named_error;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use s3s::dto::CORSRule;
use s3s::{S3Error, s3_error};
use serde::{Deserialize, Serialize};

/// One rule, of at most 100 in a bucket. An origin or a header may hold one `*`, for any characters. The
/// name that S3 lets a rule have isn't kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsRule {
    pub allowed_origins: Vec<String>,
    /// Of `GET`, `PUT`, `POST`, `DELETE`, `HEAD`.
    pub allowed_methods: Vec<String>,
    pub allowed_headers: Vec<String>,
    /// Answers' headers that a page's scripts may read.
    pub expose_headers: Vec<String>,
    /// How long a browser may remember a preflight, in seconds.
    pub max_age_seconds: Option<i32>,
}

const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];
const MOST_RULES: usize = 100;

/// What an answer's cache key must contain, in a bucket that has rules.
pub const VARY: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Headers, Access-Control-Request-Method");

/// Takes a configuration from the wire; `MalformedXML` or `InvalidRequest` if S3 wouldn't.
pub fn from_wire(rules: Vec<CORSRule>) -> Result<Vec<CorsRule>, S3Error> {
    if rules.is_empty() || rules.len() > MOST_RULES {
        return Err(s3_error!(MalformedXML, "A CORS configuration has 1 to {MOST_RULES} rules."));
    }
    rules.into_iter().map(rule_from_wire).collect()
}

fn rule_from_wire(rule: CORSRule) -> Result<CorsRule, S3Error> {
    if let Some(method) = rule.allowed_methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
        return Err(s3_error!(
            InvalidRequest,
            "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
        ));
    }
    let allowed_headers = rule.allowed_headers.unwrap_or_default();
    if let Some(pattern) =
        rule.allowed_origins.iter().chain(&allowed_headers).find(|pattern| pattern.matches('*').count() > 1)
    {
        return Err(s3_error!(InvalidRequest, "\"{pattern}\" can not have more than one wildcard."));
    }
    let expose_headers = rule.expose_headers.unwrap_or_default();
    if let Some(name) = expose_headers.iter().find(|name| name.parse::<HeaderName>().is_err()) {
        return Err(s3_error!(InvalidRequest, "ExposeHeader \"{name}\" is not a header's name."));
    }
    Ok(CorsRule {
        allowed_origins: rule.allowed_origins,
        allowed_methods: rule.allowed_methods,
        allowed_headers,
        expose_headers,
        max_age_seconds: rule.max_age_seconds,
    })
}

pub fn to_wire(rule: &CorsRule) -> CORSRule {
    CORSRule {
        allowed_origins: rule.allowed_origins.clone(),
        allowed_methods: rule.allowed_methods.clone(),
        allowed_headers: Some(rule.allowed_headers.clone()).filter(|headers| !headers.is_empty()),
        expose_headers: Some(rule.expose_headers.clone()).filter(|headers| !headers.is_empty()),
        max_age_seconds: rule.max_age_seconds,
        id: None,
    }
}

/// The headers that let a page of `origin` read the answer to `method`; none if no rule allows it.
pub fn of_answer(rules: &[CorsRule], origin: &HeaderValue, method: &str) -> HeaderMap {
    match rules.iter().find(|rule| rule.allows(origin, method)) {
        Some(rule) => rule.headers(origin),
        None => HeaderMap::new(),
    }
}

/// The answer to a preflight: its headers, or the error that S3 gives.
pub fn preflight(rules: &[CorsRule], request: &HeaderMap) -> Result<HeaderMap, S3Error> {
    let Some(origin) = request.get(header::ORIGIN) else {
        return Err(bad_preflight("Insufficient information. Origin request header needed."));
    };
    let method = request.get(header::ACCESS_CONTROL_REQUEST_METHOD).and_then(|value| value.to_str().ok());
    let Some(method) = method.filter(|method| METHODS.contains(method)) else {
        return Err(bad_preflight("Invalid Access-Control-Request-Method."));
    };
    if rules.is_empty() {
        return Err(forbidden("CORSResponse: CORS is not enabled for this bucket."));
    }
    let asked = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let names = match asked.map(HeaderValue::to_str) {
        None => Vec::new(),
        Some(Ok(text)) => text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect(),
        Some(Err(_)) => return Err(bad_preflight("Invalid Access-Control-Request-Headers.")),
    };
    let rule = rules.iter().find(|rule| {
        rule.allows(origin, method)
            && names
                .iter()
                .all(|name| rule.allowed_headers.iter().any(|pattern| matches(pattern, name, true)))
    });
    let Some(rule) = rule else {
        return Err(forbidden(
            "CORSResponse: This CORS request is not allowed. This is usually because the evaluation of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
        ));
    };
    let mut headers = rule.headers(origin);
    if let Some(asked) = asked {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    Ok(headers)
}

impl CorsRule {
    fn allows(&self, origin: &HeaderValue, method: &str) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        self.allowed_methods.iter().any(|allowed| allowed == method)
            && self.allowed_origins.iter().any(|pattern| matches(pattern, origin, false))
    }

    fn headers(&self, origin: &HeaderValue) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.allowed_origins.iter().any(|pattern| pattern == "*") {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        } else {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        let mut add = |name, value: String| {
            if let Ok(value) = HeaderValue::try_from(value)
                && !value.is_empty()
            {
                headers.insert(name, value);
            }
        };
        add(header::ACCESS_CONTROL_ALLOW_METHODS, self.allowed_methods.join(", "));
        add(header::ACCESS_CONTROL_EXPOSE_HEADERS, self.expose_headers.join(", "));
        add(
            header::ACCESS_CONTROL_MAX_AGE,
            self.max_age_seconds.map(|age| age.to_string()).unwrap_or_default(),
        );
        headers
    }
}

fn matches(pattern: &str, text: &str, any_case: bool) -> bool {
    if any_case {
        return matches(&pattern.to_ascii_lowercase(), &text.to_ascii_lowercase(), false);
    }
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => {
            text.len() >= head.len() + tail.len() && text.starts_with(head) && text.ends_with(tail)
        }
    }
}

fn bad_preflight(words: &'static str) -> S3Error {
    named_error("BadRequest", StatusCode::BAD_REQUEST, words)
}

fn forbidden(words: &'static str) -> S3Error {
    named_error("AccessForbidden", StatusCode::FORBIDDEN, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use s3s::S3ErrorCode;

    fn rule() -> CorsRule {
        CorsRule {
            allowed_origins: vec!["http://*.example.com".into(), "http://127.0.0.1:8080".into()],
            allowed_methods: vec!["PUT".into(), "GET".into()],
            allowed_headers: vec!["content-*".into()],
            expose_headers: vec!["ETag".into(), "x-amz-checksum-crc64nvme".into()],
            max_age_seconds: Some(3000),
        }
    }

    fn asked(origin: &'static str, method: &'static str, headers: &'static str) -> HeaderMap {
        let mut request = HeaderMap::new();
        for (name, value) in [
            (header::ORIGIN, origin),
            (header::ACCESS_CONTROL_REQUEST_METHOD, method),
            (header::ACCESS_CONTROL_REQUEST_HEADERS, headers),
        ] {
            if !value.is_empty() {
                request.insert(name, HeaderValue::from_static(value));
            }
        }
        request
    }

    #[test]
    fn preflights() {
        let cases = [
            ("http://a.example.com", "PUT", "Content-Type, CONTENT-MD5", 200),
            ("http://127.0.0.1:8080", "GET", "", 200),
            ("http://127.0.0.1:8081", "GET", "", 403),
            ("http://.example.com.evil", "GET", "", 403),
            ("http://.example.co", "GET", "", 403),
            ("http://a.example.com", "DELETE", "", 403),
            ("http://a.example.com", "PUT", "content-type, x-amz-acl", 403),
            ("http://a.example.com", "PATCH", "", 400),
            ("http://a.example.com", "", "", 400),
            ("", "PUT", "", 400),
        ];
        for (origin, method, headers, expected) in cases {
            let answer = preflight(&[rule()], &asked(origin, method, headers));
            let status = answer.map_or_else(|error| error.status_code().map(|s| s.as_u16()), |_| Some(200));
            assert_eq!(status, Some(expected), "{origin} {method} {headers}");
        }
        let none = preflight(&[], &asked("http://a.example.com", "PUT", ""));
        assert_eq!(none.unwrap_err().code().as_str(), "AccessForbidden");
    }

    #[test]
    fn an_answer_names_the_origin_and_what_is_exposed() {
        let origin = HeaderValue::from_static("http://127.0.0.1:8080");
        let headers = of_answer(&[rule()], &origin, "PUT");
        assert_eq!(headers["access-control-allow-origin"], "http://127.0.0.1:8080");
        assert_eq!(headers["access-control-allow-credentials"], "true");
        assert_eq!(headers["access-control-expose-headers"], "ETag, x-amz-checksum-crc64nvme");
        assert_eq!(headers["access-control-max-age"], "3000");
        assert!(of_answer(&[rule()], &origin, "DELETE").is_empty());
    }

    #[test]
    fn a_rule_for_everyone_allows_no_credentials() {
        let everyone = CorsRule { allowed_origins: vec!["*".into()], ..rule() };
        let headers = of_answer(&[everyone], &HeaderValue::from_static("null"), "PUT");
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert!(!headers.contains_key("access-control-allow-credentials"));
    }

    #[test]
    fn a_configuration_survives_the_wire() {
        assert_eq!(from_wire(vec![to_wire(&rule())]).unwrap(), [rule()]);
        let wrong = [
            CorsRule { allowed_methods: vec!["OPTIONS".into()], ..rule() },
            CorsRule { allowed_origins: vec!["http://*.*".into()], ..rule() },
            CorsRule { expose_headers: vec!["E Tag".into()], ..rule() },
        ];
        for wrong in wrong {
            let error = from_wire(vec![to_wire(&wrong)]).unwrap_err();
            assert_eq!(error.code(), &S3ErrorCode::InvalidRequest);
        }
        assert_eq!(from_wire(vec![]).unwrap_err().code(), &S3ErrorCode::MalformedXML);
    }
}
