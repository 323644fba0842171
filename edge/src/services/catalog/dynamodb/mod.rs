//! The catalog in a DynamoDB table, for AWS. Each write is conditional on the absence of an item or on the version
//! that was read. deploy/template.yaml defines the table.

mod error;
mod item;
#[cfg(test)]
mod tests;
mod write;

use super::{
    AddOutcome, ApplyOutcome, Catalog, CatalogError, Claim, Cursor, DailyLimits, LEASE_MS, Lease,
    ObjectVersion, OwnerLimits, VideoRecord, VideoTransition,
};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure as OnFailure,
};
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use error::{RetryTransactionConflicts, classify, is_condition_failure};
use item::{COMPLETED, Item, decode_record, number, strings, text};
use std::ops::Range;
use std::time::Duration;
use write::{Canceled, Written};

/// Attempts of a write that loses against concurrent ones. Each time another writer succeeds, and one item has few
/// writers.
const MAX_ATTEMPTS: u32 = 12;
const RETRY_BASE_DELAY_MS: u64 = 5;
/// For one attempt of a call: a connection may be dead after Lambda froze the process.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

pub struct DynamoDb {
    client: Client,
    table: String,
}

impl DynamoDb {
    pub fn new(sdk: &SdkConfig, table: &str) -> Self {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
        let config =
            Builder::from(sdk).retry_classifier(RetryTransactionConflicts).timeout_config(timeouts).build();
        Self { client: Client::from_conf(config), table: table.into() }
    }

    fn update(&self, id: String) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("id", text(id))
    }

    /// Removes expired uploads from an owner's open ones. Returns whether there were any.
    async fn drop_expired(&self, owner: &str, now_ms: u64) -> Result<bool, CatalogError> {
        let got = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", text(item::owner_id(owner)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| classify(&error))?;
        let expired = item::expired(got.item.as_ref(), now_ms);
        if expired.is_empty() {
            return Ok(false);
        }
        self.update(item::owner_id(owner))
            .update_expression("DELETE #open :expired")
            .expression_attribute_names("#open", "open")
            .expression_attribute_values(":expired", strings(expired))
            .send()
            .await
            .map_err(|error| classify(&error))?;
        Ok(true)
    }
}

/// Exponential backoff with full jitter: at most 5 ms after the first attempt, 320 ms later.
async fn backoff(attempt: u32) {
    let mut jitter = [0];
    // A failure only removes the jitter.
    let _ = getrandom::fill(&mut jitter);
    let max_ms = RETRY_BASE_DELAY_MS << attempt.min(6);
    tokio::time::sleep(Duration::from_millis(1 + max_ms * u64::from(jitter[0]) / 255)).await;
}

#[async_trait::async_trait]
impl Catalog for DynamoDb {
    async fn add(&self, record: VideoRecord, limits: OwnerLimits) -> Result<AddOutcome, CatalogError> {
        let mut dropped_expired = false;
        for attempt in 0..MAX_ATTEMPTS {
            match self.try_add(&record, limits).await? {
                None => return Ok(AddOutcome::Added),
                Some(Canceled::Video(Some(existing))) => return Ok(AddOutcome::Exists(existing)),
                Some(Canceled::OverDailyLimit) => return Ok(AddOutcome::OverDailyLimit),
                Some(Canceled::TooMany) if dropped_expired => return Ok(AddOutcome::TooManyOpen),
                Some(Canceled::TooMany) => {
                    if !self.drop_expired(&record.owner, record.created_ms).await? {
                        return Ok(AddOutcome::TooManyOpen);
                    }
                    dropped_expired = true;
                }
                Some(Canceled::Video(None) | Canceled::Conflict) => backoff(attempt).await,
            }
        }
        Err(CatalogError::Contention)
    }

    async fn get(&self, video_id: &str) -> Result<Option<VideoRecord>, CatalogError> {
        let got = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", text(item::video_id(video_id)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| classify(&error))?;
        got.item.as_ref().map(|item| decode_record(Some(item))).transpose()
    }

    async fn apply_within(
        &self,
        video_id: &str,
        transition: VideoTransition,
        limits: DailyLimits,
        now_ms: u64,
    ) -> Result<ApplyOutcome, CatalogError> {
        for attempt in 0..MAX_ATTEMPTS {
            let Some(before) = self.get(video_id).await? else { return Ok(ApplyOutcome::NotFound) };
            let mut record = before.clone();
            if !record.apply(transition.clone(), now_ms) {
                return Ok(ApplyOutcome::Applied(Box::new(record)));
            }
            match self.write(&before, &record, None, (limits, now_ms)).await? {
                Written::Done => return Ok(ApplyOutcome::Applied(Box::new(record))),
                Written::OverDailyLimit => return Ok(ApplyOutcome::OverDailyLimit),
                Written::Outdated => backoff(attempt).await,
            }
        }
        Err(CatalogError::Contention)
    }

    async fn delete_open(&self, video_id: &str, s3_upload: Option<&str>) -> Result<(), CatalogError> {
        // Only open uploads and deleted videos have `expires`; it is removed once the object is stored.
        let mut condition = "attribute_exists(expires) AND attribute_not_exists(deleted)".to_owned();
        let mut delete =
            self.client.delete_item().table_name(&self.table).key("id", text(item::video_id(video_id)));
        if let Some(id) = s3_upload {
            condition += " AND (attribute_not_exists(s3_upload) OR s3_upload = :upload)";
            delete = delete.expression_attribute_values(":upload", text(id));
        }
        let delete = delete.condition_expression(condition).return_values(ReturnValue::AllOld);
        let deleted = delete.send().await;
        match deleted {
            Ok(deleted) => {
                let record = decode_record(deleted.attributes.as_ref())?;
                // Best effort: the upload stops counting when it expires.
                if let Err(error) = self.send_update(write::close_upload(&self.table, &record)?).await {
                    tracing::warn!(video = video_id, ?error, "an aborted upload still counts as open");
                }
                Ok(())
            }
            Err(error) if is_condition_failure(&error) => Ok(()),
            Err(error) => Err(classify(&error)),
        }
    }

    async fn list(
        &self,
        owner: &str,
        limit: usize,
        from: Option<Cursor>,
    ) -> Result<Vec<VideoRecord>, CatalogError> {
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("by-owner")
            .key_condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", text(owner))
            .scan_index_forward(false);
        if let Some(cursor) = from {
            query = query
                .key_condition_expression("#owner = :owner AND created < :from")
                .expression_attribute_values(
                    ":from",
                    text(item::created(cursor.created_ms, &cursor.video_id)),
                );
        }
        let mut records = self.pages(query, limit).await?;
        // The index follows the table with a delay.
        records.retain(|record| !record.is_deleted());
        Ok(records)
    }

    async fn list_stale(&self, range: Range<u64>, limit: usize) -> Result<Vec<VideoRecord>, CatalogError> {
        let Some(last_ms) = range.end.checked_sub(1) else { return Ok(Vec::new()) };
        let mut records = Vec::new();
        for shard in item::SHARDS {
            let query = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("unfinished")
                .key_condition_expression("#shard = :shard AND due_ms BETWEEN :from AND :last")
                .expression_attribute_names("#shard", "shard")
                .expression_attribute_values(":shard", text(shard))
                .expression_attribute_values(":from", number(range.start))
                .expression_attribute_values(":last", number(last_ms));
            records.extend(self.pages(query, limit).await?);
        }
        records.sort_by_key(VideoRecord::stale_at_ms);
        records.truncate(limit);
        Ok(records)
    }

    async fn claim(
        &self,
        object: ObjectVersion,
        new: VideoRecord,
        now_ms: u64,
    ) -> Result<Claim, CatalogError> {
        let digest = object.digest();
        let mut set = "SET #lease = :ends, entry = if_not_exists(entry, :entry),
                     updated_ms = if_not_exists(updated_ms, :updated), #shard = if_not_exists(#shard, :shard),
                     due_ms = if_not_exists(due_ms, :updated), object_key = if_not_exists(object_key, :key)"
            .to_owned();
        let mut update = self.update(item::video_id(&new.video_id));
        // An index's key can't be empty: a video without an owner isn't in the list of any.
        if !new.owner.is_empty() {
            set += ", #owner = if_not_exists(#owner, :owner), created = if_not_exists(created, :created)";
            let created = item::created(new.created_ms, &new.video_id);
            update = update
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_values(":owner", text(&new.owner))
                .expression_attribute_values(":created", text(created));
        }
        let claimed = update
            .update_expression(set + " ADD #tries :one REMOVE expires")
            .condition_expression(
                "(attribute_not_exists(#lease) OR #lease < :now) AND attribute_not_exists(deleted) \
                 AND (attribute_not_exists(object_key) OR object_key = :key)",
            )
            .expression_attribute_values(":key", text(&object.key))
            .expression_attribute_names("#shard", "shard")
            .expression_attribute_names("#lease", item::lease(&digest))
            .expression_attribute_names("#tries", item::claim_count(&digest))
            .expression_attribute_values(":ends", number(now_ms + LEASE_MS))
            .expression_attribute_values(":now", number(now_ms + 1))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":entry", text(item::encode_record(&new)?))
            .expression_attribute_values(":updated", number(new.updated_ms))
            .expression_attribute_values(":shard", text(item::shard(&new.video_id)))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .send()
            .await;
        match claimed {
            Ok(granted) => {
                let record = decode_record(granted.attributes.as_ref())?;
                let is_retry = item::number_of(granted.attributes.as_ref(), &item::claim_count(&digest)) > 1;
                Ok(Claim::Granted(Box::new(Lease { object, record, is_retry })))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failure)) => {
                    let record = decode_record(failure.item())?;
                    if record.key.as_ref().is_some_and(|key| *key != object.key) {
                        return Ok(Claim::OtherObject);
                    }
                    let is_completed = item::number_of(failure.item(), &item::lease(&digest)) == COMPLETED;
                    Ok(if is_completed || record.is_deleted() {
                        Claim::Completed(Box::new(record))
                    } else {
                        Claim::Busy
                    })
                }
                _ => Err(classify(&error)),
            },
        }
    }

    async fn complete_claim(
        &self,
        lease: Lease,
        transition: VideoTransition,
        now_ms: u64,
    ) -> Result<VideoRecord, CatalogError> {
        let name = item::lease(&lease.object.digest());
        let mut before = lease.record;
        for attempt in 0..MAX_ATTEMPTS {
            let mut record = before.clone();
            record.apply(transition.clone(), now_ms);
            if self.write(&before, &record, Some(&name), (DailyLimits::default(), now_ms)).await?
                == Written::Done
            {
                return Ok(record);
            }
            backoff(attempt).await;
            before = self.get(&before.video_id).await?.unwrap_or(before);
        }
        Err(CatalogError::Contention)
    }

    async fn release_claim(&self, lease: &Lease) -> Result<(), CatalogError> {
        let released = self
            .update(item::video_id(&lease.record.video_id))
            .update_expression("SET #lease = :over")
            // Another worker may have taken the claim over and completed it.
            .condition_expression("#lease < :completed")
            .expression_attribute_names("#lease", item::lease(&lease.object.digest()))
            .expression_attribute_values(":over", number(0))
            .expression_attribute_values(":completed", number(COMPLETED))
            .send()
            .await;
        match released {
            Err(error) if !is_condition_failure(&error) => Err(classify(&error)),
            _ => Ok(()),
        }
    }
}

impl DynamoDb {
    /// The records of a query, page after page, at most `limit`.
    async fn pages(
        &self,
        query: aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder,
        limit: usize,
    ) -> Result<Vec<VideoRecord>, CatalogError> {
        let mut records = Vec::new();
        let mut from: Option<Item> = None;
        loop {
            let missing = i32::try_from(limit - records.len()).unwrap_or(i32::MAX);
            let page = query.clone().limit(missing).set_exclusive_start_key(from).send().await;
            let page = page.map_err(|error| classify(&error))?;
            for item in page.items.unwrap_or_default() {
                records.push(decode_record(Some(&item))?);
            }
            from = page
                .last_evaluated_key
                .filter(|key: &std::collections::HashMap<String, AttributeValue>| !key.is_empty());
            if from.is_none() || records.len() >= limit {
                return Ok(records);
            }
        }
    }
}
