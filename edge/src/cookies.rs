//! CloudFront's signed cookies: what lets one person's browser, and nobody else's, watch a private video. Pure but
//! for the blinding of the key.

use crate::config::{Config, ConfigError};
use crate::key::VideoId;
use axum::http::HeaderValue;
use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::pkcs8::DecodePrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use serde_json::Value;
use sha1::{Digest, Sha1};

/// How long cookies may be used, in seconds.
const LIFE: u64 = 12 * 3600;
/// In bytes; CloudFront takes RSA keys of 2,048 bits only.
const MODULUS: usize = 256;

pub struct Cookies {
    key_pair_id: String,
    key: Key,
    /// Of the CDN, with its path.
    base_url: String,
    /// What outputs lie in, `assets/HLS/`.
    folders: Vec<String>,
}

enum Key {
    Rsa(Box<RsaPrivateKey>),
    P256(p256::ecdsa::SigningKey),
}

impl Cookies {
    /// `None`: videos aren't private.
    pub fn new(config: &Config, folders: &[String]) -> Result<Option<Self>, ConfigError> {
        let Some(cookies) = &config.cookies else { return Ok(None) };
        let wrong =
            "CDN_PRIVATE_KEY is wrong: it must be the PEM of an RSA key of 2048 bits or of a P-256 key";
        let key = Key::read(cookies.private_key.expose()).ok_or_else(|| ConfigError(wrong.into()))?;
        Ok(Some(Self {
            key_pair_id: cookies.key_pair_id.clone(),
            key,
            base_url: config.cdn_base_url.clone(),
            folders: folders.to_vec(),
        }))
    }

    /// The `Set-Cookie` values that open this video until `now` (seconds since 1970) and twelve hours. There are
    /// three cookies for each folder, at that folder's path: a policy names one resource, and with a wildcard in
    /// its middle (`assets/*/ID*`) it would open any video, as `assets/HLS/OTHER.m3u8?/ID`.
    pub fn of(&self, video_id: &str, now: u64) -> Vec<HeaderValue> {
        // Somebody's own id from before videos were private: others' may begin like it.
        if !VideoId::is_made_here(video_id) {
            return Vec::new();
        }
        self.folders.iter().flat_map(|folder| self.of_folder(folder, video_id, now)).flatten().collect()
    }

    fn of_folder(&self, folder: &str, video_id: &str, now: u64) -> Option<[HeaderValue; 3]> {
        // Written out, because CloudFront wants no white space; a value writes itself with its quotes.
        let resource = Value::from(format!("{}/{folder}{video_id}*", self.base_url));
        let end = now + LIFE;
        let policy = format!(
            r#"{{"Statement":[{{"Resource":{resource},"Condition":{{"DateLessThan":{{"AWS:EpochTime":{end}}}}}}}]}}"#
        );
        let signature = self.key.sign(policy.as_bytes())?;
        let base: http::Uri = self.base_url.parse().ok()?;
        let path = format!("{}/{}", base.path().trim_end_matches('/'), folder.trim_end_matches('/'));
        let cookie = |name: &str, value: &str| {
            // No lifetime of its own: it goes when the browser does.
            let text = format!("CloudFront-{name}={value}; Path={path}; Secure; HttpOnly; SameSite=Lax");
            HeaderValue::try_from(text).ok()
        };
        Some([
            cookie("Policy", &spelled(policy.as_bytes()))?,
            cookie("Signature", &spelled(&signature))?,
            cookie("Key-Pair-Id", &self.key_pair_id)?,
        ])
    }
}

impl Key {
    /// From PEM: PKCS#1 or SEC 1, as OpenSSL used to write keys, or PKCS#8.
    fn read(pem: &[u8]) -> Option<Self> {
        // A setting that takes one line often has its line breaks spelled out.
        let pem = std::str::from_utf8(pem).ok()?.replace("\\n", "\n");
        let pem = pem.trim();
        let rsa = RsaPrivateKey::from_pkcs1_pem(pem).ok().or_else(|| RsaPrivateKey::from_pkcs8_pem(pem).ok());
        if let Some(key) = rsa {
            return (key.size() == MODULUS).then(|| Self::Rsa(Box::new(key)));
        }
        let p256 = p256::SecretKey::from_sec1_pem(pem).ok();
        let p256 = p256.or_else(|| p256::SecretKey::from_pkcs8_pem(pem).ok())?;
        Some(Self::P256(p256.into()))
    }

    /// Over SHA-1, which is what CloudFront takes unless it is told otherwise.
    fn sign(&self, policy: &[u8]) -> Option<Vec<u8>> {
        let hash = Sha1::digest(policy);
        match self {
            // Blinded: how long it takes says nothing of the key.
            Self::Rsa(key) => {
                key.sign_with_rng(&mut rsa::rand_core::OsRng, Pkcs1v15Sign::new::<Sha1>(), &hash).ok()
            }
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign_prehash(&hash).ok()?;
                Some(signature.to_der().as_bytes().to_vec())
            }
        }
    }
}

/// Base64 as CloudFront spells it, so that it can stand in cookies and URLs.
fn spelled(bytes: &[u8]) -> String {
    BASE64.encode(bytes).replace('+', "-").replace('=', "_").replace('/', "~")
}

#[cfg(test)]
#[path = "cookies_tests.rs"]
mod tests;
