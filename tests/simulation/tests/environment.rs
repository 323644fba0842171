//! Environments that hide or refuse something: a firewall, a browser without progress events, a storage that loses parts.

use simulation::engine::machine;
use simulation::link::RequestFault;
use simulation::rng::Rng;
use simulation::scenario::{Incident, Scenario};
use simulation::world::World;
use uploader_core::error::UploadError;
use uploader_core::types::Task;
use wire::MIB;

const SECOND: u64 = 1_000;

#[test]
fn blocked_calls_end_the_upload_and_the_next_page_load_goes_on() {
    for task in [Task::Sign, Task::Complete] {
        let mut scenario = Scenario::steady(40);
        // Only what a rate explains may end the upload.
        scenario.fault_rates.edge_blocked = 1;
        scenario.faults_end_ms = 0;
        let mut world = World::new(scenario, Rng::new(7), machine, false);
        world.forced = vec![(task, RequestFault::Refused(UploadError::blocked("HTTP 403"))); 3];
        let run = world.run();
        assert!(run.as_ref().is_ok_and(|run| run.outcome.is_ok() && run.loads == 2), "{task:?}: {run:?}");
        assert!(run.is_ok_and(|run| run.puts <= 46), "stored parts are kept");
        assert_eq!((world.backend.objects.len(), world.backend.opened()), (1, 1), "{task:?}");
    }
}

#[test]
fn upload_without_progress_events_aborts_each_part_at_most_once() {
    // 50 MB at 4 Mbit/s, in six parts at once: each takes as long as the file.
    let mut scenario = Scenario { reports_progress: false, ..Scenario::steady(6) };
    (scenario.bytes_per_ms, scenario.connection_bytes_per_ms) = (500, 500);
    (scenario.part_size, scenario.concurrency) = (8 * MIB, Some(6));
    let run = World::new(scenario, Rng::new(7), machine, false).run();
    assert!(run.as_ref().is_ok_and(|run| run.outcome.is_ok() && run.puts <= 12), "{run:?}");
}

#[test]
fn lost_parts_are_sent_again() {
    let incidents = vec![(20 * SECOND, Incident::PartsLost)];
    let mut world = World::new(Scenario { incidents, ..Scenario::steady(40) }, Rng::new(7), machine, false);
    let run = world.run();
    assert!(run.as_ref().is_ok_and(|run| run.outcome.is_ok() && run.puts > 42), "{run:?}");
    assert_eq!(world.backend.opened(), 1);
}
