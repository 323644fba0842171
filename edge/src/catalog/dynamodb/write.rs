//! Writes of a whole entry. A video and its owner's count of open uploads are written together, or neither is.

use super::super::{CatalogError, Entry};
use super::DynamoDb;
use super::failure::{failed, was_refused};
use super::item::{self, SETTLED, number, read_entry, strings, text};
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnValuesOnConditionCheckFailure as OnFailure, TransactWriteItem, Update,
};

/// What a transaction's cancellation is about.
pub enum Canceled {
    /// The video's condition wasn't met; what is there, if it was asked for.
    Video(Option<Box<Entry>>),
    /// The owner's wasn't.
    TooMany,
    /// Another transaction had the same item in hand.
    Conflict,
}

impl DynamoDb {
    /// Writes `entry` over the version that `before` is, and with it that the claim of this name is settled.
    /// `false`: another write came first.
    pub async fn write(
        &self,
        before: &Entry,
        entry: &Entry,
        settles: Option<&str>,
    ) -> Result<bool, CatalogError> {
        let (mut set, mut remove) = (vec!["entry = :entry", "updated_ms = :updated"], Vec::new());
        let mut update = Update::builder()
            .table_name(&self.table)
            .key("id", text(item::video_id(&entry.video_id)))
            .condition_expression("updated_ms = :seen")
            .expression_attribute_names("#shard", "shard")
            .expression_attribute_values(":entry", text(item::write_entry(entry)?))
            .expression_attribute_values(":updated", number(entry.updated_ms))
            .expression_attribute_values(":seen", number(before.updated_ms));
        if entry.is_done() {
            remove.extend(["#shard", "due_ms"]);
        } else {
            set.extend(["#shard = :shard", "due_ms = :due"]);
            update = update
                .expression_attribute_values(":shard", text(item::shard(&entry.video_id)))
                .expression_attribute_values(":due", number(entry.due_ms()));
        }
        if !entry.is_open() {
            remove.push("expires");
        }
        if let Some(lease) = settles {
            set.push("#lease = :settled");
            update = update
                .expression_attribute_names("#lease", lease)
                .expression_attribute_values(":settled", number(SETTLED));
        }
        let mut expression = format!("SET {}", set.join(", "));
        if !remove.is_empty() {
            expression += &format!(" REMOVE {}", remove.join(", "));
        }
        let update = update.update_expression(expression).build().map_err(broken)?;
        if !before.is_open() || entry.is_open() {
            return self.apply(update).await;
        }
        let both = [of_update(update), of_update(close(&self.table, before)?)];
        Ok(self.transact(both).await?.is_none())
    }

    /// `false`: its condition isn't met.
    pub async fn apply(&self, update: Update) -> Result<bool, CatalogError> {
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
            Err(error) if was_refused(&error) => Ok(false),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Adds a video and counts it as its owner's.
    pub async fn try_add(&self, entry: &Entry, most_open: u32) -> Result<Option<Canceled>, CatalogError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item::of_video(entry)?))
            .condition_expression("attribute_not_exists(id)")
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .build()
            .map_err(broken)?;
        let count = Update::builder()
            .table_name(&self.table)
            .key("id", text(item::owner_id(&entry.owner)))
            .update_expression("ADD #open :one SET expires = :expires")
            .condition_expression("attribute_not_exists(#open) OR size(#open) < :most")
            .expression_attribute_names("#open", "open")
            .expression_attribute_values(":one", strings([item::open_upload(entry)]))
            .expression_attribute_values(":expires", number(item::expires(entry)))
            .expression_attribute_values(":most", number(most_open.into()))
            .build()
            .map_err(broken)?;
        let put = TransactWriteItem::builder().put(put).build();
        // What is stored already is nobody's open upload.
        let count = entry.is_open().then(|| of_update(count));
        self.transact([put].into_iter().chain(count)).await
    }

    /// All or none. The video's own item comes first.
    async fn transact(
        &self,
        items: impl IntoIterator<Item = TransactWriteItem>,
    ) -> Result<Option<Canceled>, CatalogError> {
        let items = items.into_iter().collect();
        match self.client.transact_write_items().set_transact_items(Some(items)).send().await {
            Ok(_) => Ok(None),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                    why(canceled.cancellation_reasons()).map(Some)
                }
                _ => Err(failed(&error)),
            },
        }
    }
}

/// Takes an upload from its owner's open ones.
pub fn close(table: &str, entry: &Entry) -> Result<Update, CatalogError> {
    Update::builder()
        .table_name(table)
        .key("id", text(item::owner_id(&entry.owner)))
        .update_expression("DELETE #open :one")
        .expression_attribute_names("#open", "open")
        .expression_attribute_values(":one", strings([item::open_upload(entry)]))
        .build()
        .map_err(broken)
}

fn of_update(update: Update) -> TransactWriteItem {
    TransactWriteItem::builder().update(update).build()
}

fn broken(error: BuildError) -> CatalogError {
    CatalogError::Failed(error.to_string())
}

/// Why a transaction of a video and its owner's count was canceled.
fn why(reasons: &[CancellationReason]) -> Result<Canceled, CatalogError> {
    let code = |at: usize| reasons.get(at).and_then(CancellationReason::code).unwrap_or("None");
    match (code(0), code(1)) {
        ("ConditionalCheckFailed", _) => {
            let there = reasons.first().and_then(|reason| reason.item.as_ref());
            Ok(Canceled::Video(there.map(|item| read_entry(Some(item)).map(Box::new)).transpose()?))
        }
        (_, "ConditionalCheckFailed") => Ok(Canceled::TooMany),
        ("TransactionConflict", _) | (_, "TransactionConflict") => Ok(Canceled::Conflict),
        ("ThrottlingError" | "ProvisionedThroughputExceeded", _)
        | (_, "ThrottlingError" | "ProvisionedThroughputExceeded") => Err(CatalogError::Throttled),
        (video, owner) => {
            Err(CatalogError::Failed(format!("TransactWriteItems: canceled for {video}, {owner}")))
        }
    }
}
