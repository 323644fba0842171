//! Conditional requests (`If-Match`, `If-None-Match`, `If-Modified-Since`, `If-Unmodified-Since`) by S3's rules. Pure.

use super::error::OperationError;
use super::http_date;
use super::metadata::Object;
use http::{HeaderMap, HeaderValue, header};
use s3s::dto::{ETag, ETagCondition, Timestamp};
use s3s::s3_error;
use std::time::SystemTime;

/// Conditions of `GetObject`, `HeadObject` and of the source of `CopyObject`.
#[derive(Default)]
pub struct ReadConditions {
    pub if_match: Option<ETagCondition>,
    pub if_none_match: Option<ETagCondition>,
    pub if_modified_since: Option<Timestamp>,
    pub if_unmodified_since: Option<Timestamp>,
}

impl ReadConditions {
    /// Checks the conditions against an object. Fails with `NotModified` (304) or `PreconditionFailed` (412). An
    /// ETag condition takes precedence over a date.
    pub fn check(&self, etag: &str, modified: &Timestamp) -> Result<(), OperationError> {
        let matches = match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) => etag_matches(condition, etag),
            (None, Some(date)) => seconds(modified) <= seconds(date),
            (None, None) => true,
        };
        if !matches {
            return Err(precondition_failed());
        }
        let unmodified = match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) => etag_matches(condition, etag),
            (None, Some(date)) => seconds(modified) <= seconds(date),
            (None, None) => false,
        };
        if unmodified {
            let mut error = s3_error!(NotModified);
            let mut headers = HeaderMap::new();
            if let Ok(etag) = HeaderValue::try_from(format!("\"{etag}\"")) {
                headers.insert(header::ETAG, etag);
            }
            error.set_headers(headers);
            return Err(error.into());
        }
        Ok(())
    }
}

/// Conditions of a request on the object that it would replace or delete.
#[derive(Clone, Default)]
pub struct WriteConditions {
    pub if_match: Option<ETagCondition>,
    pub if_none_match: Option<ETagCondition>,
}

impl WriteConditions {
    /// Reads `If-Match` and `If-None-Match` of a copy. Fails with `InvalidArgument`.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, OperationError> {
        let condition = |name: &http::HeaderName| {
            let Some(value) = headers.get(name) else { return Ok(None) };
            let parsed = ETagCondition::parse_http_header(value.as_bytes());
            parsed.map(Some).map_err(|_| s3_error!(InvalidArgument, "The header {name} is not valid."))
        };
        Ok(Self {
            if_match: condition(&header::IF_MATCH)?,
            if_none_match: condition(&header::IF_NONE_MATCH)?,
        })
    }

    /// Checks the conditions. Fails with `PreconditionFailed` (412), or with `NoSuchKey` if `If-Match` is given and
    /// there is no object.
    pub fn check(&self, existing: Option<&Object>) -> Result<(), OperationError> {
        match (&self.if_match, existing) {
            (Some(_), None) => Err(s3_error!(NoSuchKey, "The specified key does not exist."))?,
            (Some(condition), Some(object)) if !etag_matches(condition, &object.etag) => {
                return Err(precondition_failed());
            }
            _ => {}
        }
        match (&self.if_none_match, existing) {
            (Some(condition), Some(object)) if etag_matches(condition, &object.etag) => {
                Err(precondition_failed())
            }
            _ => Ok(()),
        }
    }
}

/// Returns whether `If-Range` names this object, by ETag or by time, so that a range of it is sent.
pub fn range_applies(if_range: &HeaderValue, object: &Object) -> bool {
    let Ok(value) = if_range.to_str() else { return false };
    match http_date::parse(value) {
        Some(date) => seconds(&object.modified) == seconds(&date.into()),
        None => value.trim().trim_matches('"') == object.etag && !value.trim_start().starts_with("W/"),
    }
}

fn etag_matches(condition: &ETagCondition, etag: &str) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(ETag::Strong(expected) | ETag::Weak(expected)) => expected == etag,
    }
}

fn precondition_failed() -> OperationError {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold").into()
}

/// Truncates to whole seconds, like HTTP dates. Otherwise an object would be newer than its own `Last-Modified`.
fn seconds(time: &Timestamp) -> u64 {
    let time = SystemTime::from(time::OffsetDateTime::from(time.clone()));
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(ms: u64) -> Option<Timestamp> {
        Some((SystemTime::UNIX_EPOCH + Duration::from_millis(ms)).into())
    }

    fn tag(value: &str) -> Option<ETagCondition> {
        Some(ETagCondition::ETag(ETag::Strong(value.into())))
    }

    #[test]
    fn read_conditions_follow_s3_precedence() {
        let none = ReadConditions::default;
        let cases = [
            (none(), "ok"),
            (ReadConditions { if_match: tag("a"), ..none() }, "ok"),
            (ReadConditions { if_match: tag("b"), ..none() }, "PreconditionFailed"),
            (ReadConditions { if_match: tag("a"), if_unmodified_since: at(0), ..none() }, "ok"),
            (ReadConditions { if_unmodified_since: at(4_000), ..none() }, "PreconditionFailed"),
            (ReadConditions { if_unmodified_since: at(5_000), ..none() }, "ok"),
            (ReadConditions { if_none_match: tag("a"), ..none() }, "NotModified"),
            (ReadConditions { if_none_match: tag("b"), if_modified_since: at(9_000), ..none() }, "ok"),
            (ReadConditions { if_modified_since: at(5_000), ..none() }, "NotModified"),
            (ReadConditions { if_modified_since: at(4_000), ..none() }, "ok"),
        ];
        for (at_case, (conditions, expected)) in cases.into_iter().enumerate() {
            // Modified half a second after the value of `Last-Modified`.
            let code = match conditions.check("a", &at(5_500).unwrap()) {
                Ok(()) => "ok".to_owned(),
                Err(OperationError::Refused(error)) => error.code().as_str().to_owned(),
                Err(OperationError::Database(_) | OperationError::Disk(_)) => "internal".to_owned(),
            };
            assert_eq!(code, expected, "case {at_case}");
        }
    }
}
