//! The requests in flight between browser and backend, and the fault of each.

use crate::fake_backend::{SignedUrl, edge_error, storage_error};
use crate::rng::Rng;
use crate::scenario::FaultRates;
use std::collections::VecDeque;
use uploader_core::error::UploadError;
use uploader_core::types::{Command, Task};
use wire::ErrorCode;

/// The fault of one request, drawn when it starts.
#[derive(Clone, Debug)]
pub enum RequestFault {
    None,
    /// Reset once so much of it is sent, in permille.
    Reset(u64),
    /// No more progress once so much of it is sent, in permille.
    Hang(u64),
    /// Executed, but the response is lost: with a network error, or `silent`.
    ResponseLost {
        silent: bool,
    },
    Refused(UploadError),
    /// The storage reports that the upload doesn't exist although it does.
    FalseNotFound,
    BitFlipped,
}

impl RequestFault {
    pub fn draw(rng: &mut Rng, rates: &FaultRates, task: Task) -> Self {
        if rng.chance(rates.reset) {
            return Self::Reset(rng.below(1_001));
        }
        if rng.chance(rates.hang) {
            return Self::Hang(rng.below(1_001));
        }
        if rng.chance(rates.response_lost) {
            return Self::ResponseLost { silent: rng.coin() };
        }
        match task {
            Task::Put(_) => Self::draw_storage_fault(rng, rates),
            _ => Self::draw_edge_fault(rng, rates),
        }
    }

    fn draw_storage_fault(rng: &mut Rng, rates: &FaultRates) -> Self {
        if rng.chance(rates.slow_down) {
            return Self::Refused(storage_error("SlowDown").with_retry_after(rates.retry_after_ms));
        }
        if rng.chance(rates.storage_error) {
            let code = match rng.below(3) {
                0 => "RequestTimeout",
                1 => "InsufficientStorage",
                _ => "InternalError",
            };
            return Self::Refused(storage_error(code));
        }
        if rng.chance(rates.storage_refusal) {
            return Self::Refused(storage_error("AccessDenied"));
        }
        if rng.chance(rates.false_not_found) {
            return Self::FalseNotFound;
        }
        if rng.chance(rates.bit_flip) { Self::BitFlipped } else { Self::None }
    }

    fn draw_edge_fault(rng: &mut Rng, rates: &FaultRates) -> Self {
        if rng.chance(rates.edge_error) {
            let codes = [ErrorCode::StorageUnavailable, ErrorCode::CatalogUnavailable, ErrorCode::Internal];
            return Self::Refused(edge_error(502, codes[rng.below(3) as usize]));
        }
        if rng.chance(rates.edge_throttle) {
            let retry_after_ms = rng.below(5_000) as u32;
            return Self::Refused(edge_error(429, ErrorCode::Throttled).with_retry_after(retry_after_ms));
        }
        if rng.chance(rates.edge_expired) {
            return Self::Refused(edge_error(401, ErrorCode::Unauthorized));
        }
        if rng.chance(rates.edge_blocked) {
            return Self::Refused(UploadError::blocked("HTTP 403"));
        }
        if rng.chance(rates.edge_unreadable) { Self::Refused(UploadError::bad_answer()) } else { Self::None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestPhase {
    /// In the browser's queue, waiting for a connection.
    Queued,
    Sending,
    /// All of it is sent.
    Sent,
}

#[derive(Debug)]
pub struct Request {
    pub task: Task,
    /// The engine waits for the response.
    pub awaited: bool,
    /// Nothing more is reported about it.
    pub silent: bool,
    pub phase: RequestPhase,
    pub fault: RequestFault,
    /// The command and the upload token of a request to the edge.
    pub command: Option<Command>,
    pub upload: String,
    pub signed: SignedUrl,
    pub len: u64,
    pub crc64: u64,
    pub started_ms: u64,
    pub sent_bytes: u64,
    pub chunk_bytes: u64,
}

impl Request {
    pub fn put(part: u32, signed: SignedUrl, len: u64, fault: RequestFault) -> Self {
        Self {
            task: Task::Put(part),
            awaited: true,
            silent: false,
            phase: RequestPhase::Queued,
            fault,
            command: None,
            upload: String::new(),
            signed,
            len,
            crc64: 0,
            started_ms: 0,
            sent_bytes: 0,
            chunk_bytes: 0,
        }
    }

    /// A request to the edge; it is too short to be sent in chunks.
    pub fn call(task: Task, command: Command, upload: String, fault: RequestFault) -> Self {
        let put = Self::put(0, SignedUrl::default(), 0, fault);
        Self { task, command: Some(command), upload, phase: RequestPhase::Sent, ..put }
    }

    fn is_put(&self) -> bool {
        matches!(self.task, Task::Put(_))
    }
}

/// The browser's requests, with a limit on connections to the storage.
pub struct Link {
    connections: usize,
    pub requests: Vec<Request>,
    queue: VecDeque<usize>,
    /// The awaited requests, the oldest first.
    awaited: Vec<usize>,
}

impl Link {
    pub fn new(connections: usize) -> Self {
        Self { connections, requests: Vec::new(), queue: VecDeque::new(), awaited: Vec::new() }
    }

    pub fn add(&mut self, request: Request) -> usize {
        let id = self.requests.len();
        if request.is_put() {
            self.queue.push_back(id);
        }
        self.requests.push(request);
        self.awaited.push(id);
        id
    }

    /// The next request in the queue, if a connection is free.
    pub fn start_next(&mut self) -> Option<usize> {
        while self.puts_with_connection() < self.connections {
            let id = self.queue.pop_front()?;
            let request = &mut self.requests[id];
            if request.awaited {
                request.phase = RequestPhase::Sending;
                return Some(id);
            }
        }
        None
    }

    pub fn puts_in_flight(&self) -> usize {
        self.awaited.iter().filter(|id| self.requests[**id].is_put()).count()
    }

    pub fn puts_with_connection(&self) -> usize {
        let requests = self.awaited.iter().map(|id| &self.requests[*id]);
        requests.filter(|request| request.is_put() && request.phase != RequestPhase::Queued).count()
    }

    pub fn with_connection(&self) -> Vec<usize> {
        let is_queued = |id: &usize| self.requests[*id].phase == RequestPhase::Queued;
        self.awaited.iter().copied().filter(|id| !is_queued(id)).collect()
    }

    pub fn end(&mut self, id: usize) {
        self.requests[id].awaited = false;
        self.awaited.retain(|other| *other != id);
    }

    pub fn drop_task(&mut self, task: Task) {
        if let Some(id) = self.awaited.iter().copied().find(|id| self.requests[*id].task == task) {
            self.end(id);
        }
    }

    pub fn drop_all(&mut self) {
        for id in std::mem::take(&mut self.awaited) {
            self.requests[id].awaited = false;
        }
        self.queue.clear();
    }
}
