//! Conditional requests: `If-Match` and its kin, judged as S3 judges them. Pure.

use super::error::Failure;
use super::metadata::Object;
use http::{HeaderMap, HeaderValue, header};
use s3s::dto::{ETag, ETagCondition, Timestamp};
use s3s::s3_error;
use std::time::SystemTime;

/// What a reader asks of the object, before it wants the bytes.
#[derive(Default)]
pub struct ReadConditions {
    pub if_match: Option<ETagCondition>,
    pub if_none_match: Option<ETagCondition>,
    pub if_modified_since: Option<Timestamp>,
    pub if_unmodified_since: Option<Timestamp>,
}

impl ReadConditions {
    /// `NotModified` (304) or `PreconditionFailed` (412) where S3 says so. An ETag outweighs a date.
    pub fn check(&self, etag: &str, modified: &Timestamp) -> Result<(), Failure> {
        let intact = match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) => holds(condition, etag),
            (None, Some(date)) => seconds(modified) <= seconds(date),
            (None, None) => true,
        };
        if !intact {
            return Err(failed());
        }
        let known = match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) => holds(condition, etag),
            (None, Some(date)) => seconds(modified) <= seconds(date),
            (None, None) => false,
        };
        if known {
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

/// What a writer asks of the object that it would replace.
#[derive(Clone, Default)]
pub struct WriteConditions {
    pub if_match: Option<ETagCondition>,
    pub if_none_match: Option<ETagCondition>,
}

impl WriteConditions {
    /// `PreconditionFailed` (412), or `NoSuchKey` if an object must match and there is none.
    pub fn check(&self, existing: Option<&Object>) -> Result<(), Failure> {
        match (&self.if_match, existing) {
            (Some(_), None) => Err(s3_error!(NoSuchKey, "The specified key does not exist."))?,
            (Some(condition), Some(object)) if !holds(condition, &object.etag) => return Err(failed()),
            _ => {}
        }
        match (&self.if_none_match, existing) {
            (Some(condition), Some(object)) if holds(condition, &object.etag) => Err(failed()),
            _ => Ok(()),
        }
    }
}

fn holds(condition: &ETagCondition, etag: &str) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(ETag::Strong(wanted) | ETag::Weak(wanted)) => wanted == etag,
    }
}

fn failed() -> Failure {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold").into()
}

/// HTTP's dates have whole seconds: more would make an object newer than its own `Last-Modified`.
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
    fn readers() {
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
            // Changed half a second after what `Last-Modified` can say.
            let code = match conditions.check("a", &at(5_500).unwrap()) {
                Ok(()) => "ok".to_owned(),
                Err(Failure::Refused(error)) => error.code().as_str().to_owned(),
                Err(Failure::Database(_) | Failure::Disk(_)) => "internal".to_owned(),
            };
            assert_eq!(code, expected, "case {at_case}");
        }
    }
}
