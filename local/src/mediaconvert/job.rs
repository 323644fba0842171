//! A job as the MediaConvert API returns it, and the EventBridge events about its state.

use super::job_error::JobError;
use super::request::interval_s;
use super::settings::GroupKind;
use edge::clock::{now_ms, rfc3339};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The account id in ARNs and events; this service has no accounts.
pub const ACCOUNT: &str = "000000000000";
/// MediaConvert's default of `StatusUpdateInterval`, in seconds.
const DEFAULT_INTERVAL_S: u64 = 60;
/// Name of the only queue.
pub const QUEUE: &str = "Default";

/// A job in the API's JSON format. Times are in seconds since 1970.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    pub id: String,
    pub arn: String,
    pub created_at: u64,
    pub status: Status,
    pub queue: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_template: Option<String>,
    pub role: String,
    /// As given in `CreateJob`.
    pub settings: Value,
    #[serde(default)]
    pub user_metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_request_token: Option<String>,
    pub priority: i32,
    pub timing: Timing,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_phase: Option<Phase>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_percent_complete: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_group_details: Option<Value>,
    /// How often the job was restarted.
    pub retry_count: u32,
    pub acceleration_status: String,
    pub status_update_interval: String,
    pub messages: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    Submitted,
    Progressing,
    Complete,
    Canceled,
    Error,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "SUBMITTED",
            Self::Progressing => "PROGRESSING",
            Self::Complete => "COMPLETE",
            Self::Canceled => "CANCELED",
            Self::Error => "ERROR",
        }
    }

    pub fn is_final(self) -> bool {
        match self {
            Self::Submitted | Self::Progressing => false,
            Self::Complete | Self::Canceled | Self::Error => true,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Phase {
    Probing,
    Transcoding,
    Uploading,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    pub submit_time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_time: Option<u64>,
}

/// Progress of a running job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JobProgress {
    pub phase: Phase,
    /// Percent of the phase, 0 to 100.
    pub percent: u8,
    pub frames: u64,
}

impl JobProgress {
    /// Returns the percent of the whole job, 0 to 99; 100 is reserved for `COMPLETE`.
    pub fn job_percent(self) -> u8 {
        let percent = u32::from(self.percent.min(100));
        let job_percent = match self.phase {
            Phase::Probing => percent * 5 / 100,
            Phase::Transcoding => 5 + percent * 85 / 100,
            Phase::Uploading => 90 + percent * 9 / 100,
        };
        // At most 99 by the arms above.
        job_percent as u8
    }

    fn phases(self) -> Value {
        let phase_progress = |phase| {
            let (status, percent) = if phase < self.phase {
                ("COMPLETE", 100)
            } else if phase == self.phase {
                ("PROGRESSING", self.percent)
            } else {
                ("PENDING", 0)
            };
            json!({"status": status, "percentComplete": percent})
        };
        json!({
            "PROBING": phase_progress(Phase::Probing), "TRANSCODING": phase_progress(Phase::Transcoding), "UPLOADING": phase_progress(Phase::Uploading),
        })
    }
}

/// The result of an output group.
#[derive(Clone, Debug)]
pub struct GroupReport {
    pub kind: GroupKind,
    /// `s3://` addresses of the master playlists.
    pub playlists: Vec<String>,
    pub outputs: Vec<OutputReport>,
}

#[derive(Clone, Debug, Default)]
pub struct OutputReport {
    /// Address of the playlist, the file, or the last picture.
    pub path: String,
    pub duration_ms: u64,
    /// The video's, in pixels.
    pub size: Option<(u32, u32)>,
    /// In bits per second.
    pub average_bitrate: Option<u64>,
}

impl OutputReport {
    fn details(&self) -> Value {
        let mut details = json!({"durationInMs": self.duration_ms});
        if let Some((width, height)) = self.size {
            details["videoDetails"] = json!({"widthInPx": width, "heightInPx": height});
        }
        details
    }
}

impl Job {
    /// Returns the time between two `STATUS_UPDATE` events.
    pub fn status_update_interval(&self) -> Duration {
        Duration::from_secs(interval_s(&self.status_update_interval).unwrap_or(DEFAULT_INTERVAL_S))
    }

    /// Returns `outputGroupDetails` as the API has it: without the paths.
    pub fn output_group_details(groups: &[GroupReport]) -> Value {
        let details =
            |group: &GroupReport| group.outputs.iter().map(OutputReport::details).collect::<Vec<_>>();
        let group = |group: &GroupReport| json!({"outputDetails": details(group)});
        groups.iter().map(group).collect()
    }

    /// Returns the event for the status `PROGRESSING` or `CANCELED`.
    pub fn status_event(&self, region: &str) -> Value {
        self.envelope(region, self.status.as_str(), json!({}))
    }

    /// Returns the event for `STATUS_UPDATE`.
    pub fn progress_event(&self, region: &str, progress: JobProgress) -> Value {
        let job_progress = json!({
            "phaseProgress": progress.phases(),
            "jobPercentComplete": progress.job_percent(),
            "currentPhase": progress.phase,
            "retryCount": self.retry_count,
        });
        self.envelope(
            region,
            "STATUS_UPDATE",
            json!({"framesDecoded": progress.frames, "jobProgress": job_progress}),
        )
    }

    /// Returns the event for `COMPLETE`.
    pub fn completion_event(&self, region: &str, groups: &[GroupReport]) -> Value {
        let output = |output: &OutputReport| {
            let mut details = output.details();
            details["outputFilePaths"] = json!([output.path]);
            if let (Some(video), Some(rate)) = (details.get_mut("videoDetails"), output.average_bitrate) {
                video["averageBitrate"] = rate.into();
            }
            details
        };
        let group = |group: &GroupReport| {
            let outputs: Vec<_> = group.outputs.iter().map(output).collect();
            match group.kind {
                GroupKind::File => json!({"type": "FILE_GROUP", "outputDetails": outputs}),
                GroupKind::Hls | GroupKind::Cmaf | GroupKind::DashIso => {
                    let kind = match group.kind {
                        GroupKind::Cmaf => "CMAF_GROUP",
                        GroupKind::DashIso => "DASH_ISO_GROUP",
                        GroupKind::Hls | GroupKind::File => "HLS_GROUP",
                    };
                    json!({"type": kind, "playlistFilePaths": group.playlists, "outputDetails": outputs})
                }
            }
        };
        let details: Vec<_> = groups.iter().map(group).collect();
        self.envelope(region, "COMPLETE", json!({"outputGroupDetails": details}))
    }

    /// Returns the event for `ERROR`.
    pub fn error_event(&self, region: &str, error: &JobError) -> Value {
        let (code, message) = error.code_and_message();
        self.envelope(region, "ERROR", json!({"errorCode": code, "errorMessage": message}))
    }

    /// Returns the EventBridge envelope, with `fields` added to `detail`.
    fn envelope(&self, region: &str, status: &str, fields: Value) -> Value {
        let now_ms = now_ms();
        let mut detail = json!({
            "timestamp": now_ms,
            "accountId": ACCOUNT,
            "queue": self.queue,
            "jobId": self.id,
            "status": status,
            "userMetadata": self.user_metadata,
        });
        if let (Value::Object(detail), Value::Object(fields)) = (&mut detail, fields) {
            detail.extend(fields);
        }
        json!({
            "version": "0",
            "id": uuid::Uuid::new_v4().to_string(),
            "detail-type": "MediaConvert Job State Change",
            "source": "aws.mediaconvert",
            "account": ACCOUNT,
            "time": rfc3339(now_ms / 1000 * 1000),
            "region": region,
            "resources": [self.arn],
            "detail": detail,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        let mut job: Job = serde_json::from_value(json!({
            "id": "1-a", "arn": "arn:aws:mediaconvert:us-east-1:000000000000:jobs/1-a", "createdAt": 1, "status": "SUBMITTED",
            "queue": "q", "role": "r", "settings": {}, "priority": 0, "timing": {"submitTime": 1}, "retryCount": 0,
            "accelerationStatus": "NOT_APPLICABLE", "statusUpdateInterval": "SECONDS_60", "messages": {}
        }))
        .unwrap();
        job.user_metadata.insert("videoId".into(), "v1".into());
        job
    }

    #[test]
    fn error_event_has_eventbridge_envelope() {
        let event = job().error_event("us-east-1", &JobError::Internal("Broken."));
        assert_eq!(event["version"], "0");
        assert_eq!(event["detail-type"], "MediaConvert Job State Change");
        assert_eq!(event["source"], "aws.mediaconvert");
        assert_eq!(event["account"], ACCOUNT);
        assert_eq!(event["resources"][0], job().arn);
        assert!(
            event["time"].as_str().is_some_and(|time| time.ends_with('Z') && time.len() == 20),
            "{event}"
        );
        let detail = &event["detail"];
        assert_eq!(detail["userMetadata"], json!({"videoId": "v1"}));
        assert_eq!((&detail["status"], &detail["errorCode"]), (&json!("ERROR"), &json!(1999)));
        assert!(detail["timestamp"].is_u64());
    }

    #[test]
    fn completion_event_of_file_group_has_no_playlists() {
        let output = OutputReport {
            path: "s3://m/a".into(),
            duration_ms: 5,
            size: Some((2, 4)),
            average_bitrate: None,
        };
        let hls = GroupReport {
            kind: GroupKind::Hls,
            playlists: vec!["s3://m/x".into()],
            outputs: vec![output.clone()],
        };
        let file = GroupReport { kind: GroupKind::File, playlists: vec![], outputs: vec![output] };
        let event = job().completion_event("us-east-1", &[hls, file]);
        assert_eq!(
            event["detail"]["outputGroupDetails"],
            json!([
                {"type": "HLS_GROUP", "playlistFilePaths": ["s3://m/x"], "outputDetails":
                    [{"outputFilePaths": ["s3://m/a"], "durationInMs": 5, "videoDetails": {"widthInPx": 2, "heightInPx": 4}}]},
                {"type": "FILE_GROUP", "outputDetails":
                    [{"outputFilePaths": ["s3://m/a"], "durationInMs": 5, "videoDetails": {"widthInPx": 2, "heightInPx": 4}}]},
            ])
        );
    }

    #[test]
    fn job_percent_increases_over_phases_up_to_99() {
        let phases = [Phase::Probing, Phase::Transcoding, Phase::Uploading];
        let steps = phases.into_iter().flat_map(|phase| (0..=100).map(move |percent| (phase, percent)));
        let percents: Vec<_> =
            steps.map(|(phase, percent)| JobProgress { phase, percent, frames: 0 }.job_percent()).collect();
        assert!(percents.is_sorted());
        assert_eq!((percents.first(), percents.last()), (Some(&0), Some(&99)));
        let event =
            job().progress_event("r", JobProgress { phase: Phase::Transcoding, percent: 40, frames: 7 });
        let progress = &event["detail"]["jobProgress"];
        assert_eq!(
            progress["phaseProgress"]["PROBING"],
            json!({"status": "COMPLETE", "percentComplete": 100})
        );
        assert_eq!(
            progress["phaseProgress"]["UPLOADING"],
            json!({"status": "PENDING", "percentComplete": 0})
        );
        assert_eq!(
            (&progress["jobPercentComplete"], &progress["currentPhase"]),
            (&json!(39), &json!("TRANSCODING"))
        );
        assert_eq!(event["detail"]["framesDecoded"], 7);
    }
}
