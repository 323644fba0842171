//! What is stored, in SQLite: buckets, objects and the chunks they are made of, uploads and their parts.
//! Only queries live here; each runs in the transaction that it is handed.

use super::blobs::Piece;
use super::checksums::Sum;
use super::error::Failure;
use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use s3s::dto::{Metadata, Timestamp};
use s3s::s3_error;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Creates what isn't there yet. AUTOINCREMENT never hands out an id twice: ids are events' sequence numbers.
pub fn create(tx: &Connection) -> rusqlite::Result<()> {
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

/// The headers that an object keeps and gives back.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Head {
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub expires: Option<Timestamp>,
    pub metadata: Option<Metadata>,
}

/// An object's row.
pub struct Object {
    pub id: i64,
    pub key: String,
    pub sum: Sum,
    pub etag: String,
    pub head: Head,
    pub modified: Timestamp,
}

/// A multipart upload's row.
pub struct Upload {
    pub id: String,
    pub key: String,
    /// The checksum algorithm that its creation declared.
    pub declared: Option<String>,
    pub head: Head,
    pub created: Timestamp,
}

/// A part's row.
pub struct Part {
    pub number: u32,
    pub sum: Sum,
    pub file: String,
    pub modified: Timestamp,
}

pub fn buckets(tx: &Transaction<'_>) -> rusqlite::Result<Vec<(String, Timestamp)>> {
    let mut query = tx.prepare_cached("SELECT name, created_ms FROM s3_buckets ORDER BY name")?;
    query.query_map((), |row| Ok((row.get(0)?, time(row.get(1)?))))?.collect()
}

/// Adds a bucket; `false` if it is there already.
pub fn add_bucket(tx: &Transaction<'_>, name: &str) -> rusqlite::Result<bool> {
    let added =
        tx.execute("INSERT OR IGNORE INTO s3_buckets (name, created_ms) VALUES (?1, ?2)", (name, now_ms()))?;
    Ok(added == 1)
}

/// `NoSuchBucket` unless it is there.
pub fn require_bucket(tx: &Transaction<'_>, name: &str) -> Result<(), Failure> {
    let mut query = tx.prepare_cached("SELECT 1 FROM s3_buckets WHERE name = ?1")?;
    if query.exists([name])? {
        return Ok(());
    }
    Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"))?
}

pub fn set_cors(tx: &Transaction<'_>, bucket: &str, rules: Option<&str>) -> rusqlite::Result<()> {
    tx.execute("UPDATE s3_buckets SET cors = ?2 WHERE name = ?1", (bucket, rules)).map(drop)
}

/// Each bucket that has CORS rules, with them in JSON.
pub fn cors(tx: &Transaction<'_>) -> rusqlite::Result<Vec<(String, String)>> {
    let mut query = tx.prepare("SELECT name, cors FROM s3_buckets WHERE cors IS NOT NULL")?;
    query.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

const OBJECT: &str = "id, key, crc, size, etag, head, modified_ms";

fn object(row: &Row<'_>) -> rusqlite::Result<Object> {
    Ok(Object {
        id: row.get(0)?,
        key: row.get(1)?,
        sum: sum(row, 2)?,
        etag: row.get(4)?,
        head: head(row, 5)?,
        modified: time(row.get(6)?),
    })
}

pub fn find_object(tx: &Transaction<'_>, bucket: &str, key: &str) -> rusqlite::Result<Option<Object>> {
    let sql = format!("SELECT {OBJECT} FROM s3_objects WHERE bucket = ?1 AND key = ?2");
    tx.prepare_cached(&sql)?.query_row((bucket, key), object).optional()
}

/// The first object at or after the key `from`, in the order of bytes.
pub fn seek_object(tx: &Transaction<'_>, bucket: &str, from: &str) -> rusqlite::Result<Option<Object>> {
    let sql = format!("SELECT {OBJECT} FROM s3_objects WHERE bucket = ?1 AND key >= ?2 ORDER BY key LIMIT 1");
    tx.prepare_cached(&sql)?.query_row((bucket, from), object).optional()
}

/// Adds an object made of whole files, in order, and returns its row. There must be none of its key.
pub fn add_object(
    tx: &Transaction<'_>,
    bucket: &str,
    key: &str,
    (sum, etag, head): (Sum, String, Head),
    files: &[(String, u64)],
) -> rusqlite::Result<Object> {
    let modified_ms = now_ms();
    tx.prepare_cached(
        "INSERT INTO s3_objects (bucket, key, crc, size, etag, head, modified_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute((bucket, key, sum.crc.cast_signed(), sum.size.cast_signed(), &etag, json(&head)?, modified_ms))?;
    let id = tx.last_insert_rowid();
    let mut start = 0;
    let mut insert =
        tx.prepare_cached("INSERT INTO s3_chunks (object, start, size, file) VALUES (?1, ?2, ?3, ?4)")?;
    for (file, size) in files {
        insert.execute((id, start, size.cast_signed(), file))?;
        start += size.cast_signed();
    }
    Ok(Object { id, key: key.to_owned(), sum, etag, head, modified: time(modified_ms) })
}

/// Removes an object's rows; returns the files that it was made of.
pub fn remove_object(tx: &Transaction<'_>, id: i64) -> rusqlite::Result<Vec<String>> {
    let mut query = tx.prepare_cached("SELECT file FROM s3_chunks WHERE object = ?1")?;
    let files = query.query_map([id], |row| row.get(0))?.collect::<Result<_, _>>()?;
    tx.prepare_cached("DELETE FROM s3_objects WHERE id = ?1")?.execute([id])?;
    Ok(files)
}

/// Where an object's bytes of `range` lie.
pub fn pieces(tx: &Transaction<'_>, object: i64, range: Range<u64>) -> rusqlite::Result<Vec<Piece>> {
    let mut query = tx.prepare_cached(
        "SELECT start, size, file FROM s3_chunks
         WHERE object = ?1 AND start < ?3 AND start + size > ?2 ORDER BY start",
    )?;
    let end = i64::try_from(range.end).unwrap_or(i64::MAX);
    let rows = query.query_map((object, range.start.cast_signed(), end), |row| {
        let (start, size) = (row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned());
        let (from, to) = (range.start.max(start), range.end.min(start + size));
        Ok(Piece { file: row.get(2)?, offset: from - start, size: to - from })
    })?;
    rows.collect()
}

pub fn add_upload(
    tx: &Transaction<'_>,
    id: &str,
    bucket: &str,
    key: &str,
    declared: Option<&str>,
    head: &Head,
) -> Result<(), Failure> {
    require_bucket(tx, bucket)?;
    tx.execute(
        "INSERT INTO s3_uploads (id, bucket, key, declared, head, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (id, bucket, key, declared, json(head)?, now_ms()),
    )?;
    Ok(())
}

const UPLOAD: &str = "id, key, declared, head, created_ms";

fn upload(row: &Row<'_>) -> rusqlite::Result<Upload> {
    Ok(Upload {
        id: row.get(0)?,
        key: row.get(1)?,
        declared: row.get(2)?,
        head: head(row, 3)?,
        created: time(row.get(4)?),
    })
}

/// `NoSuchBucket` or `NoSuchUpload` unless the upload is open, and is one of this bucket and key.
pub fn require_upload(tx: &Transaction<'_>, bucket: &str, key: &str, id: &str) -> Result<Upload, Failure> {
    require_bucket(tx, bucket)?;
    let sql = format!("SELECT {UPLOAD} FROM s3_uploads WHERE id = ?1 AND bucket = ?2 AND key = ?3");
    let found = tx.prepare_cached(&sql)?.query_row((id, bucket, key), upload).optional()?;
    Ok(found.ok_or_else(|| {
        s3_error!(
            NoSuchUpload,
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
        )
    })?)
}

/// Open uploads by key, then id, after the pair `after`.
pub fn uploads(tx: &Transaction<'_>, bucket: &str, after: (&str, &str)) -> rusqlite::Result<Vec<Upload>> {
    let sql = format!(
        "SELECT {UPLOAD} FROM s3_uploads WHERE bucket = ?1 AND (key, id) > (?2, ?3) ORDER BY key, id"
    );
    tx.prepare_cached(&sql)?.query_map((bucket, after.0, after.1), upload)?.collect()
}

/// Uploads that were created longer than `age` ago.
pub fn old_uploads(tx: &Transaction<'_>, age: Duration) -> rusqlite::Result<Vec<String>> {
    let limit = now_ms() - i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    tx.prepare("SELECT id FROM s3_uploads WHERE created_ms < ?1")?
        .query_map([limit], |row| row.get(0))?
        .collect()
}

/// Removes an upload and the rows of its parts; returns the parts' files.
pub fn remove_upload(tx: &Transaction<'_>, id: &str) -> rusqlite::Result<Vec<String>> {
    let files = parts(tx, id, 0, u32::MAX)?.into_iter().map(|part| part.file).collect();
    tx.execute("DELETE FROM s3_uploads WHERE id = ?1", [id])?;
    Ok(files)
}

/// Adds a part, in place of an earlier one of its number, whose file is returned.
pub fn put_part(tx: &Transaction<'_>, upload: &str, part: &Part) -> rusqlite::Result<Option<String>> {
    let mut query = tx.prepare_cached("SELECT file FROM s3_parts WHERE upload = ?1 AND number = ?2")?;
    let earlier = query.query_row((upload, part.number), |row| row.get(0)).optional()?;
    tx.prepare_cached(
        "INSERT OR REPLACE INTO s3_parts (upload, number, crc, size, file, modified_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute((
        upload,
        part.number,
        part.sum.crc.cast_signed(),
        part.sum.size.cast_signed(),
        &part.file,
        now_ms(),
    ))?;
    Ok(earlier)
}

/// At most `limit` parts, by number, after the number `after`.
pub fn parts(tx: &Transaction<'_>, upload: &str, after: u32, limit: u32) -> rusqlite::Result<Vec<Part>> {
    let mut query = tx.prepare_cached(
        "SELECT number, crc, size, file, modified_ms FROM s3_parts
         WHERE upload = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
    )?;
    let rows = query.query_map((upload, after, limit), |row| {
        Ok(Part { number: row.get(0)?, sum: sum(row, 1)?, file: row.get(3)?, modified: time(row.get(4)?) })
    })?;
    rows.collect()
}

/// Every file that a row names.
pub fn live_files(tx: &Transaction<'_>) -> rusqlite::Result<HashSet<String>> {
    let mut query = tx.prepare("SELECT file FROM s3_chunks UNION ALL SELECT file FROM s3_parts")?;
    query.query_map((), |row| row.get(0))?.collect()
}

/// Forgets the parts whose file isn't whole, as the name and size of it tell.
pub fn keep_parts(tx: &Transaction<'_>, whole: impl Fn(&str, u64) -> bool) -> rusqlite::Result<()> {
    let mut query = tx.prepare("SELECT upload, number, file, size FROM s3_parts")?;
    let mut rows = query.query(())?;
    while let Some(row) = rows.next()? {
        if !whole(&row.get::<_, String>(2)?, row.get::<_, i64>(3)?.unsigned_abs()) {
            let part: (String, i64) = (row.get(0)?, row.get(1)?);
            tx.execute("DELETE FROM s3_parts WHERE upload = ?1 AND number = ?2", part)?;
        }
    }
    Ok(())
}

/// The time of day, as rows keep it: milliseconds since 1970.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn time(ms: i64) -> Timestamp {
    (UNIX_EPOCH + Duration::from_millis(ms.unsigned_abs())).into()
}

/// A sum from two neighbouring columns, `crc` and `size`. SQLite's integers are signed: the bits are kept.
fn sum(row: &Row<'_>, at: usize) -> rusqlite::Result<Sum> {
    Ok(Sum { crc: row.get::<_, i64>(at)?.cast_unsigned(), size: row.get::<_, i64>(at + 1)?.cast_unsigned() })
}

fn head(row: &Row<'_>, at: usize) -> rusqlite::Result<Head> {
    let text: String = row.get(at)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, error.into())
    })
}

fn json(head: &Head) -> rusqlite::Result<String> {
    serde_json::to_string(head).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}
