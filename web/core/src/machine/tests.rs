//! Unit tests of the machine: commands are compared, events made up. `tests/simulation` tests whole uploads with every
//! combination of faults.

mod failures;
mod random_events;
mod reachability;
mod requests;
mod resuming;
mod uploading;
mod waiting;

use super::*;
use crate::crc64::{crc64, to_base64};
use crate::error::{ErrorKind, codes};
use crate::timeout::COMPLETE_TIMEOUT_MS;
use crate::types::{Listing, OpenedUpload, PartChecksum, PersistOp, PresignedPart, StoredFile};
use std::collections::BTreeMap;
use wire::{MIB, StoredPart};

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const PART: u64 = 8 * MIB;

/// The CRC of a part of the made-up file.
fn crc_of(part: u32) -> u64 {
    crc64(&part.to_le_bytes())
}

fn presigned(part: u32) -> PresignedPart {
    PresignedPart {
        part,
        url: format!("https://store.test/{part}"),
        headers: BTreeMap::new(),
        ttl_ms: Some(HOUR),
    }
}

/// The part as the storage lists it.
fn listed(part: u32) -> StoredPart {
    StoredPart {
        part_number: part,
        size: PART,
        etag: format!("\"{part}\""),
        checksum: Some(to_base64(crc_of(part))),
    }
}

fn listing(parts: impl IntoIterator<Item = StoredPart>) -> Event {
    Event::Listed(Listing { state: wire::MultipartState::Open, parts: parts.into_iter().collect() })
}

fn saved(part: u32) -> PartChecksum {
    PartChecksum { part, crc64: crc_of(part) }
}

/// An open upload as an earlier page load has persisted it.
fn saved_upload(parts: impl IntoIterator<Item = u32>) -> SavedUpload {
    let parts = parts.into_iter().map(saved).collect();
    SavedUpload { part_size: PART, checksum: true, parts, state: SavedState::Open }
}

fn error(kind: ErrorKind) -> UploadError {
    UploadError::of_kind(kind)
}

/// Drives a machine. Time stands still unless advanced. The file is hashed at once, unless `hashes` is `false`.
struct TestDriver {
    machine: Machine,
    hashes: bool,
    now: u64,
    wall: u64,
    parts: u32,
}

impl TestDriver {
    /// An upload of `parts` full parts.
    fn new(parts: u32, saved: Option<SavedUpload>) -> Self {
        Self::with_concurrency(parts, saved, None)
    }

    fn with_concurrency(parts: u32, saved: Option<SavedUpload>, fixed: Option<u32>) -> Self {
        let machine = Machine::new(u64::from(parts) * PART, PART, Concurrency::new(fixed), saved);
        Self { machine, hashes: true, now: 1_000_000, wall: 1_700_000_000_000, parts }
    }

    /// An open upload; its first six parts are presigned.
    fn open(parts: u32) -> Self {
        let mut driver = Self::new(parts, None);
        assert!(matches!(driver.commands()[..], [Command::Open { .. }]));
        driver.send(Event::Opened(driver.opened()));
        assert!(matches!(driver.machine.commands.remove(0), Command::Persist(PersistOp::Opened { .. })));
        driver
    }

    /// An upload that an earlier page load has begun; `saved_parts` are persisted.
    fn resumed(parts: u32, saved_parts: impl IntoIterator<Item = u32>) -> Self {
        let mut driver = Self::new(parts, Some(saved_upload(saved_parts)));
        assert_eq!(driver.commands(), [Command::List]);
        driver
    }

    fn opened(&self) -> OpenedUpload {
        OpenedUpload {
            upload: "token".into(),
            video_id: "v".into(),
            part_size: PART,
            part_count: self.parts,
            checksum: true,
            expires_at_ms: None,
            parts: (1..=self.parts.min(6)).map(presigned).collect(),
        }
    }

    fn at(&self) -> Clocks {
        Clocks { now_ms: self.now, wall_ms: self.wall, random: 1.0 }
    }

    fn advance(&mut self, ms: u64) {
        (self.now, self.wall) = (self.now + ms, self.wall + ms);
    }

    fn commands(&mut self) -> Vec<Command> {
        let at = self.at();
        let mut commands = Vec::new();
        while let Some(command) = self.machine.poll(at) {
            match command {
                Command::Hash(part) if self.hashes => {
                    self.machine.handle(Event::Hashed { part, crc64: crc_of(part) }, at);
                }
                command => commands.push(command),
            }
        }
        commands
    }

    /// The commands without those that persist and announce.
    fn actions(&mut self) -> Vec<Command> {
        let is_action = |command: &Command| {
            !matches!(command, Command::Persist(_) | Command::NotifyRetry { .. } | Command::NotifyUnreachable)
        };
        self.commands().into_iter().filter(is_action).collect()
    }

    fn send(&mut self, event: Event) {
        let at = self.at();
        self.machine.handle(event, at);
    }

    fn fail(&mut self, task: Task, kind: ErrorKind) {
        self.send(Event::Failed { task, error: error(kind) });
    }

    fn store_part(&mut self, part: u32) {
        self.send(Event::Uploaded { part, multiplexed: false });
    }

    /// Answers a signing request.
    fn sign(&mut self, parts: &[PartChecksum]) {
        self.send(Event::Signed(parts.iter().map(|part| presigned(part.part)).collect()));
    }

    /// The commands, signing requests answered.
    fn signed_commands(&mut self) -> Vec<Command> {
        let mut commands = Vec::new();
        loop {
            let next = self.commands();
            let requested: Vec<PartChecksum> = next
                .iter()
                .flat_map(|c| if let Command::Sign(parts) = c { parts.clone() } else { Vec::new() })
                .collect();
            commands.extend(next.into_iter().filter(|command| !matches!(command, Command::Sign(_))));
            if requested.is_empty() {
                return commands;
            }
            self.sign(&requested);
        }
    }

    /// Advances to the wakeup; returns the milliseconds until then.
    fn advance_to_wakeup(&mut self) -> u64 {
        let wake = self.machine.wakeup_ms().expect("there is a wakeup");
        let ms = wake - self.now;
        self.advance(ms);
        ms
    }

    /// Executes commands without faults until the end; returns the result and the parts that were sent.
    fn run(&mut self) -> (Result<StoredFile, UploadError>, Vec<u32>) {
        let mut sent = Vec::new();
        for _ in 0..1_000 {
            let commands = self.commands();
            if commands.is_empty() {
                self.advance_to_wakeup();
            }
            for command in commands {
                match command {
                    Command::Open { .. } => self.send(Event::Opened(self.opened())),
                    Command::Sign(parts) => self.sign(&parts),
                    Command::Hash(part) => self.send(Event::Hashed { part, crc64: crc_of(part) }),
                    Command::Put(presigned) => {
                        sent.push(presigned.part);
                        self.store_part(presigned.part);
                    }
                    Command::List => self.send(listing((1..=self.parts).map(listed))),
                    Command::Complete { crc64 } => {
                        self.send(Event::Completed(self.stored(Some(to_base64(crc64)))));
                    }
                    Command::Abort => self.send(Event::Aborted),
                    Command::Finish(outcome) => {
                        assert_eq!(self.commands(), []);
                        return (outcome, sent);
                    }
                    Command::RejectSaved => panic!("the saved upload is this file's"),
                    Command::Drop(_)
                    | Command::DropAll
                    | Command::Persist(_)
                    | Command::NotifyRetry { .. }
                    | Command::NotifyUnreachable => {}
                }
            }
        }
        panic!("no end: {:?}", self.machine)
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

    fn file_checksum(&self) -> String {
        to_base64(crate::crc64::combine((1..=self.parts).map(|part| (crc_of(part), PART))))
    }
}

fn puts(commands: &[Command]) -> Vec<u32> {
    commands.iter().filter_map(|c| if let Command::Put(t) = c { Some(t.part) } else { None }).collect()
}

fn signed(commands: &[Command]) -> Vec<u32> {
    let mut requested =
        commands.iter().filter_map(|c| if let Command::Sign(parts) = c { Some(parts) } else { None });
    let first = requested.next().into_iter().flatten().map(|part| part.part).collect();
    assert!(requested.next().is_none(), "one request at a time");
    first
}
