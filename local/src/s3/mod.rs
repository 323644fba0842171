//! S3 on one machine: an endpoint that S3's own clients can't tell from the real one, as far as this
//! project uses it. Requests, signatures and XML are the `s3s` crate's; here is what lies behind:
//!
//! - `http` → `access` → `operations`: the way in; then `buckets`, `objects`, `multipart`: the operations;
//! - `metadata`: everything that is known, in SQLite; `blobs`: the bytes, in files;
//! - `checksums`, `conditions`, `cors`, `listing`, `notification`: what S3 has rules for; pure.
//!
//! An object is an ordered list of chunk files, and the commit of its row makes it: a part becomes a chunk
//! by changing hands in a transaction, so that completing an upload takes the same time whatever its size,
//! and its event is in the outbox exactly if the object is there.
//!
//! What is acknowledged survives: a killed process always, because bytes are handed to the system before the
//! row is committed; a power cut too, with one exception. Parts reach the disk at the latest when the upload
//! is completed: until then a power cut can lose parts that were acknowledged, which the next start notices
//! and `ListParts` then tells. Waiting for the disk at each part would hold uploads down to its speed.

mod access;
mod blobs;
mod buckets;
mod checksums;
mod conditions;
mod cors;
mod error;
mod http;
mod listing;
mod metadata;
mod multipart;
mod notification;
mod objects;
mod operations;

pub use cors::CorsRule;
pub use error::OpenError;

use self::http::Front;
use crate::db::Db;
use crate::outbox::Outbox;
use axum::Router;
use blobs::Chunks;
use operations::{Backend, CorsTable};
use s3s::config::StaticConfigProvider;
use s3s::service::S3ServiceBuilder;
use s3s::validation::{AwsNameValidation, NameValidation};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Uploads that are still open at a start after this time are aborted, as the rule of the bucket on AWS
/// does (`deploy/template.yaml`).
const UPLOADS_EXPIRE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The largest XML body, in bytes: a completion of 10,000 parts with all checksums takes 3 MB.
const LARGEST_XML: usize = 8 * 1024 * 1024;

/// What an endpoint is made of.
pub struct S3Config {
    /// The folder for the bytes; nothing else may lie in it.
    pub root: PathBuf,
    pub db: Db,
    /// Takes the events of created objects.
    pub outbox: Outbox,
    pub access_key: String,
    pub secret_key: String,
    /// Told to clients; signatures of any region are accepted.
    pub region: String,
    pub buckets: Vec<BucketConfig>,
}

/// A bucket that is there from the start.
pub struct BucketConfig {
    pub name: String,
    /// Replaces, at each start, the rules that the bucket has.
    pub cors: Vec<CorsRule>,
    /// The creation of objects whose key begins so is announced; with `None`, that of none.
    pub notify_prefix: Option<String>,
}

/// The endpoint; clones share everything.
#[derive(Clone)]
pub struct S3 {
    front: Front,
}

/// Opens the endpoint: creates what is missing, and clears away what a crash has left.
///
/// Call it when logging is set up: that is where it logs to.
pub async fn open(config: S3Config) -> Result<S3, OpenError> {
    let S3Config { root, db, outbox, access_key, secret_key, region, buckets } = config;
    if let Some(bucket) =
        buckets.iter().find(|bucket| !AwsNameValidation::new().validate_bucket_name(&bucket.name))
    {
        return Err(OpenError::BucketName(bucket.name.clone()));
    }
    let folder = root.clone();
    let declared: Vec<_> = buckets.iter().map(|bucket| (bucket.name.clone(), bucket.cors.clone())).collect();
    let (rules, live) = db
        .call(move |tx| {
            metadata::create(tx)?;
            metadata::keep_parts(tx, |name, size| Chunks::is_whole(&folder, name, size))?;
            for upload in metadata::old_uploads(tx, UPLOADS_EXPIRE)? {
                metadata::remove_upload(tx, &upload)?;
            }
            for (name, rules) in declared {
                metadata::add_bucket(tx, &name)?;
                let json = serde_json::to_string(&rules)
                    .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
                metadata::set_cors(tx, &name, (!rules.is_empty()).then_some(json.as_str()))?;
            }
            Ok::<_, rusqlite::Error>((metadata::cors(tx)?, metadata::live_files(tx)?))
        })
        .await?;

    let folder = root.clone();
    let chunks = tokio::task::spawn_blocking(move || Chunks::open(&folder, &live))
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(|source| OpenError::Folder { path: root, source })?;
    let cors = CorsTable::default();
    for (bucket, json) in rules {
        cors.set(bucket, serde_json::from_str(&json).ok());
    }
    let log = tracing::dispatcher::get_default(tracing::Dispatch::clone);
    let announced =
        buckets.into_iter().filter_map(|bucket| Some((bucket.name, bucket.notify_prefix?))).collect();
    let backend = Backend {
        db,
        chunks,
        outbox,
        region,
        owner: access_key.clone(),
        announced: Arc::new(announced),
        cors: cors.clone(),
        log: log.clone(),
    };

    let mut limits = s3s::config::S3Config::default();
    limits.xml_max_body_size = LARGEST_XML;
    let mut builder = S3ServiceBuilder::new(backend);
    builder.set_auth(access::Key { access: access_key, secret: secret_key.into() });
    builder.set_access(access::SignedOnly);
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(limits))));
    Ok(S3 { front: Front { service: builder.build(), cors, log } })
}

impl S3 {
    /// Path-style S3 at `/`. Signatures cover the request's `Host` and path as they arrive here.
    pub fn router(&self) -> Router {
        Router::new().fallback(self::http::handle).with_state(self.front.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::{Request, header};
    use axum::body::Body;
    use std::path::Path;
    use std::sync::Mutex;
    use tower::ServiceExt;

    async fn opened(data: &Path) -> (S3, Db) {
        let db = Db::open(&data.join("local.db")).unwrap();
        let outbox = Outbox::open(db.clone()).await.unwrap();
        let bucket = BucketConfig { name: "uploads".into(), cors: Vec::new(), notify_prefix: None };
        let config = S3Config {
            root: data.join("s3"),
            db: db.clone(),
            outbox,
            access_key: "local".into(),
            secret_key: "locallocal".into(),
            region: "us-east-1".into(),
            buckets: vec![bucket],
        };
        (open(config).await.unwrap(), db)
    }

    #[tokio::test]
    async fn an_upload_left_for_a_week_is_aborted_at_the_next_start() {
        let data = tempfile::tempdir().unwrap();
        let (_, db) = opened(data.path()).await;
        for (id, days) in [("fresh", 6), ("left", 8)] {
            std::fs::write(data.path().join("s3/chunks").join(id), "part").unwrap();
            let made = db.call(move |tx| {
                tx.execute(
                    "INSERT INTO s3_uploads (id, bucket, key, head, created_ms)
                     VALUES (?1, 'uploads', 'key', '{}', (unixepoch() - ?2 * 86400) * 1000)",
                    (id, days),
                )?;
                tx.execute(
                    "INSERT INTO s3_parts (upload, number, size, crc, file, modified_ms) VALUES (?1, 1, 4, 0, ?1, 0)",
                    [id],
                )
            });
            assert_eq!(made.await, Ok(1));
        }
        let (_, db) = opened(data.path()).await;
        let left = db.call(|tx| metadata::uploads(tx, "uploads", ("", ""))).await.unwrap();
        assert_eq!(left.iter().map(|upload| upload.id.as_str()).collect::<Vec<_>>(), ["fresh"]);
        assert_eq!(std::fs::read_dir(data.path().join("s3/chunks")).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn signatures_never_reach_the_log() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let log = Log(written.clone());
        let subscriber =
            tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || log.clone());
        let _guard = tracing::subscriber::set_default(subscriber.finish());
        tracing::info!("the log is read");

        let data = tempfile::tempdir().unwrap();
        let (s3, _) = opened(data.path()).await;
        let presigned = "/uploads/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=local%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=5ec7e7";
        let signed = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=5ec7e7";
        for (path, authorization) in [(presigned, ""), ("/uploads/key", signed)] {
            let request =
                Request::put(path).header(header::AUTHORIZATION, authorization).body(Body::from("film"));
            let answer = s3.router().oneshot(request.unwrap()).await.unwrap();
            assert!(answer.status().is_client_error(), "{}", answer.status());
        }
        let log = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        assert!(log.contains("the log is read"));
        assert!(!log.contains("5ec7e7"), "{log}");
    }

    #[derive(Clone)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
}
