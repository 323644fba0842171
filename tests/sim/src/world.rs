//! One upload in a world of its own: a heap of events in virtual time, a browser, a line, and the cloud behind
//! it. Obeys the engine as the driver does, and does to it what the weather says.

mod happening;
mod obeying;
mod travel;

use crate::cloud::Cloud;
use crate::dice::Dice;
use crate::engine::{Engine, Make};
use crate::heap::{Due, Happening};
use crate::judge::{Causes, Judge, Rule, Verdict, Violation, hold, passes};
use crate::line::{Fate, Line};
use crate::notes::Notes;
use crate::weather::{Deed, Weather};
use std::collections::BinaryHeap;
use uploader_core::error::UploadError;
use uploader_core::types::{Clocks, Command, Event, StoredFile, Task};

/// 1970 is so long ago, in milliseconds.
const EPOCH_MS: u64 = 1_700_000_000_000;
/// A run has this much virtual time, in milliseconds, …
const LONGEST_MS: u64 = 90 * 24 * 3_600_000;
/// … so many steps, and as many more for each part.
const MOST_STEPS: u64 = 150_000;
const MOST_STEPS_A_PART: u64 = 1_000;
/// Once all is calm, it ends within so many times what a whole upload takes, and so many milliseconds more.
const PROMPT_TIMES: u64 = 4;
const PROMPT_MS: u64 = 8 * 60_000;
/// So often does a person come back to the page.
const MOST_LOADS: u32 = 30;
/// As many commands at one and the same moment are a loop.
const MOST_AT_ONE_MOMENT: u32 = 30_000;

/// How a run has ended well.
#[derive(Debug)]
pub struct Run {
    pub outcome: Result<StoredFile, UploadError>,
    /// Virtual milliseconds.
    pub took_ms: u64,
    pub steps: u64,
    pub loads: u32,
    /// `PUT`s begun, and how many parts there are.
    pub puts: u64,
    pub parts: u32,
    pub faults: u32,
}

pub struct World {
    pub weather: Weather,
    dice: Dice,
    make: Make,
    pub cloud: Cloud,
    /// True time since the beginning.
    t: u64,
    order: u64,
    heap: BinaryHeap<Due>,
    /// What the client's clocks are off by.
    lag: u64,
    wall_offset: i64,
    page: Option<Page>,
    line: Line,
    hash_round: u32,
    pub notes: Notes,
    causes: Causes,
    /// How often somebody asked for the object.
    completions: u32,
    judge: Judge,
    /// The file changes silently, so nobody can say what has a cause.
    lenient: bool,
    offline_until: u64,
    asleep_until: u64,
    slow_until: u64,
    slow_times: u64,
    store_down_until: u64,
    edge_down_until: u64,
    skewed_until: u64,
    changed_at: Option<(u64, bool)>,
    unreadable_at: Option<u64>,
    salt: u64,
    loads: u32,
    loaded_at: u64,
    steps: u64,
    puts: u64,
    faults: u32,
    at_this_moment: u32,
    /// An object was made while nobody remembers the upload.
    objects_allowed: usize,
    /// Canceled, and not undone by lost notes.
    to_be_gone: Option<String>,
    paused: bool,
    /// Fates that requests meet for sure, each once and in this order.
    pub forced: Vec<(Task, Fate)>,
    pub trace: Option<Vec<String>>,
}

/// One page load.
struct Page {
    engine: Box<dyn Engine>,
    wake: Option<u64>,
    token: String,
    finished: Option<Result<StoredFile, UploadError>>,
    /// The upload was open in this load.
    opened: bool,
    canceled: bool,
}

impl World {
    pub fn new(weather: Weather, mut dice: Dice, make: Make, tracing: bool) -> Self {
        let cloud = Cloud::new(weather.habits.clone(), weather.size);
        let lag = 0u64.wrapping_sub(dice.below(1 << 30));
        let lenient = weather.does(|deed| matches!(deed, Deed::Change { told: false }));
        let line = Line::new(if weather.multiplexed { 100 } else { 6 });
        Self {
            cloud,
            t: 0,
            order: 0,
            heap: BinaryHeap::new(),
            lag,
            wall_offset: dice.below(20 * 3_600_000) as i64 - 10 * 3_600_000,
            page: None,
            line,
            hash_round: 0,
            notes: Notes::default(),
            causes: Causes::default(),
            completions: 0,
            judge: Judge::new(weather.checks, lenient),
            lenient,
            offline_until: 0,
            asleep_until: 0,
            slow_until: 0,
            slow_times: 1,
            store_down_until: 0,
            edge_down_until: 0,
            skewed_until: 0,
            changed_at: None,
            unreadable_at: None,
            salt: dice.draw(),
            loads: 0,
            loaded_at: 0,
            steps: 0,
            puts: 0,
            faults: 0,
            at_this_moment: 0,
            objects_allowed: 1,
            to_be_gone: None,
            paused: false,
            forced: Vec::new(),
            trace: tracing.then(Vec::new),
            weather,
            dice,
            make,
        }
    }

    /// Runs to the end.
    pub fn run(&mut self) -> Result<Run, Violation> {
        self.after(0, Happening::Load);
        for (at, deed) in self.weather.deeds.clone() {
            self.after(at, Happening::Deed(deed));
        }
        let most = MOST_STEPS + MOST_STEPS_A_PART * self.parts();
        loop {
            if let Some(outcome) = self.turn()? {
                return self.ended(outcome);
            }
            self.steps += 1;
            hold(self.steps < most && self.t < LONGEST_MS, Rule::Ends, || {
                format!("after {} steps and {} s", self.steps, self.t / 1_000)
            })?;
            let wake = self.page.as_ref().and_then(|page| page.wake).map(|wake| wake.max(self.asleep_until));
            let before = self.t;
            match (self.heap.peek().map(|due| due.at), wake) {
                (Some(at), wake) if wake.is_none_or(|wake| at <= wake) => {
                    self.t = self.t.max(at);
                    if let Some(due) = self.heap.pop() {
                        self.happen(due.what)?;
                    }
                }
                (_, Some(wake)) => self.t = self.t.max(wake),
                _ => hold(false, Rule::Ends, || "it waits for nothing".into())?,
            }
            if self.t > before {
                self.at_this_moment = 0;
            }
        }
    }

    fn parts(&self) -> u64 {
        self.weather.size.div_ceil(self.weather.part_size)
    }

    pub fn note(&mut self, line: impl FnOnce() -> String) {
        let t = self.t;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>10}.{:03} {}", t / 1_000, t % 1_000, line()));
        }
    }

    fn after(&mut self, ms: u64, what: Happening) {
        self.order += 1;
        self.heap.push(Due { at: self.t + ms, order: self.order, what });
    }

    fn moment(&mut self) -> Clocks {
        let wall = (EPOCH_MS + self.t).saturating_add_signed(self.wall_offset);
        Clocks { now_ms: self.t.wrapping_sub(self.lag), wall_ms: wall, random: self.dice.unit() }
    }

    /// Lets the engine speak until it has nothing more to say; its page's outcome, if that is final.
    fn turn(&mut self) -> Result<Option<Result<StoredFile, UploadError>>, Violation> {
        if self.page.is_none() || self.t < self.asleep_until {
            return Ok(None);
        }
        loop {
            let at = self.moment();
            let Some(page) = &mut self.page else { return Ok(None) };
            let Some(command) = page.engine.poll(at) else { break };
            hold(page.finished.is_none(), Rule::SilentAfterEnd, || format!("{command:?}"))?;
            self.at_this_moment += 1;
            hold(self.at_this_moment < MOST_AT_ONE_MOMENT, Rule::NotBusy, || {
                format!("{command:?} for ever")
            })?;
            self.note(|| format!("  > {}", say(&command)));
            self.obey(command)?;
        }
        self.look_at_progress()?;
        let now = self.moment().now_ms;
        let late = self.dice.below(self.weather.timer_lag) * u64::from(self.dice.hits(300));
        let lag = self.lag;
        let Some(page) = &mut self.page else { return Ok(None) };
        let wake = page.engine.wakeup();
        hold(wake.is_none_or(|wake| wake > now), Rule::NotBusy, || {
            format!("wakes at {wake:?}, it is {now}")
        })?;
        page.wake = wake.map(|wake| wake.wrapping_add(lag) + late);
        match page.finished.clone() {
            Some(outcome) => {
                hold(wake.is_none(), Rule::SilentAfterEnd, || "it wants to be woken".into())?;
                self.page_ended(outcome)
            }
            None => Ok(None),
        }
    }

    fn look_at_progress(&mut self) -> Verdict {
        let now = self.moment().now_ms;
        if let Some(page) = &mut self.page
            && let Some(report) = page.engine.report(now)
        {
            self.judge.progress(report)?;
        }
        Ok(())
    }

    /// A page load is over; is it the end?
    fn page_ended(
        &mut self,
        outcome: Result<StoredFile, UploadError>,
    ) -> Result<Option<Result<StoredFile, UploadError>>, Violation> {
        let opened = self.page.as_ref().is_some_and(|page| page.opened);
        // News that comes after the end is none.
        for event in
            [Event::Online(true), Event::Canceled, Event::Aborted, Event::Progress { part: 1, bytes: 1 }]
        {
            self.tell(event)?;
            let at = self.moment();
            let said = self.page.as_mut().and_then(|page| page.engine.poll(at));
            hold(said.is_none(), Rule::SilentAfterEnd, || format!("{said:?}"))?;
        }
        self.leave_page();
        let failure = match outcome {
            Ok(stored) => {
                let (sent, total) = (self.judge.reported, self.weather.size);
                hold(sent == total, Rule::ProgressForward, || format!("ends at {sent} of {total}"))?;
                return Ok(Some(Ok(stored)));
            }
            Err(failure) => failure,
        };
        if passes(&failure) {
            hold(!opened || self.weather.may_tire(), Rule::NoBlame, || format!("gives up: {failure:?}"))?;
            hold(
                !opened || !self.weather.remembers || self.notes.saved().is_some(),
                Rule::Resumable,
                || format!("{failure:?}"),
            )?;
        } else {
            hold(self.causes.explain(&failure), Rule::NoBlame, || format!("{failure:?}"))?;
        }
        if passes(&failure) || self.notes.saved().is_some() {
            self.come_back()?;
            return Ok(None);
        }
        Ok(Some(Err(failure)))
    }

    fn come_back(&mut self) -> Verdict {
        let calm = self.weather.calm_at.saturating_sub(self.t);
        let soon = self.dice.magnitude(100, 3_600_000);
        self.after(if self.loads > 5 { calm + soon } else { soon }, Happening::Load);
        Ok(())
    }

    fn leave_page(&mut self) {
        self.page = None;
        self.line.drop_all();
        self.hash_round += 1;
        self.paused = false;
    }

    /// The last look at everything.
    fn ended(&mut self, outcome: Result<StoredFile, UploadError>) -> Result<Run, Violation> {
        let calm = self.weather.calm_at.max(self.loaded_at);
        let longest = PROMPT_TIMES * self.weather.ideal_ms() + PROMPT_MS;
        hold(self.t < calm + longest, Rule::Prompt, || {
            format!("{} s after all was calm, not {}", (self.t - calm) / 1_000, longest / 1_000)
        })?;
        // What is still on its way arrives.
        while let Some(due) = self.heap.pop() {
            self.t = self.t.max(due.at);
            if matches!(due.what, Happening::Arrive(_)) {
                self.happen(due.what)?;
            }
        }
        let objects = self.cloud.objects.len();
        hold(objects <= self.objects_allowed, Rule::OneObject, || format!("{objects} objects"))?;
        if let Ok(stored) = &outcome {
            self.look_at_object(stored)?;
        }
        if let Some(token) = &self.to_be_gone {
            hold(!self.cloud.is_open(token), Rule::NoOrphan, || format!("{token} is still open"))?;
        }
        Ok(Run {
            outcome,
            took_ms: self.t,
            steps: self.steps,
            loads: self.loads,
            puts: self.puts,
            parts: self.parts() as u32,
            faults: self.faults,
        })
    }

    fn look_at_object(&self, stored: &StoredFile) -> Verdict {
        let Some(object) = self.cloud.object(&stored.key) else {
            return hold(false, Rule::OwnBytes, || "nothing is stored".into());
        };
        hold(stored.size == self.weather.size, Rule::OwnBytes, || format!("{} bytes are said", stored.size))?;
        // Whoever compares finds what was stored before the file changed.
        let changed = self.changed_at.map(|(at, _)| at);
        let is_old = self.weather.checks
            && self.weather.habits.checks
            && changed.is_some_and(|at| at < self.loaded_at);
        for (part, theirs) in (1..).zip(&object.parts) {
            let fits = (theirs.crc == self.bytes(part, 0) && !is_old)
                || (theirs.crc == self.bytes(part, 1) && changed.is_some())
                || self.bytes(part, 0) == self.bytes(part, 1) && theirs.crc == self.bytes(part, 0);
            hold(fits, Rule::OwnBytes, || format!("part {part} has other bytes"))?;
        }
        let checked = self.weather.checks && self.weather.habits.checks;
        hold(stored.verified == checked, Rule::OwnBytes, || format!("verified: {}", stored.verified))
    }
}

fn say(command: &Command) -> String {
    match command {
        Command::Sign(parts) => format!("Sign {} parts from {:?}", parts.len(), parts.first()),
        Command::Complete(body) => format!("Complete {} parts, {:?}", body.parts.len(), body.checksum),
        other => format!("{other:?}"),
    }
}
