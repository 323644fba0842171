//! S3 and MediaConvert without an edge: their events arrive here, in order, and can be awaited.

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
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python");

pub struct House {
    /// MediaConvert's address.
    pub url: String,
    pub s3: Client,
    events: UnboundedReceiver<Value>,
    mediaconvert: Option<MediaConvert>,
    /// All that the services do happens on it.
    runtime: Option<Runtime>,
    data: Arc<TempDir>,
}

impl House {
    pub async fn new() -> Self {
        Self::on(Arc::new(tempfile::tempdir().unwrap())).await
    }

    /// Opens what an earlier one has left.
    async fn on(data: Arc<TempDir>) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (send, events) = unbounded_channel();
        let opened = runtime.spawn(open(data.path().into(), send)).await.unwrap();
        let (s3, url, mediaconvert) = opened;
        Self { url, s3, events, mediaconvert: Some(mediaconvert), runtime: Some(runtime), data }
    }

    /// Everything gone at once, as by a kill, and started again on what is left.
    pub async fn killed_and_started(mut self) -> Self {
        self.end_runtime().await;
        Self::on(self.data.clone()).await
    }

    /// Ended in order and started again.
    pub async fn stopped_and_started(mut self) -> Self {
        self.mediaconvert.take().unwrap().shutdown().await;
        self.end_runtime().await;
        Self::on(self.data.clone()).await
    }

    async fn end_runtime(&mut self) {
        let runtime = self.runtime.take();
        tokio::task::spawn_blocking(|| drop(runtime)).await.unwrap();
    }

    /// What lies in MediaConvert's work folder.
    pub fn work(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.data.path().join("work")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    pub async fn put(&self, key: &str, bytes: Vec<u8>) -> String {
        self.s3.put_object().bucket("uploads").key(key).body(bytes.into()).send().await.unwrap();
        format!("s3://uploads/{key}")
    }

    /// The objects of the destination, by name.
    pub async fn outputs(&self) -> Vec<String> {
        let listed = self.s3.list_objects_v2().bucket("media").send().await.unwrap();
        listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
    }

    pub async fn text(&self, key: &str) -> String {
        String::from_utf8(self.bytes(key).await).unwrap()
    }

    pub async fn bytes(&self, key: &str) -> Vec<u8> {
        let object = self.s3.get_object().bucket("media").key(key).send().await.unwrap();
        object.body.collect().await.unwrap().to_vec()
    }

    /// boto3 does this command; what it prints.
    pub async fn boto3(&self, words: &[&str]) -> Value {
        let script = format!("{PYTHON}/mediaconvert_boto3.py");
        let printed = python(&[&[&script, self.url.as_str()], words].concat()).await;
        serde_json::from_str(&printed).unwrap_or_else(|_| panic!("not JSON: {printed}"))
    }

    /// The AWS CLI does this command of `aws mediaconvert`; what it prints.
    pub async fn cli(&self, words: &[&str]) -> Value {
        let fixed = ["-m", "awscli", "mediaconvert", "--output", "json", "--endpoint-url", self.url.as_str()];
        let printed = python(&[&fixed, words].concat()).await;
        serde_json::from_str(&printed).unwrap_or(Value::Null)
    }

    /// A job from job.json, its outputs named after the input, in these heights only; its id.
    pub async fn job(&self, input: &str, name: &str, heights: &str) -> String {
        self.boto3(&["create", JOB_JSON, input, name, heights]).await.as_str().unwrap().to_owned()
    }

    /// The next event, whosever. That none comes for minutes is a failure, not a reason to wait for ever.
    pub async fn any_event(&mut self) -> Value {
        let event = tokio::time::timeout(Duration::from_secs(300), self.events.recv()).await;
        event.expect("an event within five minutes").unwrap()
    }

    /// The next event of the job with one of these states; others of the job are passed over.
    pub async fn event(&mut self, job: &str, states: &[&str]) -> Value {
        loop {
            let event = self.any_event().await;
            let detail = &event["detail"];
            if detail["jobId"] == job && states.iter().any(|state| detail["status"] == *state) {
                return event;
            }
        }
    }

    /// How the job ends.
    pub async fn end(&mut self, job: &str) -> Value {
        self.event(job, &["COMPLETE", "ERROR", "CANCELED"]).await["detail"].clone()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn open(data: PathBuf, events: UnboundedSender<Value>) -> (Client, String, MediaConvert) {
    let listen = || TcpListener::bind("127.0.0.1:0");
    let (s3_listener, listener) = (listen().await.unwrap(), listen().await.unwrap());
    let url_of = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
    let (s3, url) = (s3_client(&url_of(&s3_listener)), url_of(&listener));

    let db = Db::open(&data.join("local.db")).unwrap();
    let outbox = Outbox::open(db.clone()).await.unwrap();
    let bucket = |name: &str| BucketConfig { name: name.into(), cors: vec![], notify_prefix: None };
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

/// Runs the Python that `GRELOUPIS_PYTHON` names, which has boto3 and the AWS CLI; what it prints.
pub async fn python(words: &[&str]) -> String {
    let python = std::env::var("GRELOUPIS_PYTHON")
        .expect("GRELOUPIS_PYTHON must name a Python with tests/python/requirements.txt; `cargo xtask test` makes one");
    let mut command = Command::new(python);
    command
        .args(words)
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "locallocal")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().await.unwrap();
    let (printed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{words:?}: {printed}{said}");
    printed.into_owned()
}

/// A film that ffmpeg makes from these words.
pub async fn film(words: &str, extension: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("film.{extension}"));
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin"]).args(words.split_whitespace()).arg(&path);
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(&path).unwrap()
}

/// `seconds` of a moving picture of that size and rate, with a tone where wanted.
pub async fn clip(size: &str, rate: u32, seconds: u32, tone: bool) -> Vec<u8> {
    let sound = if tone { format!("-f lavfi -i sine=d={seconds} -c:a aac") } else { String::new() };
    let words =
        format!("-f lavfi -i testsrc2=s={size}:r={rate}:d={seconds} {sound} -c:v libx264 -preset ultrafast");
    film(&words, "mp4").await
}

/// What ffprobe says of a file: of each stream these members, in this order.
pub async fn ffprobe(bytes: &[u8], extension: &str, members: &[&str]) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("film.{extension}"));
    std::fs::write(&path, bytes).unwrap();
    look(&path, members).await
}

pub async fn look(path: &Path, members: &[&str]) -> Vec<Vec<String>> {
    let mut command = Command::new("ffprobe");
    let output =
        command.args(["-v", "error", "-of", "json", "-show_streams"]).arg(path).output().await.unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let streams = report["streams"].as_array().unwrap_or_else(|| panic!("not media: {path:?}"));
    streams.iter().map(|stream| members.iter().map(|name| text(&stream[*name])).collect()).collect()
}
