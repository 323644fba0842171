//! The catalog: the record of each video, and the claims on starting its job. How a record changes is decided in
//! `video_record`, which is pure; databases make each change atomic.

#[cfg(test)]
mod conformance;
#[cfg(feature = "dynamodb")]
mod dynamodb;
mod sqlite;
mod usage;
mod video_record;

#[cfg(feature = "dynamodb")]
pub use dynamodb::DynamoDb;
pub use sqlite::Sqlite;
pub use usage::Usage;
pub use video_record::{Deletion, Outputs, UPLOAD_LIFETIME_SECS, VideoRecord, VideoTransition};

pub use crate::config::{DailyLimits, OwnerLimits};

use super::ServiceError;
use sha2::{Digest, Sha256};
use std::ops::Range;

/// One version of one object. Each version gets one job, and another one for each attempt after a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectVersion {
    pub bucket: String,
    pub key: String,
    /// The object's ETag.
    pub etag: String,
    /// See [`VideoRecord::attempt`].
    pub attempt: u32,
}

impl ObjectVersion {
    /// SHA-256 of the version as 64 hex digits, the longest request token that MediaConvert takes.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for part in [&self.bucket, &self.key, &self.etag] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        if self.attempt > 0 {
            hash.update(self.attempt.to_be_bytes());
        }
        hex::encode(hash.finalize())
    }
}

/// The result of claiming an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The caller may start the job until the lease ends.
    Granted(Box<Lease>),
    /// Another worker holds the claim; try again later.
    Busy,
    /// The claim is completed: the job was started, or failed for good. Or the video is deleted. Contains the video's
    /// current record.
    Completed(Box<VideoRecord>),
    /// The video of this id has an object of another key.
    OtherObject,
}

/// The right to start an object's job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub object: ObjectVersion,
    pub record: VideoRecord,
    /// An earlier holder didn't complete the claim: it may have made a job without recording it.
    pub is_retry: bool,
}

/// Duration of a lease, in milliseconds. A granted claim excludes other workers for this time; after it, the claim of a
/// crashed worker can be taken over.
pub const LEASE_MS: u64 = 30_000;

/// The result of adding a video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddOutcome {
    Added,
    /// A video of that id exists and is unchanged.
    Exists(Box<VideoRecord>),
    /// The owner has as many open uploads as are allowed.
    TooManyOpen,
    /// The owner has used as much as a day allows.
    OverDailyLimit,
}

/// The result of a transition within daily limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplyOutcome {
    /// Contains the resulting record, changed or not.
    Applied(Box<VideoRecord>),
    /// The owner has used as much as a day allows; nothing is changed.
    OverDailyLimit,
    /// There is no such video.
    NotFound,
}

/// Position in a list: the next page begins after this video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub created_ms: u64,
    pub video_id: String,
}

/// A failure of the database. Every kind may pass.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    #[error("the database throttles")]
    Throttled,
    #[error("too many concurrent writes of one item")]
    Contention,
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the database's thread failed: {0}")]
    Thread(#[from] tokio::task::JoinError),
    #[error("a record can't be encoded or decoded: {0}")]
    Record(#[from] serde_json::Error),
    #[error("an item without a record")]
    MissingRecord,
}

/// The database. Each call is one atomic step; SQLite on one machine, DynamoDB on AWS.
#[async_trait::async_trait]
pub trait Catalog: Send + Sync {
    /// Adds a video and counts it for its owner, unless its owner is at a limit.
    async fn add(&self, record: VideoRecord, limits: OwnerLimits) -> Result<AddOutcome, CatalogError>;
    async fn get(&self, video_id: &str) -> Result<Option<VideoRecord>, CatalogError>;
    /// Applies a transition and counts what it adds to the owner's usage, unless its owner is at a limit.
    async fn apply_within(
        &self,
        video_id: &str,
        transition: VideoTransition,
        limits: DailyLimits,
        now_ms: u64,
    ) -> Result<ApplyOutcome, CatalogError>;
    /// Applies a transition and returns the resulting record. `None`: no such video.
    async fn apply(
        &self,
        video_id: &str,
        transition: VideoTransition,
        now_ms: u64,
    ) -> Result<Option<VideoRecord>, CatalogError> {
        Ok(match self.apply_within(video_id, transition, DailyLimits::default(), now_ms).await? {
            ApplyOutcome::Applied(record) => Some(*record),
            ApplyOutcome::OverDailyLimit | ApplyOutcome::NotFound => None,
        })
    }
    /// Deletes the record of an open upload; every other record stays. With `s3_upload` also that of an upload that was
    /// started over stays.
    async fn delete_open(&self, video_id: &str, s3_upload: Option<&str>) -> Result<(), CatalogError>;
    /// An owner's videos without deleted ones, newest first, at most `limit`.
    async fn list(
        &self,
        owner: &str,
        limit: usize,
        from: Option<Cursor>,
    ) -> Result<Vec<VideoRecord>, CatalogError>;
    /// Unfinished videos that became stale in `range` (in milliseconds since 1970), the stalest first, at most `limit`.
    async fn list_stale(&self, range: Range<u64>, limit: usize) -> Result<Vec<VideoRecord>, CatalogError>;
    /// Claims the right to start an object's job. `new` is added as its video if there is none.
    async fn claim(
        &self,
        object: ObjectVersion,
        new: VideoRecord,
        now_ms: u64,
    ) -> Result<Claim, CatalogError>;
    /// Applies the outcome of starting the job and completes the claim for good, in one step.
    async fn complete_claim(
        &self,
        lease: Lease,
        transition: VideoTransition,
        now_ms: u64,
    ) -> Result<VideoRecord, CatalogError>;
    /// Gives a claim back after a passing failure, so that the next attempt needn't wait for the lease to end.
    async fn release_claim(&self, lease: &Lease) -> Result<(), CatalogError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_digest_differs_by_version() {
        let object = |key: &str, etag: &str| ObjectVersion {
            bucket: "b".into(),
            key: key.into(),
            etag: etag.into(),
            attempt: 0,
        };
        let digest = object("k", "e").digest();
        assert_eq!(digest.len(), 64);
        assert_eq!(digest, object("k", "e").digest());
        assert_ne!(digest, object("ke", "").digest());
        assert_ne!(digest, ObjectVersion { attempt: 1, ..object("k", "e") }.digest());
    }
}
