//! The storm: 10,000 deliveries of the events of 500 objects, doubled, shuffled, many at once, to several edges
//! that crash in the middle of their work. In the end there are 500 jobs, and each video is what its job has come to.

mod fake_mediaconvert;

use crate::support::dynamodb::Aws;
use crate::support::stack::{NOWHERE, Services, app, options};
use axum::body::Body;
use edge::{Clock, Gate};
use fake_mediaconvert::{Job, MediaConvert};
use futures_util::{StreamExt, stream};
use http::Request;
use http_body_util::BodyExt;
use local::stack::Stack;
use serde_json::{Value, json};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tower::Service;

const OBJECTS: usize = 500;
/// Of each object: 9 times its arrival, 9 times its job's progress, twice its job's end.
const ARRIVALS: usize = 9;
const PROGRESS: usize = 9;
const ENDS: usize = 2;
/// Edges that share one catalog, as concurrent Lambdas do, and how many deliveries are under way at a time.
const EDGES: usize = 4;
const AT_ONCE: usize = 48;
/// Between two rounds a lease runs out, and so does MediaConvert's memory of a request token.
const ROUND_MS: u64 = 70_000;

/// xorshift: the same storm each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.roll(at + 1));
        }
    }
}

/// Work that is given up after so many polls, wherever it is then: a crash.
struct Mortal<F> {
    work: Pin<Box<F>>,
    polls: usize,
}

impl<F: Future> Future for Mortal<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        self.work.as_mut().poll(context).map(Some)
    }
}

#[derive(Debug, Default)]
struct Figures {
    deliveries: usize,
    crashes: usize,
    refused: usize,
    rounds: usize,
}

pub async fn ask(gate: &mut Gate, method: &str, path: &str, body: Value) -> Value {
    let request = Request::builder().method(method).uri(path).body(Body::from(body.to_string())).unwrap();
    let answer = gate.call(request).await.unwrap();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}

/// An object's arrival, in either of the forms in which S3 tells it.
pub fn arrival(key: &str, bridged: bool) -> Value {
    let etag = "0123456789abcdef0123456789abcdef-2";
    let bucket = json!({ "name": "uploads" });
    if bridged {
        let object = json!({ "key": key, "size": 5, "etag": etag });
        return json!({ "source": "aws.s3", "detail-type": "Object Created",
            "detail": { "bucket": bucket, "object": object } });
    }
    let object = json!({ "key": key, "size": 5, "eTag": etag });
    json!({ "Records": [{ "eventName": "ObjectCreated:CompleteMultipartUpload",
        "s3": { "bucket": bucket, "object": object } }] })
}

/// How a job ends is its number's doing: most well, some not.
fn end(job: &Job) -> &'static str {
    match job.number % 10 {
        0 => "ERROR",
        1 => "CANCELED",
        _ => "COMPLETE",
    }
}

fn news(job: &Job, status: &str, percent: usize) -> Value {
    let video = &job.video_id;
    let groups = json!([
        { "playlistFilePaths": [format!("s3://media/assets/HLS/{video}.m3u8")], "outputDetails": [] },
        { "outputDetails": [{ "outputFilePaths": [format!("s3://media/assets/MP4/{video}_540.mp4")] }] },
    ]);
    json!({
        "source": "aws.mediaconvert", "detail-type": "MediaConvert Job State Change",
        "detail": {
            "jobId": job.id, "status": status, "userMetadata": { "videoId": video },
            "jobProgress": { "jobPercentComplete": percent }, "outputGroupDetails": groups,
            "errorCode": 1040, "errorMessage": "The storm took it.",
        },
    })
}

async fn storm(dynamodb: &str, catalog: &str, clock: Clock, pass: impl Fn(u64)) {
    let began = std::time::Instant::now();
    let data = tempfile::tempdir().unwrap();
    let mut options = options(data.path(), 0, &[]);
    // Its own events go nowhere: the storm is all that the edges hear.
    options.edge = Some(NOWHERE.into());
    let stack = Stack::start(options).await.unwrap();
    let mediaconvert = MediaConvert::start(clock).await;
    let catalog = catalog.replace("DATA", &data.path().display().to_string());
    let services = Services { s3: &stack.s3, mediaconvert: &mediaconvert.url, dynamodb };
    let mut gates: Vec<Gate> = (0..EDGES).map(|_| app(&services, &catalog, clock).gate()).collect();

    let mut dice = Dice(0x5eed_cafe_f00d);
    let mut arrivals = Vec::new();
    for _ in 0..OBJECTS {
        let upload = json!({ "fileName": "a.mp4", "size": 5, "contentType": "video/mp4" });
        let opened = ask(&mut gates[0], "POST", "/uploads", upload).await;
        let key = opened["key"].as_str().unwrap_or_else(|| panic!("{opened}")).to_owned();
        arrivals.extend((0..ARRIVALS).map(|at| arrival(&key, at % 2 == 0)));
    }
    dice.shuffle(&mut arrivals);

    let (mut figures, mut known) = (Figures::default(), 0);
    let mut pending: Vec<Value> = Vec::new();
    while !arrivals.is_empty() || !pending.is_empty() || known < mediaconvert.jobs().len() {
        // Arrivals come in over the first rounds; of the jobs that they make there is news from then on.
        pending.extend(arrivals.split_off(arrivals.len().saturating_sub(OBJECTS * ARRIVALS / 3)));
        for job in mediaconvert.jobs().iter().skip(known) {
            pending.extend((0..PROGRESS).map(|_| news(job, "STATUS_UPDATE", dice.roll(101))));
            pending.extend((0..ENDS).map(|_| news(job, end(job), 0)));
            known += 1;
        }
        dice.shuffle(&mut pending);
        figures.rounds += 1;
        assert!(figures.rounds < 60, "the storm doesn't end: {figures:?}");
        let round: Vec<_> = std::mem::take(&mut pending)
            .into_iter()
            .map(|event| {
                // One in four may not live to its end, be that near or far.
                let near = [3, 12, 40][dice.roll(3)];
                let polls = if dice.roll(4) == 0 { 1 + dice.roll(near) } else { usize::MAX };
                (event, gates[dice.roll(EDGES)].clone(), polls)
            })
            .collect();
        let outcomes: Vec<_> = stream::iter(round)
            .map(|(event, mut gate, polls)| async move {
                let work = Box::pin(gate.call(edge::invocation(&event)));
                let outcome = tokio::spawn(Mortal { work, polls }).await.unwrap();
                (event, outcome.map(|answer| answer.is_ok()))
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        for (event, outcome) in outcomes {
            figures.deliveries += 1;
            match outcome {
                Some(true) => {}
                // What fails is delivered again.
                Some(false) => figures.refused += 1,
                None => figures.crashes += 1,
            }
            if outcome != Some(true) {
                pending.push(event);
            }
        }
        pass(ROUND_MS);
    }

    let jobs = mediaconvert.jobs();
    let inputs: std::collections::BTreeSet<_> = jobs.iter().map(|job| &job.input).collect();
    assert_eq!((jobs.len(), inputs.len()), (OBJECTS, OBJECTS), "one job for each object: {figures:?}");
    assert!(figures.crashes > 200 && figures.refused > 100, "it was a storm: {figures:?}");
    assert!(figures.deliveries >= 10_000, "{figures:?}");
    let videos = all_videos(&mut gates[1]).await;
    assert_eq!(videos.len(), OBJECTS);
    for job in &jobs {
        let video = videos.iter().find(|video| video["videoId"] == *job.video_id).unwrap();
        let (status, progress) = (video["status"].as_str().unwrap(), video["progress"].as_u64().unwrap());
        match end(job) {
            "COMPLETE" => {
                assert_eq!((status, progress), ("ready", 100), "{video}");
                assert_eq!(
                    video["urls"]["hls"],
                    format!("https://cdn.example/assets/HLS/{}.m3u8", job.video_id)
                );
            }
            "ERROR" => assert_eq!((status, &video["error"]["code"]), ("failed", &json!("1040")), "{video}"),
            _ => assert_eq!(status, "canceled", "{video}"),
        }
    }
    eprintln!("storm on {}: {} jobs, {figures:?}, {:?}", catalog_kind(&catalog), jobs.len(), began.elapsed());
    stack.stop().await;
}

fn catalog_kind(catalog: &str) -> &str {
    catalog.split(':').next().unwrap_or_default()
}

/// By the owner's list, page after page.
async fn all_videos(gate: &mut Gate) -> Vec<Value> {
    let (mut videos, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = ask(gate, "GET", &format!("/videos?limit=100{cursor}"), Value::Null).await;
        videos.extend(page["videos"].as_array().unwrap_or_else(|| panic!("{page}")).iter().cloned());
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return videos,
        }
    }
}

const START: u64 = 1_795_460_000_000;
static SQLITE_TIME: AtomicU64 = AtomicU64::new(START);
static DYNAMODB_TIME: AtomicU64 = AtomicU64::new(START);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn five_hundred_objects_ten_thousand_deliveries_on_sqlite() {
    let clock: Clock = || SQLITE_TIME.load(Ordering::SeqCst);
    let pass = |ms| {
        SQLITE_TIME.fetch_add(ms, Ordering::SeqCst);
    };
    storm(NOWHERE, "sqlite:DATA/storm.db", clock, pass).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn five_hundred_objects_ten_thousand_deliveries_on_dynamodb() {
    let aws = Aws::start("storm").await;
    let clock: Clock = || DYNAMODB_TIME.load(Ordering::SeqCst);
    let pass = |ms| {
        DYNAMODB_TIME.fetch_add(ms, Ordering::SeqCst);
    };
    storm(&aws.url, "dynamodb:storm", clock, pass).await;
}
