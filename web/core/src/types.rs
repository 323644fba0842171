//! What the machine and its driver say to each other; nothing that acts.

use crate::error::Failure;
use wire::{CompleteUpload, StoredPart, UploadState};

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
    /// Drop what is under way for this task: it has stalled. Nothing of it is reported any more.
    CutOff(Task),
    /// Drop everything under way, reads of the file too: the upload is over, or how it stands has to be asked
    /// first. Nothing of it is reported any more.
    DropAll,
    /// Write down what a later page load will need.
    Keep(Note),
    /// `task` has failed for the `tries`th time, as `why` says, and comes again in `ms` milliseconds.
    Tell {
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
    Hashed {
        part: u32,
        crc: u64,
    },
    /// A part's request has handed so many bytes to the network, since it began.
    Moved {
        part: u32,
        bytes: u64,
    },
    Landed {
        part: u32,
        receipt: Receipt,
        /// Its connection carries many requests at once (HTTP/2 or 3).
        multiplexed: bool,
    },
    Listed(Listing),
    Completed(Stored),
    Aborted,
    Failed {
        task: Task,
        failure: Failure,
    },
    /// What the browser thinks of the network.
    Online(bool),
    Paused(bool),
    Canceled,
}

/// A signed URL for one part.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    pub part: u32,
    pub url: String,
    /// Headers that must go with the `PUT`, as JSON: an object of texts.
    pub headers: String,
    /// How long it may be used from its signing on, in milliseconds; absent if unknown. A span, not a time:
    /// the server's clock and ours need not agree.
    pub life_ms: Option<u64>,
}

/// A signed URL is a secret.
impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("part", &self.part).finish_non_exhaustive()
    }
}

/// What the storage answered to a part; either is absent where CORS hides it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    pub etag: Option<String>,
    /// CRC64NVME in base64.
    pub checksum: Option<String>,
}

/// What the edge opened.
#[derive(Clone, Debug)]
pub struct Session {
    /// Names the upload in every later call.
    pub upload: String,
    pub video_id: String,
    pub part_size: u64,
    pub part_count: u32,
    /// Whether the storage computes CRC64NVME.
    pub checksum: bool,
    /// In milliseconds since 1970, by the server's clock; absent if unknown.
    pub expires_at: Option<u64>,
    pub tickets: Vec<Ticket>,
}

/// What the storage has of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    pub state: UploadState,
    pub parts: Vec<StoredPart>,
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
    /// Whether the file's own CRC64NVME was compared with it.
    pub verified: bool,
}

/// Something to write down for a later page load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// An upload is open. Everything written before about this file is void.
    Opened {
        upload: String,
        video_id: String,
        part_size: u64,
        checksum: bool,
        expires_at: Option<u64>,
    },
    Part(SavedPart),
    /// It shall be aborted, also by a later page load if this one can't.
    Canceled,
    /// Nothing need be known any more.
    Over,
}

/// What an earlier page load wrote down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    pub part_size: u64,
    pub checksum: bool,
    pub parts: Vec<SavedPart>,
    pub canceled: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedPart {
    pub part: u32,
    pub etag: Option<String>,
    /// CRC64NVME of what was sent.
    pub crc: Option<u64>,
}

/// When an event came, and a number drawn for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Milliseconds of a clock that is never set; it may stand still while the machine sleeps.
    pub now: u64,
    /// Milliseconds since 1970, as this machine believes.
    pub wall: u64,
    /// 0 to 1.
    pub chance: f64,
}

/// What an upload is at, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Starting,
    Uploading,
    Paused,
    /// For the network.
    Waiting,
    Finishing,
    Over,
}
