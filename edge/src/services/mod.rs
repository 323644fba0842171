//! Adapters of outside services, one place each: types of their SDKs and clients stay inside.

pub mod catalog;
pub mod log;
pub mod metrics;
pub mod secrets;
pub mod store;
pub mod transcoder;
pub mod webhook;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use std::error::Error;
use std::fmt::Debug;

/// A failed call to a service: the operation and an error code, without addresses or signed URLs.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {code}")]
pub struct ServiceError {
    pub operation: &'static str,
    pub code: String,
}

impl ServiceError {
    fn new(operation: &'static str, code: impl Into<String>) -> Self {
        Self { operation, code: code.into() }
    }
}

/// Why a call got no readable response. The request isn't described: its URL may be signed.
fn transport_error<E: Error + 'static, R: Debug>(error: &SdkError<E, R>) -> String {
    match error {
        SdkError::ConstructionFailure(_) => "the request couldn't be built".into(),
        SdkError::TimeoutError(_) => "no response in time".into(),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(error) => DisplayErrorContext(error).to_string(),
            None => "the request couldn't be sent".into(),
        },
        SdkError::ResponseError(_) => "an unreadable response".into(),
        _ => "an unknown error".into(),
    }
}
