//! Queues, presets, job templates and tags in SQLite.

use super::error::ServiceError;
use super::job::{ACCOUNT, QUEUE};
use super::resolve::preset_name;
use super::system_presets;
use crate::db::{Db, DbError};
use edge::clock::now_ms;
use rusqlite::{OptionalExtension as _, Transaction, params};
use serde_json::{Map, Value, json};

/// Maximum number of resources of a kind; MediaConvert's quotas are lower.
const MAX_RESOURCES: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceKind {
    Queue,
    Preset,
    JobTemplate,
}

impl ResourceKind {
    pub const ALL: [Self; 3] = [Self::Queue, Self::Preset, Self::JobTemplate];

    /// Returns the member of responses; the path and the list have an `s` behind.
    pub fn member(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Preset => "preset",
            Self::JobTemplate => "jobTemplate",
        }
    }

    /// Members that a caller may set.
    fn writable(self) -> &'static [&'static str] {
        match self {
            Self::Queue => {
                &["description", "status", "pricingPlan", "concurrentJobs", "maximumConcurrentFeeds"]
            }
            Self::Preset => &["description", "category", "settings"],
            Self::JobTemplate => &[
                "description",
                "category",
                "settings",
                "queue",
                "priority",
                "accelerationSettings",
                "hopDestinations",
                "statusUpdateInterval",
            ],
        }
    }
}

#[derive(Clone)]
pub struct Resources {
    db: Db,
    region: String,
}

impl Resources {
    /// Creates the tables and the default queue.
    pub async fn open(db: Db, region: String) -> Result<Self, DbError> {
        let resources = Self { db, region };
        let queue = resources.new_body(ResourceKind::Queue, QUEUE, &Map::new(), "SYSTEM").to_string();
        resources
            .db
            .call(move |tx| {
                tx.execute_batch(
                    "CREATE TABLE IF NOT EXISTS mediaconvert_resources (
                        kind TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, name));
                     CREATE TABLE IF NOT EXISTS mediaconvert_tags (
                        arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (arn, key))",
                )?;
                let sql = "INSERT OR IGNORE INTO mediaconvert_resources (kind, name, body) VALUES ('queue', ?1, ?2)";
                tx.execute(sql, params![QUEUE, queue])?;
                Ok::<_, DbError>(())
            })
            .await?;
        Ok(resources)
    }

    fn new_body(&self, kind: ResourceKind, name: &str, members: &Map<String, Value>, type_: &str) -> Value {
        let now = now_ms() / 1000;
        let mut body = json!({
            "name": name,
            "arn": format!("arn:aws:mediaconvert:{}:{ACCOUNT}:{}s/{name}", self.region, kind.member()),
            "type": type_, "createdAt": now, "lastUpdated": now,
        });
        if kind == ResourceKind::Queue {
            body["status"] = "ACTIVE".into();
            body["pricingPlan"] = "ON_DEMAND".into();
        }
        for name in kind.writable() {
            if let Some(value) = members.get(*name).filter(|value| !value.is_null()) {
                body[*name] = value.clone();
            }
        }
        body
    }

    /// Creates a resource; returns it.
    pub async fn create(
        &self,
        kind: ResourceKind,
        name: &str,
        members: &Map<String, Value>,
    ) -> Result<Value, ServiceError> {
        let body = self.new_body(kind, name, members, "CUSTOM");
        let is_system = kind == ResourceKind::Preset && system_presets::settings(name).is_some();
        let (text, name) = (body.to_string(), name.to_owned());
        let created = self
            .db
            .call(move |tx| {
                let sql =
                    "INSERT OR IGNORE INTO mediaconvert_resources (kind, name, body) VALUES (?1, ?2, ?3)";
                Ok::<_, DbError>(tx.execute(sql, params![kind.member(), name, text])?)
            })
            .await?;
        if created == 0 || is_system {
            return Err(ServiceError::Conflict("There is a resource with this name already."));
        }
        Ok(body)
    }

    pub async fn get(&self, kind: ResourceKind, name: &str) -> Result<Option<Value>, ServiceError> {
        if kind == ResourceKind::Preset
            && let Some(settings) = system_presets::settings(name)
        {
            return Ok(Some(self.system_preset(name, settings)));
        }
        let name = name.to_owned();
        Ok(self
            .db
            .call(move |tx| {
                let body = load(tx, kind, &name)?;
                body.map(|body| with_job_counts(tx, kind, body)).transpose()
            })
            .await?)
    }

    fn system_preset(&self, name: &str, settings: Value) -> Value {
        let mut members = Map::new();
        members.insert("settings".into(), settings);
        self.new_body(ResourceKind::Preset, name, &members, "SYSTEM")
    }

    /// Changes the given members; returns the resource, or `None` if there is none.
    pub async fn update(
        &self,
        kind: ResourceKind,
        name: &str,
        members: Map<String, Value>,
    ) -> Result<Option<Value>, ServiceError> {
        let name = name.to_owned();
        Ok(self
            .db
            .call(move |tx| {
                let Some(mut body) = load(tx, kind, &name)? else { return Ok::<_, DbError>(None) };
                for member in kind.writable() {
                    if let Some(value) = members.get(*member).filter(|value| !value.is_null()) {
                        body[*member] = value.clone();
                    }
                }
                body["lastUpdated"] = (now_ms() / 1000).into();
                let sql = "UPDATE mediaconvert_resources SET body = ?3 WHERE kind = ?1 AND name = ?2";
                tx.execute(sql, params![kind.member(), name, body.to_string()])?;
                Ok(Some(with_job_counts(tx, kind, body)?))
            })
            .await?)
    }

    /// Deletes a resource; `false` if there is none.
    pub async fn delete(&self, kind: ResourceKind, name: &str) -> Result<bool, ServiceError> {
        let name = name.to_owned();
        let deleted = self.db.call(move |tx| {
            let sql = "DELETE FROM mediaconvert_resources WHERE kind = ?1 AND name = ?2";
            Ok::<_, DbError>(tx.execute(sql, params![kind.member(), name])?)
        });
        Ok(deleted.await? > 0)
    }

    /// Returns all resources of a kind by name; Amazon's presets if `system`.
    pub async fn list(&self, kind: ResourceKind, system: bool) -> Result<Vec<Value>, ServiceError> {
        if system {
            let presets = if kind == ResourceKind::Preset { system_presets::NAMES } else { &[] };
            let known = presets.iter().filter_map(|name| Some((name, system_presets::settings(name)?)));
            return Ok(known.map(|(name, settings)| self.system_preset(name, settings)).collect());
        }
        Ok(self
            .db
            .call(move |tx| {
                let sql = "SELECT body FROM mediaconvert_resources WHERE kind = ?1 ORDER BY name LIMIT ?2";
                let mut query = tx.prepare_cached(sql)?;
                let limit = i64::try_from(MAX_RESOURCES).unwrap_or(i64::MAX);
                let rows = query.query_map(params![kind.member(), limit], |row| row.get::<_, String>(0))?;
                let texts = rows.collect::<Result<Vec<_>, _>>()?;
                texts
                    .iter()
                    .map(|text| with_job_counts(tx, kind, serde_json::from_str(text)?))
                    .collect::<Result<Vec<_>, DbError>>()
            })
            .await?)
    }

    /// Returns the ARN of a queue given by name or ARN.
    pub async fn queue_arn(&self, queue: &str) -> Result<String, ServiceError> {
        let queue = self.get(ResourceKind::Queue, preset_name(queue)).await?;
        let queue = queue.ok_or(ServiceError::NotFound("There is no such queue."))?;
        Ok(queue["arn"].as_str().unwrap_or_default().to_owned())
    }

    /// Sets tags of an ARN.
    pub async fn tag(&self, arn: String, tags: Vec<(String, String)>) -> Result<(), ServiceError> {
        Ok(self
            .db
            .call(move |tx| {
                let sql = "INSERT OR REPLACE INTO mediaconvert_tags (arn, key, value) VALUES (?1, ?2, ?3)";
                for (key, value) in tags {
                    tx.execute(sql, params![arn, key, value])?;
                }
                Ok::<_, DbError>(())
            })
            .await?)
    }

    pub async fn untag(&self, arn: String, keys: Vec<String>) -> Result<(), ServiceError> {
        Ok(self
            .db
            .call(move |tx| {
                for key in keys {
                    tx.execute(
                        "DELETE FROM mediaconvert_tags WHERE arn = ?1 AND key = ?2",
                        params![arn, key],
                    )?;
                }
                Ok::<_, DbError>(())
            })
            .await?)
    }

    /// Returns the tags of an ARN as an object.
    pub async fn tags(&self, arn: String) -> Result<Value, ServiceError> {
        Ok(self
            .db
            .call(move |tx| {
                let mut query =
                    tx.prepare_cached("SELECT key, value FROM mediaconvert_tags WHERE arn = ?1")?;
                let pairs = query.query_map([arn], |row| Ok((row.get(0)?, Value::String(row.get(1)?))))?;
                let tags: Map<String, Value> = pairs.collect::<Result<_, _>>()?;
                Ok::<_, DbError>(Value::Object(tags))
            })
            .await?)
    }
}

fn load(tx: &Transaction<'_>, kind: ResourceKind, name: &str) -> Result<Option<Value>, DbError> {
    let sql = "SELECT body FROM mediaconvert_resources WHERE kind = ?1 AND name = ?2";
    let text: Option<String> = tx.query_row(sql, [kind.member(), name], |row| row.get(0)).optional()?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}

/// Adds the numbers of jobs to a queue.
fn with_job_counts(tx: &Transaction<'_>, kind: ResourceKind, mut body: Value) -> Result<Value, DbError> {
    if kind == ResourceKind::Queue {
        let sql = "SELECT count(*) FROM mediaconvert_jobs WHERE status = ?1 AND job ->> '$.queue' = ?2";
        for (member, status) in [("submittedJobsCount", "SUBMITTED"), ("progressingJobsCount", "PROGRESSING")]
        {
            let arn = body["arn"].as_str().unwrap_or_default();
            let count: i64 = tx.query_row(sql, params![status, arn], |row| row.get(0))?;
            body[member] = count.into();
        }
    }
    Ok(body)
}
