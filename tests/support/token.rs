//! Bearer tokens (JWT, HS256), as a site's own sign-in would issue them.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

/// Longer than any test runs.
const LIFETIME_SECONDS: u64 = 24 * 3600;

/// A token for the subject `sub`.
pub fn signed(secret: &str, sub: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let header = BASE64URL.encode(json!({ "alg": "HS256", "typ": "JWT" }).to_string());
    let claims = BASE64URL.encode(json!({ "sub": sub, "exp": now + LIFETIME_SECONDS }).to_string());
    let signing_input = format!("{header}.{claims}");
    // HMAC accepts keys of any length, so this never fails.
    let signature = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .map(|mac| BASE64URL.encode(mac.chain_update(&signing_input).finalize().into_bytes()))
        .unwrap_or_default();
    format!("{signing_input}.{signature}")
}
