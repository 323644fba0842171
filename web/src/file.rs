//! Reading the picked file: its name and size, slices of it, and their checksums. Never holds more than a
//! piece of it, whatever the size of a part.

use crate::clock;
use crate::container::{Look, Media};
use crate::crc::{self, Crc64};
use crate::error::Failure;
use js_sys::{ArrayBuffer, Function, Reflect, Uint8Array};
use std::ops::Range;
use std::pin::Pin;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, ReadableStreamByobReader, ReadableStreamGetReaderOptions, ReadableStreamReaderMode};

/// Read at a time where one buffer serves all reads, in bytes: stays in the processor's cache.
const SIP: u32 = 1 << 18;
/// Read at a time elsewhere, in bytes: hashed in a millisecond, so that the page stays alive.
const PIECE: u64 = 1 << 20;

/// The fingerprint's samples: so many bytes, from so many places besides the first.
const SAMPLE: u64 = 1 << 16;
const SAMPLES: u64 = 8;

/// Hashed at a stretch, in milliseconds; a page may be still for 50 without anyone noticing.
const WORK_MS: u64 = 20;

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

    /// Fails if the file isn't the one any more that was picked.
    pub async fn probe(&self, start: u64) -> Result<(), Failure> {
        self.read(start..start + 1).await.map(drop)
    }

    /// What the file is, from a few small ranges; nothing if it is no video of a known kind.
    pub async fn look(&self) -> Result<Option<Media>, Failure> {
        let mut look = Look::new(self.size());
        while let Some(range) = look.wants() {
            look.take(&self.read(range).await?.to_vec());
        }
        Ok(look.media())
    }

    /// What tells this file from others, without reading all of it: size, time of the last change, and a
    /// checksum of samples from its beginning to its end.
    pub async fn fingerprint(&self) -> Result<String, Failure> {
        let (size, mut hash) = (self.size(), Hash::default());
        let step = size.saturating_sub(SAMPLE) / SAMPLES;
        let sample = |at: u64| self.read(step * at..(step * at + SAMPLE).min(size));
        // All are asked for before the first one is waited for.
        let samples: Vec<_> = (0..=SAMPLES).map(sample).collect();
        for sample in samples {
            hash.take(&sample.await?);
        }
        let number = |n: u64| crc::to_base64(n);
        Ok([number(size), number(self.last_modified().unwrap_or(0)), number(hash.crc.value())].concat())
    }

    /// Boxed, so that all who read share one piece of code.
    fn read(&self, range: Range<u64>) -> Pin<Box<dyn Future<Output = Result<Uint8Array, Failure>>>> {
        let asked = self.slice(range).map(|slice| slice.array_buffer());
        Box::pin(async move {
            let read = JsFuture::from(asked?).await;
            Ok(Uint8Array::new(&read.map_err(|_| Failure::unreadable())?))
        })
    }

    /// CRC64NVME of a range.
    pub async fn crc(&self, range: Range<u64>) -> Result<u64, Failure> {
        let mut hash = Hash::default();
        let slice = self.slice(range.clone())?;
        match byte_reader(&slice) {
            Some(reader) => read_all(&reader, &mut hash).await?,
            None => {
                for start in range.clone().step_by(PIECE as usize) {
                    hash.take(&self.read(start..(start + PIECE).min(range.end)).await?);
                }
            }
        }
        // A file that was cut short gives fewer bytes, without an error.
        if hash.bytes == range.end - range.start { Ok(hash.crc.value()) } else { Err(Failure::unreadable()) }
    }
}

/// A reader into buffers of ours; nothing where the browser has none for files.
fn byte_reader(slice: &Blob) -> Option<ReadableStreamByobReader> {
    let options = ReadableStreamGetReaderOptions::new();
    options.set_mode(ReadableStreamReaderMode::Byob);
    // As a call of its own, as it throws where bytes can't be read so.
    let stream = slice.stream();
    let get = Reflect::get(&stream, &"getReader".into()).ok()?.dyn_into::<Function>().ok()?;
    get.call1(&stream, &options).ok()?.dyn_into().ok()
}

/// Reads to the end. The caller holds the reader meanwhile: a browser forgets a stream that nobody holds,
/// even one that is being read, and the read would never end.
async fn read_all(reader: &ReadableStreamByobReader, hash: &mut Hash) -> Result<(), Failure> {
    let mut buffer = ArrayBuffer::new(SIP);
    let mut since = clock::now();
    loop {
        // The view takes the buffer away and the answer brings it back.
        let read = reader.read_with_array_buffer_view(&Uint8Array::new(&buffer));
        let read = JsFuture::from(read).await.map_err(|_| Failure::unreadable())?;
        let field = |name: &str| Reflect::get(&read, &name.into()).map_err(|_| Failure::unreadable());
        if field("done")?.is_truthy() {
            return Ok(());
        }
        let bytes: Uint8Array = field("value")?.dyn_into().map_err(|_| Failure::unreadable())?;
        hash.take(&bytes);
        buffer = bytes.buffer();
        // Bytes that are there already come without a pause in which the page could do anything else.
        if clock::now().saturating_sub(since) > WORK_MS {
            clock::breathe().await;
            since = clock::now();
        }
    }
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
