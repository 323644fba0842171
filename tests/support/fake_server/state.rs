//! What the sink remembers of each upload: sizes and checksums, and how often what was asked.

use crate::faults::Faults;
use axum::http::Uri;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, checksum_combine};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wire::{PartPlan, UploadState};

#[derive(Clone, Debug)]
pub struct Stored {
    pub size: u64,
    pub crc: u64,
}

impl Stored {
    pub fn etag(&self) -> String {
        format!("\"{:016x}-{}\"", self.crc, self.size)
    }
}

/// One upload; its token, S3 upload id and video id are the same word.
#[derive(Debug)]
pub struct Upload {
    pub faults: Faults,
    /// Absent for an upload that S3's own calls opened.
    pub plan: Option<PartPlan>,
    pub state: UploadState,
    pub parts: BTreeMap<u32, Stored>,
    tries: BTreeMap<u32, u32>,
    in_flight: u32,
    most_in_flight: u32,
    preflights: u32,
    /// How often each kind of call came.
    calls: BTreeMap<&'static str, u32>,
}

impl Upload {
    /// Counts a call of this kind; answers how many there have been.
    pub fn count(&mut self, call: &'static str) -> u32 {
        let calls = self.calls.entry(call).or_default();
        *calls += 1;
        *calls
    }

    /// A part begins to arrive; answers the number of this try.
    pub fn arrives(&mut self, part: u32) -> u32 {
        self.in_flight += 1;
        self.most_in_flight = self.most_in_flight.max(self.in_flight);
        let tries = self.tries.entry(part).or_default();
        *tries += 1;
        *tries
    }

    pub fn left(&mut self) {
        self.in_flight -= 1;
    }

    pub fn size(&self) -> u64 {
        self.parts.values().map(|part| part.size).sum()
    }

    pub fn crc(&self) -> u64 {
        let join = |crc, part: &Stored| checksum_combine(CrcAlgorithm::Crc64Nvme, crc, part.crc, part.size);
        self.parts.values().fold(0, join)
    }

    fn tell(&self) -> Value {
        json!({
            "state": self.state,
            "size": self.size(),
            "checksum": to_base64(self.crc()),
            "puts": self.tries.values().sum::<u32>(),
            "tries": self.tries,
            "preflights": self.preflights,
            "mostInFlight": self.most_in_flight,
            "calls": self.calls,
        })
    }
}

/// All uploads.
#[derive(Clone, Default)]
pub struct Sink(Arc<Mutex<HashMap<String, Upload>>>);

impl Sink {
    /// Remembers a new upload under its id.
    pub fn open(&self, id: String, faults: Faults, plan: Option<PartPlan>) {
        let upload = Upload {
            faults,
            plan,
            state: UploadState::Open,
            parts: BTreeMap::new(),
            tries: BTreeMap::new(),
            in_flight: 0,
            most_in_flight: 0,
            preflights: 0,
            calls: BTreeMap::new(),
        };
        self.lock().insert(id, upload);
    }

    /// An id that nobody has.
    pub fn new_id(&self) -> String {
        format!("video-{}", self.lock().len() + 1)
    }

    /// Does something with an upload, if there is one of that id.
    pub fn with<T>(&self, id: &str, work: impl FnOnce(&mut Upload) -> T) -> Option<T> {
        self.lock().get_mut(id).map(work)
    }

    /// A preflight came for a part.
    pub fn preflight(&self, uri: &Uri) {
        let id = crate::s3::query(uri.query().unwrap_or_default(), "uploadId");
        if let Some(id) = id {
            self.with(id, |upload| upload.preflights += 1);
        }
    }

    /// Over all uploads there have been.
    pub fn totals(&self) -> Value {
        let uploads = self.lock();
        let puts: u32 = uploads.values().flat_map(|upload| upload.tries.values()).sum();
        let preflights: u32 = uploads.values().map(|upload| upload.preflights).sum();
        json!({ "puts": puts, "preflights": preflights })
    }

    pub fn inspect(&self, id: &str) -> Option<Value> {
        self.with(id, |upload| upload.tell())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Upload>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub fn to_base64(crc: u64) -> String {
    STANDARD.encode(crc.to_be_bytes())
}
