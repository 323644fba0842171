//! Signs parts. The SDK's presigner takes some 70 µs for each; told once by it where the bucket is, and with a key
//! derived once a day, the same URL, byte for byte, is made in a few.

use super::{StoreError, classify, no_answer, unavailable};
use crate::clock::rfc3339;
use crate::token::Session;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sigv4::sign::v4::generate_signing_key;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::OnceCell;
use wire::Part;

/// How long a part's URL may be used, in seconds.
const URL_LIFE: u64 = 3600;
/// Credentials this close to their end are asked for anew, in seconds.
const CLOSE: u64 = 60;
const DAY: u64 = 24 * 3600;
const DOING: &str = "signing a part";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What the SDK leaves as it is: RFC 3986's unreserved characters, and in paths the slash.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// Signs for one bucket. Asks for credentials when it has none that are good; reaches nothing else.
pub struct Signer {
    client: Client,
    bucket: String,
    credentials: Option<SharedCredentialsProvider>,
    place: OnceCell<Place>,
    key: Mutex<Option<Arc<Key>>>,
}

/// Where the bucket is and what signatures for it are bound to, as the SDK has it.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// What stands before a key in a URL.
    base: String,
    /// What of it is path.
    path: String,
    host: String,
    /// `us-east-1/s3/aws4_request`
    scope: String,
}

/// Credentials, with what follows from them for a day.
struct Key {
    access_key: String,
    token: Option<String>,
    signs: Hmac<Sha256>,
    /// Since 1970.
    day: u64,
    /// In seconds since 1970.
    expires: Option<u64>,
}

impl Signer {
    pub fn new(client: Client, bucket: &str, credentials: Option<SharedCredentialsProvider>) -> Self {
        Self { client, bucket: bucket.into(), credentials, place: OnceCell::new(), key: Mutex::new(None) }
    }

    /// Signs a `PUT` for each of these parts, at `now` (seconds since 1970). `base_url` takes the place of the
    /// bucket's own address: what stands behind it sends the request on to the host that the signature is for.
    pub async fn sign(
        &self,
        session: &Session,
        numbers: &[u32],
        base_url: Option<&str>,
        now: u64,
    ) -> Result<Vec<Part>, StoreError> {
        let place = self.place.get_or_try_init(|| self.learn(now)).await?;
        let key = self.key(place, now).await?;
        let expires_at = rfc3339(key.url_ends(now) * 1000);
        let window = Window::new(place, &key, &session.key, &session.s3_upload, base_url, now);
        let part = |number: &u32| Part {
            part_number: *number,
            url: window.url(*number),
            headers: BTreeMap::new(),
            expires_at: expires_at.clone(),
        };
        Ok(numbers.iter().map(part).collect())
    }

    /// Lets the SDK sign one part of nothing, which holds all that its endpoint rules say. No call to AWS.
    async fn learn(&self, now: u64) -> Result<Place, StoreError> {
        let config = PresigningConfig::builder()
            .start_time(UNIX_EPOCH + Duration::from_secs(now))
            .expires_in(Duration::from_secs(URL_LIFE))
            .build()
            .map_err(|_| no_answer(DOING))?;
        let part = self.client.upload_part().bucket(&self.bucket).key("k").upload_id("u").part_number(1);
        let signed = part.presigned(config).await.map_err(classify(DOING))?;
        let place = Place::read(signed.uri()).ok_or_else(|| no_answer(DOING))?;
        let key = self.key(&place, now).await?;
        let ours = Window::new(&place, &key, "k", "u", None, now).url(1);
        // Ours signs no header but `host`, and so does theirs if the URLs are alike. In Lambda the SDK adds the trace's
        // id to its requests, unsigned; a browser has no use for it.
        if ours == signed.uri() {
            Ok(place)
        } else {
            // Such as the session of a directory bucket, or credentials that have changed this very moment.
            Err(unavailable(DOING, "the SDK signs for this bucket in a way that isn't ours"))
        }
    }

    /// The key of the day: kept, or derived from credentials that are asked for.
    async fn key(&self, place: &Place, now: u64) -> Result<Arc<Key>, StoreError> {
        let kept = self.key.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(key) = kept.filter(|key| key.is_good(now)) {
            return Ok(key);
        }
        let nobody = || unavailable(DOING, "no AWS credentials to be had");
        let provider = self.credentials.as_ref().ok_or_else(nobody)?;
        // The provider's own words could hold what it was given.
        let credentials = provider.provide_credentials().await.map_err(|_| nobody())?;
        let time = UNIX_EPOCH + Duration::from_secs(now);
        let (region, service) = place.region_and_service();
        let derived = generate_signing_key(credentials.secret_access_key(), time, region, service);
        let key = Arc::new(Key {
            // HMAC takes a key of any length.
            signs: Hmac::new_from_slice(derived.as_ref()).map_err(|_| nobody())?,
            access_key: credentials.access_key_id().into(),
            token: credentials.session_token().map(str::to_owned),
            day: now / DAY,
            expires: credentials
                .expiry()
                .map(|end| end.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()),
        });
        *self.key.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
        Ok(key)
    }
}

impl Place {
    /// Of the SDK's URL of a part: key `k`, upload `u`, number 1.
    fn read(url: &str) -> Option<Self> {
        let (address, query) = url.split_once('?')?;
        let base = address.strip_suffix('k')?;
        let uri: http::Uri = url.parse().ok()?;
        let default = match uri.scheme_str()? {
            "https" => 443,
            _ => 80,
        };
        // As the Host header has it.
        let host = if uri.port_u16() == Some(default) { uri.host()? } else { uri.authority()?.as_str() };
        let credential = query.split('&').find_map(|pair| pair.strip_prefix("X-Amz-Credential="))?;
        // ACCESSKEY/DAY/REGION/SERVICE/aws4_request, the slashes escaped; an access key has none.
        let scope = credential.splitn(3, "%2F").nth(2)?.replace("%2F", "/");
        let place = Self {
            base: base.into(),
            path: uri.path().strip_suffix('k')?.into(),
            host: host.into(),
            scope: scope.clone(),
        };
        (scope.split('/').count() == 3).then_some(place)
    }

    fn region_and_service(&self) -> (&str, &str) {
        let mut words = self.scope.split('/');
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }
}

impl Key {
    fn is_good(&self, now: u64) -> bool {
        self.day == now / DAY && self.expires.is_none_or(|end| now + CLOSE < end)
    }

    /// A URL dies with the credentials that signed it.
    fn url_ends(&self, now: u64) -> u64 {
        let own = now + URL_LIFE;
        self.expires.map_or(own, |end| end.min(own))
    }
}

/// The parts of one upload at one moment: their URLs differ in the number and the signature.
struct Window {
    /// The canonical request up to the part's number, hashed, and what follows it.
    before: Sha256,
    after: String,
    /// What is signed, up to the canonical request's hash.
    signs: Hmac<Sha256>,
    /// The URL up to the number, between number and signature, and behind that.
    url: [String; 3],
}

impl Window {
    fn new(place: &Place, key: &Key, object: &str, upload: &str, base_url: Option<&str>, now: u64) -> Self {
        let object = utf8_percent_encode(object, PATH);
        let upload = utf8_percent_encode(upload, QUERY);
        let time: String = rfc3339(now * 1000).chars().filter(|c| !matches!(c, '-' | ':')).collect();
        let scope = format!("{}/{}", &time[..8], place.scope);
        let credential = format!("{}/{scope}", key.access_key);
        let credential = utf8_percent_encode(&credential, QUERY);
        let token = key
            .token
            .as_deref()
            .map(|token| format!("&X-Amz-Security-Token={}", utf8_percent_encode(token, QUERY)));
        let token = token.unwrap_or_default();
        let common = format!(
            "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={credential}&X-Amz-Date={time}&X-Amz-Expires={URL_LIFE}"
        );
        let Place { base, path, host, .. } = place;
        // Sorted, as the canonical form is; the SDK's URL isn't.
        let before = format!("PUT\n{path}{object}\n{common}{token}&X-Amz-SignedHeaders=host&partNumber=");
        let base = base_url.map_or_else(|| base.clone(), |base| format!("{base}/"));
        let to_sign = format!("{ALGORITHM}\n{time}\n{scope}\n");
        Self {
            before: Sha256::new_with_prefix(before),
            after: format!("&uploadId={upload}&x-id=UploadPart\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"),
            signs: key.signs.clone().chain_update(to_sign),
            url: [
                format!("{base}{object}?x-id=UploadPart&partNumber="),
                format!("&uploadId={upload}&{common}&X-Amz-SignedHeaders=host&X-Amz-Signature="),
                token,
            ],
        }
    }

    fn url(&self, number: u32) -> String {
        let number = number.to_string();
        let request = self.before.clone().chain_update(&number).chain_update(&self.after).finalize();
        let signature = self.signs.clone().chain_update(hex::encode(request)).finalize();
        let signature = hex::encode(signature.into_bytes());
        let [head, middle, tail] = self.url.each_ref().map(String::as_str);
        [head, &number, middle, &signature, tail].concat()
    }
}

#[cfg(test)]
#[path = "sign_tests.rs"]
mod tests;
