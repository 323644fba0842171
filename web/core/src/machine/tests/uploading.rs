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
fn upload_starts_with_few_parts_and_signs_ahead() {
    let mut driver = TestDriver::open(100);
    assert_eq!(puts(&driver.commands()), [1, 2, 3]);
    let mut last_signed = 16;
    for part in 1..=40 {
        driver.store_part(part);
        let commands = driver.commands();
        assert_eq!(puts(&commands), [part + 3], "no part waits for a URL");
        let requested = signed(&commands);
        if !requested.is_empty() {
            assert_eq!(requested.first(), Some(&(last_signed + 1)));
            last_signed = *requested.last().unwrap();
            driver.send(Event::Signed(requested.into_iter().map(presigned).collect()));
        }
    }
}

#[test]
fn uploaded_part_is_stored_once_hashed() {
    let mut driver = TestDriver::open(1);
    assert!(matches!(driver.commands()[..], [Command::Put(_), Command::Hash(1)]));
    driver.send(Event::Uploaded { part: 1, receipt: receipt(1), multiplexed: false });
    assert_eq!(driver.commands(), []);
    driver.send(Event::Hashed { part: 1, crc64: crc_of(1) });
    assert!(matches!(driver.commands()[..], [Command::Persist(PersistOp::Part(_)), Command::Complete(_)]));
}

#[test]
fn parts_are_hashed_one_at_a_time_in_order() {
    let mut driver = TestDriver::open(3);
    for part in 1..=3 {
        let commands = driver.commands();
        let hashes = commands.iter().filter(|command| matches!(command, Command::Hash(_)));
        assert_eq!(hashes.collect::<Vec<_>>(), [&Command::Hash(part)]);
        driver.send(Event::Hashed { part, crc64: crc_of(part) });
    }
    assert_eq!(driver.commands(), []);
}

#[test]
fn browser_queue_is_kept_short() {
    let mut driver = TestDriver::with_concurrency(60, None, Some(37));
    driver.commands();
    driver.send(Event::Opened(driver.opened()));
    assert_eq!(puts(&driver.commands()).len(), 6, "none has shown progress");
    driver.send(Event::Progress { part: 1, bytes: 1 });
    driver.send(Event::Progress { part: 2, bytes: 1 });
    assert_eq!(puts(&driver.commands()), [7, 8]);
}

#[test]
fn hidden_receipts_are_fetched_and_compared() {
    for hidden in [
        PartReceipt::default(),
        PartReceipt { etag: None, ..receipt(1) },
        PartReceipt { checksum: None, ..receipt(1) },
    ] {
        let mut driver = TestDriver::open(3);
        driver.commands();
        for part in 1..=3 {
            driver.send(Event::Hashed { part, crc64: crc_of(part) });
            let checksum = hidden.checksum.as_ref().map(|_| to_base64(crc_of(part)));
            let etag = hidden.etag.as_ref().and_then(|_| receipt(part).etag);
            driver.send(Event::Uploaded {
                part,
                receipt: PartReceipt { etag, checksum },
                multiplexed: false,
            });
        }
        assert_eq!(driver.actions(), [Command::List]);
        let mismatched = StoredPart { checksum: Some(to_base64(1)), ..listed(2) };
        driver.send(listing([listed(1), mismatched]));
        let (outcome, sent) = driver.run();
        assert!(outcome.unwrap().verified);
        assert_eq!(sent, [2, 3], "a part with other bytes, and a missing one");
    }
}

#[test]
fn listing_that_never_has_the_parts_fails() {
    let mut driver = TestDriver::open(2);
    for round in 0.. {
        for command in driver.actions() {
            match command {
                Command::Put(presigned) => {
                    driver.send(Event::Uploaded {
                        part: presigned.part,
                        receipt: PartReceipt::default(),
                        multiplexed: false,
                    });
                }
                Command::Hash(part) => driver.send(Event::Hashed { part, crc64: crc_of(part) }),
                Command::List => driver.send(listing([])),
                Command::Sign(parts) => {
                    driver.send(Event::Signed(parts.into_iter().map(presigned).collect()))
                }
                Command::Abort => driver.send(Event::Aborted),
                Command::Finish(outcome) => {
                    assert_eq!(outcome.unwrap_err().code, codes::CHECKSUM_MISMATCH);
                    assert!(round < 40, "{round}");
                    return;
                }
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
        driver.send(Event::Hashed { part, crc64: crc_of(part) });
        let receipt = PartReceipt { checksum: None, ..receipt(part) };
        driver.send(Event::Uploaded { part, receipt, multiplexed: false });
    }
    assert!(matches!(&driver.actions()[..], [Command::Complete(_)]), "no listing is needed");
    driver.send(Event::Completed(driver.stored(None)));
    assert!(!driver.run().0.unwrap().verified);
}

#[test]
fn checksum_off_hashes_nothing() {
    let mut driver = TestDriver::new(2, None);
    driver.machine = Machine::new(2 * PART, false, Concurrency::new(None), None);
    driver.commands();
    driver.send(Event::Opened(driver.opened()));
    let commands = driver.actions();
    assert!(commands.iter().all(|command| matches!(command, Command::Put(_))));
    for part in 1..=2 {
        driver.send(Event::Uploaded { part, receipt: receipt(part), multiplexed: false });
    }
    assert!(matches!(&driver.actions()[..], [Command::Complete(body)] if body.checksum.is_none()));
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
    driver.machine = Machine::new(size, true, Concurrency::new(None), None);
    driver.commands();
    driver.send(Event::Opened(OpenedUpload { part_size, part_count: plan.part_count(), ..driver.opened() }));
    assert_eq!(puts(&driver.commands()), [1]);
    assert!(plan.part_count() > 9_900);
}
