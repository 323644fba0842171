//! Pauses, stalls, sleep and network outages.

use super::*;

#[test]
fn pause_starts_nothing_and_loses_nothing() {
    let mut driver = TestDriver::open(4);
    assert_eq!(puts(&driver.commands()), [1, 2, 3]);
    driver.send(Event::Paused(true));
    assert_eq!(driver.machine.state(), UploadState::Paused);
    for part in 1..=2 {
        driver.store_part(part);
    }
    driver.fail(Task::Put(3), ErrorKind::Server);
    assert!(driver.actions().iter().all(|command| matches!(command, Command::Hash(_))));
    assert_eq!(driver.machine.wakeup_ms(), None, "only the page can resume it");
    driver.advance(3 * 24 * HOUR);
    assert_eq!(driver.actions(), []);
    driver.send(Event::Paused(false));
    assert_eq!(signed(&driver.actions()), [3, 4], "every URL has expired");
    driver.send(Event::Signed([3, 4].map(presigned).into()));
    assert_eq!(puts(&driver.commands()), [3, 4]);
    driver.send(Event::Paused(true));
    driver.store_part(3);
    driver.store_part(4);
    assert_eq!(driver.actions(), [], "not even the completion");
    driver.send(Event::Paused(false));
    assert!(matches!(driver.actions()[..], [Command::Complete { .. }]));
}

#[test]
fn cancel_while_paused_aborts() {
    let mut driver = TestDriver::open(2);
    driver.commands();
    driver.send(Event::Paused(true));
    driver.send(Event::Canceled);
    assert_eq!(driver.actions(), [Command::Abort]);
}

#[test]
fn part_stalls_from_its_last_progress_on() {
    let mut driver = TestDriver::open(3);
    driver.commands();
    driver.send(Event::Progress { part: 1, bytes: 100 });
    assert_eq!(driver.advance_to_wakeup(), 60 * SECOND);
    let actions = driver.actions();
    assert_eq!(actions.first(), Some(&Command::Drop(Task::Put(1))));
    let dropped: Vec<_> = actions.into_iter().filter(|command| matches!(command, Command::Drop(_))).collect();
    assert_eq!(dropped, [1, 2, 3].map(|part| Command::Drop(Task::Put(part))));
}

#[test]
fn queued_parts_have_a_longer_timeout() {
    let mut driver = TestDriver::with_concurrency(60, None, Some(20));
    driver.commands();
    driver.send(Event::Opened(driver.opened()));
    driver.commands();
    for part in 1..=6 {
        driver.send(Event::Hashed { part, crc64: crc_of(part) });
    }
    for second in 1..=30 {
        driver.advance(10 * SECOND);
        for part in 1..=6 {
            driver.send(Event::Progress { part, bytes: second });
        }
        let is_dropped = |command: &Command| matches!(command, Command::Drop(Task::Put(_)));
        assert!(!driver.actions().iter().any(is_dropped));
    }
}

#[test]
fn part_with_progress_never_times_out() {
    let mut driver = TestDriver::open(1);
    driver.commands();
    driver.send(Event::Hashed { part: 1, crc64: crc_of(1) });
    for bytes in 1..200 {
        driver.advance(10 * SECOND);
        driver.send(Event::Progress { part: 1, bytes });
        assert_eq!(driver.actions(), []);
    }
}

#[test]
fn stall_timeout_doubles_with_each_stall() {
    let mut driver = TestDriver::open(1);
    driver.commands();
    driver.send(Event::Hashed { part: 1, crc64: crc_of(1) });
    let mut stalls = Vec::new();
    for _ in 0..4 {
        driver.send(Event::Progress { part: 1, bytes: 1 });
        stalls.push(driver.advance_to_wakeup() / SECOND);
        if puts(&driver.actions()).is_empty() {
            driver.advance_to_wakeup();
            assert_eq!(puts(&driver.actions()), [1]);
        }
    }
    assert_eq!(stalls, [60, 120, 240, 300]);
}

#[test]
fn timeout_adapts_without_progress_events() {
    // 4 Mbit/s for all: six parts of 8 MiB take 100 s.
    let mut driver = TestDriver::with_concurrency(6, None, Some(6));
    driver.commands();
    driver.send(Event::Opened(driver.opened()));
    let (mut started, mut dropped) = (vec![(0, 0); 7], vec![0; 7]);
    for second in 0..2_000 {
        for command in driver.signed_commands() {
            match command {
                Command::Put(presigned) => started[presigned.part as usize] = (second, 1),
                Command::Drop(Task::Put(part)) => {
                    dropped[part as usize] += 1;
                    started[part as usize].1 = 0;
                }
                Command::Complete { .. } => {
                    assert!(dropped.iter().all(|dropped| *dropped <= 1), "{dropped:?}");
                    return;
                }
                _ => {}
            }
        }
        driver.advance(SECOND);
        let active = started.iter().filter(|(_, is_active)| *is_active == 1).count() as u64;
        for part in 1..=6 {
            let (since, is_active) = started[part as usize];
            if is_active == 1 && second - since >= active * PART / 500_000 {
                started[part as usize].1 = 0;
                driver.store_part(part);
            }
        }
    }
    panic!("no end: {dropped:?}");
}

#[test]
fn offline_upload_tries_one_request_at_an_interval() {
    let mut driver = TestDriver::open(9);
    driver.commands();
    driver.send(Event::Online(false));
    assert_eq!(driver.machine.state(), UploadState::Waiting);
    for part in 1..=3 {
        driver.send(Event::Hashed { part, crc64: crc_of(part) });
        driver.fail(Task::Put(part), ErrorKind::Network);
    }
    assert_eq!(driver.actions(), []);
    let mut attempts = 0;
    for _ in 0..1_000 {
        attempts += 1;
        assert_eq!(driver.advance_to_wakeup(), 15 * SECOND);
        match &driver.actions()[..] {
            [Command::Put(presigned)] => driver.fail(Task::Put(presigned.part), ErrorKind::Network),
            // Once every URL has expired.
            [Command::Sign(_)] => driver.fail(Task::Sign, ErrorKind::Network),
            // The request that failed last is still in backoff.
            [] => attempts -= 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(attempts > 500, "{attempts}");
    driver.send(Event::Online(true));
    driver.advance_to_wakeup();
    // Hours have passed: every URL has expired.
    assert_eq!(driver.machine.state(), UploadState::Uploading);
    assert!(!signed(&driver.actions()).is_empty());
    assert!(driver.run().0.is_ok());
}

#[test]
fn wrong_offline_event_delays_little() {
    let mut driver = TestDriver::open(9);
    driver.send(Event::Online(false));
    assert_eq!(driver.actions(), []);
    driver.advance_to_wakeup();
    assert_eq!(puts(&driver.commands()), [1]);
    driver.store_part(1);
    assert_eq!(puts(&driver.commands()), [2, 3, 4]);
    assert_eq!(driver.machine.state(), UploadState::Uploading);
}

#[test]
fn late_response_does_not_end_offline_state() {
    let mut driver = TestDriver::open(9);
    driver.commands();
    driver.send(Event::Online(false));
    driver.store_part(1);
    assert_eq!(puts(&driver.commands()), [4]);
    for part in 2..=4 {
        driver.fail(Task::Put(part), ErrorKind::Network);
    }
    assert_eq!(driver.machine.state(), UploadState::Waiting);
    assert_eq!(driver.actions(), []);
    driver.send(Event::Online(true));
    assert_eq!(driver.machine.state(), UploadState::Uploading);
}

#[test]
fn ten_hour_outage_is_survived() {
    for kind in [ErrorKind::Network, ErrorKind::Stalled] {
        let mut driver = TestDriver::open(3);
        let end_ms = driver.now + 10 * HOUR;
        let mut requests = 0;
        while driver.now < end_ms {
            for command in driver.actions() {
                requests += 1;
                match command {
                    Command::Put(presigned) => driver.fail(Task::Put(presigned.part), kind),
                    Command::Hash(part) => driver.send(Event::Hashed { part, crc64: crc_of(part) }),
                    Command::List => driver.fail(Task::List, kind),
                    Command::Sign(_) => driver.fail(Task::Sign, kind),
                    Command::DropAll => {}
                    other => panic!("{other:?}"),
                }
            }
            if driver.machine.wakeup_ms().is_some_and(|wake| wake > driver.now) {
                driver.advance_to_wakeup();
            }
        }
        assert!(requests < 5_000, "{requests}");
        driver.fail(Task::List, ErrorKind::Server);
        assert!(driver.run().0.is_ok());
    }
}

#[test]
fn sleep_leaves_connections_ten_seconds_for_progress() {
    let mut driver = TestDriver::open(3);
    driver.commands();
    for part in 1..=3 {
        driver.send(Event::Progress { part, bytes: 100 });
    }
    // The monotonic clock has stopped.
    driver.wall += 8 * HOUR;
    assert_eq!(driver.actions(), []);
    driver.advance(1);
    driver.send(Event::Progress { part: 2, bytes: 200 });
    driver.advance(10 * SECOND);
    let actions = driver.actions();
    let dropped: Vec<_> = actions.iter().filter(|command| matches!(command, Command::Drop(_))).collect();
    assert_eq!(dropped, [1, 3].map(|part| Command::Drop(Task::Put(part))).iter().collect::<Vec<_>>());
    assert!(!signed(&actions).is_empty(), "their URLs expired during the sleep");
}

#[test]
fn request_killed_by_a_network_change_is_retried_soon() {
    let mut driver = TestDriver::open(1);
    driver.commands();
    driver.store_part(1);
    assert!(driver.actions().iter().any(|command| matches!(command, Command::Complete { .. })));
    driver.advance(SECOND);
    driver.send(Event::Online(true));
    assert_eq!(driver.advance_to_wakeup(), 10 * SECOND);
    assert!(matches!(driver.actions()[..], [Command::Drop(Task::Complete), Command::Complete { .. }]));
}

#[test]
fn wakeup_is_always_in_the_future() {
    // A failed signing request whose URLs aren't needed any more.
    let mut driver = TestDriver::open(17);
    for part in 1..=16 {
        let _ = driver.commands();
        driver.store_part(part);
    }
    driver.commands();
    driver.fail(Task::Sign, ErrorKind::Server);
    driver.commands();
    let wake = driver.machine.wakeup_ms().unwrap();
    assert!(wake > driver.now);
    driver.send(Event::Online(false));
    driver.advance_to_wakeup();
    driver.commands();
    assert!(driver.machine.wakeup_ms().is_some_and(|wake| wake > driver.now));
}
