//! Authentication: verifies bearer tokens, here and nowhere else.

mod jwks;
#[cfg(test)]
mod tests;

use crate::api::error::ApiError;
use crate::clock;
use crate::config::{AuthConfig, ClaimRules, JwtKeys};
use axum::http::{HeaderMap, header};
use jsonwebtoken::errors::{Error, ErrorKind as Kind};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use jwks::{Jwks, KeyError};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// In bytes; longer tokens are refused unread.
const MAX_TOKEN_LENGTH: usize = 8 * 1024;
/// In bytes.
const MAX_ID_LENGTH: usize = 256;
/// Tolerated clock difference.
const LEEWAY_SECS: u64 = 60;

/// The authenticated caller; `id` is the token's owner claim, by default `sub`.
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
    /// For `client_id` or `azp`; empty: not checked.
    client_ids: Vec<String>,
    owner_claim: String,
}

enum Keys {
    /// For HS256 only; a token may be signed with any of them.
    Secrets(Vec<DecodingKey>),
    /// For RS256 and ES256.
    Jwks(Jwks),
}

type Claims = Map<String, Value>;

impl Auth {
    pub fn new(config: &AuthConfig) -> Self {
        let AuthConfig::Jwt { keys, rules } = config else { return Self::None };
        let ClaimRules { issuers, audiences, client_ids, owner_claim } = rules;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY_SECS;
        validation.validate_nbf = true;
        validation.validate_aud = !audiences.is_empty();
        let mut required = vec!["exp"];
        if !audiences.is_empty() {
            validation.set_audience(audiences);
            required.push("aud");
        }
        if !issuers.is_empty() {
            validation.set_issuer(issuers);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        let keys = match keys {
            JwtKeys::Secret(secret) => {
                Keys::Secrets(secret.values().map(|key| DecodingKey::from_secret(key.expose())).collect())
            }
            JwtKeys::Jwks(url) => Keys::Jwks(Jwks::new(url)),
        };
        let (client_ids, owner_claim) = (client_ids.clone(), owner_claim.clone());
        Self::Jwt(Box::new(Verifier { keys, validation, client_ids, owner_claim }))
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
        let refused = |error: Error| refusal(error.kind());
        let claims = match &self.keys {
            // Tokens of another algorithm, or of none, are refused before their signature is verified.
            Keys::Secrets(keys) => {
                let mut decoded = Err(Kind::InvalidSignature.into());
                for key in keys {
                    decoded = jsonwebtoken::decode::<Claims>(token, key, &self.validation);
                    let is_other_key = |error: &Error| matches!(error.kind(), Kind::InvalidSignature);
                    if !decoded.as_ref().is_err_and(is_other_key) {
                        break;
                    }
                }
                decoded
            }
            Keys::Jwks(jwks) => {
                let header = jsonwebtoken::decode_header(token).map_err(refused)?;
                if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256) || header.crit.is_some() {
                    return Err(refusal(&Kind::InvalidAlgorithm));
                }
                let key = jwks.find(header.kid.as_deref(), header.alg, now).await;
                let key = key.map_err(|error| match error {
                    KeyError::UnknownKey => {
                        ApiError::Unauthorized("The bearer token's key isn't known.".into())
                    }
                    KeyError::ProviderUnavailable => ApiError::AuthUnavailable,
                })?;
                let mut validation = self.validation.clone();
                validation.algorithms = vec![header.alg];
                jsonwebtoken::decode::<Claims>(token, &key, &validation)
            }
        };
        let claims = claims.map_err(refused)?.claims;
        self.check_client(&claims)?;
        self.owner(&claims).map(|id| Caller { id })
    }

    /// Access tokens of Cognito and others name their client in `client_id` or `azp` instead of `aud`.
    fn check_client(&self, claims: &Claims) -> Result<(), ApiError> {
        if self.client_ids.is_empty() {
            return Ok(());
        }
        let mut clients = ["client_id", "azp"].into_iter().filter_map(|name| claims.get(name)).peekable();
        if clients.peek().is_none() {
            return Err(ApiError::Unauthorized("The bearer token has neither client_id nor azp.".into()));
        }
        let is_allowed = |client: &Value| self.client_ids.iter().any(|id| client == id);
        if clients.any(is_allowed) {
            return Ok(());
        }
        Err(ApiError::Unauthorized("The bearer token's client_id or azp isn't one that is allowed.".into()))
    }

    fn owner(&self, claims: &Claims) -> Result<String, ApiError> {
        let name = &self.owner_claim;
        match claims.get(name) {
            Some(Value::String(id)) if (1..=MAX_ID_LENGTH).contains(&id.len()) => Ok(id.clone()),
            Some(_) => Err(ApiError::Unauthorized(
                format!("The bearer token's {name} isn't a text of 1 to {MAX_ID_LENGTH} bytes.").into(),
            )),
            None => Err(missing_claim(name)),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    headers
        .get(header::AUTHORIZATION)
        .ok_or_else(|| ApiError::Unauthorized("The request has no Authorization header.".into()))?
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && token.len() <= MAX_TOKEN_LENGTH)
        .map(|(_, token)| token.trim())
        .ok_or_else(|| ApiError::Unauthorized("The Authorization header holds no bearer token.".into()))
}

/// The reason for the caller: the claim or the rule, and nothing of the token's content.
fn refusal(kind: &Kind) -> ApiError {
    let sentence: Cow<'static, str> = match kind {
        Kind::ExpiredSignature => "The bearer token has expired (exp).".into(),
        Kind::ImmatureSignature => "The bearer token isn't valid yet (nbf).".into(),
        Kind::InvalidAudience => "The bearer token's aud isn't one that is allowed.".into(),
        Kind::InvalidIssuer => "The bearer token's iss isn't one that is allowed.".into(),
        Kind::MissingRequiredClaim(name) => return missing_claim(name),
        Kind::InvalidClaimFormat(name) => format!("The bearer token's {name} has a wrong type.").into(),
        Kind::InvalidSignature => "The bearer token's signature doesn't match the key.".into(),
        Kind::InvalidAlgorithm => "The bearer token is signed with an algorithm that isn't allowed.".into(),
        _ => "The bearer token isn't a JWT that can be read.".into(),
    };
    ApiError::Unauthorized(sentence)
}

fn missing_claim(name: &str) -> ApiError {
    ApiError::Unauthorized(format!("The bearer token has no {name}, or one of a wrong type.").into())
}
