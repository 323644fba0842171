//! Simulates uploads by the thousand: the machine of `uploader-core` against a fake backend, browser, network and
//! clock, with random faults, in virtual time.
//!
//! A seed draws a [`scenario`], a [`world`] runs it, and [`invariants`] are checked at every step. The same seed gives
//! the same run. [`mutants`] are faulty machines that the invariants must detect.

pub mod engine;
pub mod event_queue;
pub mod fake_backend;
pub mod fake_storage;
pub mod incident;
pub mod invariants;
pub mod link;
pub mod mutants;
pub mod rng;
pub mod scenario;
pub mod world;

use engine::EngineFactory;
use invariants::Violation;
use rng::Rng;
use scenario::Scenario;
use world::{RunSummary, World};

/// Runs one seed.
pub fn run(seed: u64, factory: EngineFactory) -> Result<RunSummary, Violation> {
    world(seed, factory, false).run()
}

/// The world of one seed, not yet run.
pub fn world(seed: u64, factory: EngineFactory, tracing: bool) -> World {
    let mut rng = Rng::new(rng::mix(seed ^ 0x5EED));
    let scenario = Scenario::draw(&mut rng);
    World::new(scenario, rng, factory, tracing)
}
