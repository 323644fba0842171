//! The interface of the machine to the simulation; the mutants implement it, too.

use uploader_core::concurrency::Concurrency;
use uploader_core::machine::Machine;
use uploader_core::progress::ProgressReport;
use uploader_core::types::{Clocks, Command, Event, SavedUpload};
use wire::PartPlan;

/// A machine as its driver sees it.
pub trait Engine {
    fn poll(&mut self, clocks: Clocks) -> Option<Command>;
    fn handle(&mut self, event: Event, clocks: Clocks);
    fn wakeup_ms(&self) -> Option<u64>;
    fn progress(&mut self, now_ms: u64) -> Option<ProgressReport>;
    fn plan(&self) -> Option<PartPlan>;
    fn limit(&self) -> usize;
    fn max(&self) -> usize;
}

impl Engine for Machine {
    fn poll(&mut self, clocks: Clocks) -> Option<Command> {
        Machine::poll(self, clocks)
    }
    fn handle(&mut self, event: Event, clocks: Clocks) {
        Machine::handle(self, event, clocks);
    }
    fn wakeup_ms(&self) -> Option<u64> {
        Machine::wakeup_ms(self)
    }
    fn progress(&mut self, now_ms: u64) -> Option<ProgressReport> {
        Machine::progress(self, now_ms)
    }
    fn plan(&self) -> Option<PartPlan> {
        Machine::plan(self)
    }
    fn limit(&self) -> usize {
        self.concurrency().limit()
    }
    fn max(&self) -> usize {
        self.concurrency().max()
    }
}

/// The arguments of [`Machine::new`].
pub struct EngineConfig {
    pub size: u64,
    pub part_size: u64,
    pub concurrency: Option<u32>,
    pub saved: Option<SavedUpload>,
}

impl EngineConfig {
    pub fn machine(self) -> Machine {
        Machine::new(self.size, self.part_size, Concurrency::new(self.concurrency), self.saved)
    }
}

/// Makes the engine of one page load.
pub type EngineFactory = fn(EngineConfig) -> Box<dyn Engine>;

/// Makes the real machine.
pub fn machine(config: EngineConfig) -> Box<dyn Engine> {
    Box::new(config.machine())
}
