//! What fails: again, differently, or never again.

use super::*;

#[test]
fn a_damaged_part_is_sent_again_and_its_bytes_read_again_and_not_for_ever() {
    let mut world = World::open(1);
    world.commands();
    world.tell(Event::Hashed { part: 1, crc64: crc_of(1) });
    let mut sent = 1;
    let outcome = loop {
        world.tell(Event::Uploaded { part: 1, receipt: receipt(2), multiplexed: false });
        let acts = world.acts();
        if let Some(Command::Abort) = acts.first() {
            world.tell(Event::Aborted);
            break world.play().0;
        }
        assert_eq!(acts.first(), Some(&Command::Hash(1)));
        world.tell(Event::Hashed { part: 1, crc64: crc_of(1) });
        if acts.len() == 1 {
            world.sleep();
            assert_eq!(puts(&world.commands()), [1]);
        }
        sent += 1;
    };
    assert_eq!(outcome.unwrap_err().code, codes::CHECKSUM_MISMATCH);
    assert_eq!(sent, 19);
}

#[test]
fn bytes_that_were_read_twice_and_differ_tell_that_the_file_has_changed() {
    let mut world = World::open(1);
    world.commands();
    world.tell(Event::Hashed { part: 1, crc64: crc_of(1) });
    world.tell(Event::Uploaded { part: 1, receipt: receipt(2), multiplexed: false });
    world.commands();
    world.tell(Event::Hashed { part: 1, crc64: crc_of(2) });
    assert_eq!(world.play().0.unwrap_err().code, codes::FILE_CHANGED);
}

#[test]
fn a_refused_url_and_its_contemporaries_are_signed_anew_at_once() {
    let mut world = World::open(9);
    world.commands();
    world.fail(Task::Put(1), ErrorKind::Expired);
    let acts = world.acts();
    assert_eq!(signs(&acts), [1, 4, 5, 6, 7, 8, 9], "those in flight may yet do");
    world.tell(Event::Signed([1, 4].map(presigned).into()));
    assert_eq!(puts(&world.commands()), [1]);
}

#[test]
fn urls_near_their_end_are_not_used() {
    let mut world = World::open(9);
    assert_eq!(puts(&world.commands()), [1, 2, 3]);
    world.pass(HOUR - 14 * SECOND);
    for part in 1..=3 {
        world.land(part);
    }
    assert_eq!(signs(&world.acts()), [4, 5, 6, 7, 8, 9]);
    // They are as old as the question, not as the answer.
    world.pass(50 * SECOND);
    let short = |part| PresignedPart { ttl_ms: Some(60 * SECOND), ..presigned(part) };
    world.tell(Event::Signed((4..=9).map(short).collect()));
    assert_eq!(puts(&world.commands()), [0u32; 0], "too short, and that counts as a failure");
    assert!(world.machine.wakeup_ms().is_some());
}

#[test]
fn urls_of_an_unknown_life_are_used_until_they_are_refused() {
    let mut world = World::open(9);
    world.commands();
    world.fail(Task::Put(1), ErrorKind::Expired);
    world.commands();
    let unknown = |part, ttl_ms| PresignedPart { ttl_ms, ..presigned(part) };
    world.tell(Event::Signed(vec![unknown(1, None), unknown(4, Some(0))]));
    world.pass(20 * HOUR);
    assert_eq!(puts(&world.acts()).first(), Some(&1));
}

#[test]
fn urls_of_an_unknown_life_learn_from_each_other() {
    let mut world = World::paced(9, None, Some(1));
    let unknown = |part| PresignedPart { ttl_ms: None, ..presigned(part) };
    world.commands();
    world.tell(Event::Opened(OpenedUpload { parts: vec![unknown(1), unknown(2)], ..world.session() }));
    world.commands();
    world.pass(70 * SECOND);
    world.tell(Event::Signed([3, 4].map(unknown).into()));
    world.land(1);
    assert_eq!(puts(&world.acts()), [2]);
    world.pass(70 * SECOND);
    // It was 70 s old when it was used, and so are those of the second call by now.
    world.fail(Task::Put(2), ErrorKind::Expired);
    assert!(puts(&world.acts()).is_empty());
}

#[test]
fn an_answer_without_the_urls_asked_for_is_a_failure() {
    let mut world = World::open(40);
    world.commands();
    for part in 1..=16 {
        world.land(part);
        world.commands();
    }
    for nonsense in [vec![], vec![presigned(77)], vec![presigned(1)]] {
        world.tell(Event::Signed(nonsense));
        assert!(matches!(world.commands()[..], [Command::NotifyRetry { task: Task::Sign, .. }]));
        world.sleep();
        assert!(!signs(&world.commands()).is_empty());
    }
}

#[test]
fn one_failure_is_no_affair_of_other_parts() {
    let mut world = World::open(9);
    world.commands();
    world.fail(Task::Put(2), ErrorKind::Server);
    world.land(1);
    world.land(3);
    assert_eq!(puts(&world.acts()), [4, 5, 6]);
    world.sleep();
    world.land(4);
    assert_eq!(puts(&world.acts()), [2]);
    for part in [5, 6, 2] {
        world.land(part);
    }
    assert_eq!(puts(&world.acts()), [7, 8, 9]);
}

#[test]
fn old_news_changes_nothing() {
    let mut world = World::open(9);
    world.commands();
    world.fail(Task::Put(2), ErrorKind::Server);
    world.commands();
    // The same once more; a part that never flew; calls that nobody made.
    for task in
        [Task::Put(2), Task::Put(7), Task::Put(99), Task::Sign, Task::List, Task::Complete, Task::Abort]
    {
        world.fail(task, ErrorKind::Permanent);
    }
    world.tell(Event::Uploaded { part: 8, receipt: receipt(8), multiplexed: false });
    world.tell(Event::Aborted);
    world.tell(Event::Completed(world.stored(None)));
    world.land(1);
    assert_eq!(puts(&world.acts()), [5]);
    world.sleep();
    world.land(4);
    assert_eq!(puts(&world.acts()), [2]);
    world.land(5);
    assert_eq!(puts(&world.acts()), [6], "2 only once, though it failed twice");
}

#[test]
fn a_server_that_fails_is_given_up_for_now_after_ten_minutes() {
    let mut world = World::open(1);
    world.commands();
    world.tell(Event::Hashed { part: 1, crc64: crc_of(1) });
    let began = world.now;
    let outcome = loop {
        world.fail(Task::Put(1), ErrorKind::Server);
        let commands = world.commands();
        assert!(!commands.contains(&Command::Persist(PersistOp::Clear)), "it can be resumed");
        if let Some(Command::Finish(outcome)) = commands.last() {
            break outcome.clone();
        }
        if puts(&commands).is_empty() {
            world.sleep();
            world.commands();
        }
    };
    assert_eq!(outcome.unwrap_err().code, codes::STORAGE_UNAVAILABLE);
    assert!((600..700).contains(&((world.now - began) / SECOND)));
}

#[test]
fn a_storage_out_of_reach_is_given_up_once_the_edge_says_often_that_all_is_well() {
    let mut world = World::open(2);
    let (mut lists, mut steps) = (0, 0);
    let outcome = 'run: loop {
        steps += 1;
        assert!(steps < 1_000);
        for command in world.commands() {
            match command {
                Command::Put(presigned) => world.fail(Task::Put(presigned.part), ErrorKind::Network),
                Command::List => {
                    lists += 1;
                    world.tell(listing([]));
                }
                Command::Sign(parts) => world.tell(Event::Signed(parts.into_iter().map(presigned).collect())),
                Command::Finish(outcome) => break 'run outcome,
                Command::Persist(note) => assert!(!matches!(note, PersistOp::Clear)),
                _ => {}
            }
        }
        if world.machine.wakeup_ms().is_some() {
            world.sleep();
        }
    };
    assert_eq!(outcome.unwrap_err().kind, ErrorKind::Network);
    assert_eq!(lists, 5);
}

#[test]
fn a_refusal_for_good_ends_it_and_leaves_nothing() {
    let mut world = World::open(3);
    world.commands();
    world.fail(Task::Put(2), ErrorKind::Permanent);
    assert_eq!(world.commands(), [Command::Persist(PersistOp::Canceled), Command::Abort]);
    world.tell(Event::Aborted);
    assert!(matches!(&world.commands()[..], [Command::Persist(PersistOp::Clear), Command::Finish(Err(_))]));
}

#[test]
fn an_unreadable_file_ends_it() {
    for task in [Task::Hash(1), Task::Put(1)] {
        let mut world = World::open(1);
        world.commands();
        world.tell(Event::Failed { task, error: UploadError::file_unreadable() });
        assert_eq!(world.play().0.unwrap_err().code, codes::FILE_UNREADABLE);
    }
}

#[test]
fn a_storage_that_says_gone_is_not_believed_before_the_edge_says_so_too() {
    let gone = |world: &mut World| {
        world.land(1);
        world.commands();
        world.tell(Event::Failed { task: Task::Put(2), error: UploadError::upload_gone() });
        let acts = world.acts();
        assert_eq!(acts, [Command::DropAll]);
        world.sleep();
        assert_eq!(world.acts(), [Command::List]);
    };
    let mut world = World::open(4);
    world.commands();
    gone(&mut world);
    world.tell(listing([listed(1)]));
    assert_eq!(world.machine.state(), UploadState::Uploading);
    let (outcome, sent) = world.play();
    assert!(outcome.is_ok());
    assert!(!sent.contains(&1), "what is stored stays");

    let mut world = World::open(4);
    world.commands();
    gone(&mut world);
    world.tell(Event::Listed(Listing { state: wire::UploadState::Aborted, parts: Vec::new() }));
    assert_eq!(world.commands(), [Command::DropAll, Command::Persist(PersistOp::Clear), Command::Open]);
    let (outcome, sent) = {
        world.tell(Event::Opened(world.session()));
        world.play()
    };
    assert!(outcome.is_ok());
    assert_eq!(sent, [1, 2, 3, 4]);
}

#[test]
fn an_upload_that_is_gone_again_and_again_is_given_up() {
    let mut world = World::open(2);
    let mut opened = 1;
    loop {
        world.commands();
        world.land(1);
        world.land(2);
        assert!(world.acts().iter().any(|command| matches!(command, Command::Complete(_))));
        world.tell(Event::Failed { task: Task::Complete, error: UploadError::upload_gone() });
        match world.acts().last() {
            Some(Command::Open) => {
                opened += 1;
                world.tell(Event::Opened(world.session()));
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
fn other_parts_at_completion_are_looked_for_not_for_ever() {
    let mut world = World::open(1);
    world.commands();
    world.land(1);
    let mut completions = 0;
    loop {
        match world.acts().last() {
            Some(Command::Complete(_)) => {
                completions += 1;
                world.fail(Task::Complete, ErrorKind::ChecksumMismatch);
            }
            Some(Command::List) => world.tell(listing([listed(1)])),
            Some(Command::DropAll) | None => {
                world.sleep();
            }
            Some(Command::Abort) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!((2..30).contains(&completions), "{completions}");
}
