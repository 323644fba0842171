//! Authentication: verifies bearer tokens, here and nowhere else.

mod jwks;
#[cfg(test)]
mod tests;

use crate::api::error::ApiError;
use crate::clock;
use crate::config::{AuthConfig, JwtKeys};
use axum::http::{HeaderMap, header};
use jsonwebtoken::errors::ErrorKind as Kind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use jwks::{Jwks, KeyError};
use serde::Deserialize;

/// In bytes; longer tokens are refused unread.
const MAX_TOKEN_LENGTH: usize = 8 * 1024;
/// In bytes.
const MAX_ID_LENGTH: usize = 256;
/// Tolerated clock difference.
const LEEWAY_SECS: u64 = 60;

/// The authenticated caller; `id` is the token's `sub`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub id: String,
}

/// The configured authentication.
pub enum Auth {
    /// All callers have the same id.
    None,
    Jwt(Box<Verifier>),
}

pub struct Verifier {
    keys: Keys,
    validation: Validation,
}

enum Keys {
    /// For HS256 only.
    Secret(DecodingKey),
    /// For RS256 and ES256.
    Jwks(Jwks),
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
}

impl Auth {
    pub fn new(config: &AuthConfig) -> Self {
        let AuthConfig::Jwt { keys, audience, issuer } = config else { return Self::None };
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY_SECS;
        validation.validate_nbf = true;
        let mut required = vec!["exp", "sub"];
        match audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                required.push("aud");
            }
            None => validation.validate_aud = false,
        }
        if let Some(issuer) = issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        let keys = match keys {
            JwtKeys::Secret(secret) => Keys::Secret(DecodingKey::from_secret(secret.expose())),
            JwtKeys::Jwks(url) => Keys::Jwks(Jwks::new(url)),
        };
        Self::Jwt(Box::new(Verifier { keys, validation }))
    }

    /// The caller of a request with these headers.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        match self {
            Self::None => Ok(Caller { id: "local".into() }),
            Self::Jwt(verifier) => verifier.caller(bearer(headers)?, clock::now_ms()).await,
        }
    }
}

impl Verifier {
    /// `now` is the age reference of cached keys, in milliseconds since 1970.
    async fn caller(&self, token: &str, now: u64) -> Result<Caller, ApiError> {
        let refused = |error: jsonwebtoken::errors::Error| ApiError::Unauthorized(sentence(error.kind()));
        let claims = match &self.keys {
            // Tokens of another algorithm, or of none, are refused before their signature is verified.
            Keys::Secret(key) => jsonwebtoken::decode::<Claims>(token, key, &self.validation),
            Keys::Jwks(jwks) => {
                let header = jsonwebtoken::decode_header(token).map_err(refused)?;
                if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256) || header.crit.is_some() {
                    return Err(ApiError::Unauthorized(sentence(&Kind::InvalidAlgorithm)));
                }
                let key = jwks.find(header.kid.as_deref(), header.alg, now).await;
                let key = key.map_err(|error| match error {
                    KeyError::UnknownKey => ApiError::Unauthorized("The bearer token's key isn't known."),
                    KeyError::ProviderUnavailable => ApiError::AuthUnavailable,
                })?;
                let mut validation = self.validation.clone();
                validation.algorithms = vec![header.alg];
                jsonwebtoken::decode::<Claims>(token, &key, &validation)
            }
        };
        let claims = claims.map_err(refused)?.claims;
        if claims.sub.is_empty() || claims.sub.len() > MAX_ID_LENGTH {
            return Err(ApiError::Unauthorized("The bearer token's sub isn't valid."));
        }
        Ok(Caller { id: claims.sub })
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    headers
        .get(header::AUTHORIZATION)
        .ok_or(ApiError::Unauthorized("The request has no Authorization header."))?
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && token.len() <= MAX_TOKEN_LENGTH)
        .map(|(_, token)| token.trim())
        .ok_or(ApiError::Unauthorized("The Authorization header holds no bearer token."))
}

/// The reason for the caller. Doesn't contain anything of the token.
fn sentence(kind: &Kind) -> &'static str {
    match kind {
        Kind::ExpiredSignature => "The bearer token has expired.",
        Kind::ImmatureSignature => "The bearer token isn't valid yet.",
        Kind::InvalidAudience | Kind::InvalidIssuer => "The bearer token has another audience or issuer.",
        _ => "The bearer token can't be verified.",
    }
}
