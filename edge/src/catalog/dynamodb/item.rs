//! How a video, and an owner's open uploads, lie in the table. Names of attributes stand here and in the
//! expressions next door, nowhere else. Pure.

use super::super::{CatalogError, Entry, UPLOAD_LIFE};
use aws_sdk_dynamodb::types::AttributeValue;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

pub type Item = HashMap<String, AttributeValue>;

/// A claim that is settled has a lease without an end.
pub const SETTLED: u64 = i64::MAX as u64;
/// Unfinished videos are spread over these, so that their index has no hot spot.
pub const SHARDS: [&str; 16] =
    ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f"];

/// A day after its upload's end DynamoDB forgets an entry by itself; in seconds.
const GRACE: u64 = 24 * 3600;

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

/// Orders an owner's videos: by time, then by id.
pub fn created(created_ms: u64, video_id: &str) -> String {
    format!("{created_ms:013}.{video_id}")
}

/// An open upload as its owner's item counts it.
pub fn open_upload(entry: &Entry) -> String {
    created(entry.created_ms, &entry.video_id)
}

/// When the entry of an open upload may go, in seconds since 1970.
pub fn expires(entry: &Entry) -> u64 {
    entry.created_ms / 1000 + UPLOAD_LIFE + GRACE
}

/// The open uploads in an owner's item that have run out.
pub fn expired(owner: Option<&Item>, now_ms: u64) -> Vec<String> {
    let open = owner.and_then(|item| item.get("open")?.as_ss().ok()).map(Vec::as_slice).unwrap_or_default();
    let begun = |upload: &str| upload.split_once('.').and_then(|(ms, _)| ms.parse::<u64>().ok());
    let is_over = |upload: &&String| begun(upload).is_none_or(|begun| begun + UPLOAD_LIFE * 1000 < now_ms);
    open.iter().filter(is_over).cloned().collect()
}

/// Which part of the index of unfinished videos a video is in.
pub fn shard(video_id: &str) -> &'static str {
    let hash = Sha256::digest(video_id);
    SHARDS[usize::from(hash[0]) % SHARDS.len()]
}

/// The attribute that says until when an object's claim keeps others out.
pub fn lease(digest: &str) -> String {
    format!("lease_{}", &digest[..32])
}

/// The attribute that says how often an object was claimed.
pub fn tries(digest: &str) -> String {
    format!("tries_{}", &digest[..32])
}

pub fn of_video(entry: &Entry) -> Result<Item, CatalogError> {
    let mut item = Item::from([
        ("id".into(), text(video_id(&entry.video_id))),
        ("entry".into(), text(write_entry(entry)?)),
        ("updated_ms".into(), number(entry.updated_ms)),
        ("owner".into(), text(&entry.owner)),
        ("created".into(), text(created(entry.created_ms, &entry.video_id))),
        ("shard".into(), text(shard(&entry.video_id))),
        ("due_ms".into(), number(entry.due_ms())),
    ]);
    if entry.is_open() {
        item.insert("expires".into(), number(expires(entry)));
    }
    Ok(item)
}

pub fn write_entry(entry: &Entry) -> Result<String, CatalogError> {
    serde_json::to_string(entry).map_err(|error| CatalogError::Failed(error.to_string()))
}

pub fn read_entry(item: Option<&Item>) -> Result<Entry, CatalogError> {
    let text = item.and_then(|item| item.get("entry")?.as_s().ok());
    let text = text.ok_or_else(|| CatalogError::Failed("an item without an entry".into()))?;
    serde_json::from_str(text)
        .map_err(|error| CatalogError::Failed(format!("an entry can't be read: {error}")))
}

/// 0 where there is none.
pub fn number_of(item: Option<&Item>, name: &str) -> u64 {
    item.and_then(|item| item.get(name)?.as_n().ok()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_uploads_run_out() {
        let open = ["0000000001000.a", "0000000002000.b", "what"].map(str::to_owned);
        let item = Item::from([("open".into(), strings(open))]);
        assert_eq!(expired(Some(&item), UPLOAD_LIFE * 1000 + 1500), ["0000000001000.a", "what"]);
        assert!(expired(None, u64::MAX).is_empty());
    }

    #[test]
    fn videos_spread_over_all_shards() {
        let used: std::collections::BTreeSet<_> = (0..500).map(|n| shard(&n.to_string())).collect();
        assert_eq!(used.len(), SHARDS.len());
    }
}
