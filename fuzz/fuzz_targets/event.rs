//! Events from AWS: read, ignored or refused, whatever they are; progress stays within 0–100.
#![no_main]
#![allow(dead_code)]

use event::{Event, JobNews};
use libfuzzer_sys::fuzz_target;

#[path = "../../edge/src/event.rs"]
mod event;
#[path = "../../edge/src/key.rs"]
mod key;

fuzz_target!(|data: &[u8]| {
    let Ok(json) = serde_json::from_slice(data) else { return };
    match event::read(json) {
        Ok(Event::Job(job)) => assert!(!matches!(job.news, JobNews::Progress(101..))),
        Ok(Event::Objects(_) | Event::Ignored(_)) => {}
        Err(sentence) => assert!(sentence.contains("can't be read")),
    }
});
