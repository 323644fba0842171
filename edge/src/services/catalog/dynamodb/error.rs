//! Classification of DynamoDB's errors.

use super::super::CatalogError;
use crate::services::{ServiceError, transport_error};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};

/// Makes the SDK retry writes that conflict with a transaction, such as a claim during the upload's completion. The SDK
/// treats the conflict as final, but it lasts some milliseconds only.
#[derive(Debug)]
pub struct RetryTransactionConflicts;

impl ClassifyRetry for RetryTransactionConflicts {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(|outcome| outcome.err()?.as_operation_error());
        let is_conflict = error.is_some_and(|error| {
            error
                .downcast_ref::<UpdateItemError>()
                .is_some_and(UpdateItemError::is_transaction_conflict_exception)
                || error
                    .downcast_ref::<DeleteItemError>()
                    .is_some_and(DeleteItemError::is_transaction_conflict_exception)
        });
        if is_conflict { RetryAction::transient_error() } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "transaction conflicts"
    }
}

/// Whether the write's condition wasn't met.
pub fn is_condition_failure<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code() == Some("ConditionalCheckFailedException")
}

pub fn classify<E, R>(error: &SdkError<E, R>) -> CatalogError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    match error.code() {
        Some("ProvisionedThroughputExceededException" | "ThrottlingException" | "RequestLimitExceeded") => {
            CatalogError::Throttled
        }
        Some(code) => ServiceError::new("DynamoDB", code).into(),
        None => ServiceError::new("DynamoDB", transport_error(error)).into(),
    }
}
