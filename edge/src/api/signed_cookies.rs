//! CloudFront's signed cookies, which give one browser access to one private video. Pure, except for the blinding of
//! the RSA key.

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

/// Validity of the cookies, in seconds.
const LIFETIME_SECS: u64 = 12 * 3600;
/// In bytes; CloudFront takes RSA keys of 2,048 bits only.
const MODULUS_SIZE: usize = 256;

pub struct SignedCookies {
    key_pair_id: String,
    key: Key,
    /// The CDN's URL, with its path.
    base_url: String,
    /// The outputs' folders, such as `assets/HLS/`.
    folders: Vec<String>,
}

enum Key {
    Rsa(Box<RsaPrivateKey>),
    P256(p256::ecdsa::SigningKey),
}

impl SignedCookies {
    /// `None`: videos are public.
    pub fn new(config: &Config, folders: &[String]) -> Result<Option<Self>, ConfigError> {
        let Some(cookies) = &config.cookies else { return Ok(None) };
        let message =
            "CDN_PRIVATE_KEY is wrong: it must be the PEM of an RSA key of 2048 bits or of a P-256 key";
        let key = Key::parse(cookies.private_key.expose()).ok_or_else(|| ConfigError(message.into()))?;
        Ok(Some(Self {
            key_pair_id: cookies.key_pair_id.clone(),
            key,
            base_url: config.cdn_base_url.clone(),
            folders: folders.to_vec(),
        }))
    }

    /// The `Set-Cookie` values that give access to a video for twelve hours after `now`, in seconds since 1970.
    ///
    /// Each folder has three cookies, at the folder's path: a policy names one resource, and one with a wildcard in its
    /// middle (`assets/*/ID*`) would also open every other video, by `assets/HLS/OTHER.m3u8?/ID`.
    pub fn for_video(&self, video_id: &str, now: u64) -> Vec<HeaderValue> {
        // Cookie policies match prefixes. An id that a client chose, before videos were private, may be the prefix of
        // another one.
        if !VideoId::is_random(video_id) {
            return Vec::new();
        }
        self.folders.iter().flat_map(|folder| self.for_folder(folder, video_id, now)).flatten().collect()
    }

    fn for_folder(&self, folder: &str, video_id: &str, now: u64) -> Option<[HeaderValue; 3]> {
        // Formatted by hand, because CloudFront allows no white space. `Value` quotes and escapes the resource.
        let resource = Value::from(format!("{}/{folder}{video_id}*", self.base_url));
        let end = now + LIFETIME_SECS;
        let policy = format!(
            r#"{{"Statement":[{{"Resource":{resource},"Condition":{{"DateLessThan":{{"AWS:EpochTime":{end}}}}}}}]}}"#
        );
        let signature = self.key.sign(policy.as_bytes())?;
        let base: http::Uri = self.base_url.parse().ok()?;
        let path = format!("{}/{}", base.path().trim_end_matches('/'), folder.trim_end_matches('/'));
        let cookie = |name: &str, value: &str| {
            // Without Max-Age: a session cookie.
            let text = format!("CloudFront-{name}={value}; Path={path}; Secure; HttpOnly; SameSite=Lax");
            HeaderValue::try_from(text).ok()
        };
        Some([
            cookie("Policy", &cookie_base64(policy.as_bytes()))?,
            cookie("Signature", &cookie_base64(&signature))?,
            cookie("Key-Pair-Id", &self.key_pair_id)?,
        ])
    }
}

impl Key {
    /// Parses PEM: PKCS#1 and SEC 1, which older versions of OpenSSL write, or PKCS#8.
    fn parse(pem: &[u8]) -> Option<Self> {
        // Line breaks may be written as `\n`, for settings that allow one line only.
        let pem = std::str::from_utf8(pem).ok()?.replace("\\n", "\n");
        let pem = pem.trim();
        let rsa = RsaPrivateKey::from_pkcs1_pem(pem).ok().or_else(|| RsaPrivateKey::from_pkcs8_pem(pem).ok());
        if let Some(key) = rsa {
            return (key.size() == MODULUS_SIZE).then(|| Self::Rsa(Box::new(key)));
        }
        let p256 = p256::SecretKey::from_sec1_pem(pem).ok();
        let p256 = p256.or_else(|| p256::SecretKey::from_pkcs8_pem(pem).ok())?;
        Some(Self::P256(p256.into()))
    }

    /// Signs the SHA-1 hash, CloudFront's default.
    fn sign(&self, policy: &[u8]) -> Option<Vec<u8>> {
        let hash = Sha1::digest(policy);
        match self {
            // Blinded, against timing attacks on the key.
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

/// Base64 with CloudFront's replacements for characters that cookies and URLs don't allow.
fn cookie_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes).replace('+', "-").replace('=', "_").replace('/', "~")
}

#[cfg(test)]
mod tests;
