//! The other side: S3 with its rules for multipart uploads, and the edge in front of it, which keeps no state
//! of its own. Faults are none of its affair: what gets here is treated as the real ones would.

use crate::dice::mix;
use uploader_core::crc64;
use uploader_core::error::{ErrorKind, UploadError, codes};
use uploader_core::types::{Event, Listing, OpenedUpload, StoredFile};
use uploader_core::types::{PartReceipt, PresignedPart};
use wire::{CompleteUpload, ErrorCode, MIN_PART_SIZE, PartPlan, StoredPart, UploadState};

/// Unfinished uploads are thrown away after so many milliseconds.
pub const UPLOAD_LIFE_MS: u64 = 7 * 24 * 3_600_000;
/// As many parts come signed with the opening.
const FIRST_WINDOW: u32 = 16;

pub type Reply = Result<Event, UploadError>;

/// What kind of store this is.
#[derive(Clone, Debug)]
pub struct Habits {
    /// Computes CRC64NVME of each part and of the whole.
    pub checks: bool,
    /// Tells the parts' checksums in lists, too.
    pub lists_checks: bool,
    /// Compares the whole's checksum itself before it makes the object; else the edge does afterwards.
    pub verifies_whole: bool,
    /// The same bytes have the same ETag, as MD5 would; else each part has one of its own.
    pub etags_repeat: bool,
    /// The caller named the video, so all uploads of it have one key.
    pub one_key: bool,
    /// How long a signed URL lasts, in milliseconds.
    pub url_life_ms: u64,
    /// Whether it says so.
    pub tells_life: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub crc: u64,
    pub len: u64,
    etag: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Open,
    Completed,
    Aborted,
}

#[derive(Debug)]
pub struct Upload {
    key: u64,
    plan: PartPlan,
    parts: Vec<Option<Part>>,
    state: State,
    opened_at: u64,
}

#[derive(Debug)]
pub struct Object {
    key: u64,
    pub parts: Vec<Part>,
    crc: u64,
    size: u64,
}

/// What a signed URL of this cloud says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signed {
    pub upload: usize,
    pub part: u32,
    /// By the server's clock.
    pub expires: u64,
}

pub struct Cloud {
    pub habits: Habits,
    size: u64,
    uploads: Vec<Upload>,
    pub objects: Vec<Object>,
    etags: u64,
    /// Parts refused because their URL had run out.
    pub late: u32,
}

impl Cloud {
    /// For uploads of one file of `size` bytes.
    pub fn new(habits: Habits, size: u64) -> Self {
        Self { habits, size, uploads: Vec::new(), objects: Vec::new(), etags: 0, late: 0 }
    }

    pub fn open(&mut self, wanted: u64, t: u64) -> Reply {
        let plan = PartPlan::new(self.size, Some(wanted)).map_err(|_| edge(400, ErrorCode::BadRequest))?;
        let key = if self.habits.one_key { 1 } else { 1_000 + self.uploads.len() as u64 };
        if self.objects.iter().any(|object| object.key == key) {
            return Err(edge(409, ErrorCode::VideoExists));
        }
        let upload = self.uploads.len();
        self.uploads.push(Upload {
            key,
            plan,
            parts: vec![None; plan.part_count() as usize],
            state: State::Open,
            opened_at: t,
        });
        Ok(Event::Opened(OpenedUpload {
            upload: format!("u{upload}"),
            video_id: key.to_string(),
            part_size: plan.part_size(),
            part_count: plan.part_count(),
            checksum: self.habits.checks,
            expires_at_ms: Some(t + UPLOAD_LIFE_MS),
            parts: (1..=plan.part_count().min(FIRST_WINDOW))
                .map(|part| self.ticket(upload, part, t))
                .collect(),
        }))
    }

    pub fn sign(&mut self, token: &str, parts: &[u32], t: u64) -> Reply {
        let upload = self.session(token, t)?;
        if parts.is_empty() || parts.len() > wire::MAX_PARTS_PER_CALL {
            return Err(edge(400, ErrorCode::BadPartNumbers));
        }
        Ok(Event::Signed(parts.iter().map(|part| self.ticket(upload, *part, t)).collect()))
    }

    pub fn list(&mut self, token: &str, t: u64) -> Reply {
        let index = self.session(token, t)?;
        let upload = &self.uploads[index];
        let listed = |(part_number, part): (u32, &Option<Part>)| {
            let part = (*part)?;
            let checksum =
                (self.habits.checks && self.habits.lists_checks).then(|| crc64::to_base64(part.crc));
            Some(StoredPart { part_number, size: part.len, etag: etag(part), checksum })
        };
        let (state, parts) = match upload.state {
            State::Open => (UploadState::Open, (1..).zip(&upload.parts).filter_map(listed).collect()),
            _ if self.finished(index, None).is_some() => (UploadState::Completed, Vec::new()),
            _ => (UploadState::Aborted, Vec::new()),
        };
        Ok(Event::Listed(Listing { state, parts }))
    }

    pub fn complete(&mut self, token: &str, body: &CompleteUpload, t: u64) -> Reply {
        let index = self.session(token, t)?;
        let plan = self.uploads[index].plan;
        let numbers = body.parts.iter().map(|part| part.part_number);
        if !numbers.eq(1..=plan.part_count()) {
            return Err(edge(409, ErrorCode::PartsMismatch));
        }
        let place = match self.uploads[index].state {
            State::Open => self.make_object(index, body)?,
            _ => self
                .finished(index, body.checksum.as_deref())
                .ok_or_else(|| edge(410, ErrorCode::UploadGone))?,
        };
        let object = &self.objects[place];
        let checksum = self.habits.checks.then(|| crc64::to_base64(object.crc));
        if matches!((&body.checksum, &checksum), (Some(theirs), Some(ours)) if theirs != ours) {
            self.objects.remove(place);
            return Err(edge(409, ErrorCode::ChecksumMismatch));
        }
        Ok(Event::Completed(StoredFile {
            video_id: object.key.to_string(),
            key: object.key.to_string(),
            size: object.size,
            checksum,
            verified: false,
        }))
    }

    pub fn abort(&mut self, token: &str, t: u64) -> Reply {
        let Some(index) = self.index(token) else { return Err(edge(404, ErrorCode::BadUpload)) };
        self.expire(index, t);
        let upload = &mut self.uploads[index];
        if upload.state == State::Open {
            upload.state = State::Aborted;
        }
        Ok(Event::Aborted)
    }

    /// One `PUT` that has arrived whole; `begun` is when it began, as the signature is judged by that.
    pub fn put(
        &mut self,
        signed: Signed,
        crc: u64,
        len: u64,
        begun: u64,
    ) -> Result<PartReceipt, UploadError> {
        if begun >= signed.expires {
            self.late += 1;
            return Err(store("AccessDenied"));
        }
        self.expire(signed.upload, begun);
        self.etags += 1;
        let etag_of = if self.habits.etags_repeat { mix(crc ^ len) } else { self.etags };
        let upload = &mut self.uploads[signed.upload];
        if upload.state != State::Open {
            return Err(store("NoSuchUpload"));
        }
        let part = Part { crc, len, etag: etag_of };
        if let Some(place) = upload.parts.get_mut(signed.part as usize - 1) {
            *place = Some(part);
        }
        let checksum = self.habits.checks.then(|| crc64::to_base64(crc));
        Ok(PartReceipt { etag: Some(etag(part)), checksum })
    }

    /// What a signed URL says.
    pub fn read(url: &str) -> Option<Signed> {
        let mut words = url.split('/').map(|word| word.parse().ok());
        let mut next = || words.next().flatten();
        Some(Signed { upload: next()? as usize, part: next()? as u32, expires: next()? })
    }

    /// The object of that key.
    pub fn object(&self, key: &str) -> Option<&Object> {
        self.objects.iter().find(|object| object.key.to_string() == key)
    }

    pub fn is_open(&self, token: &str) -> bool {
        self.index(token).is_some_and(|index| self.uploads[index].state == State::Open)
    }

    /// How many uploads were opened so far.
    pub fn opened(&self) -> usize {
        self.uploads.len()
    }

    /// Somebody, or a rule of the bucket, removes an upload.
    pub fn remove(&mut self, token: &str) {
        if let Some(index) = self.index(token)
            && self.uploads[index].state == State::Open
        {
            self.uploads[index].state = State::Aborted;
        }
    }

    fn make_object(&mut self, index: usize, body: &CompleteUpload) -> Result<usize, UploadError> {
        let upload = &self.uploads[index];
        let mut parts = Vec::with_capacity(body.parts.len());
        for (theirs, ours) in body.parts.iter().zip(&upload.parts) {
            let ours = ours.filter(|ours| etag(*ours) == theirs.etag);
            parts.push(ours.ok_or_else(|| edge(409, ErrorCode::PartsMismatch))?);
        }
        if parts.split_last().is_some_and(|(_, rest)| rest.iter().any(|part| part.len < MIN_PART_SIZE)) {
            return Err(edge(409, ErrorCode::PartsMismatch));
        }
        if parts.iter().map(|part| part.len).sum::<u64>() != self.size {
            return Err(edge(409, ErrorCode::SizeMismatch));
        }
        let crc = crc64::combine(parts.iter().map(|part| (part.crc, part.len)));
        let checksum = crc64::to_base64(crc);
        if self.habits.checks
            && self.habits.verifies_whole
            && body.checksum.as_ref().is_some_and(|theirs| *theirs != checksum)
        {
            return Err(edge(409, ErrorCode::ChecksumMismatch));
        }
        let key = upload.key;
        if self.objects.iter().any(|object| object.key == key) {
            return Err(edge(409, ErrorCode::VideoExists));
        }
        self.objects.push(Object { key, parts, crc, size: self.size });
        self.uploads[index].state = State::Completed;
        Ok(self.objects.len() - 1)
    }

    /// The object that this upload was to make.
    fn finished(&self, index: usize, checksum: Option<&str>) -> Option<usize> {
        let key = self.uploads[index].key;
        let place = self.objects.iter().position(|object| object.key == key)?;
        let crc = self.objects[place].crc;
        let differs = self.habits.checks && checksum.is_some_and(|theirs| *theirs != crc64::to_base64(crc));
        (!differs).then_some(place)
    }

    fn ticket(&self, upload: usize, part: u32, t: u64) -> PresignedPart {
        PresignedPart {
            part,
            url: format!("{upload}/{part}/{}", t + self.habits.url_life_ms),
            headers: Default::default(),
            ttl_ms: self.habits.tells_life.then_some(self.habits.url_life_ms),
        }
    }

    fn session(&mut self, token: &str, t: u64) -> Result<usize, UploadError> {
        let index = self.index(token).ok_or_else(|| edge(404, ErrorCode::BadUpload))?;
        self.expire(index, t);
        if t >= self.uploads[index].opened_at + UPLOAD_LIFE_MS {
            return Err(edge(410, ErrorCode::UploadExpired));
        }
        Ok(index)
    }

    fn expire(&mut self, index: usize, t: u64) {
        let upload = &mut self.uploads[index];
        if t >= upload.opened_at + UPLOAD_LIFE_MS && upload.state == State::Open {
            upload.state = State::Aborted;
        }
    }

    fn index(&self, token: &str) -> Option<usize> {
        let index: usize = token.strip_prefix('u')?.parse().ok()?;
        (index < self.uploads.len()).then_some(index)
    }
}

fn etag(part: Part) -> String {
    format!("\"{:x}\"", part.etag)
}

/// A failure as the edge words it.
pub fn edge(status: u16, code: ErrorCode) -> UploadError {
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

/// A failure of the storage under that code of S3's.
pub fn store(code: &str) -> UploadError {
    match code {
        "NoSuchUpload" => UploadError::upload_gone(),
        "RequestTimeout" => UploadError::network(),
        "RequestTimeTooSkewed" => {
            UploadError::new(ErrorKind::ClockSkew, codes::CLOCKS_DIFFER, code.to_owned())
        }
        "AccessDenied" => UploadError::new(ErrorKind::Expired, codes::STORAGE_REFUSED, code.to_owned()),
        "SlowDown" => UploadError::new(ErrorKind::Throttled, codes::THROTTLED, code.to_owned()),
        "InsufficientStorage" => UploadError::new(ErrorKind::StorageFull, codes::NO_SPACE, code.to_owned()),
        _ => UploadError::storage_unavailable(),
    }
}
