//! Log of the requests that passed the proxy: every attempt of every part, and counts of all calls.

use crate::link::Link;
use crate::rules::{Call, CallKind, Fault};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub struct RequestLog(Mutex<Records>);

#[derive(Default)]
struct Records {
    parts: BTreeMap<u32, Vec<Arc<Mutex<Attempt>>>>,
    counts: BTreeMap<CallKind, Counts>,
}

#[derive(Default)]
struct Counts {
    total: u32,
    /// Number of these requests that met a fault.
    faulted: u32,
}

/// One request.
#[derive(Clone, Serialize)]
struct Attempt {
    /// Bytes received from the browser.
    received: u64,
    fault: Option<Fault>,
    outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    InFlight,
    /// The browser disconnected before the response.
    ClientGone,
    /// The proxy or the server closed the connection.
    Disconnected,
    /// The status of the response.
    #[serde(untagged)]
    Answered(u16),
}

impl RequestLog {
    /// Records the start of a request.
    pub fn start(&self, call: Call, fault: Option<&Fault>, link: &Arc<Link>) -> RequestGuard {
        let attempt = Attempt { received: 0, fault: fault.cloned(), outcome: Outcome::InFlight };
        let attempt = Arc::new(Mutex::new(attempt));
        let mut records = lock(&self.0);
        let counts = records.counts.entry(call.kind).or_default();
        counts.total += 1;
        counts.faulted += u32::from(fault.is_some());
        if call.kind == CallKind::Part {
            records.parts.entry(call.part).or_default().push(attempt.clone());
        }
        RequestGuard { attempt: ByteCounter(attempt), link: link.clone() }
    }

    /// Removes all records, those of requests in flight included.
    pub fn clear(&self) {
        *lock(&self.0) = Records::default();
    }

    pub fn to_json(&self) -> Value {
        let records = lock(&self.0);
        let parts: BTreeMap<_, Vec<_>> = records
            .parts
            .iter()
            .map(|(part, attempts)| (part, attempts.iter().map(|attempt| lock(attempt).clone()).collect()))
            .collect();
        let calls: BTreeMap<_, _> =
            records.counts.iter().map(|(kind, counts)| (kind, counts.total)).collect();
        let faulted: BTreeMap<_, _> =
            records.counts.iter().map(|(kind, counts)| (kind, counts.faulted)).collect();
        json!({ "parts": parts, "calls": calls, "faulted": faulted })
    }
}

/// A request in flight. Dropped without an outcome, the browser is gone, or the link is down.
pub struct RequestGuard {
    attempt: ByteCounter,
    link: Arc<Link>,
}

impl RequestGuard {
    pub fn byte_counter(&self) -> ByteCounter {
        self.attempt.clone()
    }

    pub fn answered(&self, status: u16) {
        self.finish(Outcome::Answered(status));
    }

    pub fn disconnected(&self) {
        self.finish(Outcome::Disconnected);
    }

    fn finish(&self, outcome: Outcome) {
        let mut attempt = lock(&self.attempt.0);
        if attempt.outcome == Outcome::InFlight {
            attempt.outcome = outcome;
        }
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.finish(if self.link.is_down() { Outcome::Disconnected } else { Outcome::ClientGone });
    }
}

/// Counts the bytes of a request's body.
#[derive(Clone)]
pub struct ByteCounter(Arc<Mutex<Attempt>>);

impl ByteCounter {
    pub fn add(&self, bytes: usize) {
        lock(&self.0).received += bytes as u64;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
