//! The stored record of a video and its transitions. Pure.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wire::{VideoError, VideoStatus};

/// Maximum duration of an upload, in seconds: the bucket's lifecycle rule aborts incomplete ones after seven days.
pub const UPLOAD_LIFETIME_SECS: u64 = 7 * 24 * 3600;
/// Time from an upload's expiry until its record becomes stale and may be deleted, in seconds.
pub const EXPIRY_GRACE_SECS: u64 = 24 * 3600;

/// The stored state of a video. Outputs are object keys; URLs are built for each response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoRecord {
    pub video_id: String,
    /// The caller who opened the upload; empty for an object that was stored without the edge.
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
    /// Key of its object in the upload bucket. Absent in records of earlier versions.
    #[serde(default)]
    pub key: Option<String>,
    /// Whether its final state was announced, or needn't be.
    #[serde(default = "announced_by_default")]
    pub announced: bool,
    /// Milliseconds since 1970, like the other times.
    pub created_ms: u64,
    #[serde(default)]
    pub uploaded_ms: Option<u64>,
    pub updated_ms: u64,
}

fn announced_by_default() -> bool {
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

/// An event in a video's life, to be applied to its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VideoTransition {
    /// All bytes are stored. `size` replaces the declared one, which differs if the upload was restarted with another
    /// file.
    Uploaded {
        size: u64,
    },
    /// MediaConvert accepted the job. Width and height are those displayed, after rotation.
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
    /// `job_id` is `None` if the failure came before there was a job.
    Failed {
        job_id: Option<String>,
        error: VideoError,
    },
    Canceled {
        job_id: String,
    },
    /// The site's backend accepted the announcement of the final state.
    Announced,
}

impl VideoRecord {
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

    /// Whether no transition is to come.
    pub fn is_done(&self) -> bool {
        self.status.is_final() && self.announced
    }

    /// Whether it counts as one of its owner's open uploads.
    pub fn is_open(&self) -> bool {
        self.status == VideoStatus::Uploading
    }

    /// The time since which a transition is overdue, in milliseconds since 1970. The reconciler checks records that
    /// are stale for longer than its threshold.
    pub fn stale_at_ms(&self) -> u64 {
        if self.is_open() {
            self.created_ms + (UPLOAD_LIFETIME_SECS + EXPIRY_GRACE_SECS) * 1000
        } else {
            self.updated_ms
        }
    }

    /// Applies `transition` and returns whether the record changed. Final states stay, progress never decreases, and
    /// events of another job change nothing.
    pub fn apply(&mut self, transition: VideoTransition, now_ms: u64) -> bool {
        let before = self.clone();
        let is_final = self.status.is_final();
        if is_final != (transition == VideoTransition::Announced) || !self.matches_job(&transition) {
            return false;
        }
        if !is_final {
            self.uploaded_ms.get_or_insert(now_ms);
        }
        match transition {
            VideoTransition::Uploaded { size } => {
                self.size = size;
                self.advance(VideoStatus::Uploaded);
            }
            VideoTransition::Announced => self.announced = true,
            VideoTransition::JobStarted { job_id, duration_ms, width, height } => {
                self.job_id = Some(job_id);
                self.duration_ms = duration_ms.or(self.duration_ms);
                (self.width, self.height) = (width.or(self.width), height.or(self.height));
                self.advance(VideoStatus::Converting);
            }
            VideoTransition::Progress { job_id, percent } => {
                self.job_id = Some(job_id);
                // 100 is reserved for ready videos.
                self.progress = self.progress.max(percent.min(99));
                self.advance(VideoStatus::Converting);
            }
            VideoTransition::Finished { job_id, outputs, duration_ms } => {
                self.job_id = Some(job_id);
                self.duration_ms = duration_ms.or(self.duration_ms);
                self.outputs = Some(outputs);
                self.progress = 100;
                self.status = VideoStatus::Ready;
            }
            VideoTransition::Failed { job_id, error } => {
                self.job_id = job_id.or(self.job_id.take());
                self.error = Some(error);
                self.status = VideoStatus::Failed;
            }
            VideoTransition::Canceled { job_id } => {
                self.job_id = Some(job_id);
                self.status = VideoStatus::Canceled;
            }
        }
        let changed = *self != before;
        if changed {
            // Strictly increasing, so that it can serve as a version.
            self.updated_ms = now_ms.max(before.updated_ms + 1);
        }
        changed
    }

    /// Whether the transition is about this video's job, or about no job.
    fn matches_job(&self, transition: &VideoTransition) -> bool {
        let job_id = match transition {
            VideoTransition::Uploaded { .. } | VideoTransition::Announced => None,
            VideoTransition::JobStarted { job_id, .. }
            | VideoTransition::Progress { job_id, .. }
            | VideoTransition::Finished { job_id, .. }
            | VideoTransition::Canceled { job_id } => Some(job_id),
            VideoTransition::Failed { job_id, .. } => job_id.as_ref(),
        };
        match (&self.job_id, job_id) {
            (Some(own), Some(other)) => own == other,
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

    fn transition() -> impl Strategy<Value = VideoTransition> {
        let job = || prop::sample::select(vec!["j1", "j2"]).prop_map(str::to_owned);
        let error = || VideoError { code: "1".into(), message: "no".into() };
        prop_oneof![
            Just(VideoTransition::Uploaded { size: 5 }),
            Just(VideoTransition::Announced),
            job().prop_map(|job_id| VideoTransition::JobStarted {
                job_id,
                duration_ms: None,
                width: None,
                height: None
            }),
            (job(), any::<u8>()).prop_map(|(job_id, percent)| VideoTransition::Progress { job_id, percent }),
            job().prop_map(|job_id| VideoTransition::Finished {
                job_id,
                outputs: Outputs::default(),
                duration_ms: None
            }),
            prop::option::of(job())
                .prop_map(move |job_id| VideoTransition::Failed { job_id, error: error() }),
            job().prop_map(|job_id| VideoTransition::Canceled { job_id }),
        ]
    }

    proptest! {
        #[test]
        fn transitions_in_any_order_never_regress(transitions in prop::collection::vec(transition(), 0..20)) {
            let mut record = VideoRecord { announced: false, ..VideoRecord::new("v", "o", 1, 0) };
            for (now, transition) in transitions.into_iter().enumerate() {
                let before = record.clone();
                let changed = record.apply(transition.clone(), now as u64);
                prop_assert!(record.progress >= before.progress && record.progress <= 100);
                prop_assert_eq!(record.progress == 100, record.status == VideoStatus::Ready);
                prop_assert!(!before.is_done() || record == before);
                prop_assert!(!before.status.is_final() || record.status == before.status);
                prop_assert!(record.announced == before.announced || before.status.is_final());
                prop_assert!(before.job_id.is_none() || record.job_id == before.job_id);
                prop_assert_eq!(changed, record != before);
                prop_assert!(!changed || record.updated_ms > before.updated_ms);
                let after = record.clone();
                prop_assert!(!record.apply(transition, now as u64), "the same transition twice");
                prop_assert_eq!(record.clone(), after);
            }
        }
    }
}
