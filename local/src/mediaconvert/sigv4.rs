//! Verifies Signature Version 4 in the header `Authorization`: computes the signature with the service's key and
//! compares. Presigned URLs aren't supported.

use super::error::ServiceError;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use std::time::{Duration, SystemTime};
use subtle::ConstantTimeEq as _;

const SERVICE: &str = "mediaconvert";
/// Maximum difference between the client's clock and this one, as on AWS.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

/// The access key that may call the service.
#[derive(Clone)]
pub struct SigningKey {
    pub access_key: String,
    pub secret_key: String,
    pub region: String,
}

/// The fields of the `Authorization` header.
struct Authorization<'a> {
    access_key: &'a str,
    /// `20260131/us-east-1/mediaconvert/aws4_request`.
    scope: &'a str,
    signed_headers: Vec<&'a str>,
    signature: &'a str,
}

impl SigningKey {
    /// Checks that the request was signed with this key at about `now`. Fails with the API's error for a missing,
    /// malformed or wrong signature.
    pub fn verify(&self, request: &Parts, body: &[u8], now: SystemTime) -> Result<(), ServiceError> {
        let header = request.headers.get(AUTHORIZATION).ok_or(ServiceError::Unsigned)?;
        let authorization = header.to_str().ok().and_then(Authorization::parse);
        let authorization = authorization
            .ok_or(ServiceError::IncompleteSignature("The header Authorization can't be read."))?;
        if authorization.access_key != self.access_key {
            return Err(ServiceError::UnknownKey);
        }
        let date = request.headers.get("x-amz-date").and_then(|date| date.to_str().ok()).unwrap_or_default();
        let time = signing_time(date)
            .ok_or(ServiceError::IncompleteSignature("The header X-Amz-Date is missing or can't be read."))?;
        let skew = now.duration_since(time).unwrap_or_else(|error| error.duration());
        if skew > MAX_CLOCK_SKEW {
            return Err(ServiceError::BadSignature(
                "The signature's time is too far from this clock; set the client's clock.",
            ));
        }
        let scope = format!("{}/{}/{SERVICE}/aws4_request", date.get(..8).unwrap_or_default(), self.region);
        if authorization.scope != scope {
            return Err(ServiceError::BadSignature("The signature is for another date, region or service."));
        }
        if !authorization.signed_headers.contains(&"host") {
            return Err(ServiceError::BadSignature("The header Host must be signed."));
        }
        match self.sign(request, body, &authorization.signed_headers, time) {
            Some(expected) if bool::from(expected.as_bytes().ct_eq(authorization.signature.as_bytes())) => {
                Ok(())
            }
            _ => {
                Err(ServiceError::BadSignature("The signature doesn't match the request and the secret key."))
            }
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

impl<'a> Authorization<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let fields = header.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let field = |name: &str| {
            fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
        };
        let (access_key, scope) = field("Credential")?.split_once('/')?;
        let signed_headers = field("SignedHeaders")?.split(';').collect();
        Some(Self { access_key, scope, signed_headers, signature: field("Signature")? })
    }
}

/// Parses `20260131T235959Z`.
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

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn signing_key() -> SigningKey {
        SigningKey { access_key: "local".into(), secret_key: "locallocal".into(), region: "us-east-1".into() }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// Returns a request signed with `key` at 1,800,000,000 seconds.
    fn signed(key: &SigningKey, body: &[u8]) -> Parts {
        let request = Request::post("/2017-08-29/jobs?x=a%20b").header("host", "127.0.0.1:1");
        let (mut parts, ()) = request.header("x-amz-date", "20270115T080000Z").body(()).unwrap().into_parts();
        let signature = key.sign(&parts, body, &["host", "x-amz-date"], at(1_800_000_000)).unwrap();
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/20270115/{}/mediaconvert/aws4_request, SignedHeaders=host;x-amz-date, \
             Signature={signature}",
            key.access_key, key.region
        );
        parts.headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        parts
    }

    #[test]
    fn only_requests_signed_with_the_key_are_accepted() {
        let now = at(1_800_000_000);
        let key = signing_key();
        let parts = signed(&key, b"{}");
        assert!(key.verify(&parts, b"{}", now).is_ok());
        assert!(matches!(key.verify(&parts, b"{ }", now), Err(ServiceError::BadSignature(_))));
        let late = now + MAX_CLOCK_SKEW + Duration::from_secs(1);
        assert!(matches!(key.verify(&parts, b"{}", late), Err(ServiceError::BadSignature(_))));
        let early = now - MAX_CLOCK_SKEW - Duration::from_secs(1);
        assert!(matches!(key.verify(&parts, b"{}", early), Err(ServiceError::BadSignature(_))));

        let mut other_uri = parts.clone();
        other_uri.uri = "/2017-08-29/jobs?x=other".parse().unwrap();
        assert!(matches!(key.verify(&other_uri, b"{}", now), Err(ServiceError::BadSignature(_))));

        let wrong_secret = SigningKey { secret_key: "wrong".into(), ..key.clone() };
        assert!(matches!(
            key.verify(&signed(&wrong_secret, b""), b"", now),
            Err(ServiceError::BadSignature(_))
        ));
        let wrong_region = SigningKey { region: "eu-west-1".into(), ..key.clone() };
        assert!(matches!(
            key.verify(&signed(&wrong_region, b""), b"", now),
            Err(ServiceError::BadSignature(_))
        ));
        let wrong_access_key = SigningKey { access_key: "other".into(), ..key.clone() };
        assert!(matches!(
            key.verify(&signed(&wrong_access_key, b""), b"", now),
            Err(ServiceError::UnknownKey)
        ));

        let mut unsigned = parts.clone();
        unsigned.headers.remove(AUTHORIZATION);
        assert!(matches!(key.verify(&unsigned, b"{}", now), Err(ServiceError::Unsigned)));
        for header in ["", "Bearer x", "AWS4-HMAC-SHA256 Credential=local", "AWS4-HMAC-SHA256 é"] {
            let mut parts = parts.clone();
            let value = axum::http::HeaderValue::from_bytes(header.as_bytes()).unwrap();
            parts.headers.insert(AUTHORIZATION, value);
            assert!(
                matches!(key.verify(&parts, b"{}", now), Err(ServiceError::IncompleteSignature(_))),
                "{header}"
            );
        }
    }

    #[test]
    fn malformed_signing_time_is_refused() {
        assert_eq!(signing_time("20270115T080000Z"), Some(at(1_800_000_000)));
        for bad in ["", "20270115", "2027-01-15T08:00Z", "20271315T080000Z", "20270115T080000é", "éééééééé"]
        {
            assert_eq!(signing_time(bad), None, "{bad}");
        }
    }
}
