//! One upload in a world of its own: a heap of events in virtual time, a browser, a line, and the cloud behind
//! it. Obeys the engine as the driver does, and does to it what the weather says.

use crate::cloud::{Cloud, Reply};
use crate::dice::{Dice, mix};
use crate::engine::{Engine, Make, Recipe};
use crate::judge::{Causes, Judge, Rule, Verdict, Violation, hold, passes};
use crate::line::{Fate, Line, Request, Stage};
use crate::notes::Notes;
use crate::weather::{Deed, Weather};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use web::error::Failure;
use web::machine::{Command, Event, Moment, Note, Stored, Task};
use wire::PartPlan;

/// 1970 is so long ago, in milliseconds.
const EPOCH_MS: u64 = 1_700_000_000_000;
/// A run has this much virtual time, in milliseconds, …
const LONGEST_MS: u64 = 90 * 24 * 3_600_000;
/// … so many steps, and as many more for each part.
const MOST_STEPS: u64 = 150_000;
const MOST_STEPS_A_PART: u64 = 1_000;
/// So often does a person come back to the page.
const MOST_LOADS: u32 = 30;
/// As many commands at one and the same moment are a loop.
const MOST_AT_ONE_MOMENT: u32 = 30_000;

#[derive(Debug)]
enum Happening {
    /// The page is loaded.
    Load,
    Deed(Deed),
    /// A pause ends.
    Resume,
    /// The browser says that the network is back.
    Back,
    /// A request gets its connection.
    Start(usize),
    Chunk(usize),
    /// It has arrived at the other side.
    Arrive(usize),
    Answer(usize, Box<Reply>),
    Hashed {
        part: u32,
        round: u32,
    },
}

struct Due {
    at: u64,
    order: u64,
    what: Happening,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (Reverse(self.at), Reverse(self.order)).cmp(&(Reverse(other.at), Reverse(other.order)))
    }
}

/// How a run has ended well.
#[derive(Debug)]
pub struct Run {
    pub outcome: Result<Stored, Failure>,
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
    finished: Option<Result<Stored, Failure>>,
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

    fn moment(&mut self) -> Moment {
        let wall = (EPOCH_MS + self.t).saturating_add_signed(self.wall_offset);
        Moment { now: self.t.wrapping_sub(self.lag), wall, chance: self.dice.unit() }
    }

    /// Lets the engine speak until it has nothing more to say; its page's outcome, if that is final.
    fn turn(&mut self) -> Result<Option<Result<Stored, Failure>>, Violation> {
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
        let now = self.moment().now;
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
        let now = self.moment().now;
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
        outcome: Result<Stored, Failure>,
    ) -> Result<Option<Result<Stored, Failure>>, Violation> {
        let opened = self.page.as_ref().is_some_and(|page| page.opened);
        // News that comes after the end is none.
        for event in
            [Event::Online(true), Event::Canceled, Event::Aborted, Event::Moved { part: 1, bytes: 1 }]
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
    fn ended(&mut self, outcome: Result<Stored, Failure>) -> Result<Run, Violation> {
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

    fn look_at_object(&self, stored: &Stored) -> Verdict {
        let object = self.cloud.objects.last();
        let Some(object) = object else {
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

    fn obey(&mut self, command: Command) -> Verdict {
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
            Command::CutOff(task) => {
                self.line.cut_off(task);
                self.start_queued();
            }
            Command::DropAll => {
                self.line.drop_all();
                self.hash_round += 1;
            }
            Command::Keep(note) => {
                if let (Note::Over, Some(page)) = (&note, &mut self.page) {
                    page.opened = false;
                }
                if self.weather.remembers {
                    self.notes.write(note, self.t);
                }
            }
            Command::Tell { .. } => {}
            Command::Finish(outcome) => {
                if let Some(page) = &mut self.page {
                    page.finished = Some(outcome);
                }
            }
        }
        Ok(())
    }

    fn plan(&self) -> Option<PartPlan> {
        self.page.as_ref()?.engine.plan()
    }

    fn put(&mut self, part: u32, url: &str) -> Verdict {
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

    fn start_queued(&mut self) {
        while let Some(id) = self.line.next_start() {
            // A preflight, and the way there.
            let ms = self.latency() * 2;
            self.after(ms, Happening::Start(id));
        }
    }

    fn call(&mut self, task: Task, ask: Command) {
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
    fn lose(&mut self, id: usize) {
        let ms = match self.dice.below(3) {
            0 => self.dice.between(1, 100),
            1 => self.dice.between(1_000, 30_000),
            _ => return,
        };
        self.after(ms, Happening::Answer(id, Box::new(Err(Failure::network()))));
    }

    fn latency(&mut self) -> u64 {
        let ms = self.weather.latency_ms;
        1 + ms / 2 + self.dice.below(ms)
    }

    fn fate(&mut self, task: Task) -> Fate {
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

    /// The checksum of a part's bytes, before or after the file was written to.
    fn bytes(&self, part: u32, version: u64) -> u64 {
        let differs = version == 1 && mix(self.salt ^ u64::from(part) ^ 7).is_multiple_of(2);
        mix(self.salt ^ (u64::from(part) << 20) ^ u64::from(differs))
    }

    fn version(&self) -> u64 {
        u64::from(self.changed_at.is_some_and(|(at, _)| at <= self.t))
    }

    /// Reads a part: its checksum, or why not.
    fn read(&self, part: u32) -> Result<u64, Failure> {
        if self.unreadable_at.is_some_and(|at| at <= self.t) {
            return Err(Failure::unreadable());
        }
        match self.changed_at {
            Some((_, true)) => Err(Failure::changed()),
            _ => Ok(self.bytes(part, self.version())),
        }
    }

    /// Tells the engine something.
    fn tell(&mut self, event: Event) -> Verdict {
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

    fn happen(&mut self, what: Happening) -> Verdict {
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
                    Ok(crc) => self.tell(Event::Hashed { part, crc }),
                    Err(failure) => self.tell(Event::Failed { task: Task::Hash(part), failure }),
                }
            }
        }
    }

    fn load(&mut self) -> Verdict {
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

    fn deed(&mut self, deed: Deed) -> Verdict {
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
                    self.after(ms, Happening::Answer(id, Box::new(Err(Failure::network()))));
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

    fn pause(&mut self, paused: bool) -> Verdict {
        if self.paused != paused && self.page.is_some() {
            self.paused = paused;
            return self.tell(Event::Paused(paused));
        }
        Ok(())
    }

    /// Connections that live through an interruption may be dead without knowing it.
    fn shake_line(&mut self, ms: u64) {
        for id in self.line.under_way() {
            match self.dice.below(5) {
                0..3 => self.line.requests[id].silent = true,
                3 => {
                    self.line.requests[id].silent = true;
                    let late = self.dice.below(20_000);
                    self.after(ms + late, Happening::Answer(id, Box::new(Err(Failure::network()))));
                }
                _ => {}
            }
        }
    }

    fn start(&mut self, id: usize) -> Verdict {
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

    fn next_chunk(&mut self, id: usize) {
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

    fn chunk(&mut self, id: usize) -> Verdict {
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
            Fate::Reset(at) if moved >= len * at / 1_000 => return self.answer(id, Err(Failure::network())),
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
        self.tell(Event::Moved { part, bytes: (moved + self.weather.buffer).min(len) })
    }

    fn arrive(&mut self, id: usize) -> Verdict {
        if self.t < self.offline_until && self.line.requests[id].alive {
            let ms = self.offline_until - self.t + self.dice.below(3_000);
            self.after(ms, Happening::Arrive(id));
            return Ok(());
        }
        let request = &self.line.requests[id];
        // A call that is dropped on the way may have been sent or not; a part's bytes are there by now.
        let fate = request.fate.clone();
        let reply = match (&fate, request.task) {
            (Fate::Reset(_), _) => Err(Failure::network()),
            (Fate::Hang(_), _) => return Ok(()),
            (Fate::Refused(failure), _) => Err(failure.clone()),
            (Fate::Denied, _) => {
                self.causes.gone += 1;
                Err(Failure::from_store(404, "<Code>NoSuchUpload</Code>"))
            }
            (_, Task::Put(_)) => self.store(id),
            _ => self.edge(id),
        };
        let reply = match fate {
            Fate::Unheard { silent: true } => return Ok(()),
            Fate::Unheard { silent: false } => Err(Failure::network()),
            _ => reply,
        };
        if self.line.requests[id].alive && !self.line.requests[id].silent {
            let ms = self.latency();
            self.after(ms, Happening::Answer(id, Box::new(reply)));
        }
        Ok(())
    }

    fn store(&mut self, id: usize) -> Reply {
        let busy = self.line.moving() > self.weather.store_limit && self.t < self.weather.calm_at;
        let request = &self.line.requests[id];
        let (signed, len, begun) = (request.signed, request.len, request.begun);
        let mut crc = request.crc;
        if self.t < self.skewed_until {
            return Err(Failure::from_store(403, "<Code>RequestTimeTooSkewed</Code>"));
        }
        if self.t < self.store_down_until {
            return Err(Failure::from_store(500, ""));
        }
        if busy {
            return Err(Failure::from_store(503, "<Code>SlowDown</Code>"));
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
        Ok(Event::Landed { part: signed.part, receipt, multiplexed: self.weather.multiplexed })
    }

    fn edge(&mut self, id: usize) -> Reply {
        if self.t < self.edge_down_until {
            return Err(crate::cloud::edge(502, wire::ErrorCode::StorageUnavailable));
        }
        let t = self.t;
        let token = std::mem::take(&mut self.line.requests[id].token);
        match self.line.requests[id].ask.take() {
            Some(Command::Open) => self.cloud.open(self.weather.part_size, t),
            Some(Command::Sign(parts)) => self.cloud.sign(&token, &parts, t),
            Some(Command::List) => self.cloud.list(&token, t),
            Some(Command::Complete(body)) => {
                let reply = self.cloud.complete(&token, &body, t);
                self.causes.exists |= !self.cloud.objects.is_empty();
                reply
            }
            _ => self.cloud.abort(&token, t),
        }
    }

    fn answer(&mut self, id: usize, reply: Reply) -> Verdict {
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
        self.tell(reply.unwrap_or_else(|failure| Event::Failed { task, failure }))
    }
}

fn say(command: &Command) -> String {
    match command {
        Command::Sign(parts) => format!("Sign {} parts from {:?}", parts.len(), parts.first()),
        Command::Complete(body) => format!("Complete {} parts, {:?}", body.parts.len(), body.checksum),
        other => format!("{other:?}"),
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
