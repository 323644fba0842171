//! Failures: retried, handled in another way, or final.

use super::*;

#[test]
fn refused_bytes_are_rehashed_and_resent_a_limited_number_of_times() {
    let mut driver = TestDriver::open(1);
    driver.hashes = false;
    let mut sent = 0;
    let outcome = loop {
        match &driver.actions()[..] {
            [] => drop(driver.advance_to_wakeup()),
            [Command::Abort] => {
                driver.send(Event::Aborted);
                break driver.run().0;
            }
            actions => {
                for action in actions {
                    match action {
                        Command::Put(_) => {
                            sent += 1;
                            driver.fail(Task::Put(1), ErrorKind::ChecksumMismatch);
                        }
                        Command::Hash(1) => driver.send(Event::Hashed { part: 1, crc64: crc_of(1) }),
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
    };
    assert!(outcome.is_err());
    assert_eq!(sent, 19);
}

#[test]
fn different_rehash_fails_with_file_changed() {
    let mut driver = TestDriver::open(1);
    driver.commands();
    driver.hashes = false;
    driver.fail(Task::Put(1), ErrorKind::ChecksumMismatch);
    assert!(driver.commands().contains(&Command::Hash(1)));
    driver.send(Event::Hashed { part: 1, crc64: crc_of(2) });
    assert_eq!(driver.run().0.unwrap_err().code, codes::FILE_CHANGED);
}

#[test]
fn blocked_request_is_given_up_resumable_after_three_attempts() {
    for task in [Task::Put(1), Task::Complete] {
        let mut driver = TestDriver::open(1);
        driver.commands();
        if task == Task::Complete {
            driver.store_part(1);
            driver.commands();
        }
        let mut attempts = 0;
        let outcome = loop {
            attempts += 1;
            driver.send(Event::Failed { task, error: UploadError::blocked("HTTP 413") });
            let commands = driver.commands();
            assert!(!commands.contains(&Command::Persist(PersistOp::Canceled)), "{commands:?}");
            if let Some(Command::Finish(outcome)) = commands.last() {
                break outcome.clone();
            }
            while driver.actions().is_empty() {
                driver.advance_to_wakeup();
            }
        };
        let error = outcome.unwrap_err();
        assert_eq!((&*error.code, error.message.contains("413"), attempts), (codes::BLOCKED, true, 3));
    }
}

#[test]
fn canceled_upload_behind_a_firewall_ends_canceled() {
    let mut driver = TestDriver::open(1);
    driver.commands();
    driver.send(Event::Canceled);
    for _ in 0..4 {
        while driver.actions().is_empty() {
            driver.advance_to_wakeup();
        }
        driver.send(Event::Failed { task: Task::Abort, error: UploadError::blocked("HTTP 403") });
    }
    assert_eq!(driver.commands(), [Command::Finish(Err(UploadError::canceled()))], "it stays persisted");
}

#[test]
fn expired_url_and_those_of_its_age_are_resigned() {
    let mut driver = TestDriver::open(9);
    driver.commands();
    driver.fail(Task::Put(1), ErrorKind::Expired);
    let actions = driver.actions();
    assert_eq!(signed(&actions), [1, 4, 5], "those in flight may still succeed");
    driver.send(Event::Signed([1, 4].map(presigned).into()));
    assert_eq!(puts(&driver.commands()), [1]);
}

#[test]
fn urls_about_to_expire_are_not_used() {
    let mut driver = TestDriver::open(9);
    assert_eq!(puts(&driver.commands()), [1, 2, 3]);
    driver.advance(HOUR - 14 * SECOND);
    for part in 1..=3 {
        driver.store_part(part);
    }
    assert_eq!(signed(&driver.actions()), [4, 5, 6]);
    // A URL's age counts from the request, not from the response.
    driver.advance(50 * SECOND);
    let short = |part| PresignedPart { ttl_ms: Some(60 * SECOND), ..presigned(part) };
    driver.send(Event::Signed((4..=6).map(short).collect()));
    assert_eq!(puts(&driver.commands()), [0u32; 0], "expires too soon, which counts as a failure");
    assert!(driver.machine.wakeup_ms().is_some());
}

#[test]
fn urls_without_ttl_are_used_until_refused() {
    let mut driver = TestDriver::open(9);
    driver.commands();
    driver.fail(Task::Put(1), ErrorKind::Expired);
    driver.commands();
    let unknown = |part, ttl_ms| PresignedPart { ttl_ms, ..presigned(part) };
    driver.send(Event::Signed(vec![unknown(1, None), unknown(4, Some(0))]));
    driver.advance(20 * HOUR);
    assert_eq!(puts(&driver.actions()).first(), Some(&1));
}

#[test]
fn refused_url_without_ttl_discards_others_of_its_age() {
    let mut driver = TestDriver::with_concurrency(9, None, Some(1));
    let unknown = |part| PresignedPart { ttl_ms: None, ..presigned(part) };
    driver.commands();
    driver.send(Event::Opened(OpenedUpload { parts: vec![unknown(1), unknown(2)], ..driver.opened() }));
    driver.commands();
    driver.advance(70 * SECOND);
    driver.send(Event::Signed([3, 4].map(unknown).into()));
    driver.store_part(1);
    assert_eq!(puts(&driver.actions()), [2]);
    driver.advance(70 * SECOND);
    // It was 70 s old when its request started; those of the second request are as old by now.
    driver.fail(Task::Put(2), ErrorKind::Expired);
    assert!(puts(&driver.actions()).is_empty());
}

#[test]
fn signing_response_without_requested_parts_is_a_failure() {
    let mut driver = TestDriver::open(40);
    driver.commands();
    for part in 1..=16 {
        driver.store_part(part);
        driver.commands();
    }
    for useless in [vec![], vec![presigned(77)], vec![presigned(1)]] {
        driver.send(Event::Signed(useless));
        assert!(matches!(driver.commands()[..], [Command::NotifyRetry { task: Task::Sign, .. }]));
        driver.advance_to_wakeup();
        assert!(!signed(&driver.commands()).is_empty());
    }
}

#[test]
fn failed_part_does_not_affect_others() {
    let mut driver = TestDriver::open(9);
    driver.commands();
    driver.fail(Task::Put(2), ErrorKind::Server);
    driver.store_part(1);
    driver.store_part(3);
    assert_eq!(puts(&driver.signed_commands()), [4, 5, 6]);
    driver.advance_to_wakeup();
    driver.store_part(4);
    assert_eq!(puts(&driver.signed_commands()), [2]);
    for part in [5, 6, 2] {
        driver.store_part(part);
    }
    assert_eq!(puts(&driver.signed_commands()), [7, 8, 9]);
}

#[test]
fn stale_events_are_ignored() {
    let mut driver = TestDriver::open(9);
    driver.commands();
    driver.fail(Task::Put(2), ErrorKind::Server);
    driver.signed_commands();
    // The same once more, a part that never was in flight, and requests that were never made.
    for task in
        [Task::Put(2), Task::Put(7), Task::Put(99), Task::Sign, Task::List, Task::Complete, Task::Abort]
    {
        driver.fail(task, ErrorKind::Permanent);
    }
    driver.send(Event::Uploaded { part: 8, multiplexed: false });
    driver.send(Event::Aborted);
    driver.send(Event::Completed(driver.stored(None)));
    driver.store_part(1);
    assert_eq!(puts(&driver.signed_commands()), [5]);
    driver.advance_to_wakeup();
    driver.store_part(4);
    assert_eq!(puts(&driver.signed_commands()), [2]);
    driver.store_part(5);
    assert_eq!(puts(&driver.signed_commands()), [6], "2 only once, although it failed twice");
}

#[test]
fn failing_storage_is_given_up_resumable_after_ten_minutes() {
    let mut driver = TestDriver::open(1);
    driver.commands();
    driver.send(Event::Hashed { part: 1, crc64: crc_of(1) });
    let started = driver.now;
    let outcome = loop {
        driver.fail(Task::Put(1), ErrorKind::Server);
        let commands = driver.commands();
        assert!(!commands.contains(&Command::Persist(PersistOp::Clear)), "it can be resumed");
        if let Some(Command::Finish(outcome)) = commands.last() {
            break outcome.clone();
        }
        if puts(&commands).is_empty() {
            driver.advance_to_wakeup();
            driver.commands();
        }
    };
    assert_eq!(outcome.unwrap_err().code, codes::STORAGE_UNAVAILABLE);
    assert!((600..700).contains(&((driver.now - started) / SECOND)));
}

#[test]
fn storage_that_stops_answering_is_given_up_after_five_status_checks() {
    let mut driver = TestDriver::open(2);
    driver.commands();
    driver.send(Event::Progress { part: 1, bytes: 1 });
    driver.fail(Task::Put(1), ErrorKind::Network);
    driver.fail(Task::Put(2), ErrorKind::Network);
    let (mut lists, mut steps) = (0, 0);
    let outcome = 'run: loop {
        steps += 1;
        assert!(steps < 1_000);
        for command in driver.commands() {
            match command {
                Command::Put(presigned) => driver.fail(Task::Put(presigned.part), ErrorKind::Network),
                Command::List => {
                    lists += 1;
                    driver.send(listing([]));
                }
                Command::Sign(parts) => {
                    driver.sign(&parts);
                }
                Command::Finish(outcome) => break 'run outcome,
                Command::Persist(op) => assert!(!matches!(op, PersistOp::Clear)),
                _ => {}
            }
        }
        if driver.machine.wakeup_ms().is_some() {
            driver.advance_to_wakeup();
        }
    };
    assert_ne!(outcome.unwrap_err().code, codes::STORAGE_UNREACHABLE);
    assert_eq!(lists, 5);
}

#[test]
fn permanent_error_aborts_and_clears() {
    let mut driver = TestDriver::open(3);
    driver.commands();
    driver.fail(Task::Put(2), ErrorKind::Permanent);
    assert_eq!(driver.commands(), [Command::Persist(PersistOp::Canceled), Command::Abort]);
    driver.send(Event::Aborted);
    assert!(matches!(&driver.commands()[..], [Command::Persist(PersistOp::Clear), Command::Finish(Err(_))]));
}

#[test]
fn unreadable_file_ends_resumable() {
    for task in [Task::Hash(1), Task::Put(1)] {
        let mut driver = TestDriver::open(1);
        driver.commands();
        driver.send(Event::Failed { task, error: UploadError::file_unreadable() });
        assert_eq!(driver.actions(), [Command::Finish(Err(UploadError::file_unreadable()))]);
    }
    // Before the upload is open; while it is being opened, the response names what to abort.
    let mut driver = TestDriver::new(1, None);
    driver.send(Event::Failed { task: Task::Hash(1), error: UploadError::file_unreadable() });
    assert_eq!(driver.actions(), [Command::Finish(Err(UploadError::file_unreadable()))]);
    let mut driver = TestDriver::new(9, None);
    driver.commands();
    driver.send(Event::Failed { task: Task::Hash(7), error: UploadError::file_unreadable() });
    driver.send(Event::Opened(driver.opened()));
    assert_eq!(driver.actions(), [Command::Abort]);
    driver.send(Event::Aborted);
    assert_eq!(driver.run().0, Err(UploadError::file_unreadable()));
}

#[test]
fn gone_by_storage_is_checked_with_the_edge() {
    let gone = |driver: &mut TestDriver| {
        driver.store_part(1);
        driver.commands();
        driver.send(Event::Failed { task: Task::Put(2), error: UploadError::upload_gone() });
        let actions = driver.actions();
        assert_eq!(actions, [Command::DropAll]);
        driver.advance_to_wakeup();
        assert_eq!(driver.actions(), [Command::List]);
    };
    let mut driver = TestDriver::open(4);
    driver.commands();
    gone(&mut driver);
    driver.send(listing([listed(1)]));
    assert_eq!(driver.machine.state(), UploadState::Uploading);
    let (outcome, sent) = driver.run();
    assert!(outcome.is_ok());
    assert!(!sent.contains(&1), "stored parts stay");

    let mut driver = TestDriver::open(4);
    driver.commands();
    gone(&mut driver);
    driver.send(Event::Listed(Listing { state: wire::MultipartState::Aborted, parts: Vec::new() }));
    assert!(matches!(
        driver.commands()[..],
        [Command::DropAll, Command::Persist(PersistOp::Clear), Command::Open { .. }]
    ));
    let (outcome, sent) = {
        driver.send(Event::Opened(driver.opened()));
        driver.run()
    };
    assert!(outcome.is_ok());
    assert_eq!(sent, [1, 2, 3, 4]);
}

#[test]
fn upload_gone_repeatedly_is_given_up_after_three_restarts() {
    let mut driver = TestDriver::open(2);
    let mut opened = 1;
    loop {
        driver.commands();
        driver.store_part(1);
        driver.store_part(2);
        assert!(driver.actions().iter().any(|command| matches!(command, Command::Complete { .. })));
        driver.send(Event::Failed { task: Task::Complete, error: UploadError::upload_gone() });
        match driver.actions().last() {
            Some(Command::Open { .. }) => {
                opened += 1;
                driver.send(Event::Opened(driver.opened()));
            }
            Some(Command::Finish(outcome)) => {
                assert_eq!(outcome.clone().unwrap_err().code, codes::UPLOAD_GONE);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(opened, 4);
}

#[test]
fn mismatch_at_completion_is_checked_a_limited_number_of_times() {
    let mut driver = TestDriver::open(1);
    driver.commands();
    driver.store_part(1);
    let mut completions = 0;
    loop {
        match driver.actions().last() {
            Some(Command::Complete { .. }) => {
                completions += 1;
                driver.fail(Task::Complete, ErrorKind::ChecksumMismatch);
            }
            Some(Command::List) => driver.send(listing([listed(1)])),
            Some(Command::DropAll) | None => {
                driver.advance_to_wakeup();
            }
            Some(Command::Abort) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!((2..30).contains(&completions), "{completions}");
}
