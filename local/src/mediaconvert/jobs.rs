//! The job table. A change of a job's status and its event are one transaction; a final status never changes.

use super::job::{ACCOUNT, GroupReport, Job, JobProgress, Phase, Status, Timing};
use super::job_error::JobError;
use super::request::{CreateJob, ListJobs};
use super::settings::S3Uri;
use crate::db::{Db, DbError};
use crate::outbox::Outbox;
use edge::clock::now_ms;
use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use serde_json::{Value, json};

#[derive(Clone)]
pub struct Jobs {
    db: Db,
    outbox: Outbox,
    region: String,
}

/// The result of `CancelJob`.
#[derive(Debug, PartialEq, Eq)]
pub enum Cancellation {
    Canceled,
    NoSuchJob,
    /// The job has this final status.
    AlreadyFinal(Status),
}

impl Jobs {
    /// Creates the tables and resubmits jobs that were running: the outputs that they hadn't stored were in the ended
    /// process's work folder.
    pub async fn open(db: Db, outbox: Outbox, region: String) -> Result<Self, DbError> {
        db.call(|tx| {
            tx.execute_batch(
                "CREATE TABLE IF NOT EXISTS mediaconvert_jobs (
                    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
                    status TEXT NOT NULL, token TEXT UNIQUE, job TEXT NOT NULL);
                 CREATE INDEX IF NOT EXISTS mediaconvert_jobs_by_status ON mediaconvert_jobs (status, number);
                 CREATE TABLE IF NOT EXISTS mediaconvert_objects (
                    bucket TEXT NOT NULL, key TEXT NOT NULL, job TEXT NOT NULL, PRIMARY KEY (bucket, key));
                 CREATE INDEX IF NOT EXISTS mediaconvert_objects_by_job ON mediaconvert_objects (job)",
            )?;
            for mut job in with_status(tx, Status::Progressing)? {
                job.status = Status::Submitted;
                job.retry_count += 1;
                save(tx, &job)?;
            }
            Ok::<_, DbError>(())
        })
        .await?;
        Ok(Self { db, outbox, region })
    }

    /// Adds a job, or returns the existing job with the same `clientRequestToken`.
    /// `queue` is an ARN, `warnings` are sentences about settings without effect.
    pub async fn create(
        &self,
        request: CreateJob,
        queue: String,
        warnings: Vec<String>,
    ) -> Result<Job, DbError> {
        let job = self.new_job(request, queue, warnings);
        self.db
            .call(move |tx| {
                if let Some(token) = &job.client_request_token {
                    let by_token = "SELECT job FROM mediaconvert_jobs WHERE token = ?1";
                    if let Some(text) = tx.query_row(by_token, [token], |row| row.get(0)).optional()? {
                        return from_json(text);
                    }
                }
                tx.execute(
                    "INSERT INTO mediaconvert_jobs (id, status, token, job) VALUES (?1, ?2, ?3, ?4)",
                    params![
                        job.id,
                        job.status.as_str(),
                        job.client_request_token,
                        serde_json::to_string(&job)?
                    ],
                )?;
                Ok(job)
            })
            .await
    }

    fn new_job(&self, request: CreateJob, queue: String, warnings: Vec<String>) -> Job {
        let now_ms = now_ms();
        let id = format!("{now_ms}-{}", &uuid::Uuid::new_v4().simple().to_string()[..6]);
        let region = &self.region;
        Job {
            arn: format!("arn:aws:mediaconvert:{region}:{ACCOUNT}:jobs/{id}"),
            id,
            created_at: now_ms / 1000,
            status: Status::Submitted,
            queue,
            job_template: request.job_template,
            role: request.role,
            settings: request.settings,
            user_metadata: request.user_metadata,
            client_request_token: request.client_request_token,
            priority: request.priority.unwrap_or(0),
            timing: Timing { submit_time: now_ms / 1000, ..Timing::default() },
            current_phase: None,
            job_percent_complete: None,
            error_code: None,
            error_message: None,
            output_group_details: None,
            retry_count: 0,
            acceleration_status: "NOT_APPLICABLE".into(),
            status_update_interval: request.status_update_interval.unwrap_or_else(|| "SECONDS_60".into()),
            messages: json!({"info": [], "warning": warnings}),
        }
    }

    pub async fn get(&self, id: String) -> Result<Option<Job>, DbError> {
        self.db.call(move |tx| load(tx, &id)).await
    }

    /// Returns a page of jobs, and the number of its last job if there is a next page.
    pub async fn list(&self, request: ListJobs) -> Result<(Vec<Job>, Option<i64>), DbError> {
        let (compare, order) = if request.ascending { (">", "ASC") } else { ("<", "DESC") };
        let sql = format!(
            "SELECT number, job FROM mediaconvert_jobs
             WHERE (?1 IS NULL OR number {compare} ?1) AND (?2 IS NULL OR status = ?2)
             AND (?4 IS NULL OR instr(job ->> '$.settings.inputs[0].fileInput', ?4) > 0)
             AND (?5 IS NULL OR job ->> '$.queue' = ?5)
             ORDER BY number {order} LIMIT ?3"
        );
        self.db
            .call(move |tx| {
                let mut query = tx.prepare_cached(&sql)?;
                // One more than a page, to find out whether there is a next page.
                let limit = i64::from(request.max_results) + 1;
                let rows = query.query_map(
                    params![
                        request.after,
                        request.status.map(Status::as_str),
                        limit,
                        request.input_file,
                        request.queue
                    ],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )?;
                let mut found: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
                let more = found.len() > usize::from(request.max_results);
                found.truncate(request.max_results.into());
                let next = found.last().filter(|_| more).map(|(number, _)| *number);
                let jobs = found.into_iter().map(|(_, text)| from_json(text)).collect::<Result<_, _>>()?;
                Ok((jobs, next))
            })
            .await
    }

    /// Sets the oldest submitted job of the highest priority to `PROGRESSING` and returns it.
    pub async fn claim(&self) -> Result<Option<Job>, DbError> {
        let region = self.region.clone();
        let claimed = self
            .db
            .call(move |tx| {
                let submitted = with_status(tx, Status::Submitted)?;
                let paused = paused_queues(tx)?;
                let mut best: Option<Job> = None;
                for job in submitted.into_iter().filter(|job| !paused.contains(&job.queue)) {
                    if best.as_ref().is_none_or(|best| job.priority > best.priority) {
                        best = Some(job);
                    }
                }
                let Some(mut job) = best else { return Ok::<_, DbError>(None) };
                job.status = Status::Progressing;
                job.timing.start_time = Some(now_ms() / 1000);
                job.current_phase = Some(Phase::Probing);
                job.job_percent_complete = Some(0);
                save(tx, &job)?;
                Outbox::put(tx, &job.status_event(&region))?;
                Ok(Some(job))
            })
            .await?;
        self.outbox.wake();
        Ok(claimed)
    }

    /// Saves a job's progress, with an event if `is_announced`.
    pub async fn progress(&self, id: &str, progress: JobProgress, is_announced: bool) -> Result<(), DbError> {
        let region = self.region.clone();
        self.change(id, move |job| {
            job.current_phase = Some(progress.phase);
            job.job_percent_complete = Some(progress.job_percent());
            is_announced.then(|| job.progress_event(&region, progress))
        })
        .await
    }

    pub async fn complete(&self, id: &str, groups: Vec<GroupReport>) -> Result<(), DbError> {
        let region = self.region.clone();
        self.change(id, move |job| {
            job.status = Status::Complete;
            job.job_percent_complete = Some(100);
            job.output_group_details = Some(Job::output_group_details(&groups));
            Some(job.completion_event(&region, &groups))
        })
        .await
    }

    pub async fn fail(&self, id: &str, error: JobError) -> Result<(), DbError> {
        let region = self.region.clone();
        self.change(id, move |job| {
            let (code, message) = error.code_and_message();
            job.status = Status::Error;
            job.error_code = Some(code);
            job.error_message = Some(message);
            Some(job.error_event(&region, &error))
        })
        .await
    }

    pub async fn cancel(&self, id: String) -> Result<Cancellation, DbError> {
        let region = self.region.clone();
        let outcome = self
            .db
            .call(move |tx| {
                let Some(mut job) = load(tx, &id)? else { return Ok::<_, DbError>(Cancellation::NoSuchJob) };
                if job.status == Status::Canceled {
                    return Ok(Cancellation::Canceled);
                }
                if job.status.is_final() {
                    return Ok(Cancellation::AlreadyFinal(job.status));
                }
                job.status = Status::Canceled;
                job.timing.finish_time = Some(now_ms() / 1000);
                save(tx, &job)?;
                Outbox::put(tx, &job.status_event(&region))?;
                Ok(Cancellation::Canceled)
            })
            .await?;
        self.outbox.wake();
        Ok(outcome)
    }

    /// Records that a job created an object.
    pub async fn record_object(&self, job: String, uri: S3Uri) -> Result<(), DbError> {
        let sql = "INSERT OR REPLACE INTO mediaconvert_objects (bucket, key, job) VALUES (?1, ?2, ?3)";
        self.db.call(move |tx| Ok(tx.execute(sql, [uri.bucket, uri.key, job]).map(|_| ())?)).await
    }

    pub async fn forget_object(&self, uri: S3Uri) -> Result<(), DbError> {
        let sql = "DELETE FROM mediaconvert_objects WHERE bucket = ?1 AND key = ?2";
        self.db.call(move |tx| Ok(tx.execute(sql, [uri.bucket, uri.key]).map(|_| ())?)).await
    }

    /// Returns the job that created an object and isn't complete.
    pub async fn creator(&self, uri: S3Uri) -> Result<Option<String>, DbError> {
        let sql = "SELECT job FROM mediaconvert_objects WHERE bucket = ?1 AND key = ?2";
        let find = move |tx: &Transaction<'_>| {
            Ok(tx.query_row(sql, [uri.bucket, uri.key], |row| row.get(0)).optional()?)
        };
        self.db.call(find).await
    }

    /// Returns what a job created that isn't complete.
    pub async fn created_objects(&self, job: String) -> Result<Vec<S3Uri>, DbError> {
        self.db
            .call(move |tx| {
                let mut query =
                    tx.prepare_cached("SELECT bucket, key FROM mediaconvert_objects WHERE job = ?1")?;
                let uri = |row: &Row<'_>| Ok(S3Uri { bucket: row.get(0)?, key: row.get(1)? });
                Ok(query.query_map([job], uri)?.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Returns the failed and canceled jobs whose objects haven't been removed.
    pub async fn with_leftovers(&self) -> Result<Vec<String>, DbError> {
        self.db
            .call(|tx| {
                let mut query = tx.prepare_cached(
                    "SELECT DISTINCT id FROM mediaconvert_objects JOIN mediaconvert_jobs ON id = mediaconvert_objects.job
                     WHERE status IN ('CANCELED', 'ERROR')",
                )?;
                Ok(query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Changes a running job and queues the event that `change` returns, if any. Does nothing if the job was canceled.
    async fn change<F>(&self, id: &str, change: F) -> Result<(), DbError>
    where
        F: FnOnce(&mut Job) -> Option<Value> + Send + 'static,
    {
        let id = id.to_owned();
        self.db
            .call(move |tx| {
                let Some(mut job) = load(tx, &id)?.filter(|job| job.status == Status::Progressing) else {
                    return Ok::<_, DbError>(());
                };
                let event = change(&mut job);
                if job.status.is_final() {
                    job.current_phase = None;
                    job.timing.finish_time = Some(now_ms() / 1000);
                }
                save(tx, &job)?;
                if job.status == Status::Complete {
                    tx.execute("DELETE FROM mediaconvert_objects WHERE job = ?1", [&job.id])?;
                }
                if let Some(event) = event {
                    Outbox::put(tx, &event)?;
                }
                Ok(())
            })
            .await?;
        self.outbox.wake();
        Ok(())
    }
}

fn from_json(text: String) -> Result<Job, DbError> {
    Ok(serde_json::from_str(&text)?)
}

fn load(tx: &Transaction<'_>, id: &str) -> Result<Option<Job>, DbError> {
    let found = tx.query_row("SELECT job FROM mediaconvert_jobs WHERE id = ?1", [id], |row| row.get(0));
    found.optional()?.map(from_json).transpose()
}

fn save(tx: &Transaction<'_>, job: &Job) -> Result<(), DbError> {
    let text = serde_json::to_string(job)?;
    let sql = "UPDATE mediaconvert_jobs SET status = ?2, job = ?3 WHERE id = ?1";
    tx.execute(sql, params![job.id, job.status.as_str(), text])?;
    Ok(())
}

/// Returns all jobs with a status, oldest first.
fn with_status(tx: &Transaction<'_>, status: Status) -> Result<Vec<Job>, DbError> {
    let mut query =
        tx.prepare_cached("SELECT job FROM mediaconvert_jobs WHERE status = ?1 ORDER BY number")?;
    let texts: Vec<String> =
        query.query_map([status.as_str()], |row| row.get(0))?.collect::<Result<_, _>>()?;
    texts.into_iter().map(from_json).collect()
}

/// Returns the ARNs of the queues whose jobs wait.
fn paused_queues(tx: &Transaction<'_>) -> Result<Vec<String>, DbError> {
    let mut query = tx.prepare_cached(
        "SELECT body ->> '$.arn' FROM mediaconvert_resources
         WHERE kind = 'queue' AND body ->> '$.status' = 'PAUSED'",
    )?;
    Ok(query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}
