//! CORS rules of a bucket: parsing, preflights and response headers by S3's rules. Pure.

use super::error::custom_error;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use s3s::dto::CORSRule;
use s3s::{S3Error, s3_error};
use serde::{Deserialize, Serialize};

/// One of at most 100 rules of a bucket. An origin or a header may contain one `*`, which matches any
/// characters. The rule's `ID` isn't stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsRule {
    pub allowed_origins: Vec<String>,
    /// Any of `GET`, `PUT`, `POST`, `DELETE`, `HEAD`.
    pub allowed_methods: Vec<String>,
    pub allowed_headers: Vec<String>,
    /// Response headers that scripts of the page may read.
    pub expose_headers: Vec<String>,
    /// How long a browser may cache a preflight, in seconds.
    pub max_age_seconds: Option<i32>,
}

const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];
const MAX_RULES: usize = 100;

/// The `Vary` header of responses from a bucket that has rules.
pub const VARY: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Headers, Access-Control-Request-Method");

/// Converts a configuration from the API's type. Fails with `MalformedXML` or `InvalidRequest`, as S3 does.
pub fn from_dto(rules: Vec<CORSRule>) -> Result<Vec<CorsRule>, S3Error> {
    if rules.is_empty() || rules.len() > MAX_RULES {
        return Err(s3_error!(MalformedXML, "A CORS configuration has 1 to {MAX_RULES} rules."));
    }
    rules.into_iter().map(rule_from_dto).collect()
}

fn rule_from_dto(rule: CORSRule) -> Result<CorsRule, S3Error> {
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

/// Converts a rule to the API's type.
pub fn to_dto(rule: &CorsRule) -> CORSRule {
    CORSRule {
        allowed_origins: rule.allowed_origins.clone(),
        allowed_methods: rule.allowed_methods.clone(),
        allowed_headers: Some(rule.allowed_headers.clone()).filter(|headers| !headers.is_empty()),
        expose_headers: Some(rule.expose_headers.clone()).filter(|headers| !headers.is_empty()),
        max_age_seconds: rule.max_age_seconds,
        id: None,
    }
}

/// Returns the headers that let a page of `origin` read the response to `method`; none if no rule allows it.
pub fn response_headers(rules: &[CorsRule], origin: &HeaderValue, method: &str) -> HeaderMap {
    match rules.iter().find(|rule| rule.allows(origin, method)) {
        Some(rule) => rule.headers(origin),
        None => HeaderMap::new(),
    }
}

/// Returns the headers of the response to a preflight, or the error that S3 sends.
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
    let requested = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let names = match requested.map(HeaderValue::to_str) {
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
    if let Some(requested) = requested {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, requested.clone());
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

fn matches(pattern: &str, text: &str, ignore_case: bool) -> bool {
    if ignore_case {
        return matches(&pattern.to_ascii_lowercase(), &text.to_ascii_lowercase(), false);
    }
    match pattern.split_once('*') {
        None => pattern == text,
        Some((prefix, suffix)) => {
            text.len() >= prefix.len() + suffix.len() && text.starts_with(prefix) && text.ends_with(suffix)
        }
    }
}

fn bad_preflight(message: &'static str) -> S3Error {
    custom_error("BadRequest", StatusCode::BAD_REQUEST, message)
}

fn forbidden(message: &'static str) -> S3Error {
    custom_error("AccessForbidden", StatusCode::FORBIDDEN, message)
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

    fn preflight_request(origin: &'static str, method: &'static str, headers: &'static str) -> HeaderMap {
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
    fn preflight_is_answered_by_the_matching_rule() {
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
            let result = preflight(&[rule()], &preflight_request(origin, method, headers));
            let status = result.map_or_else(|error| error.status_code().map(|s| s.as_u16()), |_| Some(200));
            assert_eq!(status, Some(expected), "{origin} {method} {headers}");
        }
        let none = preflight(&[], &preflight_request("http://a.example.com", "PUT", ""));
        assert_eq!(none.unwrap_err().code().as_str(), "AccessForbidden");
    }

    #[test]
    fn response_names_origin_and_exposed_headers() {
        let origin = HeaderValue::from_static("http://127.0.0.1:8080");
        let headers = response_headers(&[rule()], &origin, "PUT");
        assert_eq!(headers["access-control-allow-origin"], "http://127.0.0.1:8080");
        assert_eq!(headers["access-control-allow-credentials"], "true");
        assert_eq!(headers["access-control-expose-headers"], "ETag, x-amz-checksum-crc64nvme");
        assert_eq!(headers["access-control-max-age"], "3000");
        assert!(response_headers(&[rule()], &origin, "DELETE").is_empty());
    }

    #[test]
    fn wildcard_origin_allows_no_credentials() {
        let any_origin = CorsRule { allowed_origins: vec!["*".into()], ..rule() };
        let headers = response_headers(&[any_origin], &HeaderValue::from_static("null"), "PUT");
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert!(!headers.contains_key("access-control-allow-credentials"));
    }

    #[test]
    fn configuration_round_trips_and_invalid_rules_are_refused() {
        assert_eq!(from_dto(vec![to_dto(&rule())]).unwrap(), [rule()]);
        let invalid = [
            CorsRule { allowed_methods: vec!["OPTIONS".into()], ..rule() },
            CorsRule { allowed_origins: vec!["http://*.*".into()], ..rule() },
            CorsRule { expose_headers: vec!["E Tag".into()], ..rule() },
        ];
        for rule in invalid {
            let error = from_dto(vec![to_dto(&rule)]).unwrap_err();
            assert_eq!(error.code(), &S3ErrorCode::InvalidRequest);
        }
        assert_eq!(from_dto(vec![]).unwrap_err().code(), &S3ErrorCode::MalformedXML);
    }
}
