//! The machine against a hand-made world: commands are looked at, events made up.

use super::*;
use crate::crc::{crc64, to_base64};
use crate::parts::Receipt;
use proptest::prelude::*;
use wire::MIB;

/// A part of the made-up file has this CRC.
fn crc_of(part: u32) -> u64 {
    crc64(&part.to_le_bytes())
}

fn receipt(part: u32) -> Receipt {
    Receipt { etag: Some(format!("\"{part}\"")), checksum: Some(to_base64(crc_of(part))) }
}

fn ticket(part: u32) -> Ticket {
    Ticket { part, url: format!("https://store.test/{part}"), headers: Vec::new(), expires_at: None }
}

fn failure(kind: Kind) -> Failure {
    Failure { kind, ..Failure::from_store(500, "") }
}

/// Drives a machine; time stands still unless moved.
struct World {
    machine: Machine,
    now: u64,
    parts: u32,
}

impl World {
    /// An upload of `parts` full parts, not yet open; the first three come signed.
    fn closed(parts: u32) -> Self {
        let size = u64::from(parts) * 8 * MIB;
        Self { machine: Machine::new(size, true, Pace::new(None)), now: 1_000_000, parts }
    }

    fn open(parts: u32) -> Self {
        let mut world = Self::closed(parts);
        assert_eq!(world.commands(), [Command::Open]);
        world.tell(Event::Opened(world.session()));
        world
    }

    fn session(&self) -> Session {
        Session {
            upload: "token".into(),
            part_size: 8 * MIB,
            part_count: self.parts,
            checksum: true,
            tickets: (1..=self.parts.min(3)).map(ticket).collect(),
        }
    }

    fn commands(&mut self) -> Vec<Command> {
        std::iter::from_fn(|| self.machine.poll(self.now)).collect()
    }

    fn tell(&mut self, event: Event) {
        self.machine.handle(event, Moment { now: self.now, chance: 1.0 });
    }

    fn fail(&mut self, task: Task, kind: Kind) {
        self.tell(Event::Failed { task, failure: failure(kind) });
    }

    /// Does what the machine asks, without any fault, until it ends.
    fn play(&mut self) -> Result<Stored, Failure> {
        let mut commands = VecDeque::from(self.commands());
        while let Some(command) = commands.pop_front() {
            match command {
                Command::Open => self.tell(Event::Opened(self.session())),
                Command::Sign(parts) => self.tell(Event::Signed(parts.into_iter().map(ticket).collect())),
                Command::Hash(part) => self.tell(Event::Hashed { part, crc: crc_of(part) }),
                Command::Put(t) => self.tell(Event::Landed { part: t.part, receipt: receipt(t.part) }),
                Command::List => self.tell(Event::Listed((1..=self.parts).map(|p| self.listed(p)).collect())),
                Command::Complete(body) => self.tell(Event::Completed(self.stored(body.checksum))),
                Command::Abort => self.tell(Event::Aborted),
                Command::Wait { task, ms, .. } => {
                    self.now += u64::from(ms);
                    self.tell(Event::Waited(task));
                }
                Command::Finish(outcome) => {
                    assert_eq!(self.commands(), []);
                    return outcome;
                }
            }
            commands.extend(self.commands());
        }
        panic!("the machine waits for nothing: {:?}", self.machine)
    }

    fn listed(&self, part: u32) -> StoredPart {
        StoredPart {
            part_number: part,
            size: 8 * MIB,
            etag: format!("\"{part}\""),
            checksum: Some(to_base64(crc_of(part))),
        }
    }

    fn stored(&self, checksum: Option<String>) -> Stored {
        Stored { video_id: "v".into(), key: "k".into(), size: u64::from(self.parts) * 8 * MIB, checksum }
    }
}

fn puts(commands: &[Command]) -> Vec<u32> {
    commands.iter().filter_map(|c| if let Command::Put(t) = c { Some(t.part) } else { None }).collect()
}

#[test]
fn sends_everything_and_completes_with_the_whole_files_checksum() {
    let mut world = World::closed(20);
    let whole = crate::crc::combine((1..=20).map(|part| (crc_of(part), 8 * MIB)));
    assert_eq!(world.play().unwrap().checksum, Some(to_base64(whole)));
}

#[test]
fn six_fly_at_once_and_signing_runs_ahead() {
    let mut world = World::open(100);
    let first = world.commands();
    assert_eq!(puts(&first), [1, 2, 3]);
    let asked: Vec<_> =
        first.iter().filter_map(|c| if let Command::Sign(p) = c { Some(p) } else { None }).collect();
    assert_eq!(asked, [&(4..=27).collect::<Vec<u32>>()], "one call, for the window");
    world.tell(Event::Signed((4..=27).map(ticket).collect()));
    assert_eq!(puts(&world.commands()), [4, 5, 6]);
    world.tell(Event::Hashed { part: 2, crc: crc_of(2) });
    world.tell(Event::Landed { part: 2, receipt: receipt(2) });
    assert_eq!(puts(&world.commands()), [7]);
}

#[test]
fn a_part_counts_only_once_it_is_hashed_too() {
    let mut world = World::open(1);
    assert!(matches!(world.commands()[..], [Command::Put(_), Command::Hash(1)]));
    world.tell(Event::Landed { part: 1, receipt: receipt(1) });
    assert_eq!(world.commands(), []);
    world.tell(Event::Hashed { part: 1, crc: crc_of(1) });
    assert!(matches!(world.commands()[..], [Command::Complete(_)]));
}

#[test]
fn one_part_is_hashed_at_a_time_in_the_order_of_sending() {
    let hashes = |commands: Vec<Command>| -> Vec<u32> {
        commands.iter().filter_map(|c| if let Command::Hash(part) = c { Some(*part) } else { None }).collect()
    };
    let mut world = World::open(3);
    for part in 1..=3 {
        assert_eq!(hashes(world.commands()), [part]);
        assert!(hashes(world.commands()).is_empty());
        world.tell(Event::Hashed { part, crc: crc_of(part) });
    }
    assert!(hashes(world.commands()).is_empty());
}

#[test]
fn a_damaged_part_is_sent_again_without_hashing_twice_and_not_for_ever() {
    let mut world = World::open(1);
    world.commands();
    world.tell(Event::Hashed { part: 1, crc: crc_of(1) });
    for _ in 1..5 {
        world.tell(Event::Landed { part: 1, receipt: receipt(2) });
        let Command::Wait { task, .. } = world.commands().remove(0) else { panic!("no wait") };
        world.tell(Event::Waited(task));
        assert!(matches!(&world.commands()[..], [Command::Put(_)]));
    }
    world.tell(Event::Landed { part: 1, receipt: receipt(2) });
    assert_eq!(world.play().unwrap_err().code, codes::CHECKSUM_MISMATCH);
}

#[test]
fn a_stale_url_is_signed_anew_at_once() {
    let mut world = World::open(1);
    world.commands();
    world.fail(Task::Put(1), Kind::Stale);
    assert!(matches!(world.commands()[..], [Command::Wait { task: Task::Put(1), ms: 0, .. }]));
    world.tell(Event::Waited(Task::Put(1)));
    assert_eq!(world.commands(), [Command::Sign(vec![1])]);
    assert!(world.play_from_sign().is_ok());
}

impl World {
    fn play_from_sign(&mut self) -> Result<Stored, Failure> {
        self.tell(Event::Signed(vec![ticket(1)]));
        self.tell(Event::Hashed { part: 1, crc: crc_of(1) });
        self.play()
    }
}

#[test]
fn urls_near_their_end_are_not_used_unless_the_clocks_differ() {
    let mut world = World::open(3);
    let Phase::Sending { parts, .. } = &mut world.machine.phase else { panic!("not open") };
    for part in 1..=3 {
        parts.unsign(part);
    }
    let ends = |part, at| Ticket { expires_at: Some(at), ..ticket(part) };
    world.commands();
    // The first ends in an hour; the second ended before it came, by this clock.
    world.tell(Event::Signed(vec![ends(1, world.now + 3_600_000), ends(2, world.now - 5)]));
    world.now += 3_600_000;
    let commands = world.commands();
    assert_eq!(puts(&commands), [2]);
    assert!(commands.contains(&Command::Sign(vec![1, 3])));
}

#[test]
fn an_answer_without_the_urls_asked_for_is_a_failure() {
    let mut world = World::open(9);
    world.commands();
    world.tell(Event::Signed(vec![ticket(77)]));
    assert!(matches!(world.commands()[..], [Command::Wait { task: Task::Sign, .. }]));
}

#[test]
fn passing_failures_are_outlived_for_two_minutes_not_for_ever() {
    let mut world = World::open(1);
    world.commands();
    let mut waited = 0;
    loop {
        world.fail(Task::Put(1), Kind::Server);
        match world.commands().remove(0) {
            Command::Wait { task, ms, .. } => {
                world.now += u64::from(ms);
                waited += u64::from(ms);
                world.tell(Event::Waited(task));
                world.commands();
            }
            Command::Abort => break,
            other => panic!("{other:?}"),
        }
    }
    assert!((120_000..240_000).contains(&waited), "{waited}");
    world.tell(Event::Aborted);
    assert_eq!(world.play().unwrap_err().code, "storage_unavailable");
}

#[test]
fn a_night_asleep_is_no_lost_patience() {
    let mut world = World::open(1);
    world.commands();
    world.fail(Task::Put(1), Kind::Network);
    world.commands();
    world.now += 8 * 3_600_000;
    world.tell(Event::Waited(Task::Put(1)));
    world.commands();
    world.fail(Task::Put(1), Kind::Network);
    assert!(matches!(world.commands()[..], [Command::Wait { .. }]));
}

#[test]
fn receipts_that_cors_hides_are_fetched_and_compared() {
    let mut world = World::open(3);
    world.commands();
    for part in 1..=3 {
        world.tell(Event::Hashed { part, crc: crc_of(part) });
        world.tell(Event::Landed { part, receipt: Receipt::default() });
    }
    assert_eq!(world.commands(), [Command::List]);
    let damaged = StoredPart { checksum: Some(to_base64(1)), ..world.listed(2) };
    world.tell(Event::Listed(vec![world.listed(1), damaged]));
    let mut again = Vec::new();
    for command in world.commands() {
        let Command::Wait { task: Task::Put(part), .. } = command else { panic!("{command:?}") };
        again.push(part);
        world.tell(Event::Waited(Task::Put(part)));
    }
    let Phase::Sending { parts, .. } = &mut world.machine.phase else { panic!("not sending") };
    parts.signed(vec![ticket(2), ticket(3)], 0);
    assert_eq!(again, [2, 3], "a part with other bytes, and a missing one");
    assert!(world.play().is_ok());
}

#[test]
fn what_completion_answers_is_compared_as_well() {
    for (size, checksum, code) in
        [(8 * MIB, Some(to_base64(5)), codes::CHECKSUM_MISMATCH), (8 * MIB - 1, None, codes::SIZE_MISMATCH)]
    {
        let mut world = World::open(1);
        world.commands();
        world.tell(Event::Hashed { part: 1, crc: crc_of(1) });
        world.tell(Event::Landed { part: 1, receipt: receipt(1) });
        world.commands();
        world.tell(Event::Completed(Stored { size, checksum, ..world.stored(None) }));
        assert_eq!(world.play().unwrap_err().code, code);
    }
}

#[test]
fn a_store_without_checksums_is_used_without() {
    let mut world = World::closed(2);
    world.commands();
    world.tell(Event::Opened(Session { checksum: false, ..world.session() }));
    let commands = world.commands();
    assert!(!commands.iter().any(|c| matches!(c, Command::Hash(_))));
    for part in 1..=2 {
        let receipt = Receipt { checksum: None, ..receipt(part) };
        world.tell(Event::Landed { part, receipt });
    }
    assert!(matches!(&world.commands()[..], [Command::Complete(body)] if body.checksum.is_none()));
}

#[test]
fn a_plan_that_cannot_be_is_refused() {
    for (part_size, part_count) in [(8 * MIB, 2), (MIB, 8), (0, 0), (8 * MIB + 1, 1)] {
        let mut world = World::closed(1);
        world.commands();
        world.tell(Event::Opened(Session { part_size, part_count, ..world.session() }));
        assert_eq!(world.play().unwrap_err().code, codes::BAD_ANSWER);
    }
}

#[test]
fn canceling_aborts_whatever_is_open() {
    // Before the answer: it is waited for, as it names what to abort.
    let mut world = World::closed(1);
    world.commands();
    world.tell(Event::Canceled);
    assert_eq!(world.commands(), []);
    world.tell(Event::Opened(world.session()));
    assert_eq!(world.commands(), [Command::Abort]);

    // Between two tries there is nothing to abort.
    let mut world = World::closed(1);
    world.commands();
    world.fail(Task::Open, Kind::Network);
    world.commands();
    world.tell(Event::Canceled);
    assert_eq!(world.commands(), [Command::Finish(Err(Failure::canceled()))]);

    // While sending: nothing more is sent, late answers are no news, and an abort that fails ends all the same.
    let mut world = World::open(9);
    world.commands();
    world.tell(Event::Canceled);
    world.tell(Event::Landed { part: 1, receipt: receipt(1) });
    assert_eq!(world.commands(), [Command::Abort]);
    for _ in 1..ABORT_TRIES {
        world.fail(Task::Abort, Kind::Network);
        assert!(matches!(world.commands()[..], [Command::Wait { task: Task::Abort, .. }]));
        world.tell(Event::Waited(Task::Abort));
        assert_eq!(world.commands(), [Command::Abort]);
    }
    world.fail(Task::Abort, Kind::Network);
    assert_eq!(world.commands(), [Command::Finish(Err(Failure::canceled()))]);
}

#[test]
fn an_unreadable_file_ends_it() {
    let mut world = World::open(1);
    world.commands();
    world.tell(Event::Failed { task: Task::Hash(1), failure: Failure::unreadable() });
    assert_eq!(world.play().unwrap_err().code, codes::FILE_UNREADABLE);
}

proptest! {
    /// Whatever fails, in whatever order answers come: it ends, and ends well only with every part stored
    /// as it is in the file; never more than six in flight.
    #[test]
    fn any_weather_ends(choices in proptest::collection::vec(0..100u32, 400), parts in 1..30u32, order: u64) {
        let mut world = World::closed(parts);
        let mut open: Vec<Command> = Vec::new();
        let (mut good, mut outcome) = (std::collections::BTreeSet::new(), None);
        let mut fates = choices.into_iter().chain(std::iter::repeat(99));
        for step in 0..20_000u64 {
            open.extend(world.commands());
            prop_assert!(puts(&open).len() <= 6);
            if let Some(Command::Finish(end)) = open.iter().find(|c| matches!(c, Command::Finish(_))) {
                outcome = Some(end.clone());
                break;
            }
            prop_assert!(!open.is_empty(), "it waits for nothing");
            let command = open.swap_remove((order.wrapping_mul(step | 1) % open.len() as u64) as usize);
            let kinds = [Kind::Network, Kind::Throttled, Kind::Server, Kind::Stale, Kind::Damaged];
            let fate = fates.next().unwrap_or(99);
            let fails = kinds.get(fate as usize).copied();
            world.now += 50;
            match (command, fails) {
                (Command::Wait { task, ms, .. }, _) => {
                    world.now += u64::from(ms);
                    world.tell(Event::Waited(task));
                }
                (Command::Open, Some(kind)) => world.fail(Task::Open, kind),
                (Command::Sign(_), Some(kind)) => world.fail(Task::Sign, kind),
                (Command::Put(t), Some(kind)) => world.fail(Task::Put(t.part), kind),
                (Command::List, Some(kind)) => world.fail(Task::List, kind),
                (Command::Complete(_), Some(kind)) => world.fail(Task::Complete, kind),
                (Command::Abort, Some(kind)) => world.fail(Task::Abort, kind),
                (Command::Hash(part), _) => world.tell(Event::Hashed { part, crc: crc_of(part) }),
                (Command::Put(t), None) => {
                    let receipt = match fate {
                        10..13 => receipt(t.part + 1),
                        13..16 => Receipt::default(),
                        _ => receipt(t.part),
                    };
                    if !(10..13).contains(&fate) {
                        good.insert(t.part);
                    }
                    world.tell(Event::Landed { part: t.part, receipt });
                }
                (Command::Open, None) => world.tell(Event::Opened(world.session())),
                (Command::Sign(p), None) => world.tell(Event::Signed(p.into_iter().map(ticket).collect())),
                (Command::List, None) => {
                    world.tell(Event::Listed((1..=parts).map(|p| world.listed(p)).collect()));
                }
                (Command::Complete(body), None) => {
                    prop_assert_eq!(body.parts.len(), parts as usize);
                    world.tell(Event::Completed(world.stored(body.checksum)));
                }
                (Command::Abort, None) => world.tell(Event::Aborted),
                (Command::Finish(_), _) => {}
            }
            open.retain(|c| world.machine.stage() != Stage::Over || matches!(c, Command::Wait { .. } | Command::Abort));
        }
        match outcome {
            Some(Ok(_)) => prop_assert_eq!(good.len(), parts as usize),
            Some(Err(_)) => {}
            None => prop_assert!(false, "it did not end"),
        }
    }
}
