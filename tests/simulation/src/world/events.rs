//! Events of the engine: page loads, incidents, and hashes of parts.

use super::{MAX_PAGE_LOADS, Page, World};
use crate::engine::EngineConfig;
use crate::event_queue::WorldEvent;
use crate::invariants::{CheckResult, Checker, Invariant, ensure};
use crate::rng::mix;
use crate::scenario::Incident;
use uploader_core::error::UploadError;
use uploader_core::types::{Event, Task};

impl World {
    /// The CRC of a part's bytes in the file, before (version 0) or after (version 1) it was written to. Half of the
    /// parts change.
    pub(super) fn file_crc64(&self, part: u32, version: u64, part_size: u64) -> u64 {
        let differs = version == 1 && mix(self.file_salt ^ u64::from(part) ^ 7).is_multiple_of(2);
        mix(self.file_salt ^ mix(part_size) ^ (u64::from(part) << 20) ^ u64::from(differs))
    }

    fn file_version(&self) -> u64 {
        u64::from(self.file_change.is_some_and(|(at_ms, _)| at_ms <= self.now_ms))
    }

    /// Reads a part from the file: its CRC.
    pub(super) fn read(&self, part: u32, part_size: u64) -> Result<u64, UploadError> {
        if self.unreadable_since_ms.is_some_and(|since_ms| since_ms <= self.now_ms) {
            return Err(UploadError::file_unreadable());
        }
        match self.file_change {
            // A page that is loaded later opens the file anew.
            Some((at_ms, true)) if self.loaded_ms <= at_ms => Err(UploadError::file_changed()),
            _ => Ok(self.file_crc64(part, self.file_version(), part_size)),
        }
    }

    /// Sends the engine an event.
    pub(super) fn send(&mut self, event: Event) -> CheckResult {
        let clocks = self.clocks();
        let version = self.file_version();
        let plan = self.plan();
        let part_size = plan.map_or(0, |plan| plan.part_size());
        let mut checker = std::mem::take(&mut self.checker);
        checker.observe_event(&event, plan, |part| self.file_crc64(part, version, part_size));
        self.checker = checker;
        self.log(|| format!("< {}", describe(&event)));
        let Some(page) = &mut self.page else { return Ok(()) };
        if let Event::Opened(opened) = &event {
            if self.foreign.as_ref().is_some_and(|foreign| foreign.token == page.upload)
                && self.completions > 0
            {
                // The other file's upload is gone, and the first slot hides the record of a completed one.
                self.max_objects += 1;
            }
            page.upload.clone_from(&opened.upload);
            (page.opened, page.owns_upload) = (true, true);
            if page.canceled && self.scenario.persists {
                self.must_be_aborted = Some(opened.upload.clone());
            }
        }
        page.opened |= matches!(event, Event::Listed(_));
        page.engine.handle(event, clocks);
        Ok(())
    }

    pub(super) fn handle(&mut self, event: WorldEvent) -> CheckResult {
        // Only the backend doesn't sleep.
        if self.now_ms < self.asleep_until_ms && !matches!(event, WorldEvent::RequestArrived(_)) {
            let delay_ms = self.asleep_until_ms - self.now_ms + self.rng.below(50);
            self.schedule(delay_ms, event);
            return Ok(());
        }
        match event {
            WorldEvent::PageLoaded => self.load_page(),
            WorldEvent::Incident(incident) => self.apply(incident),
            WorldEvent::PauseEnded => self.set_paused(false),
            WorldEvent::OnlineReported if self.now_ms < self.offline_until_ms => Ok(()),
            WorldEvent::OnlineReported => self.send(Event::Online(true)),
            WorldEvent::RequestStarted(id) => self.on_started(id),
            WorldEvent::ChunkSent(id) => self.on_chunk_sent(id),
            WorldEvent::RequestArrived(id) => self.on_arrived(id),
            WorldEvent::ResponseArrived(id, reply) => self.on_response(id, *reply),
            WorldEvent::Hashed { part, round } => {
                if round != self.hash_round {
                    return Ok(());
                }
                let part_size = self.engine_plan().map_or(0, |plan| plan.part_size());
                match self.read(part, part_size) {
                    Ok(crc64) => self.send(Event::Hashed { part, crc64 }),
                    Err(error) => self.send(Event::Failed { task: Task::Hash(part), error }),
                }
            }
        }
    }

    fn load_page(&mut self) -> CheckResult {
        if self.page.is_some() {
            return Ok(());
        }
        self.storage.claim_first();
        self.loads += 1;
        self.loaded_ms = self.now_ms;
        ensure(self.loads < MAX_PAGE_LOADS, Invariant::Terminates, || format!("{} page loads", self.loads))?;
        self.start_engine();
        Ok(())
    }

    /// The saved upload is another file's: the page goes on with the next record slot.
    pub(super) fn reject_saved(&mut self) -> CheckResult {
        let upload = self.page.as_ref().map(|page| page.upload.clone()).unwrap_or_default();
        // Without checksums, an object is known to be this file only by the record of each part.
        let may_be_other = !self.scenario.backend.checksum && self.completions > 0;
        self.max_objects += usize::from(may_be_other);
        let is_right = self.is_foreign(&upload) || self.causes.file_changed || may_be_other;
        ensure(is_right, Invariant::NoUnexplainedError, || format!("rejects {upload}, its own upload"))?;
        self.link.drop_all();
        self.hash_round += 1;
        self.storage.claim_next();
        let reported = self.checker.reported;
        self.start_engine();
        // For the page it is one and the same upload.
        self.checker.reported = reported;
        if self.paused {
            return self.send(Event::Paused(true));
        }
        Ok(())
    }

    /// Starts a machine with what the claimed record slot has.
    fn start_engine(&mut self) {
        self.first_progress_ms = None;
        let saved = self.storage.saved();
        self.log(|| format!("the page starts with {saved:?}"));
        if saved.is_none() && self.completions > 0 {
            // This page load can't know of an object that was made or is about to be.
            self.max_objects += 1;
            self.causes.object_exists = true;
        }
        self.causes.canceled |= self.storage.is_canceled();
        self.checker = Checker::new(self.scenario.backend.checksum, self.file_changes_unnoticed);
        let opened = saved.is_some();
        let engine = (self.factory)(EngineConfig {
            size: self.scenario.size,
            part_size: self.scenario.part_size,
            concurrency: self.scenario.concurrency,
            saved,
        });
        let upload = self.storage.upload();
        let owns_upload = false;
        self.page = Some(Page {
            engine,
            wakeup_ms: None,
            upload,
            result: None,
            opened,
            owns_upload,
            canceled: false,
        });
    }

    fn apply(&mut self, incident: Incident) -> CheckResult {
        self.log(|| format!("! {incident:?}"));
        // A sleep may delay an incident.
        self.scenario.faults_end_ms = self.scenario.faults_end_ms.max(self.now_ms + incident.ms());
        let until_ms = |ms: u64| self.now_ms + ms;
        match incident {
            Incident::Offline { ms, reported, return_reported } => {
                self.offline_until_ms = self.offline_until_ms.max(until_ms(ms));
                self.disturb_connections(ms);
                if reported {
                    self.send(Event::Online(false))?;
                }
                if return_reported {
                    self.schedule(ms, WorldEvent::OnlineReported);
                }
            }
            Incident::Sleep { ms } => {
                self.asleep_until_ms = self.asleep_until_ms.max(until_ms(ms));
                if self.scenario.sleep_stops_clock {
                    self.monotonic_lag_ms = self.monotonic_lag_ms.wrapping_add(ms);
                    if let Some(page) = &mut self.page {
                        page.wakeup_ms = page.wakeup_ms.map(|wakeup_ms| wakeup_ms + ms);
                    }
                }
                self.disturb_connections(ms);
            }
            Incident::ConnectionsReset => {
                for id in self.link.with_connection() {
                    let delay_ms = self.rng.below(10);
                    let reply = Box::new(Err(UploadError::network("the server")));
                    self.schedule(delay_ms, WorldEvent::ResponseArrived(id, reply));
                }
            }
            Incident::Slow { factor, ms } => {
                (self.slow_until_ms, self.slow_factor) = (until_ms(ms), factor);
            }
            Incident::ClockSet { by_ms } => self.wall_lead_ms = self.wall_lead_ms.saturating_add(by_ms),
            Incident::Pause { ms } => {
                self.set_paused(true)?;
                self.schedule(ms, WorldEvent::PauseEnded);
            }
            Incident::Cancel => {
                if let Some(page) = &mut self.page {
                    page.canceled = true;
                    self.causes.canceled = true;
                    if self.scenario.persists && page.owns_upload {
                        self.must_be_aborted = Some(page.upload.clone());
                    }
                    self.send(Event::Canceled)?;
                }
            }
            Incident::Reload { lost_writes, data_cleared, after_ms } => {
                if self.page.is_some() {
                    self.leave_page();
                    self.storage.lose_last_writes(lost_writes, self.now_ms);
                    if data_cleared {
                        self.storage.clear();
                    }
                    if !self.storage.is_canceled() {
                        // The cancellation itself is lost.
                        self.must_be_aborted = None;
                    }
                    self.schedule(after_ms, WorldEvent::PageLoaded);
                }
            }
            Incident::FileChange { detected } => {
                self.file_change.get_or_insert((self.now_ms, detected));
                self.causes.file_changed = true;
                self.max_objects += 1;
            }
            Incident::FileUnreadable => {
                self.unreadable_since_ms.get_or_insert(self.now_ms);
                self.causes.file_unreadable = true;
            }
            Incident::UploadRemoved => {
                if let Some(page) = &self.page
                    && !self.is_foreign(&page.upload)
                {
                    self.backend.remove(&page.upload);
                    self.causes.uploads_removed += 1;
                }
            }
            Incident::PartsLost => {
                if let Some(page) = &self.page
                    && !self.is_foreign(&page.upload)
                {
                    let rng = &mut self.rng;
                    self.causes.parts_lost += self.backend.lose_parts(&page.upload, || rng.below(3) == 0);
                }
            }
            Incident::StorageDown { ms } => self.storage_down_until_ms = until_ms(ms),
            Incident::EdgeDown { ms } => self.edge_down_until_ms = until_ms(ms),
            Incident::SignerClockSkew { ms } => self.signer_skewed_until_ms = until_ms(ms),
        }
        Ok(())
    }

    fn set_paused(&mut self, paused: bool) -> CheckResult {
        if self.paused != paused && self.page.is_some() {
            self.paused = paused;
            return self.send(Event::Paused(paused));
        }
        Ok(())
    }

    /// An interruption: some connections survive, others die, most of those without an error.
    fn disturb_connections(&mut self, ms: u64) {
        for id in self.link.with_connection() {
            match self.rng.below(5) {
                0..3 => self.link.requests[id].silent = true,
                3 => {
                    self.link.requests[id].silent = true;
                    let delay_ms = ms + self.rng.below(20_000);
                    let reply = Box::new(Err(UploadError::network("the server")));
                    self.schedule(delay_ms, WorldEvent::ResponseArrived(id, reply));
                }
                _ => {}
            }
        }
    }
}

fn describe(event: &Event) -> String {
    match event {
        Event::Opened(opened) => format!("Opened {}, {} parts", opened.upload, opened.part_count),
        Event::Signed(parts) => format!("Signed {} parts", parts.len()),
        Event::Listed(listing) => format!("Listed {:?}, {} parts", listing.state, listing.parts.len()),
        other => format!("{other:?}"),
    }
}
