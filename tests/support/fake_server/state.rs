//! The state of each upload: sizes and checksums of its parts, and counts of its requests.

use crate::faults::Faults;
use axum::http::Uri;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, checksum_combine};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wire::{ChecksumKind, MultipartState, PartPlan};

/// A part that arrived.
#[derive(Clone, Debug)]
pub struct PartRecord {
    pub size: u64,
    pub crc: u64,
}

impl PartRecord {
    pub fn etag(&self) -> String {
        format!("\"{:016x}-{}\"", self.crc, self.size)
    }
}

/// One upload; its token, S3 upload id and video id are the same string.
#[derive(Debug)]
pub struct Upload {
    pub faults: Faults,
    /// Absent for an upload opened by S3's `CreateMultipartUpload`.
    pub plan: Option<PartPlan>,
    pub state: MultipartState,
    pub parts: BTreeMap<u32, PartRecord>,
    attempts: BTreeMap<u32, u32>,
    in_flight: u32,
    max_in_flight: u32,
    preflights: u32,
    /// Requests by kind.
    calls: BTreeMap<&'static str, u32>,
}

impl Upload {
    /// Counts a request of this kind and returns the count.
    pub fn count(&mut self, call: &'static str) -> u32 {
        let calls = self.calls.entry(call).or_default();
        *calls += 1;
        *calls
    }

    /// Counts the start of a part's request and returns the number of this attempt, from 1.
    pub fn part_started(&mut self, part: u32) -> u32 {
        self.in_flight += 1;
        self.max_in_flight = self.max_in_flight.max(self.in_flight);
        let attempts = self.attempts.entry(part).or_default();
        *attempts += 1;
        *attempts
    }

    pub fn part_ended(&mut self) {
        self.in_flight -= 1;
    }

    /// The checksum that each part must bring: none for an upload opened by S3's `CreateMultipartUpload`.
    pub fn checksum(&self) -> ChecksumKind {
        if self.plan.is_some() { self.faults.checksum() } else { ChecksumKind::None }
    }

    pub fn size(&self) -> u64 {
        self.parts.values().map(|part| part.size).sum()
    }

    pub fn crc(&self) -> u64 {
        let join =
            |crc, part: &PartRecord| checksum_combine(CrcAlgorithm::Crc64Nvme, crc, part.crc, part.size);
        self.parts.values().fold(0, join)
    }

    fn to_json(&self) -> Value {
        json!({
            "state": self.state,
            "size": self.size(),
            "checksum": to_base64(self.crc()),
            "puts": self.attempts.values().sum::<u32>(),
            "attempts": self.attempts,
            "preflights": self.preflights,
            "maxInFlight": self.max_in_flight,
            "calls": self.calls,
        })
    }
}

/// All uploads.
#[derive(Clone, Default)]
pub struct Uploads(Arc<Mutex<HashMap<String, Upload>>>);

impl Uploads {
    /// Adds an upload under its id.
    pub fn open(&self, id: String, faults: Faults, plan: Option<PartPlan>) {
        let upload = Upload {
            faults,
            plan,
            state: MultipartState::Open,
            parts: BTreeMap::new(),
            attempts: BTreeMap::new(),
            in_flight: 0,
            max_in_flight: 0,
            preflights: 0,
            calls: BTreeMap::new(),
        };
        self.lock().insert(id, upload);
    }

    /// An unused id.
    pub fn new_id(&self) -> String {
        format!("video-{}", self.lock().len() + 1)
    }

    /// Applies `operation` to the upload of that id; `None` if there is none.
    pub fn with<T>(&self, id: &str, operation: impl FnOnce(&mut Upload) -> T) -> Option<T> {
        self.lock().get_mut(id).map(operation)
    }

    /// Counts a preflight of a part.
    pub fn count_preflight(&self, uri: &Uri) {
        let id = crate::s3::query(uri.query().unwrap_or_default(), "uploadId");
        if let Some(id) = id {
            self.with(id, |upload| upload.preflights += 1);
        }
    }

    /// Sums over all uploads.
    pub fn totals(&self) -> Value {
        let uploads = self.lock();
        let puts: u32 = uploads.values().flat_map(|upload| upload.attempts.values()).sum();
        let preflights: u32 = uploads.values().map(|upload| upload.preflights).sum();
        json!({ "puts": puts, "preflights": preflights })
    }

    pub fn inspect(&self, id: &str) -> Option<Value> {
        self.with(id, |upload| upload.to_json())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Upload>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub fn to_base64(crc: u64) -> String {
    STANDARD.encode(crc.to_be_bytes())
}
