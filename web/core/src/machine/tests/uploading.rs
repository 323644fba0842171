//! Uploading without faults, or nearly.

use super::*;

#[test]
fn upload_sends_every_part_and_completes_with_file_checksum() {
    let mut driver = TestDriver::new(40, None);
    let (outcome, sent) = driver.run();
    let stored = outcome.unwrap();
    assert_eq!(stored.checksum, Some(driver.file_checksum()));
    assert!(stored.verified);
    assert_eq!(sent, (1..=40).collect::<Vec<_>>());
}

#[test]
fn upload_is_opened_with_the_first_checksums() {
    let mut driver = TestDriver::new(40, None);
    let checksums: Vec<u64> = (1..=6).map(crc_of).collect();
    assert_eq!(driver.commands(), [Command::Open { part_size: PART, checksums }]);
    let mut driver = TestDriver::new(2, None);
    let checksums = vec![crc_of(1), crc_of(2)];
    assert_eq!(driver.commands(), [Command::Open { part_size: PART, checksums }]);
    // Large parts: few, so that hashing doesn't delay the start.
    let mut driver = TestDriver::new(1, None);
    driver.machine = Machine::new(1 << 40, 1 << 30, Concurrency::new(None), None);
    driver.hashes = false;
    assert_eq!(driver.commands(), [Command::Hash(1)]);
    driver.send(Event::Hashed { part: 1, crc64: 7 });
    let open = Command::Open { part_size: 1 << 30, checksums: vec![7] };
    assert_eq!(driver.commands(), [Command::Hash(2), open]);
}

#[test]
fn upload_starts_with_few_parts_and_signs_ahead() {
    let mut driver = TestDriver::open(100);
    assert_eq!(puts(&driver.commands()), [1, 2, 3]);
    for part in 1..=40 {
        driver.store_part(part);
        assert_eq!(puts(&driver.signed_commands()), [part + 3], "no part waits for a URL");
    }
}

#[test]
fn part_is_sent_once_hashed_and_signed() {
    let mut driver = TestDriver::new(1, None);
    driver.machine = Machine::new(9 * PART, 5 * MIB, Concurrency::new(None), None);
    driver.parts = 9;
    driver.commands();
    driver.hashes = false;
    // Another part size: no part is hashed, and none presigned.
    driver.send(Event::Opened(OpenedUpload { parts: Vec::new(), ..driver.opened() }));
    assert_eq!(driver.actions(), [Command::DropAll, Command::Hash(1)]);
    driver.send(Event::Hashed { part: 1, crc64: crc_of(1) });
    assert_eq!(driver.actions(), [Command::Hash(2), Command::Sign(vec![saved(1)])]);
    driver.send(Event::Hashed { part: 2, crc64: crc_of(2) });
    driver.send(Event::Hashed { part: 3, crc64: crc_of(3) });
    driver.sign(&[saved(1)]);
    let actions = driver.actions();
    assert_eq!(puts(&actions), [1]);
    assert_eq!(signed(&actions), [2, 3], "those hashed meanwhile, in one request");
    driver.store_part(1);
    assert!(driver.commands().contains(&Command::Persist(PersistOp::Part(saved(1)))));
}

#[test]
fn parts_are_hashed_one_at_a_time_in_order() {
    let mut driver = TestDriver::new(3, None);
    driver.hashes = false;
    for part in 1..=3 {
        assert_eq!(driver.commands(), [Command::Hash(part)]);
        driver.send(Event::Hashed { part, crc64: crc_of(part) });
    }
    assert!(matches!(driver.commands()[..], [Command::Open { .. }]));
}

#[test]
fn hashing_goes_ahead_of_sending_by_as_many_parts_as_fly() {
    let mut driver = TestDriver::open(60);
    driver.hashes = false;
    // Twelve were hashed while the upload was opened.
    for part in 1..=6 {
        assert!(!driver.signed_commands().contains(&Command::Hash(13)));
        driver.store_part(part);
    }
    assert!(!driver.signed_commands().contains(&Command::Hash(13)), "7, 8, 9 fly; 10, 11, 12 are ahead");
    driver.store_part(7);
    assert!(driver.signed_commands().contains(&Command::Hash(13)));
}

#[test]
fn browser_queue_is_kept_short() {
    let mut driver = TestDriver::with_concurrency(60, None, Some(37));
    driver.commands();
    driver.send(Event::Opened(driver.opened()));
    assert_eq!(puts(&driver.signed_commands()).len(), 6, "none has shown progress");
    driver.send(Event::Progress { part: 1, bytes: 1 });
    driver.send(Event::Progress { part: 2, bytes: 1 });
    assert_eq!(puts(&driver.signed_commands()), [7, 8]);
}

#[test]
fn missing_parts_are_sent_again() {
    let mut driver = TestDriver::open(3);
    driver.commands();
    for part in 1..=3 {
        driver.store_part(part);
    }
    assert!(matches!(driver.actions()[..], [Command::Complete { .. }]));
    driver.send(Event::PartsMissing(vec![2, 3, 99]));
    assert_eq!(driver.machine.state(), UploadState::Uploading);
    let (outcome, sent) = driver.run();
    assert!(outcome.unwrap().verified);
    assert_eq!(sent, [2, 3]);
}

#[test]
fn completion_that_names_no_missing_part_is_retried() {
    for useless in [vec![], vec![77]] {
        let mut driver = TestDriver::open(1);
        driver.commands();
        driver.store_part(1);
        driver.commands();
        driver.send(Event::PartsMissing(useless));
        assert!(matches!(driver.commands()[..], [Command::NotifyRetry { task: Task::Complete, .. }]));
        driver.advance_to_wakeup();
        assert!(matches!(driver.actions()[..], [Command::Complete { .. }]));
    }
}

#[test]
fn storage_that_loses_parts_is_given_up_resumable() {
    let mut driver = TestDriver::open(2);
    for round in 0.. {
        for command in driver.commands() {
            match command {
                Command::Put(presigned) => driver.store_part(presigned.part),
                Command::Complete { .. } => driver.send(Event::PartsMissing(vec![1, 2])),
                Command::Sign(parts) => driver.sign(&parts),
                Command::Finish(outcome) => {
                    assert_eq!(outcome.unwrap_err().code, codes::PARTS_MISSING);
                    return assert!(round < 40, "{round}");
                }
                Command::Persist(PersistOp::Part(_)) | Command::DropAll => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn completion_response_is_compared() {
    for (size, checksum, code) in
        [(PART, Some(to_base64(5)), codes::CHECKSUM_MISMATCH), (PART - 1, None, codes::SIZE_MISMATCH)]
    {
        let mut driver = TestDriver::open(1);
        driver.commands();
        driver.store_part(1);
        driver.commands();
        driver.send(Event::Completed(StoredFile { size, checksum, ..driver.stored(None) }));
        assert_eq!(driver.run().0.unwrap_err().code, code);
    }
}

#[test]
fn storage_without_checksums_is_supported() {
    let mut driver = TestDriver::new(2, None);
    driver.commands();
    driver.send(Event::Opened(OpenedUpload { checksum: false, ..driver.opened() }));
    driver.commands();
    for part in 1..=2 {
        driver.store_part(part);
    }
    assert!(matches!(&driver.actions()[..], [Command::Complete { .. }]));
    driver.send(Event::Completed(driver.stored(None)));
    assert!(!driver.run().0.unwrap().verified);
}

#[test]
fn file_that_cannot_be_planned_is_left_to_the_edge() {
    let mut driver = TestDriver::new(0, None);
    assert_eq!(driver.commands(), [Command::Open { part_size: PART, checksums: Vec::new() }]);
    driver.send(Event::Failed { task: Task::Open, error: UploadError::permanent("file_empty", "Empty.") });
    assert_eq!(driver.run().0.unwrap_err().code, "file_empty");
}

#[test]
fn impossible_plan_is_refused() {
    for (part_size, part_count) in [(PART, 2), (MIB, 8), (0, 0), (PART + 1, 1)] {
        let mut driver = TestDriver::new(1, None);
        driver.commands();
        driver.send(Event::Opened(OpenedUpload { part_size, part_count, ..driver.opened() }));
        assert_eq!(driver.run().0.unwrap_err().code, codes::BAD_ANSWER);
    }
}

#[test]
fn five_tebibyte_upload_starts_like_a_small_one() {
    let size = 5 << 40;
    let part_size = PartPlan::new(size, None).unwrap().part_size();
    let plan = PartPlan::with_part_size(size, part_size).unwrap();
    let mut driver = TestDriver::new(1, None);
    driver.machine = Machine::new(size, part_size, Concurrency::new(None), None);
    driver.commands();
    driver.send(Event::Opened(OpenedUpload { part_size, part_count: plan.part_count(), ..driver.opened() }));
    assert_eq!(puts(&driver.commands()), [1]);
    assert!(plan.part_count() > 9_900);
}
