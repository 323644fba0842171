//! Opening, completing and aborting.

use super::*;

#[test]
fn a_first_call_that_fails_is_tried_for_two_minutes() {
    for kind in [ErrorKind::Network, ErrorKind::Server, ErrorKind::Throttled] {
        let mut world = World::new(1, None);
        let began = world.now;
        let outcome = loop {
            match world.acts().last() {
                Some(Command::Open) => world.fail(Task::Open, kind),
                Some(Command::Finish(outcome)) => break outcome.clone(),
                None => drop(world.sleep()),
                other => panic!("{other:?}"),
            }
        };
        assert!(outcome.is_err());
        assert!((120..200).contains(&((world.now - began) / SECOND)));
    }
}

#[test]
fn a_wish_to_be_left_alone_is_heeded() {
    let mut world = World::new(1, None);
    world.commands();
    let error = failure(ErrorKind::Throttled).with_retry_after(7_000);
    world.tell(Event::Failed { task: Task::Open, error });
    world.commands();
    assert_eq!(world.sleep(), 7_500);
}

#[test]
fn a_completion_that_fails_or_goes_unheard_is_asked_for_again() {
    let mut world = World::open(1);
    world.commands();
    world.land(1);
    world.commands();
    world.fail(Task::Complete, ErrorKind::Server);
    world.commands();
    world.sleep();
    assert!(matches!(world.acts()[..], [Command::Complete(_)]));
    assert_eq!(world.sleep(), COMPLETE_TIMEOUT_MS);
    assert_eq!(world.acts(), [Command::Drop(Task::Complete)].to_vec());
    world.sleep();
    assert!(matches!(world.acts()[..], [Command::Complete(_)]));
    world.tell(Event::Completed(world.stored(Some(world.whole()))));
    assert!(world.play().0.unwrap().verified);
}

#[test]
fn a_first_call_that_is_slow_means_a_long_way() {
    let mut world = World::new(20, None);
    world.commands();
    world.pass(80);
    world.tell(Event::Opened(world.session()));
    assert_eq!(puts(&world.commands()).len(), 6);
}

#[test]
fn canceling_aborts_whatever_is_open() {
    // Before the answer: it is waited for, as it names what to abort.
    let mut world = World::new(1, None);
    world.commands();
    world.tell(Event::Canceled);
    assert_eq!(world.commands(), []);
    assert_eq!(world.machine.state(), UploadState::Ended);
    world.tell(Event::Opened(world.session()));
    let commands = world.commands();
    assert!(matches!(
        commands[..],
        [Command::Persist(PersistOp::Opened { .. }), Command::Persist(PersistOp::Canceled), Command::Abort]
    ));
    world.tell(Event::Aborted);
    assert_eq!(world.play().0, Err(UploadError::canceled()));

    // For so long as anybody would wait.
    let mut world = World::new(1, None);
    world.commands();
    world.tell(Event::Canceled);
    world.sleep();
    assert_eq!(world.acts(), [Command::Finish(Err(UploadError::canceled()))]);

    // Between two tries there is nothing to abort.
    let mut world = World::new(1, None);
    world.commands();
    world.fail(Task::Open, ErrorKind::Network);
    world.commands();
    world.tell(Event::Canceled);
    assert_eq!(world.acts(), [Command::Finish(Err(UploadError::canceled()))]);
}

#[test]
fn an_abort_that_reaches_nobody_is_left_to_a_later_page_load() {
    let mut world = World::open(9);
    world.commands();
    world.tell(Event::Canceled);
    world.tell(Event::Uploaded { part: 1, receipt: receipt(1), multiplexed: false });
    assert_eq!(world.commands(), [Command::Persist(PersistOp::Canceled), Command::Abort]);
    for _ in 0..3 {
        world.fail(Task::Abort, ErrorKind::Network);
        world.commands();
        world.sleep();
        assert_eq!(world.acts(), [Command::Abort]);
    }
    world.fail(Task::Abort, ErrorKind::Network);
    assert_eq!(world.commands(), [Command::Finish(Err(UploadError::canceled()))], "it isn't over");

    let saved = SavedUpload { part_size: PART, canceled: true, ..SavedUpload::default() };
    let mut world = World::new(9, Some(saved));
    assert_eq!(world.commands(), [Command::Abort]);
    world.tell(Event::Aborted);
    assert_eq!(
        world.commands(),
        [Command::Persist(PersistOp::Clear), Command::Finish(Err(UploadError::canceled()))]
    );
}

#[test]
fn after_the_end_nothing_is_said() {
    let mut world = World::open(2);
    assert!(world.play().0.is_ok());
    for event in [Event::Canceled, Event::Online(false), Event::Paused(true), Event::Opened(world.session())]
    {
        world.tell(event);
        world.pass(HOUR);
        assert_eq!(world.commands(), []);
        assert_eq!(world.machine.wakeup_ms(), None);
        assert_eq!(world.machine.state(), UploadState::Ended);
    }
}
