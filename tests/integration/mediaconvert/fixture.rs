//! S3 and MediaConvert without an edge. Their events are received here, in order.

use crate::support::python;
use aws_sdk_s3::Client;
use local::db::Db;
use local::mediaconvert::{self, MediaConvert, MediaConvertConfig};
use local::outbox::{Handler, Outbox};
use local::s3::{self, BucketConfig, S3Config};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub const JOB_JSON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../job.json");

pub struct Fixture {
    /// MediaConvert's address.
    pub url: String,
    pub s3: Client,
    events: UnboundedReceiver<Value>,
    mediaconvert: Option<MediaConvert>,
    /// The services' own runtime, so that all of their tasks can be ended at once.
    runtime: Option<Runtime>,
    data: Arc<TempDir>,
}

impl Fixture {
    pub async fn new() -> Self {
        Self::start_on(Arc::new(tempfile::tempdir().unwrap())).await
    }

    /// Starts on an existing data folder.
    async fn start_on(data: Arc<TempDir>) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (send, events) = unbounded_channel();
        let started = runtime.spawn(start_services(data.path().into(), send)).await.unwrap();
        let (s3, url, mediaconvert) = started;
        Self { url, s3, events, mediaconvert: Some(mediaconvert), runtime: Some(runtime), data }
    }

    /// Ends all tasks at once, as a kill does, and starts again on the same data.
    pub async fn kill_and_restart(mut self) -> Self {
        self.end_runtime().await;
        Self::start_on(self.data.clone()).await
    }

    /// Shuts down in order and starts again on the same data.
    pub async fn stop_and_restart(mut self) -> Self {
        self.mediaconvert.take().unwrap().shutdown().await;
        self.end_runtime().await;
        Self::start_on(self.data.clone()).await
    }

    async fn end_runtime(&mut self) {
        let runtime = self.runtime.take();
        tokio::task::spawn_blocking(|| drop(runtime)).await.unwrap();
    }

    /// The files in MediaConvert's work folder.
    pub fn work_files(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.data.path().join("work")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// Stores an input; returns its `s3://` URI.
    pub async fn put_input(&self, key: &str, bytes: Vec<u8>) -> String {
        self.s3.put_object().bucket("uploads").key(key).body(bytes.into()).send().await.unwrap();
        format!("s3://uploads/{key}")
    }

    /// Keys in the destination bucket, sorted.
    pub async fn output_keys(&self) -> Vec<String> {
        let listed = self.s3.list_objects_v2().bucket("media").send().await.unwrap();
        listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
    }

    /// Waits until no job runs any more.
    pub async fn wait_for_empty_work_folder(&self) {
        for _ in 0..3000 {
            if self.work_files().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("only {:?}", self.work_files());
    }

    /// Waits until the destination bucket has what is wanted; returns its keys.
    pub async fn wait_for_keys(&self, is_met: impl Fn(&[String]) -> bool) -> Vec<String> {
        for _ in 0..3000 {
            let keys = self.output_keys().await;
            if is_met(&keys) {
                return keys;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("only {:?}", self.output_keys().await);
    }

    pub async fn output_text(&self, key: &str) -> String {
        String::from_utf8(self.output(key).await).unwrap()
    }

    pub async fn output(&self, key: &str) -> Vec<u8> {
        let object = self.s3.get_object().bucket("media").key(key).send().await.unwrap();
        object.body.collect().await.unwrap().to_vec()
    }

    /// Runs a command of tests/python/mediaconvert_boto3.py; returns its JSON output.
    pub async fn boto3(&self, args: &[&str]) -> Value {
        let mut command = python::script("mediaconvert_boto3.py");
        command.arg(&self.url).args(args);
        let output = python::stdout(command).await;
        serde_json::from_str(&output).unwrap_or_else(|_| panic!("not JSON: {output}"))
    }

    /// Runs `aws mediaconvert`; returns its JSON output, or null.
    pub async fn aws_cli(&self, args: &[&str]) -> Value {
        let mut command = python::aws_cli();
        command.args(["mediaconvert", "--output", "json", "--endpoint-url", self.url.as_str()]).args(args);
        serde_json::from_str(&python::stdout(command).await).unwrap_or(Value::Null)
    }

    /// Creates a job from job.json with outputs of these heights (all if empty); returns its id.
    pub async fn create_job(&self, input: &str, name: &str, heights: &str) -> String {
        self.boto3(&["create", JOB_JSON, input, name, heights]).await.as_str().unwrap().to_owned()
    }

    /// Creates a job with these settings, written as boto3 has them; returns its id.
    pub async fn create_job_of(&self, settings: &Value) -> String {
        self.boto3(&["create_of", &settings.to_string()]).await.as_str().unwrap().to_owned()
    }

    /// All outputs, in a folder.
    pub async fn download(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for key in self.output_keys().await {
            let path = folder.path().join(&key);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, self.output(&key).await).unwrap();
        }
        folder
    }

    /// The next event of any job. Fails after five minutes without one.
    pub async fn next_event(&mut self) -> Value {
        let event = tokio::time::timeout(Duration::from_secs(300), self.events.recv()).await;
        event.expect("an event within five minutes").unwrap()
    }

    /// The next event of this job with one of these statuses; skips others.
    pub async fn next_event_of(&mut self, job: &str, statuses: &[&str]) -> Value {
        loop {
            let event = self.next_event().await;
            let detail = &event["detail"];
            if detail["jobId"] == job && statuses.iter().any(|status| detail["status"] == *status) {
                return event;
            }
        }
    }

    /// Waits for the job's final event; returns its detail.
    pub async fn final_detail(&mut self, job: &str) -> Value {
        self.next_event_of(job, &["COMPLETE", "ERROR", "CANCELED"]).await["detail"].clone()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn start_services(data: PathBuf, events: UnboundedSender<Value>) -> (Client, String, MediaConvert) {
    let listen = || TcpListener::bind("127.0.0.1:0");
    let (s3_listener, listener) = (listen().await.unwrap(), listen().await.unwrap());
    let url_of = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
    let (s3, url) = (s3_client(&url_of(&s3_listener)), url_of(&listener));

    let db = Db::open(&data.join("local.db")).unwrap();
    let outbox = Outbox::open(db.clone()).await.unwrap();
    let bucket = |name: &str| BucketConfig { name: name.into(), cors: vec![], notify_prefixes: vec![] };
    let s3_config = S3Config {
        root: data.join("s3"),
        db: db.clone(),
        outbox: outbox.clone(),
        access_key: "local".into(),
        secret_key: "locallocal".into(),
        region: "us-east-1".into(),
        buckets: vec![bucket("uploads"), bucket("media")],
    };
    let s3_router = s3::open(s3_config).await.unwrap().router();
    tokio::spawn(async move { axum::serve(s3_listener, s3_router).await });
    tokio::spawn(outbox.clone().deliver(into_channel(events)));
    let config = MediaConvertConfig {
        work_dir: data.join("work"),
        db,
        outbox,
        s3: s3.clone(),
        access_key: "local".into(),
        secret_key: "locallocal".into(),
        region: "us-east-1".into(),
        endpoint: url.clone(),
        max_status_update_interval: None,
    };
    let mediaconvert = mediaconvert::open(config).await.unwrap();
    let router = mediaconvert.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (s3, url, mediaconvert)
}

fn into_channel(send: UnboundedSender<Value>) -> Handler {
    Arc::new(move |event| {
        let _ = send.send(event);
        Box::pin(async { Ok(()) })
    })
}

pub fn s3_client(url: &str) -> Client {
    let credentials = aws_sdk_s3::config::Credentials::new("local", "locallocal", None, None, "test");
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
        .region(aws_sdk_s3::config::Region::new("us-east-1"))
        .credentials_provider(credentials)
        .endpoint_url(url)
        .force_path_style(true);
    Client::from_conf(config.build())
}

/// A media file made by ffmpeg with these arguments.
pub async fn encode(args: &str, extension: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("media.{extension}"));
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin"]).args(args.split_whitespace()).arg(&path);
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(&path).unwrap()
}

/// A test video of this size, frame rate and duration, with or without audio.
pub async fn clip(size: &str, rate: u32, seconds: u32, has_audio: bool) -> Vec<u8> {
    let audio = if has_audio { format!("-f lavfi -i sine=d={seconds} -c:a aac") } else { String::new() };
    let args =
        format!("-f lavfi -i testsrc2=s={size}:r={rate}:d={seconds} {audio} -c:v libx264 -preset ultrafast");
    encode(&args, "mp4").await
}

/// ffprobe's values of these fields, for each stream of a file.
pub async fn ffprobe(bytes: &[u8], extension: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("media.{extension}"));
    std::fs::write(&path, bytes).unwrap();
    ffprobe_path(&path, fields).await
}

/// The same for a path or URL.
pub async fn ffprobe_path(path: &Path, fields: &[&str]) -> Vec<Vec<String>> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-of", "json", "-show_streams"]);
    if path.extension().is_some_and(|extension| extension == "m3u8" || extension == "mpd") {
        command.args(["-allowed_extensions", "ALL"]);
    }
    let output = command.arg(path).output().await.unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let streams = report["streams"].as_array().unwrap_or_else(|| panic!("not media: {path:?}"));
    streams.iter().map(|stream| fields.iter().map(|field| text(&stream[*field])).collect()).collect()
}

/// A MediaConvert client of the Rust SDK.
pub fn rust_sdk(url: &str) -> aws_sdk_mediaconvert::Client {
    use aws_sdk_mediaconvert::config::{BehaviorVersion, Credentials, Region};
    let config = aws_sdk_mediaconvert::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "locallocal", None, None, "test"))
        .endpoint_url(url);
    aws_sdk_mediaconvert::Client::from_conf(config.build())
}
