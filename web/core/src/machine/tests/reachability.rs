//! Wrong addresses and missing CORS rules.

use super::*;

#[test]
fn first_answer_that_is_not_the_edges_ends_the_upload_at_once() {
    for error in [UploadError::bad_answer(), UploadError::blocked("HTTP 404")] {
        let mut driver = TestDriver::new(3, None);
        driver.commands();
        driver.send(Event::Failed { task: Task::Open, error: error.clone() });
        assert_eq!(driver.commands(), [Command::Persist(PersistOp::Clear), Command::Finish(Err(error))]);
    }
}

#[test]
fn answer_that_is_not_the_edges_is_retried_once_the_edge_has_answered() {
    for kind in [ErrorKind::Unreadable, ErrorKind::Blocked] {
        let mut driver = TestDriver::new(3, None);
        driver.commands();
        driver.fail(Task::Open, ErrorKind::Server);
        driver.advance_to_wakeup();
        assert!(matches!(driver.actions()[..], [Command::Open { .. }]));
        driver.fail(Task::Open, kind);
        assert!(driver.run().0.is_ok());
    }
}

#[test]
fn edge_that_never_answers_is_announced_after_ten_seconds_and_tried_on() {
    let mut driver = TestDriver::new(3, None);
    driver.commands();
    let started_ms = driver.now;
    let mut announced_ms = Vec::new();
    while driver.now < started_ms + 60 * SECOND {
        driver.fail(Task::Open, ErrorKind::Network);
        driver.advance_to_wakeup();
        if driver.commands().contains(&Command::NotifyUnreachable) {
            announced_ms.push(driver.now - started_ms);
        }
    }
    assert_eq!(announced_ms, [10 * SECOND]);
    assert!(driver.run().0.is_ok());
}

#[test]
fn edge_that_does_not_answer_while_paused_or_offline_is_not_announced() {
    for event in [Event::Paused(true), Event::Online(false)] {
        let mut driver = TestDriver::new(3, None);
        driver.commands();
        driver.fail(Task::Open, ErrorKind::Network);
        driver.send(event);
        for _ in 0..10 {
            driver.advance(10 * SECOND);
            assert!(!driver.commands().contains(&Command::NotifyUnreachable));
            driver.fail(Task::Open, ErrorKind::Network);
        }
    }
}

/// Fails every part and answers every status request until the upload ends; returns the error and the seconds until then.
fn run_without_storage(driver: &mut TestDriver, kind: ErrorKind) -> (UploadError, u64) {
    let started_ms = driver.now;
    loop {
        let commands = driver.actions();
        if commands.is_empty() {
            driver.advance_to_wakeup();
        }
        for command in commands {
            match command {
                Command::Put(presigned) => driver.fail(Task::Put(presigned.part), kind),
                Command::Sign(parts) => driver.sign(&parts),
                Command::List => driver.send(listing([])),
                Command::DropAll => {}
                Command::Finish(outcome) => {
                    return (outcome.unwrap_err(), (driver.now - started_ms) / SECOND);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn storage_that_never_answers_while_the_edge_does_ends_the_upload_resumable() {
    for parts in [1, 40] {
        let mut driver = TestDriver::open(parts);
        let (error, seconds) = run_without_storage(&mut driver, ErrorKind::Network);
        assert_eq!(error.code, codes::STORAGE_UNREACHABLE);
        assert!(error.message.contains("https://store.test:"), "{}", error.message);
        assert!(error.message.contains("CORS"), "{}", error.message);
        assert!(seconds <= 30, "{parts} parts: {seconds} s");
    }
}

#[test]
fn outage_of_the_whole_network_is_not_a_storage_that_cannot_be_reached() {
    let mut driver = TestDriver::open(3);
    let started_ms = driver.now;
    while driver.now < started_ms + HOUR {
        for command in driver.actions() {
            match command {
                Command::Put(presigned) => driver.fail(Task::Put(presigned.part), ErrorKind::Network),
                Command::List => driver.fail(Task::List, ErrorKind::Network),
                Command::Sign(parts) => driver.sign(&parts),
                Command::DropAll => {}
                other => panic!("{other:?}"),
            }
        }
        driver.advance_to_wakeup();
    }
    assert!(driver.run().0.is_ok());
}
