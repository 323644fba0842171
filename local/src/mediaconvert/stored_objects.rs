//! The objects that a job stored. A job that fails or is canceled removes them, also those of an attempt that a kill
//! ended. Objects that were there before the job are replaced, and never removed.

use super::job_error::JobError;
use super::settings::S3Uri;
use super::state::ServiceState;
use super::storage::StorageError;
use crate::db::DbError;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// Stores the objects of one attempt to run a job.
pub struct StoredObjects<'a> {
    service: &'a ServiceState,
    job: &'a str,
    cancel: &'a CancellationToken,
    /// Keys that this job created in earlier attempts.
    created: BTreeSet<S3Uri>,
    /// Keys that this attempt stored.
    stored: Mutex<BTreeSet<S3Uri>>,
}

impl<'a> StoredObjects<'a> {
    pub async fn open(
        service: &'a ServiceState,
        job: &'a str,
        cancel: &'a CancellationToken,
    ) -> Result<Self, JobError> {
        let created = service.jobs.created_objects(job.to_owned()).await.map_err(unavailable)?;
        Ok(Self { service, job, cancel, created: created.into_iter().collect(), stored: Mutex::default() })
    }

    /// Whether there is an object that no earlier attempt of this job has created.
    pub async fn is_foreign(&self, uri: &S3Uri) -> bool {
        !self.created.contains(uri) && self.service.storage.head(uri).await.is_ok()
    }

    pub async fn put_file(&self, path: &Path, uri: &S3Uri) -> Result<(), JobError> {
        self.record(uri).await?;
        let put = self.service.storage.put_file(path, uri, self.cancel).await;
        put.map_err(|error| put_failed(error, uri.clone()))
    }

    pub async fn put_text(&self, text: String, uri: &S3Uri) -> Result<(), JobError> {
        self.record(uri).await?;
        self.service.storage.put_text(text, uri).await.map_err(|error| put_failed(error, uri.clone()))
    }

    /// Records that the job creates an object, unless it is there already.
    async fn record(&self, uri: &S3Uri) -> Result<(), JobError> {
        let is_first = self.stored().insert(uri.clone());
        if !is_first || self.created.contains(uri) {
            return Ok(());
        }
        let jobs = &self.service.jobs;
        let _guard = self.service.created_objects.lock().await;
        let is_created = match self.service.storage.head(uri).await {
            // Objects that another job will remove become this job's.
            Ok(_) => jobs.creator(uri.clone()).await.map_err(unavailable)?.is_some(),
            Err(StorageError::NotFound | StorageError::NoSuchBucket) => true,
            Err(StorageError::Denied | StorageError::Failed | StorageError::File(_)) => false,
        };
        if is_created {
            jobs.record_object(self.job.to_owned(), uri.clone()).await.map_err(unavailable)?;
        }
        Ok(())
    }

    /// Removes what an earlier attempt created and this one didn't store.
    pub async fn remove_stale(&self) {
        let stored = self.stored().clone();
        for uri in self.created.difference(&stored) {
            remove_object(self.service, self.job, uri.clone()).await;
        }
    }

    fn stored(&self) -> MutexGuard<'_, BTreeSet<S3Uri>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes what a job has created.
pub async fn remove_objects(service: &ServiceState, job: &str) {
    match service.jobs.created_objects(job.to_owned()).await {
        Ok(objects) => {
            for uri in objects {
                remove_object(service, job, uri).await;
            }
        }
        Err(error) => tracing::error!(%error, job, "job table unavailable"),
    }
}

/// Removes what jobs have created that failed or were canceled, and aren't running any more.
pub async fn remove_leftovers(service: &ServiceState) {
    match service.jobs.with_leftovers().await {
        Ok(jobs) => {
            for job in jobs.iter().filter(|job| !service.running.contains(job)) {
                remove_objects(service, job).await;
            }
        }
        Err(error) => tracing::error!(%error, "job table unavailable"),
    }
}

/// Removes an object unless another job has replaced it. What can't be removed is tried again later.
async fn remove_object(service: &ServiceState, job: &str, uri: S3Uri) {
    let _guard = service.created_objects.lock().await;
    let removed = match service.jobs.creator(uri.clone()).await {
        Ok(Some(creator)) if creator == job => match service.storage.delete(&uri).await {
            Ok(()) | Err(StorageError::NotFound | StorageError::NoSuchBucket) => {
                service.jobs.forget_object(uri).await
            }
            Err(error) => {
                tracing::warn!(%error, job, object = %uri, "output can't be removed");
                Ok(())
            }
        },
        other => other.map(|_| ()),
    };
    if let Err(error) = removed {
        tracing::error!(%error, job, "job table unavailable");
    }
}

fn unavailable(error: DbError) -> JobError {
    tracing::error!(%error, "job table unavailable");
    JobError::Internal("The table of the job's outputs can't be used.")
}

fn put_failed(error: StorageError, uri: S3Uri) -> JobError {
    match error {
        StorageError::Denied => JobError::OutputDenied(uri),
        StorageError::NoSuchBucket | StorageError::NotFound => JobError::OutputBucketMissing(uri),
        StorageError::Failed => JobError::OutputFailed(uri),
        StorageError::File(error) => {
            tracing::error!(%error, "output file can't be read");
            JobError::OutputFailed(uri)
        }
    }
}
