//! SQL queries on the metadata: buckets, objects and their blob files, multipart uploads and their parts.
//! Each query runs in the caller's transaction.

use super::blobs::BlobRange;
use super::checksums::Crc64AndSize;
use super::error::OperationError;
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
            PRIMARY KEY (upload, number)) WITHOUT ROWID;",
    )
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

/// A multipart upload's row.
pub struct Upload {
    pub id: String,
    pub key: String,
    /// The checksum algorithm given at its creation.
    pub checksum_algorithm: Option<String>,
    pub headers: ObjectHeaders,
    pub created: Timestamp,
}

/// A part's row.
pub struct Part {
    pub number: u32,
    pub content: Crc64AndSize,
    pub file: String,
    pub modified: Timestamp,
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

pub fn add_upload(
    tx: &Transaction<'_>,
    id: &str,
    bucket: &str,
    key: &str,
    checksum_algorithm: Option<&str>,
    headers: &ObjectHeaders,
) -> Result<(), OperationError> {
    require_bucket(tx, bucket)?;
    tx.execute(
        "INSERT INTO s3_uploads (id, bucket, key, declared, head, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (id, bucket, key, checksum_algorithm, to_json(headers)?, now_ms().cast_signed()),
    )?;
    Ok(())
}

const UPLOAD_COLUMNS: &str = "id, key, declared, head, created_ms";

fn upload_from_row(row: &Row<'_>) -> rusqlite::Result<Upload> {
    Ok(Upload {
        id: row.get(0)?,
        key: row.get(1)?,
        checksum_algorithm: row.get(2)?,
        headers: headers(row, 3)?,
        created: timestamp(row.get(4)?),
    })
}

/// Returns an open upload of this bucket and key. Fails with `NoSuchBucket` or `NoSuchUpload`.
pub fn require_upload(
    tx: &Transaction<'_>,
    bucket: &str,
    key: &str,
    id: &str,
) -> Result<Upload, OperationError> {
    require_bucket(tx, bucket)?;
    let sql = format!("SELECT {UPLOAD_COLUMNS} FROM s3_uploads WHERE id = ?1 AND bucket = ?2 AND key = ?3");
    let found = tx.prepare_cached(&sql)?.query_row((id, bucket, key), upload_from_row).optional()?;
    Ok(found.ok_or_else(|| {
        s3_error!(
            NoSuchUpload,
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
        )
    })?)
}

/// Returns open uploads ordered by key and id, after the pair `after`.
pub fn uploads(tx: &Transaction<'_>, bucket: &str, after: (&str, &str)) -> rusqlite::Result<Vec<Upload>> {
    let sql = format!(
        "SELECT {UPLOAD_COLUMNS} FROM s3_uploads WHERE bucket = ?1 AND (key, id) > (?2, ?3) ORDER BY key, id"
    );
    tx.prepare_cached(&sql)?.query_map((bucket, after.0, after.1), upload_from_row)?.collect()
}

/// Returns the ids of uploads that are older than `age`.
pub fn expired_uploads(tx: &Transaction<'_>, age: Duration) -> rusqlite::Result<Vec<String>> {
    let limit = now_ms().cast_signed() - i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    tx.prepare("SELECT id FROM s3_uploads WHERE created_ms < ?1")?
        .query_map([limit], |row| row.get(0))?
        .collect()
}

/// Removes an upload and its parts; returns the parts' blob files.
pub fn remove_upload(tx: &Transaction<'_>, id: &str) -> rusqlite::Result<Vec<String>> {
    let files = parts(tx, id, 0, u32::MAX)?.into_iter().map(|part| part.file).collect();
    tx.execute("DELETE FROM s3_uploads WHERE id = ?1", [id])?;
    Ok(files)
}

/// Inserts or replaces a part; returns the blob file of the replaced one.
pub fn set_part(tx: &Transaction<'_>, upload: &str, part: &Part) -> rusqlite::Result<Option<String>> {
    let mut query = tx.prepare_cached("SELECT file FROM s3_parts WHERE upload = ?1 AND number = ?2")?;
    let replaced = query.query_row((upload, part.number), |row| row.get(0)).optional()?;
    tx.prepare_cached(
        "INSERT OR REPLACE INTO s3_parts (upload, number, crc, size, file, modified_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute((
        upload,
        part.number,
        part.content.crc.cast_signed(),
        part.content.size.cast_signed(),
        &part.file,
        now_ms().cast_signed(),
    ))?;
    Ok(replaced)
}

/// Returns at most `limit` parts ordered by number, with numbers above `after`.
pub fn parts(tx: &Transaction<'_>, upload: &str, after: u32, limit: u32) -> rusqlite::Result<Vec<Part>> {
    let mut query = tx.prepare_cached(
        "SELECT number, crc, size, file, modified_ms FROM s3_parts
         WHERE upload = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
    )?;
    let rows = query.query_map((upload, after, limit), |row| {
        Ok(Part {
            number: row.get(0)?,
            content: content(row, 1)?,
            file: row.get(3)?,
            modified: timestamp(row.get(4)?),
        })
    })?;
    rows.collect()
}

/// Returns all blob files that a row references.
pub fn referenced_files(tx: &Transaction<'_>) -> rusqlite::Result<HashSet<String>> {
    let mut query = tx.prepare("SELECT file FROM s3_chunks UNION ALL SELECT file FROM s3_parts")?;
    query.query_map((), |row| row.get(0))?.collect()
}

/// Removes the parts for whose file name and size `is_complete` returns `false`.
pub fn remove_incomplete_parts(
    tx: &Transaction<'_>,
    is_complete: impl Fn(&str, u64) -> bool,
) -> rusqlite::Result<()> {
    let mut query = tx.prepare("SELECT upload, number, file, size FROM s3_parts")?;
    let mut rows = query.query(())?;
    while let Some(row) = rows.next()? {
        if !is_complete(&row.get::<_, String>(2)?, row.get::<_, i64>(3)?.unsigned_abs()) {
            let part: (String, i64) = (row.get(0)?, row.get(1)?);
            tx.execute("DELETE FROM s3_parts WHERE upload = ?1 AND number = ?2", part)?;
        }
    }
    Ok(())
}

fn timestamp(ms: i64) -> Timestamp {
    (UNIX_EPOCH + Duration::from_millis(ms.unsigned_abs())).into()
}

/// Reads the adjacent columns `crc` and `size`. SQLite's integers are signed, so the bits are reinterpreted.
fn content(row: &Row<'_>, column: usize) -> rusqlite::Result<Crc64AndSize> {
    Ok(Crc64AndSize {
        crc: row.get::<_, i64>(column)?.cast_unsigned(),
        size: row.get::<_, i64>(column + 1)?.cast_unsigned(),
    })
}

fn headers(row: &Row<'_>, column: usize) -> rusqlite::Result<ObjectHeaders> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
    })
}

fn to_json(headers: &ObjectHeaders) -> rusqlite::Result<String> {
    serde_json::to_string(headers).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}
