//! CloudFront's signed cookies, which give one browser access to one private video. Pure, except for the random numbers
//! of the signatures.

use crate::config::{Config, ConfigError};
use crate::key::VideoId;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256};
use axum::http::HeaderValue;
use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;

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
    Rsa(Box<RsaKeyPair>),
    P256(Box<EcdsaKeyPair>),
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
    /// Each folder has four cookies, at the folder's path: a policy names one resource, and one with a wildcard in its
    /// middle (`assets/*/ID*`) would also open every other video, by `assets/HLS/OTHER.m3u8?/ID`.
    pub fn for_video(&self, video_id: &str, now: u64) -> Vec<HeaderValue> {
        // Cookie policies match prefixes. An id that a client chose, before videos were private, may be the prefix of
        // another one.
        if !VideoId::is_random(video_id) {
            return Vec::new();
        }
        self.folders.iter().flat_map(|folder| self.for_folder(folder, video_id, now)).flatten().collect()
    }

    fn for_folder(&self, folder: &str, video_id: &str, now: u64) -> Option<[HeaderValue; 4]> {
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
            cookie("Hash-Algorithm", "SHA256")?,
        ])
    }
}

impl Key {
    /// Parses PEM: PKCS#1 and SEC 1, which older versions of OpenSSL write, or PKCS#8.
    fn parse(pem: &[u8]) -> Option<Self> {
        // Line breaks may be written as `\n`, for settings that allow one line only.
        let pem = std::str::from_utf8(pem).ok()?.replace("\\n", "\n");
        let key = PrivateKeyDer::from_pem_slice(pem.trim().as_bytes()).ok()?;
        let rsa = match &key {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok(),
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok(),
            _ => None,
        };
        if let Some(key) = rsa {
            return (key.public_modulus_len() == MODULUS_SIZE).then(|| Self::Rsa(Box::new(key)));
        }
        let der = key.secret_der();
        let key = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, der).ok()?;
        Some(Self::P256(Box::new(key)))
    }

    /// Signs the SHA-256 hash.
    fn sign(&self, policy: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, policy, &mut signature).ok()?;
                Some(signature)
            }
            Self::P256(key) => Some(key.sign(&random, policy).ok()?.as_ref().to_vec()),
        }
    }
}

/// Base64 with CloudFront's replacements for characters that cookies and URLs don't allow.
fn cookie_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes).replace('+', "-").replace('=', "_").replace('/', "~")
}

#[cfg(test)]
mod tests;
