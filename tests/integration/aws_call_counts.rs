//! Which AWS operations the edge calls, how many and in which order, and how it handles throttling and conflicts. A
//! counting proxy stands in front of each service.

use crate::support::api_client::ApiClient;
use crate::support::dynamodb::DynamoDb;
use crate::support::event::{Source, invoke, job_event, object_created};
use crate::support::http::{forward, serve};
use crate::support::stack::{self, Services, app, job_ids, now_ms};
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use edge::LambdaService;
use http::{HeaderMap, StatusCode, Uri};
use local::stack::Stack;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// State shared by the proxies of one edge.
#[derive(Default)]
struct Calls {
    operations: Mutex<Vec<String>>,
    dynamodb_fault: Mutex<DynamoDbFault>,
}

/// Errors that the proxy returns instead of forwarding a DynamoDB call.
#[derive(Clone, Copy, Default)]
enum DynamoDbFault {
    #[default]
    None,
    /// This error for every call.
    Always(&'static str),
    /// A conflict with another transaction for every other write.
    AlternatingConflicts { conflicted: bool },
}

impl DynamoDbFault {
    /// The error for this operation, if any.
    fn next_error(&mut self, operation: &str) -> Option<Value> {
        let error =
            |code| json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "No." });
        match self {
            Self::None => None,
            Self::Always(code) => Some(error(*code)),
            Self::AlternatingConflicts { .. } if operation == "GetItem" => None,
            Self::AlternatingConflicts { conflicted } => {
                *conflicted = !*conflicted;
                let mut conflict = error("TransactionConflictException");
                if operation == "TransactWriteItems" {
                    conflict = error("TransactionCanceledException");
                    conflict["CancellationReasons"] =
                        json!([{ "Code": "TransactionConflict" }, { "Code": "None" }]);
                }
                conflicted.then_some(conflict)
            }
        }
    }
}

impl Calls {
    /// The operations since the last call of this function.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.operations.lock().unwrap())
    }
}

/// The name of a request's AWS operation.
fn operation(method: &str, uri: &Uri, headers: &HeaderMap) -> String {
    if let Some(target) = headers.get("x-amz-target") {
        return target.to_str().unwrap().rsplit('.').next().unwrap().to_owned();
    }
    let is_mediaconvert = uri.path().starts_with("/2017-08-29/");
    let name = match (method, uri.path(), uri.query().unwrap_or_default()) {
        ("POST", "/2017-08-29/jobs", _) => "CreateJob",
        ("POST", "/2017-08-29/probe", _) => "Probe",
        ("POST", _, query) if !is_mediaconvert && query.starts_with("uploads") => "CreateMultipartUpload",
        ("POST", _, query) if query.contains("uploadId=") => "CompleteMultipartUpload",
        ("HEAD", ..) => "HeadObject",
        ("GET", _, query) if query.contains("uploadId=") => "ListParts",
        _ => return format!("{method} {}", uri.path()),
    };
    name.into()
}

async fn count(State((calls, address)): State<(Arc<Calls>, String)>, request: Request) -> Response {
    let operation = operation(request.method().as_str(), request.uri(), request.headers());
    calls.operations.lock().unwrap().push(operation.clone());
    let is_dynamodb = request.headers().contains_key("x-amz-target");
    let error = if is_dynamodb { calls.dynamodb_fault.lock().unwrap().next_error(&operation) } else { None };
    match error {
        Some(body) => {
            let headers = [("content-type", "application/x-amz-json-1.0")];
            (StatusCode::BAD_REQUEST, headers, body.to_string()).into_response()
        }
        None => forward(&address, request).await,
    }
}

/// Starts a counting proxy in front of a service; returns its URL.
async fn counting_proxy(calls: &Arc<Calls>, url: &str) -> String {
    let address = url.trim_start_matches("http://").to_owned();
    serve(Router::new().fallback(count).with_state((calls.clone(), address))).await
}

/// An edge as on AWS, DynamoDB included, whose AWS calls are counted.
struct Fixture {
    calls: Arc<Calls>,
    service: LambdaService,
    api: ApiClient,
    stack: Stack,
    _dynamodb: DynamoDb,
    _data: TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let stack = stack::start_without_events(data.path()).await;
        let dynamodb = DynamoDb::start("videos").await;
        let calls = Arc::<Calls>::default();
        let urls = [
            counting_proxy(&calls, &stack.s3).await,
            counting_proxy(&calls, &stack.mediaconvert).await,
            counting_proxy(&calls, &dynamodb.url).await,
        ];
        let services = Services { s3: &urls[0], mediaconvert: &urls[1], dynamodb: &urls[2] };
        let app = app(&services, "dynamodb:videos", now_ms);
        let api = ApiClient::new(&serve(Router::new().nest("/api", app.router())).await);
        Self { calls, service: app.lambda_service(), api, stack, _dynamodb: dynamodb, _data: data }
    }

    fn set_dynamodb_fault(&self, fault: DynamoDbFault) {
        *self.calls.dynamodb_fault.lock().unwrap() = fault;
    }

    async fn invoke(&self, event: &Value) -> bool {
        invoke(&self.service, event).await
    }
}

#[tokio::test]
async fn each_step_makes_the_expected_aws_calls() {
    let fixture = Fixture::new().await;
    let upload = fixture.api.open_file(b"hello", &json!({ "fileName": "a.mp4" })).await;
    assert_eq!(fixture.calls.take(), ["CreateMultipartUpload", "TransactWriteItems"]);

    fixture.api.sign_part(&upload, 1, b"hello").await;
    assert!(fixture.calls.take().is_empty(), "signing calls no service");

    fixture.api.put_part(&upload["parts"][0], b"hello").await;
    fixture.calls.take();
    let (status, completed) = fixture.api.complete(&upload, &json!({})).await;
    assert_eq!(status, 200, "{completed}");
    assert_eq!(
        fixture.calls.take(),
        ["ListParts", "CompleteMultipartUpload", "GetItem", "TransactWriteItems"]
    );
    fixture.api.complete(&upload, &json!({})).await;
    let repeated = fixture.calls.take();
    assert_eq!(repeated, ["ListParts", "HeadObject", "GetItem", "GetItem"], "the completion again");

    let key = upload["key"].as_str().unwrap();
    assert!(fixture.invoke(&object_created(key, Source::EventBridge)).await);
    assert_eq!(fixture.calls.take(), ["UpdateItem", "Probe", "CreateJob", "UpdateItem"]);

    assert!(fixture.invoke(&object_created(key, Source::S3Notification)).await);
    assert_eq!(fixture.calls.take(), ["UpdateItem"], "the event of the same object again");
    let job_id = job_ids(&fixture.stack).await.remove(0);
    let complete = job_event(&job_id, upload["videoId"].as_str().unwrap(), "COMPLETE");
    assert!(fixture.invoke(&complete).await);
    assert_eq!(fixture.calls.take(), ["GetItem", "UpdateItem"], "the end of its job");

    // S3's event can arrive before the page's completion request.
    let upload = fixture.api.open_upload(5, &json!({ "fileName": "b.mp4" })).await;
    fixture.calls.take();
    let event = object_created(upload["key"].as_str().unwrap(), Source::EventBridge);
    assert!(fixture.invoke(&event).await);
    assert_eq!(fixture.calls.take(), ["UpdateItem", "Probe", "CreateJob", "TransactWriteItems"]);
    fixture.stack.stop().await;
}

#[tokio::test]
async fn throttled_table_gives_retryable_errors_and_loses_nothing() {
    let fixture = Fixture::new().await;
    let upload = fixture.api.store_parts(b"hello", &json!({ "fileName": "a.mp4" })).await;
    let completion = json!({ "checksum": tests::crc64(b"hello") });
    let event = object_created(upload["key"].as_str().unwrap(), Source::EventBridge);
    for code in ["ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"] {
        fixture.set_dynamodb_fault(DynamoDbFault::Always(code));
        let open = json!({ "fileName": "b.mp4", "size": 5 }).to_string();
        let (opened, completed, listed, handled) = tokio::join!(
            fixture.api.post("/uploads", open),
            fixture.api.complete(&upload, &completion),
            fixture.api.get("/videos"),
            fixture.invoke(&event),
        );
        for (status, body) in [opened, completed, listed] {
            assert_eq!((status.as_u16(), &body["code"]), (503, &json!("throttled")), "{body}");
            assert_eq!(body["retryable"], true);
        }
        assert!(!handled, "Lambda retries the event");
        fixture.set_dynamodb_fault(DynamoDbFault::None);
    }
    fixture.calls.take();
    assert!(fixture.invoke(&event).await);
    assert!(fixture.calls.take().contains(&"CreateJob".into()));
    let (status, completed) = fixture.api.complete(&upload, &completion).await;
    assert_eq!((status.as_u16(), &completed["size"]), (200, &json!(5)), "{completed}");
    // Failed openings leave no multipart upload behind.
    let s3 = stack::s3_client(&fixture.stack);
    let open = s3.list_multipart_uploads().bucket("uploads").send().await.unwrap();
    assert_eq!(open.uploads().len(), 0, "{open:?}");
    fixture.stack.stop().await;
}

#[tokio::test]
async fn transaction_conflict_is_retried() {
    let fixture = Fixture::new().await;
    fixture.set_dynamodb_fault(DynamoDbFault::AlternatingConflicts { conflicted: false });
    let upload = fixture.api.open_file(b"hello", &json!({ "fileName": "a.mp4" })).await;
    let event = object_created(upload["key"].as_str().unwrap(), Source::EventBridge);
    assert!(fixture.invoke(&event).await);
    fixture.api.put_part(&upload["parts"][0], b"hello").await;
    let (status, completed) = fixture.api.complete(&upload, &json!({})).await;
    assert_eq!(status, 200, "{completed}");
    let aborted = fixture.api.open_upload(5, &json!({ "fileName": "b.mp4" })).await;
    assert_eq!(fixture.api.abort(&aborted).await, 204);
    let operations = fixture.calls.take();
    let count = |name: &str| operations.iter().filter(|operation| *operation == name).count();
    let counts = (count("CreateJob"), count("TransactWriteItems"), count("DeleteItem"));
    assert_eq!(counts, (1, 6, 2), "{operations:?}");
    fixture.set_dynamodb_fault(DynamoDbFault::None);
    let (_, list) = fixture.api.get("/videos").await;
    assert_eq!(list["videos"].as_array().unwrap().len(), 1, "the aborted upload has no video: {list}");
    fixture.stack.stop().await;
}
