//! The fake backend: S3's rules for multipart uploads, and the stateless edge in front of it. Without faults: the
//! world injects those.

use std::collections::BTreeMap;
use uploader_core::crc64;
use uploader_core::error::{ErrorKind, UploadError, codes};
use uploader_core::types::{Event, Listing, OpenedUpload, PartChecksum, PresignedPart, StoredFile};
use wire::{ErrorCode, MultipartState, PartPlan, StoredPart};

/// Unfinished uploads are removed after this, in milliseconds.
pub const UPLOAD_TTL_MS: u64 = 7 * 24 * 3_600_000;

/// The key of another file's upload.
const FOREIGN_KEY: u64 = 500;

pub type Reply = Result<Event, UploadError>;

/// In what the backends differ.
#[derive(Clone, Debug)]
pub struct BackendBehavior {
    /// Verifies the CRC64NVME of each part and of the object, and lists it; otherwise it knows none.
    pub checksum: bool,
    /// The part size that the edge chooses, in bytes.
    pub part_size: u64,
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Completed,
    Aborted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
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
    /// The signed checksum, if the storage verifies one.
    pub crc64: Option<u64>,
}

pub struct FakeBackend {
    pub behavior: BackendBehavior,
    size: u64,
    uploads: Vec<Upload>,
    pub objects: Vec<Object>,
    /// How many parts were refused because their URL had expired.
    pub expired_puts: u32,
}

impl FakeBackend {
    /// A backend for uploads of one file of `size` bytes.
    pub fn new(behavior: BackendBehavior, size: u64) -> Self {
        Self { behavior, size, uploads: Vec::new(), objects: Vec::new(), expired_puts: 0 }
    }

    /// Opens an upload and presigns the first parts, if the client has cut the file as the edge does.
    pub fn open(&mut self, part_size: u64, checksums: &[u64], now_ms: u64) -> Reply {
        let key = if self.behavior.fixed_key { 1 } else { 1_000 + self.uploads.len() as u64 };
        if self.objects.iter().any(|object| object.key == key) {
            return Err(edge_error(409, ErrorCode::VideoExists));
        }
        if checksums.len() > wire::MAX_PARTS_PER_CALL {
            return Err(edge_error(400, ErrorCode::BadChecksum));
        }
        let upload = self.add_upload(key, now_ms)?;
        let plan = self.uploads[upload].plan;
        let is_cut_alike = plan.part_size() == part_size;
        let first = (1..).zip(checksums).filter(|_| is_cut_alike);
        let first = first.map(|(part, crc64)| PartChecksum { part, crc64: *crc64 });
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

    fn add_upload(&mut self, key: u64, now_ms: u64) -> Result<usize, UploadError> {
        let plan = PartPlan::new(self.size, Some(self.behavior.part_size));
        let plan = plan.map_err(|_| edge_error(400, ErrorCode::BadRequest))?;
        let parts = vec![None; plan.part_count() as usize];
        self.uploads.push(Upload { key, plan, parts, state: State::Open, opened_ms: now_ms });
        Ok(self.uploads.len() - 1)
    }

    /// An upload of another file; returns its token.
    pub fn add_foreign_upload(&mut self, parts: Vec<Option<Part>>, is_completed: bool) -> String {
        let Ok(index) = self.add_upload(FOREIGN_KEY, 0) else { return String::new() };
        if is_completed {
            let parts: Vec<Part> = parts.iter().copied().flatten().collect();
            let crc64 = crc64::combine(parts.iter().map(|part| (part.crc64, part.len)));
            self.objects.push(Object { key: FOREIGN_KEY, parts, crc64, size: self.size });
            self.uploads[index].state = State::Completed;
        }
        self.uploads[index].parts = parts;
        format!("u{index}")
    }

    pub fn upload(&self, token: &str) -> Option<&Upload> {
        self.uploads.get(self.index(token)?)
    }

    pub fn sign(&mut self, upload: &str, parts: &[PartChecksum], now_ms: u64) -> Reply {
        let index = self.open_index(upload, now_ms)?;
        let is_planned = |part: &PartChecksum| self.uploads[index].plan.contains(part.part);
        if parts.is_empty() || parts.len() > wire::MAX_PARTS_PER_CALL || !parts.iter().all(is_planned) {
            return Err(edge_error(400, ErrorCode::BadPartNumbers));
        }
        Ok(Event::Signed(parts.iter().map(|part| self.presign(index, *part, now_ms)).collect()))
    }

    pub fn list(&mut self, upload: &str, now_ms: u64) -> Reply {
        let index = self.find(upload, now_ms)?;
        let upload = &self.uploads[index];
        let listed = |(part_number, part): (u32, &Option<Part>)| {
            let part = (*part)?;
            let checksum = self.behavior.checksum.then(|| crc64::to_base64(part.crc64));
            Some(StoredPart { part_number, size: part.len, etag: "\"etag\"".into(), checksum })
        };
        let (state, parts) = match upload.state {
            State::Open => (MultipartState::Open, (1..).zip(&upload.parts).filter_map(listed).collect()),
            _ if self.object_of(index, None).is_some() => (MultipartState::Completed, Vec::new()),
            _ if self.is_expired(index, now_ms) => return Err(edge_error(410, ErrorCode::UploadExpired)),
            _ => (MultipartState::Aborted, Vec::new()),
        };
        Ok(Event::Listed(Listing { state, parts }))
    }

    pub fn complete(&mut self, upload: &str, crc64: u64, now_ms: u64) -> Reply {
        let index = self.find(upload, now_ms)?;
        let position = match self.uploads[index].state {
            State::Open => {
                let missing = self.missing_parts(index);
                if !missing.is_empty() {
                    return Ok(Event::PartsMissing(missing));
                }
                self.make_object(index, crc64)?
            }
            _ => self.object_of(index, Some(crc64)).ok_or_else(|| {
                let is_expired = self.is_expired(index, now_ms);
                edge_error(410, if is_expired { ErrorCode::UploadExpired } else { ErrorCode::UploadGone })
            })?,
        };
        let object = &self.objects[position];
        Ok(Event::Completed(StoredFile {
            video_id: object.key.to_string(),
            key: object.key.to_string(),
            size: object.size,
            checksum: self.behavior.checksum.then(|| crc64::to_base64(object.crc64)),
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
    ) -> Result<(), UploadError> {
        if started_ms >= signed.expires_ms {
            self.expired_puts += 1;
            return Err(storage_error("AccessDenied"));
        }
        self.expire(signed.upload, started_ms);
        let upload = &mut self.uploads[signed.upload];
        if upload.state != State::Open {
            return Err(storage_error("NoSuchUpload"));
        }
        if upload.plan.len(signed.part) != len {
            return Err(storage_error("SignatureDoesNotMatch"));
        }
        if signed.crc64.is_some_and(|signed| signed != crc64) {
            return Err(storage_error("BadDigest"));
        }
        if let Some(stored) = upload.parts.get_mut(signed.part as usize - 1) {
            *stored = Some(Part { crc64, len });
        }
        Ok(())
    }

    /// Parses a presigned URL.
    pub fn parse_url(url: &str) -> Option<SignedUrl> {
        let mut numbers = url.split('/').map(|number| number.parse::<u64>().ok());
        let mut next = || numbers.next().flatten();
        let (upload, part, expires_ms) = (next()? as usize, next()? as u32, next()?);
        Some(SignedUrl { upload, part, expires_ms, crc64: next() })
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

    /// The storage loses every part for which `is_lost` holds; returns how many.
    pub fn lose_parts(&mut self, upload: &str, mut is_lost: impl FnMut() -> bool) -> u32 {
        let Some(index) = self.index(upload) else { return 0 };
        let mut lost = 0;
        for part in &mut self.uploads[index].parts {
            if part.is_some() && is_lost() {
                *part = None;
                lost += 1;
            }
        }
        lost
    }

    fn missing_parts(&self, index: usize) -> Vec<u32> {
        let parts = (1..).zip(&self.uploads[index].parts);
        parts.filter(|(_, part)| part.is_none()).map(|(number, _)| number).collect()
    }

    fn make_object(&mut self, index: usize, file_crc64: u64) -> Result<usize, UploadError> {
        let upload = &self.uploads[index];
        let parts: Vec<Part> = upload.parts.iter().copied().flatten().collect();
        let crc64 = crc64::combine(parts.iter().map(|part| (part.crc64, part.len)));
        if self.behavior.checksum && crc64 != file_crc64 {
            return Err(edge_error(409, ErrorCode::ChecksumMismatch));
        }
        let key = upload.key;
        if self.objects.iter().any(|object| object.key == key) {
            // Only equal checksums show that it is this file.
            let same = self.object_of(index, Some(file_crc64)).filter(|_| self.behavior.checksum);
            return same.ok_or_else(|| edge_error(409, ErrorCode::VideoExists));
        }
        self.objects.push(Object { key, parts, crc64, size: self.size });
        self.uploads[index].state = State::Completed;
        Ok(self.objects.len() - 1)
    }

    /// The index of the object with the key and the checksum of that upload.
    fn object_of(&self, upload: usize, crc64: Option<u64>) -> Option<usize> {
        let key = self.uploads[upload].key;
        let position = self.objects.iter().position(|object| object.key == key)?;
        let differs =
            self.behavior.checksum && crc64.is_some_and(|crc64| crc64 != self.objects[position].crc64);
        (!differs).then_some(position)
    }

    fn presign(
        &self,
        upload: usize,
        PartChecksum { part, crc64 }: PartChecksum,
        now_ms: u64,
    ) -> PresignedPart {
        let checksum = if self.behavior.checksum { crc64.to_string() } else { "none".into() };
        PresignedPart {
            part,
            url: format!("{upload}/{part}/{}/{checksum}", now_ms + self.behavior.url_ttl_ms),
            headers: BTreeMap::new(),
            ttl_ms: self.behavior.reports_ttl.then_some(self.behavior.url_ttl_ms),
        }
    }

    /// The index of an upload that hasn't expired.
    fn open_index(&mut self, upload: &str, now_ms: u64) -> Result<usize, UploadError> {
        let index = self.find(upload, now_ms)?;
        if self.is_expired(index, now_ms) {
            return Err(edge_error(410, ErrorCode::UploadExpired));
        }
        Ok(index)
    }

    fn find(&mut self, upload: &str, now_ms: u64) -> Result<usize, UploadError> {
        let index = self.index(upload).ok_or_else(|| edge_error(404, ErrorCode::BadUpload))?;
        self.expire(index, now_ms);
        Ok(index)
    }

    fn is_expired(&self, index: usize, now_ms: u64) -> bool {
        now_ms >= self.uploads[index].opened_ms + UPLOAD_TTL_MS
    }

    fn expire(&mut self, index: usize, now_ms: u64) {
        if self.is_expired(index, now_ms) && self.uploads[index].state == State::Open {
            self.uploads[index].state = State::Aborted;
        }
    }

    fn index(&self, upload: &str) -> Option<usize> {
        let index: usize = upload.strip_prefix('u')?.parse().ok()?;
        (index < self.uploads.len()).then_some(index)
    }
}

/// An error response of the edge, classified as the driver does it.
pub fn edge_error(status: u16, code: ErrorCode) -> UploadError {
    let kind = match code {
        ErrorCode::Unauthorized => ErrorKind::Expired,
        ErrorCode::Throttled => ErrorKind::Throttled,
        ErrorCode::UploadGone | ErrorCode::UploadExpired | ErrorCode::BadUpload => ErrorKind::UploadGone,
        ErrorCode::ChecksumMismatch => ErrorKind::ChecksumMismatch,
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
        "RequestTimeout" => UploadError::network("the server"),
        "BadDigest" => UploadError::checksum_mismatch(),
        "RequestTimeTooSkewed" => error(ErrorKind::ClockSkew, codes::CLOCKS_DIFFER),
        "AccessDenied" | "SignatureDoesNotMatch" => error(ErrorKind::Expired, codes::STORAGE_REFUSED),
        "SlowDown" => error(ErrorKind::Throttled, codes::THROTTLED),
        "InsufficientStorage" => error(ErrorKind::StorageFull, codes::NO_SPACE),
        _ => UploadError::storage_unavailable(),
    }
}
