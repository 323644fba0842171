//! The machine against a hand-made world: commands are looked at, events made up. Whole uploads with every
//! fault in any order are the affair of `tests/sim`.

mod anything;
mod calls;
mod failures;
mod resuming;
mod sending;
mod waiting;

use super::*;
use crate::crc64::{crc64, to_base64};
use crate::error::{Kind, codes};
use crate::types::{Listing, Note, Receipt, SavedPart, Session, Stored, Ticket};
use wire::{MIB, StoredPart, UploadState};

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const PART: u64 = 8 * MIB;

/// A part of the made-up file has this CRC.
fn crc_of(part: u32) -> u64 {
    crc64(&part.to_le_bytes())
}

fn receipt(part: u32) -> Receipt {
    Receipt { etag: Some(format!("\"{part}\"")), checksum: Some(to_base64(crc_of(part))) }
}

fn ticket(part: u32) -> Ticket {
    Ticket { part, url: format!("https://store.test/{part}"), headers: String::new(), life_ms: Some(HOUR) }
}

/// What the storage lists.
fn listed(part: u32) -> StoredPart {
    StoredPart {
        part_number: part,
        size: PART,
        etag: format!("\"{part}\""),
        checksum: Some(to_base64(crc_of(part))),
    }
}

fn listing(parts: impl IntoIterator<Item = StoredPart>) -> Event {
    Event::Listed(Listing { state: UploadState::Open, parts: parts.into_iter().collect() })
}

fn saved(part: u32) -> SavedPart {
    SavedPart { part, etag: receipt(part).etag, crc: Some(crc_of(part)) }
}

fn failure(kind: Kind) -> Failure {
    Failure::of_kind(kind)
}

/// Drives a machine; time stands still unless moved.
struct World {
    machine: Machine,
    now: u64,
    wall: u64,
    parts: u32,
}

impl World {
    /// An upload of `parts` full parts.
    fn new(parts: u32, saved: Option<Saved>) -> Self {
        Self::paced(parts, saved, None)
    }

    fn paced(parts: u32, saved: Option<Saved>, at_once: Option<u32>) -> Self {
        let machine = Machine::new(u64::from(parts) * PART, true, Pace::new(at_once), saved);
        Self { machine, now: 1_000_000, wall: 1_700_000_000_000, parts }
    }

    /// It is open, and its first 16 parts are signed.
    fn open(parts: u32) -> Self {
        let mut world = Self::new(parts, None);
        assert_eq!(world.commands(), [Command::Open]);
        world.tell(Event::Opened(world.session()));
        assert!(matches!(world.machine.commands.remove(0), Command::Keep(Note::Opened { .. })));
        world
    }

    /// An earlier page load has noted these parts.
    fn resumed(parts: u32, noted: impl IntoIterator<Item = u32>) -> Self {
        let parts_noted = noted.into_iter().map(saved).collect();
        let saved = Saved { part_size: PART, checksum: true, parts: parts_noted, canceled: false };
        let mut world = Self::new(parts, Some(saved));
        assert_eq!(world.commands(), [Command::List]);
        world
    }

    fn session(&self) -> Session {
        Session {
            upload: "token".into(),
            video_id: "v".into(),
            part_size: PART,
            part_count: self.parts,
            checksum: true,
            expires_at: None,
            tickets: (1..=self.parts.min(16)).map(ticket).collect(),
        }
    }

    fn at(&self) -> Moment {
        Moment { now: self.now, wall: self.wall, chance: 1.0 }
    }

    fn pass(&mut self, ms: u64) {
        (self.now, self.wall) = (self.now + ms, self.wall + ms);
    }

    fn commands(&mut self) -> Vec<Command> {
        let at = self.at();
        std::iter::from_fn(|| self.machine.poll(at)).collect()
    }

    /// What it says, without notes and without what is only told to people.
    fn acts(&mut self) -> Vec<Command> {
        let quiet = |command: &Command| !matches!(command, Command::Keep(_) | Command::Tell { .. });
        self.commands().into_iter().filter(quiet).collect()
    }

    fn tell(&mut self, event: Event) {
        let at = self.at();
        self.machine.handle(event, at);
    }

    fn fail(&mut self, task: Task, kind: Kind) {
        self.tell(Event::Failed { task, failure: failure(kind) });
    }

    fn land(&mut self, part: u32) {
        self.tell(Event::Hashed { part, crc: crc_of(part) });
        self.tell(Event::Landed { part, receipt: receipt(part), multiplexed: false });
    }

    /// Sleeps until it wants to be woken, and says for how long that was.
    fn sleep(&mut self) -> u64 {
        let wake = self.machine.wakeup().expect("it wants to be woken");
        let ms = wake - self.now;
        self.pass(ms);
        ms
    }

    /// Does what the machine asks, without any fault, until it ends. Answers the parts that were sent, too.
    fn play(&mut self) -> (Result<Stored, Failure>, Vec<u32>) {
        let mut sent = Vec::new();
        for _ in 0..1_000 {
            let commands = self.commands();
            if commands.is_empty() {
                self.sleep();
            }
            for command in commands {
                match command {
                    Command::Open => self.tell(Event::Opened(self.session())),
                    Command::Sign(parts) => {
                        self.tell(Event::Signed(parts.into_iter().map(ticket).collect()));
                    }
                    Command::Hash(part) => self.tell(Event::Hashed { part, crc: crc_of(part) }),
                    Command::Put(ticket) => {
                        sent.push(ticket.part);
                        self.tell(Event::Landed {
                            part: ticket.part,
                            receipt: receipt(ticket.part),
                            multiplexed: false,
                        });
                    }
                    Command::List => self.tell(listing((1..=self.parts).map(listed))),
                    Command::Complete(body) => self.tell(Event::Completed(self.stored(body.checksum))),
                    Command::Abort => self.tell(Event::Aborted),
                    Command::Finish(outcome) => {
                        assert_eq!(self.commands(), []);
                        return (outcome, sent);
                    }
                    Command::CutOff(_) | Command::DropAll | Command::Keep(_) | Command::Tell { .. } => {}
                }
            }
        }
        panic!("it does not end: {:?}", self.machine)
    }

    fn stored(&self, checksum: Option<String>) -> Stored {
        Stored {
            video_id: "v".into(),
            key: "k".into(),
            size: u64::from(self.parts) * PART,
            checksum,
            verified: false,
        }
    }

    fn whole(&self) -> String {
        to_base64(crate::crc64::combine((1..=self.parts).map(|part| (crc_of(part), PART))))
    }
}

fn puts(commands: &[Command]) -> Vec<u32> {
    commands.iter().filter_map(|c| if let Command::Put(t) = c { Some(t.part) } else { None }).collect()
}

fn signs(commands: &[Command]) -> Vec<u32> {
    let mut asked =
        commands.iter().filter_map(|c| if let Command::Sign(p) = c { Some(p.clone()) } else { None });
    let first = asked.next().unwrap_or_default();
    assert!(asked.next().is_none(), "one call at a time");
    first
}
