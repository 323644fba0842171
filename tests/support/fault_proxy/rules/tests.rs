use super::*;

fn call(method: &str, uri: &str) -> Call {
    Call::of(&method.parse().unwrap(), &uri.parse().unwrap())
}

fn part(part: u32) -> Call {
    Call { kind: CallKind::Part, part }
}

fn rules(json: &str) -> Rules {
    Rules::new(serde_json::from_str(json).unwrap())
}

#[test]
fn call_kind_is_derived_from_method_and_path() {
    for (method, uri, kind) in [
        ("POST", "/api/uploads", CallKind::Open),
        ("POST", "/api/uploads/abc/parts", CallKind::Sign),
        ("POST", "/api/uploads/abc/complete", CallKind::Complete),
        ("GET", "/api/uploads/abc", CallKind::List),
        ("DELETE", "/api/uploads/abc", CallKind::Abort),
        ("GET", "/api/videos/abc", CallKind::Video),
        ("GET", "/api/videos?limit=1", CallKind::Video),
        ("GET", "/inputs/a.mp4?partNumber=1", CallKind::Other),
        ("GET", "/", CallKind::Other),
    ] {
        assert_eq!(call(method, uri), Call { kind, part: 0 }, "{method} {uri}");
    }
    let uri = "/inputs/abc.mp4?x-id=UploadPart&partNumber=17&uploadId=u";
    assert_eq!(call("PUT", uri), part(17));
}

#[test]
fn rule_matches_selected_parts() {
    let mut even = rules(r#"[{ "call": "part", "parts": "even", "fault": "slow-down" }]"#);
    let mut from = rules(r#"[{ "call": "part", "parts": { "from": 3 }, "fault": "expired" }]"#);
    let mut only = rules(r#"[{ "call": "part", "parts": { "only": 2 }, "fault": { "reset": 5 } }]"#);
    let faulted = |rules: &mut Rules| {
        (1..=5).filter(|n| rules.next_fault(part(*n), Duration::ZERO).is_some()).collect::<Vec<_>>()
    };
    assert_eq!(faulted(&mut even), [2, 4]);
    assert_eq!(faulted(&mut from), [3, 4, 5]);
    assert_eq!(faulted(&mut only), [2]);
    assert_eq!(only.next_fault(part(2), Duration::ZERO), Some(Fault::Reset(5)));
    let sign = Call { kind: CallKind::Sign, part: 0 };
    assert_eq!(even.next_fault(sign, Duration::ZERO), None);
}

#[test]
fn rule_expires_by_part_total_and_time() {
    let mut counted =
        rules(r#"[{ "call": "part", "maxPerPart": 2, "maxTotal": 3, "fault": "lost-response" }]"#);
    let faulted = [1, 1, 1, 2, 2].map(|n| counted.next_fault(part(n), Duration::ZERO).is_some());
    assert_eq!(faulted, [true, true, false, true, false]);

    let mut timed = rules(r#"[{ "call": "sign", "seconds": 20, "fault": "bad-gateway" }]"#);
    let sign = Call { kind: CallKind::Sign, part: 0 };
    let faulted = [100, 110, 119, 120, 500].map(|s| timed.next_fault(sign, Duration::from_secs(s)).is_some());
    assert_eq!(faulted, [true, true, true, false, false]);
}

#[test]
fn first_remaining_rule_applies() {
    let mut two = rules(
        r#"[{ "call": "part", "maxTotal": 1, "fault": { "without-headers": ["etag"] } },
            { "call": "part", "fault": { "down": 1.5 } }]"#,
    );
    assert_eq!(two.next_fault(part(1), Duration::ZERO), Some(Fault::WithoutHeaders(vec!["etag".into()])));
    assert_eq!(two.next_fault(part(1), Duration::ZERO), Some(Fault::Down(1.5)));
}

#[test]
fn rule_with_unknown_field_is_rejected() {
    let rule = r#"{ "call": "part", "often": 2, "fault": "lost-response" }"#;
    assert!(serde_json::from_str::<Rule>(rule).is_err());
}
