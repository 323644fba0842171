//! How DynamoDB fails, classified once.

use super::super::CatalogError;
use crate::store::reason;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

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
