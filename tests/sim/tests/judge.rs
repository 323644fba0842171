//! The judge is awake: each broken machine is caught, and by the rule that it breaks; the shipped one by none.

use sim::engine::shipped;
use sim::mutants::MUTANTS;

#[test]
fn every_mutant_is_caught() {
    let mut missed = Vec::new();
    for (name, make, rule) in MUTANTS {
        let caught = (0..2_000).find_map(|seed| Some((seed, sim::run(seed, *make).err()?)));
        match caught {
            Some((seed, violation)) if violation.rule == *rule => {
                eprintln!("{name}: seed {seed}, {violation}");
            }
            other => missed.push(format!("{name}: {other:?}, not {rule:?}")),
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn the_machine_is_not() {
    for seed in 0..3_000 {
        assert!(sim::run(seed, shipped).is_ok(), "cargo xtask sim --seed {seed}");
    }
}
