//! Resuming an upload that an earlier page load has begun.

use super::*;

#[test]
fn stored_parts_are_verified_and_not_resent() {
    let mut driver = TestDriver::resumed(9, [1, 2, 3, 4]);
    // 2 has other bytes, 3 another length; 5 was stored and isn't persisted.
    let other = StoredPart { checksum: Some(to_base64(77)), ..listed(2) };
    let short = StoredPart { size: PART - 1, ..listed(3) };
    driver.send(listing([listed(1), other, short, listed(4), listed(5)]));
    let (outcome, mut sent) = driver.run();
    sent.sort_unstable();
    assert_eq!(sent, [2, 3, 6, 7, 8, 9]);
    assert!(outcome.unwrap().verified);
}

#[test]
fn listing_without_checksums_is_compared_with_saved_parts() {
    let mut driver = TestDriver::resumed(4, [1, 2]);
    let bare = |part| StoredPart { checksum: None, ..listed(part) };
    let renewed = StoredPart { etag: "\"other\"".into(), ..bare(2) };
    driver.send(listing([bare(1), renewed, bare(3)]));
    let (outcome, mut sent) = driver.run();
    sent.sort_unstable();
    assert_eq!(sent, [2, 3, 4], "2 isn't the saved one; 3 can't be compared");
    assert!(outcome.is_ok());
}

#[test]
fn stored_part_with_other_bytes_is_resent() {
    let mut driver = TestDriver::resumed(1, [1]);
    driver.send(listing([listed(1)]));
    assert_eq!(driver.actions(), [Command::Hash(1)]);
    driver.send(Event::Hashed { part: 1, crc64: 5 });
    assert_eq!(signed(&driver.actions()), [1]);
}

#[test]
fn progress_starts_with_verified_parts() {
    let mut driver = TestDriver::resumed(4, [1, 2]);
    driver.send(listing([listed(1), listed(2)]));
    let sent = |driver: &mut TestDriver| {
        driver.advance(SECOND);
        let now = driver.now;
        driver.machine.progress(now).unwrap().sent / PART
    };
    assert_eq!(sent(&mut driver), 0);
    for part in 1..=2 {
        assert!(driver.actions().contains(&Command::Hash(part)));
        driver.send(Event::Hashed { part, crc64: crc_of(part) });
        assert_eq!(sent(&mut driver), u64::from(part));
    }
}

#[test]
fn gone_upload_is_restarted() {
    let aborted = Event::Listed(Listing { state: wire::MultipartState::Aborted, parts: Vec::new() });
    let gone = Event::Failed { task: Task::List, error: UploadError::upload_gone() };
    let forbidden = Event::Failed { task: Task::List, error: UploadError::permanent("forbidden", "No.") };
    for event in [aborted, gone, forbidden] {
        let mut driver = TestDriver::resumed(3, [1]);
        driver.send(event);
        assert_eq!(driver.commands(), [Command::DropAll, Command::Persist(PersistOp::Clear), Command::Open]);
        driver.send(Event::Opened(driver.opened()));
        assert_eq!(driver.run().1, [1, 2, 3]);
    }
}

#[test]
fn saved_upload_of_another_file_size_is_restarted() {
    let saved = SavedUpload { part_size: MIB, ..SavedUpload::default() };
    let mut driver = TestDriver::new(3, Some(saved));
    driver.commands();
    driver.send(listing([]));
    assert_eq!(driver.actions(), [Command::DropAll, Command::Open]);
}

#[test]
fn completed_upload_is_never_resent() {
    let mut driver = TestDriver::resumed(3, [1, 2, 3]);
    let completed = || Event::Listed(Listing { state: wire::MultipartState::Completed, parts: Vec::new() });
    driver.send(completed());
    let mut checksums = Vec::new();
    for _ in 0..20 {
        for command in driver.actions() {
            match command {
                Command::Hash(part) => driver.send(Event::Hashed { part, crc64: crc_of(part) }),
                Command::List => driver.send(completed()),
                Command::Complete(body) => {
                    checksums.push(body.checksum.clone());
                    driver.send(Event::Completed(driver.stored(body.checksum)));
                }
                Command::Finish(outcome) => {
                    assert_eq!(checksums, [Some(driver.file_checksum())]);
                    return assert!(outcome.unwrap().verified);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    panic!("no end")
}

#[test]
fn failing_listing_is_retried_without_end() {
    let mut driver = TestDriver::resumed(3, [1]);
    for _ in 0..200 {
        driver.fail(Task::List, ErrorKind::Network);
        driver.commands();
        driver.advance_to_wakeup();
        assert_eq!(driver.actions(), [Command::List]);
    }
    driver.send(listing([listed(1)]));
    assert_eq!(driver.run().1, [2, 3]);
}
