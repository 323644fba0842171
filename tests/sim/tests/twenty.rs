//! What users of other uploaders suffer, each as a world of its own. Left out are two that only a browser can
//! show: running out of memory (aws-sdk-js-v3#5730) and a page that freezes while it hashes (EvaporateJS#274).
//!
//! The judge looks at each run, too: own bytes, progress that never goes back, no part sent twice without a
//! cause.
// Helpers of tests may fail as tests do; clippy's leave is for the test functions only.
#![allow(clippy::panic)]

use sim::cloud::edge;
use sim::dice::Dice;
use sim::engine::shipped;
use sim::line::Fate;
use sim::weather::{Deed, Weather};
use sim::world::{Run, World};
use uploader_core::concurrency::Concurrency;
use uploader_core::error::{UploadError, codes};
use uploader_core::machine::Machine;
use uploader_core::types::PresignedPart;
use uploader_core::types::{Clocks, Command, Event, OpenedUpload, Task};
use wire::{ErrorCode, PartPlan};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const YEAR: i64 = 365 * 24 * HOUR as i64;

fn world(weather: Weather) -> World {
    World::new(weather, Dice::new(7), shipped, false)
}

fn run(world: &mut World) -> Run {
    world.run().unwrap_or_else(|violation| panic!("{violation}"))
}

fn with(parts: u64, at: u64, deed: Deed) -> Weather {
    Weather { deeds: vec![(at, deed)], ..Weather::steady(parts) }
}

fn stored(run: &Run) {
    assert!(run.outcome.as_ref().is_ok_and(|stored| stored.verified), "{run:?}");
}

#[test]
fn uppy_6547_parts_of_one_file_are_sent_at_once() {
    let took = |at_once| run(&mut world(Weather { at_once, ..Weather::steady(100) })).took_ms;
    let (one, best) = (took(Some(1)), took(None));
    let ideal = 100 * 8 * 1_048_576 / 10_000;
    assert!(best < ideal * 5 / 4, "{best} ms; the line could do it in {ideal}");
    assert!(best * 3 < one, "{best} ms against {one} one after the other");
}

#[test]
fn uppy_3885_a_byte_changed_on_the_way_is_found() {
    let mut weather = Weather::steady(40);
    weather.odds.flip = 200;
    for hidden in [0, 1_000] {
        weather.odds.hidden_checksum = hidden;
        let run = run(&mut world(weather.clone()));
        assert!(run.faults > 3 && run.puts > 40);
        stored(&run);
    }
}

#[test]
fn uppy_1724_urls_that_run_out_while_the_phone_sleeps_are_signed_anew() {
    for sleep_stops_now in [false, true] {
        let weather = with(40, 10 * SECOND, Deed::Sleep { ms: 10 * HOUR });
        let mut world = world(Weather { sleep_stops_now, ..weather });
        let run = run(&mut world);
        stored(&run);
        assert_eq!((world.cloud.late, run.loads), (0, 1));
        assert!(run.took_ms < 10 * HOUR + 5 * MINUTE);
    }
}

#[test]
fn uppy_1945_urls_do_not_run_out_in_the_queue() {
    let mut weather = Weather::steady(200);
    // Twenty minutes for all, two for a URL.
    (weather.bandwidth, weather.each, weather.habits.url_life_ms) = (1_400, 350, 2 * MINUTE);
    for at_once in [None, Some(6)] {
        let mut world = world(Weather { at_once, ..weather.clone() });
        stored(&run(&mut world));
        assert_eq!(world.cloud.late, 0);
    }
}

#[test]
fn uppy_3783_a_sleep_at_99_percent_is_no_end() {
    let whole = run(&mut world(Weather::steady(20))).took_ms;
    for before_end in [1, 100, 500, 1_000, 2_000] {
        for sleep_stops_now in [false, true] {
            let weather = with(20, whole - before_end, Deed::Sleep { ms: 2 * HOUR });
            let run = run(&mut world(Weather { sleep_stops_now, ..weather }));
            stored(&run);
            assert_eq!(run.loads, 1);
            assert!(run.took_ms < 2 * HOUR + 4 * MINUTE, "{} s", run.took_ms / SECOND);
        }
    }
}

#[test]
fn uppy_2978_offline_for_longer_than_any_timeout_is_waited_for() {
    for ms in [SECOND, 31 * SECOND, 45 * MINUTE, 10 * HOUR] {
        for (told, told_back) in [(true, true), (true, false), (false, false)] {
            let run = run(&mut world(with(60, 10 * SECOND, Deed::Offline { ms, told, told_back })));
            stored(&run);
            assert_eq!(run.loads, 1);
            let late = run.took_ms - ms;
            assert!(late < 3 * MINUTE, "{} s after {} s offline", late / SECOND, ms / SECOND);
        }
    }
}

#[test]
fn uppy_3972_a_failed_part_is_no_affair_of_the_others() {
    let mut weather = Weather::steady(60);
    weather.odds.store_error = 300;
    let mut world = world(weather);
    world.forced.push((Task::Complete, Fate::Refused(edge(500, ErrorCode::Internal))));
    let run = run(&mut world);
    stored(&run);
    assert_eq!(run.puts, 60 + u64::from(run.faults) - 1, "each failure costs that part's own repetition");
}

#[test]
fn uppy_5961_a_list_that_never_answers_does_not_hang() {
    let weather = with(30, 10 * SECOND, Deed::Reload { forgets: 0, clears: false, after_ms: SECOND });
    let mut world = world(weather);
    world.forced.push((Task::List, Fate::Unheard { silent: true }));
    world.forced.push((Task::List, Fate::Refused(edge(502, ErrorCode::StorageUnavailable))));
    let run = run(&mut world);
    stored(&run);
    assert_eq!(run.loads, 2);
    assert!(run.puts <= 30 + 6, "{} PUTs", run.puts);
    assert!(run.took_ms < 3 * MINUTE);
}

#[test]
fn uppy_5930_what_is_stored_is_not_sent_again_after_a_reload() {
    let whole = run(&mut world(Weather::steady(20))).took_ms;
    let weather = with(20, whole + MINUTE, Deed::Reload { forgets: 0, clears: false, after_ms: SECOND });
    let mut world = world(weather);
    world.forced.push((Task::Complete, Fate::Unheard { silent: true }));
    let run = run(&mut world);
    stored(&run);
    assert_eq!((run.puts, run.loads, world.cloud.objects.len()), (20, 2, 1));
}

#[test]
fn uppy_4708_going_back_leaves_no_orphan() {
    // Leaving the page isn't canceling: the same upload goes on.
    let leave = Deed::Reload { forgets: 0, clears: false, after_ms: HOUR };
    let mut left = world(with(30, 10 * SECOND, leave));
    stored(&run(&mut left));
    assert_eq!(left.cloud.opened(), 1);
    // Canceling is, even if it reaches nobody before the page is gone.
    let mut weather = with(30, 10 * SECOND, Deed::Cancel);
    weather.deeds.push((10 * SECOND - 1, Deed::Offline { ms: HOUR, told: true, told_back: false }));
    let mut canceled = world(weather);
    let run = run(&mut canceled);
    assert_eq!(run.outcome.unwrap_err().code, codes::CANCELED);
    assert!(run.loads > 1);
    assert!(!canceled.cloud.is_open("u0"));
}

#[test]
fn uppy_1762_an_etag_that_cannot_be_read_is_fetched() {
    for hidden_checksum in [0, 1_000] {
        let mut weather = Weather::steady(20);
        (weather.odds.hidden_etag, weather.odds.hidden_checksum) = (1_000, hidden_checksum);
        let run = run(&mut world(weather));
        stored(&run);
        assert_eq!(run.puts, 20);
    }
}

#[test]
fn uppy_4589_a_passing_failure_of_the_signer_is_outlived() {
    for task in [Task::Open, Task::Sign, Task::Complete] {
        let mut world = world(Weather::steady(40));
        for code in [ErrorCode::StorageUnavailable; 5] {
            world.forced.push((task, Fate::Refused(edge(502, code))));
        }
        world.forced.push((task, Fate::Refused(UploadError::bad_answer())));
        let run = run(&mut world);
        stored(&run);
        assert_eq!((run.puts, run.loads, run.faults), (40, 1, 6));
    }
}

#[test]
fn s3cmd_346_more_than_a_thousand_stored_parts_are_seen() {
    let whole = 10_000 * 8 * 1_048_576 / 10_000;
    let weather = with(10_000, whole / 2, Deed::Reload { forgets: 3, clears: false, after_ms: SECOND });
    let run = run(&mut world(weather));
    stored(&run);
    assert_eq!(run.loads, 2);
    assert!(run.puts <= 10_000 + 6, "{} PUTs", run.puts);
}

#[test]
fn aws_sdk_js_3676_a_wrong_clock_changes_nothing() {
    for by in [-YEAR, -20 * MINUTE as i64, 20 * MINUTE as i64, YEAR] {
        for at in [0, 10 * SECOND] {
            let run = run(&mut world(with(40, at, Deed::SetClock { by })));
            stored(&run);
            assert_eq!(run.puts, 40);
        }
    }
    // Nor does the signer's, once it is put right.
    stored(&run(&mut world(with(40, 10 * SECOND, Deed::Skew { ms: 20 * SECOND }))));
}

#[test]
fn upchunk_134_what_cannot_be_read_is_never_a_success() {
    let mut world = world(with(40, 10 * SECOND, Deed::Unreadable));
    let run = run(&mut world);
    assert_eq!(run.outcome.unwrap_err().code, codes::FILE_UNREADABLE);
    assert!(world.cloud.objects.is_empty() && !world.cloud.is_open("u0"));
}

#[test]
fn tus_js_client_255_a_file_that_changes_meanwhile_is_not_stored() {
    let mut world = world(with(40, 10 * SECOND, Deed::Change { told: true }));
    let run = run(&mut world);
    assert_eq!(run.outcome.unwrap_err().code, codes::FILE_CHANGED);
    assert!(world.cloud.objects.is_empty() && !world.cloud.is_open("u0"));
}

#[test]
fn ali_oss_933_a_repetition_sends_the_whole_part() {
    let mut weather = Weather::steady(40);
    (weather.odds.reset, weather.odds.unheard) = (300, 100);
    let mut world = world(weather);
    let run = run(&mut world);
    stored(&run);
    assert!(run.puts > 45);
    let plan = PartPlan::agreed(40 * 8 * 1_048_576 - 5, 8 * 1_048_576).unwrap();
    let lengths: Vec<u64> = world.cloud.objects[0].parts.iter().map(|part| part.len).collect();
    assert_eq!(lengths, (1..=40).map(|part| plan.len(part)).collect::<Vec<_>>());
}

#[test]
fn audius_9888_progress_does_not_jump_back_on_a_repetition() {
    let mut weather = Weather::steady(40);
    (weather.odds.reset, weather.odds.store_error) = (200, 200);
    stored(&run(&mut world(weather)));

    let mut machine = Machine::new(9, true, Concurrency::new(None), None);
    let at = |now| Clocks { now_ms: now, wall_ms: now, random: 0.0 };
    let ticket = PresignedPart { part: 1, url: "u".into(), headers: Default::default(), ttl_ms: None };
    assert_eq!(machine.poll(at(0)), Some(Command::Open));
    let session = OpenedUpload {
        upload: "t".into(),
        video_id: "v".into(),
        part_size: 8 * 1_048_576,
        part_count: 1,
        checksum: true,
        expires_at_ms: None,
        parts: vec![ticket],
    };
    machine.handle(Event::Opened(session), at(0));
    while machine.poll(at(0)).is_some() {}
    let mut sent = Vec::new();
    for (now, bytes) in [(1_000, 4), (2_000, 8)] {
        machine.handle(Event::Progress { part: 1, bytes }, at(now));
        sent.extend(machine.progress(now).map(|report| report.sent));
    }
    machine.handle(Event::Failed { task: Task::Put(1), error: UploadError::network() }, at(3_000));
    sent.extend(machine.progress(3_000).map(|report| report.sent));
    while machine.poll(at(4_000)).is_some() {}
    machine.handle(Event::Progress { part: 1, bytes: 2 }, at(4_000));
    sent.extend(machine.progress(4_000).map(|report| report.sent));
    assert_eq!(sent, [4, 8, 8, 8]);
}
