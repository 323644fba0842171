//! The state that handlers of requests and events share: settings, the job template, a client for each service.

use crate::clock::Clock;
use crate::config::{CatalogConfig, Config, ConfigError, Secret};
use crate::job::JobTemplate;
use crate::key::IncomingKey;
#[cfg(feature = "dynamodb")]
use crate::services::catalog::DynamoDb;
use crate::services::catalog::{Catalog, Sqlite, VideoRecord};
use crate::services::metrics::Metrics;
use crate::services::store::Store;
use crate::services::transcoder::Transcoder;
use crate::services::webhook::Webhook;
use crate::token::Tokens;
use aws_types::SdkConfig;
use std::ops::Deref;
use std::sync::Arc;

/// The shared state; clones refer to the same one.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

pub struct Shared {
    pub config: Config,
    pub job: JobTemplate,
    pub tokens: Tokens,
    pub store: Store,
    pub transcoder: Transcoder,
    pub catalog: Box<dyn Catalog>,
    pub webhook: Option<Webhook>,
    pub metrics: Metrics,
    clock: Clock,
}

impl Deref for AppState {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// SDK settings for AWS, or for the servers that replace it in tests and locally.
pub struct Aws<'a> {
    pub s3: &'a SdkConfig,
    /// Puts the bucket's name into the path of S3 URLs, as stores outside AWS require.
    pub s3_path_style: bool,
    pub mediaconvert: &'a SdkConfig,
    pub dynamodb: &'a SdkConfig,
}

impl AppState {
    /// Builds every client and opens the catalog; makes no network call.
    pub fn new(config: Config, job: JobTemplate, aws: &Aws<'_>, clock: Clock) -> Result<Self, ConfigError> {
        let catalog: Box<dyn Catalog> = match &config.catalog {
            CatalogConfig::Sqlite(path) => Box::new(
                Sqlite::open(path).map_err(|error| ConfigError(format!("CATALOG is wrong: {error}")))?,
            ),
            #[cfg(feature = "dynamodb")]
            CatalogConfig::DynamoDb(table) => Box::new(DynamoDb::new(aws.dynamodb, table)),
        };
        Ok(Self(Arc::new(Shared {
            tokens: config.upload_token_secret.values().map(Secret::expose).collect(),
            store: Store::new(
                aws.s3,
                &config.upload_bucket,
                aws.s3_path_style,
                config.upload_base_url.as_deref(),
            ),
            transcoder: Transcoder::new(
                aws.mediaconvert,
                &config.conversion.media_convert_role,
                &config.conversion.application,
            ),
            catalog,
            webhook: config.conversion.callback.as_ref().map(Webhook::new),
            metrics: Metrics::new(&config.conversion.application, config.emits_metrics),
            clock,
            config,
            job,
        })))
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        (self.clock)()
    }

    /// The record of a video that was just opened.
    pub fn new_record(&self, key: &IncomingKey, owner: &str, size: u64) -> VideoRecord {
        VideoRecord {
            key: Some(key.as_str().into()),
            announced: self.config.conversion.callback.is_none(),
            ..VideoRecord::new(key.video_id().as_str(), owner, size, self.now_ms())
        }
    }
}
