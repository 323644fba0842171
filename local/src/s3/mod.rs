//! A local S3 endpoint, for this project and for other clients. The `s3s` crate does requests, signatures
//! and XML; these modules do the rest:
//!
//! - `http` → `supported`, `access` → `operations`: HTTP layer, what there is, authorization, the operations' trait;
//! - `buckets`, `listings`, `objects`, `copies`, `multipart`, `completion`: the operations, on the state in `backend`;
//! - `metadata`, `upload_metadata`: SQL; `blobs`: files;
//! - `attributes`, `checksums`, `conditions`, `cors`, `crc64`, `digest`, `http_date`, `listing`, `notification`,
//!   `params`: S3's rules, pure.
//!
//! An object is an ordered list of blob files, and it exists from the commit of its row. Completing an upload
//! moves the parts' files to the object in one transaction, so it takes the same time whatever the size. The
//! event is queued in the same transaction.
//!
//! Acknowledged data survives a killed process, because bytes are written before the row is committed. It also
//! survives a power cut, except for parts of an open upload: they are flushed to disk when the upload is
//! completed, because a flush for each part would limit uploads to the speed of the disk. The next start
//! removes incomplete parts, so that `ListParts` doesn't list them.

mod access;
mod attributes;
mod backend;
mod blobs;
mod buckets;
mod checksums;
mod completion;
mod conditions;
mod copies;
mod cors;
mod crc64;
mod digest;
mod error;
mod http;
mod http_date;
mod listing;
mod listings;
mod metadata;
mod multipart;
mod notification;
mod objects;
mod operations;
mod params;
mod supported;
mod upload_metadata;

pub use cors::CorsRule;
pub use error::S3OpenError;

use self::http::HttpLayer;
use crate::db::Db;
use crate::outbox::Outbox;
use axum::Router;
use backend::{Backend, CorsTable};
use blobs::Blobs;
use s3s::config::StaticConfigProvider;
use s3s::service::S3ServiceBuilder;
use s3s::validation::{AwsNameValidation, NameValidation};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Age at which the next start aborts an open upload. On AWS the bucket's lifecycle rule does it
/// (`deploy/template.yaml`).
const ABANDONED_UPLOAD_TIMEOUT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Maximum XML body, in bytes. A completion of 10,000 parts with all checksums has 3 MB.
const MAX_XML_SIZE: usize = 8 * 1024 * 1024;

/// Configuration of the endpoint.
pub struct S3Config {
    /// Folder of the blob files. It must not contain anything else.
    pub root: PathBuf,
    pub db: Db,
    /// Receives the events of created objects.
    pub outbox: Outbox,
    pub access_key: String,
    pub secret_key: String,
    /// Returned to clients. Signatures for any region are accepted.
    pub region: String,
    pub buckets: Vec<BucketConfig>,
}

/// A bucket that is created at the start.
pub struct BucketConfig {
    pub name: String,
    /// Replaces the bucket's rules at each start.
    pub cors: Vec<CorsRule>,
    /// Key prefixes for which `ObjectCreated` events are sent.
    pub notify_prefixes: Vec<String>,
}

/// The endpoint; clones share its state.
#[derive(Clone)]
pub struct S3 {
    http: HttpLayer,
}

/// Opens the endpoint: creates missing tables, folders and buckets, and removes files that a crash has left.
///
/// Call it after logging is set up: it keeps the current subscriber.
pub async fn open(config: S3Config) -> Result<S3, S3OpenError> {
    let S3Config { root, db, outbox, access_key, secret_key, region, buckets } = config;
    if let Some(bucket) =
        buckets.iter().find(|bucket| !AwsNameValidation::new().validate_bucket_name(&bucket.name))
    {
        return Err(S3OpenError::BucketName(bucket.name.clone()));
    }
    let folder = root.clone();
    let configured: Vec<_> =
        buckets.iter().map(|bucket| (bucket.name.clone(), bucket.cors.clone())).collect();
    let (rules, referenced) = db
        .call(move |tx| {
            metadata::create_tables(tx)?;
            upload_metadata::remove_incomplete_parts(tx, |name, size| {
                Blobs::is_complete(&folder, name, size)
            })?;
            for upload in upload_metadata::expired_uploads(tx, ABANDONED_UPLOAD_TIMEOUT)? {
                upload_metadata::remove_upload(tx, &upload)?;
            }
            for (name, rules) in configured {
                metadata::add_bucket(tx, &name)?;
                let json = serde_json::to_string(&rules)
                    .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
                metadata::set_cors(tx, &name, (!rules.is_empty()).then_some(json.as_str()))?;
            }
            Ok::<_, rusqlite::Error>((metadata::all_cors(tx)?, metadata::referenced_files(tx)?))
        })
        .await?;

    let folder = root.clone();
    let blobs = tokio::task::spawn_blocking(move || Blobs::open(&folder, &referenced))
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(|source| S3OpenError::DataDir { path: root, source })?;
    let cors = CorsTable::default();
    for (bucket, json) in rules {
        cors.set(bucket, serde_json::from_str(&json).ok());
    }
    let log = tracing::dispatcher::get_default(tracing::Dispatch::clone);
    let notify_prefixes = buckets.into_iter().map(|bucket| (bucket.name, bucket.notify_prefixes)).collect();
    let backend = Backend {
        db,
        blobs,
        outbox,
        region,
        owner: access_key.clone(),
        notify_prefixes: Arc::new(notify_prefixes),
        cors: cors.clone(),
        log: log.clone(),
    };

    let mut limits = s3s::config::S3Config::default();
    limits.xml_max_body_size = MAX_XML_SIZE;
    let mut builder = S3ServiceBuilder::new(backend);
    builder.set_auth(access::AccessKey { id: access_key, secret: secret_key.into() });
    builder.set_access(access::RequireSignature);
    builder.set_host(access::LocalhostBuckets);
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(limits))));
    Ok(S3 { http: HttpLayer { service: builder.build(), cors, log } })
}

impl S3 {
    /// Returns S3 at `/`, in path style, and in virtual-host style below `localhost`. Signatures must cover the `Host` and path that arrive at this router.
    pub fn router(&self) -> Router {
        Router::new().fallback(self::http::handle).with_state(self.http.clone())
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

    async fn open_s3(data: &Path) -> (S3, Db) {
        let db = Db::open(&data.join("local.db")).unwrap();
        let outbox = Outbox::open(db.clone()).await.unwrap();
        let bucket = BucketConfig { name: "uploads".into(), cors: Vec::new(), notify_prefixes: Vec::new() };
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
    async fn upload_open_for_a_week_is_aborted_at_start() {
        let data = tempfile::tempdir().unwrap();
        let (_, db) = open_s3(data.path()).await;
        for (id, days) in [("fresh", 6), ("abandoned", 8)] {
            std::fs::write(data.path().join("s3/chunks").join(id), "part").unwrap();
            let inserted = db.call(move |tx| {
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
            assert_eq!(inserted.await, Ok(1));
        }
        let (_, db) = open_s3(data.path()).await;
        let uploads = db.call(|tx| upload_metadata::uploads(tx, "uploads", ("", ""))).await.unwrap();
        assert_eq!(uploads.iter().map(|upload| upload.id.as_str()).collect::<Vec<_>>(), ["fresh"]);
        assert_eq!(std::fs::read_dir(data.path().join("s3/chunks")).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn part_of_an_earlier_version_is_completed() {
        let data = tempfile::tempdir().unwrap();
        let db = Db::open(&data.path().join("local.db")).unwrap();
        let created = db.call(|tx| {
            tx.execute_batch(
                "CREATE TABLE s3_uploads (
                    id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key TEXT NOT NULL, declared TEXT, head TEXT NOT NULL,
                    created_ms INTEGER NOT NULL) WITHOUT ROWID;
                 CREATE TABLE s3_parts (
                    upload TEXT REFERENCES s3_uploads ON DELETE CASCADE, number INTEGER, size INTEGER NOT NULL,
                    crc INTEGER NOT NULL, file TEXT NOT NULL, modified_ms INTEGER NOT NULL,
                    PRIMARY KEY (upload, number)) WITHOUT ROWID;
                 INSERT INTO s3_uploads VALUES ('old', 'uploads', 'key', 'CRC64NVME', '{}', unixepoch() * 1000);
                 INSERT INTO s3_parts VALUES ('old', 1, 4, 7, 'file', 0);",
            )
        });
        created.await.unwrap();
        std::fs::create_dir_all(data.path().join("s3/chunks")).unwrap();
        std::fs::write(data.path().join("s3/chunks/file"), "part").unwrap();
        let (_, db) = open_s3(data.path()).await;
        let parts = db.call(|tx| upload_metadata::parts(tx, "old", 0, 10)).await.unwrap();
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].etag(), "00000000000000070000000000000004");
        let upload = db.call(|tx| upload_metadata::require_upload(tx, "uploads", "key", "old")).await;
        let declared = upload.ok().and_then(|upload| upload.checksum).unwrap();
        assert!(parts[0].checksums.get(declared.algorithm).is_some());
    }

    #[tokio::test]
    async fn signature_is_never_logged() {
        let output = Arc::new(Mutex::new(Vec::new()));
        let log = LogBuffer(output.clone());
        let subscriber =
            tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || log.clone());
        let _guard = tracing::subscriber::set_default(subscriber.finish());
        tracing::info!("the log is captured");

        let data = tempfile::tempdir().unwrap();
        let (s3, _) = open_s3(data.path()).await;
        let presigned = "/uploads/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=local%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=5ec7e7";
        let signed = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=5ec7e7";
        for (path, authorization) in [(presigned, ""), ("/uploads/key", signed)] {
            let request =
                Request::put(path).header(header::AUTHORIZATION, authorization).body(Body::from("film"));
            let response = s3.router().oneshot(request.unwrap()).await.unwrap();
            assert!(response.status().is_client_error(), "{}", response.status());
        }
        let log = String::from_utf8(output.lock().unwrap().clone()).unwrap();
        assert!(log.contains("the log is captured"));
        assert!(!log.contains("5ec7e7"), "{log}");
    }

    #[derive(Clone)]
    struct LogBuffer(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for LogBuffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
}
