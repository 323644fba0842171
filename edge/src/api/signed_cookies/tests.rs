//! Policy and signature of the cookies, verified with the public key as CloudFront does.

use super::*;
use crate::config::Environment;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::json;

const RSA: &str = include_str!("../../../../tests/fixtures/keys/rsa-one.pem");
const RSA_PKCS8: &str = include_str!("../../../../tests/fixtures/keys/rsa-one-pkcs8.pem");
const P256: &str = include_str!("../../../../tests/fixtures/keys/p256.pem");
const P256_SEC1: &str = include_str!("../../../../tests/fixtures/keys/p256-sec1.pem");
const SMALL: &str = include_str!("../../../../tests/fixtures/keys/rsa-small.pem");
const ID: &str = "0123456789abcdef01234567";
const NOW: u64 = 1_795_460_000;

fn cookies(base_url: &str, pem: &str) -> Result<Option<SignedCookies>, ConfigError> {
    let secret = "0123456789abcdef0123456789abcdef";
    let config = Config::read(Environment::Loopback, |name| {
        let value = match name {
            "UPLOAD_BUCKET" => "uploads",
            "DESTINATION_BUCKET" => "media",
            "MEDIA_CONVERT_ROLE" => "arn:aws:iam::1:role/m",
            "CDN_BASE_URL" => base_url,
            "UPLOAD_TOKEN_SECRET" => secret,
            "AUTH_MODE" => "none",
            "CATALOG" => "sqlite:x",
            "CDN_KEY_PAIR_ID" if !pem.is_empty() => "K2JCJMDEHXQW5F",
            "CDN_PRIVATE_KEY" => pem,
            _ => return None,
        };
        Some(value.into())
    });
    let folders = ["assets/HLS/", "assets/MP4/"].map(str::to_owned);
    SignedCookies::new(&config.unwrap(), &folders)
}

/// A cookie's name, value and attributes.
fn parts(cookie: &HeaderValue) -> (&str, &str, &str) {
    let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
    let (value, attributes) = rest.split_once("; ").unwrap();
    (name, value, attributes)
}

fn decode(value: &str) -> Vec<u8> {
    let standard = value.replace('-', "+").replace('_', "=").replace('~', "/");
    BASE64.decode(standard).unwrap()
}

fn verifies(pem: &str, policy: &[u8], signature: &[u8]) -> bool {
    match Key::parse(pem.as_bytes()).unwrap() {
        Key::Rsa(key) => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key())
            .verify(policy, signature)
            .is_ok(),
        Key::P256(key) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public_key())
            .verify(policy, signature)
            .is_ok(),
    }
}

#[test]
fn each_folder_has_four_cookies_for_one_video() {
    for pem in [RSA, RSA_PKCS8, P256, P256_SEC1, &RSA.replace('\n', "\\n"), &format!("\n {P256} \n")] {
        let cookies = cookies("https://d1.cloudfront.net/", pem).unwrap().unwrap().for_video(ID, NOW);
        assert_eq!(cookies.len(), 8);
        for (group, folder) in cookies.chunks(4).zip(["assets/HLS", "assets/MP4"]) {
            let [policy, signature, id, hash] = [0, 1, 2, 3].map(|at| parts(&group[at]));
            let names = [policy.0, signature.0, id.0];
            assert_eq!(names, ["CloudFront-Policy", "CloudFront-Signature", "CloudFront-Key-Pair-Id"]);
            for (_, value, attributes) in [policy, signature, id, hash] {
                assert_eq!(attributes, format!("Path=/{folder}; Secure; HttpOnly; SameSite=Lax"));
                assert!(!value.contains(['+', '=', '/', ' ', '"']), "{value}");
            }
            assert_eq!(id.1, "K2JCJMDEHXQW5F");
            assert_eq!((hash.0, hash.1), ("CloudFront-Hash-Algorithm", "SHA256"));
            let text = decode(policy.1);
            let decoded: Value = serde_json::from_slice(&text).unwrap();
            let resource = format!("https://d1.cloudfront.net/{folder}/{ID}*");
            let condition = json!({ "DateLessThan": { "AWS:EpochTime": NOW + 12 * 3600 } });
            assert_eq!(decoded, json!({ "Statement": [{ "Resource": resource, "Condition": condition }] }));
            assert!(!text.contains(&b' '), "CloudFront allows no white space");
            assert!(verifies(pem, &text, &decode(signature.1)));
            assert!(!verifies(pem, &text[1..], &decode(signature.1)));
        }
    }
}

/// The expected values are the output of CloudFront's documented commands for this key and policy:
/// `openssl sha256 -sign` and `tr '+=/' '-_~'`.
#[test]
fn signature_equals_openssls() {
    let cookies = cookies("https://d1.cloudfront.net", RSA).unwrap().unwrap().for_video(ID, NOW);
    let policy = "eyJTdGF0ZW1lbnQiOlt7IlJlc291cmNlIjoiaHR0cHM6Ly9kMS5jbG91ZGZyb250Lm5ldC9hc3NldHMvSExTLzAxMjM0NTY3\
                  ODlhYmNkZWYwMTIzNDU2NyoiLCJDb25kaXRpb24iOnsiRGF0ZUxlc3NUaGFuIjp7IkFXUzpFcG9jaFRpbWUiOjE3OTU1MDMy\
                  MDB9fX1dfQ__";
    let signature = "ivkJziQkwbJioHP7A4FwL5Bd2SM3RyGCkLR6hOjhl-pw3R92HS6NUAzSmSj-cXW4T5qfHvw6o7bqADcio~avK-djuwjVTl\
                     3ROH2m1dBD5DD~uNdkaI6D4UzY5koIgLEGAjq0uY8T~-\
                     Ql1yv2Uvgr5tCg~aNgZNVS5nuqAeElSjZpLjMLpiLxqFbvw1HlnrF9ddieUZBxXTpNmqIwVRL01R2K4E~gnJK~ITsw3cCE\
                     BUrauhZd7rItfgmQ5fhCGS8AWsT2rZiAa-yJstykVzaeIsuBijYRbkXrHbMlNsCWXYEZgLVOqI-\
                     DNLjmGK2k2xDCWOW0-HSfvVjviIUqSvszUw__";
    assert_eq!((parts(&cookies[0]).1, parts(&cookies[1]).1), (policy, signature));
}

#[test]
fn cookie_path_includes_the_cdns_path() {
    let cookies = cookies("https://site.example/video", RSA).unwrap().unwrap().for_video(ID, NOW);
    assert!(parts(&cookies[0]).2.starts_with("Path=/video/assets/HLS;"));
    let policy = String::from_utf8(decode(parts(&cookies[0]).1)).unwrap();
    assert!(policy.contains("https://site.example/video/assets/HLS/0123"), "{policy}");
}

#[test]
fn id_that_may_be_a_prefix_gets_no_cookies() {
    let cookies = cookies("https://c", RSA).unwrap().unwrap();
    for id in
        ["", "a", "*", "0123456789abcdef0123456", "0123456789abcdef012345678", "0123456789ABCDEF01234567"]
    {
        assert!(cookies.for_video(id, NOW).is_empty(), "{id}");
    }
}

#[test]
fn invalid_key_is_an_error_without_the_key() {
    for bad in ["K2JCJMDEHXQW5F", &RSA[..200], &RSA.replace("RSA ", ""), SMALL, "\u{1F511}"] {
        let error = cookies("https://c", bad).err().unwrap();
        assert!(error.0.starts_with("CDN_PRIVATE_KEY is wrong") && !error.0.contains("MII"), "{error}");
    }
    assert!(cookies("https://c", "").unwrap().is_none());
}
