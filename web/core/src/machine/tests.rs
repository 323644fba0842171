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
use crate::error::{ErrorKind, codes};
use crate::timeout::COMPLETE_TIMEOUT_MS;
use crate::types::{Listing, OpenedUpload, PartReceipt, PersistOp, PresignedPart, SavedPart, StoredFile};
use std::collections::BTreeMap;
use wire::{MIB, StoredPart};

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const PART: u64 = 8 * MIB;

/// A part of the made-up file has this CRC.
fn crc_of(part: u32) -> u64 {
    crc64(&part.to_le_bytes())
}

fn receipt(part: u32) -> PartReceipt {
    PartReceipt { etag: Some(format!("\"{part}\"")), checksum: Some(to_base64(crc_of(part))) }
}

fn presigned(part: u32) -> PresignedPart {
    PresignedPart {
        part,
        url: format!("https://store.test/{part}"),
        headers: BTreeMap::new(),
        ttl_ms: Some(HOUR),
    }
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
    Event::Listed(Listing { state: wire::UploadState::Open, parts: parts.into_iter().collect() })
}

fn saved(part: u32) -> SavedPart {
    SavedPart { part, etag: receipt(part).etag, crc64: Some(crc_of(part)) }
}

fn failure(kind: ErrorKind) -> UploadError {
    UploadError::of_kind(kind)
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
    fn new(parts: u32, saved: Option<SavedUpload>) -> Self {
        Self::paced(parts, saved, None)
    }

    fn paced(parts: u32, saved: Option<SavedUpload>, at_once: Option<u32>) -> Self {
        let machine = Machine::new(u64::from(parts) * PART, true, Concurrency::new(at_once), saved);
        Self { machine, now: 1_000_000, wall: 1_700_000_000_000, parts }
    }

    /// It is open, and its first 16 parts are signed.
    fn open(parts: u32) -> Self {
        let mut world = Self::new(parts, None);
        assert_eq!(world.commands(), [Command::Open]);
        world.tell(Event::Opened(world.session()));
        assert!(matches!(world.machine.commands.remove(0), Command::Persist(PersistOp::Opened { .. })));
        world
    }

    /// An earlier page load has noted these parts.
    fn resumed(parts: u32, noted: impl IntoIterator<Item = u32>) -> Self {
        let parts_noted = noted.into_iter().map(saved).collect();
        let saved = SavedUpload { part_size: PART, checksum: true, parts: parts_noted, canceled: false };
        let mut world = Self::new(parts, Some(saved));
        assert_eq!(world.commands(), [Command::List]);
        world
    }

    fn session(&self) -> OpenedUpload {
        OpenedUpload {
            upload: "token".into(),
            video_id: "v".into(),
            part_size: PART,
            part_count: self.parts,
            checksum: true,
            expires_at_ms: None,
            parts: (1..=self.parts.min(16)).map(presigned).collect(),
        }
    }

    fn at(&self) -> Clocks {
        Clocks { now_ms: self.now, wall_ms: self.wall, random: 1.0 }
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
        let quiet = |command: &Command| !matches!(command, Command::Persist(_) | Command::NotifyRetry { .. });
        self.commands().into_iter().filter(quiet).collect()
    }

    fn tell(&mut self, event: Event) {
        let at = self.at();
        self.machine.handle(event, at);
    }

    fn fail(&mut self, task: Task, kind: ErrorKind) {
        self.tell(Event::Failed { task, error: failure(kind) });
    }

    fn land(&mut self, part: u32) {
        self.tell(Event::Hashed { part, crc64: crc_of(part) });
        self.tell(Event::Uploaded { part, receipt: receipt(part), multiplexed: false });
    }

    /// Sleeps until it wants to be woken, and says for how long that was.
    fn sleep(&mut self) -> u64 {
        let wake = self.machine.wakeup_ms().expect("it wants to be woken");
        let ms = wake - self.now;
        self.pass(ms);
        ms
    }

    /// Does what the machine asks, without any fault, until it ends. Answers the parts that were sent, too.
    fn play(&mut self) -> (Result<StoredFile, UploadError>, Vec<u32>) {
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
                        self.tell(Event::Signed(parts.into_iter().map(presigned).collect()));
                    }
                    Command::Hash(part) => self.tell(Event::Hashed { part, crc64: crc_of(part) }),
                    Command::Put(presigned) => {
                        sent.push(presigned.part);
                        self.tell(Event::Uploaded {
                            part: presigned.part,
                            receipt: receipt(presigned.part),
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
                    Command::Drop(_)
                    | Command::DropAll
                    | Command::Persist(_)
                    | Command::NotifyRetry { .. } => {}
                }
            }
        }
        panic!("it does not end: {:?}", self.machine)
    }

    fn stored(&self, checksum: Option<String>) -> StoredFile {
        StoredFile {
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
