//! Events in every form in which AWS delivers them.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn fixture(name: &str) -> Value {
    let path = format!("{}/../tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// All events of an invocation that isn't a batch of a queue.
fn events(event: &Value) -> Vec<Result<Event, EventError>> {
    let mut messages = parse(event);
    assert_eq!(messages.len(), 1);
    let message = messages.remove(0);
    assert_eq!(message.sqs_id, None);
    message.events
}

/// The only event.
fn event(event: &Value) -> Result<Event, EventError> {
    let mut events = events(event);
    assert_eq!(events.len(), 1, "{events:?}");
    events.remove(0)
}

#[test]
fn notification_yields_all_its_created_objects() {
    let events = events(&fixture("s3-notification"));
    let objects: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Ok(Event::Object(object)) => Some(object),
            _ => None,
        })
        .collect();
    let keys: Vec<_> = objects.iter().map(|object| &*object.key).collect();
    assert_eq!(keys, ["inputs/a b+c.mp4", "inputs/5f2.mov"], "the deleted object isn't among them");
    assert_eq!((&*objects[1].bucket, objects[1].size), ("uploads", 104_857_600));
    assert_eq!(objects[1].etag, "d41d8cd98f00b204e9800998ecf8427e-13");
    assert!(events.iter().all(Result::is_ok), "{events:?}");
}

#[test]
fn eventbridge_key_is_not_decoded() {
    let Event::Object(object) = event(&fixture("s3-eventbridge")).unwrap() else { panic!() };
    assert_eq!((&*object.key, object.size), ("inputs/a+b.mp4", 5));
}

/// SNS's envelope, as it stands in a queue.
fn in_sns(message: &Value) -> Value {
    json!({ "Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:x", "Message": message.to_string() })
}

fn sns_records(messages: &[Value]) -> Value {
    let record =
        |message: &Value| json!({ "EventSource": "aws:sns", "Sns": { "Message": message.to_string() } });
    json!({ "Records": messages.iter().map(record).collect::<Vec<_>>() })
}

fn sqs_records(messages: &[Value]) -> Value {
    let record = |(id, message): (usize, &Value)| json!({ "eventSource": "aws:sqs", "messageId": id.to_string(), "body": message.to_string() });
    json!({ "Records": messages.iter().enumerate().map(record).collect::<Vec<_>>() })
}

#[test]
fn event_wrapped_by_sns_sqs_or_both_is_unwrapped() {
    let forms = ["s3-notification", "s3-eventbridge", "s3-test", "mediaconvert-complete"].map(fixture);
    let plain: Vec<Vec<_>> =
        forms.iter().map(|form| events(form).into_iter().map(Result::unwrap).collect()).collect();
    for (form, expected) in forms.iter().zip(&plain) {
        let unwrapped: Vec<_> =
            events(&sns_records(std::slice::from_ref(form))).into_iter().map(Result::unwrap).collect();
        assert_eq!(&unwrapped, expected, "SNS");
    }
    for wrapped in
        [forms.clone(), forms.clone().map(|form| in_sns(&form)), forms.map(|form| sns_records(&[form]))]
    {
        let messages = parse(&sqs_records(&wrapped));
        let ids: Vec<_> = messages.iter().map(|message| message.sqs_id.as_deref().unwrap()).collect();
        assert_eq!(ids, ["0", "1", "2", "3"]);
        for (message, expected) in messages.into_iter().zip(&plain) {
            let unwrapped: Vec<_> = message.events.into_iter().map(Result::unwrap).collect();
            assert_eq!(&unwrapped, expected, "SQS");
        }
    }
    let mut endless = fixture("s3-test");
    for _ in 0..9 {
        endless = in_sns(&endless);
    }
    assert!(matches!(event(&endless), Err(EventError::TooDeep)));
}

#[test]
fn foreign_record_drops_no_other() {
    let mut notification = fixture("s3-notification");
    let records = notification["Records"].as_array_mut().unwrap();
    let count = records.len();
    records.insert(0, json!({ "eventSource": "aws:kinesis", "kinesis": {} }));
    records.insert(1, json!({ "s3": { "bucket": 7 } }));
    let events = events(&notification);
    assert_eq!(events.len(), count + 2);
    assert_eq!(events.iter().filter(|event| event.is_err()).count(), 2, "{events:?}");
    let messages = parse(&sqs_records(&[json!("no event"), fixture("s3-eventbridge")]));
    assert!(messages[0].events[0].is_err() && messages[1].events[0].is_ok(), "{messages:?}");
}

#[test]
fn known_but_unneeded_event_is_ignored_and_an_unknown_one_refused() {
    let mut later = fixture("mediaconvert-complete");
    later["detail"]["status"] = json!("PAUSED");
    let mut foreign = fixture("mediaconvert-complete");
    foreign["detail"]["userMetadata"] = json!({});
    let deleted = json!({ "source": "aws.s3", "detail-type": "Object Deleted", "detail": {} });
    for unneeded in [later, foreign, deleted, fixture("s3-test")] {
        assert!(matches!(event(&unneeded), Ok(Event::Ignored(_))), "{unneeded}");
    }
    for unknown in [json!(null), json!({}), json!([1]), json!({ "source": "aws.ec2", "detail-type": "x" })] {
        assert!(matches!(event(&unknown), Err(EventError::Unknown(_))), "{unknown}");
    }
    let mut sparse = fixture("mediaconvert-status");
    sparse["detail"]["jobProgress"]["jobPercentComplete"] = json!(null);
    sparse["detail"]["outputGroupDetails"] = json!(null);
    let Ok(Event::Job(JobEvent { update, .. })) = event(&sparse) else { panic!() };
    assert_eq!(update, JobUpdate::Progress(0));
    let mut broken = fixture("mediaconvert-complete");
    broken["detail"]["jobId"] = json!(7);
    assert!(event(&broken).unwrap_err().to_string().contains("can't be read"));
}

#[test]
fn job_event_has_its_update() {
    let update = |name: &str| match event(&fixture(name)).unwrap() {
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
fn own_events_have_defaults_or_a_video() {
    let own = |kind: &str, detail: Value| {
        event(&json!({ "source": "greloupis", "detail-type": kind, "detail": detail }))
    };
    assert_eq!(own("Reconcile", Value::Null).unwrap(), Event::Reconcile(Reconcile::default()));
    let immediate = Reconcile { older_than_seconds: 0, ..Reconcile::default() };
    assert_eq!(own("Reconcile", json!({ "olderThanSeconds": 0 })).unwrap(), Event::Reconcile(immediate));
    assert!(own("Reconcile", json!({ "olderThanSeconds": "soon" })).is_err());
    assert_eq!(own("Convert Again", json!({ "videoId": "v" })).unwrap(), Event::ConvertAgain("v".into()));
    assert_eq!(own("Video Deleted", json!({ "videoId": "v" })).unwrap(), Event::Deleted("v".into()));
    assert!(own("Video Deleted", json!({})).is_err());
}

#[test]
fn deletion_is_read_from_the_tables_stream() {
    let record = |id: &str, image: Value| {
        let stream = json!({ "Keys": { "id": { "S": id } }, "NewImage": image });
        json!({ "eventSource": "aws:dynamodb", "eventName": "MODIFY", "dynamodb": stream })
    };
    let requested = json!({ "deleted": { "S": "requested" } });
    let records = [
        record("video#v", requested.clone()),
        record("video#w", json!({ "deleted": { "S": "done" } })),
        record("owner#o", requested),
    ];
    let events: Vec<_> = events(&json!({ "Records": records })).into_iter().map(Result::unwrap).collect();
    assert_eq!(events[0], Event::Deleted("v".into()));
    assert!(events[1..].iter().all(|event| matches!(event, Event::Ignored(_))), "{events:?}");
}

proptest! {
    #[test]
    fn parse_never_panics(text in "\\PC{0,200}") {
        let event = serde_json::from_str(&text).unwrap_or(Value::String(text));
        let _ = parse(&event);
    }
}
