//! SQL queries on multipart uploads and their parts. Each query runs in the caller's transaction.

use super::checksums::{Algorithm, Checksums, DeclaredChecksum};
use super::crc64::Crc64AndSize;
use super::error::OperationError;
use super::metadata::{
    Object, ObjectHeaders, content, find_object, headers, require_bucket, timestamp, to_json,
};
use edge::clock::now_ms;
use rusqlite::{OptionalExtension, Row, Transaction};
use s3s::dto::{ChecksumType, Timestamp};
use s3s::s3_error;
use std::time::Duration;

/// A multipart upload's row.
pub struct Upload {
    pub id: String,
    pub key: String,
    pub checksum: Option<DeclaredChecksum>,
    pub headers: ObjectHeaders,
    pub created: Timestamp,
}

/// A part's row.
pub struct Part {
    pub number: u32,
    pub content: Crc64AndSize,
    /// `None` in rows of earlier versions.
    pub md5: Option<[u8; 16]>,
    /// Those of its request, and CRC64NVME.
    pub checksums: Checksums,
    pub file: String,
    pub modified: Timestamp,
}

impl Part {
    pub fn etag(&self) -> String {
        self.md5.map_or_else(|| self.content.legacy_etag(), hex::encode)
    }
}

pub fn add_upload(
    tx: &Transaction<'_>,
    id: &str,
    bucket: &str,
    key: &str,
    checksum: Option<DeclaredChecksum>,
    headers: &ObjectHeaders,
) -> Result<(), OperationError> {
    require_bucket(tx, bucket)?;
    tx.execute(
        "INSERT INTO s3_uploads (id, bucket, key, declared, head, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (id, bucket, key, checksum.map(declared_to_text), to_json(headers)?, now_ms().cast_signed()),
    )?;
    Ok(())
}

const UPLOAD_COLUMNS: &str = "id, key, declared, head, created_ms";

fn upload_from_row(row: &Row<'_>) -> rusqlite::Result<Upload> {
    Ok(Upload {
        id: row.get(0)?,
        key: row.get(1)?,
        checksum: row.get::<_, Option<String>>(2)?.and_then(|text| declared_from_text(&text)),
        headers: headers(row, 3)?,
        created: timestamp(row.get(4)?),
    })
}

/// Formats a declared checksum: its algorithm, and its type where S3 has two.
fn declared_to_text(declared: DeclaredChecksum) -> String {
    let name = declared.algorithm.name();
    if declared.full_object && declared.algorithm != Algorithm::Crc64Nvme {
        return format!("{name} {}", ChecksumType::FULL_OBJECT);
    }
    name.to_owned()
}

fn declared_from_text(text: &str) -> Option<DeclaredChecksum> {
    let (name, checksum_type) = text.split_once(' ').unzip();
    let algorithm = Algorithm::from_name(name.unwrap_or(text)).ok()?;
    DeclaredChecksum::new(algorithm, checksum_type).ok()
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
        "INSERT OR REPLACE INTO s3_parts (upload, number, crc, size, file, modified_ms, md5, checksums)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute((
        upload,
        part.number,
        part.content.crc.cast_signed(),
        part.content.size.cast_signed(),
        &part.file,
        now_ms().cast_signed(),
        part.md5.map(hex::encode),
        serde_json::to_string(&part.checksums)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?,
    ))?;
    Ok(replaced)
}

/// Returns at most `limit` parts ordered by number, with numbers above `after`.
pub fn parts(tx: &Transaction<'_>, upload: &str, after: u32, limit: u32) -> rusqlite::Result<Vec<Part>> {
    let mut query = tx.prepare_cached(
        "SELECT number, crc, size, file, modified_ms, md5, checksums FROM s3_parts
         WHERE upload = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
    )?;
    let rows = query.query_map((upload, after, limit), |row| {
        let content = content(row, 1)?;
        let checksums = row.get::<_, Option<String>>(6)?.and_then(|json| serde_json::from_str(&json).ok());
        let crc64 = || Checksums::from([(Algorithm::Crc64Nvme, Some(content.checksum_header()))]);
        Ok(Part {
            number: row.get(0)?,
            content,
            md5: row.get::<_, Option<String>>(5)?.and_then(|md5| hex::decode(md5).ok()?.try_into().ok()),
            checksums: checksums.unwrap_or_else(crc64),
            file: row.get(3)?,
            modified: timestamp(row.get(4)?),
        })
    })?;
    rows.collect()
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

/// Records the request that completed an upload, for as long as the object stays.
pub fn add_completed(tx: &Transaction<'_>, upload: &str, object: i64, request: &str) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO s3_completed (upload, object, request) VALUES (?1, ?2, ?3)",
        (upload, object, request),
    )
    .map(drop)
}

/// Returns the object that an upload of this bucket and key was completed to by `request`.
pub fn find_completed(
    tx: &Transaction<'_>,
    (bucket, key): (&str, &str),
    upload: &str,
    request: &str,
) -> rusqlite::Result<Option<Object>> {
    let completed: Option<i64> = tx
        .prepare_cached("SELECT object FROM s3_completed WHERE upload = ?1 AND request = ?2")?
        .query_row((upload, request), |row| row.get(0))
        .optional()?;
    let object = find_object(tx, bucket, key)?;
    Ok(object.filter(|object| completed == Some(object.id)))
}
