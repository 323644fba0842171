//! Faults and users' actions at a given time.

/// A fault or a user's action at a given time.
#[derive(Clone, Copy, Debug)]
pub enum Incident {
    /// The network is away. The browser may report that, and its return.
    Offline {
        ms: u64,
        reported: bool,
        return_reported: bool,
    },
    /// All connections are reset.
    ConnectionsReset,
    /// The network has a fraction of its throughput.
    Slow {
        factor: u64,
        ms: u64,
    },
    /// The computer sleeps.
    Sleep {
        ms: u64,
    },
    /// The client's wall clock is set.
    ClockSet {
        by_ms: i64,
    },
    Pause {
        ms: u64,
    },
    Cancel,
    /// The page is gone, and loaded again later. The last writes may be lost, or the browser's data cleared.
    Reload {
        lost_writes: usize,
        data_cleared: bool,
        after_ms: u64,
    },
    /// The file is written to; reading it may fail then.
    FileChange {
        detected: bool,
    },
    /// The file can't be read any more.
    FileUnreadable,
    /// The upload is removed from the storage.
    UploadRemoved,
    /// The storage loses a third of the parts that it has accepted.
    PartsLost,
    StorageDown {
        ms: u64,
    },
    EdgeDown {
        ms: u64,
    },
    /// The signer's clock is wrong.
    SignerClockSkew {
        ms: u64,
    },
}

impl Incident {
    /// Its duration.
    pub fn ms(&self) -> u64 {
        match *self {
            Self::Offline { ms, .. }
            | Self::Slow { ms, .. }
            | Self::Sleep { ms }
            | Self::Pause { ms }
            | Self::StorageDown { ms }
            | Self::EdgeDown { ms }
            | Self::SignerClockSkew { ms } => ms,
            Self::Reload { after_ms, .. } => after_ms,
            Self::ClockSet { .. }
            | Self::ConnectionsReset
            | Self::Cancel
            | Self::FileChange { .. }
            | Self::FileUnreadable
            | Self::UploadRemoved
            | Self::PartsLost => 0,
        }
    }
}
