//! What the edge asks of AWS: how often, in which order, and what it makes of a refusal. Its services stand behind a
//! counter each, which hands on what came.

use crate::edge_api::uploads::complete_errors::{forward, serve};
use crate::events::event_delivery::{job_event, jobs};
use crate::events::event_stress::arrival;
use crate::support::api_client::Api;
use crate::support::dynamodb::Aws;
use crate::support::stack::{Services, app, now, options};
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use edge::Gate;
use http::{HeaderMap, StatusCode, Uri};
use local::stack::Stack;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::Barrier;
use tower::Service;

/// Shared by the counters of one edge.
#[derive(Default)]
struct Calls {
    made: Mutex<Vec<String>>,
    /// Where set, every call waits there until so many are on their way.
    meet: Mutex<Option<Arc<Barrier>>>,
    /// What DynamoDB answers in place of doing it.
    refuses: Mutex<Refuses>,
}

#[derive(Clone, Copy, Default)]
enum Refuses {
    #[default]
    Nothing,
    /// Whatever is asked.
    All(&'static str),
    /// Every other write: a transaction of somebody else's has the item in hand.
    Collisions { was_last: bool },
}

impl Refuses {
    /// The answer to this operation, if there is one.
    fn answer(&mut self, operation: &str) -> Option<Value> {
        let error =
            |code| json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "No." });
        match self {
            Self::Nothing => None,
            Self::All(code) => Some(error(*code)),
            Self::Collisions { .. } if operation == "GetItem" => None,
            Self::Collisions { was_last } => {
                *was_last = !*was_last;
                let mut collided = error("TransactionConflictException");
                if operation == "TransactWriteItems" {
                    collided = error("TransactionCanceledException");
                    collided["CancellationReasons"] =
                        json!([{ "Code": "TransactionConflict" }, { "Code": "None" }]);
                }
                was_last.then_some(collided)
            }
        }
    }
}

impl Calls {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.made.lock().unwrap())
    }
}

/// The operation of a request, as AWS names it.
fn operation(method: &str, uri: &Uri, headers: &HeaderMap) -> String {
    if let Some(target) = headers.get("x-amz-target") {
        return target.to_str().unwrap().rsplit('.').next().unwrap().to_owned();
    }
    let is_media = uri.path().starts_with("/2017-08-29/");
    let name = match (method, uri.path(), uri.query().unwrap_or_default()) {
        ("POST", "/2017-08-29/jobs", _) => "CreateJob",
        ("POST", "/2017-08-29/probe", _) => "Probe",
        ("POST", _, query) if !is_media && query.starts_with("uploads") => "CreateMultipartUpload",
        ("POST", _, query) if query.contains("uploadId=") => "CompleteMultipartUpload",
        ("HEAD", ..) => "HeadObject",
        ("GET", _, query) if query.contains("uploadId=") => "ListParts",
        _ => return format!("{method} {}", uri.path()),
    };
    name.into()
}

async fn count(State((calls, to)): State<(Arc<Calls>, String)>, request: Request) -> Response {
    let operation = operation(request.method().as_str(), request.uri(), request.headers());
    calls.made.lock().unwrap().push(operation.clone());
    let meet = calls.meet.lock().unwrap().clone();
    if let Some(meet) = meet {
        meet.wait().await;
    }
    let is_table = request.headers().contains_key("x-amz-target");
    let refusal = if is_table { calls.refuses.lock().unwrap().answer(&operation) } else { None };
    match refusal {
        Some(body) => {
            let headers = [("content-type", "application/x-amz-json-1.0")];
            (StatusCode::BAD_REQUEST, headers, body.to_string()).into_response()
        }
        None => forward(&to, request).await,
    }
}

async fn counter(calls: &Arc<Calls>, url: &str) -> String {
    let to = url.trim_start_matches("http://").to_owned();
    serve(Router::new().fallback(count).with_state((calls.clone(), to))).await
}

/// An edge as on AWS, DynamoDB and all, whose calls are counted.
struct House {
    calls: Arc<Calls>,
    gate: Gate,
    api: Api,
    stack: Stack,
    _aws: Aws,
    _data: TempDir,
}

impl House {
    async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut options = options(data.path(), 0, &[]);
        options.edge = Some(crate::support::stack::NOWHERE.into());
        let stack = Stack::start(options).await.unwrap();
        let aws = Aws::start("videos").await;
        let calls = Arc::<Calls>::default();
        let urls = [
            counter(&calls, &stack.s3).await,
            counter(&calls, &stack.mediaconvert).await,
            counter(&calls, &aws.url).await,
        ];
        let services = Services { s3: &urls[0], mediaconvert: &urls[1], dynamodb: &urls[2] };
        let app = app(&services, "dynamodb:videos", now);
        let api = Api::new(&serve(Router::new().nest("/api", app.router())).await);
        Self { calls, gate: app.gate(), api, stack, _aws: aws, _data: data }
    }

    fn refuse(&self, what: Refuses) {
        *self.calls.refuses.lock().unwrap() = what;
    }

    async fn event(gate: &Gate, event: &Value) -> bool {
        gate.clone().call(edge::invocation(event)).await.is_ok()
    }
}

#[tokio::test]
async fn each_step_asks_little_of_aws() {
    let house = House::new().await;
    // Neither goes on before both are there: they are made side by side.
    *house.calls.meet.lock().unwrap() = Some(Arc::new(Barrier::new(2)));
    let options = json!({ "fileName": "a.mp4" });
    let upload = tokio::time::timeout(Duration::from_secs(60), house.api.open(5, &options)).await;
    let upload = upload.expect("one waits for the other");
    *house.calls.meet.lock().unwrap() = None;
    let mut made = house.calls.take();
    made.sort();
    assert_eq!(made, ["CreateMultipartUpload", "TransactWriteItems"]);

    let path = format!("/uploads/{}", upload["upload"].as_str().unwrap());
    house.api.post(&format!("{path}/parts"), json!({ "partNumbers": [1] }).to_string()).await;
    assert!(house.calls.take().is_empty(), "signing asks nobody");

    let part = house.api.put(&upload["parts"][0], b"hello").await;
    house.calls.take();
    let (status, done) = house.api.complete(&upload, &json!({ "parts": [part] })).await;
    assert_eq!(status, 200, "{done}");
    assert_eq!(house.calls.take(), ["CompleteMultipartUpload", "GetItem", "TransactWriteItems"]);

    let key = upload["key"].as_str().unwrap();
    assert!(House::event(&house.gate, &arrival(key, true)).await);
    assert_eq!(house.calls.take(), ["UpdateItem", "Probe", "CreateJob", "UpdateItem"]);

    assert!(House::event(&house.gate, &arrival(key, false)).await);
    assert_eq!(house.calls.take(), ["UpdateItem"], "the same once more");
    let job_id = jobs(&house.stack).await.remove(0);
    let complete = job_event(&job_id, upload["videoId"].as_str().unwrap(), "COMPLETE");
    assert!(House::event(&house.gate, &complete).await);
    assert_eq!(house.calls.take(), ["GetItem", "UpdateItem"], "its job's end");

    // S3's event may be quicker than the page's last word.
    let upload = house.api.open(5, &json!({ "fileName": "b.mp4" })).await;
    house.calls.take();
    assert!(House::event(&house.gate, &arrival(upload["key"].as_str().unwrap(), true)).await);
    assert_eq!(house.calls.take(), ["UpdateItem", "Probe", "CreateJob", "TransactWriteItems"]);
    house.stack.stop().await;
}

#[tokio::test]
async fn a_throttled_table_is_told_and_nothing_is_lost() {
    let house = House::new().await;
    let upload = house.api.open(5, &json!({ "fileName": "a.mp4" })).await;
    let part = house.api.put(&upload["parts"][0], b"hello").await;
    let list = json!({ "parts": [part] });
    let key = upload["key"].as_str().unwrap();
    let event = arrival(key, true);
    for code in ["ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"] {
        house.refuse(Refuses::All(code));
        let open = json!({ "fileName": "b.mp4", "size": 5 }).to_string();
        let (opened, completed, listed, taken) = tokio::join!(
            house.api.post("/uploads", open),
            house.api.complete(&upload, &list),
            house.api.get("/videos"),
            House::event(&house.gate, &event),
        );
        for (status, answer) in [opened, completed, listed] {
            assert_eq!((status.as_u16(), &answer["code"]), (503, &json!("throttled")), "{answer}");
            assert_eq!(answer["retryable"], true);
        }
        assert!(!taken, "Lambda is to try again");
        house.refuse(Refuses::Nothing);
    }
    house.calls.take();
    assert!(House::event(&house.gate, &arrival(key, true)).await);
    assert!(house.calls.take().contains(&"CreateJob".into()));
    let (status, done) = house.api.complete(&upload, &list).await;
    assert_eq!((status.as_u16(), &done["size"]), (200, &json!(5)), "{done}");
    // What was refused has left nothing behind.
    let listed = aws_sdk_s3::Client::from_conf(
        aws_sdk_s3::config::Builder::from(&crate::support::stack::sdk(&house.stack.s3))
            .force_path_style(true)
            .build(),
    );
    let uploads = listed.list_multipart_uploads().bucket("uploads").send().await.unwrap();
    assert_eq!(uploads.uploads().len(), 0, "{uploads:?}");
    house.stack.stop().await;
}

#[tokio::test]
async fn who_collides_with_a_transaction_tries_again() {
    let house = House::new().await;
    house.refuse(Refuses::Collisions { was_last: false });
    let upload = house.api.open(5, &json!({ "fileName": "a.mp4" })).await;
    assert!(House::event(&house.gate, &arrival(upload["key"].as_str().unwrap(), true)).await);
    let part = house.api.put(&upload["parts"][0], b"hello").await;
    let (status, done) = house.api.complete(&upload, &json!({ "parts": [part] })).await;
    assert_eq!(status, 200, "{done}");
    let aborted = house.api.open(5, &json!({ "fileName": "b.mp4" })).await;
    assert_eq!(house.api.delete(&aborted).await, 204);
    let made = house.calls.take();
    let times = |operation: &str| made.iter().filter(|made| *made == operation).count();
    assert_eq!((times("CreateJob"), times("TransactWriteItems"), times("DeleteItem")), (1, 6, 2), "{made:?}");
    house.refuse(Refuses::Nothing);
    let (_, list) = house.api.get("/videos").await;
    assert_eq!(list["videos"].as_array().unwrap().len(), 1, "the aborted one is forgotten: {list}");
    house.stack.stop().await;
}
