//! Checks Signature Version 4 in the header `Authorization`: what came is signed again with our own key, and
//! both signatures must agree. Signed URLs aren't taken here.

use super::error::ApiError;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use std::time::{Duration, SystemTime};

const SERVICE: &str = "mediaconvert";
/// How far a client's clock may be off, as on AWS.
const SKEW: Duration = Duration::from_secs(5 * 60);

/// Who may call.
#[derive(Clone)]
pub struct Keys {
    pub access_key: String,
    pub secret_key: String,
    pub region: String,
}

/// The header, taken apart.
struct Claim<'a> {
    access_key: &'a str,
    /// `20260131/us-east-1/mediaconvert/aws4_request`.
    scope: &'a str,
    signed_headers: Vec<&'a str>,
    signature: &'a str,
}

impl Keys {
    /// Whether this request was signed with our key, at about `now`.
    pub fn check(&self, request: &Parts, body: &[u8], now: SystemTime) -> Result<(), ApiError> {
        let header = request.headers.get(AUTHORIZATION).ok_or(ApiError::Unsigned)?;
        let claim = header.to_str().ok().and_then(Claim::read);
        let claim = claim.ok_or(ApiError::IncompleteSignature("The header Authorization can't be read."))?;
        if claim.access_key != self.access_key {
            return Err(ApiError::UnknownKey);
        }
        let date = request.headers.get("x-amz-date").and_then(|date| date.to_str().ok()).unwrap_or_default();
        let time = signing_time(date)
            .ok_or(ApiError::IncompleteSignature("The header X-Amz-Date is missing or can't be read."))?;
        let off = now.duration_since(time).unwrap_or_else(|error| error.duration());
        if off > SKEW {
            return Err(ApiError::BadSignature("The signature is from another time; set the clock right."));
        }
        let scope = format!("{}/{}/{SERVICE}/aws4_request", date.get(..8).unwrap_or_default(), self.region);
        if claim.scope != scope {
            return Err(ApiError::BadSignature("The signature is for another date, region or service."));
        }
        if !claim.signed_headers.contains(&"host") {
            return Err(ApiError::BadSignature("The header Host must be signed."));
        }
        match self.sign(request, body, &claim.signed_headers, time) {
            Some(expected) if same(expected.as_bytes(), claim.signature.as_bytes()) => Ok(()),
            _ => Err(ApiError::BadSignature("The signature doesn't match the request and the secret key.")),
        }
    }

    fn sign(&self, request: &Parts, body: &[u8], names: &[&str], time: SystemTime) -> Option<String> {
        let mut headers = vec![];
        for name in names {
            for value in request.headers.get_all(*name) {
                headers.push((*name, value.to_str().ok()?));
            }
        }
        if !headers.iter().any(|(name, _)| *name == "host") {
            return None;
        }
        let identity = Credentials::from_keys(&self.access_key, &self.secret_key, None).into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(time)
            .settings(SigningSettings::default())
            .build()
            .ok()?
            .into();
        let (method, uri) = (request.method.as_str(), request.uri.to_string());
        let signable =
            SignableRequest::new(method, uri, headers.into_iter(), SignableBody::Bytes(body)).ok()?;
        Some(sign(signable, &params).ok()?.into_parts().1)
    }
}

impl<'a> Claim<'a> {
    fn read(header: &'a str) -> Option<Self> {
        let fields = header.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let field = |name: &str| {
            fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
        };
        let (access_key, scope) = field("Credential")?.split_once('/')?;
        let signed_headers = field("SignedHeaders")?.split(';').collect();
        Some(Self { access_key, scope, signed_headers, signature: field("Signature")? })
    }
}

/// Reads `20260131T235959Z`.
fn signing_time(text: &str) -> Option<SystemTime> {
    let part = |range| text.get(range);
    let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
    let (hour, minute, second) = (part(9..11)?, part(11..13)?, part(13..15)?);
    if text.len() != 16 || part(8..9)? != "T" || part(15..16)? != "Z" {
        return None;
    }
    let rfc3339 = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    DateTime::from_str(&rfc3339, Format::DateTime).ok()?.try_into().ok()
}

/// Compares without telling by its time where the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn keys() -> Keys {
        Keys { access_key: "local".into(), secret_key: "locallocal".into(), region: "us-east-1".into() }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// A request signed by `keys` at 1,800,000,000 seconds.
    fn signed(keys: &Keys, body: &[u8]) -> Parts {
        let request = Request::post("/2017-08-29/jobs?x=a%20b").header("host", "127.0.0.1:1");
        let (mut parts, ()) = request.header("x-amz-date", "20270115T080000Z").body(()).unwrap().into_parts();
        let signature = keys.sign(&parts, body, &["host", "x-amz-date"], at(1_800_000_000)).unwrap();
        let claim = format!(
            "AWS4-HMAC-SHA256 Credential={}/20270115/{}/mediaconvert/aws4_request, SignedHeaders=host;x-amz-date, \
             Signature={signature}",
            keys.access_key, keys.region
        );
        parts.headers.insert(AUTHORIZATION, claim.parse().unwrap());
        parts
    }

    #[test]
    fn what_was_signed_is_taken_and_nothing_else() {
        let now = at(1_800_000_000);
        let keys = keys();
        let parts = signed(&keys, b"{}");
        assert!(keys.check(&parts, b"{}", now).is_ok());
        assert!(matches!(keys.check(&parts, b"{ }", now), Err(ApiError::BadSignature(_))));
        let late = now + SKEW + Duration::from_secs(1);
        assert!(matches!(keys.check(&parts, b"{}", late), Err(ApiError::BadSignature(_))));
        let early = now - SKEW - Duration::from_secs(1);
        assert!(matches!(keys.check(&parts, b"{}", early), Err(ApiError::BadSignature(_))));

        let mut elsewhere = parts.clone();
        elsewhere.uri = "/2017-08-29/jobs?x=other".parse().unwrap();
        assert!(matches!(keys.check(&elsewhere, b"{}", now), Err(ApiError::BadSignature(_))));

        let wrong_secret = Keys { secret_key: "wrong".into(), ..keys.clone() };
        assert!(matches!(keys.check(&signed(&wrong_secret, b""), b"", now), Err(ApiError::BadSignature(_))));
        let wrong_region = Keys { region: "eu-west-1".into(), ..keys.clone() };
        assert!(matches!(keys.check(&signed(&wrong_region, b""), b"", now), Err(ApiError::BadSignature(_))));
        let stranger = Keys { access_key: "other".into(), ..keys.clone() };
        assert!(matches!(keys.check(&signed(&stranger, b""), b"", now), Err(ApiError::UnknownKey)));

        let mut unsigned = parts.clone();
        unsigned.headers.remove(AUTHORIZATION);
        assert!(matches!(keys.check(&unsigned, b"{}", now), Err(ApiError::Unsigned)));
        for claim in ["", "Bearer x", "AWS4-HMAC-SHA256 Credential=local", "AWS4-HMAC-SHA256 é"] {
            let mut parts = parts.clone();
            let value = axum::http::HeaderValue::from_bytes(claim.as_bytes()).unwrap();
            parts.headers.insert(AUTHORIZATION, value);
            assert!(
                matches!(keys.check(&parts, b"{}", now), Err(ApiError::IncompleteSignature(_))),
                "{claim}"
            );
        }
    }

    #[test]
    fn signing_times_are_read_strictly() {
        assert_eq!(signing_time("20270115T080000Z"), Some(at(1_800_000_000)));
        for bad in ["", "20270115", "2027-01-15T08:00Z", "20271315T080000Z", "20270115T080000é", "éééééééé"]
        {
            assert_eq!(signing_time(bad), None, "{bad}");
        }
    }
}
