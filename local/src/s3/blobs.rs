//! The bytes of objects and parts: files that are written once, named at random, and never changed.
//! Which of them belong to what is the business of `metadata`.

use super::checksums::{Claims, Digests, Hasher};
use super::error::{Failure, named_error};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::StatusCode;
use s3s::{StdError, s3_error};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

/// Received pieces that may wait for the disk: a piece is at most hyper's read buffer, some 400 kB.
const PIECES_IN_FLIGHT: usize = 4;
/// How much of a file is read at once, in bytes.
const READ_SIZE: usize = 256 * 1024;

/// The two folders: `tmp/` while bytes arrive, `chunks/` once they are complete and verified.
#[derive(Clone)]
pub struct Chunks(Arc<Folders>);

struct Folders {
    tmp: PathBuf,
    chunks: PathBuf,
}

/// A complete file that no row names yet; dropping it removes the file.
pub struct Chunk {
    name: String,
    path: PathBuf,
    kept: bool,
}

impl Chunk {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Keeps the file. Called inside the transaction that names it, before the commit: a crash in between
    /// leaves a file without a row, which the next start sweeps, never a row without its file.
    pub fn keep(mut self) -> String {
        self.kept = true;
        std::mem::take(&mut self.name)
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        if !self.kept {
            // If it can't be removed now, the next start does it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A run of bytes in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub file: String,
    pub offset: u64,
    pub size: u64,
}

impl Chunks {
    /// Creates the folders under `root`, empties `tmp/`, and removes each chunk that isn't in `live`.
    pub fn open(root: &Path, live: &HashSet<String>) -> io::Result<Self> {
        let folders = Folders { tmp: root.join("tmp"), chunks: root.join("chunks") };
        fs::create_dir_all(&folders.tmp)?;
        fs::create_dir_all(&folders.chunks)?;
        // A folder that can be read only is found out now, not at the first upload.
        File::create(folders.tmp.join("probe"))?;
        for entry in fs::read_dir(&folders.tmp)? {
            fs::remove_file(entry?.path())?;
        }
        for entry in fs::read_dir(&folders.chunks)? {
            let entry = entry?;
            if !entry.file_name().to_str().is_some_and(|name| live.contains(name)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self(Arc::new(folders)))
    }

    /// Whether a file has all its bytes; a power cut can take those of the last seconds.
    pub fn is_whole(root: &Path, name: &str, size: u64) -> bool {
        fs::metadata(root.join("chunks").join(name)).is_ok_and(|file| file.len() == size)
    }

    /// Streams a body of `size` bytes to disk and verifies it. Memory doesn't grow with the size.
    ///
    /// The file is safe from a killed process, not yet from a power cut: see [`Chunks::sync`]. Fails with
    /// `IncompleteBody` if there are more or fewer bytes, and as [`Claims::verify`]; then no file is left.
    pub async fn store<S>(&self, mut body: S, size: u64, claims: Claims) -> Result<(Chunk, Digests), Failure>
    where
        S: Stream<Item = Result<Bytes, StdError>> + Unpin,
    {
        let name = random_hex(16)?;
        let mut chunk = Chunk { path: self.0.tmp.join(&name), name, kept: false };
        let (sender, receiver) = mpsc::channel(PIECES_IN_FLIGHT);
        let (path, hasher) = (chunk.path.clone(), claims.hasher());
        let writer = spawn_blocking(move || write(&path, receiver, hasher));

        let mut whole = Ok(());
        while let Some(piece) = body.next().await {
            match piece {
                Ok(bytes) => {
                    if sender.send(bytes).await.is_err() {
                        break; // The writer has failed; its error is the one to tell.
                    }
                }
                Err(error) => {
                    whole = Err(unreadable(&error));
                    break;
                }
            }
        }
        drop(sender);
        let digests = writer.await.map_err(io::Error::other)??;
        whole?;
        if digests.sum.size != size {
            Err(s3_error!(IncompleteBody, "The body has {} bytes instead of {size}.", digests.sum.size))?;
        }
        claims.verify(&digests)?;

        let path = self.path(&chunk.name);
        fs::rename(&chunk.path, &path)?;
        chunk.path = path;
        Ok((chunk, digests))
    }

    /// Makes these files safe from a power cut. One that has meanwhile been removed is passed over.
    pub async fn sync(&self, names: Vec<String>) -> io::Result<()> {
        let folders = self.0.clone();
        spawn_blocking(move || {
            for name in names {
                match File::open(folders.chunks.join(name)) {
                    Ok(file) => file.sync_data()?,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            File::open(&folders.chunks)?.sync_all()
        })
        .await?
    }

    /// A second file of the same bytes, which takes no space of its own.
    pub fn link(&self, name: &str) -> io::Result<Chunk> {
        let copy = random_hex(16)?;
        let path = self.path(&copy);
        fs::hard_link(self.path(name), &path)?;
        Ok(Chunk { name: copy, path, kept: false })
    }

    /// Removes files that no row names any more.
    pub async fn remove(&self, names: Vec<String>) {
        let folders = self.0.clone();
        let removed = spawn_blocking(move || {
            for name in names {
                // If it can't be removed now, the next start does it.
                let _ = fs::remove_file(folders.chunks.join(name));
            }
        });
        let _ = removed.await;
    }

    /// Opens a file at `offset`.
    pub fn open_file(&self, piece: &Piece) -> io::Result<File> {
        let mut file = File::open(self.path(&piece.file))?;
        io::Seek::seek(&mut file, SeekFrom::Start(piece.offset))?;
        Ok(file)
    }

    /// Streams `pieces`, of which `first` is the first one already opened. If one of the later files is
    /// removed while this runs, because the object was replaced, the stream ends in an error.
    pub fn read(
        &self,
        first: File,
        pieces: Vec<Piece>,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + use<> {
        let (sender, mut receiver) = mpsc::channel(1);
        let chunks = self.clone();
        tokio::spawn(async move {
            if let Err(error) = chunks.send(first, pieces, &sender).await {
                let _ = sender.send(Err(error)).await;
            }
        });
        futures_util::stream::poll_fn(move |context| receiver.poll_recv(context))
    }

    async fn send(
        &self,
        first: File,
        pieces: Vec<Piece>,
        to: &mpsc::Sender<io::Result<Bytes>>,
    ) -> io::Result<()> {
        let mut first = Some(tokio::fs::File::from_std(first));
        for piece in pieces {
            let file = match first.take() {
                Some(file) => file,
                None => {
                    let mut file = tokio::fs::File::open(self.path(&piece.file)).await?;
                    file.seek(SeekFrom::Start(piece.offset)).await?;
                    file
                }
            };
            let mut rest = file.take(piece.size);
            while rest.limit() > 0 {
                let mut buffer = BytesMut::with_capacity(READ_SIZE);
                if rest.read_buf(&mut buffer).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                if to.send(Ok(buffer.freeze())).await.is_err() {
                    return Ok(()); // The reader has gone away.
                }
            }
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.chunks.join(name)
    }
}

fn write(path: &Path, mut pieces: mpsc::Receiver<Bytes>, mut hasher: Hasher) -> io::Result<Digests> {
    let mut file = File::create_new(path)?;
    while let Some(bytes) = pieces.blocking_recv() {
        hasher.update(&bytes);
        file.write_all(&bytes)?;
    }
    Ok(hasher.finish())
}

/// A body that can't be read: broken off, or not as it was signed.
fn unreadable(error: &StdError) -> Failure {
    // The stream's own error type isn't public; its words are.
    let words = error.to_string();
    let refused = if words.contains("Sha256Mismatch") {
        named_error(
            "XAmzContentSHA256Mismatch",
            StatusCode::BAD_REQUEST,
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )
    } else if words.contains("SignatureMismatch") {
        s3_error!(SignatureDoesNotMatch, "The signature of a chunk does not match.")
    } else {
        s3_error!(IncompleteBody, "The body could not be read to its end.")
    };
    refused.into()
}

/// `bytes` random bytes in hexadecimal.
pub fn random_hex(bytes: usize) -> io::Result<String> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
