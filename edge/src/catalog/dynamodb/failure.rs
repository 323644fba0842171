//! How DynamoDB fails, classified once.

use super::super::CatalogError;
use crate::store::reason;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};

/// Has the SDK try again what a transaction stood in the way of, such as a claim at the moment of the completion. It
/// takes that for final, and it lasts some milliseconds.
#[derive(Debug)]
pub struct Collisions;

impl ClassifyRetry for Collisions {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(|outcome| outcome.err()?.as_operation_error());
        let collided = error.is_some_and(|error| {
            error
                .downcast_ref::<UpdateItemError>()
                .is_some_and(UpdateItemError::is_transaction_conflict_exception)
                || error
                    .downcast_ref::<DeleteItemError>()
                    .is_some_and(DeleteItemError::is_transaction_conflict_exception)
        });
        if collided { RetryAction::transient_error() } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "collisions with transactions"
    }
}

/// A condition wasn't met.
pub fn was_refused<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code() == Some("ConditionalCheckFailedException")
}

pub fn failed<E, R>(error: &SdkError<E, R>) -> CatalogError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    match error.code() {
        Some("ProvisionedThroughputExceededException" | "ThrottlingException" | "RequestLimitExceeded") => {
            CatalogError::Throttled
        }
        Some(code) => CatalogError::Failed(format!("DynamoDB: {code}")),
        None => CatalogError::Failed(format!("DynamoDB: {}", reason(error))),
    }
}
