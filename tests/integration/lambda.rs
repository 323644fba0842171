//! The packaged edge in the Lambda runtime: for each event, the outcome that Lambda sees and the effect.

mod events_only;
mod fixture;
mod http_payloads;
mod init_errors;

use crate::support::api_client::token;
use crate::support::http::serve;
use crate::support::stack::{job_ids, mediaconvert_client};
use fixture::{Fixture, SECRET, State, describe};
use http_payloads::{HttpRequest, PAYLOAD_FORMATS};
use serde_json::{Value, json};
use tests::lambda_runtime::{MAX_PAYLOAD_BYTES, Outcome, function_url};

const NOTIFICATION: &str = include_str!("../fixtures/s3-notification.json");
/// Start of the error of an event that Lambda is to retry.
const RETRY: &str = "error: the event can't be handled now";

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A row of the table in docs/lambda.md: events, their expected outcome and effect.
struct Row {
    title: String,
    /// One event, or one per HTTP payload format; all must have the same outcome and effect.
    events: Vec<Value>,
    outcome: &'static str,
    /// Empty for none.
    effect: &'static str,
}

fn row(title: &str, event: Value, outcome: &'static str, effect: &'static str) -> Row {
    Row { title: title.into(), events: vec![event], outcome, effect }
}

/// HTTP requests in each payload format. None reaches `/events`.
fn http_requests() -> Vec<Row> {
    let token = token(SECRET, "anna");
    let open = json!({ "fileName": "a.mp4", "size": 5 }).to_string();
    let requests = [
        ("GET", "/api/videos", Some(&*token), None, "response 200", ""),
        ("GET", "/api/videos", None, None, "response 401 unauthorized", ""),
        ("GET", "/api/nothing", Some(&*token), None, "response 404 not_found", ""),
        ("POST", "/api/uploads", Some(&*token), Some(&*open), "response 201", "an upload"),
        ("POST", "/events", Some(&*token), Some(NOTIFICATION), "response 404 not_found", ""),
        ("POST", "/api/events", Some(&*token), Some(NOTIFICATION), "response 404 not_found", ""),
    ];
    let rows = requests.into_iter().map(|(method, path, token, body, outcome, effect)| {
        let no_token = if token.is_none() { ", no token" } else { "" };
        let request = HttpRequest { method, path, token, body };
        let events = PAYLOAD_FORMATS.iter().map(|(_, format)| format(&request)).collect();
        Row { title: format!("each HTTP payload format: {method} {path}{no_token}"), events, outcome, effect }
    });
    rows.collect()
}

fn eventbridge(key: &str) -> Value {
    let mut event = parse(include_str!("../fixtures/s3-eventbridge.json"));
    event["detail"]["object"]["key"] = key.into();
    event
}

/// A key of the maximum length, or one byte less where `middle` doesn't fit.
fn longest_key(begin: &str, middle: &str, end: &str) -> String {
    let room = 1024 - "inputs/".len() - begin.len() - end.len();
    format!("inputs/{begin}{}{end}", middle.repeat(room / middle.len()))
}

/// A notification with a record per byte that isn't allowed in an id; half of them aren't valid UTF-8.
fn keys_of_every_invalid_byte() -> Value {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let records = (0..=u8::MAX).filter(|byte| !is_allowed(byte)).map(|byte| {
        let object = json!({ "key": format!("inputs/a%{byte:02X}b.mp4"), "size": 5, "eTag": "e" });
        json!({ "eventName": "ObjectCreated:Put", "s3": { "bucket": { "name": "uploads" }, "object": object } })
    });
    json!({ "Records": records.collect::<Vec<_>>() })
}

/// Object events by S3 and EventBridge, malformed ones included.
fn object_events() -> Vec<Row> {
    let mut foreign = eventbridge("inputs/other.mp4");
    foreign["detail"]["bucket"]["name"] = "another".into();
    vec![
        row(
            "S3: test of a notification",
            parse(include_str!("../fixtures/s3-test.json")),
            "response null",
            "",
        ),
        row("S3: three records, two of objects", parse(NOTIFICATION), "response null", "2 times a job"),
        row("S3: the same again", parse(NOTIFICATION), "response null", ""),
        row("S3: no records", json!({ "Records": [] }), "response null", ""),
        row(
            "S3: a record without a bucket",
            json!({ "Records": [{ "eventName": "ObjectCreated:Put", "s3": {} }] }),
            RETRY,
            "",
        ),
        row(
            "EventBridge: film.mp4",
            eventbridge("inputs/film.mp4"),
            "response null",
            "a job, film converting 0",
        ),
        row("EventBridge: film.mp4 again", eventbridge("inputs/film.mp4"), "response null", ""),
        row("EventBridge: a key that no upload has", eventbridge("inputs/a+b.mp4"), "response null", "a job"),
        row("EventBridge: another bucket", foreign, "response null", ""),
        row("EventBridge: `..` in the key", eventbridge("inputs/../film2.mp4"), "response null", "a job"),
        row("EventBridge: a folder", eventbridge("inputs/sub/"), "response null", ""),
        row(
            "EventBridge: an id of 1,013 bytes",
            eventbridge(&longest_key("", "x", ".mp4")),
            "response null",
            "a job",
        ),
        row(
            "EventBridge: a key of 1,024 bytes",
            eventbridge(&longest_key("long.", "é", "")),
            "response null",
            "a job",
        ),
        row("EventBridge: no extension", eventbridge("inputs/noext"), "response null", "a job"),
        row("EventBridge: .MOV", eventbridge("inputs/IMG_0001.MOV"), "response null", "a job"),
        row(
            "S3: keys with each byte that ids exclude",
            keys_of_every_invalid_byte(),
            "response null",
            "63 times a job",
        ),
        row(
            "EventBridge: no detail",
            json!({ "source": "aws.s3", "detail-type": "Object Created" }),
            RETRY,
            "",
        ),
    ]
}

/// Object events in the forms of other services.
fn wrapped_events() -> Vec<Row> {
    let created = |name: &str| eventbridge(&format!("inputs/{name}.mp4")).to_string();
    let in_sns = |message: String| json!({ "Type": "Notification", "Message": message }).to_string();
    let batch = |bodies: &[String]| {
        let record = |body: &String| json!({ "eventSource": "aws:sqs", "messageId": "1", "body": body });
        json!({ "Records": bodies.iter().map(record).collect::<Vec<_>>() })
    };
    let sns = json!({ "Records": [{ "EventSource": "aws:sns", "Sns": { "Message": created("sns") } }] });
    let failures = "response {\"batchItemFailures\":[{\"itemIdentifier\":\"1\"}]}";
    vec![
        row("SNS: an event of EventBridge", sns, "response null", "a job"),
        row("SQS: an event of EventBridge", batch(&[created("sqs")]), "response null", "a job"),
        row(
            "SQS: the same in SNS's envelope",
            batch(&[in_sns(created("sns-sqs"))]),
            "response null",
            "a job",
        ),
        row("SQS: one that isn't an event", batch(&["x".into()]), RETRY, ""),
        row(
            "SQS: one that isn't an event, and one that is",
            batch(&["x".into(), created("one")]),
            failures,
            "a job",
        ),
        row(
            "a record of another service",
            json!({ "Records": [{ "eventSource": "aws:kinesis" }] }),
            RETRY,
            "",
        ),
    ]
}

/// MediaConvert's events of the video `film` and its job.
fn job_events(job: &str) -> Vec<Row> {
    let of_film = |text: &str, job: &str| {
        let mut event = parse(text);
        event["detail"]["jobId"] = job.into();
        event["detail"]["userMetadata"]["videoId"] = "film".into();
        event
    };
    let status = include_str!("../fixtures/mediaconvert-status.json");
    let complete = include_str!("../fixtures/mediaconvert-complete.json");
    let error = include_str!("../fixtures/mediaconvert-error.json");
    let mut newer = of_film(status, job);
    newer["detail"]["status"] = "DREAMING".into();
    vec![
        row("MediaConvert: progress", of_film(status, job), "response null", "film converting 36"),
        row("MediaConvert: error of another job", of_film(error, "another"), "response null", ""),
        row("MediaConvert: an unknown status", newer, "response null", ""),
        row("MediaConvert: complete", of_film(complete, job), "response null", "film ready 100"),
        row(
            "MediaConvert: canceled, too late",
            of_film(include_str!("../fixtures/mediaconvert-canceled.json"), job),
            "response null",
            "",
        ),
        row("MediaConvert: error, too late", of_film(error, job), "response null", ""),
        row("MediaConvert: an unknown video", parse(error), "response null", ""),
        row(
            "MediaConvert: no job id",
            json!({ "source": "aws.mediaconvert", "detail-type": "MediaConvert Job State Change", "detail": { "status": "COMPLETE" } }),
            RETRY,
            "",
        ),
    ]
}

/// Malformed hosts, schemes, paths and queries, in each payload format.
fn malformed_http_requests() -> Vec<Row> {
    let token = token(SECRET, "anna");
    let invalid = "ä b<>\"{}|\\^`?#%zz\u{7f}";
    let request = HttpRequest { method: "GET", path: "/api/videos", token: Some(&token), body: None };
    let all = |title: &str, outcome, change: &dyn Fn(&mut Value)| {
        let events = PAYLOAD_FORMATS.iter().map(|(_, format)| {
            let mut event = format(&request);
            change(&mut event);
            event
        });
        Row {
            title: format!("each HTTP payload format: {title}"),
            events: events.collect(),
            outcome,
            effect: "",
        }
    };
    let undecodable =
        HttpRequest { method: "POST", path: "/api/uploads", token: Some(&token), body: Some("%%%") };
    let undecodable = PAYLOAD_FORMATS.iter().map(|(_, format)| {
        let mut event = format(&undecodable);
        event["isBase64Encoded"] = true.into();
        event
    });
    let path = |event: &mut Value, path: &str| {
        let name = if event["version"] == "2.0" { "rawPath" } else { "path" };
        event[name] = path.into();
    };
    vec![
        all("an invalid host", "response 200", &|event| event["headers"]["host"] = "a b<:x".into()),
        all("an invalid scheme", "response 200", &|event| {
            event["headers"]["x-forwarded-proto"] = "no scheme".into();
        }),
        all("a query with invalid characters", "response 200", &|event| {
            event["rawQueryString"] = invalid.into();
            event["queryStringParameters"] = json!({ invalid: invalid });
        }),
        all("a path with invalid characters", "response 404 not_found", &|event| {
            path(event, &format!("/api/videos/{invalid}"));
        }),
        all("a path without a slash", "response 404 not_found", &|event| path(event, ":x")),
        Row {
            title: "each HTTP payload format: a body that isn't base64".into(),
            events: undecodable.collect(),
            outcome: "response 400 bad_json",
            effect: "",
        },
    ]
}

/// Payloads that aren't events, and the largest ones.
fn other_payloads() -> Vec<Row> {
    let token = token(SECRET, "anna");
    let request =
        |body| HttpRequest { method: "POST", path: "/api/uploads", token: Some(&token), body: Some(body) };
    let long = "x".repeat(5 * 1024 * 1024);
    let mut largest = json!({ "x": "" });
    largest["x"] = "x".repeat(MAX_PAYLOAD_BYTES - largest.to_string().len()).into();
    let inside = json!({ "requestContext": { "http": { "method": "POST", "path": "/events" } }, "rawPath": "/events" });
    vec![
        row("an empty object", json!({}), RETRY, ""),
        row("a list", json!([1, 2]), RETRY, ""),
        row("a string", json!("events"), RETRY, ""),
        row("null", json!(null), RETRY, ""),
        row("an incomplete request", inside, "response 404 not_found", ""),
        row("an event of 6 MB, the largest", largest, RETRY, ""),
        row(
            "function URL: a body of 5 MB",
            PAYLOAD_FORMATS[0].1(&request(&long)),
            "response 413 body_too_large",
            "",
        ),
        row(
            "function URL: truncated JSON",
            PAYLOAD_FORMATS[0].1(&request("{\"fileName\":")),
            "response 400 bad_json",
            "",
        ),
    ]
}

#[tokio::test]
async fn each_event_has_the_documented_outcome_and_effect() {
    let fixture = Fixture::new(&[]).await;
    let token = token(SECRET, "anna");
    let open = json!({ "fileName": "film.mp4", "size": 5, "videoId": "film" }).to_string();
    let request = HttpRequest { method: "POST", path: "/uploads", token: Some(&token), body: Some(&open) };
    assert_eq!(fixture.http(PAYLOAD_FORMATS[0].1, &request).await.0, 201);

    let mut table =
        Table { fixture: &fixture, before: fixture.state().await, text: String::new(), failures: Vec::new() };
    table.add(http_requests()).await;
    table.add(object_events()).await;
    table.add(wrapped_events()).await;
    let client = mediaconvert_client(&fixture.stack);
    let mut film_job = None;
    for id in job_ids(&fixture.stack).await {
        let job = client.get_job().id(&id).send().await.unwrap().job.unwrap();
        if job.user_metadata().and_then(|data| data.get("videoId")).is_some_and(|video| video == "film") {
            film_job = Some(id);
        }
    }
    assert!(film_job.is_some(), "{}", table.failures.join("\n"));
    table.add(job_events(&film_job.unwrap())).await;
    table.add(other_payloads()).await;
    table.add(malformed_http_requests()).await;
    assert!(table.failures.is_empty(), "{}", table.failures.join("\n"));
    let document = include_str!("../../docs/lambda.md");
    assert!(document.contains(&table.text), "docs/lambda.md must have these rows:\n{}", table.text);
    let log = fixture.log();
    let lines: Vec<Value> = log.lines().map(parse).collect();
    let count = |outcome: &str| lines.iter().filter(|line| line["fields"]["outcome"] == outcome).count();
    assert!(lines.iter().all(|line| line["timestamp"].is_string() || line["_aws"].is_object()), "{log}");
    assert!(count("done") > 5 && count("failed") > 3, "one JSON line per event: {log}");
    assert!(!log.contains(SECRET) && !log.contains("X-Amz-Signature") && !log.contains(&token), "{log}");
    fixture.stack.stop().await;
}

struct Table<'a> {
    fixture: &'a Fixture,
    before: State,
    /// The rows as Markdown.
    text: String,
    failures: Vec<String>,
}

impl Table<'_> {
    async fn add(&mut self, rows: Vec<Row>) {
        for Row { title, events, outcome, effect } in rows {
            for event in events {
                let actual = describe(&self.fixture.invoke(&event).await);
                let after = self.fixture.state().await;
                let actual_effect = describe_changes(&self.before, &after);
                self.before = after;
                let matches = if outcome == RETRY { actual.starts_with(outcome) } else { actual == outcome };
                if !matches || actual_effect != effect {
                    self.failures.push(format!(
                        "{title}: {actual} and `{actual_effect}`, not {outcome} and `{effect}`: {event:.300}"
                    ));
                }
            }
            let effect = if effect.is_empty() { "nothing" } else { effect };
            self.text += &format!("| {title} | {outcome} | {effect} |\n");
        }
    }
}

fn describe_changes(before: &State, after: &State) -> String {
    let count = |before: usize, after: usize, one: &str| match after - before {
        0 => None,
        1 => Some(one.to_owned()),
        many => Some(format!("{many} times {one}")),
    };
    let film = (before.film != after.film).then(|| format!("film {}", after.film));
    [count(before.jobs, after.jobs, "a job"), count(before.uploads, after.uploads, "an upload"), film]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}

/// Over HTTP, through the Invoke API and the function URL.
#[tokio::test]
async fn payload_over_the_limit_is_rejected_before_the_function() {
    let fixture = Fixture::new(&[]).await;
    let base = serve(function_url::router(fixture.lambda.clone())).await;
    let client = reqwest::Client::new();
    let invoke =
        |body: String| client.post(format!("{base}/2015-03-31/functions/edge/invocations")).body(body).send();

    let handled = invoke("{\"Event\":\"s3:TestEvent\"}".into()).await.unwrap();
    assert_eq!(handled.status(), 200);
    assert!(!handled.headers().contains_key("x-amz-function-error"));
    assert_eq!(handled.text().await.unwrap(), "null");
    let failed = invoke(json!({ "Records": [{ "eventName": "ObjectCreated:Put", "s3": {} }] }).to_string())
        .await
        .unwrap();
    assert_eq!(failed.status(), 200, "the invocation succeeded, the function failed");
    assert_eq!(failed.headers()["x-amz-function-error"], "Unhandled");
    let rejected = invoke(format!("\"{}\"", "x".repeat(MAX_PAYLOAD_BYTES))).await.unwrap();
    assert_eq!(rejected.status(), 413);
    assert_eq!(rejected.headers()["x-amzn-errortype"], "RequestTooLargeException");
    assert_eq!(invoke("{".into()).await.unwrap().status(), 400);

    let call = |body: Vec<u8>| {
        client.post(format!("{base}/api/uploads")).bearer_auth(token(SECRET, "anna")).body(body).send()
    };
    assert_eq!(call(vec![b'x'; MAX_PAYLOAD_BYTES]).await.unwrap().status(), 413);
    let opened = call(json!({ "fileName": "a.mp4", "size": 5 }).to_string().into()).await.unwrap();
    assert_eq!(
        (opened.status().as_u16(), &opened.headers()["content-type"]),
        (201, &"application/json".parse().unwrap())
    );
    assert_eq!(parse(&opened.text().await.unwrap())["partCount"], 1);
    fixture.stack.stop().await;
}

#[tokio::test]
async fn function_over_its_timeout_is_killed_and_the_next_invocation_succeeds() {
    // A listener that accepts no connection, so requests are never answered.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mediaconvert = format!("http://{}", silent.local_addr().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let settings = fixture::settings(None, &dir, &[("AWS_ENDPOINT_URL_MEDIACONVERT", &mediaconvert)]);
    let mut function = tests::lambda_runtime::Function::new(fixture::task_root(), settings);
    (function.timeout, function.log) = (std::time::Duration::from_secs(1), Some(dir.path().join("log")));
    let lambda = tests::lambda_runtime::Lambda::new(function);
    let event = eventbridge("inputs/film.mp4").to_string();
    let invoked = lambda.invoke(event.into()).await;
    assert!(describe(&invoked.outcome).contains("timed out after 1.00 seconds"), "{invoked:?}");
    let unneeded = include_str!("../fixtures/s3-test.json");
    let next = lambda.invoke(unneeded.into()).await;
    assert_eq!(next.outcome, Outcome::Response("null".into()));
    assert!(next.report.init.is_some(), "in a new process");
    let warm = lambda.invoke(unneeded.into()).await;
    assert!(warm.report.init.is_none() && warm.report.memory_kb > 0, "in the same: {warm:?}");
}
