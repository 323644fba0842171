//! The catalog in a DynamoDB table: AWS. Each write is conditional: on nothing being there, or on the version
//! that was read. The table's schema is deploy/template.yaml's.

mod failure;
mod item;
#[cfg(test)]
mod tests;
mod write;

use super::{Added, Catalog, CatalogError, Change, Claim, Cursor, Entry, LEASE_MS, Lease, ObjectVersion};
use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure as OnFailure,
};
use failure::{Collisions, failed, was_refused};
use item::{Item, SETTLED, number, read_entry, strings, text};
use std::time::Duration;
use write::Canceled;

/// How often a write is tried again because another one came first. Each has then made progress, and the
/// writers of one item are few.
const TRIES: u32 = 12;
/// How long one try of a call may take. Connections can die unheard while Lambda has frozen us.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct DynamoDb {
    client: Client,
    table: String,
}

impl DynamoDb {
    pub fn new(sdk: &SdkConfig, table: &str) -> Self {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(PATIENCE).build();
        let config = Builder::from(sdk).retry_classifier(Collisions).timeout_config(timeouts).build();
        Self { client: Client::from_conf(config), table: table.into() }
    }

    fn update(&self, id: String) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("id", text(id))
    }

    /// Stops counting an owner's open uploads that have run out. Whether there were any.
    async fn drop_expired(&self, owner: &str, now_ms: u64) -> Result<bool, CatalogError> {
        let got = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", text(item::owner_id(owner)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| failed(&error))?;
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
            .map_err(|error| failed(&error))?;
        Ok(true)
    }
}

/// A short wait, longer the more often, and different for each.
async fn pause(tries: u32) {
    let mut chance = [0];
    // Without chance the waits are merely all alike.
    let _ = getrandom::fill(&mut chance);
    let most = 5u64 << tries.min(6);
    tokio::time::sleep(Duration::from_millis(1 + most * u64::from(chance[0]) / 255)).await;
}

fn crowded() -> CatalogError {
    CatalogError::Failed("too many writes of one item at once".into())
}

#[async_trait::async_trait]
impl Catalog for DynamoDb {
    async fn add(&self, entry: Entry, most_open: u32) -> Result<Added, CatalogError> {
        let mut tidied = false;
        for tries in 0..TRIES {
            match self.try_add(&entry, most_open).await? {
                None => return Ok(Added::New),
                Some(Canceled::Video(Some(there))) => return Ok(Added::There(there)),
                Some(Canceled::TooMany) if tidied => return Ok(Added::TooMany),
                Some(Canceled::TooMany) => {
                    if !self.drop_expired(&entry.owner, entry.created_ms).await? {
                        return Ok(Added::TooMany);
                    }
                    tidied = true;
                }
                Some(Canceled::Video(None) | Canceled::Conflict) => pause(tries).await,
            }
        }
        Err(crowded())
    }

    async fn get(&self, video_id: &str) -> Result<Option<Entry>, CatalogError> {
        let got = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", text(item::video_id(video_id)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| failed(&error))?;
        got.item.as_ref().map(|item| read_entry(Some(item))).transpose()
    }

    async fn change(
        &self,
        video_id: &str,
        change: Change,
        now_ms: u64,
    ) -> Result<Option<Entry>, CatalogError> {
        for tries in 0..TRIES {
            let Some(before) = self.get(video_id).await? else { return Ok(None) };
            let mut entry = before.clone();
            if !entry.apply(change.clone(), now_ms) || self.write(&before, &entry, None).await? {
                return Ok(Some(entry));
            }
            pause(tries).await;
        }
        Err(crowded())
    }

    async fn forget(&self, video_id: &str) -> Result<(), CatalogError> {
        let deleted = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("id", text(item::video_id(video_id)))
            // Only an open upload expires, and one whose object has come no longer does.
            .condition_expression("attribute_exists(expires)")
            .return_values(ReturnValue::AllOld)
            .send()
            .await;
        match deleted {
            Ok(deleted) => {
                let entry = read_entry(deleted.attributes.as_ref())?;
                // Best effort: it also counts no longer once it has expired.
                if let Err(error) = self.apply(write::close(&self.table, &entry)?).await {
                    tracing::warn!(video = video_id, ?error, "an aborted upload stays counted");
                }
                Ok(())
            }
            Err(error) if was_refused(&error) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn list(
        &self,
        owner: &str,
        limit: usize,
        from: Option<Cursor>,
    ) -> Result<Vec<Entry>, CatalogError> {
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
        self.pages(query, limit).await
    }

    async fn overdue(&self, before_ms: u64, limit: usize) -> Result<Vec<Entry>, CatalogError> {
        let mut entries = Vec::new();
        for shard in item::SHARDS {
            let query = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("unfinished")
                .key_condition_expression("#shard = :shard AND due_ms < :before")
                .expression_attribute_names("#shard", "shard")
                .expression_attribute_values(":shard", text(shard))
                .expression_attribute_values(":before", number(before_ms));
            entries.extend(self.pages(query, limit).await?);
        }
        entries.sort_by_key(Entry::due_ms);
        entries.truncate(limit);
        Ok(entries)
    }

    async fn claim(&self, object: ObjectVersion, new: Entry, now_ms: u64) -> Result<Claim, CatalogError> {
        let digest = object.digest();
        let asked = self
            .update(item::video_id(&new.video_id))
            .update_expression(
                "SET #lease = :ends, entry = if_not_exists(entry, :entry),
                     updated_ms = if_not_exists(updated_ms, :updated), #shard = if_not_exists(#shard, :shard),
                     due_ms = if_not_exists(due_ms, :updated)
                 ADD #tries :one REMOVE expires",
            )
            .condition_expression("attribute_not_exists(#lease) OR #lease < :now")
            .expression_attribute_names("#shard", "shard")
            .expression_attribute_names("#lease", item::lease(&digest))
            .expression_attribute_names("#tries", item::tries(&digest))
            .expression_attribute_values(":ends", number(now_ms + LEASE_MS))
            .expression_attribute_values(":now", number(now_ms + 1))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":entry", text(item::write_entry(&new)?))
            .expression_attribute_values(":updated", number(new.updated_ms))
            .expression_attribute_values(":shard", text(item::shard(&new.video_id)))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .send()
            .await;
        match asked {
            Ok(granted) => {
                let entry = read_entry(granted.attributes.as_ref())?;
                let again = item::number_of(granted.attributes.as_ref(), &item::tries(&digest)) > 1;
                Ok(Claim::Granted(Box::new(Lease { object, entry, again })))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    if item::number_of(refused.item(), &item::lease(&digest)) != SETTLED {
                        return Ok(Claim::Busy);
                    }
                    Ok(Claim::Done(Box::new(read_entry(refused.item())?)))
                }
                _ => Err(failed(&error)),
            },
        }
    }

    async fn settle(&self, lease: Lease, change: Change, now_ms: u64) -> Result<Entry, CatalogError> {
        let name = item::lease(&lease.object.digest());
        let mut before = lease.entry;
        for tries in 0..TRIES {
            let mut entry = before.clone();
            entry.apply(change.clone(), now_ms);
            if self.write(&before, &entry, Some(&name)).await? {
                return Ok(entry);
            }
            pause(tries).await;
            before = self.get(&before.video_id).await?.unwrap_or(before);
        }
        Err(crowded())
    }

    async fn release(&self, lease: &Lease) -> Result<(), CatalogError> {
        let released = self
            .update(item::video_id(&lease.entry.video_id))
            .update_expression("SET #lease = :over")
            // Whoever has taken it over may have settled it.
            .condition_expression("#lease < :settled")
            .expression_attribute_names("#lease", item::lease(&lease.object.digest()))
            .expression_attribute_values(":over", number(0))
            .expression_attribute_values(":settled", number(SETTLED))
            .send()
            .await;
        match released {
            Err(error) if !was_refused(&error) => Err(failed(&error)),
            _ => Ok(()),
        }
    }
}

impl DynamoDb {
    /// The entries of a query, page after page, at most `limit`.
    async fn pages(
        &self,
        query: aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder,
        limit: usize,
    ) -> Result<Vec<Entry>, CatalogError> {
        let mut entries = Vec::new();
        let mut from: Option<Item> = None;
        loop {
            let missing = i32::try_from(limit - entries.len()).unwrap_or(i32::MAX);
            let page = query.clone().limit(missing).set_exclusive_start_key(from).send().await;
            let page = page.map_err(|error| failed(&error))?;
            for item in page.items.unwrap_or_default() {
                entries.push(read_entry(Some(&item))?);
            }
            from = page
                .last_evaluated_key
                .filter(|key: &std::collections::HashMap<String, AttributeValue>| !key.is_empty());
            if from.is_none() || entries.len() >= limit {
                return Ok(entries);
            }
        }
    }
}
