//! Opening, completing and aborting.

use super::*;

#[test]
fn failing_open_is_retried_for_two_minutes() {
    for kind in [ErrorKind::Network, ErrorKind::Server, ErrorKind::Throttled] {
        let mut driver = TestDriver::new(1, None);
        let started = driver.now;
        let outcome = loop {
            match driver.actions().last() {
                Some(Command::Open { .. }) => driver.fail(Task::Open, kind),
                Some(Command::Finish(outcome)) => break outcome.clone(),
                None => drop(driver.advance_to_wakeup()),
                other => panic!("{other:?}"),
            }
        };
        assert!(outcome.is_err());
        assert!((120..200).contains(&((driver.now - started) / SECOND)));
    }
}

#[test]
fn retry_after_is_honored() {
    let mut driver = TestDriver::new(1, None);
    driver.commands();
    let error = error(ErrorKind::Throttled).with_retry_after(7_000);
    driver.send(Event::Failed { task: Task::Open, error });
    driver.commands();
    assert_eq!(driver.advance_to_wakeup(), 7_500);
}

#[test]
fn failed_or_unanswered_completion_is_retried() {
    let mut driver = TestDriver::open(1);
    driver.commands();
    driver.store_part(1);
    driver.commands();
    driver.fail(Task::Complete, ErrorKind::Server);
    driver.commands();
    driver.advance_to_wakeup();
    assert!(matches!(driver.actions()[..], [Command::Complete { .. }]));
    assert_eq!(driver.advance_to_wakeup(), COMPLETE_TIMEOUT_MS);
    assert_eq!(driver.actions(), [Command::Drop(Task::Complete)].to_vec());
    driver.advance_to_wakeup();
    assert!(matches!(driver.actions()[..], [Command::Complete { .. }]));
    driver.send(Event::Completed(driver.stored(Some(driver.file_checksum()))));
    assert!(driver.run().0.unwrap().verified);
}

#[test]
fn slow_open_starts_with_the_maximal_limit() {
    let mut driver = TestDriver::new(20, None);
    driver.commands();
    driver.advance(80);
    driver.send(Event::Opened(driver.opened()));
    assert_eq!(puts(&driver.commands()).len(), 6);
}

#[test]
fn cancel_while_opening_aborts_the_opened_upload() {
    // Before the response: it names what to abort.
    let mut driver = TestDriver::new(1, None);
    driver.commands();
    driver.send(Event::Canceled);
    assert_eq!(driver.commands(), []);
    assert_eq!(driver.machine.state(), UploadState::Ended);
    driver.send(Event::Opened(driver.opened()));
    let commands = driver.commands();
    assert!(matches!(
        commands[..],
        [Command::Persist(PersistOp::Opened { .. }), Command::Persist(PersistOp::Canceled), Command::Abort]
    ));
    driver.send(Event::Aborted);
    assert_eq!(driver.run().0, Err(UploadError::canceled()));

    // Without a response, until the timeout.
    let mut driver = TestDriver::new(1, None);
    driver.commands();
    driver.send(Event::Canceled);
    driver.advance_to_wakeup();
    assert_eq!(driver.actions(), [Command::Finish(Err(UploadError::canceled()))]);

    // During a backoff there is nothing to abort.
    let mut driver = TestDriver::new(1, None);
    driver.commands();
    driver.fail(Task::Open, ErrorKind::Network);
    driver.commands();
    driver.send(Event::Canceled);
    assert_eq!(driver.actions(), [Command::Finish(Err(UploadError::canceled()))]);
}

#[test]
fn failing_abort_is_left_to_a_later_page_load() {
    let mut driver = TestDriver::open(9);
    driver.commands();
    driver.send(Event::Canceled);
    driver.send(Event::Uploaded { part: 1, multiplexed: false });
    assert_eq!(driver.commands(), [Command::Persist(PersistOp::Canceled), Command::Abort]);
    for _ in 0..3 {
        driver.fail(Task::Abort, ErrorKind::Network);
        driver.commands();
        driver.advance_to_wakeup();
        assert_eq!(driver.actions(), [Command::Abort]);
    }
    driver.fail(Task::Abort, ErrorKind::Network);
    assert_eq!(driver.commands(), [Command::Finish(Err(UploadError::canceled()))], "it stays persisted");

    let saved = SavedUpload { state: SavedState::Canceled, ..saved_upload([]) };
    let mut driver = TestDriver::new(9, Some(saved));
    assert_eq!(driver.commands(), [Command::Abort]);
    driver.send(Event::Aborted);
    assert_eq!(
        driver.commands(),
        [Command::Persist(PersistOp::Clear), Command::Finish(Err(UploadError::canceled()))]
    );
}

#[test]
fn events_after_the_end_are_ignored() {
    let mut driver = TestDriver::open(2);
    assert!(driver.run().0.is_ok());
    for event in [Event::Canceled, Event::Online(false), Event::Paused(true), Event::Opened(driver.opened())]
    {
        driver.send(event);
        driver.advance(HOUR);
        assert_eq!(driver.commands(), []);
        assert_eq!(driver.machine.wakeup_ms(), None);
        assert_eq!(driver.machine.state(), UploadState::Ended);
    }
}
