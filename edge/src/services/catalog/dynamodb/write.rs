//! Writes of a record. A video and its owner's count of open uploads are written together, or neither is.

use super::super::usage::{day, expires};
use super::super::{CatalogError, DailyLimits, OwnerLimits, ServiceError, Usage, VideoRecord};
use super::DynamoDb;
use super::error::{classify, is_condition_failure};
use super::item::{self, COMPLETED, decode_record, number, strings, text};
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnValuesOnConditionCheckFailure as OnFailure, TransactWriteItem, Update,
};

/// Why a transaction was canceled.
pub enum Canceled {
    /// The video's condition wasn't met. Contains the existing record if the request asked for it.
    Video(Option<Box<VideoRecord>>),
    /// The owner's condition wasn't met: too many uploads are open.
    TooMany,
    /// The condition of the owner's usage wasn't met.
    OverDailyLimit,
    /// Another transaction was writing the same item.
    Conflict,
}

/// The subject of an item of a transaction.
#[derive(Clone, Copy)]
enum Subject {
    Video,
    OpenUploads,
    Usage,
}

/// The result of replacing a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Written {
    Done,
    /// Another version is stored.
    Outdated,
    OverDailyLimit,
}

impl DynamoDb {
    /// Replaces the version `before` by `record`, and completes the claim whose lease attribute is `completes` in the
    /// same write. With `limits` and the time, what is counted of the record is also added to its owner's usage.
    pub async fn write(
        &self,
        before: &VideoRecord,
        record: &VideoRecord,
        completes: Option<&str>,
        limits: (DailyLimits, u64),
    ) -> Result<Written, CatalogError> {
        let (mut set, mut remove) = (vec!["entry = :entry", "updated_ms = :updated"], Vec::new());
        let mut update = Update::builder()
            .table_name(&self.table)
            .key("id", text(item::video_id(&record.video_id)))
            .condition_expression("updated_ms = :seen")
            .expression_attribute_names("#shard", "shard")
            .expression_attribute_values(":entry", text(item::encode_record(record)?))
            .expression_attribute_values(":updated", number(record.updated_ms))
            .expression_attribute_values(":seen", number(before.updated_ms));
        if record.is_done() {
            remove.extend(["#shard", "due_ms"]);
        } else {
            set.extend(["#shard = :shard", "due_ms = :due"]);
            update = update
                .expression_attribute_values(":shard", text(item::shard(&record.video_id)))
                .expression_attribute_values(":due", number(record.stale_at_ms()));
        }
        match item::expires(record) {
            None => remove.push("expires"),
            Some(at) if !record.is_open() => {
                set.push("expires = :expires");
                update = update.expression_attribute_values(":expires", number(at));
            }
            // An open upload has it already.
            Some(_) => {}
        }
        match &record.s3_upload {
            Some(id) if record.s3_upload != before.s3_upload => {
                set.push("s3_upload = :upload");
                update = update.expression_attribute_values(":upload", text(id));
            }
            _ => {}
        }
        if let Some(deletion) = record.deletion {
            set.push("deleted = :deleted");
            // Without them it isn't in the index of its owner's videos.
            remove.extend(["#owner", "created"]);
            update = update
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_values(":deleted", item::deleted(deletion));
        }
        if let Some(lease) = completes {
            set.push("#lease = :completed");
            update = update
                .expression_attribute_names("#lease", lease)
                .expression_attribute_values(":completed", number(COMPLETED));
        }
        let mut expression = format!("SET {}", set.join(", "));
        if !remove.is_empty() {
            expression += &format!(" REMOVE {}", remove.join(", "));
        }
        let update = update.update_expression(expression).build().map_err(invalid_request)?;
        let (limits, now_ms) = limits;
        let usage = self.count(record, before.counted, limits, now_ms)?;
        let closed = (before.is_open() && !record.is_open()).then(|| close_upload(&self.table, before));
        let closed = closed.transpose()?.map(|update| (Subject::OpenUploads, transact_update(update)));
        let others: Vec<_> = closed.into_iter().chain(usage).collect();
        if others.is_empty() {
            let is_written = self.send_update(update).await?;
            return Ok(if is_written { Written::Done } else { Written::Outdated });
        }
        let video = (Subject::Video, transact_update(update));
        Ok(match self.transact([video].into_iter().chain(others)).await? {
            None => Written::Done,
            Some(Canceled::OverDailyLimit) => Written::OverDailyLimit,
            Some(Canceled::Video(_) | Canceled::TooMany | Canceled::Conflict) => Written::Outdated,
        })
    }

    /// The write that adds to an owner's usage what `record` has more than `before`. `None`: nothing is counted.
    fn count(
        &self,
        record: &VideoRecord,
        before: Usage,
        limits: DailyLimits,
        now_ms: u64,
    ) -> Result<Option<(Subject, TransactWriteItem)>, CatalogError> {
        let more = record.counted.since(before);
        if limits.is_off() || more == Usage::default() {
            return Ok(None);
        }
        // More than a limit in itself: no condition on the item's attributes can say so.
        let exceeds = !limits.allow(Usage::default(), more);
        let today = day(now_ms);
        let max = Usage {
            bytes: limits.bytes.unwrap_or(u64::MAX),
            videos: limits.videos.unwrap_or(u64::MAX),
            duration_ms: limits.duration_ms.unwrap_or(u64::MAX),
        };
        let mut update = Update::builder()
            .table_name(&self.table)
            .key("id", text(item::usage_id(&record.owner, today)))
            .expression_attribute_values(":expires", number(expires(today)));
        let (mut add, mut conditions) = (Vec::new(), Vec::new());
        for (name, value) in item::usage_attributes(more) {
            add.push(format!("{name} :{name}"));
            update = update.expression_attribute_values(format!(":{name}"), number(value));
            let limit =
                item::usage_attributes(max).find(|(other, _)| *other == name).map_or(0, |(_, max)| max);
            if limit < u64::MAX {
                conditions.push(format!("(attribute_not_exists({name}) OR {name} <= :max_{name})"));
                update = update
                    .expression_attribute_values(format!(":max_{name}"), number(limit.saturating_sub(value)));
            }
        }
        if exceeds {
            // Never met: the partition key exists in each item that does.
            conditions.push("attribute_exists(id) AND attribute_not_exists(id)".into());
        }
        let update = update
            .update_expression(format!("ADD {} SET expires = :expires", add.join(", ")))
            .set_condition_expression((!conditions.is_empty()).then(|| conditions.join(" AND ")))
            .build()
            .map_err(invalid_request)?;
        Ok(Some((Subject::Usage, transact_update(update))))
    }

    /// Sends one update. `false`: its condition isn't met.
    pub async fn send_update(&self, update: Update) -> Result<bool, CatalogError> {
        let applied = self
            .client
            .update_item()
            .table_name(update.table_name)
            .set_key(Some(update.key))
            .update_expression(update.update_expression)
            .set_condition_expression(update.condition_expression)
            .set_expression_attribute_names(update.expression_attribute_names)
            .set_expression_attribute_values(update.expression_attribute_values)
            .send()
            .await;
        match applied {
            Ok(_) => Ok(true),
            Err(error) if is_condition_failure(&error) => Ok(false),
            Err(error) => Err(classify(&error)),
        }
    }

    /// Adds a video, and counts it among its owner's open uploads and for its usage. `None`: done.
    pub async fn try_add(
        &self,
        record: &VideoRecord,
        limits: OwnerLimits,
    ) -> Result<Option<Canceled>, CatalogError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item::from_record(record)?))
            .condition_expression("attribute_not_exists(id)")
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .build()
            .map_err(invalid_request)?;
        let count = Update::builder()
            .table_name(&self.table)
            .key("id", text(item::owner_id(&record.owner)))
            .update_expression("ADD #open :one SET expires = :expires")
            .condition_expression("attribute_not_exists(#open) OR size(#open) < :most")
            .expression_attribute_names("#open", "open")
            .expression_attribute_values(":one", strings([item::open_upload(record)]))
            .expression_attribute_values(":expires", number(item::expires(record).unwrap_or_default()))
            .expression_attribute_values(":most", number(limits.open_uploads.into()))
            .build()
            .map_err(invalid_request)?;
        let put = (Subject::Video, TransactWriteItem::builder().put(put).build());
        // A video whose bytes are stored isn't an open upload.
        let count = record.is_open().then(|| (Subject::OpenUploads, transact_update(count)));
        let usage = self.count(record, Usage::default(), limits.daily, record.created_ms)?;
        self.transact([put].into_iter().chain(count).chain(usage)).await
    }

    /// Writes all items or none. `None`: done.
    async fn transact(
        &self,
        items: impl IntoIterator<Item = (Subject, TransactWriteItem)>,
    ) -> Result<Option<Canceled>, CatalogError> {
        let (subjects, items): (Vec<_>, Vec<_>) = items.into_iter().unzip();
        match self.client.transact_write_items().set_transact_items(Some(items)).send().await {
            Ok(_) => Ok(None),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                    cancellation(&subjects, canceled.cancellation_reasons()).map(Some)
                }
                _ => Err(classify(&error)),
            },
        }
    }
}

/// Removes an upload from its owner's open ones.
pub fn close_upload(table: &str, record: &VideoRecord) -> Result<Update, CatalogError> {
    Update::builder()
        .table_name(table)
        .key("id", text(item::owner_id(&record.owner)))
        .update_expression("DELETE #open :one")
        .expression_attribute_names("#open", "open")
        .expression_attribute_values(":one", strings([item::open_upload(record)]))
        .build()
        .map_err(invalid_request)
}

fn transact_update(update: Update) -> TransactWriteItem {
    TransactWriteItem::builder().update(update).build()
}

/// A request that the SDK refuses to build; none is expected.
fn invalid_request(error: BuildError) -> CatalogError {
    ServiceError::new("DynamoDB", error.to_string()).into()
}

/// Reads the reasons, which have the order of the transaction's items. The video's comes first.
fn cancellation(subjects: &[Subject], reasons: &[CancellationReason]) -> Result<Canceled, CatalogError> {
    let mut is_throttled = false;
    let mut is_conflict = false;
    for (subject, reason) in subjects.iter().zip(reasons) {
        match (reason.code().unwrap_or("None"), subject) {
            ("ConditionalCheckFailed", Subject::Video) => {
                let existing = reason.item.as_ref();
                return Ok(Canceled::Video(
                    existing.map(|item| decode_record(Some(item)).map(Box::new)).transpose()?,
                ));
            }
            ("ConditionalCheckFailed", Subject::OpenUploads) => return Ok(Canceled::TooMany),
            ("ConditionalCheckFailed", Subject::Usage) => return Ok(Canceled::OverDailyLimit),
            ("TransactionConflict", _) => is_conflict = true,
            ("ThrottlingError" | "ProvisionedThroughputExceeded", _) => is_throttled = true,
            _ => {}
        }
    }
    if is_conflict {
        return Ok(Canceled::Conflict);
    }
    if is_throttled {
        return Err(CatalogError::Throttled);
    }
    let codes: Vec<_> = reasons.iter().filter_map(CancellationReason::code).collect();
    Err(ServiceError::new("TransactWriteItems", format!("canceled for {}", codes.join(", "))).into())
}
