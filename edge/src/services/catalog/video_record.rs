//! The stored record of a video and its transitions. Pure.

use super::usage::Usage;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wire::{VideoError, VideoStatus};

/// Maximum duration of an upload, in seconds: the bucket's lifecycle rule aborts incomplete ones after seven days.
pub const UPLOAD_LIFETIME_SECS: u64 = 7 * 24 * 3600;
/// Time from an upload's expiry until its record becomes stale and may be deleted, in seconds.
pub const EXPIRY_GRACE_SECS: u64 = 24 * 3600;

/// Time for which the record of a deleted video is kept, in seconds: longer than any upload token and event lives.
pub const TOMBSTONE_LIFETIME_SECS: u64 = UPLOAD_LIFETIME_SECS + EXPIRY_GRACE_SECS;

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
    #[serde(default)]
    pub title: Option<String>,
    /// S3's id of its open multipart upload. Absent in records of earlier versions.
    #[serde(default)]
    pub s3_upload: Option<String>,
    /// The conversions that were given up before this one; each has a job of its own.
    #[serde(default)]
    pub attempt: u32,
    /// Jobs of earlier attempts, whose events change nothing.
    #[serde(default)]
    pub past_jobs: Vec<String>,
    /// The usage that was counted for the owner because of this video.
    #[serde(default)]
    pub counted: Usage,
    /// `None` unless its owner has deleted it.
    #[serde(default)]
    pub deletion: Option<Deletion>,
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

/// The state of a deletion. A video is hidden from the first one on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deletion {
    /// Object, outputs and job are still to be deleted.
    Requested,
    /// All is deleted. The record stays until late events and upload tokens have expired, and keeps the id from use.
    Done,
}

/// Keys of the finished outputs in the destination bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outputs {
    pub hls: String,
    /// By height.
    pub mp4: BTreeMap<String, String>,
    pub thumbnails: Vec<String>,
    /// One of the thumbnails; absent in records of earlier versions.
    #[serde(default)]
    pub poster: Option<String>,
    /// The storyboard's index.
    #[serde(default)]
    pub storyboard: Option<String>,
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
    /// The owner changed the title.
    Titled {
        title: String,
    },
    /// An open upload is started over: its multipart upload `from` is replaced.
    Restarted {
        from: Option<String>,
        s3_upload: String,
        size: u64,
    },
    /// The source's duration is counted for its owner.
    Counted {
        duration_ms: u64,
    },
    /// MediaConvert still works on the job: the record is stale later.
    Checked,
    /// The object gets another job. `failed_job` is the unfinished one that it replaces; without it, the conversion has
    /// ended and its end, if `announces`, will be announced again.
    ConvertAgain {
        failed_job: Option<String>,
        announces: bool,
    },
    /// The owner deleted the video.
    Deleted,
    /// Object, outputs and job of a deleted video are gone.
    Erased,
}

impl VideoTransition {
    /// The job that the transition is about.
    pub fn job_id(&self) -> Option<&String> {
        match self {
            Self::Uploaded { .. }
            | Self::Announced
            | Self::Titled { .. }
            | Self::Restarted { .. }
            | Self::Counted { .. }
            | Self::Checked
            | Self::Deleted
            | Self::Erased => None,
            Self::ConvertAgain { failed_job, .. } => failed_job.as_ref(),
            Self::JobStarted { job_id, .. }
            | Self::Progress { job_id, .. }
            | Self::Finished { job_id, .. }
            | Self::Canceled { job_id } => Some(job_id),
            Self::Failed { job_id, .. } => job_id.as_ref(),
        }
    }

    /// Whether it can only come after the object is stored.
    fn needs_object(&self) -> bool {
        match self {
            Self::Uploaded { .. }
            | Self::JobStarted { .. }
            | Self::Progress { .. }
            | Self::Finished { .. }
            | Self::Failed { .. }
            | Self::Canceled { .. } => true,
            Self::Announced
            | Self::Titled { .. }
            | Self::Restarted { .. }
            | Self::Counted { .. }
            | Self::Checked
            | Self::ConvertAgain { .. }
            | Self::Deleted
            | Self::Erased => false,
        }
    }
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
            title: None,
            s3_upload: None,
            attempt: 0,
            past_jobs: Vec::new(),
            counted: Usage::default(),
            deletion: None,
            announced: true,
            created_ms: now_ms,
            uploaded_ms: None,
            updated_ms: now_ms,
        }
    }

    /// Whether no transition is to come.
    pub fn is_done(&self) -> bool {
        match self.deletion {
            None => self.status.is_final() && self.announced,
            Some(Deletion::Requested) => false,
            Some(Deletion::Done) => true,
        }
    }

    pub fn is_deleted(&self) -> bool {
        self.deletion.is_some()
    }

    /// Whether it counts as one of its owner's open uploads.
    pub fn is_open(&self) -> bool {
        self.status == VideoStatus::Uploading && !self.is_deleted()
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

    /// Applies `transition` and returns whether the record changed. Final states stay unless an operator has the object
    /// converted again, progress never decreases, and events of another job change nothing.
    pub fn apply(&mut self, transition: VideoTransition, now_ms: u64) -> bool {
        let before = self.clone();
        if !self.accepts(&transition) {
            return false;
        }
        if transition.needs_object() {
            self.uploaded_ms.get_or_insert(now_ms);
        }
        match transition {
            VideoTransition::Uploaded { size } => {
                self.size = size;
                self.advance(VideoStatus::Uploaded);
            }
            VideoTransition::Announced => self.announced = true,
            VideoTransition::Titled { title } => self.title = Some(title),
            VideoTransition::Restarted { s3_upload, size, .. } => {
                self.s3_upload = Some(s3_upload);
                self.size = size;
                self.counted.bytes = self.counted.bytes.max(size);
            }
            VideoTransition::Counted { duration_ms } => {
                self.counted.duration_ms = self.counted.duration_ms.max(duration_ms);
            }
            VideoTransition::Checked => self.updated_ms = self.updated_ms.max(now_ms),
            VideoTransition::ConvertAgain { failed_job, announces } => {
                self.past_jobs.extend(self.job_id.take().or(failed_job));
                self.attempt += 1;
                self.error = None;
                self.announced = !announces;
                self.status = VideoStatus::Uploaded;
            }
            VideoTransition::Deleted => self.deletion = Some(Deletion::Requested),
            VideoTransition::Erased => self.erase(),
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

    /// Whether the transition can change the record.
    pub fn accepts(&self, transition: &VideoTransition) -> bool {
        self.allows(transition) && self.matches_job(transition)
    }

    /// Whether the record's state admits the transition.
    fn allows(&self, transition: &VideoTransition) -> bool {
        let is_final = self.status.is_final();
        match (transition, self.deletion) {
            (_, Some(Deletion::Done)) => false,
            (VideoTransition::Deleted, deletion) => deletion.is_none(),
            (VideoTransition::Erased, deletion) => deletion.is_some(),
            (VideoTransition::Titled { .. }, deletion) => deletion.is_none(),
            (VideoTransition::Restarted { from, .. }, _) => self.is_open() && self.s3_upload == *from,
            (VideoTransition::ConvertAgain { failed_job, .. }, None) => match failed_job {
                Some(_) => !is_final,
                None => matches!(self.status, VideoStatus::Failed | VideoStatus::Canceled),
            },
            (VideoTransition::ConvertAgain { .. }, Some(_)) => false,
            (VideoTransition::Announced, _) => is_final,
            _ => !is_final,
        }
    }

    /// Keeps what identifies the video and nothing of its content.
    fn erase(&mut self) {
        *self = Self {
            status: self.status,
            progress: self.progress,
            job_id: self.job_id.take(),
            key: self.key.take(),
            past_jobs: std::mem::take(&mut self.past_jobs),
            attempt: self.attempt,
            counted: self.counted,
            deletion: Some(Deletion::Done),
            uploaded_ms: self.uploaded_ms,
            updated_ms: self.updated_ms,
            ..Self::new(&self.video_id, &self.owner, 0, self.created_ms)
        };
    }

    /// Whether the transition is about this video's job, or about no job.
    fn matches_job(&self, transition: &VideoTransition) -> bool {
        match (&self.job_id, transition.job_id()) {
            (Some(own), Some(other)) => own == other,
            (None, Some(other)) => !self.past_jobs.contains(other),
            (_, None) => true,
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
            Just(VideoTransition::Titled { title: "t".into() }),
            Just(VideoTransition::Counted { duration_ms: 7 }),
            Just(VideoTransition::Checked),
            Just(VideoTransition::Deleted),
            Just(VideoTransition::Erased),
        ]
    }

    #[test]
    fn record_of_an_earlier_version_is_readable() {
        let old = r#"{"video_id":"v","owner":"o","status":"ready","progress":100,"size":5,"job_id":"j","duration_ms":1,
            "width":2,"height":3,"outputs":null,"error":null,"created_ms":1,"updated_ms":2}"#;
        let record: VideoRecord = serde_json::from_str(old).unwrap();
        assert_eq!((record.title, record.deletion, record.announced), (None, None, true));
    }

    #[test]
    fn conversion_again_ignores_events_of_the_earlier_job() {
        let mut record = VideoRecord::new("v", "o", 1, 0);
        let failed = |job: &str| VideoTransition::Failed {
            job_id: Some(job.into()),
            error: VideoError { code: "1".into(), message: "no".into() },
        };
        let again = |failed_job| VideoTransition::ConvertAgain { failed_job, announces: true };
        assert!(!record.apply(again(None), 1), "nothing has failed");
        assert!(record.apply(VideoTransition::Progress { job_id: "j1".into(), percent: 40 }, 1));
        assert!(record.apply(again(Some("j1".into())), 2), "a failure that passes");
        assert!(!record.apply(again(Some("j1".into())), 3), "repeated");
        assert!(!record.apply(failed("j1"), 3));
        assert!(record.apply(failed("j2"), 4));
        record.announced = true;
        assert!(record.apply(again(None), 5) && !record.announced);
        assert_eq!((record.status, record.attempt, record.progress), (VideoStatus::Uploaded, 2, 40));
        assert!(!record.apply(again(None), 6));
        assert_eq!((&record.job_id, &record.error), (&None, &None));
    }

    #[test]
    fn restart_replaces_only_the_known_upload() {
        let mut record = VideoRecord { s3_upload: Some("a".into()), ..VideoRecord::new("v", "o", 9, 0) };
        let restart = |from: &str, to: &str| VideoTransition::Restarted {
            from: Some(from.into()),
            s3_upload: to.into(),
            size: 5,
        };
        assert!(record.apply(restart("a", "b"), 1));
        assert!(!record.apply(restart("a", "c"), 2), "another request was faster");
        assert_eq!((record.s3_upload.as_deref(), record.size, record.uploaded_ms), (Some("b"), 5, None));
        assert!(record.apply(VideoTransition::Deleted, 3) && !record.is_open());
        assert!(!record.apply(restart("b", "c"), 4));
        assert!(record.apply(VideoTransition::Erased, 5) && record.is_done());
        assert_eq!((record.s3_upload, record.size), (None, 0));
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
                let is_of_owner = matches!(transition, VideoTransition::Titled { .. } | VideoTransition::Deleted);
                prop_assert!(!before.is_done() || record == before || is_of_owner);
                prop_assert!(!before.is_deleted() || record.is_deleted());
                prop_assert!(!before.status.is_final() || record.status == before.status);
                let is_erased = record.deletion == Some(Deletion::Done);
                prop_assert!(record.announced == before.announced || before.status.is_final() || is_erased);
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
