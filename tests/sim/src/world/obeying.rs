//! The driver's side: each command becomes a request, a read, or a line of notes.

use super::World;
use crate::cloud::Cloud;
use crate::heap::Happening;
use crate::judge::{Rule, Verdict, hold};
use crate::line::{Fate, Request};
use uploader_core::error::UploadError;
use uploader_core::types::{Command, PersistOp, Task};
use wire::PartPlan;

impl World {
    pub(super) fn obey(&mut self, command: Command) -> Verdict {
        self.judge.said(&command)?;
        match command {
            Command::Open => self.call(Task::Open, Command::Open),
            Command::List => self.call(Task::List, Command::List),
            Command::Sign(parts) => self.call(Task::Sign, Command::Sign(parts)),
            Command::Complete(body) => self.call(Task::Complete, Command::Complete(body)),
            Command::Abort => {
                self.line.drop_all();
                self.hash_round += 1;
                self.call(Task::Abort, Command::Abort);
            }
            Command::Hash(part) => {
                let len = self.plan().map_or(0, |plan| plan.len(part));
                let round = self.hash_round;
                self.after(1 + len / self.weather.hash_rate, Happening::Hashed { part, round });
            }
            Command::Put(ticket) => self.put(ticket.part, &ticket.url)?,
            Command::Drop(task) => {
                self.line.cut_off(task);
                self.start_queued();
            }
            Command::DropAll => {
                self.line.drop_all();
                self.hash_round += 1;
            }
            Command::Persist(note) => {
                if let (PersistOp::Clear, Some(page)) = (&note, &mut self.page) {
                    page.opened = false;
                }
                if self.weather.remembers {
                    self.notes.write(note, self.t);
                }
            }
            Command::NotifyRetry { .. } => {}
            Command::Finish(outcome) => {
                if let Some(page) = &mut self.page {
                    page.finished = Some(outcome);
                }
            }
        }
        Ok(())
    }

    pub(super) fn plan(&self) -> Option<PartPlan> {
        self.page.as_ref()?.engine.plan()
    }

    pub(super) fn put(&mut self, part: u32, url: &str) -> Verdict {
        let signed = Cloud::read(url).unwrap_or_default();
        let plan = PartPlan::new(self.weather.size, Some(self.weather.part_size)).ok();
        let wanted = plan.map_or(0, |plan| plan.len(part));
        let len = self.plan().map_or(0, |plan| plan.len(part));
        hold(len > 0 && len == wanted && signed.part == part, Rule::WholeParts, || {
            format!("part {part}: {len} bytes of {wanted}, to the URL of {}", signed.part)
        })?;
        hold(!self.weather.sane_clocks() || self.t < signed.expires, Rule::FreshUrls, || {
            format!("part {part}, {} s late", (self.t - signed.expires) / 1_000)
        })?;
        let (at_once, most) =
            self.page.as_ref().map_or((0, 0), |page| (page.engine.at_once(), page.engine.most_at_once()));
        let flying = self.line.puts_under_way() + 1;
        hold(flying <= at_once && flying <= most, Rule::AtOnce, || {
            format!("{flying} in flight, {at_once} allowed now, {most} at most")
        })?;
        self.puts += 1;
        let fate = self.fate(Task::Put(part));
        self.line.add(Request::put(part, signed, len, fate));
        self.start_queued();
        Ok(())
    }

    pub(super) fn start_queued(&mut self) {
        while let Some(id) = self.line.next_start() {
            // A preflight, and the way there.
            let ms = self.latency() * 2;
            self.after(ms, Happening::Start(id));
        }
    }

    pub(super) fn call(&mut self, task: Task, ask: Command) {
        let fate = self.fate(task);
        let token = self.page.as_ref().map(|page| page.token.clone()).unwrap_or_default();
        let id = self.line.add(Request::call(task, ask, token, fate));
        if self.t < self.offline_until {
            return self.lose(id);
        }
        let mut ms = self.latency();
        if task == Task::Complete {
            self.completions += 1;
            // S3 takes its time, now and then longer than anybody would wait.
            let longest = self.dice.either(50, 400_000, 5_000);
            ms += self.dice.magnitude(10, longest);
        }
        self.after(ms, Happening::Arrive(id));
    }

    /// Without a network a request fails at once, later, or not at all.
    pub(super) fn lose(&mut self, id: usize) {
        let ms = match self.dice.below(3) {
            0 => self.dice.between(1, 100),
            1 => self.dice.between(1_000, 30_000),
            _ => return,
        };
        self.after(ms, Happening::Answer(id, Box::new(Err(UploadError::network()))));
    }

    pub(super) fn latency(&mut self) -> u64 {
        let ms = self.weather.latency_ms;
        1 + ms / 2 + self.dice.below(ms)
    }

    pub(super) fn fate(&mut self, task: Task) -> Fate {
        if let Some(place) = self.forced.iter().position(|(forced, _)| *forced == task) {
            self.faults += 1;
            return self.forced.remove(place).1;
        }
        if self.t >= self.weather.calm_at {
            return Fate::Fine;
        }
        let fate = Fate::draw(&mut self.dice, &self.weather.odds, task);
        if !matches!(fate, Fate::Fine) {
            self.faults += 1;
        }
        fate
    }
}
