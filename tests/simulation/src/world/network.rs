//! The network: a request waits for a connection, is sent in chunks, reaches the backend, and its response comes back.

use super::World;
use crate::event_queue::WorldEvent;
use crate::fake_backend::{Reply, edge_error, storage_error};
use crate::invariants::CheckResult;
use crate::link::{RequestFault, RequestPhase};
use uploader_core::error::UploadError;
use uploader_core::types::{Command, Event, Task};

impl World {
    pub(super) fn on_started(&mut self, id: usize) -> CheckResult {
        let request = &self.link.requests[id];
        if !request.awaited || request.silent {
            return Ok(());
        }
        if self.now_ms < self.offline_until_ms {
            self.lose(id);
            return Ok(());
        }
        let part_size = self.plan().map_or(0, |plan| plan.part_size());
        let crc64 = match self.read(request.signed.part, part_size) {
            Ok(crc64) => crc64,
            Err(error) => return self.on_response(id, Err(error)),
        };
        let request = &mut self.link.requests[id];
        (request.crc64, request.started_ms) = (crc64, self.now_ms);
        self.send_chunk(id);
        Ok(())
    }

    fn send_chunk(&mut self, id: usize) {
        let connections = self.link.puts_with_connection().max(1) as u64;
        let request = &mut self.link.requests[id];
        let factor = if self.now_ms < self.slow_until_ms { self.slow_factor } else { 1 };
        let share = (self.scenario.bytes_per_ms / connections).min(self.scenario.connection_bytes_per_ms);
        let bytes_per_ms = (share / factor).max(1);
        request.chunk_bytes = (bytes_per_ms * self.scenario.progress_interval_ms)
            .min(request.len.div_ceil(3))
            .min(request.len - request.sent_bytes)
            .max(1);
        let ms = 1 + request.chunk_bytes / bytes_per_ms;
        self.schedule(ms, WorldEvent::ChunkSent(id));
    }

    pub(super) fn on_chunk_sent(&mut self, id: usize) -> CheckResult {
        let request = &self.link.requests[id];
        if !request.awaited || request.silent {
            return Ok(());
        }
        if self.now_ms < self.offline_until_ms {
            self.schedule_after_outage(WorldEvent::ChunkSent(id));
            return Ok(());
        }
        let request = &mut self.link.requests[id];
        request.sent_bytes += request.chunk_bytes;
        let (sent, len, part) = (request.sent_bytes, request.len, request.signed.part);
        match request.fault {
            RequestFault::Reset(at) if sent >= len * at / 1_000 => {
                return self.on_response(id, Err(UploadError::network("the server")));
            }
            RequestFault::Hang(at) if sent >= len * at / 1_000 => {
                request.silent = true;
                return Ok(());
            }
            _ => {}
        }
        if sent >= len {
            request.phase = RequestPhase::Sent;
            let latency_ms = self.latency_ms();
            self.schedule(latency_ms, WorldEvent::RequestArrived(id));
        } else {
            self.send_chunk(id);
        }
        if !self.scenario.reports_progress {
            return Ok(());
        }
        self.first_progress_ms.get_or_insert(self.now_ms);
        self.send(Event::Progress { part, bytes: (sent + self.scenario.buffered_bytes).min(len) })
    }

    /// Delays what is on its way until the network is back.
    fn schedule_after_outage(&mut self, event: WorldEvent) {
        let delay_ms = self.offline_until_ms - self.now_ms + self.rng.below(3_000);
        self.schedule(delay_ms, event);
    }

    pub(super) fn on_arrived(&mut self, id: usize) -> CheckResult {
        if self.now_ms < self.offline_until_ms && self.link.requests[id].awaited {
            self.schedule_after_outage(WorldEvent::RequestArrived(id));
            return Ok(());
        }
        let request = &self.link.requests[id];
        // A dropped request to the edge may have been sent; a part that arrives was sent entirely.
        let fault = request.fault.clone();
        let reply = match (&fault, request.task) {
            (RequestFault::Reset(_), _) => Err(UploadError::network("the server")),
            (RequestFault::Hang(_), _) => return Ok(()),
            (RequestFault::Refused(error), _) => Err(error.clone()),
            (RequestFault::FalseNotFound, _) => {
                self.causes.uploads_removed += 1;
                Err(storage_error("NoSuchUpload"))
            }
            (_, Task::Put(_)) => self.storage_reply(id),
            _ => self.edge_reply(id),
        };
        let reply = match fault {
            RequestFault::ResponseLost { silent: true } => return Ok(()),
            RequestFault::ResponseLost { silent: false } => Err(UploadError::network("the server")),
            _ => reply,
        };
        if self.link.requests[id].awaited && !self.link.requests[id].silent {
            let latency_ms = self.latency_ms();
            self.schedule(latency_ms, WorldEvent::ResponseArrived(id, Box::new(reply)));
        }
        Ok(())
    }

    fn storage_reply(&mut self, id: usize) -> Reply {
        let is_overloaded = self.link.puts_with_connection() > self.scenario.max_storage_requests
            && self.now_ms < self.scenario.faults_end_ms;
        let request = &self.link.requests[id];
        let (signed, len, started_ms) = (request.signed, request.len, request.started_ms);
        let mut crc64 = request.crc64;
        if self.now_ms < self.signer_skewed_until_ms {
            return Err(storage_error("RequestTimeTooSkewed"));
        }
        if self.now_ms < self.storage_down_until_ms {
            return Err(storage_error("InternalError"));
        }
        if is_overloaded {
            return Err(storage_error("SlowDown"));
        }
        // Without checksums it can't be detected.
        if matches!(request.fault, RequestFault::BitFlipped) && self.scenario.backend.checksum {
            crc64 ^= 1 << self.rng.below(64);
            self.causes.bit_flips += 1;
        }
        self.backend.put(signed, crc64, len, started_ms)?;
        Ok(Event::Uploaded { part: signed.part, multiplexed: self.scenario.multiplexed })
    }

    fn edge_reply(&mut self, id: usize) -> Reply {
        if self.now_ms < self.edge_down_until_ms {
            return Err(edge_error(502, wire::ErrorCode::StorageUnavailable));
        }
        let now_ms = self.now_ms;
        let upload = std::mem::take(&mut self.link.requests[id].upload);
        match self.link.requests[id].command.take() {
            Some(Command::Open { part_size, checksums }) => self.backend.open(part_size, &checksums, now_ms),
            Some(Command::Sign(parts)) => self.backend.sign(&upload, &parts, now_ms),
            Some(Command::List) => self.backend.list(&upload, now_ms),
            Some(Command::Complete { crc64 }) => {
                let reply = self.backend.complete(&upload, crc64, now_ms);
                self.causes.object_exists |= !self.backend.objects.is_empty();
                reply
            }
            _ => self.backend.abort(&upload, now_ms),
        }
    }

    pub(super) fn on_response(&mut self, id: usize, reply: Reply) -> CheckResult {
        let request = &self.link.requests[id];
        if !request.awaited {
            return Ok(());
        }
        // A response that is on its way when the network goes away is lost.
        if self.now_ms < self.offline_until_ms && reply.is_ok() {
            self.link.requests[id].silent = true;
            return Ok(());
        }
        let task = request.task;
        self.link.end(id);
        self.start_queued();
        self.send(reply.unwrap_or_else(|error| Event::Failed { task, error }))
    }
}
