//! Settings. The only reader of the environment; a missing or wrong value is one sentence that names its variable.

mod lambda;
mod secret_arns;
#[cfg(test)]
mod tests;
mod variables;

pub use lambda::LambdaSettings;
pub use secret_arns::{SecretArns, SecretValue};

use std::fmt;
use std::path::PathBuf;
use variables::Variables;
use wire::ChecksumKind;

/// Where the edge runs; decides which settings are required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    Lambda,
    /// A server that listens on the loopback interface only.
    Loopback,
    /// A server that other hosts reach.
    Network,
}

/// The edge's mode.
#[derive(Clone, Debug)]
pub enum Mode {
    /// HTTP API and events.
    Full(Box<Config>),
    /// Events and webhooks only, with the original tutorial's variables and nothing else.
    EventsOnly(Conversion),
}

/// Settings of [`Mode::Full`].
#[derive(Clone, Debug)]
pub struct Config {
    pub upload_bucket: String,
    pub conversion: Conversion,
    /// Without a slash at its end.
    pub cdn_base_url: String,
    /// An origin in front of the upload bucket, without a slash at its end.
    pub upload_base_url: Option<String>,
    pub upload_token_secret: RotatingSecret,
    /// The checksum that the store verifies of new uploads.
    pub upload_checksum: ChecksumKind,
    pub auth: AuthConfig,
    pub catalog: CatalogConfig,
    pub max_upload_bytes: u64,
    pub owner_limits: OwnerLimits,
    /// The owner of objects that other tools put into the upload bucket; may be empty.
    pub object_owner: String,
    pub allowed_origins: Vec<String>,
    /// The value that requests must bring in `x-origin-secret`; the CDN adds it. `None`: not required.
    pub origin_secret: Option<RotatingSecret>,
    /// Whether metrics are written to stdout, where CloudWatch reads them.
    pub emits_metrics: bool,
    /// Signs the cookies of private videos. `None`: videos are public.
    pub cookies: Option<CookieConfig>,
}

/// Settings of conversions and of their announcement.
#[derive(Clone, Debug)]
pub struct Conversion {
    pub destination_bucket: String,
    /// ARN of the role that MediaConvert assumes.
    pub media_convert_role: String,
    /// Tag on jobs.
    pub application: String,
    pub callback: Option<CallbackConfig>,
    pub source_limits: SourceLimits,
}

/// Limits of one owner.
#[derive(Clone, Copy, Debug)]
pub struct OwnerLimits {
    /// Open uploads at a time.
    pub open_uploads: u32,
    pub daily: DailyLimits,
}

/// The most that one owner may use in a day (UTC). `None`: not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DailyLimits {
    /// Declared sizes of uploads.
    pub bytes: Option<u64>,
    pub videos: Option<u64>,
    /// Durations of sources.
    pub duration_ms: Option<u64>,
}

/// Limits of a file to convert.
#[derive(Clone, Copy, Debug)]
pub struct SourceLimits {
    pub max_duration_ms: u64,
    /// Whether a file whose duration the probe doesn't tell is converted.
    pub allows_unknown_duration: bool,
    /// Frames per second.
    pub max_frame_rate: f64,
}

#[derive(Clone, Debug)]
pub enum AuthConfig {
    /// No authentication: all callers are one owner. Allowed on loopback only.
    None,
    /// Bearer tokens.
    Jwt { keys: JwtKeys, rules: ClaimRules },
}

/// Requirements on the claims of a token. A list that isn't empty requires one of its values.
#[derive(Clone, Debug)]
pub struct ClaimRules {
    /// For `iss`.
    pub issuers: Vec<String>,
    /// For `aud`.
    pub audiences: Vec<String>,
    /// For `client_id` or `azp`.
    pub client_ids: Vec<String>,
    /// The claim that identifies the owner of videos.
    pub owner_claim: String,
}

#[derive(Clone, Debug)]
pub enum JwtKeys {
    /// HS256 with a shared secret.
    Secret(RotatingSecret),
    /// RS256 and ES256 with the keys listed at this URL.
    Jwks(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogConfig {
    Sqlite(PathBuf),
    /// A table's name.
    #[cfg(feature = "dynamodb")]
    DynamoDb(String),
}

/// Where the results of jobs are announced.
#[derive(Clone, Debug)]
pub struct CallbackConfig {
    pub url: String,
    pub style: CallbackStyle,
}

#[derive(Clone, Debug)]
pub enum CallbackStyle {
    /// Standard Webhooks, signed with HMAC-SHA256 by each of these keys.
    Standard(RotatingSecret),
    /// The format of the original site's backend; the key is part of the body.
    Greloupis(Secret),
}

/// A key pair that the CDN trusts.
#[derive(Clone, Debug)]
pub struct CookieConfig {
    pub key_pair_id: String,
    /// PEM.
    pub private_key: Secret,
}

/// Bytes that `Debug` doesn't show.
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

/// A secret and, while it is being changed, the one before it. Either is accepted.
#[derive(Clone, Debug)]
pub struct RotatingSecret {
    pub current: Secret,
    pub previous: Option<Secret>,
}

impl RotatingSecret {
    /// The current value, then the previous one.
    pub fn values(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

/// A missing or wrong setting: one sentence that names the variable.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

impl Config {
    /// Reads the settings of [`Mode::Full`] through `get`, which looks up a variable by its name.
    pub fn read(environment: Environment, get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Variables(get).full_config(environment)
    }
}

impl Mode {
    /// Reads the mode and its settings. Without any variable of the HTTP API it is [`Mode::EventsOnly`].
    pub fn read(environment: Environment, get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let variables = Variables(get);
        if variables.is_events_only() {
            // The tutorial's role needn't have the permission to probe files.
            return Ok(Self::EventsOnly(variables.conversion(true)?));
        }
        variables.full_config(environment).map(|config| Self::Full(Box::new(config)))
    }
}
