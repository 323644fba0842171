//! Reading the picked file: its name and size, slices of it, and their checksums. Never holds more than a
//! piece of it, whatever the size of a part.

use crate::crc::Crc64;
use crate::error::Failure;
use js_sys::{ArrayBuffer, Uint8Array};
use std::ops::Range;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

/// Read at a time, in bytes: hashed in about a millisecond, so that the page stays alive.
const PIECE: u64 = 1 << 20;
/// Copied into this memory at a time, in bytes: stays in the processor's cache.
const SIP: usize = 1 << 16;

/// The file to send.
#[derive(Clone)]
pub struct File(Blob);

impl File {
    pub fn new(blob: Blob) -> Self {
        Self(blob)
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.0.size() as u64
    }

    /// The browser's guess, from the name.
    pub fn content_type(&self) -> String {
        self.0.type_()
    }

    /// A bare `Blob` has no name.
    pub fn name(&self) -> String {
        self.0.dyn_ref::<web_sys::File>().map(web_sys::File::name).unwrap_or_default()
    }

    /// The last change, in milliseconds since 1970.
    pub fn last_modified(&self) -> Option<u64> {
        self.0.dyn_ref::<web_sys::File>().map(|file| file.last_modified() as u64)
    }

    /// A range of it, without a media type, so that sending it adds no header.
    pub fn slice(&self, range: Range<u64>) -> Result<Blob, Failure> {
        // Positions are below 2^53, so they are exact as floats.
        self.0.slice_with_f64_and_f64(range.start as f64, range.end as f64).map_err(|_| Failure::unreadable())
    }

    /// CRC64NVME of a range.
    pub async fn crc(&self, range: Range<u64>) -> Result<u64, Failure> {
        let mut crc = Crc64::default();
        let mut sip = vec![0; SIP];
        let mut at = range.start;
        while at < range.end {
            let end = (at + PIECE).min(range.end);
            let read = JsFuture::from(self.slice(at..end)?.array_buffer()).await;
            let buffer: ArrayBuffer =
                read.ok().and_then(|b| b.dyn_into().ok()).ok_or_else(Failure::unreadable)?;
            let bytes = Uint8Array::new(&buffer);
            if u64::from(bytes.length()) != end - at {
                return Err(Failure::unreadable());
            }
            for start in (0..bytes.length()).step_by(SIP) {
                let view = bytes.subarray(start, bytes.length().min(start + SIP as u32));
                let sip = &mut sip[..view.length() as usize];
                view.copy_to(sip);
                crc.update(sip);
            }
            at = end;
        }
        Ok(crc.value())
    }
}
