//! An S3 endpoint of a test's own, its events, and its errors.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use local::db::Db;
use local::outbox::{Handler, Outbox};
use local::s3::{self, BucketConfig, CorsRule, S3Config};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub const KEY: &str = "inputs/film.mp4";
/// The page that the bucket's CORS rule allows.
pub const PAGE: &str = "http://127.0.0.1:8080";
pub const MIB: usize = 1024 * 1024;

pub struct Fixture {
    pub url: String,
    pub s3: Client,
    event_receiver: UnboundedReceiver<Value>,
    runtime: Option<Runtime>,
    data: Arc<TempDir>,
}

impl Fixture {
    pub async fn new() -> Self {
        Self::start_on(Arc::new(tempfile::tempdir().unwrap())).await
    }

    async fn start_on(data: Arc<TempDir>) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (send, event_receiver) = unbounded_channel();
        let url = runtime.spawn(serve(data.path().into(), send)).await.unwrap();
        Self { s3: client(&url, "locallocal"), url, event_receiver, runtime: Some(runtime), data }
    }

    /// Ends all tasks at once, as a kill does, and starts again on the same data.
    pub async fn kill_and_restart(mut self) -> Self {
        let runtime = self.runtime.take();
        tokio::task::spawn_blocking(|| drop(runtime)).await.unwrap();
        Self::start_on(self.data.clone()).await
    }

    /// Opens an upload without a declared checksum.
    pub async fn open_upload(&self, key: &str) -> String {
        let created = self.s3.create_multipart_upload().bucket("uploads").key(key).send().await.unwrap();
        created.upload_id.unwrap()
    }

    /// Opens an upload that declares CRC64NVME.
    pub async fn open_verified_upload(&self, key: &str) -> String {
        let create = self.s3.create_multipart_upload().bucket("uploads").key(key);
        let create = create.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme);
        create.checksum_type(ChecksumType::FullObject).send().await.unwrap().upload_id.unwrap()
    }

    /// Stores a part, with its CRC64NVME.
    pub async fn put_part(&self, upload: &str, number: i32, bytes: Vec<u8>) -> CompletedPart {
        let put = self.s3.upload_part().bucket("uploads").key(KEY).upload_id(upload).part_number(number);
        let put = put.checksum_crc64_nvme(tests::crc64(&bytes));
        let stored = put.body(bytes.into()).send().await.unwrap();
        CompletedPart::builder().part_number(number).e_tag(stored.e_tag.unwrap()).build()
    }

    pub fn complete(&self, upload: &str, parts: &[CompletedPart]) -> CompleteMultipartUploadFluentBuilder {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build();
        self.s3
            .complete_multipart_upload()
            .bucket("uploads")
            .key(KEY)
            .upload_id(upload)
            .multipart_upload(parts)
    }

    pub async fn object(&self, key: &str) -> Vec<u8> {
        let object = self.s3.get_object().bucket("uploads").key(key).send().await.unwrap();
        object.body.collect().await.unwrap().to_vec()
    }

    /// Opens a connection and sends the head of a `PUT` of `length` bytes, without its body.
    pub async fn send_put_head(&self, url: &str, length: usize, headers: &str) -> TcpStream {
        let host = self.url.strip_prefix("http://").unwrap();
        let path = url.strip_prefix(&self.url).unwrap();
        let mut connection = TcpStream::connect(host).await.unwrap();
        let head =
            format!("PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n{headers}\r\n");
        connection.write_all(head.as_bytes()).await.unwrap();
        connection
    }

    /// Number of files in `tmp` and in `chunks`.
    pub fn file_counts(&self) -> [usize; 2] {
        ["tmp", "chunks"].map(|folder| std::fs::read_dir(self.root().join(folder)).unwrap().count())
    }

    /// Waits for these numbers of files in `tmp` and in `chunks`.
    pub async fn wait_for_files(&self, expected: [usize; 2]) {
        let reached = async {
            while self.file_counts() != expected {
                tokio::task::yield_now().await;
            }
        };
        let reached = tokio::time::timeout(Duration::from_secs(60), reached).await;
        assert!(reached.is_ok(), "{:?} files instead of {expected:?}", self.file_counts());
    }

    /// All events so far, received up to that of one more object.
    pub async fn events(&mut self) -> Vec<Value> {
        self.s3.put_object().bucket("uploads").key("inputs/last").send().await.unwrap();
        let mut events = Vec::new();
        loop {
            let event = self.event_receiver.recv().await.unwrap();
            if event["Records"][0]["s3"]["object"]["key"] == "inputs/last" {
                return events;
            }
            events.push(event);
        }
    }

    pub fn root(&self) -> PathBuf {
        self.data.path().join("s3")
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(data: PathBuf, events: UnboundedSender<Value>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (config, outbox) = config(&data).await;
    let router = s3::open(config).await.unwrap().router();
    let handler: Handler = Arc::new(move |event| {
        let _ = events.send(event);
        Box::pin(async { Ok(()) })
    });
    tokio::spawn(outbox.deliver(handler));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

pub async fn config(data: &Path) -> (S3Config, Outbox) {
    let db = Db::open(&data.join("local.db")).unwrap();
    let outbox = Outbox::open(db.clone()).await.unwrap();
    let rule = CorsRule {
        allowed_origins: vec![PAGE.into()],
        allowed_methods: vec!["PUT".into()],
        allowed_headers: vec!["content-type".into(), "x-amz-checksum-crc64nvme".into()],
        expose_headers: vec!["Retry-After".into()],
        max_age_seconds: Some(3600),
    };
    let uploads =
        BucketConfig { name: "uploads".into(), cors: vec![rule], notify_prefixes: vec!["inputs/".into()] };
    let media = BucketConfig { name: "media".into(), cors: vec![], notify_prefixes: vec![] };
    let config = S3Config {
        root: data.join("s3"),
        db,
        outbox: outbox.clone(),
        access_key: "local".into(),
        secret_key: "locallocal".into(),
        region: "us-east-1".into(),
        buckets: vec![uploads, media],
    };
    (config, outbox)
}

pub fn client(url: &str, secret_key: &str) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", secret_key, None, None, "test"))
        .endpoint_url(url)
        .force_path_style(true);
    Client::from_conf(config.build())
}

/// Status and code of a call that must fail.
pub fn error_of<T, E: ProvideErrorMetadata>(result: Result<T, SdkError<E>>) -> (u16, String) {
    let Err(error) = result else { panic!("the call succeeded") };
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    (status, error.code().unwrap_or_default().to_owned())
}

/// Pseudo-random bytes, the same for the same seed.
pub fn random_bytes(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&(state ^ state >> 29).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
