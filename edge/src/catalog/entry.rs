//! A video as the database keeps it, and the rules by which it changes. Pure.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wire::{VideoError, VideoStatus};

/// How long an upload may take, in seconds: the bucket throws unfinished ones away after seven days.
pub const UPLOAD_LIFE: u64 = 7 * 24 * 3600;
/// An unfinished upload is looked at once more this long, in seconds, after its end.
const AFTERLIFE: u64 = 24 * 3600;

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
    /// Where its object lies in the upload bucket. Entries of earlier versions don't tell.
    #[serde(default)]
    pub key: Option<String>,
    /// Whether its end has been announced, or needn't be.
    #[serde(default = "yes")]
    pub announced: bool,
    /// In milliseconds since 1970, as are the others.
    pub created_ms: u64,
    #[serde(default)]
    pub uploaded_ms: Option<u64>,
    pub updated_ms: u64,
}

fn yes() -> bool {
    true
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
    /// All its bytes are stored. How many were declared last time, where somebody has started over.
    Uploaded {
        size: u64,
    },
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
    /// The site's backend has taken the news of its end.
    Announced,
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
            key: None,
            announced: true,
            created_ms: now_ms,
            uploaded_ms: None,
            updated_ms: now_ms,
        }
    }

    /// Nothing will happen to it any more.
    pub fn is_done(&self) -> bool {
        self.status.is_final() && self.announced
    }

    /// Whether it is one of its owner's open uploads.
    pub fn is_open(&self) -> bool {
        self.status == VideoStatus::Uploading
    }

    /// From when on, in milliseconds since 1970, it is odd that nothing has happened to it.
    pub fn due_ms(&self) -> u64 {
        if self.is_open() { self.created_ms + (UPLOAD_LIFE + AFTERLIFE) * 1000 } else { self.updated_ms }
    }

    /// Applies `change`; `false` if it is old news. What is final stays, progress never goes back, and an
    /// event of another job than this video's changes nothing.
    pub fn apply(&mut self, change: Change, now_ms: u64) -> bool {
        let before = self.clone();
        let is_final = self.status.is_final();
        if is_final != (change == Change::Announced) || !self.is_of_this_job(&change) {
            return false;
        }
        if !is_final {
            self.uploaded_ms.get_or_insert(now_ms);
        }
        match change {
            Change::Uploaded { size } => {
                self.size = size;
                self.advance(VideoStatus::Uploaded);
            }
            Change::Announced => self.announced = true,
            Change::JobStarted { job_id, duration_ms, width, height } => {
                self.job_id = Some(job_id);
                self.duration_ms = duration_ms.or(self.duration_ms);
                (self.width, self.height) = (width.or(self.width), height.or(self.height));
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
            Change::Uploaded { .. } | Change::Announced => None,
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn change() -> impl Strategy<Value = Change> {
        let job = || prop::sample::select(vec!["j1", "j2"]).prop_map(str::to_owned);
        let error = || VideoError { code: "1".into(), message: "no".into() };
        prop_oneof![
            Just(Change::Uploaded { size: 5 }),
            Just(Change::Announced),
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
            let mut entry = Entry { announced: false, ..Entry::new("v", "o", 1, 0) };
            for (now, change) in changes.into_iter().enumerate() {
                let before = entry.clone();
                let changed = entry.apply(change.clone(), now as u64);
                prop_assert!(entry.progress >= before.progress && entry.progress <= 100);
                prop_assert_eq!(entry.progress == 100, entry.status == VideoStatus::Ready);
                prop_assert!(!before.is_done() || entry == before);
                prop_assert!(!before.status.is_final() || entry.status == before.status);
                prop_assert!(entry.announced == before.announced || before.status.is_final());
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
