//! The only reader of the environment. A wrong or missing value is one sentence that names it.

use std::fmt;
use std::path::PathBuf;

/// Where the edge runs, which decides what it may do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Lambda,
    /// A server that only this machine reaches.
    Loopback,
    /// A server that others reach.
    Network,
}

#[derive(Clone, Debug)]
pub struct Config {
    pub upload_bucket: String,
    pub destination_bucket: String,
    /// ARN of the role that MediaConvert assumes.
    pub media_convert_role: String,
    /// Tag on jobs.
    pub application: String,
    /// Without a slash at its end.
    pub cdn_base_url: String,
    /// An origin in front of the upload bucket, without a slash at its end.
    pub upload_base_url: Option<String>,
    pub upload_token_secret: Secret,
    pub auth: AuthConfig,
    pub catalog: CatalogConfig,
    pub max_upload_bytes: u64,
    pub allowed_origins: Vec<String>,
}

#[derive(Clone, Debug)]
pub enum AuthConfig {
    /// Everybody is the same person; on loopback only.
    None,
    /// Bearer tokens signed with a shared secret (HS256).
    Jwt { secret: Secret, audience: Option<String>, issuer: Option<String> },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogConfig {
    Sqlite(PathBuf),
}

/// Bytes that no log shows.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A sentence that names the variable.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

const MIN_SECRET: usize = 32;

impl Config {
    /// Reads the settings through `get`, the environment or a test's stand-in.
    pub fn read(place: Place, get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let env = Env(get);
        env.refuse_what_is_not_built()?;
        let config = Self {
            upload_bucket: env.bucket("UPLOAD_BUCKET", None)?,
            destination_bucket: env.bucket("DESTINATION_BUCKET", Some("DestinationBucket"))?,
            media_convert_role: env.role()?,
            application: env.any("APPLICATION", Some("Application")).unwrap_or_else(|| "VOD".into()),
            cdn_base_url: env
                .base_url("CDN_BASE_URL")?
                .ok_or_else(|| missing("CDN_BASE_URL", "the origin that delivers the videos"))?,
            upload_base_url: env.base_url("UPLOAD_BASE_URL")?,
            upload_token_secret: env.secret("UPLOAD_TOKEN_SECRET")?,
            auth: env.auth(place)?,
            catalog: env.catalog()?,
            max_upload_bytes: env.max_upload_bytes()?,
            allowed_origins: env.origins()?,
        };
        if config.upload_bucket == config.destination_bucket {
            return Err(ConfigError(
                "DESTINATION_BUCKET is the same as UPLOAD_BUCKET: each output would start a job again".into(),
            ));
        }
        Ok(config)
    }
}

fn missing(name: &str, what: &str) -> ConfigError {
    ConfigError(format!("{name} is missing: {what}"))
}

fn wrong(name: &str, must: &str) -> ConfigError {
    ConfigError(format!("{name} is wrong: it must be {must}"))
}

struct Env<F>(F);

impl<F: Fn(&str) -> Option<String>> Env<F> {
    /// The value of `name` or of its alias; an empty one counts as missing.
    fn any(&self, name: &str, alias: Option<&str>) -> Option<String> {
        let value = |name: &str| (self.0)(name).filter(|value| !value.trim().is_empty());
        value(name).or_else(|| alias.and_then(value))
    }

    /// Better no start than a setting that silently does nothing.
    fn refuse_what_is_not_built(&self) -> Result<(), ConfigError> {
        match ["AUTH_JWKS_URL", "CALLBACK_URL"].iter().find(|name| self.any(name, None).is_some()) {
            Some(name) => Err(ConfigError(format!("{name} isn't supported by this version; unset it"))),
            None => Ok(()),
        }
    }

    fn bucket(&self, name: &str, alias: Option<&str>) -> Result<String, ConfigError> {
        let bucket = self.any(name, alias).ok_or_else(|| missing(name, "the name of an S3 bucket"))?;
        let plain =
            bucket.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b));
        if (3..=63).contains(&bucket.len()) && plain {
            Ok(bucket)
        } else {
            Err(wrong(name, "a bucket's name: 3 to 63 lower-case letters, digits, dots and hyphens"))
        }
    }

    fn role(&self) -> Result<String, ConfigError> {
        let name = "MEDIA_CONVERT_ROLE";
        let role = self
            .any(name, Some("MediaConvertRole"))
            .ok_or_else(|| missing(name, "the ARN of the role that MediaConvert assumes"))?;
        let fits = role.starts_with("arn:") && role.contains(":role/");
        if fits { Ok(role) } else { Err(wrong(name, "the ARN of an IAM role")) }
    }

    fn base_url(&self, name: &str) -> Result<Option<String>, ConfigError> {
        let Some(url) = self.any(name, None) else { return Ok(None) };
        let valid = url.parse::<http::Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.authority().is_some()
                && uri.query().is_none()
        });
        if !valid || url.contains('#') {
            return Err(wrong(name, "an http(s) URL with nothing behind its path"));
        }
        Ok(Some(url.trim_end_matches('/').to_owned()))
    }

    fn secret(&self, name: &str) -> Result<Secret, ConfigError> {
        let secret = self.any(name, None).ok_or_else(|| missing(name, "a secret of at least 32 bytes"))?;
        if secret.len() < MIN_SECRET {
            return Err(wrong(name, "at least 32 bytes long"));
        }
        Ok(Secret(secret.into_bytes()))
    }

    fn auth(&self, place: Place) -> Result<AuthConfig, ConfigError> {
        match self.any("AUTH_MODE", None).as_deref() {
            Some("none") if place == Place::Loopback => Ok(AuthConfig::None),
            Some("none") => {
                Err(wrong("AUTH_MODE", "jwt where others can reach the edge; none is for loopback"))
            }
            None | Some("jwt") => Ok(AuthConfig::Jwt {
                secret: self.secret("AUTH_JWT_SECRET")?,
                audience: self.any("AUTH_AUDIENCE", None),
                issuer: self.any("AUTH_ISSUER", None),
            }),
            Some(_) => Err(wrong("AUTH_MODE", "jwt or none")),
        }
    }

    fn catalog(&self) -> Result<CatalogConfig, ConfigError> {
        let name = "CATALOG";
        let value = self.any(name, None).ok_or_else(|| missing(name, "the database, sqlite:PATH"))?;
        match value.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(CatalogConfig::Sqlite(path.into())),
            _ => Err(wrong(name, "sqlite:PATH")),
        }
    }

    fn max_upload_bytes(&self) -> Result<u64, ConfigError> {
        let name = "MAX_UPLOAD_BYTES";
        let Some(value) = self.any(name, None) else { return Ok(wire::MAX_OBJECT_SIZE) };
        match value.parse() {
            Ok(limit) if (1..=wire::MAX_OBJECT_SIZE).contains(&limit) => Ok(limit),
            _ => Err(wrong(name, "a number of bytes from 1 to 48.8 TiB, S3's limit")),
        }
    }

    fn origins(&self) -> Result<Vec<String>, ConfigError> {
        let name = "ALLOWED_ORIGINS";
        let origins: Vec<String> = self
            .any(name, None)
            .unwrap_or_default()
            .split(',')
            .map(|origin| origin.trim().trim_end_matches('/').to_owned())
            .filter(|origin| !origin.is_empty())
            .collect();
        let is_origin = |origin: &String| {
            origin.parse::<http::Uri>().is_ok_and(|uri| {
                matches!(uri.scheme_str(), Some("http" | "https"))
                    && uri.path() == "/"
                    && uri.query().is_none()
            })
        };
        if origins.iter().all(is_origin) {
            Ok(origins)
        } else {
            Err(wrong(name, "origins such as https://example.com, separated by commas; * is not one"))
        }
    }
}

#[cfg(test)]
mod tests {
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

    fn read(place: Place, env: &HashMap<&str, &str>) -> Result<Config, ConfigError> {
        Config::read(place, |name| env.get(name).map(|value| (*value).to_owned()))
    }

    #[test]
    fn a_good_environment_is_read() {
        let config = read(Place::Lambda, &good()).unwrap();
        assert_eq!(config.cdn_base_url, "https://d1.cloudfront.net");
        assert_eq!(config.application, "VOD");
        assert_eq!(config.max_upload_bytes, wire::MAX_OBJECT_SIZE);
        assert!(!format!("{config:?}").contains(SECRET));
    }

    #[test]
    fn the_tutorials_names_work() {
        let mut env = good();
        env.remove("DESTINATION_BUCKET");
        env.remove("MEDIA_CONVERT_ROLE");
        env.extend([("DestinationBucket", "media"), ("Application", "Tutorial")]);
        env.insert("MediaConvertRole", "arn:aws:iam::123456789012:role/mc");
        let config = read(Place::Lambda, &env).unwrap();
        assert_eq!((&*config.destination_bucket, &*config.application), ("media", "Tutorial"));
    }

    #[test]
    fn each_bad_value_is_named() {
        for name in good().keys() {
            for bad in [None, Some(""), Some(" ")] {
                let mut env = good();
                env.remove(name);
                env.extend(bad.map(|bad| (*name, bad)));
                let error = read(Place::Lambda, &env).unwrap_err();
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
            ("CALLBACK_URL", "https://site.example/done"),
            ("AUTH_JWKS_URL", "https://id.example/keys"),
            ("ALLOWED_ORIGINS", "*"),
            ("ALLOWED_ORIGINS", "https://a.example/path"),
        ] {
            let mut env = good();
            env.insert(name, bad);
            let error = read(Place::Lambda, &env).unwrap_err();
            assert!(error.0.starts_with(name) && !error.0.contains(SECRET), "{name}={bad}: {error}");
        }
    }

    #[test]
    fn no_auth_only_on_loopback() {
        let mut env = good();
        env.insert("AUTH_MODE", "none");
        assert!(matches!(read(Place::Loopback, &env).unwrap().auth, AuthConfig::None));
        assert!(read(Place::Network, &env).is_err());
    }
}
