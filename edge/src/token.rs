//! The upload token: all that the edge knows of an upload, sealed, so that it keeps no state for it. Pure
//! but for the random nonce.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const NONCE: usize = 24;
/// Bound into every token: a change of the session's form gets a new word, and old tokens end cleanly.
const FORM: &[u8] = b"greloupis upload token 1";
/// S3's upload ids have no documented limit; a token longer than this isn't one of ours.
const LONGEST: usize = 4096;

/// What a token binds together. Short names: the token stands in URLs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    #[serde(rename = "b")]
    pub bucket: String,
    #[serde(rename = "k")]
    pub key: String,
    #[serde(rename = "u")]
    pub s3_upload: String,
    /// Of the whole file, in bytes.
    #[serde(rename = "s")]
    pub size: u64,
    /// In bytes.
    #[serde(rename = "p")]
    pub part_size: u64,
    #[serde(rename = "o")]
    pub owner: String,
    /// In seconds since 1970.
    #[serde(rename = "e")]
    pub expires: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// Not sealed with our key, or changed on the way.
    Invalid,
    /// Genuine, and over.
    Expired,
}

/// Seals and opens tokens with one key: XChaCha20-Poly1305, so that clients neither read nor change them.
#[derive(Clone)]
pub struct Tokens(XChaCha20Poly1305);

impl Tokens {
    pub fn new(secret: &[u8]) -> Self {
        Self(XChaCha20Poly1305::new(&Sha256::digest(secret)))
    }

    /// The token of `session`. `None`: no randomness to be had.
    pub fn seal(&self, session: &Session) -> Option<String> {
        let mut sealed = vec![0; NONCE];
        getrandom::fill(&mut sealed).ok()?;
        let plain = serde_json::to_vec(session).ok()?;
        let nonce = XNonce::try_from(&sealed[..]).ok()?;
        sealed.extend(self.0.encrypt(&nonce, Payload { msg: &plain, aad: FORM }).ok()?);
        Some(BASE64URL.encode(sealed))
    }

    /// What `token` binds, if it is ours and `now` (seconds since 1970) is before its end.
    pub fn open(&self, token: &str, now: u64) -> Result<Session, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::Invalid);
        }
        let sealed = BASE64URL.decode(token).map_err(|_| TokenError::Invalid)?;
        let (nonce, sealed) = sealed.split_at_checked(NONCE).ok_or(TokenError::Invalid)?;
        let nonce = XNonce::try_from(nonce).map_err(|_| TokenError::Invalid)?;
        let payload = Payload { msg: sealed, aad: FORM };
        let plain = self.0.decrypt(&nonce, payload).map_err(|_| TokenError::Invalid)?;
        let session: Session = serde_json::from_slice(&plain).map_err(|_| TokenError::Invalid)?;
        if now >= session.expires { Err(TokenError::Expired) } else { Ok(session) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn session() -> Session {
        Session {
            bucket: "uploads".into(),
            key: "inputs/v.mp4".into(),
            s3_upload: "2~abc".into(),
            size: 100,
            part_size: 8 << 20,
            owner: "anna".into(),
            expires: 1_000,
        }
    }

    #[test]
    fn opens_what_it_sealed_until_it_expires() {
        let tokens = Tokens::new(b"secret");
        let token = tokens.seal(&session()).unwrap();
        assert_eq!(tokens.open(&token, 999), Ok(session()));
        assert_eq!(tokens.open(&token, 1_000), Err(TokenError::Expired));
        assert!(
            !token.contains("anna") && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        );
    }

    #[test]
    fn another_key_opens_nothing() {
        let token = Tokens::new(b"one").seal(&session()).unwrap();
        assert_eq!(Tokens::new(b"two").open(&token, 0), Err(TokenError::Invalid));
    }

    proptest! {
        #[test]
        fn any_changed_bit_is_noticed(at in 0usize..200, bit in 0u8..8) {
            let tokens = Tokens::new(b"secret");
            let mut sealed = BASE64URL.decode(tokens.seal(&session()).unwrap()).unwrap();
            let at = at % sealed.len();
            sealed[at] ^= 1 << bit;
            prop_assert_eq!(tokens.open(&BASE64URL.encode(sealed), 0), Err(TokenError::Invalid));
        }

        #[test]
        fn garbage_is_refused(text in "\\PC{0,300}") {
            prop_assert_eq!(Tokens::new(b"secret").open(&text, 0), Err(TokenError::Invalid));
        }
    }
}
