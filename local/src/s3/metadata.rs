//! SQL queries on the metadata: buckets, objects and their blob files (`upload_metadata` has those on uploads).
//! Each query runs in the caller's transaction.

use super::blobs::BlobRange;
use super::checksums::{Algorithm, ObjectChecksum};
use super::crc64::Crc64AndSize;
use super::error::OperationError;
use super::upload_metadata;
use edge::clock::now_ms;
use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use s3s::dto::{Metadata, Timestamp};
use s3s::s3_error;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::ops::Range;
use std::time::{Duration, UNIX_EPOCH};

/// Creates missing tables. AUTOINCREMENT never reuses an id: ids are the events' sequence numbers.
pub fn create_tables(tx: &Connection) -> rusqlite::Result<()> {
    tx.execute_batch(
        "CREATE TABLE IF NOT EXISTS s3_buckets (
            name TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, cors TEXT);
         CREATE TABLE IF NOT EXISTS s3_objects (
            id INTEGER PRIMARY KEY AUTOINCREMENT, bucket TEXT NOT NULL REFERENCES s3_buckets, key TEXT NOT NULL,
            size INTEGER NOT NULL, crc INTEGER NOT NULL, etag TEXT NOT NULL, head TEXT NOT NULL,
            modified_ms INTEGER NOT NULL, UNIQUE (bucket, key));
         CREATE TABLE IF NOT EXISTS s3_chunks (
            object INTEGER REFERENCES s3_objects ON DELETE CASCADE, start INTEGER, size INTEGER NOT NULL,
            file TEXT NOT NULL, PRIMARY KEY (object, start)) WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS s3_uploads (
            id TEXT PRIMARY KEY, bucket TEXT NOT NULL REFERENCES s3_buckets, key TEXT NOT NULL,
            declared TEXT, head TEXT NOT NULL, created_ms INTEGER NOT NULL) WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS s3_parts (
            upload TEXT REFERENCES s3_uploads ON DELETE CASCADE, number INTEGER, size INTEGER NOT NULL,
            crc INTEGER NOT NULL, file TEXT NOT NULL, modified_ms INTEGER NOT NULL,
            PRIMARY KEY (upload, number)) WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS s3_completed (
            upload TEXT PRIMARY KEY, object INTEGER NOT NULL REFERENCES s3_objects ON DELETE CASCADE,
            request TEXT NOT NULL) WITHOUT ROWID;
         CREATE INDEX IF NOT EXISTS s3_completed_object ON s3_completed (object);",
    )?;
    // Parts of a data folder from before have neither.
    for column in ["md5", "checksums"] {
        let exists =
            tx.prepare("SELECT 1 FROM pragma_table_info('s3_parts') WHERE name = ?1")?.exists([column])?;
        if !exists {
            tx.execute(&format!("ALTER TABLE s3_parts ADD COLUMN {column} TEXT"), ())?;
        }
    }
    Ok(())
}

/// The headers that are stored with an object and returned when it is read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ObjectHeaders {
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub expires: Option<Timestamp>,
    pub metadata: Option<Metadata>,
    /// Omits the checksum: as in S3, an object from a multipart upload that declared none has none.
    #[serde(default)]
    pub no_checksum: bool,
    /// `None` for CRC64NVME, which has a column.
    #[serde(default)]
    pub checksum: Option<ObjectChecksum>,
    /// `None` for `STANDARD`.
    #[serde(default)]
    pub storage_class: Option<String>,
    #[serde(default)]
    pub server_side_encryption: Option<String>,
    #[serde(default)]
    pub tags: Vec<(String, String)>,
}

impl ObjectHeaders {
    /// Returns the number of tags; `None` if there are none.
    pub fn tag_count(&self) -> Option<i32> {
        i32::try_from(self.tags.len()).ok().filter(|count| *count > 0)
    }
}

/// An object's row.
pub struct Object {
    pub id: i64,
    pub key: String,
    pub content: Crc64AndSize,
    pub etag: String,
    pub headers: ObjectHeaders,
    pub modified: Timestamp,
}

impl Object {
    /// Returns the checksum that clients see.
    pub fn checksum(&self) -> Option<ObjectChecksum> {
        if self.headers.no_checksum {
            return None;
        }
        Some(self.headers.checksum.clone().unwrap_or_else(|| self.crc64()))
    }

    pub fn crc64(&self) -> ObjectChecksum {
        ObjectChecksum { algorithm: Algorithm::Crc64Nvme, value: self.content.checksum_header() }
    }

    /// Returns the number of parts that the object was completed from; `None` if it was stored by one request.
    pub fn parts_count(&self) -> Option<u32> {
        self.etag.split_once('-')?.1.parse().ok()
    }

    /// Returns whether the ETag is the MD5 of the bytes.
    pub fn has_md5_etag(&self) -> bool {
        !self.etag.contains('-') && self.etag != self.content.legacy_etag()
    }
}

pub fn buckets(tx: &Transaction<'_>) -> rusqlite::Result<Vec<(String, Timestamp)>> {
    let mut query = tx.prepare_cached("SELECT name, created_ms FROM s3_buckets ORDER BY name")?;
    query.query_map((), |row| Ok((row.get(0)?, timestamp(row.get(1)?))))?.collect()
}

/// Adds a bucket; returns `false` if it exists already.
pub fn add_bucket(tx: &Transaction<'_>, name: &str) -> rusqlite::Result<bool> {
    let added = tx.execute(
        "INSERT OR IGNORE INTO s3_buckets (name, created_ms) VALUES (?1, ?2)",
        (name, now_ms().cast_signed()),
    )?;
    Ok(added == 1)
}

/// Fails with `NoSuchBucket` if the bucket doesn't exist.
pub fn require_bucket(tx: &Transaction<'_>, name: &str) -> Result<(), OperationError> {
    let mut query = tx.prepare_cached("SELECT 1 FROM s3_buckets WHERE name = ?1")?;
    if query.exists([name])? {
        return Ok(());
    }
    Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"))?
}

/// Removes a bucket and its open uploads; returns the blob files of their parts. Fails with `BucketNotEmpty`.
pub fn remove_bucket(tx: &Transaction<'_>, name: &str) -> Result<Vec<String>, OperationError> {
    require_bucket(tx, name)?;
    if seek_object(tx, name, "")?.is_some() {
        Err(s3_error!(BucketNotEmpty, "The bucket you tried to delete is not empty"))?;
    }
    let mut files = Vec::new();
    for upload in upload_metadata::uploads(tx, name, ("", ""))? {
        files.extend(upload_metadata::remove_upload(tx, &upload.id)?);
    }
    tx.execute("DELETE FROM s3_buckets WHERE name = ?1", [name])?;
    Ok(files)
}

pub fn set_cors(tx: &Transaction<'_>, bucket: &str, rules: Option<&str>) -> rusqlite::Result<()> {
    tx.execute("UPDATE s3_buckets SET cors = ?2 WHERE name = ?1", (bucket, rules)).map(drop)
}

/// Returns the names and CORS rules (in JSON) of all buckets that have rules.
pub fn all_cors(tx: &Transaction<'_>) -> rusqlite::Result<Vec<(String, String)>> {
    let mut query = tx.prepare("SELECT name, cors FROM s3_buckets WHERE cors IS NOT NULL")?;
    query.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

const OBJECT_COLUMNS: &str = "id, key, crc, size, etag, head, modified_ms";

fn object_from_row(row: &Row<'_>) -> rusqlite::Result<Object> {
    Ok(Object {
        id: row.get(0)?,
        key: row.get(1)?,
        content: content(row, 2)?,
        etag: row.get(4)?,
        headers: headers(row, 5)?,
        modified: timestamp(row.get(6)?),
    })
}

pub fn find_object(tx: &Transaction<'_>, bucket: &str, key: &str) -> rusqlite::Result<Option<Object>> {
    let sql = format!("SELECT {OBJECT_COLUMNS} FROM s3_objects WHERE bucket = ?1 AND key = ?2");
    tx.prepare_cached(&sql)?.query_row((bucket, key), object_from_row).optional()
}

/// Returns the first object whose key is `from` or comes after it in byte order.
pub fn seek_object(tx: &Transaction<'_>, bucket: &str, from: &str) -> rusqlite::Result<Option<Object>> {
    let sql = format!(
        "SELECT {OBJECT_COLUMNS} FROM s3_objects WHERE bucket = ?1 AND key >= ?2 ORDER BY key LIMIT 1"
    );
    tx.prepare_cached(&sql)?.query_row((bucket, from), object_from_row).optional()
}

/// Adds an object that consists of `files` in order, and returns its row. The key must not exist yet.
pub fn add_object(
    tx: &Transaction<'_>,
    bucket: &str,
    key: &str,
    (content, etag, headers): (Crc64AndSize, String, ObjectHeaders),
    files: &[(String, u64)],
) -> rusqlite::Result<Object> {
    let modified_ms = now_ms().cast_signed();
    tx.prepare_cached(
        "INSERT INTO s3_objects (bucket, key, crc, size, etag, head, modified_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute((
        bucket,
        key,
        content.crc.cast_signed(),
        content.size.cast_signed(),
        &etag,
        to_json(&headers)?,
        modified_ms,
    ))?;
    let id = tx.last_insert_rowid();
    let mut start = 0;
    let mut insert =
        tx.prepare_cached("INSERT INTO s3_chunks (object, start, size, file) VALUES (?1, ?2, ?3, ?4)")?;
    for (file, size) in files {
        insert.execute((id, start, size.cast_signed(), file))?;
        start += size.cast_signed();
    }
    Ok(Object { id, key: key.to_owned(), content, etag, headers, modified: timestamp(modified_ms) })
}

/// Replaces the headers of an object; its time of modification stays.
pub fn set_headers(tx: &Transaction<'_>, object: i64, headers: &ObjectHeaders) -> rusqlite::Result<()> {
    tx.execute("UPDATE s3_objects SET head = ?2 WHERE id = ?1", (object, to_json(headers)?)).map(drop)
}

/// Returns the range of bytes of the part `number`, counted from 1; `None` if there is none.
pub fn part_range(tx: &Transaction<'_>, object: i64, number: u32) -> rusqlite::Result<Option<Range<u64>>> {
    let mut query = tx.prepare_cached(
        "SELECT start, size FROM s3_chunks WHERE object = ?1 ORDER BY start LIMIT 1 OFFSET ?2 - 1",
    )?;
    let row = |row: &Row<'_>| {
        let (start, size) = (row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned());
        Ok(start..start + size)
    };
    query.query_row((object, number), row).optional()
}

/// Removes an object's rows; returns its blob files.
pub fn remove_object(tx: &Transaction<'_>, id: i64) -> rusqlite::Result<Vec<String>> {
    let mut query = tx.prepare_cached("SELECT file FROM s3_chunks WHERE object = ?1")?;
    let files = query.query_map([id], |row| row.get(0))?.collect::<Result<_, _>>()?;
    tx.prepare_cached("DELETE FROM s3_objects WHERE id = ?1")?.execute([id])?;
    Ok(files)
}

/// Returns the blob ranges that hold an object's bytes in `range`.
pub fn blob_ranges(tx: &Transaction<'_>, object: i64, range: Range<u64>) -> rusqlite::Result<Vec<BlobRange>> {
    let mut query = tx.prepare_cached(
        "SELECT start, size, file FROM s3_chunks
         WHERE object = ?1 AND start < ?3 AND start + size > ?2 ORDER BY start",
    )?;
    let end = i64::try_from(range.end).unwrap_or(i64::MAX);
    let rows = query.query_map((object, range.start.cast_signed(), end), |row| {
        let (start, size) = (row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned());
        let (from, to) = (range.start.max(start), range.end.min(start + size));
        Ok(BlobRange { file: row.get(2)?, offset: from - start, size: to - from })
    })?;
    rows.collect()
}

/// Returns all blob files that a row references.
pub fn referenced_files(tx: &Transaction<'_>) -> rusqlite::Result<HashSet<String>> {
    let mut query = tx.prepare("SELECT file FROM s3_chunks UNION ALL SELECT file FROM s3_parts")?;
    query.query_map((), |row| row.get(0))?.collect()
}

pub(super) fn timestamp(ms: i64) -> Timestamp {
    (UNIX_EPOCH + Duration::from_millis(ms.unsigned_abs())).into()
}

/// Reads the adjacent columns `crc` and `size`. SQLite's integers are signed, so the bits are reinterpreted.
pub(super) fn content(row: &Row<'_>, column: usize) -> rusqlite::Result<Crc64AndSize> {
    Ok(Crc64AndSize {
        crc: row.get::<_, i64>(column)?.cast_unsigned(),
        size: row.get::<_, i64>(column + 1)?.cast_unsigned(),
    })
}

pub(super) fn headers(row: &Row<'_>, column: usize) -> rusqlite::Result<ObjectHeaders> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
    })
}

pub(super) fn to_json(headers: &ObjectHeaders) -> rusqlite::Result<String> {
    serde_json::to_string(headers).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}
