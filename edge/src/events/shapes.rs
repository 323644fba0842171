//! The shapes of AWS's events, parsed leniently: unknown fields and kinds are ignored. Pure.

use crate::key::{decode_event_key, unquote_etag};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// An event, as far as the edge handles it.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Objects were created in a bucket.
    Objects(Vec<ObjectCreated>),
    Job(JobEvent),
    Reconcile(Reconcile),
    /// There is nothing to do. Contains the reason, for the log.
    Ignored(String),
}

/// An event of a known kind has an unexpected shape.
#[derive(Debug, thiserror::Error)]
#[error("{part} can't be read: {source}")]
pub struct EventError {
    part: &'static str,
    source: serde_json::Error,
}

impl Event {
    /// The kind's name in the log.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Objects(_) => "objects",
            Self::Job(_) => "job",
            Self::Reconcile(_) => "reconcile",
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

/// Parses an event. Fails only for kinds that the edge handles.
pub fn parse(event: Value) -> Result<Event, EventError> {
    if event.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        return Ok(Event::Ignored("S3's test of a notification".into()));
    }
    if let Some(Value::Array(records)) = event.get("Records") {
        return notification(records);
    }
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let detail = event.get("detail").cloned().unwrap_or_default();
    match (text("source").as_str(), text("detail-type").as_str()) {
        ("aws.s3", "Object Created") => {
            let EventBridgeDetail { bucket, object } = deserialize(detail, "the S3 event's detail")?;
            // EventBridge doesn't encode keys.
            let Object { key, size, etag } = object;
            Ok(Event::Objects(vec![ObjectCreated {
                bucket: bucket.name,
                key,
                etag: unquote_etag(&etag),
                size,
            }]))
        }
        ("aws.mediaconvert", "MediaConvert Job State Change") => {
            job(deserialize(detail, "the job's detail")?)
        }
        ("greloupis", "Reconcile") => {
            let detail = if detail.is_null() { Value::Object(Default::default()) } else { detail };
            Ok(Event::Reconcile(deserialize(detail, "the detail of Reconcile")?))
        }
        (source, kind) => Ok(Event::Ignored(format!("an event of an unknown kind: {source:?}, {kind:?}"))),
    }
}

fn deserialize<T: serde::de::DeserializeOwned>(value: Value, part: &'static str) -> Result<T, EventError> {
    serde_json::from_value(without_nulls(value)).map_err(|source| EventError { part, source })
}

/// Removes members that are `null`: senders use it like an absent member.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        scalar => scalar,
    }
}

fn notification(records: &[Value]) -> Result<Event, EventError> {
    let mut created = Vec::new();
    for record in records {
        // Not recognized by its source: stores other than S3 have their own.
        if record.get("s3").is_none() {
            return Ok(Event::Ignored("records of another service than S3".into()));
        }
        let S3Record { event_name, s3 } = deserialize(record.clone(), "an S3 record")?;
        if !event_name.trim_start_matches("s3:").starts_with("ObjectCreated:") {
            continue;
        }
        let Some(key) = decode_event_key(&s3.object.key) else {
            tracing::warn!("object ignored: its key isn't UTF-8");
            continue;
        };
        created.push(ObjectCreated {
            bucket: s3.bucket.name,
            key,
            etag: unquote_etag(&s3.object.etag),
            size: s3.object.size,
        });
    }
    Ok(Event::Objects(created))
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
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn fixture(name: &str) -> Value {
        let path = format!("{}/../tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn notification_yields_all_its_created_objects() {
        let Event::Objects(objects) = parse(fixture("s3-notification")).unwrap() else { panic!() };
        let keys: Vec<_> = objects.iter().map(|object| &*object.key).collect();
        assert_eq!(keys, ["inputs/a b+c.mp4", "inputs/5f2.mov"], "the deleted object isn't among them");
        assert_eq!((&*objects[1].bucket, objects[1].size), ("uploads", 104_857_600));
        assert_eq!(objects[1].etag, "d41d8cd98f00b204e9800998ecf8427e-13");
    }

    #[test]
    fn eventbridge_key_is_not_decoded() {
        let Event::Objects(objects) = parse(fixture("s3-eventbridge")).unwrap() else { panic!() };
        assert_eq!(objects[0].key, "inputs/a+b.mp4");
        assert_eq!(objects[0].size, 5);
    }

    #[test]
    fn s3_test_event_is_ignored() {
        assert!(matches!(parse(fixture("s3-test")).unwrap(), Event::Ignored(_)));
    }

    #[test]
    fn job_event_has_its_update() {
        let update = |name: &str| match parse(fixture(name)).unwrap() {
            Event::Job(job) => (job.video_id, job.update),
            other => panic!("{other:?}"),
        };
        let (video, complete) = update("mediaconvert-complete");
        assert_eq!(video, "5f2c");
        let JobUpdate::Complete(groups) = complete else { panic!() };
        assert_eq!(groups[0].playlist_file_paths, ["s3://media/assets/HLS/5f2c.m3u8"]);
        assert!(groups[1].playlist_file_paths.is_empty());
        assert_eq!(groups[1].output_details[0].duration_in_ms, Some(20_000));
        assert_eq!(update("mediaconvert-status").1, JobUpdate::Progress(36));
        assert_eq!(update("mediaconvert-canceled").1, JobUpdate::Canceled);
        let JobUpdate::Error { code, message } = update("mediaconvert-error").1 else { panic!() };
        assert_eq!(code, "1040");
        assert!(!message.is_empty());
    }

    #[test]
    fn unknown_event_is_ignored_and_malformed_refused() {
        let mut later = fixture("mediaconvert-complete");
        later["detail"]["status"] = json!("PAUSED");
        assert!(matches!(parse(later).unwrap(), Event::Ignored(_)));
        let mut foreign = fixture("mediaconvert-complete");
        foreign["detail"]["userMetadata"] = json!({});
        assert!(matches!(parse(foreign).unwrap(), Event::Ignored(_)));
        for other in [json!(null), json!({}), json!([1]), json!({"Records": [{"eventSource": "aws:sqs"}]})] {
            assert!(matches!(parse(other).unwrap(), Event::Ignored(_)));
        }
        let mut sparse = fixture("mediaconvert-status");
        sparse["detail"]["jobProgress"]["jobPercentComplete"] = json!(null);
        sparse["detail"]["outputGroupDetails"] = json!(null);
        let Ok(Event::Job(JobEvent { update, .. })) = parse(sparse) else { panic!() };
        assert_eq!(update, JobUpdate::Progress(0));
        let mut broken = fixture("mediaconvert-complete");
        broken["detail"]["jobId"] = json!(7);
        assert!(parse(broken).unwrap_err().to_string().contains("can't be read"));
    }

    #[test]
    fn reconcile_event_has_defaults() {
        let reconcile = |detail: Value| {
            parse(json!({ "source": "greloupis", "detail-type": "Reconcile", "detail": detail }))
        };
        assert_eq!(reconcile(Value::Null).unwrap(), Event::Reconcile(Reconcile::default()));
        let immediate = Reconcile { older_than_seconds: 0, ..Reconcile::default() };
        assert_eq!(reconcile(json!({ "olderThanSeconds": 0 })).unwrap(), Event::Reconcile(immediate));
        assert!(reconcile(json!({ "olderThanSeconds": "soon" })).is_err());
    }

    proptest! {
        #[test]
        fn parse_never_panics(text in "\\PC{0,200}") {
            let event = serde_json::from_str(&text).unwrap_or(Value::String(text));
            let _ = parse(event);
        }
    }
}
