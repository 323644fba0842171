//! Presigns part URLs, with the part's length and checksum as signed headers. The SDK's presigner takes some 70 µs per URL.
//! This one asks the SDK once for the bucket's endpoint and derives the signing key once a day; it builds the same URLs, byte
//! for byte, in a few µs.

use super::{StoreError, classify, incomplete_response, unavailable};
use crate::clock::rfc3339;
use crate::token::Session;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sigv4::sign::v4::generate_signing_key;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::OnceCell;
use wire::{ChecksumKind, PartPlan, PartToSign, SignedPart};

/// Validity of a part's URL, in seconds.
const URL_LIFETIME_SECS: u64 = 3600;
/// Credentials are renewed this long before their expiry, in seconds.
const RENEW_BEFORE_SECS: u64 = 60;
const DAY_SECS: u64 = 24 * 3600;
const PRESIGN: &str = "presigning a part";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const CHECKSUM_HEADER: &str = "x-amz-checksum-crc64nvme";
/// CRC64NVME of no bytes.
const EMPTY_CHECKSUM: &str = "AAAAAAAAAAA=";

/// The SDK doesn't escape RFC 3986's unreserved characters, and in paths the slash.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// Presigns for one bucket. Calls the credentials provider when a key is missing or expires, and nothing else.
pub struct Presigner {
    client: Client,
    bucket: String,
    credentials: Option<SharedCredentialsProvider>,
    endpoint: OnceCell<SigningEndpoint>,
    key: Mutex<Option<Arc<SigningKey>>>,
}

/// The bucket's address and the signatures' scope, as the SDK determines them.
#[derive(Debug, PartialEq, Eq)]
struct SigningEndpoint {
    /// The URL in front of a key.
    base: String,
    /// The path in `base`.
    path: String,
    /// The value of the `Host` header.
    host: String,
    /// `us-east-1/s3/aws4_request`
    scope: String,
}

/// Credentials, and the signing key derived from them for one day.
struct SigningKey {
    access_key: String,
    session_token: Option<String>,
    hmac: Hmac<Sha256>,
    /// Days since 1970.
    day: u64,
    /// In seconds since 1970.
    expires: Option<u64>,
}

impl Presigner {
    pub fn new(client: Client, bucket: &str, credentials: Option<SharedCredentialsProvider>) -> Self {
        Self { client, bucket: bucket.into(), credentials, endpoint: OnceCell::new(), key: Mutex::new(None) }
    }

    /// Presigns a `PUT` for each of these parts, at `now` (seconds since 1970), for its length in `plan` and its checksum.
    /// `base_url` replaces the bucket's address; the server behind it must forward requests with the `Host` that is signed.
    pub async fn presign(
        &self,
        session: &Session,
        plan: &PartPlan,
        parts: &[PartToSign],
        base_url: Option<&str>,
        now: u64,
    ) -> Result<Vec<SignedPart>, StoreError> {
        let endpoint = self.endpoint.get_or_try_init(|| self.discover(now)).await?;
        let key = self.key(endpoint, now).await?;
        let expires_at = rfc3339(key.url_expiry(now) * 1000);
        let target = Target { object: &session.key, upload: &session.s3_upload, checksum: session.checksum };
        let batch = PresignBatch::new(endpoint, &key, &target, base_url, now);
        let part = |part: &PartToSign| {
            let checksum = part.checksum.clone().filter(|_| session.checksum != ChecksumKind::None);
            SignedPart {
                part_number: part.part_number,
                url: batch.url(part.part_number, plan.len(part.part_number), checksum.as_deref()),
                headers: checksum.map(|checksum| (CHECKSUM_HEADER.into(), checksum)).into_iter().collect(),
                expires_at: expires_at.clone(),
            }
        };
        Ok(parts.iter().map(part).collect())
    }

    /// Determines the endpoint from a URL that the SDK presigns for a placeholder part. Makes no call to AWS. Fails if the
    /// SDK's URL differs from this presigner's.
    async fn discover(&self, now: u64) -> Result<SigningEndpoint, StoreError> {
        let config = PresigningConfig::builder()
            .start_time(UNIX_EPOCH + Duration::from_secs(now))
            .expires_in(Duration::from_secs(URL_LIFETIME_SECS))
            .build()
            .map_err(|_| incomplete_response(PRESIGN))?;
        let part = self.client.upload_part().bucket(&self.bucket).key("k").upload_id("u").part_number(1);
        let part = part.content_length(0).checksum_crc64_nvme(EMPTY_CHECKSUM);
        let signed = part.presigned(config).await.map_err(classify(PRESIGN))?;
        let endpoint = SigningEndpoint::parse(signed.uri()).ok_or_else(|| incomplete_response(PRESIGN))?;
        let key = self.key(&endpoint, now).await?;
        let target = Target { object: "k", upload: "u", checksum: ChecksumKind::Crc64Nvme };
        let own = PresignBatch::new(&endpoint, &key, &target, None, now).url(1, 0, Some(EMPTY_CHECKSUM));
        // Equal URLs sign the same headers. In Lambda the SDK also adds the trace's id, unsigned; browsers don't need it.
        if own == signed.uri() {
            Ok(endpoint)
        } else {
            // For instance a directory bucket's session, or credentials that changed between the two signatures.
            Err(unavailable(PRESIGN, "the SDK signs for this bucket in an unsupported way"))
        }
    }

    /// The signing key of the day, cached or derived from new credentials.
    async fn key(&self, endpoint: &SigningEndpoint, now: u64) -> Result<Arc<SigningKey>, StoreError> {
        let cached = self.key.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(key) = cached.filter(|key| key.is_valid(now)) {
            return Ok(key);
        }
        let no_credentials = || unavailable(PRESIGN, "no AWS credentials");
        let provider = self.credentials.as_ref().ok_or_else(no_credentials)?;
        // The provider's error isn't kept: its message could contain a secret.
        let credentials = provider.provide_credentials().await.map_err(|_| no_credentials())?;
        let time = UNIX_EPOCH + Duration::from_secs(now);
        let (region, service) = endpoint.region_and_service();
        let derived = generate_signing_key(credentials.secret_access_key(), time, region, service);
        let key = Arc::new(SigningKey {
            // HMAC accepts keys of any length.
            hmac: Hmac::new_from_slice(derived.as_ref()).map_err(|_| no_credentials())?,
            access_key: credentials.access_key_id().into(),
            session_token: credentials.session_token().map(str::to_owned),
            day: now / DAY_SECS,
            expires: credentials
                .expiry()
                .map(|end| end.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()),
        });
        *self.key.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
        Ok(key)
    }
}

impl SigningEndpoint {
    /// Parses the SDK's URL for key `k`, upload `u`, part 1.
    fn parse(url: &str) -> Option<Self> {
        let (address, query) = url.split_once('?')?;
        let base = address.strip_suffix('k')?;
        let uri: http::Uri = url.parse().ok()?;
        let default_port = match uri.scheme_str()? {
            "https" => 443,
            _ => 80,
        };
        // The Host header omits the default port.
        let host = if uri.port_u16() == Some(default_port) { uri.host()? } else { uri.authority()?.as_str() };
        let credential = query.split('&').find_map(|pair| pair.strip_prefix("X-Amz-Credential="))?;
        // ACCESSKEY/DAY/REGION/SERVICE/aws4_request with escaped slashes; an access key contains none.
        let scope = credential.splitn(3, "%2F").nth(2)?.replace("%2F", "/");
        let endpoint = Self {
            base: base.into(),
            path: uri.path().strip_suffix('k')?.into(),
            host: host.into(),
            scope: scope.clone(),
        };
        (scope.split('/').count() == 3).then_some(endpoint)
    }

    fn region_and_service(&self) -> (&str, &str) {
        let mut fields = self.scope.split('/');
        (fields.next().unwrap_or_default(), fields.next().unwrap_or_default())
    }
}

impl SigningKey {
    fn is_valid(&self, now: u64) -> bool {
        self.day == now / DAY_SECS && self.expires.is_none_or(|end| now + RENEW_BEFORE_SECS < end)
    }

    /// When a URL signed at `now` expires: at the latest together with the credentials.
    fn url_expiry(&self, now: u64) -> u64 {
        let own = now + URL_LIFETIME_SECS;
        self.expires.map_or(own, |end| end.min(own))
    }
}

/// The multipart upload that URLs are for.
struct Target<'a> {
    /// The object's key.
    object: &'a str,
    /// S3's upload id.
    upload: &'a str,
    /// Whether the part's checksum is a signed header.
    checksum: ChecksumKind,
}

/// URLs of one upload's parts at one time; they differ only in the part number and the signature.
struct PresignBatch {
    /// Hash state of the canonical request before the part number.
    request_prefix: Sha256,
    /// The canonical request between number and length, between length and checksum, and after the checksum.
    request: [String; 3],
    /// HMAC state of the string to sign before the canonical request's hash.
    hmac: Hmac<Sha256>,
    /// The URL before the number, between number and signature, and after the signature.
    url: [String; 3],
}

impl PresignBatch {
    fn new(
        endpoint: &SigningEndpoint,
        key: &SigningKey,
        target: &Target<'_>,
        base_url: Option<&str>,
        now: u64,
    ) -> Self {
        let object = utf8_percent_encode(target.object, PATH);
        let upload = utf8_percent_encode(target.upload, QUERY);
        let (headers, checksum_line) = match target.checksum {
            ChecksumKind::Crc64Nvme => {
                ("content-length;host;x-amz-checksum-crc64nvme", format!("\n{CHECKSUM_HEADER}:"))
            }
            ChecksumKind::None => ("content-length;host", String::new()),
        };
        let signed_headers = format!("X-Amz-SignedHeaders={}", utf8_percent_encode(headers, QUERY));
        let time: String = rfc3339(now * 1000).chars().filter(|c| !matches!(c, '-' | ':')).collect();
        let scope = format!("{}/{}", &time[..8], endpoint.scope);
        let credential = format!("{}/{scope}", key.access_key);
        let credential = utf8_percent_encode(&credential, QUERY);
        let token = key
            .session_token
            .as_deref()
            .map(|token| format!("&X-Amz-Security-Token={}", utf8_percent_encode(token, QUERY)));
        let token = token.unwrap_or_default();
        let common = format!(
            "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={credential}&X-Amz-Date={time}&X-Amz-Expires={URL_LIFETIME_SECS}"
        );
        let SigningEndpoint { base, path, host, .. } = endpoint;
        // The canonical request sorts the query; the SDK's URL doesn't.
        let request_prefix = format!("PUT\n{path}{object}\n{common}{token}&{signed_headers}&partNumber=");
        let base = base_url.map_or_else(|| base.clone(), |base| format!("{base}/"));
        let to_sign = format!("{ALGORITHM}\n{time}\n{scope}\n");
        Self {
            request_prefix: Sha256::new_with_prefix(request_prefix),
            request: [
                format!("&uploadId={upload}&x-id=UploadPart\ncontent-length:"),
                format!("\nhost:{host}{checksum_line}"),
                format!("\n\n{headers}\nUNSIGNED-PAYLOAD"),
            ],
            hmac: key.hmac.clone().chain_update(to_sign),
            url: [
                format!("{base}{object}?x-id=UploadPart&partNumber="),
                format!("&uploadId={upload}&{common}&{signed_headers}&X-Amz-Signature="),
                token,
            ],
        }
    }

    /// `length` is in bytes; `checksum` is `None` if and only if the target's kind is.
    fn url(&self, number: u32, length: u64, checksum: Option<&str>) -> String {
        let (number, length) = (number.to_string(), length.to_string());
        let [after_number, after_length, end] = self.request.each_ref().map(String::as_str);
        let rest = [&number, after_number, &length, after_length, checksum.unwrap_or_default(), end].concat();
        let request = self.request_prefix.clone().chain_update(rest).finalize();
        let signature = self.hmac.clone().chain_update(hex::encode(request)).finalize();
        let signature = hex::encode(signature.into_bytes());
        let [head, middle, tail] = self.url.each_ref().map(String::as_str);
        [head, &number, middle, &signature, tail].concat()
    }
}

#[cfg(test)]
mod tests;
