//! Valid and invalid tokens: HS256, and RS256 and ES256 with a provider that rotates its keys and fails.

use super::*;
use crate::config::{Config, Environment};
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RsaPublicKeyComponents};
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use jsonwebtoken::{EncodingKey, Header};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const START: u64 = 1_000_000_000;
const MINUTE: u64 = 60_000;

fn der(pem: &str) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn rsa_der(name: &str) -> PrivateKeyDer<'static> {
    match name {
        "one" => der(include_str!("../../../../tests/fixtures/keys/rsa-one.pem")),
        _ => der(include_str!("../../../../tests/fixtures/keys/rsa-two.pem")),
    }
}

fn rsa(name: &str) -> RsaKeyPair {
    RsaKeyPair::from_der(rsa_der(name).secret_der()).unwrap()
}

fn p256_der() -> PrivateKeyDer<'static> {
    der(include_str!("../../../../tests/fixtures/keys/p256.pem"))
}

/// The public key in a provider's key set.
pub fn listed_rsa(name: &str, id: Option<&str>) -> Value {
    let key = RsaPublicKeyComponents::<Vec<u8>>::from(rsa(name).public_key());
    let [n, e] = [key.n, key.e].map(|number| BASE64URL.encode(number));
    json!({ "kty": "RSA", "n": n, "e": e, "kid": id })
}

pub fn listed_p256(id: Option<&str>) -> Value {
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, p256_der().secret_der()).unwrap();
    // After a byte for the uncompressed form, the two coordinates.
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    json!({ "kty": "EC", "crv": "P-256", "x": BASE64URL.encode(x), "y": BASE64URL.encode(y), "kid": id })
}

fn rsa_key(name: &str) -> EncodingKey {
    EncodingKey::from_rsa_der(rsa_der(name).secret_der())
}

fn claims() -> Value {
    json!({ "sub": "anna", "exp": clock::now_ms() / 1000 + 60, "aud": "uploads", "iss": "site" })
}

fn changed(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

/// Claims that must be refused.
fn bad_claims() -> Vec<Value> {
    let now = clock::now_ms() / 1000;
    vec![
        changed("exp", json!(1)),
        changed("exp", json!(now - LEEWAY_SECS - 5)),
        changed("exp", Value::Null),
        changed("nbf", json!(u32::MAX)),
        changed("nbf", json!(now + LEEWAY_SECS + 5)),
        changed("aud", json!("others")),
        changed("aud", Value::Null),
        changed("iss", json!("evil")),
        changed("iss", Value::Null),
        changed("sub", json!("")),
        changed("sub", json!(7)),
        changed("sub", json!("x".repeat(300))),
    ]
}

fn auth(name: &str, value: &str) -> Auth {
    auth_with(&[(name, value), ("AUTH_AUDIENCE", "uploads, more"), ("AUTH_ISSUER", "site,site2")])
}

fn auth_with(settings: &[(&str, &str)]) -> Auth {
    let config = Config::read(Environment::Lambda, |variable| {
        let set = settings.iter().find(|(name, _)| *name == variable).map(|(_, value)| *value);
        let common = match variable {
            "UPLOAD_BUCKET" => "uploads",
            "DESTINATION_BUCKET" => "media",
            "MEDIA_CONVERT_ROLE" => "arn:aws:iam::1:role/m",
            "CDN_BASE_URL" => "https://c",
            "UPLOAD_TOKEN_SECRET" => SECRET,
            "CATALOG" => "sqlite:x",
            _ => return set.map(str::to_owned),
        };
        Some(common.into())
    });
    Auth::new(&config.unwrap().auth)
}

fn hs256() -> Auth {
    auth("AUTH_JWT_SECRET", SECRET)
}

async fn authenticate(auth: &Auth, value: &str) -> Result<Caller, ApiError> {
    auth.caller(&HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])).await
}

async fn call(header: &Header, claims: &Value, secret: &str) -> Result<Caller, ApiError> {
    let key = EncodingKey::from_secret(secret.as_bytes());
    authenticate(&hs256(), &format!("Bearer {}", jsonwebtoken::encode(header, claims, &key).unwrap())).await
}

#[tokio::test]
async fn valid_token_identifies_its_caller() {
    assert_eq!(call(&Header::default(), &claims(), SECRET).await.unwrap().id, "anna");
    let soon = clock::now_ms() / 1000;
    for near in [changed("exp", json!(soon - LEEWAY_SECS / 2)), changed("nbf", json!(soon + LEEWAY_SECS / 2))]
    {
        assert!(call(&Header::default(), &near, SECRET).await.is_ok(), "within the leeway: {near}");
    }
}

#[tokio::test]
async fn invalid_token_is_refused() {
    for bad in bad_claims() {
        assert!(call(&Header::default(), &bad, SECRET).await.is_err(), "{bad}");
    }
    assert!(call(&Header::default(), &claims(), "another-secret-of-thirty-two-byte").await.is_err());
    assert!(call(&Header::new(Algorithm::HS512), &claims(), SECRET).await.is_err());
    for bad in [&unsigned(), "Bearer", "Basic x", "Bearer a.b.c", &huge()] {
        assert!(matches!(authenticate(&hs256(), bad).await, Err(ApiError::Unauthorized(_))), "{bad}");
    }
    assert!(hs256().caller(&HeaderMap::new()).await.is_err());
}

async fn sentence(auth: &Auth, claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&Header::default(), claims, &key).unwrap();
    match authenticate(auth, &format!("Bearer {token}")).await {
        Ok(caller) => caller.id,
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn refusal_names_the_claim() {
    let auth = auth_with(&[
        ("AUTH_JWT_SECRET", SECRET),
        ("AUTH_AUDIENCE", "uploads"),
        ("AUTH_ISSUER", "site"),
        ("AUTH_CLIENT_ID", "web, app"),
        ("AUTH_OWNER_CLAIM", "https://site/user"),
    ]);
    let good = json!({
        "https://site/user": "anna", "sub": "7", "client_id": "web", "exp": clock::now_ms() / 1000 + 60,
        "aud": "uploads", "iss": "site",
    });
    assert_eq!(sentence(&auth, &good).await, "anna");
    for (claim, value, named) in [
        ("exp", json!(1), "has expired (exp)"),
        ("exp", Value::Null, "has no exp"),
        ("nbf", json!(u32::MAX), "isn't valid yet (nbf)"),
        ("nbf", json!("soon"), "nbf has a wrong type"),
        ("aud", json!("others"), "aud isn't one that is allowed"),
        ("aud", Value::Null, "has no aud"),
        ("iss", json!("evil"), "iss isn't one that is allowed"),
        ("iss", Value::Null, "has no iss"),
        ("client_id", json!("evil"), "client_id or azp isn't one that is allowed"),
        ("https://site/user", json!(""), "https://site/user isn't a text of 1 to 256 bytes"),
    ] {
        let mut claims = good.clone();
        claims[claim] = value;
        let sentence = sentence(&auth, &claims).await;
        assert!(sentence.contains(named), "{claims}: {sentence}");
        assert!(!sentence.contains("evil") && !sentence.contains("anna"), "{sentence}");
    }
    for (claim, named) in
        [("https://site/user", "has no https://site/user"), ("client_id", "neither client_id nor azp")]
    {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(claim);
        let sentence = sentence(&auth, &claims).await;
        assert!(sentence.contains(named), "{sentence}");
    }
}

#[tokio::test]
async fn token_of_the_previous_secret_is_accepted() {
    let new = "fedcba9876543210fedcba9876543210";
    let auth = auth_with(&[("AUTH_JWT_SECRET", new), ("AUTH_JWT_SECRET_PREVIOUS", SECRET)]);
    assert_eq!(sentence(&auth, &claims()).await, "anna");
    assert!(sentence(&auth, &changed("exp", json!(1))).await.contains("expired"));
    let auth = auth_with(&[("AUTH_JWT_SECRET", new)]);
    assert!(sentence(&auth, &claims()).await.contains("signature"));
}

/// The claims of access tokens as the providers document them.
#[tokio::test]
async fn tokens_of_known_providers_are_accepted() {
    let exp = clock::now_ms() / 1000 + 60;
    let cognito = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab12";
    for (issuer, rule, claims) in [
        (cognito, ("AUTH_CLIENT_ID", "3n4"), json!({ "client_id": "3n4", "token_use": "access" })),
        (
            "https://t.auth0.com/",
            ("AUTH_AUDIENCE", "https://api"),
            json!({ "aud": ["https://api", "x"], "azp": "w" }),
        ),
        (
            "https://securetoken.google.com/p1",
            ("AUTH_AUDIENCE", "p1"),
            json!({ "aud": "p1", "user_id": "anna" }),
        ),
        ("https://k.example/realms/r", ("AUTH_CLIENT_ID", "web"), json!({ "aud": "account", "azp": "web" })),
    ] {
        let mut claims = claims;
        (claims["iss"], claims["exp"], claims["sub"]) = (issuer.into(), exp.into(), "anna".into());
        let settings = |rule| [("AUTH_JWT_SECRET", SECRET), ("AUTH_ISSUER", issuer), rule];
        assert_eq!(sentence(&auth_with(&settings(rule)), &claims).await, "anna", "{claims}");
        assert!(
            sentence(&auth_with(&settings((rule.0, "other"))), &claims).await.contains("allowed"),
            "{claims}"
        );
    }
}

/// A token with `alg: none`, valid claims and no signature.
fn unsigned() -> String {
    format!("Bearer {}.{}.", BASE64URL.encode(r#"{"alg":"none"}"#), BASE64URL.encode(claims().to_string()))
}

fn huge() -> String {
    format!("Bearer {}", "a".repeat(MAX_TOKEN_LENGTH + 1))
}

/// The provider's response.
#[derive(Clone)]
enum Reply {
    Keys(Vec<Value>),
    Text(StatusCode, String),
    Redirect(String),
}

/// An identity provider, and a verifier that uses it.
struct Provider {
    /// The reply, and the number of requests.
    state: Arc<Mutex<(Reply, u32)>>,
    verifier: Verifier,
}

impl Provider {
    async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new((reply, 0)));
        let shared = state.clone();
        let respond = move || async move {
            let mut state = shared.lock().unwrap();
            state.1 += 1;
            match state.0.clone() {
                Reply::Keys(keys) => axum::Json(json!({ "keys": keys })).into_response(),
                Reply::Text(status, text) => (status, text).into_response(),
                Reply::Redirect(to) => Redirect::temporary(&to).into_response(),
            }
        };
        let router: Router = Router::new().route("/keys", axum::routing::get(respond));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let Auth::Jwt(verifier) = auth("AUTH_JWKS_URL", &url) else { panic!() };
        Self { state, verifier: *verifier }
    }

    fn set_reply(&self, reply: Reply) {
        self.state.lock().unwrap().0 = reply;
    }

    fn requests(&self) -> u32 {
        self.state.lock().unwrap().1
    }

    /// Verifies a token `now` milliseconds after the start.
    async fn verify_at(&self, now: u64, token: &str) -> Result<Caller, ApiError> {
        self.verifier.caller(token, START + now).await
    }
}

fn head(algorithm: Algorithm, id: Option<&str>) -> Header {
    Header { kid: id.map(str::to_owned), ..Header::new(algorithm) }
}

fn by_rsa(name: &str, id: Option<&str>) -> String {
    jsonwebtoken::encode(&head(Algorithm::RS256, id), &claims(), &rsa_key(name)).unwrap()
}

fn by_p256(id: Option<&str>) -> String {
    let key = EncodingKey::from_ec_der(p256_der().secret_der());
    jsonwebtoken::encode(&head(Algorithm::ES256, id), &claims(), &key).unwrap()
}

fn is_refused(outcome: &Result<Caller, ApiError>) -> bool {
    matches!(outcome, Err(ApiError::Unauthorized(_)))
}

fn is_unavailable(outcome: &Result<Caller, ApiError>) -> bool {
    matches!(outcome, Err(ApiError::AuthUnavailable))
}

#[tokio::test]
async fn keys_of_both_algorithms_verify_after_one_fetch() {
    let provider =
        Provider::start(Reply::Keys(vec![listed_rsa("one", Some("r")), listed_p256(Some("e"))])).await;
    for token in [by_rsa("one", Some("r")), by_p256(Some("e")), by_rsa("one", None), by_p256(None)] {
        assert_eq!(provider.verify_at(0, &token).await.unwrap().id, "anna");
    }
    assert_eq!(provider.requests(), 1);
}

#[tokio::test]
async fn token_without_a_listed_keys_signature_is_refused() {
    let keys = vec![listed_rsa("one", Some("r")), listed_p256(Some("e"))];
    let provider = Provider::start(Reply::Keys(keys)).await;
    let public = rsa("one");
    let confused = |secret: &[u8]| {
        let key = EncodingKey::from_secret(secret);
        jsonwebtoken::encode(&head(Algorithm::HS256, Some("r")), &claims(), &key).unwrap()
    };
    let mut critical = head(Algorithm::RS256, Some("r"));
    critical.crit = Some(vec!["exp".into()]);
    let encode = |head: &Header| jsonwebtoken::encode(head, &claims(), &rsa_key("one")).unwrap();
    let good = by_rsa("one", Some("r"));
    let (rest, signature) = good.rsplit_once('.').unwrap();
    for (bad, reason) in [
        (unsigned().trim_start_matches("Bearer ").to_owned(), "alg: none"),
        (confused(public.public_key().as_ref()), "the public key as a secret"),
        (confused(listed_rsa("one", None)["n"].as_str().unwrap().as_bytes()), "its modulus as a secret"),
        (by_rsa("two", Some("r")), "another key under a listed id"),
        (by_rsa("one", Some("e")), "the id of a key of another kind"),
        (by_p256(Some("r")), "the same with the key types swapped"),
        (encode(&head(Algorithm::RS512, Some("r"))), "another algorithm"),
        (encode(&head(Algorithm::PS256, Some("r"))), "another padding"),
        (encode(&critical), "an unknown critical header"),
        (format!("{rest}."), "no signature"),
        (format!("{rest}.{}", signature.to_ascii_lowercase()), "a changed signature"),
        ("a.b.c".into(), "no token"),
    ] {
        assert!(is_refused(&provider.verify_at(0, &bad).await), "{reason}");
    }
    for bad in bad_claims() {
        let token = jsonwebtoken::encode(&head(Algorithm::RS256, Some("r")), &bad, &rsa_key("one")).unwrap();
        assert!(is_refused(&provider.verify_at(0, &token).await), "{bad}");
    }
    assert!(provider.verify_at(0, &good).await.is_ok());
    assert_eq!(provider.requests(), 1);
}

#[tokio::test]
async fn rotated_key_is_fetched_without_a_restart() {
    let provider = Provider::start(Reply::Keys(vec![listed_rsa("one", Some("old"))])).await;
    assert!(provider.verify_at(0, &by_rsa("one", Some("old"))).await.is_ok());
    provider.set_reply(Reply::Keys(vec![listed_rsa("two", Some("new"))]));
    // Not within the fetch interval: tokens with random key ids must not cause fetches.
    assert!(is_refused(&provider.verify_at(1_000, &by_rsa("two", Some("new"))).await));
    assert_eq!(provider.requests(), 1);
    assert!(provider.verify_at(MINUTE, &by_rsa("two", Some("new"))).await.is_ok());
    assert!(is_refused(&provider.verify_at(MINUTE, &by_rsa("one", Some("old"))).await));
    assert_eq!(provider.requests(), 2);
    for number in 0..20 {
        let id = format!("unknown {number}");
        assert!(is_refused(&provider.verify_at(2 * MINUTE, &by_rsa("one", Some(&id))).await));
    }
    assert_eq!(provider.requests(), 3);
}

#[tokio::test]
async fn concurrent_requests_cause_one_fetch() {
    let provider = Arc::new(Provider::start(Reply::Keys(vec![listed_p256(Some("e"))])).await);
    let token = by_p256(Some("e"));
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (provider, token) = (provider.clone(), token.clone());
            tokio::spawn(async move { provider.verify_at(0, &token).await.is_ok() })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    assert_eq!(provider.requests(), 1);
}

#[tokio::test]
async fn failing_provider_leaves_cached_keys_in_use() {
    let redirect_target = Provider::start(Reply::Keys(vec![listed_p256(Some("e"))])).await;
    let (good, token) = (Reply::Keys(vec![listed_p256(Some("e"))]), by_p256(Some("e")));
    let Keys::Jwks(jwks) = &redirect_target.verifier.keys else { panic!() };
    for bad in [
        Reply::Text(StatusCode::OK, "<html>Sign in</html>".into()),
        Reply::Text(
            StatusCode::OK,
            " ".repeat(600 * 1024) + &json!({ "keys": [listed_p256(Some("e"))] }).to_string(),
        ),
        Reply::Text(StatusCode::INTERNAL_SERVER_ERROR, String::new()),
        Reply::Keys(vec![]),
        Reply::Redirect(jwks.url.clone()),
    ] {
        let provider = Provider::start(bad.clone()).await;
        assert!(is_unavailable(&provider.verify_at(0, &token).await));
        assert!(
            is_unavailable(&provider.verify_at(1_000, &token).await),
            "no second fetch within the interval"
        );
        assert_eq!(provider.requests(), 1);
        provider.set_reply(good.clone());
        assert!(provider.verify_at(10_000, &token).await.is_ok());
        provider.set_reply(bad);
        assert!(provider.verify_at(11 * MINUTE, &token).await.is_ok(), "cached keys stay in use");
        assert_eq!(provider.requests(), 3);
        assert!(
            is_unavailable(&provider.verify_at(25 * 60 * MINUTE, &token).await),
            "after a day they don't"
        );
        provider.set_reply(good.clone());
        assert!(provider.verify_at(26 * 60 * MINUTE, &token).await.is_ok());
    }
    assert_eq!(redirect_target.requests(), 0, "no redirect is followed");
}

#[tokio::test]
async fn unreachable_provider_is_a_503_without_secrets() {
    // A port that was free a moment ago.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let auth = auth("AUTH_JWKS_URL", &format!("http://{gone}/keys?key=secret"));
    let error = authenticate(&auth, &format!("Bearer {}", by_rsa("one", Some("r")))).await.unwrap_err();
    let Auth::Jwt(verifier) = &auth else { panic!() };
    let Keys::Jwks(jwks) = &verifier.keys else { panic!() };
    let cause = jwks.fetch().await.err().unwrap().to_string();
    assert!(!cause.contains("secret") && !cause.is_empty(), "{cause}");
    let response: Response = error.into_response();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    for bad in [&huge(), &unsigned()] {
        assert!(
            matches!(authenticate(&auth, bad).await, Err(ApiError::Unauthorized(_))),
            "refused without a fetch"
        );
    }
}
