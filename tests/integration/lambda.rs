//! The edge as it is released, under Lambda's rules: what goes in, what Lambda sees, what is done.

mod events_only;
mod fixture;
mod http_payloads;
mod init_errors;

use crate::events::event_delivery::jobs;
use crate::support::api_client::token;
use fixture::{House, SECRET, told};
use http_payloads::{Asked, FORMS};
use serde_json::{Value, json};
use tests::lambda_runtime::{MAX_PAYLOAD_BYTES, Outcome, function_url};

const NOTIFICATION: &str = include_str!("../fixtures/s3-notification.json");
/// Lambda's word for an event that is to come again.
const AGAIN: &str = "error: the event can't be handled now";

fn fixture(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What went in, what Lambda saw, what was done; and what was expected of both.
struct Row {
    went_in: String,
    /// One, or one for each of HTTP's http_payloads: they must all come to the same.
    events: Vec<Value>,
    saw: &'static str,
    done: &'static str,
}

fn row(went_in: &str, event: Value, saw: &'static str, done: &'static str) -> Row {
    Row { went_in: went_in.into(), events: vec![event], saw, done }
}

/// The same requests in each of HTTP's http_payloads. Each opens an upload of its own; none reaches `/events`.
fn http() -> Vec<Row> {
    let token = token(SECRET, "anna");
    let open = json!({ "fileName": "a.mp4", "size": 5 }).to_string();
    let asked = [
        ("GET", "/api/videos", Some(&*token), None, "response 200", ""),
        ("GET", "/api/videos", None, None, "response 401 unauthorized", ""),
        ("GET", "/api/nothing", Some(&*token), None, "response 404 not_found", ""),
        ("POST", "/api/uploads", Some(&*token), Some(&*open), "response 201", "an upload"),
        ("POST", "/events", Some(&*token), Some(NOTIFICATION), "response 404 not_found", ""),
        ("POST", "/api/events", Some(&*token), Some(NOTIFICATION), "response 404 not_found", ""),
    ];
    let rows = asked.into_iter().map(|(method, path, token, body, saw, done)| {
        let guest = if token.is_none() { ", no token" } else { "" };
        let asked = Asked { method, path, token, body };
        let events = FORMS.iter().map(|(_, event)| event(&asked)).collect();
        Row { went_in: format!("each form of HTTP: {method} {path}{guest}"), events, saw, done }
    });
    rows.collect()
}

fn bridged(key: &str) -> Value {
    let mut event = fixture(include_str!("../fixtures/s3-eventbridge.json"));
    event["detail"]["object"]["key"] = key.into();
    event
}

/// A key as long as S3 takes one, but for a byte that doesn't go in.
fn long(begin: &str, middle: &str, end: &str) -> String {
    let room = 1024 - "inputs/".len() - begin.len() - end.len();
    format!("inputs/{begin}{}{end}", middle.repeat(room / middle.len()))
}

/// A notification with a record for each byte that no id of ours has: half of them are no UTF-8 by themselves.
fn every_byte() -> Value {
    let ours = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let records = (0..=u8::MAX).filter(|byte| !ours(byte)).map(|byte| {
        let object = json!({ "key": format!("inputs/a%{byte:02X}b.mp4"), "size": 5, "eTag": "e" });
        json!({ "eventName": "ObjectCreated:Put", "s3": { "bucket": { "name": "uploads" }, "object": object } })
    });
    json!({ "Records": records.collect::<Vec<_>>() })
}

/// S3's events and what calls itself one.
fn objects() -> Vec<Row> {
    let mut foreign = bridged("inputs/other.mp4");
    foreign["detail"]["bucket"]["name"] = "another".into();
    vec![
        row(
            "S3: test of a notification",
            fixture(include_str!("../fixtures/s3-test.json")),
            "response null",
            "",
        ),
        row("S3: three records, one an upload", fixture(NOTIFICATION), "response null", "a job"),
        row("S3: the same once more", fixture(NOTIFICATION), "response null", ""),
        row("S3: no records", json!({ "Records": [] }), "response null", ""),
        row(
            "S3: a record without a bucket",
            json!({ "Records": [{ "eventName": "ObjectCreated:Put", "s3": {} }] }),
            AGAIN,
            "",
        ),
        row("EventBridge: film.mp4", bridged("inputs/film.mp4"), "response null", "a job, film converting 0"),
        row("EventBridge: film.mp4 once more", bridged("inputs/film.mp4"), "response null", ""),
        row("EventBridge: a key that isn't ours", bridged("inputs/a+b.mp4"), "response null", ""),
        row("EventBridge: another bucket", foreign, "response null", ""),
        row("EventBridge: `..` in the key", bridged("inputs/../film2.mp4"), "response null", ""),
        row("EventBridge: an id of 1,013 bytes", bridged(&long("", "x", ".mp4")), "response null", ""),
        row("EventBridge: a key of 1,024 bytes", bridged(&long("long.", "é", "")), "response null", "a job"),
        row("EventBridge: no extension", bridged("inputs/noext"), "response null", "a job"),
        row("EventBridge: .MOV", bridged("inputs/IMG_0001.MOV"), "response null", "a job"),
        row("S3: keys of each byte that ids haven't", every_byte(), "response null", ""),
        row(
            "EventBridge: no detail",
            json!({ "source": "aws.s3", "detail-type": "Object Created" }),
            AGAIN,
            "",
        ),
    ]
}

/// MediaConvert's events of `film` and its job.
fn conversions(job: &str) -> Vec<Row> {
    let of_film = |text: &str, job: &str| {
        let mut event = fixture(text);
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
        row("MediaConvert: a status not known yet", newer, "response null", ""),
        row("MediaConvert: complete", of_film(complete, job), "response null", "film ready 100"),
        row(
            "MediaConvert: canceled, too late",
            of_film(include_str!("../fixtures/mediaconvert-canceled.json"), job),
            "response null",
            "",
        ),
        row("MediaConvert: error, too late", of_film(error, job), "response null", ""),
        row("MediaConvert: of nobody's video", fixture(error), "response null", ""),
        row(
            "MediaConvert: no job id",
            json!({ "source": "aws.mediaconvert", "detail-type": "MediaConvert Job State Change", "detail": { "status": "COMPLETE" } }),
            AGAIN,
            "",
        ),
    ]
}

/// What only somebody who means harm writes into a request, in each form of HTTP.
fn untamed() -> Vec<Row> {
    let token = token(SECRET, "anna");
    let odd = "ä b<>\"{}|\\^`?#%zz\u{7f}";
    let asked = Asked { method: "GET", path: "/api/videos", token: Some(&token), body: None };
    let all = |went_in: &str, saw, change: &dyn Fn(&mut Value)| {
        let events = FORMS.iter().map(|(_, form)| {
            let mut event = form(&asked);
            change(&mut event);
            event
        });
        Row { went_in: format!("each form of HTTP: {went_in}"), events: events.collect(), saw, done: "" }
    };
    let path = |event: &mut Value, path: &str| {
        let name = if event["version"] == "2.0" { "rawPath" } else { "path" };
        event[name] = path.into();
    };
    vec![
        all("a host that is none", "response 200", &|event| event["headers"]["host"] = "a b<:x".into()),
        all("a scheme that is none", "response 200", &|event| {
            event["headers"]["x-forwarded-proto"] = "no scheme".into();
        }),
        all("a query of all kinds of characters", "response 200", &|event| {
            event["rawQueryString"] = odd.into();
            event["queryStringParameters"] = json!({ odd: odd });
        }),
        all("a path of all kinds", "response 404 not_found", &|event| {
            path(event, &format!("/api/videos/{odd}"));
        }),
        all("a path without a slash", "response 404 not_found", &|event| path(event, ":x/api/videos")),
    ]
}

/// What nobody meant to send.
fn garbage() -> Vec<Row> {
    let token = token(SECRET, "anna");
    let asked = |body| Asked { method: "POST", path: "/api/uploads", token: Some(&token), body: Some(body) };
    let long = "x".repeat(5 * 1024 * 1024);
    let mut largest = json!({ "x": "" });
    largest["x"] = "x".repeat(MAX_PAYLOAD_BYTES - largest.to_string().len()).into();
    let inside = json!({ "requestContext": { "http": { "method": "POST", "path": "/events" } }, "rawPath": "/events" });
    vec![
        row("an empty object", json!({}), "response null", ""),
        row("a list", json!([1, 2]), "response null", ""),
        row("a word", json!("events"), "response null", ""),
        row("null", json!(null), "response null", ""),
        row("half a request", inside, "response 404 not_found", ""),
        row("an event of 6 MB, the largest", largest, AGAIN, ""),
        row("function URL: a body of 5 MB", FORMS[0].1(&asked(&long)), "response 413 body_too_large", ""),
        row("function URL: half a JSON", FORMS[0].1(&asked("{\"fileName\":")), "response 400 bad_json", ""),
    ]
}

#[tokio::test]
async fn what_goes_in_what_lambda_sees_and_what_is_done() {
    let house = House::new(&[]).await;
    let token = token(SECRET, "anna");
    let open = json!({ "fileName": "film.mp4", "size": 5, "videoId": "film" }).to_string();
    let asked = Asked { method: "POST", path: "/uploads", token: Some(&token), body: Some(&open) };
    assert_eq!(house.ask(FORMS[0].1, &asked).await.0, 201);

    let mut table =
        Table { house: &house, before: house.done().await, text: String::new(), wrong: Vec::new() };
    table.add(http()).await;
    table.add(objects()).await;
    let client = aws_sdk_mediaconvert::Client::new(&crate::support::stack::sdk(&house.stack.mediaconvert));
    let mut of_film = None;
    for id in jobs(&house.stack).await {
        let job = client.get_job().id(&id).send().await.unwrap().job.unwrap();
        if job.user_metadata().and_then(|data| data.get("videoId")).is_some_and(|video| video == "film") {
            of_film = Some(id);
        }
    }
    table.add(conversions(&of_film.unwrap())).await;
    table.add(garbage()).await;
    table.add(untamed()).await;
    assert!(table.wrong.is_empty(), "{}", table.wrong.join("\n"));
    let told = include_str!("../../docs/lambda.md");
    assert!(told.contains(&table.text), "docs/lambda.md must have these rows:\n{}", table.text);
    let log = house.log();
    let lines: Vec<Value> = log.lines().map(fixture).collect();
    let outcomes = |outcome: &str| lines.iter().filter(|line| line["fields"]["outcome"] == outcome).count();
    assert!(lines.iter().all(|line| line["timestamp"].is_string() || line["_aws"].is_object()), "{log}");
    assert!(outcomes("done") > 5 && outcomes("failed") > 3, "a JSON object for each event: {log}");
    assert!(!log.contains(SECRET) && !log.contains("X-Amz-Signature") && !log.contains(&token), "{log}");
    house.stack.stop().await;
}

struct Table<'a> {
    house: &'a House,
    before: (usize, usize, String),
    text: String,
    wrong: Vec<String>,
}

impl Table<'_> {
    async fn add(&mut self, rows: Vec<Row>) {
        for Row { went_in, events, saw, done } in rows {
            for event in events {
                let seen = told(&self.house.invoke(&event).await);
                let after = self.house.done().await;
                let what = differences(&self.before, &after);
                self.before = after;
                let same = if saw == AGAIN { seen.starts_with(saw) } else { seen == saw };
                if !same || what != done {
                    self.wrong.push(format!(
                        "{went_in}: {seen} and `{what}`, not {saw} and `{done}`: {event:.300}"
                    ));
                }
            }
            let done = if done.is_empty() { "nothing" } else { done };
            self.text += &format!("| {went_in} | {saw} | {done} |\n");
        }
    }
}

fn differences(before: &(usize, usize, String), after: &(usize, usize, String)) -> String {
    let count = |before: usize, after: usize, one: &str| match after - before {
        0 => None,
        1 => Some(one.to_owned()),
        many => Some(format!("{many} times {one}")),
    };
    let film = (before.2 != after.2).then(|| format!("film {}", after.2));
    [count(before.0, after.0, "a job"), count(before.1, after.1, "an upload"), film]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}

/// Over HTTP, as a browser and an SDK reach it.
#[tokio::test]
async fn what_is_too_large_never_reaches_the_function() {
    let house = House::new(&[]).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, function_url::router(house.lambda.clone())).into_future());
    let client = reqwest::Client::new();
    let invoke =
        |body: String| client.post(format!("{base}/2015-03-31/functions/edge/invocations")).body(body).send();

    let taken = invoke("{\"Event\":\"s3:TestEvent\"}".into()).await.unwrap();
    assert_eq!(taken.status(), 200);
    assert!(!taken.headers().contains_key("x-amz-function-error"));
    assert_eq!(taken.text().await.unwrap(), "null");
    let failed = invoke(json!({ "Records": [{ "eventName": "ObjectCreated:Put", "s3": {} }] }).to_string())
        .await
        .unwrap();
    assert_eq!(failed.status(), 200, "the invocation went well, the function didn't");
    assert_eq!(failed.headers()["x-amz-function-error"], "Unhandled");
    let refused = invoke(format!("\"{}\"", "x".repeat(MAX_PAYLOAD_BYTES))).await.unwrap();
    assert_eq!(refused.status(), 413);
    assert_eq!(refused.headers()["x-amzn-errortype"], "RequestTooLargeException");
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
    assert_eq!(fixture(&opened.text().await.unwrap())["partCount"], 1);
    house.stack.stop().await;
}

#[tokio::test]
async fn a_function_that_takes_too_long_is_killed_and_the_next_is_fine() {
    // Whoever is asked here never answers: connections wait to be taken.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mediaconvert = format!("http://{}", silent.local_addr().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let settings = fixture::settings(None, &dir, &[("AWS_ENDPOINT_URL_MEDIACONVERT", &mediaconvert)]);
    let mut function = tests::lambda_runtime::Function::new(fixture::task(), settings);
    (function.timeout, function.log) = (std::time::Duration::from_secs(1), Some(dir.path().join("log")));
    let lambda = tests::lambda_runtime::Lambda::new(function);
    let event = bridged("inputs/film.mp4").to_string();
    let invoked = lambda.invoke(event.into()).await;
    assert!(told(&invoked.outcome).contains("timed out after 1.00 seconds"), "{invoked:?}");
    let again = lambda.invoke("{}".into()).await;
    assert_eq!(again.outcome, Outcome::Response("null".into()));
    assert!(again.report.init.is_some(), "in a new process");
    let warm = lambda.invoke("{}".into()).await;
    assert!(warm.report.init.is_none() && warm.report.memory_kb > 0, "in the same: {warm:?}");
}
