//! Who is calling: bearer tokens are verified here and nowhere else.

use crate::config::{AuthConfig, JwtKeys};
use crate::error::ApiError;
use axum::http::{HeaderMap, header};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
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
    Jwt(Box<(DecodingKey, Validation)>),
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
}

impl Auth {
    pub fn new(config: &AuthConfig) -> Self {
        match config {
            AuthConfig::None => Self::None,
            AuthConfig::Jwt { keys, audience, issuer } => {
                let JwtKeys::Secret(secret) = keys else { return Self::None };
                // One algorithm only: a token that names another, or none, is refused before its key is tried.
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
                Self::Jwt(Box::new((DecodingKey::from_secret(secret.expose()), validation)))
            }
        }
    }

    /// The caller of a request with these headers.
    pub fn caller(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        let Self::Jwt(keys) = self else { return Ok(Caller { id: "local".into() }) };
        let (key, validation) = keys.as_ref();
        let token = headers
            .get(header::AUTHORIZATION)
            .ok_or(ApiError::Unauthorized("The request has no Authorization header."))?
            .to_str()
            .ok()
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && token.len() <= LONGEST)
            .map(|(_, token)| token.trim())
            .ok_or(ApiError::Unauthorized("The Authorization header holds no bearer token."))?;
        let claims = jsonwebtoken::decode::<Claims>(token, key, validation)
            .map_err(|error| ApiError::Unauthorized(sentence(error.kind())))?
            .claims;
        if claims.sub.is_empty() || claims.sub.len() > LONGEST_ID {
            return Err(ApiError::Unauthorized("The bearer token names nobody."));
        }
        Ok(Caller { id: claims.sub })
    }
}

fn sentence(kind: &jsonwebtoken::errors::ErrorKind) -> &'static str {
    use jsonwebtoken::errors::ErrorKind as Kind;
    match kind {
        Kind::ExpiredSignature => "The bearer token has expired.",
        Kind::ImmatureSignature => "The bearer token isn't valid yet.",
        Kind::InvalidAudience | Kind::InvalidIssuer => "The bearer token is meant for somebody else.",
        _ => "The bearer token doesn't verify.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Place};
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::{Value, json};

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn auth() -> Auth {
        let config = Config::read(Place::Lambda, |name| {
            Some(match name {
                "UPLOAD_BUCKET" => "uploads".into(),
                "DESTINATION_BUCKET" => "media".into(),
                "MEDIA_CONVERT_ROLE" => "arn:aws:iam::1:role/m".into(),
                "CDN_BASE_URL" => "https://c".into(),
                "UPLOAD_TOKEN_SECRET" | "AUTH_JWT_SECRET" => SECRET.into(),
                "AUTH_AUDIENCE" => "uploads".into(),
                "AUTH_ISSUER" => "site".into(),
                "CATALOG" => "sqlite:x".into(),
                _ => return None,
            })
        });
        Auth::new(&config.unwrap().auth)
    }

    fn call(header: &Header, claims: &Value, secret: &str) -> Result<Caller, ApiError> {
        let key = EncodingKey::from_secret(secret.as_bytes());
        with(&format!("Bearer {}", jsonwebtoken::encode(header, claims, &key).unwrap()))
    }

    fn with(value: &str) -> Result<Caller, ApiError> {
        auth().caller(&HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]))
    }

    fn claims() -> Value {
        json!({ "sub": "anna", "exp": crate::clock::now_ms() / 1000 + 60, "aud": "uploads", "iss": "site" })
    }

    #[test]
    fn a_good_token_names_its_caller() {
        assert_eq!(call(&Header::default(), &claims(), SECRET).unwrap().id, "anna");
    }

    #[test]
    fn every_other_token_is_refused() {
        let changed = |name: &str, value: Value| {
            let mut claims = claims();
            claims[name] = value;
            claims
        };
        for bad in [
            changed("exp", json!(1)),
            changed("exp", Value::Null),
            changed("nbf", json!(u32::MAX)),
            changed("aud", json!("others")),
            changed("aud", Value::Null),
            changed("iss", json!("evil")),
            changed("sub", json!("")),
            changed("sub", json!(7)),
            changed("sub", json!("x".repeat(300))),
        ] {
            assert!(call(&Header::default(), &bad, SECRET).is_err(), "{bad}");
        }
        assert!(call(&Header::default(), &claims(), "another-secret-of-thirty-two-byte").is_err());
        assert!(call(&Header::new(Algorithm::HS512), &claims(), SECRET).is_err());
        // {"alg":"none"} with our claims and no signature.
        let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm5hIiwiZXhwIjo5OTk5OTk5OTk5fQ.";
        let huge = format!("Bearer {}", "a".repeat(LONGEST + 1));
        for bad in [&format!("Bearer {none}"), "Bearer", "Basic x", "Bearer a.b.c", huge.as_str()] {
            assert!(matches!(with(bad), Err(ApiError::Unauthorized(_))), "{bad}");
        }
        assert!(auth().caller(&HeaderMap::new()).is_err());
    }
}
