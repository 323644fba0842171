//! Blob files with the bytes of objects and parts. Each is written once, has a random name, and never
//! changes. `metadata` records which of them belong to an object or a part.

use super::digest::{ComputedChecksums, ExpectedChecksums, Hasher};
use super::error::{OperationError, custom_error};
use crate::random::random_hex;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::StatusCode;
use s3s::{StdError, s3_error};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

/// Received buffers that may wait for the disk. A buffer is at most hyper's read buffer, about 400 kB.
const MAX_QUEUED_BUFFERS: usize = 4;
/// Size of a read from a file, in bytes.
const READ_SIZE: usize = 256 * 1024;
/// The folder of blob files; existing data folders have this name.
const BLOB_DIR: &str = "chunks";

/// The blob store: `tmp/` holds files that are being received, `chunks/` the complete and verified ones.
#[derive(Clone)]
pub struct Blobs(Arc<Dirs>);

struct Dirs {
    tmp: PathBuf,
    blobs: PathBuf,
    /// Files that are being read, by name.
    pinned: Mutex<HashMap<String, Pin>>,
}

#[derive(Default)]
struct Pin {
    readers: usize,
    /// Whether the last reader removes the file.
    removed: bool,
}

/// Files that stay until this is dropped, even if their object is replaced meanwhile.
pub struct PinnedBlobs {
    dirs: Arc<Dirs>,
    names: Vec<String>,
}

impl Drop for PinnedBlobs {
    fn drop(&mut self) {
        let mut pinned = self.dirs.pinned();
        for name in &self.names {
            let Some(pin) = pinned.get_mut(name) else { continue };
            pin.readers -= 1;
            if pin.readers == 0 && pinned.remove(name).is_some_and(|pin| pin.removed) {
                // A file that can't be removed now is removed at the next start.
                let _ = fs::remove_file(self.dirs.blobs.join(name));
            }
        }
    }
}

impl Dirs {
    fn pinned(&self) -> std::sync::MutexGuard<'_, HashMap<String, Pin>> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A new blob file that no row references yet. Dropping it removes the file.
pub struct NewBlob {
    name: String,
    path: PathBuf,
    persisted: bool,
}

impl NewBlob {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Prevents the removal on drop. Call it inside the transaction that references the file, before the
    /// commit: a crash in between leaves a file without a row, which the next start removes, never a row
    /// without a file.
    pub fn persist(mut self) {
        self.persisted = true;
    }
}

impl Drop for NewBlob {
    fn drop(&mut self) {
        if !self.persisted {
            // A file that can't be removed now is removed at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A range of bytes in one blob file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobRange {
    pub file: String,
    pub offset: u64,
    pub size: u64,
}

impl Blobs {
    /// Creates the folders under `root`, empties `tmp/`, and removes each blob that isn't in `live`.
    pub fn open(root: &Path, live: &HashSet<String>) -> io::Result<Self> {
        let dirs = Dirs { tmp: root.join("tmp"), blobs: root.join(BLOB_DIR), pinned: Mutex::default() };
        fs::create_dir_all(&dirs.tmp)?;
        fs::create_dir_all(&dirs.blobs)?;
        // Fails now if the folder is read-only, instead of at the first upload.
        File::create(dirs.tmp.join("probe"))?;
        for entry in fs::read_dir(&dirs.tmp)? {
            fs::remove_file(entry?.path())?;
        }
        for entry in fs::read_dir(&dirs.blobs)? {
            let entry = entry?;
            if !entry.file_name().to_str().is_some_and(|name| live.contains(name)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self(Arc::new(dirs)))
    }

    /// Returns whether a file has its full size. After a power cut the bytes of the last seconds can be missing.
    pub fn is_complete(root: &Path, name: &str, size: u64) -> bool {
        fs::metadata(root.join(BLOB_DIR).join(name)).is_ok_and(|file| file.len() == size)
    }

    /// Streams a body of `size` bytes to disk, through `hasher`, and verifies its checksums. Memory doesn't grow with the size.
    ///
    /// The file survives a killed process, but not a power cut until [`Blobs::sync`]. Fails with
    /// `IncompleteBody` if there are more or fewer bytes, and as [`ExpectedChecksums::verify`]; then no file is
    /// left.
    pub async fn store<S>(
        &self,
        mut body: S,
        size: u64,
        mut hasher: Hasher,
        expected: &ExpectedChecksums,
    ) -> Result<(NewBlob, ComputedChecksums), OperationError>
    where
        S: Stream<Item = Result<Bytes, OperationError>> + Unpin,
    {
        let name = random_hex(16)?;
        let mut blob = NewBlob { path: self.0.tmp.join(&name), name, persisted: false };
        let mut md5 = hasher.split_md5();
        let (sender, receiver) = mpsc::channel(MAX_QUEUED_BUFFERS);
        let (md5_sender, mut md5_receiver) = mpsc::channel::<Bytes>(MAX_QUEUED_BUFFERS);
        let path = blob.path.clone();
        let writer = spawn_blocking(move || write(&path, receiver, hasher));
        let digester = spawn_blocking(move || {
            while let Some(bytes) = md5_receiver.blocking_recv() {
                md5.update(&bytes);
            }
            md5.finish()
        });

        let mut received = Ok(());
        while let Some(buffer) = body.next().await {
            match buffer {
                Ok(bytes) => {
                    // The writer ends early if it fails; its error is returned below.
                    if md5_sender.send(bytes.clone()).await.is_err() || sender.send(bytes).await.is_err() {
                        break;
                    }
                }
                Err(error) => {
                    received = Err(error);
                    break;
                }
            }
        }
        drop((sender, md5_sender));
        let mut computed = writer.await.map_err(io::Error::other)??;
        computed.md5 = digester.await.map_err(io::Error::other)?;
        received?;
        if computed.content.size != size {
            Err(s3_error!(
                IncompleteBody,
                "The body has {} bytes instead of {size}.",
                computed.content.size
            ))?;
        }
        expected.verify(&computed)?;

        let path = self.path(&blob.name);
        fs::rename(&blob.path, &path)?;
        blob.path = path;
        Ok((blob, computed))
    }

    /// Flushes these files to disk, so that they survive a power cut. Files removed meanwhile are skipped.
    pub async fn sync(&self, names: Vec<String>) -> io::Result<()> {
        let dirs = self.0.clone();
        spawn_blocking(move || {
            for name in names {
                match File::open(dirs.blobs.join(name)) {
                    Ok(file) => file.sync_data()?,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            File::open(&dirs.blobs)?.sync_all()
        })
        .await?
    }

    /// Creates a hard link: a second file with the same bytes that takes no space.
    pub fn link(&self, name: &str) -> io::Result<NewBlob> {
        let copy = random_hex(16)?;
        let path = self.path(&copy);
        fs::hard_link(self.path(name), &path)?;
        Ok(NewBlob { name: copy, path, persisted: false })
    }

    /// Removes files that no row references any more, those that are being read after the last reader.
    pub async fn remove(&self, names: Vec<String>) {
        let dirs = self.0.clone();
        let removed = spawn_blocking(move || {
            let mut pinned = dirs.pinned();
            for name in names {
                match pinned.get_mut(&name) {
                    Some(pin) => pin.removed = true,
                    // A file that can't be removed now is removed at the next start.
                    None => drop(fs::remove_file(dirs.blobs.join(name))),
                }
            }
        });
        let _ = removed.await;
    }

    /// Keeps the files of `ranges` until the result is dropped. Call it inside the transaction that found them.
    pub fn pin(&self, ranges: &[BlobRange]) -> PinnedBlobs {
        let names: Vec<_> = ranges.iter().map(|range| range.file.clone()).collect();
        let mut pinned = self.0.pinned();
        for name in &names {
            pinned.entry(name.clone()).or_default().readers += 1;
        }
        PinnedBlobs { dirs: self.0.clone(), names }
    }

    /// Streams `ranges`, whose files are `pinned`.
    pub fn read(
        &self,
        ranges: Vec<BlobRange>,
        pinned: PinnedBlobs,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + use<> {
        let (sender, mut receiver) = mpsc::channel(1);
        let blobs = self.clone();
        tokio::spawn(async move {
            if let Err(error) = blobs.send(ranges, &sender).await {
                let _ = sender.send(Err(error)).await;
            }
            drop(pinned);
        });
        futures_util::stream::poll_fn(move |context| receiver.poll_recv(context))
    }

    async fn send(&self, ranges: Vec<BlobRange>, to: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
        for range in ranges {
            let mut file = tokio::fs::File::open(self.path(&range.file)).await?;
            file.seek(SeekFrom::Start(range.offset)).await?;
            let mut rest = file.take(range.size);
            while rest.limit() > 0 {
                let mut buffer = BytesMut::with_capacity(READ_SIZE);
                if rest.read_buf(&mut buffer).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                if to.send(Ok(buffer.freeze())).await.is_err() {
                    return Ok(()); // The client has disconnected.
                }
            }
        }
        Ok(())
    }

    /// Passes the joined bytes of these files through `hasher`.
    pub async fn hash(&self, names: Vec<String>, mut hasher: Hasher) -> io::Result<ComputedChecksums> {
        let dirs = self.0.clone();
        spawn_blocking(move || {
            let mut buffer = vec![0; READ_SIZE];
            for name in names {
                let mut file = File::open(dirs.blobs.join(name))?;
                loop {
                    match file.read(&mut buffer)? {
                        0 => break,
                        size => hasher.update(buffer.get(..size).unwrap_or_default()),
                    }
                }
            }
            Ok(hasher.finish())
        })
        .await?
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.blobs.join(name)
    }
}

fn write(
    path: &Path,
    mut buffers: mpsc::Receiver<Bytes>,
    mut hasher: Hasher,
) -> io::Result<ComputedChecksums> {
    let mut file = File::create_new(path)?;
    while let Some(bytes) = buffers.blocking_recv() {
        hasher.update(&bytes);
        file.write_all(&bytes)?;
    }
    Ok(hasher.finish())
}

/// Returns a request's body as a stream for [`Blobs::store`].
pub fn received<S>(body: S) -> impl Stream<Item = Result<Bytes, OperationError>> + Unpin
where
    S: Stream<Item = Result<Bytes, StdError>> + Unpin,
{
    body.map(|buffer| buffer.map_err(|error| body_error(&error)))
}

/// Classifies the error of a body that was interrupted or doesn't match its signature.
fn body_error(error: &StdError) -> OperationError {
    // The stream's error type isn't public, so its text is compared.
    let text = error.to_string();
    let refused = if text.contains("Sha256Mismatch") {
        custom_error(
            "XAmzContentSHA256Mismatch",
            StatusCode::BAD_REQUEST,
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )
    } else if text.contains("SignatureMismatch") {
        s3_error!(SignatureDoesNotMatch, "The signature of a chunk does not match.")
    } else {
        s3_error!(IncompleteBody, "The body could not be read to its end.")
    };
    refused.into()
}
