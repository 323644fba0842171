//! The fake backend: S3's rules for multipart uploads, and the stateless edge in front of it. Without faults: the
//! world injects those.

use crate::rng::mix;
use std::collections::BTreeMap;
use uploader_core::crc64;
use uploader_core::error::{ErrorKind, UploadError, codes};
use uploader_core::types::{Event, Listing, OpenedUpload, PartReceipt, PresignedPart, StoredFile};
use wire::{CompleteUpload, ErrorCode, MIN_PART_SIZE, MultipartState, PartPlan, StoredPart};

/// Unfinished uploads are removed after this, in milliseconds.
pub const UPLOAD_TTL_MS: u64 = 7 * 24 * 3_600_000;
/// How many parts are presigned in the response that opens an upload.
const FIRST_PRESIGNED: u32 = 16;

pub type Reply = Result<Event, UploadError>;

/// In what the backends differ.
#[derive(Clone, Debug)]
pub struct BackendBehavior {
    /// Computes CRC64NVME of each part and of the object.
    pub checksum: bool,
    /// Lists the parts' checksums.
    pub lists_checksums: bool,
    /// The storage compares the file's checksum before it makes the object; otherwise the edge does afterwards.
    pub verifies_file_checksum: bool,
    /// The same bytes have the same ETag, like MD5; otherwise each part has its own.
    pub etag_by_content: bool,
    /// The caller chose the video id, so that all uploads of the file have one key.
    pub fixed_key: bool,
    /// Lifetime of a presigned URL, in milliseconds.
    pub url_ttl_ms: u64,
    /// The edge reports that lifetime.
    pub reports_ttl: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub crc64: u64,
    pub len: u64,
    etag: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Completed,
    Aborted,
}

#[derive(Debug)]
struct Upload {
    key: u64,
    plan: PartPlan,
    parts: Vec<Option<Part>>,
    state: State,
    opened_ms: u64,
}

#[derive(Debug)]
pub struct Object {
    key: u64,
    pub parts: Vec<Part>,
    crc64: u64,
    size: u64,
}

/// The content of a presigned URL of this backend.
#[derive(Clone, Copy, Debug, Default)]
pub struct SignedUrl {
    pub upload: usize,
    pub part: u32,
    /// By the server's clock.
    pub expires_ms: u64,
}

pub struct FakeBackend {
    pub behavior: BackendBehavior,
    size: u64,
    uploads: Vec<Upload>,
    pub objects: Vec<Object>,
    etags: u64,
    /// How many parts were refused because their URL had expired.
    pub expired_puts: u32,
}

impl FakeBackend {
    /// A backend for uploads of one file of `size` bytes.
    pub fn new(behavior: BackendBehavior, size: u64) -> Self {
        Self { behavior, size, uploads: Vec::new(), objects: Vec::new(), etags: 0, expired_puts: 0 }
    }

    pub fn open(&mut self, part_size: u64, now_ms: u64) -> Reply {
        let plan = PartPlan::new(self.size, Some(part_size));
        let plan = plan.map_err(|_| edge_error(400, ErrorCode::BadRequest))?;
        let key = if self.behavior.fixed_key { 1 } else { 1_000 + self.uploads.len() as u64 };
        if self.objects.iter().any(|object| object.key == key) {
            return Err(edge_error(409, ErrorCode::VideoExists));
        }
        let upload = self.uploads.len();
        let parts = vec![None; plan.part_count() as usize];
        self.uploads.push(Upload { key, plan, parts, state: State::Open, opened_ms: now_ms });
        let first = 1..=plan.part_count().min(FIRST_PRESIGNED);
        Ok(Event::Opened(OpenedUpload {
            upload: format!("u{upload}"),
            video_id: key.to_string(),
            part_size: plan.part_size(),
            part_count: plan.part_count(),
            checksum: self.behavior.checksum,
            expires_at_ms: Some(now_ms + UPLOAD_TTL_MS),
            parts: first.map(|part| self.presign(upload, part, now_ms)).collect(),
        }))
    }

    pub fn sign(&mut self, upload: &str, parts: &[u32], now_ms: u64) -> Reply {
        let upload = self.find(upload, now_ms)?;
        if parts.is_empty() || parts.len() > wire::MAX_PARTS_PER_CALL {
            return Err(edge_error(400, ErrorCode::BadPartNumbers));
        }
        Ok(Event::Signed(parts.iter().map(|part| self.presign(upload, *part, now_ms)).collect()))
    }

    pub fn list(&mut self, upload: &str, now_ms: u64) -> Reply {
        let index = self.find(upload, now_ms)?;
        let upload = &self.uploads[index];
        let lists_checksums = self.behavior.checksum && self.behavior.lists_checksums;
        let listed = |(part_number, part): (u32, &Option<Part>)| {
            let part = (*part)?;
            let checksum = lists_checksums.then(|| crc64::to_base64(part.crc64));
            Some(StoredPart { part_number, size: part.len, etag: etag(part), checksum })
        };
        let (state, parts) = match upload.state {
            State::Open => (MultipartState::Open, (1..).zip(&upload.parts).filter_map(listed).collect()),
            _ if self.object_of(index, None).is_some() => (MultipartState::Completed, Vec::new()),
            _ => (MultipartState::Aborted, Vec::new()),
        };
        Ok(Event::Listed(Listing { state, parts }))
    }

    pub fn complete(&mut self, upload: &str, body: &CompleteUpload, now_ms: u64) -> Reply {
        let index = self.find(upload, now_ms)?;
        let plan = self.uploads[index].plan;
        let numbers = body.parts.iter().map(|part| part.part_number);
        if !numbers.eq(1..=plan.part_count()) {
            return Err(edge_error(409, ErrorCode::PartsMismatch));
        }
        let position = match self.uploads[index].state {
            State::Open => self.make_object(index, body)?,
            _ => self
                .object_of(index, body.checksum.as_deref())
                .ok_or_else(|| edge_error(410, ErrorCode::UploadGone))?,
        };
        let object = &self.objects[position];
        let checksum = self.behavior.checksum.then(|| crc64::to_base64(object.crc64));
        if matches!((&body.checksum, &checksum), (Some(sent), Some(stored)) if sent != stored) {
            self.objects.remove(position);
            return Err(edge_error(409, ErrorCode::ChecksumMismatch));
        }
        Ok(Event::Completed(StoredFile {
            video_id: object.key.to_string(),
            key: object.key.to_string(),
            size: object.size,
            checksum,
            verified: false,
        }))
    }

    pub fn abort(&mut self, upload: &str, now_ms: u64) -> Reply {
        let Some(index) = self.index(upload) else { return Err(edge_error(404, ErrorCode::BadUpload)) };
        self.expire(index, now_ms);
        let upload = &mut self.uploads[index];
        if upload.state == State::Open {
            upload.state = State::Aborted;
        }
        Ok(Event::Aborted)
    }

    /// A part's `PUT`. `started_ms` is when it started: S3 checks the signature then.
    pub fn put(
        &mut self,
        signed: SignedUrl,
        crc64: u64,
        len: u64,
        started_ms: u64,
    ) -> Result<PartReceipt, UploadError> {
        if started_ms >= signed.expires_ms {
            self.expired_puts += 1;
            return Err(storage_error("AccessDenied"));
        }
        self.expire(signed.upload, started_ms);
        self.etags += 1;
        let part_etag = if self.behavior.etag_by_content { mix(crc64 ^ len) } else { self.etags };
        let upload = &mut self.uploads[signed.upload];
        if upload.state != State::Open {
            return Err(storage_error("NoSuchUpload"));
        }
        let part = Part { crc64, len, etag: part_etag };
        if let Some(stored) = upload.parts.get_mut(signed.part as usize - 1) {
            *stored = Some(part);
        }
        let checksum = self.behavior.checksum.then(|| crc64::to_base64(crc64));
        Ok(PartReceipt { etag: Some(etag(part)), checksum })
    }

    /// Parses a presigned URL.
    pub fn parse_url(url: &str) -> Option<SignedUrl> {
        let mut numbers = url.split('/').map(|number| number.parse::<u64>().ok());
        let mut next = || numbers.next().flatten();
        Some(SignedUrl { upload: next()? as usize, part: next()? as u32, expires_ms: next()? })
    }

    pub fn object(&self, key: &str) -> Option<&Object> {
        self.objects.iter().find(|object| object.key.to_string() == key)
    }

    pub fn is_open(&self, upload: &str) -> bool {
        self.index(upload).is_some_and(|index| self.uploads[index].state == State::Open)
    }

    /// How many uploads were opened so far.
    pub fn opened(&self) -> usize {
        self.uploads.len()
    }

    /// An upload is removed by another client or by a lifecycle rule.
    pub fn remove(&mut self, upload: &str) {
        if let Some(index) = self.index(upload)
            && self.uploads[index].state == State::Open
        {
            self.uploads[index].state = State::Aborted;
        }
    }

    fn make_object(&mut self, index: usize, body: &CompleteUpload) -> Result<usize, UploadError> {
        let upload = &self.uploads[index];
        let mut parts = Vec::with_capacity(body.parts.len());
        for (completed, stored) in body.parts.iter().zip(&upload.parts) {
            let stored = stored.filter(|stored| etag(*stored) == completed.etag);
            parts.push(stored.ok_or_else(|| edge_error(409, ErrorCode::PartsMismatch))?);
        }
        if parts.split_last().is_some_and(|(_, rest)| rest.iter().any(|part| part.len < MIN_PART_SIZE)) {
            return Err(edge_error(409, ErrorCode::PartsMismatch));
        }
        if parts.iter().map(|part| part.len).sum::<u64>() != self.size {
            return Err(edge_error(409, ErrorCode::SizeMismatch));
        }
        let crc64 = crc64::combine(parts.iter().map(|part| (part.crc64, part.len)));
        let checksum = crc64::to_base64(crc64);
        if self.behavior.checksum
            && self.behavior.verifies_file_checksum
            && body.checksum.as_ref().is_some_and(|sent| *sent != checksum)
        {
            return Err(edge_error(409, ErrorCode::ChecksumMismatch));
        }
        let key = upload.key;
        if self.objects.iter().any(|object| object.key == key) {
            return Err(edge_error(409, ErrorCode::VideoExists));
        }
        self.objects.push(Object { key, parts, crc64, size: self.size });
        self.uploads[index].state = State::Completed;
        Ok(self.objects.len() - 1)
    }

    /// The index of the object with the key and the checksum of that upload.
    fn object_of(&self, upload: usize, checksum: Option<&str>) -> Option<usize> {
        let key = self.uploads[upload].key;
        let position = self.objects.iter().position(|object| object.key == key)?;
        let stored = crc64::to_base64(self.objects[position].crc64);
        let differs = self.behavior.checksum && checksum.is_some_and(|sent| *sent != stored);
        (!differs).then_some(position)
    }

    fn presign(&self, upload: usize, part: u32, now_ms: u64) -> PresignedPart {
        PresignedPart {
            part,
            url: format!("{upload}/{part}/{}", now_ms + self.behavior.url_ttl_ms),
            headers: BTreeMap::new(),
            ttl_ms: self.behavior.reports_ttl.then_some(self.behavior.url_ttl_ms),
        }
    }

    fn find(&mut self, upload: &str, now_ms: u64) -> Result<usize, UploadError> {
        let index = self.index(upload).ok_or_else(|| edge_error(404, ErrorCode::BadUpload))?;
        self.expire(index, now_ms);
        if now_ms >= self.uploads[index].opened_ms + UPLOAD_TTL_MS {
            return Err(edge_error(410, ErrorCode::UploadExpired));
        }
        Ok(index)
    }

    fn expire(&mut self, index: usize, now_ms: u64) {
        let upload = &mut self.uploads[index];
        if now_ms >= upload.opened_ms + UPLOAD_TTL_MS && upload.state == State::Open {
            upload.state = State::Aborted;
        }
    }

    fn index(&self, upload: &str) -> Option<usize> {
        let index: usize = upload.strip_prefix('u')?.parse().ok()?;
        (index < self.uploads.len()).then_some(index)
    }
}

fn etag(part: Part) -> String {
    format!("\"{:x}\"", part.etag)
}

/// An error response of the edge, classified as the driver does it.
pub fn edge_error(status: u16, code: ErrorCode) -> UploadError {
    let kind = match code {
        ErrorCode::Unauthorized => ErrorKind::Expired,
        ErrorCode::Throttled => ErrorKind::Throttled,
        ErrorCode::UploadGone | ErrorCode::UploadExpired | ErrorCode::BadUpload => ErrorKind::UploadGone,
        ErrorCode::PartsMismatch => ErrorKind::ChecksumMismatch,
        _ if status >= 500 || code.retryable() => ErrorKind::Server,
        _ => ErrorKind::Permanent,
    };
    UploadError::new(kind, code.as_str(), code.title())
}

/// An error response of the storage by its code, classified as the driver does it.
pub fn storage_error(code: &str) -> UploadError {
    let error = |kind, error_code: &'static str| UploadError::new(kind, error_code, code.to_owned());
    match code {
        "NoSuchUpload" => UploadError::upload_gone(),
        "RequestTimeout" => UploadError::network(),
        "RequestTimeTooSkewed" => error(ErrorKind::ClockSkew, codes::CLOCKS_DIFFER),
        "AccessDenied" => error(ErrorKind::Expired, codes::STORAGE_REFUSED),
        "SlowDown" => error(ErrorKind::Throttled, codes::THROTTLED),
        "InsufficientStorage" => error(ErrorKind::StorageFull, codes::NO_SPACE),
        _ => UploadError::storage_unavailable(),
    }
}
