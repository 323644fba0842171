//! 10,000 deliveries of the events of 500 objects, duplicated, shuffled and concurrent, to several edges that crash in
//! the middle. At the end there are 500 jobs, and each video has its job's status.

mod fake_mediaconvert;

use crate::support::dynamodb::DynamoDb;
use crate::support::event::{Source, call, object_created};
use crate::support::stack::{Services, UNREACHABLE, app, start_without_events};
use edge::{Clock, LambdaService};
use fake_mediaconvert::{Job, MediaConvert};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tower::Service;

const OBJECTS: usize = 500;
/// Objects among them that another tool has stored.
const FOREIGN_OBJECTS: usize = 50;
/// Deliveries per object: of its creation, of its job's progress, of its job's end.
const CREATIONS: usize = 9;
const PROGRESS_UPDATES: usize = 9;
const ENDS: usize = 2;
/// Edges that share one catalog, as concurrent Lambdas do.
const EDGES: usize = 4;
const CONCURRENT_DELIVERIES: usize = 48;
/// Longer than a lease, and than MediaConvert remembers a request token.
const ROUND_DURATION_MS: u64 = 70_000;

/// xorshift with a fixed seed, so that each run is the same.
struct Rng(u64);

impl Rng {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.below(index + 1));
        }
    }
}

/// A future that is dropped after so many polls, as by a crash.
struct Crashing<F> {
    future: Pin<Box<F>>,
    polls: usize,
}

impl<F: Future> Future for Crashing<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        self.future.as_mut().poll(context).map(Some)
    }
}

#[derive(Debug, Default)]
struct Totals {
    deliveries: usize,
    crashes: usize,
    errors: usize,
    rounds: usize,
}

/// An event in one of the forms in which it can reach the edge.
fn wrapped(event: Value, form: usize) -> Value {
    let in_sqs = |body: Value| json!({ "Records": [{ "messageId": "m", "eventSource": "aws:sqs", "body": body.to_string() }] });
    let message = event.to_string();
    match form {
        0 => in_sqs(event),
        1 => json!({ "Records": [{ "EventSource": "aws:sns", "Sns": { "Message": message } }] }),
        2 => in_sqs(json!({ "Type": "Notification", "Message": message })),
        _ => event,
    }
}

/// The final status of a job, by its number: 80 % succeed.
fn final_status(job: &Job) -> &'static str {
    match job.number % 10 {
        0 => "ERROR",
        1 => "CANCELED",
        _ => "COMPLETE",
    }
}

fn job_state_change(job: &Job, status: &str, percent: usize) -> Value {
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
            "errorCode": 1040, "errorMessage": "Injected.",
        },
    })
}

/// Runs the test on a catalog; `advance_clock` moves `clock` forward by milliseconds.
async fn run(dynamodb: &str, catalog: &str, clock: Clock, advance_clock: impl Fn(u64)) {
    let start = std::time::Instant::now();
    let data = tempfile::tempdir().unwrap();
    let stack = start_without_events(data.path()).await;
    let mediaconvert = MediaConvert::start(clock).await;
    let catalog = catalog.replace("DATA", &data.path().display().to_string());
    let aws = Services { s3: &stack.s3, mediaconvert: &mediaconvert.url, dynamodb };
    let services: Vec<LambdaService> =
        (0..EDGES).map(|_| app(&aws, &catalog, clock).lambda_service()).collect();

    let mut rng = Rng(0x5eed_cafe_f00d);
    let mut creations = Vec::new();
    for object in 0..OBJECTS {
        let request = json!({ "fileName": "a.mp4", "size": 5, "contentType": "video/mp4" });
        let key = if object < FOREIGN_OBJECTS {
            format!("inputs/folder {}/clip {object}.mp4", object % 3)
        } else {
            let opened = call(&services[0], "POST", "/uploads", request).await;
            opened["key"].as_str().unwrap_or_else(|| panic!("{opened}")).to_owned()
        };
        creations.extend((0..CREATIONS).map(|index| {
            let source = if index % 2 == 0 { Source::EventBridge } else { Source::S3Notification };
            wrapped(object_created(&key, source), index % 5)
        }));
    }
    rng.shuffle(&mut creations);

    let (mut totals, mut known_jobs) = (Totals::default(), 0);
    let mut pending: Vec<Value> = Vec::new();
    while !creations.is_empty() || !pending.is_empty() || known_jobs < mediaconvert.jobs().len() {
        // Creations are delivered in the first three rounds; events of their jobs follow.
        pending.extend(creations.split_off(creations.len().saturating_sub(OBJECTS * CREATIONS / 3)));
        for job in mediaconvert.jobs().iter().skip(known_jobs) {
            pending.extend(
                (0..PROGRESS_UPDATES).map(|_| job_state_change(job, "STATUS_UPDATE", rng.below(101))),
            );
            pending.extend((0..ENDS).map(|_| job_state_change(job, final_status(job), 0)));
            known_jobs += 1;
        }
        rng.shuffle(&mut pending);
        totals.rounds += 1;
        assert!(totals.rounds < 60, "events are never exhausted: {totals:?}");
        let round: Vec<_> = std::mem::take(&mut pending)
            .into_iter()
            .map(|event| {
                // One in four crashes, early or late.
                let max_polls = [3, 12, 40][rng.below(3)];
                let polls = if rng.below(4) == 0 { 1 + rng.below(max_polls) } else { usize::MAX };
                (event, services[rng.below(EDGES)].clone(), polls)
            })
            .collect();
        let outcomes: Vec<_> = stream::iter(round)
            .map(|(event, mut service, polls)| async move {
                let future = Box::pin(service.call(edge::event_request(&event)));
                let outcome = tokio::spawn(Crashing { future, polls }).await.unwrap();
                (event, outcome.map(|result| result.is_ok()))
            })
            .buffer_unordered(CONCURRENT_DELIVERIES)
            .collect()
            .await;
        for (event, outcome) in outcomes {
            totals.deliveries += 1;
            match outcome {
                Some(true) => {}
                Some(false) => totals.errors += 1,
                None => totals.crashes += 1,
            }
            // Events without success are delivered again.
            if outcome != Some(true) {
                pending.push(event);
            }
        }
        advance_clock(ROUND_DURATION_MS);
    }

    let jobs = mediaconvert.jobs();
    let inputs: std::collections::BTreeSet<_> = jobs.iter().map(|job| &job.input).collect();
    assert_eq!((jobs.len(), inputs.len()), (OBJECTS, OBJECTS), "one job for each object: {totals:?}");
    assert!(totals.crashes > 200 && totals.errors > 100, "enough failures: {totals:?}");
    assert!(totals.deliveries >= 10_000, "{totals:?}");
    let videos = all_videos(&services[1]).await;
    assert_eq!(videos.len(), OBJECTS);
    for job in &jobs {
        let video = videos.iter().find(|video| video["videoId"] == *job.video_id).unwrap();
        let (status, progress) = (video["status"].as_str().unwrap(), video["progress"].as_u64().unwrap());
        match final_status(job) {
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
    eprintln!("{}: {} jobs, {totals:?}, {:?}", catalog_kind(&catalog), jobs.len(), start.elapsed());
    stack.stop().await;
}

fn catalog_kind(catalog: &str) -> &str {
    catalog.split(':').next().unwrap_or_default()
}

/// All videos in the owner's list.
async fn all_videos(service: &LambdaService) -> Vec<Value> {
    let (mut videos, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = call(service, "GET", &format!("/videos?limit=100{cursor}"), Value::Null).await;
        videos.extend(page["videos"].as_array().unwrap_or_else(|| panic!("{page}")).iter().cloned());
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return videos,
        }
    }
}

const START_MS: u64 = 1_795_460_000_000;
static SQLITE_CLOCK_MS: AtomicU64 = AtomicU64::new(START_MS);
static DYNAMODB_CLOCK_MS: AtomicU64 = AtomicU64::new(START_MS);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn repeated_events_with_crashes_give_one_job_per_object_on_sqlite() {
    let clock: Clock = || SQLITE_CLOCK_MS.load(Ordering::SeqCst);
    let advance_clock = |ms| {
        SQLITE_CLOCK_MS.fetch_add(ms, Ordering::SeqCst);
    };
    run(UNREACHABLE, "sqlite:DATA/catalog.db", clock, advance_clock).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn repeated_events_with_crashes_give_one_job_per_object_on_dynamodb() {
    let dynamodb = DynamoDb::start("stress").await;
    let clock: Clock = || DYNAMODB_CLOCK_MS.load(Ordering::SeqCst);
    let advance_clock = |ms| {
        DYNAMODB_CLOCK_MS.fetch_add(ms, Ordering::SeqCst);
    };
    run(&dynamodb.url, "dynamodb:stress", clock, advance_clock).await;
}
