//! Uploads by the thousand in a simulated world: the machine of `web`, with its pace and its patience, against
//! S3's rules, an edge, a browser, a line, sleep, reloads, and every fault that there is, in virtual time.
//!
//! A seed draws a world ([`weather`]); a [`world`] runs it; a [`judge`] knows what must hold. A seed that fails
//! fails again with the same seed. [`mutants`] are broken machines that the judge must catch.

pub mod cloud;
pub mod dice;
pub mod engine;
pub mod heap;
pub mod judge;
pub mod line;
pub mod mutants;
pub mod notes;
pub mod weather;
pub mod world;

use dice::Dice;
use engine::Make;
use judge::Violation;
use weather::Weather;
use world::{Run, World};

/// Runs one seed.
pub fn run(seed: u64, make: Make) -> Result<Run, Violation> {
    world(seed, make, false).run()
}

/// The world of one seed, not yet run.
pub fn world(seed: u64, make: Make, tracing: bool) -> World {
    let mut dice = Dice::new(dice::mix(seed ^ 0x5EED));
    let weather = Weather::draw(&mut dice);
    World::new(weather, dice, make, tracing)
}
