//! Pauses, silences, sleep, and a network that comes and goes.

use super::*;

#[test]
fn a_pause_begins_nothing_and_loses_nothing() {
    let mut world = World::open(4);
    assert_eq!(puts(&world.commands()), [1, 2, 3]);
    world.tell(Event::Paused(true));
    assert_eq!(world.machine.state(), UploadState::Paused);
    for part in 1..=2 {
        world.land(part);
    }
    world.fail(Task::Put(3), ErrorKind::Server);
    assert!(world.acts().iter().all(|command| matches!(command, Command::Hash(_))));
    assert_eq!(world.machine.wakeup_ms(), None, "it waits for a person");
    world.pass(3 * 24 * HOUR);
    assert_eq!(world.acts(), []);
    world.tell(Event::Paused(false));
    assert_eq!(signs(&world.acts()), [3, 4], "all URLs have run out meanwhile");
    world.tell(Event::Signed([3, 4].map(presigned).into()));
    assert_eq!(puts(&world.commands()), [3, 4]);
    world.tell(Event::Paused(true));
    world.land(3);
    world.land(4);
    assert_eq!(world.acts(), [], "not even the completion");
    world.tell(Event::Paused(false));
    assert!(matches!(world.acts()[..], [Command::Complete(_)]));
}

#[test]
fn canceling_needs_no_end_of_the_pause() {
    let mut world = World::open(2);
    world.commands();
    world.tell(Event::Paused(true));
    world.tell(Event::Canceled);
    assert_eq!(world.acts(), [Command::Abort]);
}

#[test]
fn silence_is_counted_from_the_first_byte() {
    let mut world = World::open(3);
    world.commands();
    world.tell(Event::Progress { part: 1, bytes: 100 });
    assert_eq!(world.sleep(), 60 * SECOND);
    let acts = world.acts();
    assert_eq!(acts.first(), Some(&Command::Drop(Task::Put(1))));
    let cut: Vec<_> = acts.into_iter().filter(|command| matches!(command, Command::Drop(_))).collect();
    assert_eq!(cut, [1, 2, 3].map(|part| Command::Drop(Task::Put(part))));
}

#[test]
fn what_may_wait_in_the_browsers_queue_is_given_longer() {
    let mut world = World::paced(60, None, Some(20));
    world.commands();
    world.tell(Event::Opened(world.session()));
    world.commands();
    for part in 1..=6 {
        world.tell(Event::Hashed { part, crc64: crc_of(part) });
    }
    for second in 1..=30 {
        world.pass(10 * SECOND);
        for part in 1..=6 {
            world.tell(Event::Progress { part, bytes: second });
        }
        let cut = |command: &Command| matches!(command, Command::Drop(Task::Put(_)));
        assert!(!world.acts().iter().any(cut));
    }
}

#[test]
fn what_moves_is_never_cut_off() {
    let mut world = World::open(1);
    world.commands();
    world.tell(Event::Hashed { part: 1, crc64: crc_of(1) });
    for bytes in 1..200 {
        world.pass(10 * SECOND);
        world.tell(Event::Progress { part: 1, bytes });
        assert_eq!(world.acts(), []);
    }
}

#[test]
fn patience_grows_with_each_silence() {
    let mut world = World::open(1);
    world.commands();
    world.tell(Event::Hashed { part: 1, crc64: crc_of(1) });
    let mut silences = Vec::new();
    for _ in 0..4 {
        world.tell(Event::Progress { part: 1, bytes: 1 });
        silences.push(world.sleep() / SECOND);
        if puts(&world.acts()).is_empty() {
            world.sleep();
            assert_eq!(puts(&world.acts()), [1]);
        }
    }
    assert_eq!(silences, [60, 120, 240, 300]);
}

#[test]
fn offline_one_thing_is_tried_now_and_then() {
    let mut world = World::open(9);
    world.commands();
    world.tell(Event::Online(false));
    assert_eq!(world.machine.state(), UploadState::Waiting);
    for part in 1..=3 {
        world.tell(Event::Hashed { part, crc64: crc_of(part) });
        world.fail(Task::Put(part), ErrorKind::Network);
    }
    assert_eq!(world.acts(), []);
    let mut tries = 0;
    for _ in 0..1_000 {
        tries += 1;
        assert_eq!(world.sleep(), 15 * SECOND);
        match &world.acts()[..] {
            [Command::Put(presigned)] => world.fail(Task::Put(presigned.part), ErrorKind::Network),
            // Once all URLs are old.
            [Command::Sign(_)] => world.fail(Task::Sign, ErrorKind::Network),
            // What failed last still waits for its time.
            [] => tries -= 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(tries > 500, "{tries}");
    world.tell(Event::Online(true));
    world.sleep();
    // A night has passed: all URLs are old.
    assert_eq!(world.machine.state(), UploadState::Uploading);
    assert!(!signs(&world.acts()).is_empty());
    assert!(world.play().0.is_ok());
}

#[test]
fn a_browser_that_is_wrong_about_being_offline_hinders_little() {
    let mut world = World::open(9);
    world.tell(Event::Online(false));
    assert_eq!(world.acts(), []);
    world.sleep();
    assert_eq!(puts(&world.commands()), [1]);
    world.land(1);
    assert_eq!(puts(&world.commands()), [2, 3, 4]);
    assert_eq!(world.machine.state(), UploadState::Uploading);
}

#[test]
fn an_answer_that_was_on_its_way_does_not_end_being_offline() {
    let mut world = World::open(9);
    world.commands();
    world.tell(Event::Online(false));
    world.land(1);
    assert_eq!(puts(&world.commands()), [4]);
    for part in 2..=4 {
        world.fail(Task::Put(part), ErrorKind::Network);
    }
    assert_eq!(world.machine.state(), UploadState::Waiting);
    assert_eq!(world.acts(), []);
    world.tell(Event::Online(true));
    assert_eq!(world.machine.state(), UploadState::Uploading);
}

#[test]
fn a_night_without_network_is_slept_through_however_it_fails() {
    for kind in [ErrorKind::Network, ErrorKind::Stalled] {
        let mut world = World::open(3);
        let morning = world.now + 10 * HOUR;
        let mut requests = 0;
        while world.now < morning {
            for command in world.acts() {
                requests += 1;
                match command {
                    Command::Put(presigned) => world.fail(Task::Put(presigned.part), kind),
                    Command::Hash(part) => world.tell(Event::Hashed { part, crc64: crc_of(part) }),
                    Command::List => world.fail(Task::List, kind),
                    Command::Sign(_) => world.fail(Task::Sign, kind),
                    Command::DropAll => {}
                    other => panic!("{other:?}"),
                }
            }
            if world.machine.wakeup_ms().is_some_and(|wake| wake > world.now) {
                world.sleep();
            }
        }
        assert!(requests < 5_000, "{requests}");
        world.fail(Task::List, ErrorKind::Server);
        assert!(world.play().0.is_ok());
    }
}

#[test]
fn after_a_sleep_connections_are_believed_for_ten_seconds() {
    let mut world = World::open(3);
    world.commands();
    for part in 1..=3 {
        world.tell(Event::Progress { part, bytes: 100 });
    }
    // One clock stood still.
    world.wall += 8 * HOUR;
    assert_eq!(world.acts(), []);
    world.pass(1);
    world.tell(Event::Progress { part: 2, bytes: 200 });
    world.pass(10 * SECOND);
    let acts = world.acts();
    let cut: Vec<_> = acts.iter().filter(|command| matches!(command, Command::Drop(_))).collect();
    assert_eq!(cut, [1, 3].map(|part| Command::Drop(Task::Put(part))).iter().collect::<Vec<_>>());
    assert!(!signs(&acts).is_empty(), "their URLs ran out in the sleep");
}

#[test]
fn a_call_that_a_sleep_has_killed_is_made_again_soon() {
    let mut world = World::open(1);
    world.commands();
    world.land(1);
    assert!(world.acts().iter().any(|command| matches!(command, Command::Complete(_))));
    world.pass(SECOND);
    world.tell(Event::Online(true));
    assert_eq!(world.sleep(), 10 * SECOND);
    assert!(matches!(world.acts()[..], [Command::Drop(Task::Complete), Command::Complete(_)]));
}

#[test]
fn it_wakes_only_for_what_it_can_do() {
    // A failed call for URLs that nobody needs any more.
    let mut world = World::open(17);
    for part in 1..=16 {
        let _ = world.commands();
        world.land(part);
    }
    world.commands();
    world.fail(Task::Sign, ErrorKind::Server);
    world.commands();
    let wake = world.machine.wakeup_ms().unwrap();
    assert!(wake > world.now);
    world.tell(Event::Online(false));
    world.sleep();
    world.commands();
    assert!(world.machine.wakeup_ms().is_some_and(|wake| wake > world.now));
}
