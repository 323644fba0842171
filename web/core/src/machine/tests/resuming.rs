//! Resuming an upload that an earlier page load has begun.

use super::*;

fn completed() -> Event {
    Event::Listed(Listing { state: wire::MultipartState::Completed, parts: Vec::new() })
}

#[test]
fn stored_parts_are_verified_and_not_resent() {
    let mut driver = TestDriver::resumed(9, [1, 2, 3, 4]);
    // 3 has another length; 4 is gone; 5 was stored and isn't persisted.
    let short = StoredPart { size: PART - 1, ..listed(3) };
    driver.send(listing([listed(1), listed(2), short, listed(5)]));
    let (outcome, mut sent) = driver.run();
    sent.sort_unstable();
    assert_eq!(sent, [3, 4, 6, 7, 8, 9]);
    assert!(outcome.unwrap().verified);
}

#[test]
fn listing_without_checksums_is_compared_with_saved_parts() {
    let mut driver = TestDriver::resumed(4, [1, 2]);
    let bare = |part| StoredPart { checksum: None, ..listed(part) };
    driver.send(listing([bare(1), bare(2), bare(3)]));
    let (outcome, mut sent) = driver.run();
    sent.sort_unstable();
    assert_eq!(sent, [3, 4], "3 can't be compared");
    assert!(outcome.is_ok());
}

#[test]
fn saved_upload_with_a_different_part_is_rejected() {
    for checksum in [None, Some(to_base64(77))] {
        let mut driver = TestDriver::resumed(9, [1, 2, 3]);
        let other = StoredPart { checksum, ..listed(2) };
        driver.hashes = false;
        driver.send(listing([listed(1), other, listed(3)]));
        assert_eq!(driver.commands(), [Command::Hash(1)]);
        driver.send(Event::Hashed { part: 1, crc64: crc_of(1) });
        assert_eq!(driver.actions(), [Command::Hash(2)], "nothing is sent before all is compared");
        driver.send(Event::Hashed { part: 2, crc64: 78 });
        assert_eq!(driver.commands(), [Command::RejectSaved], "it stays persisted and open");
        assert_eq!((driver.machine.wakeup_ms(), driver.commands()), (None, Vec::new()));
    }
}

#[test]
fn completed_upload_is_reused_only_if_every_part_is_the_same() {
    let stored =
        |driver: &TestDriver| StoredFile { verified: true, ..driver.stored(Some(driver.file_checksum())) };
    let template = TestDriver::new(3, None);
    let saved = |parts: &[u32], stored: StoredFile| {
        Some(SavedUpload { state: SavedState::Stored(stored), ..saved_upload(parts.iter().copied()) })
    };
    let mut driver = TestDriver::new(3, saved(&[1, 2, 3], stored(&template)));
    assert_eq!(driver.actions(), [Command::Finish(Ok(stored(&template)))]);

    let mut driver = TestDriver::new(3, saved(&[1, 2], stored(&template)));
    assert_eq!(driver.actions(), [Command::RejectSaved], "a part's checksum isn't known");
    let other_file = StoredFile { checksum: Some(to_base64(1)), ..stored(&template) };
    let mut driver = TestDriver::new(3, saved(&[1, 2, 3], other_file));
    assert_eq!(driver.actions(), [Command::RejectSaved]);
    let mut driver = TestDriver::new(3, saved(&[1, 2, 3], stored(&template)));
    driver.hashes = false;
    assert_eq!(driver.commands(), [Command::Hash(1)]);
    driver.send(Event::Hashed { part: 1, crc64: 0 });
    assert_eq!(driver.commands(), [Command::RejectSaved]);
}

#[test]
fn cancel_before_verification_leaves_the_saved_upload() {
    let mut driver = TestDriver::resumed(3, [1]);
    driver.send(Event::Canceled);
    assert_eq!(driver.commands(), [Command::Finish(Err(UploadError::canceled()))]);
    let mut driver = TestDriver::resumed(3, [1]);
    driver.hashes = false;
    driver.send(listing([listed(1)]));
    driver.commands();
    driver.send(Event::Canceled);
    assert_eq!(driver.commands(), [Command::Finish(Err(UploadError::canceled()))]);
}

#[test]
fn progress_starts_with_verified_parts() {
    let mut driver = TestDriver::resumed(4, [1, 2]);
    driver.hashes = false;
    driver.send(listing([listed(1), listed(2)]));
    let sent = |driver: &mut TestDriver| {
        driver.advance(SECOND);
        let now = driver.now;
        driver.machine.progress(now).map(|report| report.sent / PART)
    };
    // Until all are compared, they may be another file's.
    for part in 1..=2 {
        assert_eq!(sent(&mut driver), None);
        assert!(driver.actions().contains(&Command::Hash(part)));
        driver.send(Event::Hashed { part, crc64: crc_of(part) });
    }
    assert_eq!(sent(&mut driver), Some(2));
}

#[test]
fn gone_upload_is_restarted() {
    let aborted = Event::Listed(Listing { state: wire::MultipartState::Aborted, parts: Vec::new() });
    let gone = Event::Failed { task: Task::List, error: UploadError::upload_gone() };
    for event in [aborted, gone] {
        let mut driver = TestDriver::resumed(3, [1]);
        driver.send(event);
        let commands = driver.commands();
        assert!(matches!(
            commands[..],
            [Command::DropAll, Command::Persist(PersistOp::Clear), Command::Open { .. }]
        ));
        driver.send(Event::Opened(driver.opened()));
        assert_eq!(driver.run().1, [1, 2, 3]);
    }
}

#[test]
fn saved_upload_that_cannot_be_used_is_rejected() {
    let mut driver = TestDriver::resumed(3, [1]);
    let error = UploadError::permanent("forbidden", "It is another user's.");
    driver.send(Event::Failed { task: Task::List, error });
    assert_eq!(driver.commands(), [Command::RejectSaved]);

    let mut driver = TestDriver::new(3, Some(SavedUpload { part_size: MIB, ..saved_upload([]) }));
    driver.commands();
    driver.send(listing([]));
    assert_eq!(driver.actions(), [Command::RejectSaved], "another size");
}

#[test]
fn blocked_listing_keeps_the_saved_upload() {
    let mut driver = TestDriver::resumed(3, [1]);
    let mut attempts = 0;
    let outcome = loop {
        match &driver.actions()[..] {
            [] => drop(driver.advance_to_wakeup()),
            [Command::List] => {}
            [Command::Finish(outcome)] => break outcome.clone(),
            other => panic!("{other:?}"),
        }
        if driver.machine.state() != UploadState::Ended {
            attempts += 1;
            driver.send(Event::Failed { task: Task::List, error: UploadError::blocked("HTTP 403") });
        }
    };
    assert_eq!(outcome.unwrap_err().code, codes::BLOCKED);
    assert!(attempts < 10);
}

#[test]
fn completed_upload_is_never_resent() {
    let mut driver = TestDriver::resumed(3, [1, 2, 3]);
    driver.send(completed());
    let commands = driver.actions();
    let Some(Command::Complete { crc64 }) = commands.first() else { panic!("{commands:?}") };
    assert_eq!(to_base64(*crc64), driver.file_checksum());
    driver.send(Event::Completed(driver.stored(Some(driver.file_checksum()))));
    let (outcome, sent) = driver.run();
    assert!(outcome.unwrap().verified);
    assert_eq!(sent, [0u32; 0]);
}

#[test]
fn upload_completed_by_another_page_is_never_resent() {
    let mut driver = TestDriver::open(9);
    driver.commands();
    driver.store_part(1);
    driver.send(Event::Failed { task: Task::Put(2), error: UploadError::upload_gone() });
    driver.actions();
    driver.advance_to_wakeup();
    assert_eq!(driver.actions(), [Command::List]);
    driver.send(completed());
    let (outcome, sent) = driver.run();
    assert!(outcome.unwrap().verified);
    assert_eq!(sent, [0u32; 0]);
}

#[test]
fn failing_listing_is_retried_without_end() {
    let mut driver = TestDriver::resumed(3, [1]);
    for _ in 0..200 {
        driver.fail(Task::List, ErrorKind::Network);
        driver.commands();
        let retry = loop {
            driver.advance_to_wakeup();
            match driver.actions() {
                // The edge was announced as unreachable.
                actions if actions.is_empty() => {}
                actions => break actions,
            }
        };
        assert_eq!(retry, [Command::List]);
    }
    driver.send(listing([listed(1)]));
    assert_eq!(driver.run().1, [2, 3]);
}
