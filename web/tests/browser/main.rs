//! The wasm module in a real browser, against a fake server with faults. Run by `cargo xtask test wasm`, which starts
//! the server (`tests/support/fake_server`) and passes its address in `GRELOUPIS_FAKE_SERVER`.

#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, reason = "test helpers, which clippy doesn't recognize")]

mod fixture;

use fixture::{MIB, Outcome, Running, SIZE, Setting, bytes, get, inspect, number, start, text, upload_with};
use js_sys::Reflect;
use uploader_core::crc64::{crc64, to_base64};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen_test]
async fn file_without_faults_is_stored() {
    let outcome = upload_with("plain").await;
    outcome.assert_stored(SIZE);
    assert_eq!((outcome.puts(), number(&outcome.seen, "calls.list")), (6.0, 0.0));
    assert!(number(&outcome.seen, "maxInFlight") >= 3.0, "several at once");
    let stored = outcome.stored();
    assert_eq!(text(&stored, "checksum"), to_base64(crc64(&bytes(SIZE))));
    assert_eq!(number(&stored, "size"), SIZE as f64);
    assert_eq!(get(&stored, "verified"), JsValue::TRUE);
    let states: Vec<_> = outcome.all("state").iter().map(|event| text(event, "state")).collect();
    assert_eq!(states[..4], ["starting", "uploading", "finishing", "uploaded"]);
}

#[wasm_bindgen_test]
async fn file_of_one_byte_is_stored() {
    start(Setting { size: 1, ..Setting::default() }).outcome().await.assert_stored(1);
}

#[wasm_bindgen_test]
async fn concurrency_option_limits_parts_in_flight() {
    let outcome =
        start(Setting { size: 61 * MIB, concurrency: Some(2), ..Setting::default() }).outcome().await;
    outcome.assert_stored(61 * MIB);
    assert_eq!(number(&outcome.seen, "maxInFlight"), 2.0);
    assert!(number(&outcome.seen, "calls.sign") >= 1.0, "thirteen parts, eight of them signed at the start");
}

#[wasm_bindgen_test]
async fn throttled_parts_are_sent_again() {
    let outcome = upload_with("slow-down").await;
    outcome.assert_stored(SIZE);
    assert_eq!((outcome.puts(), outcome.retry_reasons()), (9.0, vec!["throttled".into()]));
}

#[wasm_bindgen_test]
async fn storage_errors_are_retried() {
    let outcome = upload_with("server-error").await;
    outcome.assert_stored(SIZE);
    assert_eq!((outcome.puts(), outcome.retry_reasons()), (9.0, vec!["storage_unavailable".into()]));
}

#[wasm_bindgen_test]
async fn reset_connections_are_retried() {
    let outcome = upload_with("reset").await;
    outcome.assert_stored(SIZE);
    assert!(outcome.puts() >= 9.0);
    assert_eq!(outcome.retry_reasons(), ["network"]);
}

#[wasm_bindgen_test]
async fn lost_answers_are_retried() {
    let outcome = upload_with("lost-response").await;
    outcome.assert_stored(SIZE);
    assert_eq!(outcome.retry_reasons(), ["network"]);
}

#[wasm_bindgen_test]
async fn expired_url_is_resigned() {
    let outcome = upload_with("expired").await;
    outcome.assert_stored(SIZE);
    assert!(number(&outcome.seen, "calls.sign") >= 1.0);
    assert_eq!(outcome.retry_reasons(), ["storage_refused"]);
}

#[wasm_bindgen_test]
async fn damaged_part_is_sent_again() {
    let outcome = upload_with("flipped").await;
    outcome.assert_stored(SIZE);
    assert_eq!((outcome.puts(), outcome.retry_reasons()), (7.0, vec!["checksum_mismatch".into()]));
}

#[wasm_bindgen_test]
async fn part_damaged_each_time_fails_the_upload() {
    upload_with("flipped-always").await.assert_failed("checksum_mismatch");
}

#[wasm_bindgen_test]
async fn storage_without_checksums_gives_unverified() {
    let outcome = upload_with("no-checksum").await;
    outcome.assert_stored(SIZE);
    assert_eq!(text(&outcome.stored(), "checksum"), "");
    assert_eq!(get(&outcome.stored(), "verified"), JsValue::FALSE);
    let states: Vec<_> = outcome.all("state").iter().map(|event| text(event, "state")).collect();
    assert!(states.contains(&"unverified".into()), "{states:?}");
}

#[wasm_bindgen_test]
async fn firewall_lets_many_parts_pass() {
    start(Setting { faults: "firewall", size: 520 * MIB, ..Setting::default() })
        .outcome()
        .await
        .assert_stored(520 * MIB);
}

#[wasm_bindgen_test]
async fn page_of_a_proxy_ends_the_upload_as_blocked_and_keeps_its_parts() {
    let outcome = upload_with("blocked").await;
    assert_eq!((&*text(&outcome.last, "type"), &*text(&outcome.last, "code")), ("failed", "blocked"));
    assert!(text(&outcome.last, "message").contains("403"), "{}", text(&outcome.last, "message"));
    assert_eq!((&*text(&outcome.seen, "state"), number(&outcome.seen, "calls.abort")), ("open", 0.0));
    let persisted: Vec<_> = outcome.all("persist").iter().map(|change| text(change, "op")).collect();
    assert!(persisted.contains(&"open".into()) && !persisted.contains(&"remove".into()), "{persisted:?}");
}

#[wasm_bindgen_test]
async fn first_answer_that_is_not_the_edges_ends_the_upload_at_once_and_is_named() {
    for (faults, code, came) in [
        ("sign-in-page", "bad_answer", "HTTP 200 with text/html from http://"),
        ("other-json", "bad_answer", "HTTP 200 with application/json from http://"),
        ("not-found-page", "blocked", "HTTP 404 with text/html from http://"),
    ] {
        let outcome = upload_with(faults).await;
        assert_eq!((&*text(&outcome.last, "type"), &*text(&outcome.last, "code")), ("failed", code));
        let message = text(&outcome.last, "message");
        assert!(message.contains(came) && message.ends_with("/api/uploads."), "{message}");
        assert_eq!(outcome.retry_reasons(), [""; 0], "{faults}");
    }
}

#[wasm_bindgen_test]
async fn edge_that_does_not_answer_is_announced_and_tried_on() {
    let setting = Setting { faults: "no-answer", until: "unreachable", ..Setting::default() };
    let outcome = start(setting).outcome().await;
    let message = text(&outcome.last, "message");
    assert!(message.contains("/no-answer/api") && message.contains("CORS"), "{message}");
    assert_eq!(text(&outcome.last, "type"), "unreachable");
}

#[wasm_bindgen_test]
async fn storage_that_never_answers_is_named_and_the_upload_stays_resumable() {
    let outcome = upload_with("no-storage").await;
    assert_eq!(
        (&*text(&outcome.last, "type"), &*text(&outcome.last, "code")),
        ("failed", "storage_unreachable")
    );
    let message = text(&outcome.last, "message");
    assert!(message.contains("http://127.0.0.1:9:") && message.contains("CORS"), "{message}");
    assert_eq!((&*text(&outcome.seen, "state"), number(&outcome.seen, "calls.abort")), ("open", 0.0));
}

#[wasm_bindgen_test]
async fn retry_after_as_a_date_is_waited_for() {
    let outcome = upload_with("retry-after-4").await;
    outcome.assert_stored(SIZE);
    // The date has whole seconds.
    assert!(number(outcome.all("retry")[0], "inMs") > 2_900.0);
}

#[wasm_bindgen_test]
async fn failed_completion_is_retried() {
    let outcome = upload_with("complete-error").await;
    outcome.assert_stored(SIZE);
    assert_eq!(number(&outcome.seen, "calls.complete"), 2.0);
}

#[wasm_bindgen_test]
async fn lost_answer_to_completion_is_asked_again() {
    let outcome = upload_with("complete-lost").await;
    outcome.assert_stored(SIZE);
    assert_eq!(number(&outcome.seen, "calls.complete"), 2.0);
}

#[wasm_bindgen_test]
async fn unavailable_signer_is_retried() {
    let outcome =
        start(Setting { faults: "signer-down", size: 61 * MIB, ..Setting::default() }).outcome().await;
    outcome.assert_stored(61 * MIB);
    assert_eq!(outcome.retry_reasons(), ["unavailable"]);
}

#[wasm_bindgen_test]
async fn delayed_requests_are_stored() {
    upload_with("delay-40").await.assert_stored(SIZE);
}

#[wasm_bindgen_test]
async fn canceled_upload_is_aborted() {
    // With the delay, nothing can be stored before the upload is known to be open.
    let running = start(Setting { faults: "delay-100", until: "persist", ..Setting::default() });
    let Running { handle, events, end, on_event: _on_event, video } = running;
    end.await.unwrap();
    handle.cancel();
    while !events.borrow().iter().any(|event| text(event, "type") == "failed") {
        inspect(&video).await;
    }
    let last = events.borrow().last().cloned().unwrap();
    let outcome = Outcome { last, events: Vec::new(), seen: inspect(&video).await };
    outcome.assert_failed("canceled");
    assert_eq!(number(&outcome.seen, "calls.complete"), 0.0);
}

#[wasm_bindgen_test]
async fn empty_file_is_refused() {
    let running = start(Setting { size: 0, ..Setting::default() });
    let last = running.end.await.unwrap();
    assert_eq!((&*text(&last, "type"), &*text(&last, "code")), ("failed", "file_empty"));
}

#[wasm_bindgen_test]
async fn failing_token_function_fails_the_upload() {
    let running = start(Setting { token: "throw 'signed out'", ..Setting::default() });
    let last = running.end.await.unwrap();
    assert_eq!(text(&last, "code"), "token_unavailable");
}

#[wasm_bindgen_test]
async fn conversion_is_polled_until_ready() {
    let outcome = start(Setting { size: 9, until: "ready", ..Setting::default() }).outcome().await;
    assert_eq!(text(&get(&outcome.last, "video"), "status"), "ready");
    let percents: Vec<_> = outcome.all("converting").iter().map(|event| number(event, "percent")).collect();
    assert_eq!(percents, [50.0]);
    assert_eq!(number(&outcome.seen, "calls.unchanged"), 1.0, "an unchanged video is answered with 304");
}

#[wasm_bindgen_test]
async fn failed_conversion_reports_its_message() {
    let setting = Setting { faults: "convert-fails", size: 9, until: "ready", ..Setting::default() };
    let outcome = start(setting).outcome().await;
    assert_eq!(
        (text(&outcome.last, "code"), text(&outcome.last, "message")),
        ("conversion_failed".into(), "The file is no video.".into())
    );
}

#[wasm_bindgen_test]
async fn file_that_is_no_video_is_refused_without_a_request() {
    let running = start(Setting { allow_any_file: false, ..Setting::default() });
    let video = running.video.clone();
    let last = running.end.await.unwrap();
    assert_eq!((&*text(&last, "type"), &*text(&last, "code")), ("failed", "not_a_video"));
    assert_eq!(text(&inspect(&video).await, "code"), "upload_gone", "the server knows no such upload");
}

#[wasm_bindgen_test]
async fn paused_upload_continues_after_resume() {
    let setting = Setting { faults: "delay-60", size: 61 * MIB, concurrency: Some(2), ..Setting::default() };
    let running = start(setting);
    running.handle.pause(true);
    running.handle.pause(false);
    running.outcome().await.assert_stored(61 * MIB);
}

#[wasm_bindgen_test]
async fn parts_stored_by_an_earlier_page_load_are_not_sent_again() {
    // The first upload stops in the middle, as in a closed tab.
    let first =
        start(Setting { faults: "slow-down", concurrency: Some(1), until: "retry", ..Setting::default() });
    let video = first.video.clone();
    first.end.await.unwrap();
    first.handle.pause(true);
    first.on_event.forget();
    let record = js_sys::JSON::parse(&format!(
        r#"{{"upload":"{video}","partSize":{},"checksum":true,"parts":[]}}"#,
        5 * MIB
    ));
    let setting =
        Setting { faults: "slow-down", record: record.unwrap(), video: Some(video), ..Setting::default() };
    let outcome = start(setting).outcome().await;
    outcome.assert_stored(SIZE);
    assert_eq!(number(&outcome.seen, "calls.list"), 1.0);
    // Six parts are stored, and three of them were refused once.
    assert_eq!(outcome.puts(), 9.0);
}

#[wasm_bindgen_test]
async fn upload_that_is_gone_starts_over() {
    let crc = to_base64(crc64(&bytes(SIZE)[..5 * MIB]));
    let record = format!(
        r#"{{"upload":"nobody","partSize":5242880,"checksum":true,"parts":[{{"part":1,"crc":"{crc}"}}]}}"#
    );
    let setting = Setting { record: js_sys::JSON::parse(&record).unwrap(), ..Setting::default() };
    start(setting).outcome().await.assert_stored(SIZE);
}

#[wasm_bindgen_test]
async fn saved_upload_of_another_file_is_left_alone() {
    // Stops in the middle, as in a closed tab.
    let faults = "slow-down,no-checksum";
    let first = start(Setting { faults, concurrency: Some(1), until: "retry", ..Setting::default() });
    let saved = first.video.clone();
    first.end.await.unwrap();
    first.handle.pause(true);
    first.on_event.forget();
    let crc = to_base64(1);
    let record = format!(
        r#"{{"upload":"{saved}","partSize":5242880,"checksum":false,"parts":[{{"part":1,"crc":"{crc}"}}]}}"#
    );
    let record = js_sys::JSON::parse(&record).unwrap();
    let outcome = start(Setting { faults: "no-checksum", record, ..Setting::default() }).outcome().await;
    outcome.assert_stored(SIZE);
    let slots: Vec<_> = outcome.all("claim").iter().map(|claim| number(claim, "slot")).collect();
    assert_eq!(slots, [0.0, 1.0]);
    assert_eq!(text(&inspect(&saved).await, "state"), "open");
}

#[wasm_bindgen_test]
async fn upload_canceled_by_an_earlier_page_load_is_aborted() {
    let first = start(Setting { until: "persist", faults: "delay-100", ..Setting::default() });
    let video = first.video.clone();
    first.end.await.unwrap();
    first.handle.pause(true);
    first.on_event.forget();
    let record =
        format!(r#"{{"upload":"{video}","partSize":5242880,"checksum":true,"parts":[],"canceled":true}}"#);
    let record = js_sys::JSON::parse(&record).unwrap();
    let outcome = start(Setting { record, video: Some(video), ..Setting::default() }).outcome().await;
    outcome.assert_failed("canceled");
}

#[wasm_bindgen_test]
async fn stored_upload_of_the_same_bytes_is_only_polled() {
    let again = upload_again(to_base64(crc64(&bytes(9)))).await;
    assert_eq!((&*text(&again.last, "type"), again.puts()), ("ready", 1.0));
}

#[wasm_bindgen_test]
async fn stored_upload_of_other_bytes_is_left_alone() {
    let again = upload_again(to_base64(1)).await;
    let slots: Vec<_> = again.all("claim").iter().map(|claim| number(claim, "slot")).collect();
    assert_eq!((&*text(&again.last, "type"), slots), ("ready", vec![0.0, 1.0]));
}

/// Uploads nine bytes after an upload whose record says that it has stored a part of the checksum `crc`.
async fn upload_again(crc: String) -> Outcome {
    let whole = start(Setting { size: 9, ..Setting::default() });
    let video = whole.video.clone();
    let outcome = whole.outcome().await;
    let record = format!(
        r#"{{"upload":"{video}","partSize":5242880,"checksum":true,"parts":[{{"part":1,"crc":"{crc}"}}]}}"#
    );
    let record = js_sys::JSON::parse(&record).unwrap();
    Reflect::set(&record, &"stored".into(), &outcome.stored()).unwrap();
    start(Setting { size: 9, record, video: Some(video), until: "ready", ..Setting::default() })
        .outcome()
        .await
}
