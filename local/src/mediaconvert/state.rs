//! State that the API and the workers share.

use super::ffmpeg::Ffmpeg;
use super::jobs::Jobs;
use super::resources::Resources;
use super::sigv4::SigningKey;
use super::storage::Storage;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

pub struct ServiceState {
    pub jobs: Jobs,
    pub resources: Resources,
    pub storage: Storage,
    pub ffmpeg: Ffmpeg,
    pub key: SigningKey,
    pub endpoint: String,
    pub max_status_update_interval: Option<Duration>,
    pub work_dir: PathBuf,
    /// Notified when a job is submitted or canceled.
    pub jobs_changed: Notify,
    /// Held while it is found out who created an object, and while one is removed.
    pub created_objects: tokio::sync::Mutex<()>,
    pub running: RunningJobs,
    /// Limits concurrent `Probe` calls.
    pub probe_permits: Semaphore,
    /// Canceled when the service shuts down.
    pub shutdown: CancellationToken,
}

/// Cancellation tokens of the running jobs, by job id.
#[derive(Default)]
pub struct RunningJobs(Mutex<HashMap<String, CancellationToken>>);

impl RunningJobs {
    pub fn cancel(&self, id: &str) {
        if let Some(token) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id) {
            token.cancel();
        }
    }

    pub fn contains(&self, id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }

    pub fn insert(&self, id: &str, token: CancellationToken) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), token);
    }

    pub fn remove(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}
