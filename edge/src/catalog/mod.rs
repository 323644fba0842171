//! What is known of each video, and who may start its job. The rules of change are here and pure; a
//! database only has to make each change at once or not at all.

mod sqlite;
#[cfg(test)]
mod suite;

pub use sqlite::Sqlite;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wire::{VideoError, VideoStatus};

/// A video as the database keeps it. Outputs are object keys; URLs are made when it is handed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub video_id: String,
    /// Who uploaded it; empty for an object that came without this edge.
    pub owner: String,
    pub status: VideoStatus,
    /// 0–100.
    pub progress: u8,
    /// In bytes.
    pub size: u64,
    pub job_id: Option<String>,
    pub duration_ms: Option<u64>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub outputs: Option<Outputs>,
    pub error: Option<VideoError>,
    /// In milliseconds since 1970, as is `updated_ms`.
    pub created_ms: u64,
    pub updated_ms: u64,
}

/// Keys of the finished outputs in the destination bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outputs {
    pub hls: String,
    /// By height.
    pub mp4: BTreeMap<String, String>,
    pub thumbnails: Vec<String>,
}

/// News about a video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// All its bytes are stored.
    Uploaded,
    /// MediaConvert has taken the job. Width and height as people see them.
    JobStarted {
        job_id: String,
        duration_ms: Option<u64>,
        width: Option<u32>,
        height: Option<u32>,
    },
    Progress {
        job_id: String,
        percent: u8,
    },
    Finished {
        job_id: String,
        outputs: Outputs,
        duration_ms: Option<u64>,
    },
    /// `job_id` is `None` where it failed before there was a job.
    Failed {
        job_id: Option<String>,
        error: VideoError,
    },
    Canceled {
        job_id: String,
    },
}

impl Entry {
    pub fn new(video_id: &str, owner: &str, size: u64, now_ms: u64) -> Self {
        Self {
            video_id: video_id.into(),
            owner: owner.into(),
            status: VideoStatus::Uploading,
            progress: 0,
            size,
            job_id: None,
            duration_ms: None,
            width: None,
            height: None,
            outputs: None,
            error: None,
            created_ms: now_ms,
            updated_ms: now_ms,
        }
    }

    /// Applies `change`; `false` if it is old news. What is final stays, progress never goes back, and an
    /// event of another job than this video's changes nothing.
    pub fn apply(&mut self, change: Change, now_ms: u64) -> bool {
        let before = self.clone();
        if self.status.is_final() || !self.is_of_this_job(&change) {
            return false;
        }
        match change {
            Change::Uploaded => self.advance(VideoStatus::Uploaded),
            Change::JobStarted { job_id, duration_ms, width, height } => {
                self.job_id = Some(job_id);
                self.duration_ms = duration_ms;
                (self.width, self.height) = (width, height);
                self.advance(VideoStatus::Converting);
            }
            Change::Progress { job_id, percent } => {
                self.job_id = Some(job_id);
                // 100 is for what is ready.
                self.progress = self.progress.max(percent.min(99));
                self.advance(VideoStatus::Converting);
            }
            Change::Finished { job_id, outputs, duration_ms } => {
                self.job_id = Some(job_id);
                self.duration_ms = duration_ms.or(self.duration_ms);
                self.outputs = Some(outputs);
                self.progress = 100;
                self.status = VideoStatus::Ready;
            }
            Change::Failed { job_id, error } => {
                self.job_id = job_id.or(self.job_id.take());
                self.error = Some(error);
                self.status = VideoStatus::Failed;
            }
            Change::Canceled { job_id } => {
                self.job_id = Some(job_id);
                self.status = VideoStatus::Canceled;
            }
        }
        let changed = *self != before;
        if changed {
            // Strictly growing, so that it can serve as a version.
            self.updated_ms = now_ms.max(before.updated_ms + 1);
        }
        changed
    }

    fn is_of_this_job(&self, change: &Change) -> bool {
        let theirs = match change {
            Change::Uploaded => None,
            Change::JobStarted { job_id, .. }
            | Change::Progress { job_id, .. }
            | Change::Finished { job_id, .. }
            | Change::Canceled { job_id } => Some(job_id),
            Change::Failed { job_id, .. } => job_id.as_ref(),
        };
        match (&self.job_id, theirs) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        }
    }

    fn advance(&mut self, to: VideoStatus) {
        let rank = |status| match status {
            VideoStatus::Uploading => 0,
            VideoStatus::Uploaded => 1,
            VideoStatus::Converting => 2,
            VideoStatus::Ready | VideoStatus::Failed | VideoStatus::Canceled => 3,
        };
        if rank(to) > rank(self.status) {
            self.status = to;
        }
    }
}

/// One version of one object: what a job is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectVersion {
    pub bucket: String,
    pub key: String,
    /// The object's ETag.
    pub etag: String,
}

/// Whether the caller may start the job of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It may, until its lease ends.
    Granted,
    /// Somebody else is at it now; ask again later.
    Busy,
    /// The job was started.
    Done,
}

/// How long a granted claim keeps others out, in milliseconds. One that crashed is taken over after it.
pub const LEASE_MS: u64 = 30_000;

/// Where a page of a list goes on: before this video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub created_ms: u64,
    pub video_id: String,
}

/// The database fails; try later. The sentence is for the log.
#[derive(Debug)]
pub struct CatalogError(pub String);

impl From<CatalogError> for crate::error::ApiError {
    fn from(error: CatalogError) -> Self {
        Self::Catalog(error.0)
    }
}

/// The database. Each call is one atomic step; SQLite here, DynamoDB on AWS.
#[async_trait::async_trait]
pub trait Catalog: Send + Sync {
    /// Adds a video; hands back the one that is there already, unchanged.
    async fn add(&self, entry: Entry) -> Result<Option<Entry>, CatalogError>;
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
    /// Asks for the right to start an object's job.
    async fn claim(&self, object: &ObjectVersion, now_ms: u64) -> Result<Claim, CatalogError>;
    /// Closes a claim for good: the job is started, or will never be.
    async fn settle(&self, object: &ObjectVersion) -> Result<(), CatalogError>;
    /// Gives a claim back after a passing failure, so that the next try need not wait for the lease.
    async fn release(&self, object: &ObjectVersion) -> Result<(), CatalogError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn change() -> impl Strategy<Value = Change> {
        let job = || prop::sample::select(vec!["j1", "j2"]).prop_map(str::to_owned);
        let error = || VideoError { code: "1".into(), message: "no".into() };
        prop_oneof![
            Just(Change::Uploaded),
            job().prop_map(|job_id| Change::JobStarted {
                job_id,
                duration_ms: None,
                width: None,
                height: None
            }),
            (job(), any::<u8>()).prop_map(|(job_id, percent)| Change::Progress { job_id, percent }),
            job().prop_map(|job_id| Change::Finished {
                job_id,
                outputs: Outputs::default(),
                duration_ms: None
            }),
            prop::option::of(job()).prop_map(move |job_id| Change::Failed { job_id, error: error() }),
            job().prop_map(|job_id| Change::Canceled { job_id }),
        ]
    }

    proptest! {
        #[test]
        fn nothing_goes_back_whatever_the_order(changes in prop::collection::vec(change(), 0..20)) {
            let mut entry = Entry::new("v", "o", 1, 0);
            for (now, change) in changes.into_iter().enumerate() {
                let before = entry.clone();
                let changed = entry.apply(change.clone(), now as u64);
                prop_assert!(entry.progress >= before.progress && entry.progress <= 100);
                prop_assert_eq!(entry.progress == 100, entry.status == VideoStatus::Ready);
                prop_assert!(!before.status.is_final() || entry == before);
                prop_assert!(before.job_id.is_none() || entry.job_id == before.job_id);
                prop_assert_eq!(changed, entry != before);
                prop_assert!(!changed || entry.updated_ms > before.updated_ms);
                let after = entry.clone();
                prop_assert!(!entry.apply(change, now as u64), "the same news twice");
                prop_assert_eq!(entry.clone(), after);
            }
        }
    }
}
