//! Valid environments, and the errors of invalid ones.

use super::*;
use std::collections::HashMap;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn good() -> HashMap<&'static str, &'static str> {
    HashMap::from([
        ("UPLOAD_BUCKET", "uploads"),
        ("DESTINATION_BUCKET", "media"),
        ("MEDIA_CONVERT_ROLE", "arn:aws:iam::123456789012:role/mc"),
        ("CDN_BASE_URL", "https://d1.cloudfront.net/"),
        ("UPLOAD_TOKEN_SECRET", SECRET),
        ("AUTH_JWT_SECRET", SECRET),
        ("CATALOG", "sqlite:/tmp/catalog.db"),
    ])
}

fn read(environment: Environment, env: &HashMap<&str, &str>) -> Result<Config, ConfigError> {
    Config::read(environment, |name| env.get(name).map(|value| (*value).to_owned()))
}

#[test]
fn valid_environment_is_read() {
    let config = read(Environment::Lambda, &good()).unwrap();
    assert_eq!(config.cdn_base_url, "https://d1.cloudfront.net");
    assert_eq!(config.conversion.application, "VOD");
    assert_eq!(config.max_upload_bytes, wire::MAX_OBJECT_SIZE);
    assert!(!format!("{config:?}").contains(SECRET));
    assert_eq!(config.upload_checksum, wire::ChecksumKind::Crc64Nvme);
    let mut env = good();
    for (value, kind) in [("crc64nvme", wire::ChecksumKind::Crc64Nvme), ("none", wire::ChecksumKind::None)] {
        env.insert("UPLOAD_CHECKSUM", value);
        assert_eq!(read(Environment::Lambda, &env).unwrap().upload_checksum, kind);
    }
}

#[test]
fn tutorials_variable_names_are_accepted() {
    let mut env = good();
    env.remove("DESTINATION_BUCKET");
    env.remove("MEDIA_CONVERT_ROLE");
    env.extend([("DestinationBucket", "media"), ("Application", "Tutorial")]);
    env.insert("MediaConvertRole", "arn:aws:iam::123456789012:role/mc");
    let config = read(Environment::Lambda, &env).unwrap();
    assert_eq!(
        (&*config.conversion.destination_bucket, &*config.conversion.application),
        ("media", "Tutorial")
    );
}

#[test]
fn wrong_value_is_reported_with_its_variable() {
    for name in good().keys() {
        for bad in [None, Some(""), Some(" ")] {
            let mut env = good();
            env.remove(name);
            env.extend(bad.map(|bad| (*name, bad)));
            let error = read(Environment::Lambda, &env).unwrap_err();
            assert!(error.0.starts_with(&format!("{name} is missing")), "{error}");
        }
    }
    for (name, bad) in [
        ("UPLOAD_BUCKET", "Up loads"),
        ("DESTINATION_BUCKET", "uploads"),
        ("MEDIA_CONVERT_ROLE", "admin"),
        ("CDN_BASE_URL", "d1.cloudfront.net"),
        ("UPLOAD_BASE_URL", "ftp://x"),
        ("UPLOAD_TOKEN_SECRET", "short"),
        ("AUTH_JWT_SECRET", "short"),
        ("AUTH_MODE", "none"),
        ("AUTH_MODE", "basic"),
        ("CATALOG", "postgres:x"),
        ("MAX_UPLOAD_BYTES", "-1"),
        ("MAX_UPLOAD_BYTES", "1e9"),
        ("CATALOG", "dynamodb:"),
        ("CATALOG", "dynamodb:a table"),
        ("AUTH_JWKS_URL", "http://id.example/keys"),
        ("AUTH_JWKS_URL", "https://anna@id.example/keys"),
        ("APPLICATION", "<script>"),
        ("CALLBACK_URL", "site.example/done"),
        ("MAX_OPEN_UPLOADS", "0"),
        ("MAX_OPEN_UPLOADS", "1001"),
        ("ORIGIN_SECRET", "short"),
        ("AUTH_OWNER_CLAIM", "two words"),
        ("UPLOAD_CHECKSUM", "sha256"),
        ("UPLOAD_CHECKSUM", "CRC64NVME"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "https://a.example/path"),
    ] {
        let mut env = good();
        env.insert(name, bad);
        let error = read(Environment::Lambda, &env).unwrap_err();
        assert!(error.0.starts_with(name) && !error.0.contains(SECRET), "{name}={bad}: {error}");
    }
}

#[test]
fn auth_mode_none_is_allowed_on_loopback_only() {
    let mut env = good();
    env.insert("AUTH_MODE", "none");
    assert!(matches!(read(Environment::Loopback, &env).unwrap().auth, AuthConfig::None));
    assert!(read(Environment::Network, &env).is_err());
}

#[test]
fn jwks_url_needs_an_issuer_and_an_audience_or_a_client() {
    let jwks = |others: &[(&'static str, &'static str)]| {
        let mut env = good();
        env.remove("AUTH_JWT_SECRET");
        env.insert("AUTH_JWKS_URL", "https://id.example/keys");
        env.extend(others.iter().copied());
        read(Environment::Lambda, &env).map(|config| config.auth)
    };
    let issuer = ("AUTH_ISSUER", "https://id.example/, https://id2.example/");
    for (others, named) in [
        (&[][..], "AUTH_ISSUER is missing"),
        (&[("AUTH_AUDIENCE", "videos")], "AUTH_ISSUER is missing"),
        (&[issuer], "AUTH_AUDIENCE is missing"),
        (&[issuer, ("AUTH_AUDIENCE", " , ")], "AUTH_AUDIENCE is missing"),
    ] {
        let error = jwks(others).unwrap_err();
        assert!(error.0.starts_with(named), "{error}");
    }
    for name in ["AUTH_AUDIENCE", "AUTH_CLIENT_ID"] {
        let Ok(AuthConfig::Jwt { rules, .. }) = jwks(&[issuer, (name, "a, b,")]) else { panic!("{name}") };
        assert_eq!(rules.issuers, ["https://id.example/", "https://id2.example/"]);
        assert_eq!(rules.owner_claim, "sub");
        let (set, other) = if name == "AUTH_AUDIENCE" {
            (rules.audiences, rules.client_ids)
        } else {
            (rules.client_ids, rules.audiences)
        };
        assert_eq!((&set[..], &other[..]), (&["a".to_owned(), "b".to_owned()][..], &[][..]));
    }
}

#[test]
fn incomplete_or_contradictory_settings_are_reported() {
    for (set, named) in [
        (&[("CALLBACK_URL", "https://site.example/done")][..], "CALLBACK_SECRET is missing"),
        (
            &[("CALLBACK_URL", "https://site.example/done"), ("CALLBACK_STYLE", "greloupis")],
            "AWS_AUTH_KEY is missing",
        ),
        (
            &[("CALLBACK_URL", "https://site.example/done"), ("CALLBACK_STYLE", "x")],
            "CALLBACK_STYLE is wrong",
        ),
        (&[("AUTH_JWKS_URL", "https://id.example/keys")], "AUTH_JWKS_URL and AUTH_JWT_SECRET are both set"),
        (&[("CDN_KEY_PAIR_ID", "K1")], "CDN_PRIVATE_KEY is missing"),
        (&[("CDN_PRIVATE_KEY", "pem")], "CDN_KEY_PAIR_ID is missing"),
    ] {
        let mut env = good();
        env.extend(set.iter().copied());
        let error = read(Environment::Lambda, &env).unwrap_err();
        assert!(error.0.starts_with(named), "{error}");
    }
}

#[test]
fn tutorials_variables_alone_select_events_only_mode() {
    let mut env = HashMap::from([
        ("DestinationBucket", "media"),
        ("MediaConvertRole", "arn:aws:iam::123456789012:role/mc"),
        ("Application", "VOD"),
    ]);
    let mode = |env: &HashMap<&str, &str>| {
        Mode::read(Environment::Lambda, |name| env.get(name).map(|value| (*value).to_owned()))
    };
    assert!(matches!(mode(&env).unwrap(), Mode::EventsOnly(c) if c.destination_bucket == "media"));
    // One variable of the HTTP API makes its other variables required.
    env.insert("CATALOG", "dynamodb:videos");
    assert!(mode(&env).unwrap_err().0.starts_with("UPLOAD_BUCKET is missing"));
    assert!(mode(&HashMap::new()).unwrap_err().0.starts_with("DESTINATION_BUCKET is missing"));
}

#[cfg(not(feature = "dynamodb"))]
#[test]
fn dynamodb_catalog_needs_its_feature() {
    let mut env = good();
    env.insert("CATALOG", "dynamodb:videos");
    let error = read(Environment::Lambda, &env).unwrap_err();
    assert!(error.0.contains("cargo feature `dynamodb`"), "{error}");
}
