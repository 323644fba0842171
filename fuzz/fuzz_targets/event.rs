//! AWS's events: any JSON is read, ignored or refused; progress is at most 100 %.
#![no_main]
#![allow(dead_code)]

use libfuzzer_sys::fuzz_target;
use shapes::{Event, JobUpdate};

#[path = "../../edge/src/key.rs"]
mod key;
#[path = "../../edge/src/events/shapes.rs"]
mod shapes;

fuzz_target!(|data: &[u8]| {
    let Ok(json) = serde_json::from_slice(data) else { return };
    match shapes::parse(json) {
        Ok(Event::Job(job)) => assert!(!matches!(job.update, JobUpdate::Progress(101..))),
        Ok(Event::Objects(_) | Event::Reconcile(_) | Event::Ignored(_)) => {}
        Err(error) => assert!(error.to_string().contains("can't be read")),
    }
});
