//! What reaches the edge from AWS instead of from a browser, read leniently: fields get added, kinds too.
//! Pure.

use crate::key::decode_event_key;
use crate::log::EventKind;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// An event, as far as the edge acts on it.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Objects were created in a bucket.
    Objects(Vec<Created>),
    Job(JobEvent),
    /// Time to look for what was missed.
    Reconcile(Reconcile),
    /// Nothing to do, and why.
    Ignored(String),
}

impl Event {
    /// What it is about, in a word for the log.
    pub fn kind(&self) -> EventKind {
        EventKind(match self {
            Self::Objects(_) => "objects",
            Self::Job(_) => "job",
            Self::Reconcile(_) => "reconcile",
            Self::Ignored(_) => "ignored",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    pub bucket: String,
    /// Decoded.
    pub key: String,
    pub etag: String,
    /// In bytes.
    pub size: u64,
}

/// Our own event: `{"source":"greloupis","detail-type":"Reconcile","detail":{…}}`, from the schedule or by hand.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reconcile {
    /// What happened later than this many seconds ago may still be under way and is left alone.
    pub older_than_seconds: u64,
    /// Objects that came earlier than this many hours ago aren't looked at any more.
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
    pub news: JobNews,
}

#[derive(Clone, Debug, PartialEq)]
pub enum JobNews {
    /// 0–100.
    Progress(u8),
    Complete(Vec<OutputGroup>),
    Error {
        code: String,
        message: String,
    },
    Canceled,
}

/// One of COMPLETE's `outputGroupDetails`.
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
    s3: S3Part,
}

#[derive(Deserialize)]
struct S3Part {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

/// Notifications write `eTag`, EventBridge `etag`.
#[derive(Deserialize)]
struct Object {
    key: String,
    #[serde(default)]
    size: u64,
    #[serde(default, alias = "eTag")]
    etag: String,
}

#[derive(Deserialize)]
struct Bridged {
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

/// Reads an event. `Err`: it is of a kind we act on, but can't be read; the sentence says what is wrong.
pub fn read(event: Value) -> Result<Event, String> {
    if event.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        return Ok(Event::Ignored("S3's test of the notification".into()));
    }
    if let Some(Value::Array(records)) = event.get("Records") {
        return notification(records);
    }
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let detail = event.get("detail").cloned().unwrap_or_default();
    match (text("source").as_str(), text("detail-type").as_str()) {
        ("aws.s3", "Object Created") => {
            let Bridged { bucket, object } = parse(detail, "the S3 event's detail")?;
            // Through EventBridge keys come as they are.
            let Object { key, size, etag } = object;
            Ok(Event::Objects(vec![Created { bucket: bucket.name, key, etag: bare(&etag), size }]))
        }
        ("aws.mediaconvert", "MediaConvert Job State Change") => job(parse(detail, "the job's detail")?),
        ("greloupis", "Reconcile") => {
            let detail = if detail.is_null() { Value::Object(Default::default()) } else { detail };
            Ok(Event::Reconcile(parse(detail, "the detail of Reconcile")?))
        }
        (source, kind) => {
            Ok(Event::Ignored(format!("an event of a kind not known here: {source:?}, {kind:?}")))
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(value: Value, what: &str) -> Result<T, String> {
    serde_json::from_value(without_nulls(value)).map_err(|error| format!("{what} can't be read: {error}"))
}

/// Senders say "not known" by leaving a member out, or by `null`.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(n, v)| (n, without_nulls(v)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        plain => plain,
    }
}

/// An ETag without its quotes, which some senders leave on.
fn bare(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

fn notification(records: &[Value]) -> Result<Event, String> {
    let mut created = Vec::new();
    for record in records {
        // The source is `aws:s3`, or another store's word; other services' records are not S3's shape.
        if record.get("s3").is_none() {
            return Ok(Event::Ignored("records that aren't S3's".into()));
        }
        let S3Record { event_name, s3 } = parse(record.clone(), "an S3 record")?;
        if !event_name.trim_start_matches("s3:").starts_with("ObjectCreated:") {
            continue;
        }
        let Some(key) = decode_event_key(&s3.object.key) else {
            tracing::warn!("an object's key isn't UTF-8; ignored");
            continue;
        };
        created.push(Created {
            bucket: s3.bucket.name,
            key,
            etag: bare(&s3.object.etag),
            size: s3.object.size,
        });
    }
    Ok(Event::Objects(created))
}

fn job(detail: JobDetail) -> Result<Event, String> {
    let Some(video_id) = detail.user_metadata.get("videoId") else {
        return Ok(Event::Ignored("a job that isn't ours: it names no video".into()));
    };
    let news = match detail.status.as_str() {
        "STATUS_UPDATE" => JobNews::Progress(detail.job_progress.job_percent_complete.min(100)),
        "PROGRESSING" => JobNews::Progress(0),
        "COMPLETE" => JobNews::Complete(detail.output_group_details),
        "ERROR" => JobNews::Error {
            code: match detail.error_code {
                Value::String(code) => code,
                Value::Number(code) => code.to_string(),
                _ => "unknown".into(),
            },
            message: detail.error_message,
        },
        "CANCELED" => JobNews::Canceled,
        other => return Ok(Event::Ignored(format!("a job status not known here: {other:?}"))),
    };
    Ok(Event::Job(JobEvent { job_id: detail.job_id, video_id: video_id.clone(), news }))
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
    fn every_record_of_a_notification_counts() {
        let Event::Objects(objects) = read(fixture("s3-notification")).unwrap() else { panic!() };
        let keys: Vec<_> = objects.iter().map(|object| &*object.key).collect();
        assert_eq!(keys, ["inputs/a b+c.mp4", "inputs/5f2.mov"], "the deleted one isn't among them");
        assert_eq!((&*objects[1].bucket, objects[1].size), ("uploads", 104_857_600));
        assert_eq!(objects[1].etag, "d41d8cd98f00b204e9800998ecf8427e-13");
    }

    #[test]
    fn eventbridge_keys_come_as_they_are() {
        let Event::Objects(objects) = read(fixture("s3-eventbridge")).unwrap() else { panic!() };
        assert_eq!(objects[0].key, "inputs/a+b.mp4");
        assert_eq!(objects[0].size, 5);
    }

    #[test]
    fn the_set_up_test_is_no_error() {
        assert!(matches!(read(fixture("s3-test")).unwrap(), Event::Ignored(_)));
    }

    #[test]
    fn jobs_tell_how_they_went() {
        let news = |name: &str| match read(fixture(name)).unwrap() {
            Event::Job(job) => (job.video_id, job.news),
            other => panic!("{other:?}"),
        };
        let (video, complete) = news("mediaconvert-complete");
        assert_eq!(video, "5f2c");
        let JobNews::Complete(groups) = complete else { panic!() };
        assert_eq!(groups[0].playlist_file_paths, ["s3://media/assets/HLS/5f2c.m3u8"]);
        assert!(groups[1].playlist_file_paths.is_empty());
        assert_eq!(groups[1].output_details[0].duration_in_ms, Some(20_000));
        assert_eq!(news("mediaconvert-status").1, JobNews::Progress(36));
        assert_eq!(news("mediaconvert-canceled").1, JobNews::Canceled);
        let JobNews::Error { code, message } = news("mediaconvert-error").1 else { panic!() };
        assert_eq!(code, "1040");
        assert!(!message.is_empty());
    }

    #[test]
    fn the_unknown_is_ignored_and_the_broken_refused() {
        let mut later = fixture("mediaconvert-complete");
        later["detail"]["status"] = json!("PAUSED");
        assert!(matches!(read(later).unwrap(), Event::Ignored(_)));
        let mut foreign = fixture("mediaconvert-complete");
        foreign["detail"]["userMetadata"] = json!({});
        assert!(matches!(read(foreign).unwrap(), Event::Ignored(_)));
        for other in [json!(null), json!({}), json!([1]), json!({"Records": [{"eventSource": "aws:sqs"}]})] {
            assert!(matches!(read(other).unwrap(), Event::Ignored(_)));
        }
        let mut sparse = fixture("mediaconvert-status");
        sparse["detail"]["jobProgress"]["jobPercentComplete"] = json!(null);
        sparse["detail"]["outputGroupDetails"] = json!(null);
        let Ok(Event::Job(JobEvent { news, .. })) = read(sparse) else { panic!() };
        assert_eq!(news, JobNews::Progress(0));
        let mut broken = fixture("mediaconvert-complete");
        broken["detail"]["jobId"] = json!(7);
        assert!(read(broken).unwrap_err().contains("can't be read"));
    }

    #[test]
    fn our_own_event_has_its_defaults() {
        let read = |detail: Value| {
            read(json!({ "source": "greloupis", "detail-type": "Reconcile", "detail": detail }))
        };
        assert_eq!(read(Value::Null), Ok(Event::Reconcile(Reconcile::default())));
        let at_once = Reconcile { older_than_seconds: 0, ..Reconcile::default() };
        assert_eq!(read(json!({ "olderThanSeconds": 0 })), Ok(Event::Reconcile(at_once)));
        assert!(read(json!({ "olderThanSeconds": "soon" })).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            let event = serde_json::from_str(&text).unwrap_or(Value::String(text));
            let _ = read(event);
        }
    }
}
