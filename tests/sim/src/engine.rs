//! What a world drives: the machine, or a broken one that shows whether the judge is awake.

use uploader_core::concurrency::Concurrency;
use uploader_core::machine::Machine;
use uploader_core::progress::ProgressReport;
use uploader_core::types::{Clocks, Command, Event, SavedUpload};
use wire::PartPlan;

/// A machine as its driver sees it.
pub trait Engine {
    fn poll(&mut self, at: Clocks) -> Option<Command>;
    fn handle(&mut self, event: Event, at: Clocks);
    fn wakeup(&self) -> Option<u64>;
    fn report(&mut self, now: u64) -> Option<ProgressReport>;
    fn plan(&self) -> Option<PartPlan>;
    fn at_once(&self) -> usize;
    fn most_at_once(&self) -> usize;
}

impl Engine for Machine {
    fn poll(&mut self, at: Clocks) -> Option<Command> {
        Machine::poll(self, at)
    }
    fn handle(&mut self, event: Event, at: Clocks) {
        Machine::handle(self, event, at);
    }
    fn wakeup(&self) -> Option<u64> {
        Machine::wakeup_ms(self)
    }
    fn report(&mut self, now: u64) -> Option<ProgressReport> {
        Machine::progress(self, now)
    }
    fn plan(&self) -> Option<PartPlan> {
        Machine::plan(self)
    }
    fn at_once(&self) -> usize {
        self.concurrency().limit()
    }
    fn most_at_once(&self) -> usize {
        self.concurrency().max()
    }
}

/// What a machine is made of.
pub struct Recipe {
    pub size: u64,
    pub checks: bool,
    pub at_once: Option<u32>,
    pub saved: Option<SavedUpload>,
}

impl Recipe {
    pub fn machine(self) -> Machine {
        Machine::new(self.size, self.checks, Concurrency::new(self.at_once), self.saved)
    }
}

/// Makes the engine of one page load.
pub type Make = fn(Recipe) -> Box<dyn Engine>;

/// The machine as it is shipped.
pub fn shipped(recipe: Recipe) -> Box<dyn Engine> {
    Box::new(recipe.machine())
}
