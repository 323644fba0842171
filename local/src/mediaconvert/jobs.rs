//! The table of jobs. Every change of state and the event that tells of it are one transaction; a job that
//! has ended never changes again.

use super::job::{ACCOUNT, GroupReport, Job, Phase, QUEUE, Stage, Status, Timing, now};
use super::job_error::Failure;
use super::request::{CreateJob, ListJobs};
use crate::db::Db;
use crate::outbox::Outbox;
use rusqlite::{OptionalExtension as _, Transaction, params};
use serde_json::{Value, json};

#[derive(Clone)]
pub struct Jobs {
    db: Db,
    outbox: Outbox,
    region: String,
}

/// What became of a wish to cancel.
#[derive(Debug, PartialEq, Eq)]
pub enum Cancellation {
    Done,
    NoSuchJob,
    /// It has ended in this state before.
    TooLate(Status),
}

/// The database refuses, or holds what can't be read.
#[derive(Debug)]
pub struct Broken(rusqlite::Error);

impl From<rusqlite::Error> for Broken {
    fn from(error: rusqlite::Error) -> Self {
        Self(error)
    }
}

impl From<serde_json::Error> for Broken {
    fn from(error: serde_json::Error) -> Self {
        Self(rusqlite::Error::ToSqlConversionFailure(error.into()))
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Jobs {
    /// Opens the table and puts jobs that were under way back into the queue: their half-made outputs died
    /// with the process that made them.
    pub async fn open(db: Db, outbox: Outbox, region: String) -> Result<Self, Broken> {
        db.call(|tx| {
            tx.execute_batch(
                "CREATE TABLE IF NOT EXISTS mediaconvert_jobs (
                    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
                    status TEXT NOT NULL, token TEXT UNIQUE, job TEXT NOT NULL);
                 CREATE INDEX IF NOT EXISTS mediaconvert_jobs_by_status ON mediaconvert_jobs (status, number)",
            )?;
            for mut job in with_status(tx, Status::Progressing)? {
                job.status = Status::Submitted;
                job.retry_count += 1;
                save(tx, &job)?;
            }
            Ok::<_, Broken>(())
        })
        .await?;
        Ok(Self { db, outbox, region })
    }

    /// Adds a job, or hands back the one that came with the same token before.
    pub async fn create(&self, request: CreateJob) -> Result<Job, Broken> {
        let job = self.new_job(request)?;
        self.db
            .call(move |tx| {
                if let Some(token) = &job.client_request_token {
                    let known = "SELECT job FROM mediaconvert_jobs WHERE token = ?1";
                    if let Some(text) = tx.query_row(known, [token], |row| row.get(0)).optional()? {
                        return read(text);
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

    fn new_job(&self, request: CreateJob) -> Result<Job, Broken> {
        let now = now();
        let id = format!("{}-{}", now.as_millis(), &uuid::Uuid::new_v4().simple().to_string()[..6]);
        let region = &self.region;
        Ok(Job {
            arn: format!("arn:aws:mediaconvert:{region}:{ACCOUNT}:jobs/{id}"),
            id,
            created_at: now.as_secs(),
            status: Status::Submitted,
            queue: format!("arn:aws:mediaconvert:{region}:{ACCOUNT}:queues/{QUEUE}"),
            role: request.role,
            settings: request.settings,
            user_metadata: request.user_metadata,
            client_request_token: request.client_request_token,
            priority: request.priority,
            timing: Timing { submit_time: now.as_secs(), ..Timing::default() },
            current_phase: None,
            job_percent_complete: None,
            error_code: None,
            error_message: None,
            output_group_details: None,
            retry_count: 0,
            acceleration_status: "NOT_APPLICABLE".into(),
            status_update_interval: "SECONDS_60".into(),
            messages: json!({"info": [], "warning": []}),
        })
    }

    pub async fn get(&self, id: String) -> Result<Option<Job>, Broken> {
        self.db.call(move |tx| load(tx, &id)).await
    }

    /// A page of jobs, and where the next one begins.
    pub async fn list(&self, wanted: ListJobs) -> Result<(Vec<Job>, Option<i64>), Broken> {
        let (compare, order) = if wanted.ascending { (">", "ASC") } else { ("<", "DESC") };
        let sql = format!(
            "SELECT number, job FROM mediaconvert_jobs
             WHERE (?1 IS NULL OR number {compare} ?1) AND (?2 IS NULL OR status = ?2)
             AND (?4 IS NULL OR instr(job ->> '$.settings.inputs[0].fileInput', ?4) > 0)
             ORDER BY number {order} LIMIT ?3"
        );
        self.db
            .call(move |tx| {
                let mut query = tx.prepare_cached(&sql)?;
                // One more than asked for tells whether there is a next page.
                let most = i64::from(wanted.max_results) + 1;
                let rows = query.query_map(
                    params![wanted.after, wanted.status.map(Status::as_str), most, wanted.input_file],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )?;
                let mut found: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
                let more = found.len() > usize::from(wanted.max_results);
                found.truncate(wanted.max_results.into());
                let next = found.last().filter(|_| more).map(|(number, _)| *number);
                let jobs = found.into_iter().map(|(_, text)| read(text)).collect::<Result<_, _>>()?;
                Ok((jobs, next))
            })
            .await
    }

    /// Takes the oldest waiting job of the highest priority into work.
    pub async fn claim(&self) -> Result<Option<Job>, Broken> {
        let region = self.region.clone();
        let claimed = self
            .db
            .call(move |tx| {
                let waiting = with_status(tx, Status::Submitted)?;
                let mut best: Option<Job> = None;
                for job in waiting {
                    if best.as_ref().is_none_or(|best| job.priority > best.priority) {
                        best = Some(job);
                    }
                }
                let Some(mut job) = best else { return Ok::<_, Broken>(None) };
                job.status = Status::Progressing;
                job.timing.start_time = Some(now().as_secs());
                job.current_phase = Some(Phase::Probing);
                job.job_percent_complete = Some(0);
                save(tx, &job)?;
                Outbox::put(tx, &job.event(&region))?;
                Ok(Some(job))
            })
            .await?;
        self.outbox.wake();
        Ok(claimed)
    }

    pub async fn progress(&self, id: &str, stage: Stage) -> Result<(), Broken> {
        let region = self.region.clone();
        self.change(id, move |job| {
            job.current_phase = Some(stage.phase);
            job.job_percent_complete = Some(stage.job_percent());
            job.event_of_progress(&region, stage)
        })
        .await
    }

    pub async fn complete(&self, id: &str, groups: Vec<GroupReport>) -> Result<(), Broken> {
        let region = self.region.clone();
        self.change(id, move |job| {
            job.status = Status::Complete;
            job.job_percent_complete = Some(100);
            job.output_group_details = Some(Job::details(&groups));
            job.event_of_completion(&region, &groups)
        })
        .await
    }

    pub async fn fail(&self, id: &str, failure: Failure) -> Result<(), Broken> {
        let region = self.region.clone();
        self.change(id, move |job| {
            let (code, message) = failure.answer();
            job.status = Status::Error;
            job.error_code = Some(code);
            job.error_message = Some(message);
            job.event_of_failure(&region, &failure)
        })
        .await
    }

    pub async fn cancel(&self, id: String) -> Result<Cancellation, Broken> {
        let region = self.region.clone();
        let outcome = self
            .db
            .call(move |tx| {
                let Some(mut job) = load(tx, &id)? else { return Ok::<_, Broken>(Cancellation::NoSuchJob) };
                if job.status == Status::Canceled {
                    return Ok(Cancellation::Done);
                }
                if job.status.is_final() {
                    return Ok(Cancellation::TooLate(job.status));
                }
                job.status = Status::Canceled;
                job.timing.finish_time = Some(now().as_secs());
                save(tx, &job)?;
                Outbox::put(tx, &job.event(&region))?;
                Ok(Cancellation::Done)
            })
            .await?;
        self.outbox.wake();
        Ok(outcome)
    }

    /// Changes a job that is under way and puts the event out; does nothing to one that was canceled.
    async fn change<F>(&self, id: &str, change: F) -> Result<(), Broken>
    where
        F: FnOnce(&mut Job) -> Value + Send + 'static,
    {
        let id = id.to_owned();
        self.db
            .call(move |tx| {
                let Some(mut job) = load(tx, &id)?.filter(|job| job.status == Status::Progressing) else {
                    return Ok::<_, Broken>(());
                };
                let event = change(&mut job);
                if job.status.is_final() {
                    job.current_phase = None;
                    job.timing.finish_time = Some(now().as_secs());
                }
                save(tx, &job)?;
                Outbox::put(tx, &event)?;
                Ok(())
            })
            .await?;
        self.outbox.wake();
        Ok(())
    }
}

fn read(text: String) -> Result<Job, Broken> {
    Ok(serde_json::from_str(&text)?)
}

fn load(tx: &Transaction<'_>, id: &str) -> Result<Option<Job>, Broken> {
    let found = tx.query_row("SELECT job FROM mediaconvert_jobs WHERE id = ?1", [id], |row| row.get(0));
    found.optional()?.map(read).transpose()
}

fn save(tx: &Transaction<'_>, job: &Job) -> Result<(), Broken> {
    let text = serde_json::to_string(job)?;
    let sql = "UPDATE mediaconvert_jobs SET status = ?2, job = ?3 WHERE id = ?1";
    tx.execute(sql, params![job.id, job.status.as_str(), text])?;
    Ok(())
}

/// All jobs of that status, oldest first.
fn with_status(tx: &Transaction<'_>, status: Status) -> Result<Vec<Job>, Broken> {
    let mut query =
        tx.prepare_cached("SELECT job FROM mediaconvert_jobs WHERE status = ?1 ORDER BY number")?;
    let texts: Vec<String> =
        query.query_map([status.as_str()], |row| row.get(0))?.collect::<Result<_, _>>()?;
    texts.into_iter().map(read).collect()
}
