//! The only reader of the environment. A wrong or missing value is one sentence that names it.

mod env;
#[cfg(test)]
mod tests;

use env::Env;
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

/// What the edge is to be.
#[derive(Clone, Debug)]
pub enum Setup {
    /// The whole: uploads, videos, events.
    Whole(Box<Config>),
    /// The original tutorial's environment: it hears events and announces, and nothing else.
    DropIn(Conversion),
}

#[derive(Clone, Debug)]
pub struct Config {
    pub upload_bucket: String,
    pub conversion: Conversion,
    /// Without a slash at its end.
    pub cdn_base_url: String,
    /// An origin in front of the upload bucket, without a slash at its end.
    pub upload_base_url: Option<String>,
    pub upload_token_secret: Secret,
    pub auth: AuthConfig,
    pub catalog: CatalogConfig,
    pub max_upload_bytes: u64,
    /// How many uploads one owner may have open at a time.
    pub max_open_uploads: u32,
    pub allowed_origins: Vec<String>,
    /// What the CDN says in `x-origin-secret`; without it nobody is let in.
    pub origin_secret: Option<Secret>,
    /// Whether somebody reads metrics in the log.
    pub emits_metrics: bool,
    /// Signs the cookies of private videos.
    pub cookies: Option<CookieConfig>,
}

/// What it takes to turn an object into a video and to say so.
#[derive(Clone, Debug)]
pub struct Conversion {
    pub destination_bucket: String,
    /// ARN of the role that MediaConvert assumes.
    pub media_convert_role: String,
    /// Tag on jobs.
    pub application: String,
    pub callback: Option<CallbackConfig>,
}

#[derive(Clone, Debug)]
pub enum AuthConfig {
    /// Everybody is the same person; on loopback only.
    None,
    /// Bearer tokens.
    Jwt { keys: JwtKeys, audience: Option<String>, issuer: Option<String> },
}

#[derive(Clone, Debug)]
pub enum JwtKeys {
    /// HS256, by a shared secret.
    Secret(Secret),
    /// RS256 and ES256, by the keys that this URL lists.
    Jwks(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogConfig {
    Sqlite(PathBuf),
    /// A table's name.
    DynamoDb(String),
}

/// Where the ends of jobs are announced.
#[derive(Clone, Debug)]
pub struct CallbackConfig {
    pub url: String,
    pub style: CallbackStyle,
}

#[derive(Clone, Debug)]
pub enum CallbackStyle {
    /// Standard Webhooks, signed with HMAC-SHA256 by this key.
    Standard(Secret),
    /// What the original site's backend takes; the key stands in the body.
    Greloupis(Secret),
}

/// A key pair that the CDN trusts.
#[derive(Clone, Debug)]
pub struct CookieConfig {
    pub key_pair_id: String,
    /// PEM.
    pub private_key: Secret,
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

impl Config {
    /// Reads the settings of a whole edge through `get`, the environment or a test's stand-in.
    pub fn read(place: Place, get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Env(get).whole(place)
    }
}

impl Setup {
    /// Reads what the edge is to be. Nothing of the HTTP API's set at all, and it is the tutorial's.
    pub fn read(place: Place, get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let env = Env(get);
        if env.is_the_tutorials() {
            return Ok(Self::DropIn(env.conversion()?));
        }
        env.whole(place).map(|config| Self::Whole(Box::new(config)))
    }
}
