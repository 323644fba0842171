//! One simulated upload: browser, network and backend around the engine, in virtual time. Executes the engine's commands
//! as the driver does, and injects the scenario's faults.

mod commands;
mod end;
mod events;
mod foreign;
mod network;

use crate::engine::{Engine, EngineFactory};
use crate::event_queue::{EventQueue, WorldEvent};
use crate::fake_backend::FakeBackend;
use crate::fake_storage::FakeStorage;
use crate::invariants::{CheckResult, Checker, ErrorCauses, Invariant, Violation, ensure, is_transient};
use crate::link::{Link, RequestFault};
use crate::rng::Rng;
use crate::scenario::{Incident, Scenario};
use foreign::Foreign;
use uploader_core::error::{ErrorKind, UploadError};
use uploader_core::types::{Clocks, Command, Event, StoredFile, Task};
use wire::PartPlan;

/// The wall clock at the start, in milliseconds since 1970.
const START_WALL_MS: u64 = 1_700_000_000_000;
/// Longest run, in virtual milliseconds.
const MAX_RUN_MS: u64 = 90 * 24 * 3_600_000;
/// Steps of a run besides those for each part.
const MAX_STEPS: u64 = 150_000;
const MAX_STEPS_PER_PART: u64 = 1_000;
/// After the last fault a run ends within this many times the ideal duration …
const MAX_SLOWDOWN: u64 = 4;
/// … and this many milliseconds more.
const MAX_FINISH_DELAY_MS: u64 = 8 * 60_000;
/// Longest stall timeout while no part has shown progress, in milliseconds.
const MAX_NO_PROGRESS_TIMEOUT_MS: u64 = 30 * 60_000;
/// How many times the page is loaded.
const MAX_PAGE_LOADS: u32 = 30;
/// As many commands without time passing are a busy loop.
const MAX_COMMANDS_PER_INSTANT: u32 = 30_000;

type UploadResult = Result<StoredFile, UploadError>;

/// A run that broke no invariant.
#[derive(Debug)]
pub struct RunSummary {
    pub outcome: UploadResult,
    /// In virtual milliseconds.
    pub took_ms: u64,
    pub steps: u64,
    pub loads: u32,
    /// Parts started, repetitions included.
    pub puts: u64,
    pub parts: u32,
    pub faults: u32,
}

pub struct World {
    pub scenario: Scenario,
    rng: Rng,
    factory: EngineFactory,
    pub backend: FakeBackend,
    /// True time since the start, in milliseconds.
    now_ms: u64,
    queue: EventQueue,
    /// By how much the client's monotonic clock is behind the true time.
    monotonic_lag_ms: u64,
    /// By how much the client's wall clock is ahead of the true time.
    wall_lead_ms: i64,
    page: Option<Page>,
    link: Link,
    /// Counts up when hashes in flight are dropped.
    hash_round: u32,
    pub storage: FakeStorage,
    causes: ErrorCauses,
    /// How many completions were sent.
    completions: u32,
    checker: Checker,
    file_changes_unnoticed: bool,
    offline_until_ms: u64,
    asleep_until_ms: u64,
    slow_until_ms: u64,
    slow_factor: u64,
    storage_down_until_ms: u64,
    edge_down_until_ms: u64,
    signer_skewed_until_ms: u64,
    /// When the file changed, and whether reading it fails then.
    file_change: Option<(u64, bool)>,
    unreadable_since_ms: Option<u64>,
    /// Makes the file's bytes differ from run to run.
    file_salt: u64,
    loads: u32,
    loaded_ms: u64,
    steps: u64,
    puts: u64,
    faults: u32,
    commands_this_instant: u32,
    /// More than one if an object was made that no page load could know of.
    max_objects: usize,
    /// The token of an upload that was canceled; it must be aborted at the end.
    must_be_aborted: Option<String>,
    foreign: Option<Foreign>,
    paused: bool,
    /// When this machine was told of a part's progress for the first time.
    first_progress_ms: Option<u64>,
    /// Faults that the next requests have, each once and in this order.
    pub forced: Vec<(Task, RequestFault)>,
    pub trace: Option<Vec<String>>,
}

/// One page load.
struct Page {
    engine: Box<dyn Engine>,
    wakeup_ms: Option<u64>,
    upload: String,
    result: Option<UploadResult>,
    /// The upload was open during this page load.
    opened: bool,
    /// The upload is known to be this file's.
    owns_upload: bool,
    canceled: bool,
}

impl World {
    pub fn new(scenario: Scenario, mut rng: Rng, factory: EngineFactory, tracing: bool) -> Self {
        let backend = FakeBackend::new(scenario.backend.clone(), scenario.size);
        let monotonic_lag_ms = 0u64.wrapping_sub(rng.below(1 << 30));
        let file_changes_unnoticed =
            scenario.has(|incident| matches!(incident, Incident::FileChange { detected: false }));
        Self {
            backend,
            now_ms: 0,
            queue: EventQueue::default(),
            monotonic_lag_ms,
            wall_lead_ms: rng.below(20 * 3_600_000) as i64 - 10 * 3_600_000,
            page: None,
            link: Link::new(if scenario.multiplexed { 100 } else { 6 }),
            hash_round: 0,
            storage: FakeStorage::default(),
            causes: ErrorCauses::default(),
            completions: 0,
            checker: Checker::new(scenario.backend.checksum, file_changes_unnoticed),
            file_changes_unnoticed,
            offline_until_ms: 0,
            asleep_until_ms: 0,
            slow_until_ms: 0,
            slow_factor: 1,
            storage_down_until_ms: 0,
            edge_down_until_ms: 0,
            signer_skewed_until_ms: 0,
            file_change: None,
            unreadable_since_ms: None,
            file_salt: rng.next_u64(),
            loads: 0,
            loaded_ms: 0,
            steps: 0,
            puts: 0,
            faults: 0,
            commands_this_instant: 0,
            max_objects: 1,
            must_be_aborted: None,
            foreign: None,
            paused: false,
            first_progress_ms: None,
            forced: Vec::new(),
            trace: tracing.then(Vec::new),
            scenario,
            rng,
            factory,
        }
    }

    /// Runs until the upload ends for good.
    pub fn run(&mut self) -> Result<RunSummary, Violation> {
        self.add_foreign_upload();
        self.schedule(0, WorldEvent::PageLoaded);
        for (at_ms, incident) in self.scenario.incidents.clone() {
            self.schedule(at_ms, WorldEvent::Incident(incident));
        }
        let max_steps = MAX_STEPS + MAX_STEPS_PER_PART * self.parts();
        loop {
            if let Some(outcome) = self.run_engine()? {
                return self.check_end(outcome);
            }
            self.steps += 1;
            ensure(self.steps < max_steps && self.now_ms < MAX_RUN_MS, Invariant::Terminates, || {
                format!("after {} steps and {} s", self.steps, self.now_ms / 1_000)
            })?;
            let wakeup_ms = self.page.as_ref().and_then(|page| page.wakeup_ms);
            let wakeup_ms = wakeup_ms.map(|wakeup_ms| wakeup_ms.max(self.asleep_until_ms));
            let before_ms = self.now_ms;
            match (self.queue.next_at_ms(), wakeup_ms) {
                (Some(at_ms), wakeup_ms) if wakeup_ms.is_none_or(|wakeup_ms| at_ms <= wakeup_ms) => {
                    self.now_ms = self.now_ms.max(at_ms);
                    if let Some((_, event)) = self.queue.pop() {
                        self.handle(event)?;
                    }
                }
                (_, Some(wakeup_ms)) => self.now_ms = self.now_ms.max(wakeup_ms),
                _ => ensure(false, Invariant::Terminates, || "waits for nothing".into())?,
            }
            if self.now_ms > before_ms {
                self.commands_this_instant = 0;
            }
        }
    }

    fn parts(&self) -> u64 {
        u64::from(self.plan().map_or(1, |plan| plan.part_count()))
    }

    /// How the edge cuts the file.
    fn plan(&self) -> Option<PartPlan> {
        PartPlan::new(self.scenario.size, Some(self.scenario.backend.part_size)).ok()
    }

    pub fn log(&mut self, line: impl FnOnce() -> String) {
        let now_ms = self.now_ms;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>10}.{:03} {}", now_ms / 1_000, now_ms % 1_000, line()));
        }
    }

    fn schedule(&mut self, delay_ms: u64, event: WorldEvent) {
        self.queue.push(self.now_ms + delay_ms, event);
    }

    fn clocks(&mut self) -> Clocks {
        let wall_ms = (START_WALL_MS + self.now_ms).saturating_add_signed(self.wall_lead_ms);
        let now_ms = self.now_ms.wrapping_sub(self.monotonic_lag_ms);
        Clocks { now_ms, wall_ms, random: self.rng.unit() }
    }

    /// Executes the engine's commands until it has none; returns the result if the upload has ended for good.
    fn run_engine(&mut self) -> Result<Option<UploadResult>, Violation> {
        if self.page.is_none() || self.now_ms < self.asleep_until_ms {
            return Ok(None);
        }
        loop {
            let clocks = self.clocks();
            let Some(page) = &mut self.page else { return Ok(None) };
            let Some(command) = page.engine.poll(clocks) else { break };
            ensure(page.result.is_none(), Invariant::NoCommandAfterEnd, || format!("{command:?}"))?;
            self.commands_this_instant += 1;
            ensure(self.commands_this_instant < MAX_COMMANDS_PER_INSTANT, Invariant::NoBusyLoop, || {
                format!("{command:?} without end")
            })?;
            self.log(|| format!("  > {}", describe(&command)));
            self.execute(command)?;
        }
        self.check_progress()?;
        let now_ms = self.clocks().now_ms;
        let delay_ms = self.rng.below(self.scenario.max_timer_delay_ms) * u64::from(self.rng.chance(300));
        let lag_ms = self.monotonic_lag_ms;
        let Some(page) = &mut self.page else { return Ok(None) };
        let wakeup_ms = page.engine.wakeup_ms();
        ensure(wakeup_ms.is_none_or(|wakeup_ms| wakeup_ms > now_ms), Invariant::NoBusyLoop, || {
            format!("wakes at {wakeup_ms:?}, it is {now_ms}")
        })?;
        page.wakeup_ms = wakeup_ms.map(|wakeup_ms| wakeup_ms.wrapping_add(lag_ms) + delay_ms);
        match page.result.clone() {
            Some(result) => {
                let is_silent = wakeup_ms.is_none();
                ensure(is_silent, Invariant::NoCommandAfterEnd, || "a wakeup after the end".into())?;
                self.on_page_end(result)
            }
            None => Ok(None),
        }
    }

    fn check_progress(&mut self) -> CheckResult {
        let now_ms = self.clocks().now_ms;
        if let Some(page) = &mut self.page
            && let Some(report) = page.engine.progress(now_ms)
        {
            self.checker.check_progress(report)?;
        }
        Ok(())
    }

    /// The engine has finished. Returns the result if a later page load can't change it.
    fn on_page_end(&mut self, result: UploadResult) -> Result<Option<UploadResult>, Violation> {
        let opened = self.page.as_ref().is_some_and(|page| page.opened);
        // Events after the end must be ignored.
        for event in
            [Event::Online(true), Event::Canceled, Event::Aborted, Event::Progress { part: 1, bytes: 1 }]
        {
            self.send(event)?;
            let clocks = self.clocks();
            let command = self.page.as_mut().and_then(|page| page.engine.poll(clocks));
            ensure(command.is_none(), Invariant::NoCommandAfterEnd, || format!("{command:?}"))?;
        }
        self.leave_page();
        let error = match result {
            Ok(stored) => {
                let (sent, total) = (self.checker.reported, self.scenario.size);
                ensure(sent == total, Invariant::ProgressNeverDecreases, || {
                    format!("ends at {sent} of {total}")
                })?;
                return Ok(Some(Ok(stored)));
            }
            Err(error) => error,
        };
        let is_saved = self.storage.saved().is_some();
        if is_transient(&error) {
            let may_give_up = !opened || self.scenario.may_give_up();
            ensure(may_give_up, Invariant::NoUnexplainedError, || format!("gives up: {error:?}"))?;
            let is_resumable = !opened || !self.scenario.persists || is_saved;
            ensure(is_resumable, Invariant::Resumable, || format!("{error:?}"))?;
        } else {
            ensure(self.causes.explain(&error), Invariant::NoUnexplainedError, || format!("{error:?}"))?;
        }
        // A later page load can't read the file either.
        let is_final = error.kind == ErrorKind::FileUnreadable;
        if !is_final && (is_transient(&error) || is_saved) {
            self.schedule_page_load();
            return Ok(None);
        }
        Ok(Some(Err(error)))
    }

    fn schedule_page_load(&mut self) {
        let faults_ms = self.scenario.faults_end_ms.saturating_sub(self.now_ms);
        let delay_ms = self.rng.log_uniform(100, 3_600_000);
        let delay_ms = if self.loads > 5 { faults_ms + delay_ms } else { delay_ms };
        self.schedule(delay_ms, WorldEvent::PageLoaded);
    }

    fn leave_page(&mut self) {
        self.page = None;
        self.link.drop_all();
        self.hash_round += 1;
        self.paused = false;
    }
}

fn describe(command: &Command) -> String {
    match command {
        Command::Sign(parts) => format!("Sign {} parts from {:?}", parts.len(), parts.first()),
        Command::Open { part_size, checksums } => {
            format!("Open with parts of {part_size}, {} of them hashed", checksums.len())
        }
        other => format!("{other:?}"),
    }
}
