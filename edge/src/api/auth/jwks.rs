//! An identity provider's key set (RFC 7517): fetched when first needed, cached, and fetched again when it is old or a
//! token names an unknown key.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// Age at which cached keys are fetched again.
const REFRESH_INTERVAL_MS: u64 = 10 * 60 * 1000;
/// Age up to which cached keys are used while the provider can't be reached.
const MAX_AGE_MS: u64 = 24 * 3600 * 1000;
/// Minimum time between two fetches, so that tokens with random key ids can't flood the provider.
const FETCH_INTERVAL_MS: u64 = 30 * 1000;
/// Minimum time between two fetches while no keys are cached and every caller is refused.
const RETRY_INTERVAL_MS: u64 = 5 * 1000;
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// In bytes.
const MAX_KEY_SET_SIZE: usize = 512 * 1024;
/// In bytes: RFC 7518 requires at least 2,048 bits for RS256.
const MIN_MODULUS_SIZE: usize = 256;

/// There is no key for a token.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The provider doesn't list the key.
    #[error("the identity provider doesn't list the key")]
    UnknownKey,
    /// The provider's keys can't be fetched.
    #[error("the identity provider's keys can't be fetched")]
    ProviderUnavailable,
}

/// A failed fetch of the provider's keys. Errors of the HTTP client have no URL, which may contain a secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{}", with_sources(.0))]
    Http(#[source] reqwest::Error),
    #[error("the identity provider responds with {0}")]
    Status(StatusCode),
    #[error("the key set is larger than 512 KiB")]
    TooLarge,
    #[error("the key set has no key for RS256 or ES256")]
    NoUsableKey,
}

impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.without_url())
    }
}

/// Keys that verify tokens.
pub(super) struct KeySet(Vec<Key>);

struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: Arc<DecodingKey>,
}

impl KeySet {
    /// Parses a key set; keys that can't verify RS256 or ES256 are skipped. `None`: it has no usable key.
    fn parse(text: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Listed {
            keys: Vec<Value>,
        }
        let listed: Listed = serde_json::from_slice(text).ok()?;
        let keys: Vec<Key> = listed.keys.into_iter().filter_map(Key::parse).collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// The key with this id and algorithm; without an id, the only key with this algorithm.
    fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<Arc<DecodingKey>> {
        let mut matching = self
            .0
            .iter()
            .filter(|key| key.algorithm == algorithm && (id.is_none() || key.id.as_deref() == id));
        let first = matching.next()?;
        matching.next().is_none().then(|| first.key.clone())
    }
}

impl Key {
    fn parse(listed: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(listed).ok()?;
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(key) => {
                let modulus = BASE64URL.decode(&key.n).ok()?;
                let size = modulus.iter().skip_while(|byte| **byte == 0).count();
                (size >= MIN_MODULUS_SIZE).then_some(Algorithm::RS256)?
            }
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
            _ => return None,
        };
        let common = &jwk.common;
        let can_verify = common.public_key_use.as_ref().is_none_or(|is| *is == PublicKeyUse::Signature)
            && common.key_operations.as_ref().is_none_or(|are| are.contains(&KeyOperations::Verify))
            && common.key_algorithm.is_none_or(|is| is == KeyAlgorithm::from(algorithm));
        let key = DecodingKey::from_jwk(&jwk).ok().filter(|_| can_verify)?;
        Some(Self { id: jwk.common.key_id, algorithm, key: Arc::new(key) })
    }
}

/// Cached keys and the times of fetches, in milliseconds since 1970. Pure: the current time is passed in.
#[derive(Default)]
struct Cache {
    /// The keys and the time of their fetch.
    keys: Option<(KeySet, u64)>,
    /// The start of the last fetch.
    fetch_started: Option<u64>,
    /// Whether the last fetch failed or hasn't ended.
    failed: bool,
}

/// The result of a lookup in the cache.
enum Lookup {
    Found(Arc<DecodingKey>),
    NotFound(KeyError),
    /// The keys must be fetched.
    Fetch,
}

impl Cache {
    fn lookup(&self, id: Option<&str>, algorithm: Algorithm, now: u64) -> Lookup {
        let age = |since: u64| now.saturating_sub(since);
        let keys = self.keys.as_ref().filter(|(_, fetched)| age(*fetched) < MAX_AGE_MS);
        let found = keys.and_then(|(keys, fetched)| Some((keys.find(id, algorithm)?, *fetched)));
        let interval = if keys.is_some() { FETCH_INTERVAL_MS } else { RETRY_INTERVAL_MS };
        let may_fetch = self.fetch_started.is_none_or(|started| age(started) >= interval);
        match found {
            Some((key, fetched)) if age(fetched) < REFRESH_INTERVAL_MS || !may_fetch => Lookup::Found(key),
            _ if may_fetch => Lookup::Fetch,
            _ if self.failed => Lookup::NotFound(KeyError::ProviderUnavailable),
            _ => Lookup::NotFound(KeyError::UnknownKey),
        }
    }

    /// Records the start of a fetch; it counts as failed until [`Cache::store`].
    fn start_fetch(&mut self, now: u64) {
        self.fetch_started = Some(now);
        self.failed = true;
    }

    /// Stores fetched keys.
    fn store(&mut self, keys: KeySet, now: u64) {
        self.keys = Some((keys, now));
        self.failed = false;
    }
}

/// The key set at one URL.
pub struct Jwks {
    pub(super) url: String,
    /// Built for the first fetch: loading its certificates would delay the start.
    client: OnceLock<Client>,
    cache: Mutex<Cache>,
    /// Held during a fetch, so that there is one at a time.
    fetch_lock: tokio::sync::Mutex<()>,
}

impl Jwks {
    pub fn new(url: &str) -> Self {
        let (client, cache) = (OnceLock::new(), Mutex::default());
        Self { url: url.into(), client, cache, fetch_lock: tokio::sync::Mutex::default() }
    }

    /// The key for a token with this key id, if any, and this algorithm.
    pub async fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        now: u64,
    ) -> Result<Arc<DecodingKey>, KeyError> {
        let lookup = || self.cache().lookup(id, algorithm, now);
        if let Lookup::Found(key) = lookup() {
            return Ok(key);
        }
        let _lock = self.fetch_lock.lock().await;
        // The previous holder of the lock may have fetched the key.
        if let Lookup::Fetch = lookup() {
            self.refresh(now).await;
        }
        match lookup() {
            Lookup::Found(key) => Ok(key),
            Lookup::NotFound(error) => Err(error),
            Lookup::Fetch => Err(KeyError::ProviderUnavailable),
        }
    }

    async fn refresh(&self, now: u64) {
        self.cache().start_fetch(now);
        match self.fetch().await {
            Ok(keys) => self.cache().store(keys, now),
            // Logged here, because cached keys remain in use and no request fails.
            Err(cause) => tracing::warn!(%cause, "the identity provider's keys can't be fetched"),
        }
    }

    pub(super) async fn fetch(&self) -> Result<KeySet, FetchError> {
        let client = match self.client.get() {
            Some(client) => client,
            None => {
                let client = Client::builder().redirect(Policy::none()).timeout(FETCH_TIMEOUT).build()?;
                self.client.get_or_init(move || client)
            }
        };
        let mut response = client.get(&self.url).send().await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > MAX_KEY_SET_SIZE {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        KeySet::parse(&body).ok_or(FetchError::NoUsableKey)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The messages of an error and its sources.
fn with_sources(error: &reqwest::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        message = format!("{message}: {error}");
        source = error.source();
    }
    message
}

#[cfg(test)]
mod tests;
