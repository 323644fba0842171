//! What went through the proxy: each try of each part, and how often which call came.

use crate::line::Line;
use crate::rules::{Call, Fault, Kind};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub struct Log(Mutex<Told>);

#[derive(Default)]
struct Told {
    parts: BTreeMap<u32, Vec<Arc<Mutex<Try>>>>,
    /// How often calls of each kind came, and how often they met a fault.
    calls: BTreeMap<Kind, [u32; 2]>,
}

/// One request.
#[derive(Clone, Serialize)]
struct Try {
    /// In bytes, from the browser.
    received: u64,
    fault: Option<Fault>,
    outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Flying,
    /// The browser went away before the answer.
    Left,
    /// We, or the server, ended the connection.
    Cut,
    /// With this status.
    #[serde(untagged)]
    Answered(u16),
}

impl Log {
    /// A request comes.
    pub fn enter(&self, call: Call, fault: Option<&Fault>, line: &Arc<Line>) -> Entry {
        let one = Try { received: 0, fault: fault.cloned(), outcome: Outcome::Flying };
        let entry = Arc::new(Mutex::new(one));
        let mut told = lock(&self.0);
        let [came, faulted] = told.calls.entry(call.kind).or_default();
        *came += 1;
        *faulted += u32::from(fault.is_some());
        if call.kind == Kind::Part {
            told.parts.entry(call.part).or_default().push(entry.clone());
        }
        Entry { one: Meter(entry), line: line.clone() }
    }

    /// Forgets all; what is still on its way is told of no more.
    pub fn clear(&self) {
        *lock(&self.0) = Told::default();
    }

    pub fn tell(&self) -> Value {
        let told = lock(&self.0);
        let parts: BTreeMap<_, Vec<_>> = told
            .parts
            .iter()
            .map(|(part, tries)| (part, tries.iter().map(|one| lock(one).clone()).collect()))
            .collect();
        let calls: BTreeMap<_, _> = told.calls.iter().map(|(kind, [came, _])| (kind, came)).collect();
        let faulted: BTreeMap<_, _> = told.calls.iter().map(|(kind, [_, faulted])| (kind, faulted)).collect();
        json!({ "parts": parts, "calls": calls, "faulted": faulted })
    }
}

/// A request on its way. Dropped before it ended, the browser has gone, or the line has.
pub struct Entry {
    one: Meter,
    line: Arc<Line>,
}

impl Entry {
    pub fn meter(&self) -> Meter {
        self.one.clone()
    }

    pub fn answered(&self, status: u16) {
        self.ends(Outcome::Answered(status));
    }

    pub fn cut(&self) {
        self.ends(Outcome::Cut);
    }

    fn ends(&self, outcome: Outcome) {
        let mut one = lock(&self.one.0);
        if one.outcome == Outcome::Flying {
            one.outcome = outcome;
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.ends(if self.line.is_dead() { Outcome::Cut } else { Outcome::Left });
    }
}

/// Counts the bytes of a request.
#[derive(Clone)]
pub struct Meter(Arc<Mutex<Try>>);

impl Meter {
    pub fn received(&self, bytes: usize) {
        lock(&self.0).received += bytes as u64;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
