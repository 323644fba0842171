//! What is known of each video, and who may start its job. The rules of change are pure (`entry`); a
//! database only has to make each change at once or not at all.

mod dynamodb;
mod entry;
mod sqlite;
#[cfg(test)]
mod suite;

pub use dynamodb::DynamoDb;
pub use entry::{Change, Entry, Outputs, UPLOAD_LIFE};
pub use sqlite::Sqlite;

use sha2::{Digest, Sha256};

/// One version of one object: what a job is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectVersion {
    pub bucket: String,
    pub key: String,
    /// The object's ETag.
    pub etag: String,
}

impl ObjectVersion {
    /// The same for the same version: 64 hex digits, which is as long as MediaConvert takes a request token.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for part in [&self.bucket, &self.key, &self.etag] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Whether the caller may start the job of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It may, until its lease ends.
    Granted(Box<Lease>),
    /// Somebody else is at it now; ask again later.
    Busy,
    /// The job was started, or never will be; the video as it is.
    Done(Box<Entry>),
}

/// The right to start an object's job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub object: ObjectVersion,
    pub entry: Entry,
    /// Somebody had it before and didn't finish: there may be a job of which nobody knows.
    pub again: bool,
}

/// How long a granted claim keeps others out, in milliseconds. One that crashed is taken over after it.
pub const LEASE_MS: u64 = 30_000;

/// What came of adding a video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    New,
    /// There is one of that id, unchanged.
    There(Box<Entry>),
    /// Its owner has too many uploads open.
    TooMany,
}

/// Where a page of a list goes on: before this video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub created_ms: u64,
    pub video_id: String,
}

/// The database fails; try later.
#[derive(Debug)]
pub enum CatalogError {
    /// It asks for less.
    Throttled,
    /// The sentence is for the log.
    Failed(String),
}

impl From<CatalogError> for crate::error::ApiError {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Throttled => Self::Throttled("the database"),
            CatalogError::Failed(why) => Self::Catalog(why),
        }
    }
}

/// The database. Each call is one atomic step; SQLite on one machine, DynamoDB on AWS.
#[async_trait::async_trait]
pub trait Catalog: Send + Sync {
    /// Adds a video that is being uploaded, unless its owner has `most_open` of them already.
    async fn add(&self, entry: Entry, most_open: u32) -> Result<Added, CatalogError>;
    async fn get(&self, video_id: &str) -> Result<Option<Entry>, CatalogError>;
    /// Applies news and hands back the video as it is then. `None`: no such video.
    async fn change(
        &self,
        video_id: &str,
        change: Change,
        now_ms: u64,
    ) -> Result<Option<Entry>, CatalogError>;
    /// Forgets a video of which nothing is stored; any other stays.
    async fn forget(&self, video_id: &str) -> Result<(), CatalogError>;
    /// An owner's videos, newest first, at most `limit`.
    async fn list(&self, owner: &str, limit: usize, from: Option<Cursor>)
    -> Result<Vec<Entry>, CatalogError>;
    /// Videos that were due before `before_ms` and to which something must still happen, the most overdue
    /// first, about `limit` at most.
    async fn overdue(&self, before_ms: u64, limit: usize) -> Result<Vec<Entry>, CatalogError>;
    /// Asks for the right to start an object's job. `new` is its video, should there be none.
    async fn claim(&self, object: ObjectVersion, new: Entry, now_ms: u64) -> Result<Claim, CatalogError>;
    /// Applies what came of it and closes the claim for good, both at once.
    async fn settle(&self, lease: Lease, change: Change, now_ms: u64) -> Result<Entry, CatalogError>;
    /// Gives a claim back after a passing failure, so that the next try need not wait for the lease.
    async fn release(&self, lease: &Lease) -> Result<(), CatalogError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_tell_versions_apart() {
        let object =
            |key: &str, etag: &str| ObjectVersion { bucket: "b".into(), key: key.into(), etag: etag.into() };
        let digest = object("k", "e").digest();
        assert_eq!(digest.len(), 64);
        assert_eq!(digest, object("k", "e").digest());
        assert_ne!(digest, object("ke", "").digest());
    }
}
