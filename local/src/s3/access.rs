//! Authorization: a request signed with the one access key may do everything. `s3s` has verified the
//! signature before; these checks cover what it doesn't: that there is one, and which headers it signs. And the bucket
//! that a host name contains.

use super::supported::{self, Resource};
use http::HeaderMap;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::host::{S3Host, VirtualHost};
use s3s::path::S3Path;
use s3s::{S3Error, S3Result, s3_error};

/// The one access key and its secret.
pub struct AccessKey {
    pub id: String,
    pub secret: SecretKey,
}

#[async_trait::async_trait]
impl S3Auth for AccessKey {
    async fn get_secret_key(&self, id: &str) -> S3Result<SecretKey> {
        if id == self.id {
            return Ok(self.secret.clone());
        }
        Err(s3_error!(
            InvalidAccessKeyId,
            "The AWS Access Key Id you provided does not exist in our records."
        ))
    }
}

/// Reads the bucket from a `Host` of virtual-host style, `uploads.localhost`; browsers and most systems resolve such
/// names to loopback.
pub struct LocalhostBuckets;

impl S3Host for LocalhostBuckets {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let virtual_host = VirtualHost::new(host);
        Ok(match virtual_bucket(host) {
            Some(bucket) => virtual_host.with_bucket(bucket),
            None => virtual_host,
        })
    }
}

/// Returns the bucket that a `Host` names; `None` in path style.
pub fn virtual_bucket(host: &str) -> Option<&str> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name.strip_suffix(".localhost").filter(|bucket| !bucket.is_empty())
}

/// Refuses requests that aren't signed, those with unsigned `x-amz-*` headers, and what the endpoint doesn't have.
pub struct RequireSignature;

#[async_trait::async_trait]
impl S3Access for RequireSignature {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        let resource = match context.s3_path() {
            S3Path::Root => Resource::Service,
            S3Path::Bucket { .. } => Resource::Bucket,
            S3Path::Object { .. } => Resource::Object,
        };
        supported::check(context.method(), resource, context.uri().query().unwrap_or_default())?;
        supported::check_headers(context.headers())?;
        match signed_headers(context.uri().query(), context.headers()) {
            Some(mut signed) => {
                // A header that is hoisted to the query of a presigned URL is signed with the query.
                let query = supported::parameters(context.uri().query().unwrap_or_default());
                signed.extend(query.map(|(name, _)| name.to_ascii_lowercase()));
                check_headers(&signed, context.headers())
            }
            // Signature version 2, which boto3 still uses for URLs, covers all `x-amz-*` headers.
            None => Ok(()),
        }
    }
}

/// Returns the header names that a version 4 signature covers, in lower case; `None` without one.
pub fn signed_headers(query: Option<&str>, headers: &HeaderMap) -> Option<Vec<String>> {
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

/// Fails with `AccessDenied` if an `x-amz-*` header isn't signed, as S3 does: otherwise the holder of a
/// presigned URL could add one. `x-amz-content-sha256` is exempt, because it is compared with the body.
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
    fn signed_headers_are_read_from_query_and_header() {
        let query = "partNumber=1&X-Amz-SignedHeaders=content-length%3Bhost&X-Amz-Signature=0";
        let none = headers(&[]);
        assert_eq!(signed_headers(Some(query), &none).unwrap(), ["content-length", "host"]);
        let header = headers(&[(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=a/b/c/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=0",
        )]);
        assert_eq!(signed_headers(None, &header).unwrap(), ["host", "x-amz-date"]);
        let version_2 = headers(&[("authorization", "AWS local:c2lnbmF0dXJl")]);
        assert!(signed_headers(None, &version_2).is_none());
    }

    #[test]
    fn bucket_is_read_from_a_subdomain_of_localhost() {
        assert_eq!(virtual_bucket("uploads.localhost:8081"), Some("uploads"));
        assert_eq!(virtual_bucket("a.b.localhost"), Some("a.b"));
        for host in ["localhost:8081", "127.0.0.1:8081", "[::1]:8081", ".localhost", "uploads.example.com"] {
            assert_eq!(virtual_bucket(host), None, "{host}");
        }
    }

    #[test]
    fn unsigned_amz_header_is_denied() {
        let signed = ["host".to_owned(), "x-amz-meta-a".to_owned()];
        assert!(check_headers(&signed, &headers(&[("x-amz-meta-a", ""), ("content-md5", "")])).is_ok());
        let error = check_headers(&signed, &headers(&[("x-amz-checksum-crc64nvme", "")])).unwrap_err();
        assert_eq!(error.code(), &s3s::S3ErrorCode::AccessDenied);
    }
}
