//! Bugs that users of other uploaders have reported, each as a scenario. Two are left out that only a browser can
//! show: running out of memory (aws-sdk-js-v3#5730) and a page that freezes while hashing (EvaporateJS#274).
//!
//! An ETag that can't be read (uppy#1762) has no test: the uploader reads none.
//!
//! Each run is checked against the invariants, too: the file's own bytes, progress that never decreases, no needless
//! repetition.
// Clippy allows panics in test functions, but not in their helpers.
#![allow(clippy::panic)]

use simulation::engine::machine;
use simulation::fake_backend::edge_error;
use simulation::link::RequestFault;
use simulation::rng::Rng;
use simulation::scenario::{Incident, Scenario};
use simulation::world::{RunSummary, World};
use std::collections::BTreeMap;
use uploader_core::concurrency::Concurrency;
use uploader_core::error::{UploadError, codes};
use uploader_core::machine::Machine;
use uploader_core::types::{Clocks, Command, Event, OpenedUpload, PresignedPart, Task};
use wire::{ErrorCode, PartPlan};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const YEAR: i64 = 365 * 24 * HOUR as i64;

fn world(scenario: Scenario) -> World {
    World::new(scenario, Rng::new(7), machine, false)
}

fn run(world: &mut World) -> RunSummary {
    world.run().unwrap_or_else(|violation| panic!("{violation}"))
}

fn with(parts: u64, at: u64, incident: Incident) -> Scenario {
    Scenario { incidents: vec![(at, incident)], ..Scenario::steady(parts) }
}

fn assert_stored(run: &RunSummary) {
    assert!(run.outcome.as_ref().is_ok_and(|stored| stored.verified), "{run:?}");
}

#[test]
fn uppy_6547_parts_are_sent_concurrently() {
    let took = |concurrency| run(&mut world(Scenario { concurrency, ..Scenario::steady(100) })).took_ms;
    let (one, best) = (took(Some(1)), took(None));
    let ideal = 100 * 8 * 1_048_576 / 10_000;
    assert!(best < ideal * 5 / 4, "{best} ms; the network needs {ideal} ms");
    assert!(best * 3 < one, "{best} ms; {one} ms one after the other");
}

#[test]
fn uppy_3885_flipped_bit_is_detected() {
    let mut scenario = Scenario::steady(40);
    scenario.fault_rates.bit_flip = 200;
    let run = run(&mut world(scenario));
    assert!(run.faults > 3 && run.puts > 40);
    assert_stored(&run);
}

#[test]
fn uppy_1724_urls_expired_during_sleep_are_resigned() {
    for sleep_stops_clock in [false, true] {
        let scenario = with(40, 10 * SECOND, Incident::Sleep { ms: 10 * HOUR });
        let mut world = world(Scenario { sleep_stops_clock, ..scenario });
        let run = run(&mut world);
        assert_stored(&run);
        assert_eq!((world.backend.expired_puts, run.loads), (0, 1));
        assert!(run.took_ms < 10 * HOUR + 5 * MINUTE);
    }
}

#[test]
fn uppy_1945_queued_urls_do_not_expire() {
    let mut scenario = Scenario::steady(200);
    // The upload takes 20 minutes, a URL expires after two.
    (scenario.bytes_per_ms, scenario.connection_bytes_per_ms, scenario.backend.url_ttl_ms) =
        (1_400, 350, 2 * MINUTE);
    for concurrency in [None, Some(6)] {
        let mut world = world(Scenario { concurrency, ..scenario.clone() });
        assert_stored(&run(&mut world));
        assert_eq!(world.backend.expired_puts, 0);
    }
}

#[test]
fn uppy_3783_sleep_at_99_percent_is_survived() {
    let whole_ms = run(&mut world(Scenario::steady(20))).took_ms;
    for before_end in [1, 100, 500, 1_000, 2_000] {
        for sleep_stops_clock in [false, true] {
            let scenario = with(20, whole_ms - before_end, Incident::Sleep { ms: 2 * HOUR });
            let run = run(&mut world(Scenario { sleep_stops_clock, ..scenario }));
            assert_stored(&run);
            assert_eq!(run.loads, 1);
            assert!(run.took_ms < 2 * HOUR + 4 * MINUTE, "{} s", run.took_ms / SECOND);
        }
    }
}

#[test]
fn uppy_2978_outage_longer_than_any_timeout_is_survived() {
    for ms in [SECOND, 31 * SECOND, 45 * MINUTE, 10 * HOUR] {
        for (reported, return_reported) in [(true, true), (true, false), (false, false)] {
            let run =
                run(&mut world(with(60, 10 * SECOND, Incident::Offline { ms, reported, return_reported })));
            assert_stored(&run);
            assert_eq!(run.loads, 1);
            let late = run.took_ms - ms;
            assert!(late < 3 * MINUTE, "{} s after {} s offline", late / SECOND, ms / SECOND);
        }
    }
}

#[test]
fn uppy_3972_failed_part_does_not_affect_others() {
    let mut scenario = Scenario::steady(60);
    scenario.fault_rates.storage_error = 300;
    let mut world = world(scenario);
    world.forced.push((Task::Complete, RequestFault::Refused(edge_error(500, ErrorCode::Internal))));
    let run = run(&mut world);
    assert_stored(&run);
    assert_eq!(run.puts, 60 + u64::from(run.faults) - 1, "each failure repeats one part");
}

#[test]
fn uppy_5961_unanswered_listing_times_out() {
    let scenario =
        with(30, 10 * SECOND, Incident::Reload { lost_writes: 0, data_cleared: false, after_ms: SECOND });
    let mut world = world(scenario);
    world.forced.push((Task::List, RequestFault::ResponseLost { silent: true }));
    world.forced.push((Task::List, RequestFault::Refused(edge_error(502, ErrorCode::StorageUnavailable))));
    let run = run(&mut world);
    assert_stored(&run);
    assert_eq!(run.loads, 2);
    assert!(run.puts <= 30 + 6, "{} PUTs", run.puts);
    assert!(run.took_ms < 3 * MINUTE);
}

#[test]
fn uppy_5930_stored_parts_are_not_resent_after_reload() {
    let whole_ms = run(&mut world(Scenario::steady(20))).took_ms;
    let scenario = with(
        20,
        whole_ms + MINUTE,
        Incident::Reload { lost_writes: 0, data_cleared: false, after_ms: SECOND },
    );
    let mut world = world(scenario);
    world.forced.push((Task::Complete, RequestFault::ResponseLost { silent: true }));
    let run = run(&mut world);
    assert_stored(&run);
    assert_eq!((run.puts, run.loads, world.backend.objects.len()), (20, 2, 1));
}

#[test]
fn uppy_4708_leaving_the_page_leaves_no_orphan() {
    // Leaving the page doesn't cancel: the same upload goes on.
    let leave = Incident::Reload { lost_writes: 0, data_cleared: false, after_ms: HOUR };
    let mut left = world(with(30, 10 * SECOND, leave));
    assert_stored(&run(&mut left));
    assert_eq!(left.backend.opened(), 1);
    // A cancellation is aborted by a later page load if the first couldn't reach the edge.
    let mut scenario = with(30, 10 * SECOND, Incident::Cancel);
    scenario
        .incidents
        .push((10 * SECOND - 1, Incident::Offline { ms: HOUR, reported: true, return_reported: false }));
    let mut canceled = world(scenario);
    let run = run(&mut canceled);
    assert_eq!(run.outcome.unwrap_err().code, codes::CANCELED);
    assert!(run.loads > 1);
    assert!(!canceled.backend.is_open("u0"));
}

#[test]
fn uppy_4589_transient_signer_error_is_retried() {
    for task in [Task::Open, Task::Sign, Task::Complete] {
        let mut world = world(Scenario::steady(40));
        for code in [ErrorCode::StorageUnavailable; 5] {
            world.forced.push((task, RequestFault::Refused(edge_error(502, code))));
        }
        world.forced.push((task, RequestFault::Refused(UploadError::bad_answer())));
        let run = run(&mut world);
        assert_stored(&run);
        assert_eq!((run.puts, run.loads, run.faults), (40, 1, 6));
    }
}

#[test]
fn s3cmd_346_listing_of_over_1000_parts_is_read() {
    let whole_ms = 10_000 * 8 * 1_048_576 / 10_000;
    let scenario = with(
        10_000,
        whole_ms / 2,
        Incident::Reload { lost_writes: 3, data_cleared: false, after_ms: SECOND },
    );
    let run = run(&mut world(scenario));
    assert_stored(&run);
    assert_eq!(run.loads, 2);
    assert!(run.puts <= 10_000 + 6, "{} PUTs", run.puts);
}

#[test]
fn aws_sdk_js_3676_wrong_clock_has_no_effect() {
    for by_ms in [-YEAR, -20 * MINUTE as i64, 20 * MINUTE as i64, YEAR] {
        for at in [0, 10 * SECOND] {
            let run = run(&mut world(with(40, at, Incident::ClockSet { by_ms })));
            assert_stored(&run);
            assert_eq!(run.puts, 40);
        }
    }
    // Nor has the signer's, once it is right again.
    assert_stored(&run(&mut world(with(40, 10 * SECOND, Incident::SignerClockSkew { ms: 20 * SECOND }))));
}

#[test]
fn upchunk_134_unreadable_file_fails() {
    let mut world = world(with(40, 10 * SECOND, Incident::FileUnreadable));
    let run = run(&mut world);
    assert_eq!(run.outcome.unwrap_err().code, codes::FILE_UNREADABLE);
    // It may be readable again later.
    assert!(world.backend.objects.is_empty() && world.backend.is_open("u0"));
}

#[test]
fn tus_js_client_255_changed_file_is_not_stored() {
    let mut world = world(with(40, 10 * SECOND, Incident::FileChange { detected: true }));
    let run = run(&mut world);
    assert_eq!(run.outcome.unwrap_err().code, codes::FILE_CHANGED);
    assert!(world.backend.objects.is_empty() && !world.backend.is_open("u0"));
}

#[test]
fn ali_oss_933_retry_sends_the_whole_part() {
    let mut scenario = Scenario::steady(40);
    (scenario.fault_rates.reset, scenario.fault_rates.response_lost) = (300, 100);
    let mut world = world(scenario);
    let run = run(&mut world);
    assert_stored(&run);
    assert!(run.puts > 45);
    let plan = PartPlan::with_part_size(40 * 8 * 1_048_576 - 5, 8 * 1_048_576).unwrap();
    let lengths: Vec<u64> = world.backend.objects[0].parts.iter().map(|part| part.len).collect();
    assert_eq!(lengths, (1..=40).map(|part| plan.len(part)).collect::<Vec<_>>());
}

#[test]
fn audius_9888_progress_does_not_decrease_on_retry() {
    let mut scenario = Scenario::steady(40);
    (scenario.fault_rates.reset, scenario.fault_rates.storage_error) = (200, 200);
    assert_stored(&run(&mut world(scenario)));

    let mut machine = Machine::new(9, 8 * 1_048_576, Concurrency::new(None), None);
    let at = |now| Clocks { now_ms: now, wall_ms: now, random: 0.0 };
    let presigned = PresignedPart { part: 1, url: "u".into(), headers: BTreeMap::new(), ttl_ms: None };
    assert_eq!(machine.poll(at(0)), Some(Command::Hash(1)));
    machine.handle(Event::Hashed { part: 1, crc64: 7 }, at(0));
    let open = Command::Open { part_size: 8 * 1_048_576, checksums: vec![7] };
    assert_eq!(machine.poll(at(0)), Some(open));
    let opened = OpenedUpload {
        upload: "t".into(),
        video_id: "v".into(),
        part_size: 8 * 1_048_576,
        part_count: 1,
        checksum: true,
        expires_at_ms: None,
        parts: vec![presigned],
    };
    machine.handle(Event::Opened(opened), at(0));
    while machine.poll(at(0)).is_some() {}
    let mut sent = Vec::new();
    for (now, bytes) in [(1_000, 4), (2_000, 8)] {
        machine.handle(Event::Progress { part: 1, bytes }, at(now));
        sent.extend(machine.progress(now).map(|report| report.sent));
    }
    machine
        .handle(Event::Failed { task: Task::Put(1), error: UploadError::network("the server") }, at(3_000));
    sent.extend(machine.progress(3_000).map(|report| report.sent));
    while machine.poll(at(4_000)).is_some() {}
    machine.handle(Event::Progress { part: 1, bytes: 2 }, at(4_000));
    sent.extend(machine.progress(4_000).map(|report| report.sent));
    assert_eq!(sent, [4, 8, 8, 8]);
}
