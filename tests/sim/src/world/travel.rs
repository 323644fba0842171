//! The way of one request: through the browser's queue, over the line, to the other side and back.

use super::World;
use crate::cloud::{Reply, store};
use crate::heap::Happening;
use crate::judge::Verdict;
use crate::line::{Fate, Stage};
use uploader_core::error::UploadError;
use uploader_core::types::{Command, Event, Task};

impl World {
    pub(super) fn start(&mut self, id: usize) -> Verdict {
        let (alive, silent) = (self.line.requests[id].alive, self.line.requests[id].silent);
        if !alive || silent {
            return Ok(());
        }
        if self.t < self.offline_until {
            self.lose(id);
            return Ok(());
        }
        let crc = match self.read(self.line.requests[id].signed.part) {
            Ok(crc) => crc,
            Err(failure) => return self.answer(id, Err(failure)),
        };
        let request = &mut self.line.requests[id];
        (request.crc, request.begun) = (crc, self.t);
        self.next_chunk(id);
        Ok(())
    }

    pub(super) fn next_chunk(&mut self, id: usize) {
        let active = self.line.moving().max(1) as u64;
        let request = &mut self.line.requests[id];
        let times = if self.t < self.slow_until { self.slow_times } else { 1 };
        let rate = ((self.weather.bandwidth / active).min(self.weather.each) / times).max(1);
        request.step = (rate * self.weather.beat_ms)
            .min(request.len.div_ceil(3))
            .min(request.len - request.moved)
            .max(1);
        let ms = 1 + request.step / rate;
        self.after(ms, Happening::Chunk(id));
    }

    pub(super) fn chunk(&mut self, id: usize) -> Verdict {
        let request = &self.line.requests[id];
        if !request.alive || request.silent {
            return Ok(());
        }
        if self.t < self.offline_until {
            let ms = self.offline_until - self.t + self.dice.below(3_000);
            self.after(ms, Happening::Chunk(id));
            return Ok(());
        }
        let request = &mut self.line.requests[id];
        request.moved += request.step;
        let (moved, len, part) = (request.moved, request.len, request.signed.part);
        match request.fate {
            Fate::Reset(at) if moved >= len * at / 1_000 => {
                return self.answer(id, Err(UploadError::network()));
            }
            Fate::Hang(at) if moved >= len * at / 1_000 => {
                request.silent = true;
                return Ok(());
            }
            _ => {}
        }
        if moved >= len {
            request.stage = Stage::Sent;
            let ms = self.latency();
            self.after(ms, Happening::Arrive(id));
        } else {
            self.next_chunk(id);
        }
        self.tell(Event::Progress { part, bytes: (moved + self.weather.buffer).min(len) })
    }

    pub(super) fn arrive(&mut self, id: usize) -> Verdict {
        if self.t < self.offline_until && self.line.requests[id].alive {
            let ms = self.offline_until - self.t + self.dice.below(3_000);
            self.after(ms, Happening::Arrive(id));
            return Ok(());
        }
        let request = &self.line.requests[id];
        // A call that is dropped on the way may have been sent or not; a part's bytes are there by now.
        let fate = request.fate.clone();
        let reply = match (&fate, request.task) {
            (Fate::Reset(_), _) => Err(UploadError::network()),
            (Fate::Hang(_), _) => return Ok(()),
            (Fate::Refused(failure), _) => Err(failure.clone()),
            (Fate::Denied, _) => {
                self.causes.gone += 1;
                Err(store("NoSuchUpload"))
            }
            (_, Task::Put(_)) => self.store(id),
            _ => self.edge(id),
        };
        let reply = match fate {
            Fate::Unheard { silent: true } => return Ok(()),
            Fate::Unheard { silent: false } => Err(UploadError::network()),
            _ => reply,
        };
        if self.line.requests[id].alive && !self.line.requests[id].silent {
            let ms = self.latency();
            self.after(ms, Happening::Answer(id, Box::new(reply)));
        }
        Ok(())
    }

    pub(super) fn store(&mut self, id: usize) -> Reply {
        let busy = self.line.moving() > self.weather.store_limit && self.t < self.weather.calm_at;
        let request = &self.line.requests[id];
        let (signed, len, begun) = (request.signed, request.len, request.begun);
        let mut crc = request.crc;
        if self.t < self.skewed_until {
            return Err(store("RequestTimeTooSkewed"));
        }
        if self.t < self.store_down_until {
            return Err(store("InternalError"));
        }
        if busy {
            return Err(store("SlowDown"));
        }
        // A change on the way that nobody could notice isn't made.
        if matches!(request.fate, Fate::Flipped) && self.weather.checks && self.weather.habits.checks {
            crc ^= 1 << self.dice.below(64);
            self.causes.flips += 1;
        }
        let mut receipt = self.cloud.put(signed, crc, len, begun)?;
        if self.dice.hits(self.weather.odds.hidden_etag) {
            receipt.etag = None;
        }
        if self.dice.hits(self.weather.odds.hidden_checksum) {
            receipt.checksum = None;
        }
        Ok(Event::Uploaded { part: signed.part, receipt, multiplexed: self.weather.multiplexed })
    }

    pub(super) fn edge(&mut self, id: usize) -> Reply {
        if self.t < self.edge_down_until {
            return Err(crate::cloud::edge(502, wire::ErrorCode::StorageUnavailable));
        }
        let t = self.t;
        let token = std::mem::take(&mut self.line.requests[id].token);
        let reply = match self.line.requests[id].ask.take() {
            Some(Command::Open) => self.cloud.open(self.weather.part_size, t),
            Some(Command::Sign(parts)) => self.cloud.sign(&token, &parts, t),
            Some(Command::List) => self.cloud.list(&token, t),
            Some(Command::Complete(body)) => {
                let reply = self.cloud.complete(&token, &body, t);
                self.causes.exists |= !self.cloud.objects.is_empty();
                reply
            }
            _ => self.cloud.abort(&token, t),
        };
        if reply.as_ref().is_err_and(|failure| failure.code == "upload_expired") {
            // Nobody can know any more whether it was completed.
            self.objects_allowed += 1;
        }
        reply
    }

    pub(super) fn answer(&mut self, id: usize, reply: Reply) -> Verdict {
        let request = &self.line.requests[id];
        if !request.alive {
            return Ok(());
        }
        // What was on its way when the network went is lost.
        if self.t < self.offline_until && reply.is_ok() {
            self.line.requests[id].silent = true;
            return Ok(());
        }
        let task = request.task;
        self.line.end(id);
        self.start_queued();
        self.tell(reply.unwrap_or_else(|failure| Event::Failed { task, error: failure }))
    }
}
