//! Executes the engine's commands: each becomes a request, a read of the file, or a write to the storage.

use super::World;
use crate::event_queue::WorldEvent;
use crate::fake_backend::FakeBackend;
use crate::invariants::{CheckResult, Invariant, ensure};
use crate::link::{Request, RequestFault};
use uploader_core::error::UploadError;
use uploader_core::types::{Command, PersistOp, Task};
use wire::PartPlan;

impl World {
    pub(super) fn execute(&mut self, command: Command) -> CheckResult {
        self.checker.check_command(&command)?;
        if let (Command::Sign(_) | Command::Put(_) | Command::Complete { .. }, Some(page)) =
            (&command, &mut self.page)
        {
            page.owns_upload = true;
        }
        match command {
            Command::Open { .. } => self.call(Task::Open, command),
            Command::List => self.call(Task::List, Command::List),
            Command::Sign(_) => self.call(Task::Sign, command),
            Command::Complete { .. } => self.call(Task::Complete, command),
            Command::Abort => {
                self.drop_all();
                self.call(Task::Abort, Command::Abort);
            }
            Command::Hash(part) => {
                let len = self.engine_plan().map_or(0, |plan| plan.len(part));
                let round = self.hash_round;
                let delay_ms = 1 + len / self.scenario.hash_bytes_per_ms;
                self.schedule(delay_ms, WorldEvent::Hashed { part, round });
            }
            Command::Put(presigned) => self.put(presigned.part, &presigned.url)?,
            Command::Drop(task) => {
                self.link.drop_task(task);
                self.start_queued();
            }
            Command::DropAll => self.drop_all(),
            Command::Persist(op) => {
                if let (PersistOp::Clear, Some(page)) = (&op, &mut self.page) {
                    page.opened = false;
                }
                if self.scenario.persists {
                    self.storage.write(op, self.now_ms);
                }
            }
            Command::NotifyRetry { .. } | Command::NotifyUnreachable => {}
            Command::RejectSaved => self.reject_saved()?,
            Command::Finish(result) => {
                if let Some(page) = &mut self.page {
                    page.result = Some(result);
                }
            }
        }
        Ok(())
    }

    fn drop_all(&mut self) {
        self.link.drop_all();
        self.hash_round += 1;
    }

    pub(super) fn engine_plan(&self) -> Option<PartPlan> {
        self.page.as_ref()?.engine.plan()
    }

    fn put(&mut self, part: u32, url: &str) -> CheckResult {
        let signed = FakeBackend::parse_url(url).unwrap_or_default();
        let expected = self.plan().map_or(0, |plan| plan.len(part));
        let len = self.engine_plan().map_or(0, |plan| plan.len(part));
        let is_whole = len > 0 && len == expected && signed.part == part;
        ensure(is_whole, Invariant::WholeParts, || {
            format!("part {part}: {len} bytes of {expected}, to the URL of {}", signed.part)
        })?;
        let is_valid = !self.scenario.clocks_are_reliable() || self.now_ms < signed.expires_ms;
        ensure(is_valid, Invariant::NoExpiredUrl, || {
            format!("part {part}, {} s late", (self.now_ms - signed.expires_ms) / 1_000)
        })?;
        let (limit, max) = self.page.as_ref().map_or((0, 0), |page| (page.engine.limit(), page.engine.max()));
        let in_flight = self.link.puts_in_flight() + 1;
        ensure(in_flight <= limit && in_flight <= max, Invariant::ConcurrencyLimit, || {
            format!("{in_flight} in flight, limit {limit}, at most {max}")
        })?;
        self.puts += 1;
        let fault = self.draw_fault(Task::Put(part));
        self.link.add(Request::put(part, signed, len, fault));
        self.start_queued();
        Ok(())
    }

    pub(super) fn start_queued(&mut self) {
        while let Some(id) = self.link.start_next() {
            // A preflight, and the request itself.
            let delay_ms = self.latency_ms() * 2;
            self.schedule(delay_ms, WorldEvent::RequestStarted(id));
        }
    }

    fn call(&mut self, task: Task, command: Command) {
        let fault = self.draw_fault(task);
        let upload = self.page.as_ref().map(|page| page.upload.clone()).unwrap_or_default();
        let id = self.link.add(Request::call(task, command, upload, fault));
        if self.now_ms < self.offline_until_ms {
            return self.lose(id);
        }
        let mut delay_ms = self.latency_ms();
        if task == Task::Complete {
            self.completions += 1;
            // S3's completion may take longer than the timeout.
            let max_ms = self.rng.choose(50, 400_000, 5_000);
            delay_ms += self.rng.log_uniform(10, max_ms);
        }
        self.schedule(delay_ms, WorldEvent::RequestArrived(id));
    }

    /// A request without a network: it fails at once, later, or never.
    pub(super) fn lose(&mut self, id: usize) {
        let delay_ms = match self.rng.below(3) {
            0 => self.rng.between(1, 100),
            1 => self.rng.between(1_000, 30_000),
            _ => return,
        };
        let reply = Box::new(Err(UploadError::network("the server")));
        self.schedule(delay_ms, WorldEvent::ResponseArrived(id, reply));
    }

    pub(super) fn latency_ms(&mut self) -> u64 {
        let ms = self.scenario.latency_ms;
        1 + ms / 2 + self.rng.below(ms)
    }

    fn draw_fault(&mut self, task: Task) -> RequestFault {
        if let Some(position) = self.forced.iter().position(|(forced, _)| *forced == task) {
            self.faults += 1;
            return self.forced.remove(position).1;
        }
        if self.now_ms >= self.scenario.faults_end_ms {
            return RequestFault::None;
        }
        let fault = RequestFault::draw(&mut self.rng, &self.scenario.fault_rates, task);
        if !matches!(fault, RequestFault::None) {
            self.faults += 1;
        }
        fault
    }
}
