//! Who may do what: whoever signs with the one key may do everything. What `s3s` leaves open of the
//! signature's form is checked here; the signature itself it has verified by then.

use http::HeaderMap;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Error, S3Result, s3_error};

/// The one key.
pub struct Key {
    pub access: String,
    pub secret: SecretKey,
}

#[async_trait::async_trait]
impl S3Auth for Key {
    async fn get_secret_key(&self, access: &str) -> S3Result<SecretKey> {
        if access == self.access {
            return Ok(self.secret.clone());
        }
        Err(s3_error!(
            InvalidAccessKeyId,
            "The AWS Access Key Id you provided does not exist in our records."
        ))
    }
}

pub struct SignedOnly;

#[async_trait::async_trait]
impl S3Access for SignedOnly {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        match signed_headers(context.uri().query(), context.headers()) {
            Some(signed) => check_headers(&signed, context.headers()),
            // Signatures of version 2, which boto3 still makes for URLs, cover all such headers.
            None => Ok(()),
        }
    }
}

/// The names that a signature of version 4 covers, in lower case.
fn signed_headers(query: Option<&str>, headers: &HeaderMap) -> Option<Vec<String>> {
    let presigned = query.into_iter().flat_map(|query| query.split('&')).find_map(|pair| {
        let names = pair.strip_prefix("X-Amz-SignedHeaders=")?;
        Some(names.replace("%3B", ";").replace("%3b", ";"))
    });
    let in_header = || {
        let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
        let fields = value.strip_prefix("AWS4-HMAC-SHA256")?;
        fields.split(',').find_map(|field| Some(field.trim().strip_prefix("SignedHeaders=")?.to_owned()))
    };
    let names = presigned.or_else(in_header)?;
    Some(names.split(';').map(str::to_ascii_lowercase).collect())
}

/// Like S3: a header that changes what happens must be signed, or else whoever holds a presigned URL could
/// add it. The body's hash is proved by the body.
fn check_headers(signed: &[String], headers: &HeaderMap) -> Result<(), S3Error> {
    let unsigned = headers.keys().map(http::HeaderName::as_str).find(|name| {
        name.starts_with("x-amz-")
            && *name != "x-amz-content-sha256"
            && !signed.iter().any(|signed| signed == name)
    });
    match unsigned {
        None => Ok(()),
        Some(name) => Err(s3_error!(
            AccessDenied,
            "There were headers present in the request which were not signed: {name}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn both_places_of_a_signature_are_read() {
        let query = "partNumber=1&X-Amz-SignedHeaders=content-length%3Bhost&X-Amz-Signature=0";
        let none = headers(&[]);
        assert_eq!(signed_headers(Some(query), &none).unwrap(), ["content-length", "host"]);
        let header = headers(&[(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=a/b/c/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=0",
        )]);
        assert_eq!(signed_headers(None, &header).unwrap(), ["host", "x-amz-date"]);
        let older = headers(&[("authorization", "AWS local:c2lnbmF0dXJl")]);
        assert!(signed_headers(None, &older).is_none());
    }

    #[test]
    fn unsigned_headers_are_refused() {
        let signed = ["host".to_owned(), "x-amz-meta-a".to_owned()];
        assert!(check_headers(&signed, &headers(&[("x-amz-meta-a", ""), ("content-md5", "")])).is_ok());
        let error = check_headers(&signed, &headers(&[("x-amz-checksum-crc64nvme", "")])).unwrap_err();
        assert_eq!(error.code(), &s3s::S3ErrorCode::AccessDenied);
    }
}
