//! One method for each variable: validates it and explains what it must be.

use super::{
    AuthConfig, CallbackConfig, CallbackStyle, CatalogConfig, ClaimRules, Config, ConfigError, Conversion,
    CookieConfig, DailyLimits, Environment, JwtKeys, OwnerLimits, RotatingSecret, Secret, SourceLimits,
};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use wire::ChecksumKind;

/// In bytes.
const MIN_SECRET_SIZE: usize = 32;
/// In bytes, by the specification of Standard Webhooks.
const MIN_WEBHOOK_KEY_SIZE: usize = 24;
/// Base64 with optional padding and ignored trailing bits, like in the libraries of Standard Webhooks.
const LENIENT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
const MAX_CLAIM_LENGTH: usize = 128;
/// DynamoDB holds the open uploads of an owner in one item, whose size is limited.
const MAX_OPEN_UPLOADS: u32 = 1_000;
const DEFAULT_OPEN_UPLOADS: u32 = 100;
const MAX_DURATION_SECS: u64 = 1_000_000;
const DEFAULT_DURATION_SECS: u64 = 6 * 3600;
/// In frames per second.
const DEFAULT_FRAME_RATE: f64 = 120.0;
/// Variables of the HTTP API: one of them set selects `Mode::Full`.
const HTTP_API: [&str; 6] =
    ["UPLOAD_BUCKET", "CDN_BASE_URL", "UPLOAD_TOKEN_SECRET", "CATALOG", "AUTH_JWT_SECRET", "AUTH_JWKS_URL"];

#[cfg(feature = "dynamodb")]
fn dynamodb(table: &str) -> Result<CatalogConfig, ConfigError> {
    Ok(CatalogConfig::DynamoDb(table.into()))
}

#[cfg(not(feature = "dynamodb"))]
fn dynamodb(_: &str) -> Result<CatalogConfig, ConfigError> {
    Err(wrong("CATALOG", "sqlite:PATH; this build lacks DynamoDB (cargo feature `dynamodb`)"))
}

fn is_table_name(name: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    (3..=255).contains(&name.len()) && name.bytes().all(is_allowed)
}

fn missing(name: &str, what: &str) -> ConfigError {
    ConfigError(format!("{name} is missing: {what}"))
}

fn wrong(name: &str, must: &str) -> ConfigError {
    ConfigError(format!("{name} is wrong: it must be {must}"))
}

/// A lookup of variables by name.
pub struct Variables<F>(pub F);

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    pub fn full_config(&self, environment: Environment) -> Result<Config, ConfigError> {
        let config = Config {
            upload_bucket: self.bucket("UPLOAD_BUCKET", None)?,
            conversion: self.conversion(false)?,
            cdn_base_url: self
                .base_url("CDN_BASE_URL")?
                .ok_or_else(|| missing("CDN_BASE_URL", "the origin that delivers the videos"))?,
            upload_base_url: self.base_url("UPLOAD_BASE_URL")?,
            upload_token_secret: self.rotating("UPLOAD_TOKEN_SECRET", Self::secret)?,
            upload_checksum: self.upload_checksum()?,
            auth: self.auth(environment)?,
            catalog: self.catalog()?,
            max_upload_bytes: self.number(
                "MAX_UPLOAD_BYTES",
                1..=wire::MAX_OBJECT_SIZE,
                wire::MAX_OBJECT_SIZE,
                "a number of bytes from 1 to 48.8 TiB, S3's limit",
            )?,
            owner_limits: self.owner_limits()?,
            object_owner: self.any("OBJECT_OWNER", None).unwrap_or_default().trim().to_owned(),
            allowed_origins: self.origins()?,
            origin_secret: match self.any("ORIGIN_SECRET", None) {
                Some(_) => Some(self.rotating("ORIGIN_SECRET", Self::secret)?),
                None => None,
            },
            emits_metrics: environment == Environment::Lambda,
            cookies: self.cookies()?,
        };
        if config.upload_bucket == config.conversion.destination_bucket {
            return Err(ConfigError(
                "DESTINATION_BUCKET is the same as UPLOAD_BUCKET: each output would start a job again".into(),
            ));
        }
        Ok(config)
    }

    /// The variables of the tutorial's two functions, under the tutorial's names or the edge's.
    ///
    /// `allows_unknown_duration` is the default of its variable.
    pub fn conversion(&self, allows_unknown_duration: bool) -> Result<Conversion, ConfigError> {
        Ok(Conversion {
            destination_bucket: self.bucket("DESTINATION_BUCKET", Some("DestinationBucket"))?,
            media_convert_role: self.role()?,
            application: self.application()?,
            callback: self.callback()?,
            source_limits: self.source_limits(allows_unknown_duration)?,
        })
    }

    fn owner_limits(&self) -> Result<OwnerLimits, ConfigError> {
        let daily = |name: &str, must: &str| -> Result<Option<u64>, ConfigError> {
            let set = self.any(name, None).is_some();
            let limit = self.number(name, 1..=u64::from(u32::MAX) * 1_000_000, 1, must)?;
            Ok(set.then_some(limit))
        };
        let minutes = daily("MAX_MINUTES_PER_DAY", "a number of minutes from 1")?;
        Ok(OwnerLimits {
            open_uploads: self.number(
                "MAX_OPEN_UPLOADS",
                1..=MAX_OPEN_UPLOADS,
                DEFAULT_OPEN_UPLOADS,
                "a number from 1 to 1,000",
            )?,
            daily: DailyLimits {
                bytes: daily("MAX_BYTES_PER_DAY", "a number of bytes from 1")?,
                videos: daily("MAX_VIDEOS_PER_DAY", "a number from 1")?,
                duration_ms: minutes.map(|minutes| minutes.saturating_mul(60_000)),
            },
        })
    }

    fn source_limits(&self, allows_unknown_duration: bool) -> Result<SourceLimits, ConfigError> {
        let seconds = self.number(
            "MAX_DURATION",
            1..=MAX_DURATION_SECS,
            DEFAULT_DURATION_SECS,
            "a number of seconds from 1 to 1,000,000",
        )?;
        let name = "ALLOW_UNKNOWN_DURATION";
        Ok(SourceLimits {
            max_duration_ms: seconds * 1000,
            allows_unknown_duration: match self.any(name, None).as_deref().map(str::trim) {
                None => allows_unknown_duration,
                Some("no") => false,
                Some("yes") => true,
                Some(_) => return Err(wrong(name, "yes or no")),
            },
            max_frame_rate: self.number(
                "MAX_FRAME_RATE",
                1.0..=1000.0,
                DEFAULT_FRAME_RATE,
                "a number of frames per second from 1 to 1,000",
            )?,
        })
    }

    pub fn is_events_only(&self) -> bool {
        HTTP_API.iter().all(|name| self.any(name, None).is_none())
    }

    /// The value of `name` or of its alias; an empty one counts as missing.
    fn any(&self, name: &str, alias: Option<&str>) -> Option<String> {
        let value = |name: &str| (self.0)(name).filter(|value| !value.trim().is_empty());
        value(name).or_else(|| alias.and_then(value))
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

    /// Limited to the characters that a job's tags and metadata allow.
    fn application(&self) -> Result<String, ConfigError> {
        let name = "APPLICATION";
        let application = self.any(name, Some("Application")).unwrap_or_else(|| "VOD".into());
        let plain = |b: u8| b.is_ascii_alphanumeric() || b" _.:/=+-@".contains(&b);
        if application.len() <= 128 && application.bytes().all(plain) {
            Ok(application)
        } else {
            Err(wrong(name, "at most 128 letters, digits, spaces and _ . : / = + - @"))
        }
    }

    fn url(&self, name: &str) -> Result<Option<String>, ConfigError> {
        let Some(url) = self.any(name, None) else { return Ok(None) };
        let valid = url.parse::<http::Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        });
        if valid && !url.contains('#') { Ok(Some(url)) } else { Err(wrong(name, "an http(s) URL")) }
    }

    fn base_url(&self, name: &str) -> Result<Option<String>, ConfigError> {
        let Some(url) = self.url(name)? else { return Ok(None) };
        if url.contains('?') {
            return Err(wrong(name, "an http(s) URL without a query"));
        }
        Ok(Some(url.trim_end_matches('/').to_owned()))
    }

    fn secret_if_set(&self, name: &str) -> Result<Option<Secret>, ConfigError> {
        match self.any(name, None) {
            Some(secret) if secret.len() < MIN_SECRET_SIZE => Err(wrong(name, "at least 32 bytes long")),
            secret => Ok(secret.map(|secret| Secret(secret.into_bytes()))),
        }
    }

    fn secret(&self, name: &str) -> Result<Secret, ConfigError> {
        self.secret_if_set(name)?.ok_or_else(|| missing(name, "a secret of at least 32 bytes"))
    }

    /// The secret `NAME`, and `NAME_PREVIOUS` if that is set.
    fn rotating(
        &self,
        name: &str,
        read: impl Fn(&Self, &str) -> Result<Secret, ConfigError>,
    ) -> Result<RotatingSecret, ConfigError> {
        let previous = format!("{name}_PREVIOUS");
        let is_set = self.any(&previous, None).is_some();
        Ok(RotatingSecret {
            current: read(self, name)?,
            previous: if is_set { Some(read(self, &previous)?) } else { None },
        })
    }

    /// Derives the key like the libraries of Standard Webhooks: base64, with or without `whsec_` before it, is decoded;
    /// any other text is used as the key itself ("raw").
    fn webhook_key(&self, name: &str) -> Result<Secret, ConfigError> {
        let value = self.any(name, None).ok_or_else(|| missing(name, "the secret that signs callbacks"))?;
        let (prefixed, text) = match value.strip_prefix("whsec_") {
            Some(text) => (true, text),
            None => (false, value.as_str()),
        };
        match LENIENT_BASE64.decode(text) {
            Ok(key) if key.len() >= MIN_WEBHOOK_KEY_SIZE => Ok(Secret(key)),
            _ if !prefixed && value.len() >= MIN_SECRET_SIZE => Ok(Secret(value.into_bytes())),
            _ => Err(wrong(name, "whsec_ and the base64 of at least 24 bytes, or at least 32 bytes of text")),
        }
    }

    fn upload_checksum(&self) -> Result<ChecksumKind, ConfigError> {
        match self.any("UPLOAD_CHECKSUM", None).as_deref() {
            None | Some("crc64nvme") => Ok(ChecksumKind::Crc64Nvme),
            Some("none") => Ok(ChecksumKind::None),
            Some(_) => Err(wrong("UPLOAD_CHECKSUM", "crc64nvme or none")),
        }
    }

    fn auth(&self, environment: Environment) -> Result<AuthConfig, ConfigError> {
        match self.any("AUTH_MODE", None).as_deref() {
            Some("none") if environment == Environment::Loopback => return Ok(AuthConfig::None),
            Some("none") => {
                return Err(wrong("AUTH_MODE", "jwt where other hosts reach the edge; none is for loopback"));
            }
            None | Some("jwt") => {}
            Some(_) => return Err(wrong("AUTH_MODE", "jwt or none")),
        }
        let keys = match (self.jwks_url()?, self.any("AUTH_JWT_SECRET", None)) {
            (Some(_), Some(_)) => {
                return Err(ConfigError(
                    "AUTH_JWKS_URL and AUTH_JWT_SECRET are both set: tokens have one kind of key".into(),
                ));
            }
            (Some(url), None) => JwtKeys::Jwks(url),
            (None, _) => JwtKeys::Secret(self.rotating("AUTH_JWT_SECRET", Self::secret)?),
        };
        let rules = self.claim_rules()?;
        // A provider signs tokens for all of its clients, some providers for all of their customers, with one key.
        if matches!(keys, JwtKeys::Jwks(_)) {
            if rules.issuers.is_empty() {
                return Err(missing("AUTH_ISSUER", "the iss of the tokens that AUTH_JWKS_URL verifies"));
            }
            if rules.audiences.is_empty() && rules.client_ids.is_empty() {
                return Err(missing(
                    "AUTH_AUDIENCE",
                    "the aud of the tokens that AUTH_JWKS_URL verifies, or in AUTH_CLIENT_ID their client_id or azp",
                ));
            }
        }
        Ok(AuthConfig::Jwt { keys, rules })
    }

    fn claim_rules(&self) -> Result<ClaimRules, ConfigError> {
        let name = "AUTH_OWNER_CLAIM";
        let owner_claim = self.any(name, None).unwrap_or_else(|| "sub".into()).trim().to_owned();
        // It is part of the sentence of a 401.
        if owner_claim.len() > MAX_CLAIM_LENGTH || !owner_claim.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(wrong(name, "the name of a claim: at most 128 printable ASCII characters"));
        }
        Ok(ClaimRules {
            issuers: self.list("AUTH_ISSUER"),
            audiences: self.list("AUTH_AUDIENCE"),
            client_ids: self.list("AUTH_CLIENT_ID"),
            owner_claim,
        })
    }

    /// Values separated by commas.
    fn list(&self, name: &str) -> Vec<String> {
        let text = self.any(name, None).unwrap_or_default();
        text.split(',').map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned).collect()
    }

    /// Requires https except on loopback: keys sent unencrypted could be replaced.
    fn jwks_url(&self) -> Result<Option<String>, ConfigError> {
        let name = "AUTH_JWKS_URL";
        let Some(url) = self.url(name)? else { return Ok(None) };
        let uri: http::Uri = url.parse().map_err(|_| wrong(name, "an https URL"))?;
        let loopback = matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
        if uri.scheme_str() == Some("https") || loopback {
            Ok(Some(url))
        } else {
            Err(wrong(name, "an https URL"))
        }
    }

    fn catalog(&self) -> Result<CatalogConfig, ConfigError> {
        let name = "CATALOG";
        let value = self
            .any(name, None)
            .ok_or_else(|| missing(name, "the database, dynamodb:TABLE or sqlite:PATH"))?;
        match value.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(CatalogConfig::Sqlite(path.into())),
            Some(("dynamodb", table)) if is_table_name(table) => dynamodb(table),
            _ => Err(wrong(name, "dynamodb:TABLE or sqlite:PATH")),
        }
    }

    fn callback(&self) -> Result<Option<CallbackConfig>, ConfigError> {
        let Some(url) = self.url("CALLBACK_URL")? else { return Ok(None) };
        let style = match self.any("CALLBACK_STYLE", None).as_deref() {
            None | Some("standard") => {
                CallbackStyle::Standard(self.rotating("CALLBACK_SECRET", Self::webhook_key)?)
            }
            Some("greloupis") => CallbackStyle::Greloupis(self.secret("AWS_AUTH_KEY")?),
            Some(_) => return Err(wrong("CALLBACK_STYLE", "standard or greloupis")),
        };
        Ok(Some(CallbackConfig { url, style }))
    }

    fn cookies(&self) -> Result<Option<CookieConfig>, ConfigError> {
        let (id, key) = ("CDN_KEY_PAIR_ID", "CDN_PRIVATE_KEY");
        match (self.any(id, None), self.any(key, None)) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(missing(key, "the PEM of the key that CDN_KEY_PAIR_ID names")),
            (None, Some(_)) => {
                Err(missing(id, "the CDN's id of the public key that belongs to CDN_PRIVATE_KEY"))
            }
            (Some(key_pair_id), Some(pem)) => {
                Ok(Some(CookieConfig { key_pair_id, private_key: Secret(pem.into_bytes()) }))
            }
        }
    }

    fn number<N: std::str::FromStr + PartialOrd>(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<N>,
        default: N,
        must: &str,
    ) -> Result<N, ConfigError> {
        let Some(value) = self.any(name, None) else { return Ok(default) };
        value.trim().parse().ok().filter(|number| range.contains(number)).ok_or_else(|| wrong(name, must))
    }

    fn origins(&self) -> Result<Vec<String>, ConfigError> {
        let name = "ALLOWED_ORIGINS";
        let origins = self.list(name).into_iter().map(|origin| origin.trim_end_matches('/').to_owned());
        let origins: Vec<String> = origins.filter(|origin| !origin.is_empty()).collect();
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
