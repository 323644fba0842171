//! What the machine and its driver say to each other; nothing that acts.

use crate::error::Failure;
use crate::parts::{Receipt, Ticket};
use wire::{CompleteUpload, StoredPart};

/// Something that is asked for, and can fail and be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    Open,
    Sign,
    Hash(u32),
    Put(u32),
    List,
    Complete,
    Abort,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    Open,
    Sign(Vec<u32>),
    /// Work out a part's CRC64NVME from the file.
    Hash(u32),
    Put(Ticket),
    /// Ask what the storage has.
    List,
    Complete(CompleteUpload),
    /// Drop all that is in flight, then abort the upload.
    Abort,
    /// Report [`Event::Waited`] after `ms` milliseconds. `tries` tells how often `task` has failed, and
    /// `why` how it did last.
    Wait {
        task: Task,
        tries: u32,
        ms: u32,
        why: Failure,
    },
    Finish(Result<Stored, Failure>),
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    Opened(Session),
    Signed(Vec<Ticket>),
    Hashed { part: u32, crc: u64 },
    Landed { part: u32, receipt: Receipt },
    Listed(Vec<StoredPart>),
    Completed(Stored),
    Aborted,
    Failed { task: Task, failure: Failure },
    Waited(Task),
    Canceled,
}

/// What the edge opened.
#[derive(Clone, Debug)]
pub struct Session {
    /// Names the upload in every later call.
    pub upload: String,
    pub part_size: u64,
    pub part_count: u32,
    /// Whether the storage computes CRC64NVME.
    pub checksum: bool,
    pub tickets: Vec<Ticket>,
}

/// The stored object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub video_id: String,
    pub key: String,
    /// In bytes.
    pub size: u64,
    /// CRC64NVME in base64, as the storage computed it.
    pub checksum: Option<String>,
}

/// When an event came, and a number drawn for it.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Milliseconds since 1970.
    pub now: u64,
    /// 0 to 1.
    pub chance: f64,
}

/// What an upload is at, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Starting,
    Uploading,
    Finishing,
    Over,
}
