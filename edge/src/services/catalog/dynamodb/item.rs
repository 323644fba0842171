//! Items of the table: a video, an owner's open uploads, and an owner's usage of a day. Attribute names occur here and in the expressions of the
//! modules beside this one, nowhere else. Pure.
//!
//! `entry` is the record as JSON, `due_ms` the time at which it becomes stale. `deleted` is `requested` in the record of a
//! video that is to be erased: the table's stream invokes the edge for it (deploy/template.yaml).

use super::super::CatalogError;
use super::super::usage::Usage;
use super::super::video_record::{
    Deletion, EXPIRY_GRACE_SECS, TOMBSTONE_LIFETIME_SECS, UPLOAD_LIFETIME_SECS, VideoRecord,
};
use aws_sdk_dynamodb::types::AttributeValue;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

pub type Item = HashMap<String, AttributeValue>;

/// End of the lease of a completed claim, which never ends.
pub const COMPLETED: u64 = i64::MAX as u64;
/// Partitions of the index of unfinished videos, so that none is hot.
pub const SHARDS: [&str; 16] =
    ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f"];

pub fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub fn strings(values: impl IntoIterator<Item = String>) -> AttributeValue {
    AttributeValue::Ss(values.into_iter().collect())
}

/// The key of a video's item.
pub fn video_id(video_id: &str) -> String {
    format!("video#{video_id}")
}

/// The key of an owner's item.
pub fn owner_id(owner: &str) -> String {
    format!("owner#{owner}")
}

/// The key of the item with an owner's usage of a day.
pub fn usage_id(owner: &str, day: u64) -> String {
    format!("usage#{day}#{owner}")
}

/// The attributes of a usage's item that are not 0, with their values.
pub fn usage_attributes(usage: Usage) -> impl Iterator<Item = (&'static str, u64)> {
    [("bytes_used", usage.bytes), ("videos_used", usage.videos), ("ms_used", usage.duration_ms)]
        .into_iter()
        .filter(|(_, value)| *value > 0)
}

/// Sort key of an owner's videos: by time, then by id.
pub fn created(created_ms: u64, video_id: &str) -> String {
    format!("{created_ms:013}.{video_id}")
}

/// An open upload in its owner's item.
pub fn open_upload(record: &VideoRecord) -> String {
    created(record.created_ms, &record.video_id)
}

/// When DynamoDB may delete the record of an open upload or of a deleted video, in seconds since 1970. `None`: never.
pub fn expires(record: &VideoRecord) -> Option<u64> {
    if record.is_open() {
        return Some(record.created_ms / 1000 + UPLOAD_LIFETIME_SECS + EXPIRY_GRACE_SECS);
    }
    (record.deletion == Some(Deletion::Done)).then(|| record.updated_ms / 1000 + TOMBSTONE_LIFETIME_SECS)
}

/// The value of `deleted`.
pub fn deleted(deletion: Deletion) -> AttributeValue {
    text(match deletion {
        Deletion::Requested => "requested",
        Deletion::Done => "done",
    })
}

/// The open uploads in an owner's item that have expired.
pub fn expired(owner: Option<&Item>, now_ms: u64) -> Vec<String> {
    let open = owner.and_then(|item| item.get("open")?.as_ss().ok()).map(Vec::as_slice).unwrap_or_default();
    let created_ms = |upload: &str| upload.split_once('.').and_then(|(ms, _)| ms.parse::<u64>().ok());
    let is_expired =
        |upload: &&String| created_ms(upload).is_none_or(|ms| ms + UPLOAD_LIFETIME_SECS * 1000 < now_ms);
    open.iter().filter(is_expired).cloned().collect()
}

/// A video's partition in the index of unfinished videos.
pub fn shard(video_id: &str) -> &'static str {
    let hash = Sha256::digest(video_id);
    SHARDS[usize::from(hash[0]) % SHARDS.len()]
}

/// Name of the attribute with the end of an object's lease, in milliseconds since 1970.
pub fn lease(digest: &str) -> String {
    format!("lease_{}", &digest[..32])
}

/// Name of the attribute that counts an object's claims.
pub fn claim_count(digest: &str) -> String {
    format!("tries_{}", &digest[..32])
}

/// The item of a video.
pub fn from_record(record: &VideoRecord) -> Result<Item, CatalogError> {
    let mut item = Item::from([
        ("id".into(), text(video_id(&record.video_id))),
        ("entry".into(), text(encode_record(record)?)),
        ("updated_ms".into(), number(record.updated_ms)),
        ("owner".into(), text(&record.owner)),
        ("created".into(), text(created(record.created_ms, &record.video_id))),
        ("shard".into(), text(shard(&record.video_id))),
        ("due_ms".into(), number(record.stale_at_ms())),
    ]);
    item.extend(expires(record).map(|at| ("expires".into(), number(at))));
    item.extend(record.key.as_ref().map(|key| ("object_key".into(), text(key))));
    item.extend(record.s3_upload.as_ref().map(|id| ("s3_upload".into(), text(id))));
    Ok(item)
}

pub fn encode_record(record: &VideoRecord) -> Result<String, CatalogError> {
    Ok(serde_json::to_string(record)?)
}

pub fn decode_record(item: Option<&Item>) -> Result<VideoRecord, CatalogError> {
    let text = item.and_then(|item| item.get("entry")?.as_s().ok());
    let text = text.ok_or(CatalogError::MissingRecord)?;
    Ok(serde_json::from_str(text)?)
}

/// The attribute of this name, 0 if there is none.
pub fn number_of(item: Option<&Item>, name: &str) -> u64 {
    item.and_then(|item| item.get(name)?.as_n().ok()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_upload_expires_after_its_lifetime() {
        let open = ["0000000001000.a", "0000000002000.b", "what"].map(str::to_owned);
        let item = Item::from([("open".into(), strings(open))]);
        assert_eq!(expired(Some(&item), UPLOAD_LIFETIME_SECS * 1000 + 1500), ["0000000001000.a", "what"]);
        assert!(expired(None, u64::MAX).is_empty());
    }

    #[test]
    fn videos_use_every_shard() {
        let used: std::collections::BTreeSet<_> = (0..500).map(|n| shard(&n.to_string())).collect();
        assert_eq!(used.len(), SHARDS.len());
    }
}
