//! Reading the picked file: its name and size, slices of it, and their checksums. Never holds more than a
//! piece of it, whatever the size of a part.

use crate::answers::Json;
use crate::host::Host;
use crate::values::{number, object};
use js_sys::Uint8Array;
use std::ops::Range;
use std::pin::Pin;
use uploader_core::container::{Media, Probe};
use uploader_core::crc64::{self, Crc64};
use uploader_core::error::UploadError;
use wasm_bindgen::{JsCast, JsValue};

/// Taken into this memory at a time, in bytes: stays in the processor's cache.
const SIP: u32 = 1 << 18;

/// The fingerprint's samples: so many bytes, from so many places besides the first.
const SAMPLE: u64 = 1 << 16;
const SAMPLES: u64 = 8;

/// The file to send; its bytes are read by the host.
#[derive(Clone)]
pub struct File {
    file: JsValue,
    host: Host,
}

impl File {
    pub fn new(file: JsValue, host: Host) -> Self {
        Self { file, host }
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.file.count_at("size").unwrap_or(0)
    }

    /// The browser's guess, from the name.
    pub fn content_type(&self) -> String {
        self.file.text_at("type").unwrap_or_default()
    }

    /// A bare `Blob` has no name.
    pub fn name(&self) -> String {
        self.file.text_at("name").unwrap_or_default()
    }

    /// The last change, in milliseconds since 1970.
    pub fn last_modified(&self) -> Option<u64> {
        self.file.count_at("lastModified")
    }

    /// Fails if the file isn't the one any more that was picked.
    pub async fn probe(&self, start: u64) -> Result<(), UploadError> {
        self.read(start..start + 1).await.map(drop)
    }

    /// What the file is, from a few small ranges; nothing if it is no video of a known kind.
    pub async fn look(&self) -> Result<Option<Media>, UploadError> {
        let mut probe = Probe::new(self.size());
        while let Some(range) = probe.next_range() {
            probe.feed(&self.read(range).await?.to_vec());
        }
        Ok(probe.media())
    }

    /// What tells this file from others, without reading all of it: size, time of the last change, and a
    /// checksum of samples from its beginning to its end.
    pub async fn fingerprint(&self) -> Result<String, UploadError> {
        let (size, mut hash) = (self.size(), Hash::default());
        let step = size.saturating_sub(SAMPLE) / SAMPLES;
        let sample = |at: u64| self.read(step * at..(step * at + SAMPLE).min(size));
        // All are asked for before the first one is waited for.
        let samples: Vec<_> = (0..=SAMPLES).map(sample).collect();
        for sample in samples {
            hash.take(&sample.await?);
        }
        let text = |n: u64| crc64::to_base64(n);
        Ok(text(size) + &text(self.last_modified().unwrap_or(0)) + &text(hash.crc.value()))
    }

    /// Boxed, so that all who read share one piece of code.
    fn read(&self, range: Range<u64>) -> Reading {
        reading(&self.host, "read", about(range))
    }

    /// CRC64NVME of a range.
    pub async fn crc(&self, range: Range<u64>) -> Result<u64, UploadError> {
        let mut hash = Hash::default();
        let bytes = range.end - range.start;
        // A browser forgets what nobody holds, even while it is read: so they are held here.
        let pieces = reading(&self.host, "pieces", about(range)).await?;
        loop {
            let piece = reading(&self.host, "next", pieces.clone().into()).await?;
            if piece.is_undefined() {
                break;
            }
            hash.take(&piece);
        }
        // A file that was cut short gives fewer bytes, without an error.
        if hash.bytes == bytes { Ok(hash.crc.value()) } else { Err(UploadError::file_unreadable()) }
    }
}

type Reading = Pin<Box<dyn Future<Output = Result<Uint8Array, UploadError>>>>;

fn reading(host: &Host, what: &str, about: JsValue) -> Reading {
    let asked = host.ask(what, about);
    Box::pin(async move { asked.await.map(JsCast::unchecked_into).ok_or_else(UploadError::file_unreadable) })
}

fn about(range: Range<u64>) -> JsValue {
    object(&[("start", number(range.start)), ("end", number(range.end))])
}

/// A checksum of bytes that JavaScript holds.
pub struct Hash {
    pub crc: Crc64,
    bytes: u64,
    sip: Vec<u8>,
}

impl Default for Hash {
    fn default() -> Self {
        Self { crc: Crc64::default(), bytes: 0, sip: vec![0; SIP as usize] }
    }
}

impl Hash {
    pub fn take(&mut self, bytes: &Uint8Array) {
        for start in (0..bytes.length()).step_by(self.sip.len()) {
            let view = bytes.subarray(start, bytes.length().min(start + SIP));
            let sip = &mut self.sip[..view.length() as usize];
            view.copy_to(sip);
            self.crc.update(sip);
        }
        self.bytes += u64::from(bytes.length());
    }
}
