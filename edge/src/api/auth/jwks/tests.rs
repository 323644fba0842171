//! What is kept and when it is asked for, with times handed in; which listed keys are for us.

use super::*;
use crate::api::auth::tests::{listed_p256, listed_rsa};
use Algorithm::{ES256, RS256};
use serde_json::json;

const START: u64 = 1_000_000_000;

fn set(keys: Value) -> Option<KeySet> {
    KeySet::read(json!({ "keys": keys }).to_string().as_bytes())
}

fn one(id: &str) -> KeySet {
    set(json!([listed_rsa("one", Some(id))])).unwrap()
}

fn said(look: Look) -> &'static str {
    match look {
        Look::Found(_) => "found",
        Look::Ask => "ask",
        Look::None(NoKey::Unknown) => "unknown",
        Look::None(NoKey::Unreachable) => "unreachable",
    }
}

#[test]
fn fresh_keys_serve_and_old_ones_are_asked_for() {
    let mut cache = Cache::default();
    let look = |cache: &Cache, id, at| said(cache.look(Some(id), RS256, START + at));
    assert_eq!(look(&cache, "a", 0), "ask");
    cache.begin(START);
    assert_eq!(look(&cache, "a", 0), "unreachable", "as long as no answer has come");
    cache.end(one("a"), START);
    assert_eq!(look(&cache, "a", FRESH - 1), "found");
    assert_eq!(look(&cache, "a", FRESH), "ask");
    // An unknown one is asked for, but not by every stranger.
    assert_eq!(look(&cache, "b", PAUSE - 1), "unknown");
    assert_eq!(look(&cache, "b", PAUSE), "ask");
    cache.begin(START + PAUSE);
    cache.end(one("b"), START + PAUSE);
    assert_eq!(look(&cache, "b", PAUSE), "found");
    assert_eq!(look(&cache, "a", PAUSE), "unknown", "rotated away");
    // A clock that goes back breaks nothing.
    assert_eq!(said(cache.look(Some("b"), RS256, 0)), "found");
}

#[test]
fn known_keys_serve_for_a_day_while_nobody_answers() {
    let mut cache = Cache::default();
    cache.begin(START);
    cache.end(one("a"), START);
    let look = |cache: &Cache, id, at| said(cache.look(Some(id), RS256, START + at));
    cache.begin(START + FRESH);
    assert_eq!(look(&cache, "a", FRESH), "found");
    assert_eq!(look(&cache, "b", FRESH), "unreachable");
    assert_eq!(look(&cache, "a", FRESH + PAUSE), "ask");
    cache.begin(START + STALE - 1);
    assert_eq!(look(&cache, "a", STALE - 1), "found");
    assert_eq!(look(&cache, "a", STALE), "unreachable");
    assert_eq!(look(&cache, "a", STALE - 1 + RETRY), "ask", "sooner than while something was known");
}

#[test]
fn only_keys_that_verify_what_we_take_are_read() {
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
        listed_rsa("small", Some("a")),
        json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "a" }),
    ] {
        assert!(set(json!([key])).is_none(), "{key}");
    }
    for garbage in ["", "null", "[]", "{}", r#"{"keys":[]}"#, r#"{"keys":{}}"#, "<html>"] {
        assert!(KeySet::read(garbage.as_bytes()).is_none(), "{garbage}");
    }
}

#[test]
fn without_an_id_only_the_single_fitting_key_counts() {
    let keys = set(json!([listed_rsa("one", Some("a")), listed_p256(None)])).unwrap();
    assert!(keys.find(None, RS256).is_some() && keys.find(None, ES256).is_some());
    let keys = set(json!([listed_rsa("one", Some("a")), listed_rsa("two", Some("b"))])).unwrap();
    assert!(keys.find(None, RS256).is_none());
    assert!(keys.find(Some("b"), RS256).is_some());
}
