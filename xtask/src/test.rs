//! `cargo xtask test [PART] [FILTER]`: runs one part of the tests, or all; ends with the line `N passed, M failed`.

mod e2e;
mod lint;
mod native;
mod totals;
mod unused_items;
mod wasm;

use anyhow::{Result, bail};
pub use native::build_server;
use totals::Totals;

struct Part {
    name: &'static str,
    about: &'static str,
    /// Runs it with the filter, installing what it needs. An error is counted as one failure.
    run: fn(&mut Totals, Option<&str>) -> Result<()>,
}

/// In the order in which they run: the faster ones first.
const PARTS: [Part; 8] = [
    Part { name: "lint", about: "formats and lints; FILTER: part of a step's name", run: lint::run },
    Part { name: "unit", about: "tests in the crates; FILTER: part of a test's name", run: native::unit },
    Part { name: "integration", about: "tests/integration, without the Lambda", run: native::integration },
    Part { name: "lambda", about: "the packaged Lambda under its Runtime API", run: native::lambda },
    Part { name: "sim", about: "the simulation's tests, and without FILTER 20,000 seeds", run: native::sim },
    Part { name: "wasm", about: "the uploader's tests in headless Chromium", run: wasm::run },
    Part { name: "e2e", about: "browsers; FILTER: part of a file's or a test's name", run: e2e::local },
    Part { name: "e2e-lambda", about: "the same with the packaged Lambda and DynamoDB", run: e2e::lambda },
];

/// Runs the part of that name, or all.
pub fn test(args: &[&str]) -> Result<()> {
    let (parts, filter) = match *args {
        [] => (&PARTS[..], None),
        [name] => (part(name)?, None),
        [name, filter] => (part(name)?, Some(filter)),
        _ => bail!(usage()),
    };
    let mut totals = Totals::new(filter.is_some());
    for Part { name, run, .. } in parts {
        if let Err(error) = run(&mut totals, filter) {
            totals.fail(name, &error);
        }
    }
    totals.finish()
}

fn part(name: &str) -> Result<&'static [Part]> {
    match PARTS.iter().position(|part| part.name == name) {
        Some(index) => Ok(&PARTS[index..=index]),
        None => bail!(usage()),
    }
}

fn usage() -> String {
    let parts: String = PARTS.iter().map(|part| format!("\n  {:<12} {}", part.name, part.about)).collect();
    format!("usage: cargo xtask test [PART [FILTER]]\n\nWithout PART, all of them:{parts}")
}

#[cfg(test)]
mod tests {
    use super::{PARTS, test};

    #[test]
    fn unknown_part_is_answered_with_all_parts() {
        for args in [&["units"][..], &["unit", "a", "b"], &["--help"]] {
            let message = test(args).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(message.starts_with("usage: cargo xtask test [PART [FILTER]]"), "{message}");
            for part in PARTS {
                assert!(message.contains(&format!("\n  {} ", part.name)), "{message}");
            }
        }
    }
}
