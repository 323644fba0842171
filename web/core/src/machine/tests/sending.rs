//! When all goes well, or nearly.

use super::*;

#[test]
fn sends_everything_and_completes_with_the_whole_files_checksum() {
    let mut world = World::new(40, None);
    let (outcome, sent) = world.play();
    let stored = outcome.unwrap();
    assert_eq!(stored.checksum, Some(world.whole()));
    assert!(stored.verified);
    assert_eq!(sent, (1..=40).collect::<Vec<_>>());
}

#[test]
fn few_fly_at_once_to_begin_with_and_signing_runs_ahead() {
    let mut world = World::open(100);
    assert_eq!(puts(&world.commands()), [1, 2, 3]);
    let mut signed = 16;
    for part in 1..=40 {
        world.land(part);
        let commands = world.commands();
        assert_eq!(puts(&commands), [part + 3], "nothing waits for a URL");
        let asked = signs(&commands);
        if !asked.is_empty() {
            assert_eq!(asked.first(), Some(&(signed + 1)));
            signed = *asked.last().unwrap();
            world.tell(Event::Signed(asked.into_iter().map(presigned).collect()));
        }
    }
}

#[test]
fn a_part_counts_only_once_it_is_hashed_too() {
    let mut world = World::open(1);
    assert!(matches!(world.commands()[..], [Command::Put(_), Command::Hash(1)]));
    world.tell(Event::Uploaded { part: 1, receipt: receipt(1), multiplexed: false });
    assert_eq!(world.commands(), []);
    world.tell(Event::Hashed { part: 1, crc64: crc_of(1) });
    assert!(matches!(world.commands()[..], [Command::Persist(PersistOp::Part(_)), Command::Complete(_)]));
}

#[test]
fn one_part_is_hashed_at_a_time_in_the_order_of_sending() {
    let mut world = World::open(3);
    for part in 1..=3 {
        let commands = world.commands();
        let hashes = commands.iter().filter(|command| matches!(command, Command::Hash(_)));
        assert_eq!(hashes.collect::<Vec<_>>(), [&Command::Hash(part)]);
        world.tell(Event::Hashed { part, crc64: crc_of(part) });
    }
    assert_eq!(world.commands(), []);
}

#[test]
fn what_waits_in_the_browsers_own_queue_is_kept_short() {
    let mut world = World::paced(60, None, Some(37));
    world.commands();
    world.tell(Event::Opened(world.session()));
    assert_eq!(puts(&world.commands()).len(), 6, "none of them has moved");
    world.tell(Event::Progress { part: 1, bytes: 1 });
    world.tell(Event::Progress { part: 2, bytes: 1 });
    assert_eq!(puts(&world.commands()), [7, 8]);
}

#[test]
fn receipts_that_cors_hides_are_fetched_and_compared() {
    for hidden in [
        PartReceipt::default(),
        PartReceipt { etag: None, ..receipt(1) },
        PartReceipt { checksum: None, ..receipt(1) },
    ] {
        let mut world = World::open(3);
        world.commands();
        for part in 1..=3 {
            world.tell(Event::Hashed { part, crc64: crc_of(part) });
            let checksum = hidden.checksum.as_ref().map(|_| to_base64(crc_of(part)));
            let etag = hidden.etag.as_ref().and_then(|_| receipt(part).etag);
            world.tell(Event::Uploaded { part, receipt: PartReceipt { etag, checksum }, multiplexed: false });
        }
        assert_eq!(world.acts(), [Command::List]);
        let damaged = StoredPart { checksum: Some(to_base64(1)), ..listed(2) };
        world.tell(listing([listed(1), damaged]));
        let (outcome, sent) = world.play();
        assert!(outcome.unwrap().verified);
        assert_eq!(sent, [2, 3], "a part with other bytes, and a missing one");
    }
}

#[test]
fn a_list_that_never_has_the_parts_is_given_up() {
    let mut world = World::open(2);
    for round in 0.. {
        for command in world.acts() {
            match command {
                Command::Put(presigned) => {
                    world.tell(Event::Uploaded {
                        part: presigned.part,
                        receipt: PartReceipt::default(),
                        multiplexed: false,
                    });
                }
                Command::Hash(part) => world.tell(Event::Hashed { part, crc64: crc_of(part) }),
                Command::List => world.tell(listing([])),
                Command::Sign(parts) => world.tell(Event::Signed(parts.into_iter().map(presigned).collect())),
                Command::Abort => world.tell(Event::Aborted),
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
fn what_completion_answers_is_compared_as_well() {
    for (size, checksum, code) in
        [(PART, Some(to_base64(5)), codes::CHECKSUM_MISMATCH), (PART - 1, None, codes::SIZE_MISMATCH)]
    {
        let mut world = World::open(1);
        world.commands();
        world.land(1);
        world.commands();
        world.tell(Event::Completed(StoredFile { size, checksum, ..world.stored(None) }));
        assert_eq!(world.play().0.unwrap_err().code, code);
    }
}

#[test]
fn a_store_without_checksums_is_used_without() {
    let mut world = World::new(2, None);
    world.commands();
    world.tell(Event::Opened(OpenedUpload { checksum: false, ..world.session() }));
    world.commands();
    for part in 1..=2 {
        world.tell(Event::Hashed { part, crc64: crc_of(part) });
        let receipt = PartReceipt { checksum: None, ..receipt(part) };
        world.tell(Event::Uploaded { part, receipt, multiplexed: false });
    }
    assert!(matches!(&world.acts()[..], [Command::Complete(_)]), "no list is asked for");
    world.tell(Event::Completed(world.stored(None)));
    assert!(!world.play().0.unwrap().verified);
}

#[test]
fn without_the_checksum_option_nothing_is_hashed() {
    let mut world = World::new(2, None);
    world.machine = Machine::new(2 * PART, false, Concurrency::new(None), None);
    world.commands();
    world.tell(Event::Opened(world.session()));
    let commands = world.acts();
    assert!(commands.iter().all(|command| matches!(command, Command::Put(_))));
    for part in 1..=2 {
        world.tell(Event::Uploaded { part, receipt: receipt(part), multiplexed: false });
    }
    assert!(matches!(&world.acts()[..], [Command::Complete(body)] if body.checksum.is_none()));
}

#[test]
fn a_plan_that_cannot_be_is_refused() {
    for (part_size, part_count) in [(PART, 2), (MIB, 8), (0, 0), (PART + 1, 1)] {
        let mut world = World::new(1, None);
        world.commands();
        world.tell(Event::Opened(OpenedUpload { part_size, part_count, ..world.session() }));
        assert_eq!(world.play().0.unwrap_err().code, codes::BAD_ANSWER);
    }
}

#[test]
fn ten_thousand_parts_of_five_tebibytes_begin_like_few() {
    let size = 5 << 40;
    let part_size = PartPlan::new(size, None).unwrap().part_size();
    let plan = PartPlan::agreed(size, part_size).unwrap();
    let mut world = World::new(1, None);
    world.machine = Machine::new(size, true, Concurrency::new(None), None);
    world.commands();
    world.tell(Event::Opened(OpenedUpload { part_size, part_count: plan.part_count(), ..world.session() }));
    assert_eq!(puts(&world.commands()), [1]);
    assert!(plan.part_count() > 9_900);
}
