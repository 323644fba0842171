//! The shapes of AWS's events, parsed leniently: unknown fields and states are ignored. Pure.

use crate::job::without_nulls;
use crate::key::{decode_event_key, unquote_etag};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// One event, as far as the edge handles it.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An object was created in a bucket.
    Object(ObjectCreated),
    Job(JobEvent),
    Reconcile(Reconcile),
    /// The object of a failed video is to be converted again. Contains the video's id.
    ConvertAgain(String),
    /// The owner deleted a video. Contains its id.
    Deleted(String),
    /// There is nothing to do. Contains the reason, for the log.
    Ignored(String),
}

/// An event that can't be read or isn't known: it was sent here by mistake, or the edge is too old for it.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    #[error("{part} can't be read: {source}")]
    Unreadable { part: &'static str, source: serde_json::Error },
    #[error("an event of an unknown kind: {0}")]
    Unknown(String),
    #[error("events are wrapped in each other too often")]
    TooDeep,
}

/// One message of an invocation, with its events in order.
#[derive(Debug, Default)]
pub struct Message {
    /// SQS's id of the message. `None`: the invocation isn't a batch of a queue.
    pub sqs_id: Option<String>,
    pub events: Vec<Result<Event, EventError>>,
}

impl Event {
    /// The kind's name in the log.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Object(_) => "objects",
            Self::Job(_) => "job",
            Self::Reconcile(_) => "reconcile",
            Self::ConvertAgain(_) => "convert_again",
            Self::Deleted(_) => "deleted",
            Self::Ignored(_) => "ignored",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectCreated {
    pub bucket: String,
    /// Decoded, without form encoding.
    pub key: String,
    pub etag: String,
    /// In bytes.
    pub size: u64,
}

/// The edge's own event, sent by a schedule or manually:
/// `{"source":"greloupis","detail-type":"Reconcile","detail":{…}}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reconcile {
    /// Records and objects younger than this are skipped: their events may still come.
    pub older_than_seconds: u64,
    /// Objects older than this are skipped.
    pub newer_than_hours: u64,
}

impl Default for Reconcile {
    fn default() -> Self {
        Self { older_than_seconds: 15 * 60, newer_than_hours: 48 }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct JobEvent {
    pub job_id: String,
    pub video_id: String,
    pub update: JobUpdate,
}

#[derive(Clone, Debug, PartialEq)]
pub enum JobUpdate {
    /// 0–100.
    Progress(u8),
    Complete(Vec<OutputGroup>),
    Error {
        code: String,
        message: String,
    },
    Canceled,
}

/// An item of `outputGroupDetails` in a COMPLETE event.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OutputGroup {
    pub playlist_file_paths: Vec<String>,
    pub output_details: Vec<Output>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Output {
    pub output_file_paths: Vec<String>,
    pub duration_in_ms: Option<u64>,
}

#[derive(Deserialize)]
struct S3Record {
    #[serde(rename = "eventName", default)]
    event_name: String,
    s3: S3Entity,
}

#[derive(Deserialize)]
struct S3Entity {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

/// S3's notifications have `eTag`, EventBridge's events `etag`.
#[derive(Deserialize)]
struct Object {
    key: String,
    #[serde(default)]
    size: u64,
    #[serde(default, alias = "eTag")]
    etag: String,
}

#[derive(Deserialize)]
struct EventBridgeDetail {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobDetail {
    job_id: String,
    status: String,
    #[serde(default)]
    user_metadata: BTreeMap<String, String>,
    #[serde(default)]
    job_progress: JobProgress,
    #[serde(default)]
    output_group_details: Vec<OutputGroup>,
    #[serde(default)]
    error_code: Value,
    #[serde(default)]
    error_message: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobProgress {
    #[serde(default)]
    job_percent_complete: u8,
}

/// The content of the edge's own events.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VideoDetail {
    video_id: String,
}

/// The most wrappings of an event: EventBridge's or S3's, in SNS, in SQS, and one to spare.
const MAX_DEPTH: u32 = 4;

/// Parses what the edge is invoked with: one event, or a batch, in whatever SNS, SQS and EventBridge wrap it.
pub fn parse(event: &Value) -> Vec<Message> {
    let records = event.get("Records").and_then(Value::as_array).filter(|records| !records.is_empty());
    let sqs_id = |record: &Value| record.get("messageId")?.as_str().map(str::to_owned);
    let body = |record: &Value| record.get("body")?.as_str().map(str::to_owned);
    let messages = records.map(|records| records.iter().map(|record| Some((sqs_id(record)?, body(record)?))));
    if let Some(messages) = messages.and_then(Iterator::collect::<Option<Vec<_>>>) {
        return messages.into_iter().map(|(id, body)| unwrap_text(Some(id), &body)).collect();
    }
    let mut message = Message::default();
    unwrap(event, 0, &mut message.events);
    vec![message]
}

fn unwrap_text(sqs_id: Option<String>, text: &str) -> Message {
    let mut message = Message { sqs_id, events: Vec::new() };
    parse_text(text, 1, &mut message.events);
    message
}

fn parse_text(text: &str, depth: u32, events: &mut Vec<Result<Event, EventError>>) {
    match serde_json::from_str(text) {
        Ok(value) => unwrap(&value, depth, events),
        Err(source) => events.push(Err(EventError::Unreadable { part: "a wrapped event", source })),
    }
}

/// Adds the events of a value, which may be wrapped. One that can't be read doesn't drop the others.
fn unwrap(value: &Value, depth: u32, events: &mut Vec<Result<Event, EventError>>) {
    if depth > MAX_DEPTH {
        return events.push(Err(EventError::TooDeep));
    }
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    if text(value, "Event").as_deref() == Some("s3:TestEvent") {
        return events.push(Ok(Event::Ignored("S3's test of a notification".into())));
    }
    if let Some(records) = value.get("Records").and_then(Value::as_array) {
        for record in records {
            // SNS's record, and SQS's among others.
            match record.get("Sns").and_then(|sns| text(sns, "Message")).or_else(|| text(record, "body")) {
                Some(wrapped) => parse_text(&wrapped, depth + 1, events),
                None => events.push(self::record(record)),
            }
        }
        return;
    }
    // SNS's envelope in a queue.
    if text(value, "Type").as_deref() == Some("Notification")
        && let Some(wrapped) = text(value, "Message")
    {
        return parse_text(&wrapped, depth + 1, events);
    }
    events.push(event_bridge(value));
}

/// An event of EventBridge, or one of the edge's own, which have the same shape.
fn event_bridge(event: &Value) -> Result<Event, EventError> {
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let detail = event.get("detail").cloned().unwrap_or_default();
    let video_id =
        |detail| Ok::<_, EventError>(deserialize::<VideoDetail>(detail, "the event's detail")?.video_id);
    match (text("source"), text("detail-type")) {
        ("aws.s3", "Object Created") => {
            let EventBridgeDetail { bucket, object } = deserialize(detail, "the S3 event's detail")?;
            // EventBridge doesn't encode keys.
            let Object { key, size, etag } = object;
            Ok(Event::Object(ObjectCreated { bucket: bucket.name, key, etag: unquote_etag(&etag), size }))
        }
        ("aws.mediaconvert", "MediaConvert Job State Change") => {
            job(deserialize(detail, "the job's detail")?)
        }
        ("greloupis", "Reconcile") => {
            let detail = if detail.is_null() { Value::Object(Default::default()) } else { detail };
            Ok(Event::Reconcile(deserialize(detail, "the detail of Reconcile")?))
        }
        ("greloupis", "Convert Again") => video_id(detail).map(Event::ConvertAgain),
        ("greloupis", "Video Deleted") => video_id(detail).map(Event::Deleted),
        (source @ ("aws.s3" | "aws.mediaconvert"), kind) => {
            Ok(Event::Ignored(format!("an event that isn't needed: {source:?}, {kind:?}")))
        }
        (source, kind) => Err(EventError::Unknown(format!("source {source:?}, detail-type {kind:?}"))),
    }
}

/// A record of S3's notifications, or of the stream of the catalog's table.
fn record(record: &Value) -> Result<Event, EventError> {
    // Not recognized by its source: stores other than S3 have their own.
    if record.get("s3").is_some() {
        return notification(record);
    }
    let source = record.get("eventSource").and_then(Value::as_str).unwrap_or_default();
    let Some(stream) = record.get("dynamodb").filter(|_| source == "aws:dynamodb") else {
        return Err(EventError::Unknown(format!("a record of {source:?}")));
    };
    let is_deleted = stream.pointer("/NewImage/deleted/S").and_then(Value::as_str) == Some("requested");
    let id = stream.pointer("/Keys/id/S").and_then(Value::as_str).unwrap_or_default();
    Ok(match id.strip_prefix("video#").filter(|_| is_deleted) {
        Some(video_id) => Event::Deleted(video_id.into()),
        None => Event::Ignored("a change of the catalog that isn't a deletion".into()),
    })
}

fn deserialize<T: serde::de::DeserializeOwned>(value: Value, part: &'static str) -> Result<T, EventError> {
    serde_json::from_value(without_nulls(value)).map_err(|source| EventError::Unreadable { part, source })
}

fn notification(record: &Value) -> Result<Event, EventError> {
    let S3Record { event_name, s3 } = deserialize(record.clone(), "an S3 record")?;
    if !event_name.trim_start_matches("s3:").starts_with("ObjectCreated:") {
        return Ok(Event::Ignored(format!("an S3 event that isn't needed: {event_name:?}")));
    }
    let Some(key) = decode_event_key(&s3.object.key) else {
        return Ok(Event::Ignored("an object whose key isn't UTF-8".into()));
    };
    let etag = unquote_etag(&s3.object.etag);
    Ok(Event::Object(ObjectCreated { bucket: s3.bucket.name, key, etag, size: s3.object.size }))
}

fn job(detail: JobDetail) -> Result<Event, EventError> {
    let Some(video_id) = detail.user_metadata.get("videoId") else {
        return Ok(Event::Ignored("a job without a video id in its metadata".into()));
    };
    let update = match detail.status.as_str() {
        "STATUS_UPDATE" => JobUpdate::Progress(detail.job_progress.job_percent_complete.min(100)),
        "PROGRESSING" => JobUpdate::Progress(0),
        "COMPLETE" => JobUpdate::Complete(detail.output_group_details),
        "ERROR" => JobUpdate::Error {
            code: match detail.error_code {
                Value::String(code) => code,
                Value::Number(code) => code.to_string(),
                _ => "unknown".into(),
            },
            message: detail.error_message,
        },
        "CANCELED" => JobUpdate::Canceled,
        other => return Ok(Event::Ignored(format!("an unknown job status: {other:?}"))),
    };
    Ok(Event::Job(JobEvent { job_id: detail.job_id, video_id: video_id.clone(), update }))
}

#[cfg(test)]
mod tests;
