//! The upload token: the sealed state of an upload, so that the edge stores none. Pure, except for the random nonce.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wire::ChecksumKind;

/// In bytes.
const NONCE_SIZE: usize = 24;
/// Associated data of every token. A change of [`Session`]'s format gets a new version, and old tokens become invalid.
const VERSION: &[u8] = b"greloupis upload token 2";
/// Longer tokens are refused; S3's upload ids have no documented limit.
const MAX_TOKEN_LENGTH: usize = 4096;

/// The content of a token. Its serialized names are short because the token is part of URLs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    #[serde(rename = "b")]
    pub bucket: String,
    #[serde(rename = "k")]
    pub key: String,
    #[serde(rename = "u")]
    pub s3_upload: String,
    /// The file's size, in bytes.
    #[serde(rename = "s")]
    pub size: u64,
    /// In bytes.
    #[serde(rename = "p")]
    pub part_size: u64,
    /// The checksum that parts must bring.
    #[serde(rename = "c")]
    pub checksum: ChecksumKind,
    #[serde(rename = "o")]
    pub owner: String,
    /// In seconds since 1970.
    #[serde(rename = "e")]
    pub expires: u64,
}

impl Session {
    /// Whether the upload has expired at `now`, in seconds since 1970.
    pub fn is_expired(&self, now: u64) -> bool {
        now >= self.expires
    }
}

/// The token was sealed with another key or by another version, or it was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the upload token is invalid")]
pub struct InvalidToken;

/// Seals tokens with the first key and opens those of any, by XChaCha20-Poly1305: clients can neither read nor change
/// them.
#[derive(Clone)]
pub struct Tokens(Vec<XChaCha20Poly1305>);

impl<'a> FromIterator<&'a [u8]> for Tokens {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(secrets: I) -> Self {
        Self(secrets.into_iter().map(|secret| XChaCha20Poly1305::new(&Sha256::digest(secret))).collect())
    }
}

impl Tokens {
    pub fn new(secret: &[u8]) -> Self {
        Self::from_iter([secret])
    }

    /// The token of `session`. `None`: no random numbers are available.
    pub fn seal(&self, session: &Session) -> Option<String> {
        let mut sealed = vec![0; NONCE_SIZE];
        getrandom::fill(&mut sealed).ok()?;
        let plain = serde_json::to_vec(session).ok()?;
        let nonce = XNonce::try_from(&sealed[..]).ok()?;
        sealed.extend(self.0.first()?.encrypt(&nonce, Payload { msg: &plain, aad: VERSION }).ok()?);
        Some(BASE64URL.encode(sealed))
    }

    /// The content of `token` if it is genuine, also after its expiry.
    pub fn open(&self, token: &str) -> Result<Session, InvalidToken> {
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(InvalidToken);
        }
        let sealed = BASE64URL.decode(token).map_err(|_| InvalidToken)?;
        let (nonce, sealed) = sealed.split_at_checked(NONCE_SIZE).ok_or(InvalidToken)?;
        let nonce = XNonce::try_from(nonce).map_err(|_| InvalidToken)?;
        let open = |key: &XChaCha20Poly1305| key.decrypt(&nonce, Payload { msg: sealed, aad: VERSION }).ok();
        let plain = self.0.iter().find_map(open).ok_or(InvalidToken)?;
        serde_json::from_slice(&plain).map_err(|_| InvalidToken)
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
            checksum: ChecksumKind::Crc64Nvme,
            owner: "anna".into(),
            expires: 1_000,
        }
    }

    #[test]
    fn sealed_token_opens_and_tells_its_expiry() {
        let tokens = Tokens::new(b"secret");
        let sessions = [session(), Session { checksum: ChecksumKind::None, ..session() }];
        let [token, _] = sessions.map(|session| {
            let token = tokens.seal(&session).unwrap();
            assert_eq!(tokens.open(&token), Ok(session));
            token
        });
        assert!(!session().is_expired(999) && session().is_expired(1_000));
        assert!(
            !token.contains("anna") && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        );
    }

    #[test]
    fn token_of_another_key_is_invalid() {
        let token = Tokens::new(b"one").seal(&session()).unwrap();
        assert_eq!(Tokens::new(b"two").open(&token), Err(InvalidToken));
    }

    #[test]
    fn token_of_the_previous_key_opens() {
        let rotated = Tokens::from_iter([&b"two"[..], b"one"]);
        assert!(rotated.open(&Tokens::new(b"one").seal(&session()).unwrap()).is_ok());
        let token = rotated.seal(&session()).unwrap();
        assert!(Tokens::new(b"two").open(&token).is_ok());
        assert_eq!(Tokens::new(b"one").open(&token), Err(InvalidToken));
    }

    #[test]
    fn token_of_another_version_is_invalid() {
        let tokens = Tokens::new(b"secret");
        let nonce = [7; NONCE_SIZE];
        let msg = serde_json::to_vec(&session()).unwrap();
        for (version, opened) in [(VERSION, Ok(session())), (b"greloupis upload token 1", Err(InvalidToken))]
        {
            let payload = Payload { msg: &msg, aad: version };
            let sealed = tokens.0[0].encrypt(&XNonce::from(nonce), payload).unwrap();
            assert_eq!(tokens.open(&BASE64URL.encode([&nonce[..], &sealed].concat())), opened);
        }
    }

    proptest! {
        #[test]
        fn token_with_a_changed_bit_is_invalid(at in 0usize..200, bit in 0u8..8) {
            let tokens = Tokens::new(b"secret");
            let mut sealed = BASE64URL.decode(tokens.seal(&session()).unwrap()).unwrap();
            let at = at % sealed.len();
            sealed[at] ^= 1 << bit;
            prop_assert_eq!(tokens.open(&BASE64URL.encode(sealed)), Err(InvalidToken));
        }

        #[test]
        fn arbitrary_text_is_invalid(text in "\\PC{0,300}") {
            prop_assert_eq!(Tokens::new(b"secret").open(&text), Err(InvalidToken));
        }
    }
}
