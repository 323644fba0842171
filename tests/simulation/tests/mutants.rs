//! Each mutant breaks its invariant within 2,000 seeds; the real machine breaks none.

use simulation::engine::machine;
use simulation::mutants::MUTANTS;

#[test]
fn every_mutant_is_detected() {
    let mut missed = Vec::new();
    for (name, factory, invariant) in MUTANTS {
        let detected = (0..2_000).find_map(|seed| Some((seed, simulation::run(seed, *factory).err()?)));
        match detected {
            Some((seed, violation)) if violation.invariant == *invariant => {
                eprintln!("{name}: seed {seed}, {violation}");
            }
            other => missed.push(format!("{name}: {other:?}, not {invariant:?}")),
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn real_machine_breaks_no_invariant() {
    for seed in 0..3_000 {
        assert!(simulation::run(seed, machine).is_ok(), "cargo xtask sim --seed {seed}");
    }
}
