//! A later page load goes on with what an earlier one has stored.

use super::*;

#[test]
fn stored_parts_are_compared_with_the_file_and_not_sent_again() {
    let mut world = World::resumed(9, [1, 2, 3, 4]);
    // 2 is another's, 3 is of another length, 5 was stored and not noted any more.
    let other = StoredPart { checksum: Some(to_base64(77)), ..listed(2) };
    let short = StoredPart { size: PART - 1, ..listed(3) };
    world.tell(listing([listed(1), other, short, listed(4), listed(5)]));
    let (outcome, mut sent) = world.play();
    sent.sort_unstable();
    assert_eq!(sent, [2, 3, 6, 7, 8, 9]);
    assert!(outcome.unwrap().verified);
}

#[test]
fn without_checksums_in_the_list_the_notes_are_compared() {
    let mut world = World::resumed(4, [1, 2]);
    let bare = |part| StoredPart { checksum: None, ..listed(part) };
    let renewed = StoredPart { etag: "\"other\"".into(), ..bare(2) };
    world.tell(listing([bare(1), renewed, bare(3)]));
    let (outcome, mut sent) = world.play();
    sent.sort_unstable();
    assert_eq!(sent, [2, 3, 4], "2 isn't the one that was noted; 3 can't be compared");
    assert!(outcome.is_ok());
}

#[test]
fn a_file_with_other_bytes_is_sent_again() {
    let mut world = World::resumed(1, [1]);
    world.tell(listing([listed(1)]));
    assert_eq!(world.acts(), [Command::Hash(1)]);
    world.tell(Event::Hashed { part: 1, crc64: 5 });
    assert_eq!(signs(&world.acts()), [1]);
}

#[test]
fn progress_begins_with_what_is_compared() {
    let mut world = World::resumed(4, [1, 2]);
    world.tell(listing([listed(1), listed(2)]));
    let sent = |world: &mut World| {
        world.pass(SECOND);
        let now = world.now;
        world.machine.progress(now).unwrap().sent / PART
    };
    assert_eq!(sent(&mut world), 0);
    for part in 1..=2 {
        assert!(world.acts().contains(&Command::Hash(part)));
        world.tell(Event::Hashed { part, crc64: crc_of(part) });
        assert_eq!(sent(&mut world), u64::from(part));
    }
}

#[test]
fn one_that_is_gone_begins_anew() {
    let aborted = Event::Listed(Listing { state: wire::UploadState::Aborted, parts: Vec::new() });
    let gone = Event::Failed { task: Task::List, error: UploadError::upload_gone() };
    let forbidden = Event::Failed { task: Task::List, error: UploadError::permanent("forbidden", "No.") };
    for news in [aborted, gone, forbidden] {
        let mut world = World::resumed(3, [1]);
        world.tell(news);
        assert_eq!(world.commands(), [Command::DropAll, Command::Persist(PersistOp::Clear), Command::Open]);
        world.tell(Event::Opened(world.session()));
        assert_eq!(world.play().1, [1, 2, 3]);
    }
}

#[test]
fn notes_of_another_size_begin_anew() {
    let saved = SavedUpload { part_size: MIB, ..SavedUpload::default() };
    let mut world = World::new(3, Some(saved));
    world.commands();
    world.tell(listing([]));
    assert_eq!(world.acts(), [Command::DropAll, Command::Open]);
}

#[test]
fn one_that_is_completed_is_never_sent_again() {
    let mut world = World::resumed(3, [1, 2, 3]);
    let completed = || Event::Listed(Listing { state: wire::UploadState::Completed, parts: Vec::new() });
    world.tell(completed());
    let mut asked = Vec::new();
    for _ in 0..20 {
        for command in world.acts() {
            match command {
                Command::Hash(part) => world.tell(Event::Hashed { part, crc64: crc_of(part) }),
                Command::List => world.tell(completed()),
                Command::Complete(body) => {
                    asked.push(body.checksum.clone());
                    world.tell(Event::Completed(world.stored(body.checksum)));
                }
                Command::Finish(outcome) => {
                    assert_eq!(asked, [Some(world.whole())]);
                    return assert!(outcome.unwrap().verified);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    panic!("it does not end")
}

#[test]
fn a_list_that_is_long_in_coming_is_waited_for() {
    let mut world = World::resumed(3, [1]);
    for _ in 0..200 {
        world.fail(Task::List, ErrorKind::Network);
        world.commands();
        world.sleep();
        assert_eq!(world.acts(), [Command::List]);
    }
    world.tell(listing([listed(1)]));
    assert_eq!(world.play().1, [2, 3]);
}
