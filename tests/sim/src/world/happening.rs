//! What happens to the engine: its page is loaded, somebody does something, a part is read.

use super::{MOST_LOADS, Page, World};
use crate::dice::mix;
use crate::engine::Recipe;
use crate::heap::Happening;
use crate::judge::{Judge, Rule, Verdict, hold};
use crate::weather::Deed;
use uploader_core::error::UploadError;
use uploader_core::types::{Event, Task};
use wire::PartPlan;

impl World {
    /// The checksum of a part's bytes, before or after the file was written to.
    pub(super) fn bytes(&self, part: u32, version: u64) -> u64 {
        let differs = version == 1 && mix(self.salt ^ u64::from(part) ^ 7).is_multiple_of(2);
        mix(self.salt ^ (u64::from(part) << 20) ^ u64::from(differs))
    }

    pub(super) fn version(&self) -> u64 {
        u64::from(self.changed_at.is_some_and(|(at, _)| at <= self.t))
    }

    /// Reads a part: its checksum, or why not.
    pub(super) fn read(&self, part: u32) -> Result<u64, UploadError> {
        if self.unreadable_at.is_some_and(|at| at <= self.t) {
            return Err(UploadError::file_unreadable());
        }
        match self.changed_at {
            Some((_, true)) => Err(UploadError::file_changed()),
            _ => Ok(self.bytes(part, self.version())),
        }
    }

    /// Tells the engine something.
    pub(super) fn tell(&mut self, event: Event) -> Verdict {
        let at = self.moment();
        let version = self.version();
        let plan = PartPlan::new(self.weather.size, Some(self.weather.part_size)).ok();
        let salted = |world: &Self, part| world.bytes(part, version);
        let mut judge = std::mem::take(&mut self.judge);
        judge.told(&event, plan, |part| salted(self, part));
        self.judge = judge;
        self.note(|| format!("< {}", hear(&event)));
        let Some(page) = &mut self.page else { return Ok(()) };
        if let Event::Opened(session) = &event {
            page.token.clone_from(&session.upload);
            page.opened = true;
            if page.canceled && self.weather.remembers {
                self.to_be_gone = Some(session.upload.clone());
            }
        }
        page.opened |= matches!(event, Event::Listed(_));
        page.engine.handle(event, at);
        Ok(())
    }

    pub(super) fn happen(&mut self, what: Happening) -> Verdict {
        // The other side doesn't sleep.
        if self.t < self.asleep_until && !matches!(what, Happening::Arrive(_)) {
            let ms = self.asleep_until - self.t + self.dice.below(50);
            self.after(ms, what);
            return Ok(());
        }
        match what {
            Happening::Load => self.load(),
            Happening::Deed(deed) => self.deed(deed),
            Happening::Resume => self.pause(false),
            Happening::Back if self.t < self.offline_until => Ok(()),
            Happening::Back => self.tell(Event::Online(true)),
            Happening::Start(id) => self.start(id),
            Happening::Chunk(id) => self.chunk(id),
            Happening::Arrive(id) => self.arrive(id),
            Happening::Answer(id, reply) => self.answer(id, *reply),
            Happening::Hashed { part, round } => {
                if round != self.hash_round {
                    return Ok(());
                }
                match self.read(part) {
                    Ok(crc) => self.tell(Event::Hashed { part, crc64: crc }),
                    Err(failure) => self.tell(Event::Failed { task: Task::Hash(part), error: failure }),
                }
            }
        }
    }

    pub(super) fn load(&mut self) -> Verdict {
        if self.page.is_some() {
            return Ok(());
        }
        self.loads += 1;
        self.loaded_at = self.t;
        hold(self.loads < MOST_LOADS, Rule::Ends, || format!("{} page loads", self.loads))?;
        let saved = self.notes.saved();
        self.note(|| format!("the page is loaded: {saved:?}"));
        if saved.is_none() && self.completions > 0 {
            // Nobody can know of an object that is made, or about to be.
            self.objects_allowed += 1;
            self.causes.exists = true;
        }
        self.causes.canceled |= saved.as_ref().is_some_and(|saved| saved.canceled);
        self.judge = Judge::new(self.weather.checks, self.lenient);
        let opened = saved.is_some();
        let recipe = Recipe {
            size: self.weather.size,
            checks: self.weather.checks,
            at_once: self.weather.at_once,
            saved,
        };
        let token = self.notes.token().to_owned();
        let engine = (self.make)(recipe);
        self.page = Some(Page { engine, wake: None, token, finished: None, opened, canceled: false });
        Ok(())
    }

    pub(super) fn deed(&mut self, deed: Deed) -> Verdict {
        self.note(|| format!("! {deed:?}"));
        // It may come late, after a sleep.
        self.weather.calm_at = self.weather.calm_at.max(self.t + deed.ms());
        let until = |ms: u64| self.t + ms;
        match deed {
            Deed::Offline { ms, told, told_back } => {
                self.offline_until = self.offline_until.max(until(ms));
                self.shake_line(ms);
                if told {
                    self.tell(Event::Online(false))?;
                }
                if told_back {
                    self.after(ms, Happening::Back);
                }
            }
            Deed::Sleep { ms } => {
                self.asleep_until = self.asleep_until.max(until(ms));
                if self.weather.sleep_stops_now {
                    self.lag = self.lag.wrapping_add(ms);
                    if let Some(page) = &mut self.page {
                        page.wake = page.wake.map(|wake| wake + ms);
                    }
                }
                self.shake_line(ms);
            }
            Deed::Reset => {
                for id in self.line.under_way() {
                    let ms = self.dice.below(10);
                    self.after(ms, Happening::Answer(id, Box::new(Err(UploadError::network()))));
                }
            }
            Deed::Slow { times, ms } => (self.slow_until, self.slow_times) = (until(ms), times),
            Deed::SetClock { by } => self.wall_offset = self.wall_offset.saturating_add(by),
            Deed::Pause { ms } => {
                self.pause(true)?;
                self.after(ms, Happening::Resume);
            }
            Deed::Cancel => {
                if let Some(page) = &mut self.page {
                    page.canceled = true;
                    self.causes.canceled = true;
                    if self.weather.remembers && !page.token.is_empty() {
                        self.to_be_gone = Some(page.token.clone());
                    }
                    self.tell(Event::Canceled)?;
                }
            }
            Deed::Reload { forgets, clears, after_ms } => {
                if self.page.is_some() {
                    self.leave_page();
                    self.notes.forget(forgets, self.t);
                    if clears {
                        self.notes.clear();
                    }
                    if !self.notes.saved().is_some_and(|saved| saved.canceled) {
                        // The order itself is forgotten.
                        self.to_be_gone = None;
                    }
                    self.after(after_ms, Happening::Load);
                }
            }
            Deed::Change { told } => {
                self.changed_at.get_or_insert((self.t, told));
                self.causes.changed = true;
                self.objects_allowed += 1;
            }
            Deed::Unreadable => {
                self.unreadable_at.get_or_insert(self.t);
                self.causes.unreadable = true;
            }
            Deed::Vanish => {
                if let Some(page) = &self.page {
                    self.cloud.remove(&page.token);
                    self.causes.gone += 1;
                }
            }
            Deed::StoreDown { ms } => self.store_down_until = until(ms),
            Deed::EdgeDown { ms } => self.edge_down_until = until(ms),
            Deed::Skew { ms } => self.skewed_until = until(ms),
        }
        Ok(())
    }

    pub(super) fn pause(&mut self, paused: bool) -> Verdict {
        if self.paused != paused && self.page.is_some() {
            self.paused = paused;
            return self.tell(Event::Paused(paused));
        }
        Ok(())
    }

    /// Connections that live through an interruption may be dead without knowing it.
    pub(super) fn shake_line(&mut self, ms: u64) {
        for id in self.line.under_way() {
            match self.dice.below(5) {
                0..3 => self.line.requests[id].silent = true,
                3 => {
                    self.line.requests[id].silent = true;
                    let late = self.dice.below(20_000);
                    self.after(ms + late, Happening::Answer(id, Box::new(Err(UploadError::network()))));
                }
                _ => {}
            }
        }
    }
}

fn hear(event: &Event) -> String {
    match event {
        Event::Opened(session) => format!("Opened {}, {} parts", session.upload, session.part_count),
        Event::Signed(tickets) => format!("Signed {} parts", tickets.len()),
        Event::Listed(listing) => format!("Listed {:?}, {} parts", listing.state, listing.parts.len()),
        other => format!("{other:?}"),
    }
}
