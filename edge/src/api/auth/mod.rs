//! Who is calling: bearer tokens are verified here and nowhere else.

mod jwks;
#[cfg(test)]
mod tests;

use crate::api::error::ApiError;
use crate::clock;
use crate::config::{AuthConfig, JwtKeys};
use axum::http::{HeaderMap, header};
use jsonwebtoken::errors::ErrorKind as Kind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use jwks::{Jwks, NoKey};
use serde::Deserialize;

/// A longer token isn't looked at.
const LONGEST: usize = 8 * 1024;
const LONGEST_ID: usize = 256;
/// How far clocks may differ, in seconds.
const LEEWAY: u64 = 60;

/// The person, by the token's `sub`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub id: String,
}

/// Verifies callers as the configuration says.
pub enum Auth {
    /// Everybody is the same person.
    None,
    Jwt(Box<Verifier>),
}

pub struct Verifier {
    keys: Keys,
    validation: Validation,
}

enum Keys {
    /// Of HS256, and of nothing else.
    Secret(DecodingKey),
    /// Of RS256 and ES256.
    Listed(Jwks),
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
}

impl Auth {
    pub fn new(config: &AuthConfig) -> Self {
        let AuthConfig::Jwt { keys, audience, issuer } = config else { return Self::None };
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY;
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
            JwtKeys::Jwks(url) => Keys::Listed(Jwks::new(url)),
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
    /// `now`: in milliseconds since 1970, for what is known of keys.
    async fn caller(&self, token: &str, now: u64) -> Result<Caller, ApiError> {
        let refused = |error: jsonwebtoken::errors::Error| ApiError::Unauthorized(sentence(error.kind()));
        let claims = match &self.keys {
            // One algorithm only: a token that names another, or none, is refused before its key is tried.
            Keys::Secret(key) => jsonwebtoken::decode::<Claims>(token, key, &self.validation),
            Keys::Listed(jwks) => {
                let head = jsonwebtoken::decode_header(token).map_err(refused)?;
                if !matches!(head.alg, Algorithm::RS256 | Algorithm::ES256) || head.crit.is_some() {
                    return Err(ApiError::Unauthorized(sentence(&Kind::InvalidAlgorithm)));
                }
                let key = jwks.find(head.kid.as_deref(), head.alg, now).await.map_err(|no| match no {
                    NoKey::Unknown => ApiError::Unauthorized("The bearer token's key isn't known."),
                    NoKey::Unreachable => ApiError::AuthUnavailable,
                })?;
                let mut validation = self.validation.clone();
                validation.algorithms = vec![head.alg];
                jsonwebtoken::decode::<Claims>(token, &key, &validation)
            }
        };
        let claims = claims.map_err(refused)?.claims;
        if claims.sub.is_empty() || claims.sub.len() > LONGEST_ID {
            return Err(ApiError::Unauthorized("The bearer token names nobody."));
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
        .filter(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && token.len() <= LONGEST)
        .map(|(_, token)| token.trim())
        .ok_or(ApiError::Unauthorized("The Authorization header holds no bearer token."))
}

fn sentence(kind: &Kind) -> &'static str {
    match kind {
        Kind::ExpiredSignature => "The bearer token has expired.",
        Kind::ImmatureSignature => "The bearer token isn't valid yet.",
        Kind::InvalidAudience | Kind::InvalidIssuer => "The bearer token is meant for somebody else.",
        _ => "The bearer token doesn't verify.",
    }
}
