//! The whole engine in a real browser, against a server that does what it should not. Run by
//! `cargo xtask test`, which starts the server (`tests/support/fake_server`) and names it in `GRELOUPIS_FAKE_SERVER`.

#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for other code")]

mod house;

use house::{MIB, Outcome, SIZE, Sent, Setting, bytes, get, inspect, number, send, start, text};
use js_sys::Reflect;
use uploader_core::crc64::{crc64, to_base64};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen_test]
async fn plain() {
    let outcome = send("plain").await;
    outcome.is_stored(SIZE);
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
async fn one_byte() {
    start(Setting { size: 1, ..Setting::default() }).outcome().await.is_stored(1);
}

#[wasm_bindgen_test]
async fn no_more_at_once_than_asked_and_signing_goes_on() {
    let outcome = start(Setting { size: 61 * MIB, at_once: Some(2), ..Setting::default() }).outcome().await;
    outcome.is_stored(61 * MIB);
    assert_eq!(number(&outcome.seen, "maxInFlight"), 2.0);
    assert!(number(&outcome.seen, "calls.sign") >= 1.0, "thirteen parts, eight of them signed at the start");
}

#[wasm_bindgen_test]
async fn asked_to_slow_down() {
    let outcome = send("slow-down").await;
    outcome.is_stored(SIZE);
    assert_eq!((outcome.puts(), outcome.reasons()), (9.0, vec!["throttled".into()]));
}

#[wasm_bindgen_test]
async fn errors_of_the_storage() {
    let outcome = send("server-error").await;
    outcome.is_stored(SIZE);
    assert_eq!((outcome.puts(), outcome.reasons()), (9.0, vec!["storage_unavailable".into()]));
}

#[wasm_bindgen_test]
async fn connections_cut_mid_body() {
    let outcome = send("reset").await;
    outcome.is_stored(SIZE);
    assert!(outcome.puts() >= 9.0);
    assert_eq!(outcome.reasons(), ["network"]);
}

#[wasm_bindgen_test]
async fn answers_lost() {
    let outcome = send("lost-response").await;
    outcome.is_stored(SIZE);
    assert_eq!(outcome.reasons(), ["network"]);
}

#[wasm_bindgen_test]
async fn urls_that_have_run_out() {
    let outcome = send("expired").await;
    outcome.is_stored(SIZE);
    assert!(number(&outcome.seen, "calls.sign") >= 1.0);
    assert_eq!(outcome.reasons(), ["storage_refused"]);
}

#[wasm_bindgen_test]
async fn a_byte_changed_on_the_way() {
    let outcome = send("flipped").await;
    outcome.is_stored(SIZE);
    assert_eq!((outcome.puts(), outcome.reasons()), (7.0, vec!["checksum_mismatch".into()]));
}

#[wasm_bindgen_test]
async fn a_byte_changed_each_time_is_never_called_stored() {
    send("flipped-always").await.is_failed("checksum_mismatch");
}

#[wasm_bindgen_test]
async fn a_changed_byte_is_found_even_where_cors_hides_the_checksum() {
    let outcome = send("no-etag,flipped").await;
    outcome.is_stored(SIZE);
    assert_eq!((outcome.puts(), number(&outcome.seen, "calls.list")), (7.0, 2.0));
}

#[wasm_bindgen_test]
async fn etags_that_cors_hides() {
    let outcome = send("no-etag").await;
    outcome.is_stored(SIZE);
    assert_eq!((outcome.puts(), number(&outcome.seen, "calls.list")), (6.0, 1.0));
}

#[wasm_bindgen_test]
async fn a_storage_without_checksums() {
    let outcome = send("no-checksum").await;
    outcome.is_stored(SIZE);
    assert_eq!(text(&outcome.stored(), "checksum"), "");
    assert_eq!(get(&outcome.stored(), "verified"), JsValue::FALSE);
    let states: Vec<_> = outcome.all("state").iter().map(|event| text(event, "state")).collect();
    assert!(states.contains(&"unverified".into()), "{states:?}");
}

#[wasm_bindgen_test]
async fn checks_turned_off() {
    // With them, the changed byte is found (above); without, it isn't: so they really are off.
    let outcome = start(Setting { faults: "flipped", checks: false, ..Setting::default() }).outcome().await;
    assert_eq!((&*text(&outcome.last, "type"), outcome.puts()), ("uploaded", 6.0));
}

#[wasm_bindgen_test]
async fn completion_fails_once() {
    let outcome = send("complete-error").await;
    outcome.is_stored(SIZE);
    assert_eq!(number(&outcome.seen, "calls.complete"), 2.0);
}

#[wasm_bindgen_test]
async fn the_answer_to_completion_is_lost() {
    let outcome = send("complete-lost").await;
    outcome.is_stored(SIZE);
    assert_eq!(number(&outcome.seen, "calls.complete"), 2.0);
}

#[wasm_bindgen_test]
async fn the_signer_is_down_for_a_while() {
    let outcome =
        start(Setting { faults: "signer-down", size: 61 * MIB, ..Setting::default() }).outcome().await;
    outcome.is_stored(61 * MIB);
    assert_eq!(outcome.reasons(), ["unavailable"]);
}

#[wasm_bindgen_test]
async fn far_away() {
    send("delay-40").await.is_stored(SIZE);
}

#[wasm_bindgen_test]
async fn canceling_aborts_the_upload() {
    // With the delay, nothing can be stored before the first progress is told.
    let sent = start(Setting { faults: "delay-100", until: "progress", ..Setting::default() });
    let Sent { run, told, end, _tell, video } = sent;
    end.await.unwrap();
    run.cancel();
    while !told.borrow().iter().any(|event| text(event, "type") == "failed") {
        inspect(&video).await;
    }
    let last = told.borrow().last().cloned().unwrap();
    let outcome = Outcome { last, told: Vec::new(), seen: inspect(&video).await };
    outcome.is_failed("canceled");
    assert_eq!(number(&outcome.seen, "calls.complete"), 0.0);
}

#[wasm_bindgen_test]
async fn an_empty_file() {
    let sent = start(Setting { size: 0, ..Setting::default() });
    let last = sent.end.await.unwrap();
    assert_eq!((&*text(&last, "type"), &*text(&last, "code")), ("failed", "file_empty"));
}

#[wasm_bindgen_test]
async fn a_token_that_cannot_be_had() {
    let sent = start(Setting { token: "throw 'signed out'", ..Setting::default() });
    let last = sent.end.await.unwrap();
    assert_eq!(text(&last, "code"), "token_unavailable");
}

#[wasm_bindgen_test]
async fn the_conversion_is_watched_to_its_end() {
    let outcome = start(Setting { size: 9, until: "ready", ..Setting::default() }).outcome().await;
    assert_eq!(text(&get(&outcome.last, "video"), "status"), "ready");
    let percents: Vec<_> = outcome.all("converting").iter().map(|event| number(event, "percent")).collect();
    assert_eq!(percents, [50.0]);
    assert_eq!(number(&outcome.seen, "calls.unchanged"), 1.0, "what hasn't changed isn't sent again");
}

#[wasm_bindgen_test]
async fn a_conversion_that_fails_says_why() {
    let setting = Setting { faults: "convert-fails", size: 9, until: "ready", ..Setting::default() };
    let outcome = start(setting).outcome().await;
    assert_eq!(
        (text(&outcome.last, "code"), text(&outcome.last, "message")),
        ("conversion_failed".into(), "The file is no video.".into())
    );
}

#[wasm_bindgen_test]
async fn what_is_no_video_is_refused_before_anything_is_asked() {
    let sent = start(Setting { any_file: false, ..Setting::default() });
    let video = sent.video.clone();
    let last = sent.end.await.unwrap();
    assert_eq!((&*text(&last, "type"), &*text(&last, "code")), ("failed", "not_a_video"));
    assert_eq!(text(&inspect(&video).await, "code"), "upload_gone", "the server has never heard of it");
}

#[wasm_bindgen_test]
async fn pausing_begins_nothing_new() {
    let setting = Setting { faults: "delay-60", size: 61 * MIB, at_once: Some(2), ..Setting::default() };
    let sent = start(setting);
    sent.run.pause(true);
    sent.run.pause(false);
    sent.outcome().await.is_stored(61 * MIB);
}

#[wasm_bindgen_test]
async fn what_an_earlier_page_load_has_stored_is_not_sent_again() {
    // The first one is left alone in the middle, as a tab that is closed leaves it.
    let first =
        start(Setting { faults: "slow-down", at_once: Some(1), until: "retry", ..Setting::default() });
    let video = first.video.clone();
    first.end.await.unwrap();
    first.run.pause(true);
    first._tell.forget();
    let found = js_sys::JSON::parse(&format!(
        r#"{{"upload":"{video}","partSize":{},"checksum":true,"parts":[]}}"#,
        5 * MIB
    ));
    let setting =
        Setting { faults: "slow-down", found: found.unwrap(), video: Some(video), ..Setting::default() };
    let outcome = start(setting).outcome().await;
    outcome.is_stored(SIZE);
    assert_eq!(number(&outcome.seen, "calls.list"), 1.0);
    // Six are stored, and three of them were refused once.
    assert_eq!(outcome.puts(), 9.0);
}

#[wasm_bindgen_test]
async fn an_upload_that_is_gone_begins_anew() {
    let found = r#"{"upload":"nobody","partSize":5242880,"checksum":true,"parts":[{"part":1,"etag":"x"}]}"#;
    let setting = Setting { found: js_sys::JSON::parse(found).unwrap(), ..Setting::default() };
    start(setting).outcome().await.is_stored(SIZE);
}

#[wasm_bindgen_test]
async fn one_that_was_canceled_is_aborted_at_last() {
    let first = start(Setting { until: "note", faults: "delay-100", ..Setting::default() });
    let video = first.video.clone();
    first.end.await.unwrap();
    first.run.pause(true);
    first._tell.forget();
    let found =
        format!(r#"{{"upload":"{video}","partSize":5242880,"checksum":true,"parts":[],"canceled":true}}"#);
    let found = js_sys::JSON::parse(&found).unwrap();
    let outcome = start(Setting { found, video: Some(video), ..Setting::default() }).outcome().await;
    outcome.is_failed("canceled");
}

#[wasm_bindgen_test]
async fn one_that_is_stored_is_only_watched() {
    let whole = start(Setting { size: 9, ..Setting::default() });
    let video = whole.video.clone();
    let outcome = whole.outcome().await;
    let found = js_sys::Object::new();
    Reflect::set(&found, &"stored".into(), &outcome.stored()).unwrap();
    let setting =
        Setting { size: 9, found: found.into(), video: Some(video), until: "ready", ..Setting::default() };
    let again = start(setting).outcome().await;
    assert_eq!((&*text(&again.last, "type"), again.puts()), ("ready", 1.0));
}
