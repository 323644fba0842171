//! An upload joins or reuses another only where every part's checksum agrees, and never ends another one.

use simulation::engine::machine;
use simulation::link::RequestFault;
use simulation::rng::Rng;
use simulation::scenario::{ForeignState, ForeignUpload, Incident, Scenario};
use simulation::world::World;
use uploader_core::types::Task;

const SECOND: u64 = 1_000;
const DAY: u64 = 24 * 3_600 * SECOND;

/// 20 parts, after the page has left the upload of a file that differs in part 7.
fn after_other_file(state: ForeignState, recorded_tenths: u64, checksum: bool) -> Scenario {
    let foreign = ForeignUpload { differing_part: 7, stored_tenths: 10, recorded_tenths, state };
    let mut scenario = Scenario { foreign: Some(foreign), ..Scenario::steady(20) };
    scenario.backend.checksum = checksum;
    scenario
}

#[test]
fn file_that_differs_in_one_part_is_an_upload_of_its_own() {
    for state in [ForeignState::Open, ForeignState::Completed, ForeignState::Stored] {
        for checksum in [true, false] {
            let mut world = World::new(after_other_file(state, 10, checksum), Rng::new(7), machine, false);
            // The run's invariants compare the object's bytes and the other upload.
            let run = world.run();
            assert!(
                run.as_ref().is_ok_and(|run| run.outcome.is_ok() && run.puts == 20),
                "{state:?}: {run:?}"
            );
            let expected = if state == ForeignState::Open { 1 } else { 2 };
            assert_eq!((world.backend.objects.len(), world.backend.opened()), (expected, 2), "{state:?}");
        }
    }
}

#[test]
fn unrecorded_part_of_another_file_is_found_by_the_listing_or_the_completion() {
    for state in [ForeignState::Open, ForeignState::Completed] {
        let run = World::new(after_other_file(state, 0, true), Rng::new(7), machine, false).run();
        assert!(run.as_ref().is_ok_and(|run| run.outcome.is_ok() && run.puts == 20), "{state:?}: {run:?}");
    }
}

#[test]
fn completed_upload_without_checksums_is_reused_only_if_each_part_is_recorded() {
    let mut world =
        World::new(after_other_file(ForeignState::Completed, 0, false), Rng::new(7), machine, false);
    let run = world.run();
    assert!(run.as_ref().is_ok_and(|run| run.outcome.is_ok() && run.puts == 20), "{run:?}");
    assert_eq!(world.backend.objects.len(), 2);
}

#[test]
fn cancel_while_another_files_upload_is_compared_leaves_that_upload() {
    let mut scenario = after_other_file(ForeignState::Open, 10, true);
    // Part 7 is reached after 12 s.
    scenario.hash_bytes_per_ms = 5_000;
    scenario.incidents = vec![(5 * SECOND, Incident::Cancel)];
    let mut world = World::new(scenario, Rng::new(7), machine, false);
    let run = world.run();
    assert!(run.is_ok(), "{run:?}");
    assert!(world.backend.is_open("u0"));
}

#[test]
fn upload_completed_unnoticed_is_found_after_its_token_has_expired() {
    let whole_ms = World::new(Scenario::steady(20), Rng::new(7), machine, false).run().map(|run| run.took_ms);
    let leave = Incident::Reload { lost_writes: 0, data_cleared: false, after_ms: 8 * DAY };
    let incidents = vec![(whole_ms.unwrap_or_default() + 60 * SECOND, leave)];
    let mut world = World::new(Scenario { incidents, ..Scenario::steady(20) }, Rng::new(7), machine, false);
    world.forced.push((Task::Complete, RequestFault::ResponseLost { silent: true }));
    let run = world.run();
    assert!(run.as_ref().is_ok_and(|run| run.outcome.is_ok() && run.puts == 20), "{run:?}");
    assert_eq!((world.backend.objects.len(), world.backend.opened()), (1, 1));
}
