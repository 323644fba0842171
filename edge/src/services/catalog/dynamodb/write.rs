//! Writes of a record. A video and its owner's count of open uploads are written together, or neither is.

use super::super::{CatalogError, ServiceError, VideoRecord};
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
    /// Another transaction was writing the same item.
    Conflict,
}

impl DynamoDb {
    /// Replaces the version `before` by `record`, and completes the claim whose lease attribute is `completes` in the
    /// same write. `false`: another version is stored.
    pub async fn write(
        &self,
        before: &VideoRecord,
        record: &VideoRecord,
        completes: Option<&str>,
    ) -> Result<bool, CatalogError> {
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
        if !record.is_open() {
            remove.push("expires");
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
        if !before.is_open() || record.is_open() {
            return self.send_update(update).await;
        }
        let both = [transact_update(update), transact_update(close_upload(&self.table, before)?)];
        Ok(self.transact(both).await?.is_none())
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

    /// Adds a video and counts it among its owner's open uploads. `None`: done.
    pub async fn try_add(
        &self,
        record: &VideoRecord,
        max_open: u32,
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
            .expression_attribute_values(":expires", number(item::expires(record)))
            .expression_attribute_values(":most", number(max_open.into()))
            .build()
            .map_err(invalid_request)?;
        let put = TransactWriteItem::builder().put(put).build();
        // A video whose bytes are stored isn't an open upload.
        let count = record.is_open().then(|| transact_update(count));
        self.transact([put].into_iter().chain(count)).await
    }

    /// Writes all items or none: first the video's, then the owner's. `None`: done.
    async fn transact(
        &self,
        items: impl IntoIterator<Item = TransactWriteItem>,
    ) -> Result<Option<Canceled>, CatalogError> {
        let items = items.into_iter().collect();
        match self.client.transact_write_items().set_transact_items(Some(items)).send().await {
            Ok(_) => Ok(None),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                    cancellation(canceled.cancellation_reasons()).map(Some)
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

/// Reads the reasons, which have the order of the transaction's items.
fn cancellation(reasons: &[CancellationReason]) -> Result<Canceled, CatalogError> {
    let code = |index: usize| reasons.get(index).and_then(CancellationReason::code).unwrap_or("None");
    match (code(0), code(1)) {
        ("ConditionalCheckFailed", _) => {
            let existing = reasons.first().and_then(|reason| reason.item.as_ref());
            Ok(Canceled::Video(existing.map(|item| decode_record(Some(item)).map(Box::new)).transpose()?))
        }
        (_, "ConditionalCheckFailed") => Ok(Canceled::TooMany),
        ("TransactionConflict", _) | (_, "TransactionConflict") => Ok(Canceled::Conflict),
        ("ThrottlingError" | "ProvisionedThroughputExceeded", _)
        | (_, "ThrottlingError" | "ProvisionedThroughputExceeded") => Err(CatalogError::Throttled),
        (video, owner) => {
            Err(ServiceError::new("TransactWriteItems", format!("canceled for {video}, {owner}")).into())
        }
    }
}
