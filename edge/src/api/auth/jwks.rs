//! The keys that an identity provider lists (RFC 7517): fetched when first needed, kept, and fetched again when
//! they are old or a token names one that isn't among them.

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

/// How long keys are taken as they are, in milliseconds.
const FRESH: u64 = 10 * 60 * 1000;
/// How long they serve while the provider can't be reached.
const STALE: u64 = 24 * 3600 * 1000;
/// Between two fetches, so that a stranger's tokens can't make us hammer the provider.
const PAUSE: u64 = 30 * 1000;
/// The same while there are no keys at all, and nobody gets in.
const RETRY: u64 = 5 * 1000;
const TIMEOUT: Duration = Duration::from_secs(5);
/// In bytes.
const LARGEST: usize = 512 * 1024;
/// RFC 7518 wants at least 2,048 bits for RS256.
const SMALLEST_MODULUS: usize = 256;

#[derive(Debug, PartialEq, Eq)]
pub enum NoKey {
    /// The provider doesn't list it.
    Unknown,
    /// The provider can't be asked.
    Unreachable,
}

/// Keys by which tokens can be verified.
pub struct KeySet(Vec<Key>);

struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: Arc<DecodingKey>,
}

impl KeySet {
    /// Reads a key set, without what isn't for us. `None`: it is none, or has nothing for us.
    fn read(text: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Listed {
            keys: Vec<Value>,
        }
        let listed: Listed = serde_json::from_slice(text).ok()?;
        let keys: Vec<Key> = listed.keys.into_iter().filter_map(Key::read).collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// The key of that id; without an id, the only one that fits.
    fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<Arc<DecodingKey>> {
        let mut fitting = self
            .0
            .iter()
            .filter(|key| key.algorithm == algorithm && (id.is_none() || key.id.as_deref() == id));
        let first = fitting.next()?;
        fitting.next().is_none().then(|| first.key.clone())
    }
}

impl Key {
    fn read(listed: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(listed).ok()?;
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(key) => {
                let modulus = BASE64URL.decode(&key.n).ok()?;
                let size = modulus.iter().skip_while(|byte| **byte == 0).count();
                (size >= SMALLEST_MODULUS).then_some(Algorithm::RS256)?
            }
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
            _ => return None,
        };
        let common = &jwk.common;
        let verifies = common.public_key_use.as_ref().is_none_or(|is| *is == PublicKeyUse::Signature)
            && common.key_operations.as_ref().is_none_or(|are| are.contains(&KeyOperations::Verify))
            && common.key_algorithm.is_none_or(|is| is == KeyAlgorithm::from(algorithm));
        let key = DecodingKey::from_jwk(&jwk).ok().filter(|_| verifies)?;
        Some(Self { id: jwk.common.key_id, algorithm, key: Arc::new(key) })
    }
}

/// What is known, and when it was asked for; times are handed in. Pure.
#[derive(Default)]
struct Cache {
    /// With the time of the fetch.
    keys: Option<(KeySet, u64)>,
    tried: Option<u64>,
    /// Until the last try has succeeded.
    failed: bool,
}

enum Look {
    Found(Arc<DecodingKey>),
    None(NoKey),
    /// Only the provider can tell.
    Ask,
}

impl Cache {
    fn look(&self, id: Option<&str>, algorithm: Algorithm, now: u64) -> Look {
        let age = |since: u64| now.saturating_sub(since);
        let keys = self.keys.as_ref().filter(|(_, at)| age(*at) < STALE);
        let found = keys.and_then(|(keys, at)| Some((keys.find(id, algorithm)?, *at)));
        let pause = if keys.is_some() { PAUSE } else { RETRY };
        let may_ask = self.tried.is_none_or(|at| age(at) >= pause);
        match found {
            Some((key, at)) if age(at) < FRESH || !may_ask => Look::Found(key),
            _ if may_ask => Look::Ask,
            _ if self.failed => Look::None(NoKey::Unreachable),
            _ => Look::None(NoKey::Unknown),
        }
    }

    /// A fetch begins. It has failed until it hasn't.
    fn begin(&mut self, now: u64) {
        self.tried = Some(now);
        self.failed = true;
    }

    fn end(&mut self, keys: KeySet, now: u64) {
        self.keys = Some((keys, now));
        self.failed = false;
    }
}

/// The keys behind one URL.
pub struct Jwks {
    pub(super) url: String,
    /// Made for the first fetch: its certificates take their time, and a start has none.
    client: OnceLock<Client>,
    cache: Mutex<Cache>,
    /// Held during a fetch: there is one at a time.
    turn: tokio::sync::Mutex<()>,
}

impl Jwks {
    pub fn new(url: &str) -> Self {
        let (client, cache) = (OnceLock::new(), Mutex::default());
        Self { url: url.into(), client, cache, turn: tokio::sync::Mutex::default() }
    }

    /// The key for a token that names this id (or none) and algorithm.
    pub async fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        now: u64,
    ) -> Result<Arc<DecodingKey>, NoKey> {
        let look = || self.cache().look(id, algorithm, now);
        if let Look::Found(key) = look() {
            return Ok(key);
        }
        let _turn = self.turn.lock().await;
        // Whoever had the turn before may have brought it.
        if let Look::Ask = look() {
            self.fetch(now).await;
        }
        match look() {
            Look::Found(key) => Ok(key),
            Look::None(why) => Err(why),
            Look::Ask => Err(NoKey::Unreachable),
        }
    }

    async fn fetch(&self, now: u64) {
        self.cache().begin(now);
        match self.ask().await {
            Ok(keys) => self.cache().end(keys, now),
            // Those that are known go on serving, so nobody else would tell.
            Err(cause) => tracing::warn!(cause, "the identity provider's keys can't be had"),
        }
    }

    pub(super) async fn ask(&self) -> Result<KeySet, String> {
        let client = match self.client.get() {
            Some(client) => client,
            None => {
                let client = Client::builder().redirect(Policy::none()).timeout(TIMEOUT).build();
                let client = client.map_err(reason)?;
                self.client.get_or_init(move || client)
            }
        };
        let mut answer = client.get(&self.url).send().await.map_err(reason)?;
        if answer.status() != StatusCode::OK {
            return Err(format!("it answers {}", answer.status()));
        }
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(reason)? {
            if text.len() + chunk.len() > LARGEST {
                return Err("it sends more than 512 KiB".into());
            }
            text.extend_from_slice(&chunk);
        }
        KeySet::read(&text).ok_or_else(|| "it lists no key for RS256 or ES256".into())
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without the URL, which the settings have anyway.
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said
}

#[cfg(test)]
mod tests;
