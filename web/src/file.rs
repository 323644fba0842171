//! The file to send: name, size, slices and their checksums. Holds one buffer of 1 MiB, whatever a part's size.

use crate::clock;
use futures_util::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use js_sys::{ArrayBuffer, Object, Reflect, Uint8Array};
use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::pin::pin;
use std::rc::Rc;
use uploader_core::container::Probe;
use uploader_core::crc64::{self, Crc64};
use uploader_core::error::UploadError;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, ReadableStream, ReadableStreamByobReader, ReadableStreamGetReaderOptions, ReadableStreamReaderMode,
};

/// Read from the file at a time, in bytes: hashed in about a millisecond.
const READ_SIZE: u64 = 1 << 20;
/// Copied into wasm memory at a time, in bytes: stays in the processor's cache.
const CHUNK_SIZE: u32 = 1 << 18;
/// Hashing yields to other tasks after this time, in milliseconds: requests of the same thread wait for it.
const YIELD_INTERVAL_MS: u64 = 4;
/// A read must end within this, in milliseconds: one from a network drive that is gone may never do.
const READ_TIMEOUT_MS: u32 = 60_000;
/// Bytes of one sample of the fingerprint.
const SAMPLE_SIZE: u64 = 1 << 16;
/// Samples of the fingerprint besides the one at the start.
const SAMPLE_COUNT: u64 = 8;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = ReadableStream)]
    type ByteStream;

    /// Throws where the browser can't read files into given buffers; web-sys has it as infallible.
    #[wasm_bindgen(method, catch, js_name = getReader)]
    fn get_reader(this: &ByteStream, options: &ReadableStreamGetReaderOptions)
    -> Result<ByteReader, JsValue>;

    #[wasm_bindgen(extends = ReadableStreamByobReader)]
    type ByteReader;

    /// With the option `min`, which web-sys lacks.
    #[wasm_bindgen(method, catch)]
    async fn read(this: &ByteReader, view: Uint8Array, options: &JsValue) -> Result<JsValue, JsValue>;
}

/// The picked file.
#[derive(Clone)]
pub struct SourceFile {
    blob: Blob,
    /// Parts are mostly hashed in order, and one stream for all costs the browser less memory than one for each.
    stream: Rc<RefCell<Option<FileStream>>>,
    /// A stream of this file has failed. Some browsers can stream no large file, and read slices of it well.
    slices_only: Rc<Cell<bool>>,
}

/// A stream of the file from some position to its end.
struct FileStream {
    reader: ByteReader,
    buffer: ArrayBuffer,
    position: u64,
}

impl SourceFile {
    pub fn new(blob: Blob) -> Self {
        Self { blob, stream: Rc::default(), slices_only: Rc::default() }
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.blob.size() as u64
    }

    /// The browser's guess, made from the name.
    pub fn content_type(&self) -> String {
        self.blob.type_()
    }

    /// Empty for a bare `Blob`.
    pub fn name(&self) -> String {
        self.property("name").and_then(|name| name.as_string()).unwrap_or_default()
    }

    /// The last change, in milliseconds since 1970; `None` for a bare `Blob`.
    pub fn last_modified(&self) -> Option<u64> {
        self.property("lastModified").and_then(|time| time.as_f64()).map(|time| time as u64)
    }

    /// By name, as a `File` of an iframe isn't an instance of this realm's `File`.
    fn property(&self, name: &str) -> Option<JsValue> {
        Reflect::get(&self.blob, &name.into()).ok()
    }

    /// A range of the file. It has no media type, so sending it adds no header.
    ///
    /// # Errors
    /// `file_unreadable`.
    pub fn slice(&self, range: Range<u64>) -> Result<Blob, UploadError> {
        // Positions are below 2^53, so they are exact as floats.
        self.blob
            .slice_with_f64_and_f64(range.start as f64, range.end as f64)
            .map_err(|_| UploadError::file_unreadable())
    }

    /// Fails with `file_unreadable` if the byte at `start` can't be read any more.
    pub async fn check_readable(&self, start: u64) -> Result<(), UploadError> {
        self.read(start..start + 1).await.map(drop)
    }

    /// A container probe that has read what it needs.
    pub async fn probe(&self) -> Result<Probe, UploadError> {
        let mut probe = Probe::new(self.size());
        while let Some(range) = probe.next_range() {
            probe.feed(&self.read(range).await?.to_vec());
        }
        Ok(probe)
    }

    /// Finds uploads that may be of this file, without reading all of it: its size, and the checksum of samples from its start
    /// to its end. Equal files have equal ones; different files may, too. The time of the last change isn't in it, as
    /// phones copy a file anew each time it is picked.
    pub async fn fingerprint(&self) -> Result<String, UploadError> {
        let size = self.size();
        let step = size.saturating_sub(SAMPLE_SIZE) / SAMPLE_COUNT;
        let sample = |index: u64| self.read(step * index..(step * index + SAMPLE_SIZE).min(size));
        let mut hasher = Hasher::default();
        // All reads are started before the first one is awaited.
        for read in (0..=SAMPLE_COUNT).map(sample).collect::<Vec<_>>() {
            hasher.update(&read.await?);
        }
        Ok(crc64::to_base64(size) + &crc64::to_base64(hasher.crc.value()))
    }

    /// Starts to read a range.
    fn read(&self, range: Range<u64>) -> impl Future<Output = Result<Uint8Array, UploadError>> + use<> {
        let reading = self.slice(range).map(|slice| JsFuture::from(slice.array_buffer()));
        async { Ok(Uint8Array::new(&within_timeout(reading?).await?)) }
    }

    /// CRC64NVME of a range.
    ///
    /// # Errors
    /// `file_unreadable`, also if the file has become shorter.
    pub async fn crc64(&self, range: Range<u64>) -> Result<u64, UploadError> {
        let kept = self.stream.take().filter(|stream| stream.position == range.start);
        if let Some(mut stream) = kept.or_else(|| self.open_stream(range.start)) {
            let mut hasher = Hasher::default();
            if stream.hash_until(range.end, &mut hasher).await.is_ok()
                && hasher.bytes == range.end - range.start
            {
                // Not kept when the future is dropped in between: then the position isn't known.
                if range.end < self.size() {
                    self.stream.replace(Some(stream));
                }
                return Ok(hasher.crc.value());
            }
            self.slices_only.set(true);
        }
        let mut hasher = Hasher::default();
        for start in (range.start..range.end).step_by(READ_SIZE as usize) {
            hasher.update(&self.read(start..(start + READ_SIZE).min(range.end)).await?);
        }
        // A file that was cut short yields fewer bytes without an error.
        if hasher.bytes == range.end - range.start {
            Ok(hasher.crc.value())
        } else {
            Err(UploadError::file_unreadable())
        }
    }

    /// `None` where the browser can't read files into given buffers.
    fn open_stream(&self, position: u64) -> Option<FileStream> {
        if self.slices_only.get() {
            return None;
        }
        let stream = self.slice(position..self.size()).ok()?.stream();
        let options = ReadableStreamGetReaderOptions::new();
        options.set_mode(ReadableStreamReaderMode::Byob);
        let reader = stream.unchecked_into::<ByteStream>().get_reader(&options).ok()?;
        Some(FileStream { reader, buffer: ArrayBuffer::new(READ_SIZE as u32), position })
    }
}

/// The result of a read.
///
/// # Errors
/// `file_unreadable` if it fails or doesn't end within [`READ_TIMEOUT_MS`].
async fn within_timeout(
    read: impl Future<Output = Result<JsValue, JsValue>>,
) -> Result<JsValue, UploadError> {
    match select(pin!(read), TimeoutFuture::new(READ_TIMEOUT_MS)).await {
        Either::Left((result, _)) => result.map_err(|_| UploadError::file_unreadable()),
        Either::Right(_) => Err(UploadError::file_unreadable()),
    }
}

impl FileStream {
    async fn hash_until(&mut self, end: u64, hasher: &mut Hasher) -> Result<(), UploadError> {
        let mut yielded_at = clock::now_ms();
        while self.position < end {
            let wanted = READ_SIZE.min(end - self.position) as u32;
            // Reading detaches the buffer; the result brings it back.
            let view = Uint8Array::new_with_byte_offset_and_length(&self.buffer, 0, wanted);
            let options = Object::new();
            let _ = Reflect::set(&options, &"min".into(), &wanted.into());
            let result = within_timeout(self.reader.read(view, &options)).await?;
            let value = Reflect::get(&result, &"value".into()).unwrap_or_default();
            let Ok(bytes) = value.dyn_into::<Uint8Array>() else { return Ok(()) };
            if bytes.length() == 0 {
                return Ok(());
            }
            hasher.update(&bytes);
            self.position += u64::from(bytes.length());
            self.buffer = bytes.buffer();
            // Reads of cached bytes complete without a turn of the event loop.
            if clock::now_ms().saturating_sub(yielded_at) > YIELD_INTERVAL_MS {
                clock::yield_now().await;
                yielded_at = clock::now_ms();
            }
        }
        Ok(())
    }
}

/// Computes the checksum of bytes in JavaScript's memory.
pub struct Hasher {
    pub crc: Crc64,
    bytes: u64,
    chunk: Vec<u8>,
}

impl Default for Hasher {
    fn default() -> Self {
        Self { crc: Crc64::default(), bytes: 0, chunk: vec![0; CHUNK_SIZE as usize] }
    }
}

impl Hasher {
    pub fn update(&mut self, bytes: &Uint8Array) {
        for start in (0..bytes.length()).step_by(CHUNK_SIZE as usize) {
            let view = bytes.subarray(start, bytes.length().min(start + CHUNK_SIZE));
            if let Some(chunk) = self.chunk.get_mut(..view.length() as usize) {
                view.copy_to(chunk);
                self.crc.update(chunk);
            }
        }
        self.bytes += u64::from(bytes.length());
    }
}
