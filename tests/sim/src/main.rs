//! `sim --seeds N [--seed S]`: runs N seeds from S on, and names those that fail; `--seed S` alone replays one
//! and tells what happens in it.

use sim::engine::shipped;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const USAGE: &str = "usage: sim --seeds N [--seed S]";
/// Seeds taken by one thread at a time.
const BATCH: u64 = 64;
/// No more failing seeds are named.
const MOST_NAMED: usize = 10;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().ok();
    let (seeds, seed) = match words.as_slice() {
        ["--seeds", seeds] => (number(seeds), None),
        ["--seeds", seeds, "--seed", seed] | ["--seed", seed, "--seeds", seeds] => {
            (number(seeds), number(seed))
        }
        ["--seed", seed] => (Some(1), number(seed)),
        _ => (None, None),
    };
    let ended_well = match (seeds, seed) {
        (Some(1), Some(seed)) => replay(seed),
        (Some(seeds), seed) => many(seed.unwrap_or(0), seeds),
        _ => tell(USAGE),
    };
    if ended_well.unwrap_or(false) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(text: &str) -> std::io::Result<bool> {
    writeln!(std::io::stderr(), "{text}")?;
    Ok(false)
}

fn replay(seed: u64) -> std::io::Result<bool> {
    let mut out = std::io::stdout().lock();
    let mut world = sim::world(seed, shipped, true);
    writeln!(out, "seed {seed}: {:#?}", world.weather)?;
    let end = world.run();
    for line in world.trace.iter().flatten() {
        writeln!(out, "{line}")?;
    }
    match end {
        Ok(run) => writeln!(out, "{run:#?}").map(|()| true),
        Err(violation) => writeln!(out, "VIOLATION {violation}").map(|()| false),
    }
}

/// What all seeds come to.
#[derive(Default)]
struct Totals {
    ends: BTreeMap<String, u64>,
    virtual_ms: u64,
    steps: u64,
    loads: u64,
    puts: u64,
    parts: u64,
    faults: u64,
    failed: Vec<(u64, String)>,
}

fn many(first: u64, seeds: u64) -> std::io::Result<bool> {
    let began = Instant::now();
    let (next, totals) = (AtomicU64::new(0), Mutex::new(Totals::default()));
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut mine = Totals::default();
                loop {
                    let from = next.fetch_add(BATCH, Ordering::Relaxed);
                    if from >= seeds {
                        break;
                    }
                    for seed in from..(from + BATCH).min(seeds) {
                        mine.add(first + seed);
                    }
                }
                if let Ok(mut totals) = totals.lock() {
                    totals.join(mine);
                }
            });
        }
    });
    let mut totals = totals.into_inner().unwrap_or_default();
    totals.failed.sort();
    let seconds = began.elapsed().as_secs_f64();
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
    for (end, count) in &totals.ends {
        writeln!(out, "{count:>10} {end}")?;
    }
    for (seed, violation) in totals.failed.iter().take(MOST_NAMED) {
        writeln!(out, "FAILED seed {seed}: {violation}\n       cargo xtask sim --seed {seed}")?;
    }
    let mut rules = BTreeMap::<_, u64>::new();
    for (_, violation) in &totals.failed {
        *rules.entry(violation.split(':').next().unwrap_or_default()).or_default() += 1;
    }
    for (rule, count) in rules {
        writeln!(out, "{count:>10} broke {rule}")?;
    }
    writeln!(out, "{} seeds failed", totals.failed.len())?;
    Ok(totals.failed.is_empty())
}

impl Totals {
    fn add(&mut self, seed: u64) {
        match sim::run(seed, shipped) {
            Ok(run) => {
                let end =
                    run.outcome.as_ref().map_or_else(|failure| failure.code.to_string(), |_| "stored".into());
                *self.ends.entry(end).or_default() += 1;
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

    fn join(&mut self, other: Self) {
        for (end, count) in other.ends {
            *self.ends.entry(end).or_default() += count;
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
