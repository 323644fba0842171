//! The cache at given times, and which keys of a set are used.

use super::*;
use crate::api::auth::tests::{listed_p256, listed_rsa};
use Algorithm::{ES256, RS256};
use serde_json::json;

const START: u64 = 1_000_000_000;

fn set(keys: Value) -> Option<KeySet> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

fn one(id: &str) -> KeySet {
    set(json!([listed_rsa("one", Some(id))])).unwrap()
}

fn name(lookup: Lookup) -> &'static str {
    match lookup {
        Lookup::Found(_) => "found",
        Lookup::Fetch => "fetch",
        Lookup::NotFound(KeyError::UnknownKey) => "unknown",
        Lookup::NotFound(KeyError::ProviderUnavailable) => "unavailable",
    }
}

#[test]
fn fresh_key_is_used_and_old_one_fetched_again() {
    let mut cache = Cache::default();
    let lookup = |cache: &Cache, id, age| name(cache.lookup(Some(id), RS256, START + age));
    assert_eq!(lookup(&cache, "a", 0), "fetch");
    cache.start_fetch(START);
    assert_eq!(lookup(&cache, "a", 0), "unavailable", "until there is a response");
    cache.store(one("a"), START);
    assert_eq!(lookup(&cache, "a", REFRESH_INTERVAL_MS - 1), "found");
    assert_eq!(lookup(&cache, "a", REFRESH_INTERVAL_MS), "fetch");
    // An unknown key causes a fetch, but not before the interval is over.
    assert_eq!(lookup(&cache, "b", FETCH_INTERVAL_MS - 1), "unknown");
    assert_eq!(lookup(&cache, "b", FETCH_INTERVAL_MS), "fetch");
    cache.start_fetch(START + FETCH_INTERVAL_MS);
    cache.store(one("b"), START + FETCH_INTERVAL_MS);
    assert_eq!(lookup(&cache, "b", FETCH_INTERVAL_MS), "found");
    assert_eq!(lookup(&cache, "a", FETCH_INTERVAL_MS), "unknown", "no longer listed");
    // A clock that goes back is harmless.
    assert_eq!(name(cache.lookup(Some("b"), RS256, 0)), "found");
}

#[test]
fn cached_key_is_used_for_a_day_while_the_provider_fails() {
    let mut cache = Cache::default();
    cache.start_fetch(START);
    cache.store(one("a"), START);
    let lookup = |cache: &Cache, id, age| name(cache.lookup(Some(id), RS256, START + age));
    cache.start_fetch(START + REFRESH_INTERVAL_MS);
    assert_eq!(lookup(&cache, "a", REFRESH_INTERVAL_MS), "found");
    assert_eq!(lookup(&cache, "b", REFRESH_INTERVAL_MS), "unavailable");
    assert_eq!(lookup(&cache, "a", REFRESH_INTERVAL_MS + FETCH_INTERVAL_MS), "fetch");
    cache.start_fetch(START + MAX_AGE_MS - 1);
    assert_eq!(lookup(&cache, "a", MAX_AGE_MS - 1), "found");
    assert_eq!(lookup(&cache, "a", MAX_AGE_MS), "unavailable");
    assert_eq!(
        lookup(&cache, "a", MAX_AGE_MS - 1 + RETRY_INTERVAL_MS),
        "fetch",
        "sooner than while keys were cached"
    );
}

#[test]
fn unusable_key_is_skipped() {
    let with = |mut key: Value, name: &str, value: Value| {
        key[name] = value;
        key
    };
    let (rsa, p256) = (listed_rsa("one", Some("a")), listed_p256(Some("a")));
    for (key, algorithm) in [
        (rsa.clone(), RS256),
        (p256.clone(), ES256),
        (with(rsa.clone(), "use", json!("sig")), RS256),
        (with(rsa.clone(), "alg", json!("RS256")), RS256),
        (with(rsa.clone(), "key_ops", json!(["verify"])), RS256),
        (with(rsa.clone(), "x5c", json!(["MIIC"])), RS256),
    ] {
        let keys = set(json!([{"kty": "new"}, 7, key])).unwrap();
        let other = if algorithm == RS256 { ES256 } else { RS256 };
        assert!(keys.find(Some("a"), algorithm).is_some(), "{key}");
        assert!(keys.find(Some("a"), other).is_none(), "{key}");
        assert!(keys.find(Some("b"), algorithm).is_none(), "{key}");
    }
    for key in [
        with(rsa.clone(), "use", json!("enc")),
        with(rsa.clone(), "alg", json!("RS512")),
        with(rsa.clone(), "alg", json!("PS256")),
        with(rsa.clone(), "key_ops", json!(["sign"])),
        with(rsa.clone(), "n", json!("AQAB")),
        with(rsa.clone(), "n", json!("***")),
        with(p256.clone(), "crv", json!("P-384")),
        with(p256, "alg", json!("RS256")),
        with(rsa.clone(), "n", json!(BASE64URL.encode([0xff; 128]))),
        json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "a" }),
    ] {
        assert!(set(json!([key])).is_none(), "{key}");
    }
    for garbage in ["", "null", "[]", "{}", r#"{"keys":[]}"#, r#"{"keys":{}}"#, "<html>"] {
        assert!(KeySet::parse(garbage.as_bytes()).is_none(), "{garbage}");
    }
}

#[test]
fn token_without_key_id_matches_a_single_key_only() {
    let keys = set(json!([listed_rsa("one", Some("a")), listed_p256(None)])).unwrap();
    assert!(keys.find(None, RS256).is_some() && keys.find(None, ES256).is_some());
    let keys = set(json!([listed_rsa("one", Some("a")), listed_rsa("two", Some("b"))])).unwrap();
    assert!(keys.find(None, RS256).is_none());
    assert!(keys.find(Some("b"), RS256).is_some());
}
