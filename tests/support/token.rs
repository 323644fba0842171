//! A bearer token (JWT, HS256), as a site's own sign-in would make it.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

/// In seconds: longer than any test.
const LIFE: u64 = 24 * 3600;

/// For `sub`.
pub fn signed(secret: &str, sub: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let header = BASE64URL.encode(json!({ "alg": "HS256", "typ": "JWT" }).to_string());
    let claims = BASE64URL.encode(json!({ "sub": sub, "exp": now + LIFE }).to_string());
    let text = format!("{header}.{claims}");
    let signature =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map(|mac| mac.chain_update(&text).finalize());
    // A key of any length serves.
    let signature = signature.map(|signature| BASE64URL.encode(signature.into_bytes())).unwrap_or_default();
    format!("{text}.{signature}")
}
