//! `simulation --seeds N [--seed S]` runs N seeds from S on and prints those that fail; `--seed S` alone replays one
//! with a trace.

use simulation::engine::machine;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const USAGE: &str = "usage: simulation --seeds N [--seed S]";
/// Seeds that a thread takes at a time.
const BATCH: u64 = 64;
/// How many failed seeds are printed.
const MAX_PRINTED: usize = 10;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().ok();
    let (seeds, seed) = match args.as_slice() {
        ["--seeds", seeds] => (number(seeds), None),
        ["--seeds", seeds, "--seed", seed] | ["--seed", seed, "--seeds", seeds] => {
            (number(seeds), number(seed))
        }
        ["--seed", seed] => (Some(1), number(seed)),
        _ => (None, None),
    };
    let passed = match (seeds, seed) {
        (Some(1), Some(seed)) => replay(seed),
        (Some(seeds), seed) => run_all(seed.unwrap_or(0), seeds),
        _ => print_usage(),
    };
    if passed.unwrap_or(false) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print_usage() -> std::io::Result<bool> {
    writeln!(std::io::stderr(), "{USAGE}")?;
    Ok(false)
}

fn replay(seed: u64) -> std::io::Result<bool> {
    let mut out = std::io::stdout().lock();
    let mut world = simulation::world(seed, machine, true);
    writeln!(out, "seed {seed}: {:#?}", world.scenario)?;
    let result = world.run();
    for line in world.trace.iter().flatten() {
        writeln!(out, "{line}")?;
    }
    match result {
        Ok(summary) => writeln!(out, "{summary:#?}").map(|()| true),
        Err(violation) => writeln!(out, "VIOLATION {violation}").map(|()| false),
    }
}

/// The sums over all seeds.
#[derive(Default)]
struct Totals {
    outcomes: BTreeMap<String, u64>,
    virtual_ms: u64,
    steps: u64,
    loads: u64,
    puts: u64,
    parts: u64,
    faults: u64,
    failed: Vec<(u64, String)>,
}

fn run_all(first: u64, seeds: u64) -> std::io::Result<bool> {
    let started = Instant::now();
    let (next, totals) = (AtomicU64::new(0), Mutex::new(Totals::default()));
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut thread_totals = Totals::default();
                loop {
                    let from = next.fetch_add(BATCH, Ordering::Relaxed);
                    if from >= seeds {
                        break;
                    }
                    for seed in from..(from + BATCH).min(seeds) {
                        thread_totals.run(first + seed);
                    }
                }
                if let Ok(mut totals) = totals.lock() {
                    totals.add(thread_totals);
                }
            });
        }
    });
    let mut totals = totals.into_inner().unwrap_or_default();
    totals.failed.sort();
    let seconds = started.elapsed().as_secs_f64();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{seeds} seeds from {first} in {seconds:.1} s on {threads} threads: {:.0} a second",
        seeds as f64 / seconds
    )?;
    let years = totals.virtual_ms as f64 / (365.25 * 86_400_000.0);
    writeln!(
        out,
        "{years:.1} years of uploads, {} steps, {} page loads, {} faults drawn",
        totals.steps, totals.loads, totals.faults
    )?;
    writeln!(out, "{} parts, {} PUTs", totals.parts, totals.puts)?;
    for (outcome, count) in &totals.outcomes {
        writeln!(out, "{count:>10} {outcome}")?;
    }
    for (seed, violation) in totals.failed.iter().take(MAX_PRINTED) {
        writeln!(out, "FAILED seed {seed}: {violation}\n       cargo xtask sim --seed {seed}")?;
    }
    let mut invariants = BTreeMap::<_, u64>::new();
    for (_, violation) in &totals.failed {
        *invariants.entry(violation.split(':').next().unwrap_or_default()).or_default() += 1;
    }
    for (invariant, count) in invariants {
        writeln!(out, "{count:>10} broke {invariant}")?;
    }
    writeln!(out, "{} seeds failed", totals.failed.len())?;
    Ok(totals.failed.is_empty())
}

impl Totals {
    fn run(&mut self, seed: u64) {
        match simulation::run(seed, machine) {
            Ok(run) => {
                let outcome =
                    run.outcome.as_ref().map_or_else(|error| error.code.to_string(), |_| "stored".into());
                *self.outcomes.entry(outcome).or_default() += 1;
                self.virtual_ms += run.took_ms;
                self.steps += run.steps;
                self.loads += u64::from(run.loads);
                self.puts += run.puts;
                self.parts += u64::from(run.parts);
                self.faults += u64::from(run.faults);
            }
            Err(violation) => self.failed.push((seed, violation.to_string())),
        }
    }

    fn add(&mut self, other: Self) {
        for (outcome, count) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
        self.virtual_ms += other.virtual_ms;
        self.steps += other.steps;
        self.loads += other.loads;
        self.puts += other.puts;
        self.parts += other.parts;
        self.faults += other.faults;
        self.failed.extend(other.failed);
    }
}
