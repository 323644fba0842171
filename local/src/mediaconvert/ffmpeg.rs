//! Running ffmpeg and ffprobe, and saying in a word what went wrong. Inputs are strangers' files: only real
//! containers are opened, and only over HTTP, so that no file can make them read another one.

use super::source::Source;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

/// Containers that hold media and nothing else; those that name other files (HLS, concat…) stay out.
const CONTAINERS: &str = "mov,matroska,webm,avi,mpegts,mpeg,flv,rm,asf,ogg,mxf,dv,gxf,m4v,wav,mp3";
/// A picture of 8192 by 8192.
const MOST_PIXELS: &str = "67108864";
/// For one answer over the network, in microseconds.
const PATIENCE: &str = "60000000";
/// How long looking into a file may take.
const PROBE_PATIENCE: Duration = Duration::from_secs(60);
/// What is kept of a program's output, in bytes; a report on a sane file has some kilobytes.
const MOST_OUTPUT: u64 = 4 << 20;

/// The two programs, found and tried.
#[derive(Clone)]
pub struct Tools {
    ffmpeg: OsString,
    ffprobe: OsString,
    /// Whether this ffmpeg can turn high dynamic range into the standard one.
    pub tone_mapping: bool,
}

/// A signed address: whoever sees it can read the object, so it is never printed.
pub struct SignedUrl(pub String);

/// How far a conversion is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    pub frames: u64,
    /// Of output, in seconds.
    pub seconds: f64,
}

/// Why a run gave nothing.
#[derive(Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Asked to stop; the program is dead.
    Stopped,
    /// Not a file that these programs take.
    Unreadable,
    NoDecoder,
    NoPictures,
    /// Anything else; it is in the log.
    Failed,
}

impl Tools {
    /// Finds both programs: `FFMPEG` and `FFPROBE`, or else the `PATH`. `Err` names what is missing.
    pub async fn find() -> Result<Self, &'static str> {
        let named = |variable, name: &str| std::env::var_os(variable).unwrap_or_else(|| name.into());
        let (ffmpeg, ffprobe) = (named("FFMPEG", "ffmpeg"), named("FFPROBE", "ffprobe"));
        let encoders = printed(&ffmpeg, "-encoders").await.ok_or("ffmpeg")?;
        let filters = printed(&ffmpeg, "-filters").await.ok_or("ffmpeg")?;
        printed(&ffprobe, "-version").await.ok_or("ffprobe")?;
        if !encoders.contains(" libx264 ") {
            return Err("ffmpeg with libx264");
        }
        let tone_mapping = filters.contains(" zscale ") && filters.contains(" tonemap ");
        Ok(Self { ffmpeg, ffprobe, tone_mapping })
    }

    /// Looks into a stranger's file.
    pub async fn look(&self, url: &SignedUrl, stop: &CancellationToken) -> Result<Source, Trouble> {
        self.ffprobe(guarded(&url.0), stop).await
    }

    /// Looks into a file that was made here.
    pub async fn measure(&self, path: &Path, stop: &CancellationToken) -> Result<Source, Trouble> {
        let words = [OsString::from("-protocol_whitelist"), "file".into(), "-i".into(), path.into()];
        self.ffprobe(words.into(), stop).await
    }

    async fn ffprobe(&self, input: Vec<OsString>, stop: &CancellationToken) -> Result<Source, Trouble> {
        let mut command = command(&self.ffprobe);
        command.args(["-v", "error", "-of", "json", "-show_format", "-show_streams"]).args(input);
        let mut child = command.stderr(Stdio::null()).spawn().map_err(failed_to_run)?;
        let mut report = vec![];
        let reading = async {
            if let Some(stdout) = child.stdout.take() {
                stdout.take(MOST_OUTPUT).read_to_end(&mut report).await?;
            }
            child.wait().await
        };
        let ended = tokio::time::timeout(PROBE_PATIENCE, stop.run_until_cancelled(reading)).await;
        match ended {
            Ok(Some(Ok(status))) if status.success() => Source::parse(&report).ok_or(Trouble::Unreadable),
            Ok(Some(Ok(_))) => Err(Trouble::Unreadable),
            Ok(Some(Err(error))) => Err(failed_to_run(error)),
            Ok(None) => Err(end(child, Trouble::Stopped).await),
            // A file that takes a minute to look into is made to do so.
            Err(_) => Err(end(child, Trouble::Unreadable).await),
        }
    }

    /// Converts the file at `url` as `arguments` say, in `folder`, and tells `progress` about once a half
    /// second. Returns how far it came.
    pub async fn convert(
        &self,
        url: &SignedUrl,
        arguments: &[String],
        folder: &Path,
        stop: &CancellationToken,
        mut progress: impl FnMut(Progress),
    ) -> Result<Progress, Trouble> {
        let mut command = command(&self.ffmpeg);
        command.args(["-hide_banner", "-nostdin", "-y", "-v", "error", "-nostats", "-progress", "pipe:1"]);
        command.arg("-noautorotate").args(guarded(&url.0)).args(arguments).current_dir(folder);
        let mut child = command.stderr(Stdio::piped()).spawn().map_err(failed_to_run)?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(end(child, Trouble::Failed).await);
        };
        let mut latest = Progress::default();
        let reading = async {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if latest.read(&line) {
                    progress(latest);
                }
            }
        };
        let running = async {
            let ((), complaints) = tokio::join!(reading, tail(stderr));
            child.wait().await.map(|status| (status, complaints))
        };
        match stop.run_until_cancelled(running).await {
            None => Err(end(child, Trouble::Stopped).await),
            Some(Err(error)) => Err(failed_to_run(error)),
            Some(Ok((status, complaints))) => {
                judge(status, &complaints.replace(&url.0, "INPUT")).map(|()| latest)
            }
        }
    }
}

async fn printed(program: &OsString, word: &str) -> Option<String> {
    let output = command(program).args(["-hide_banner", word]).output().await.ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A program of its own process group: Ctrl-C in the terminal reaches only us, and we end it in order.
fn command(program: &OsString) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0);
    command
}

fn guarded(url: &str) -> Vec<OsString> {
    ["-protocol_whitelist", "http,tcp", "-format_whitelist", CONTAINERS, "-max_pixels", MOST_PIXELS]
        .into_iter()
        .chain(["-rw_timeout", PATIENCE, "-i", url])
        .map(OsString::from)
        .collect()
}

/// Ends a program and waits for it, so that it no longer touches its folder.
async fn end(mut child: Child, trouble: Trouble) -> Trouble {
    if let Err(error) = child.kill().await {
        tracing::warn!(%error, "a program can't be ended");
    }
    trouble
}

fn failed_to_run(error: std::io::Error) -> Trouble {
    tracing::error!(%error, "ffmpeg or ffprobe can't be run");
    Trouble::Failed
}

/// The last complaints, some kilobytes of them: a broken file can make ffmpeg complain about each frame.
async fn tail(mut stderr: impl tokio::io::AsyncRead + Unpin) -> String {
    const KEPT: usize = 8 << 10;
    let mut kept = Vec::with_capacity(2 * KEPT);
    while let Ok(1..) = stderr.read_buf(&mut kept).await {
        let surplus = kept.len().saturating_sub(KEPT);
        kept.drain(..surplus);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

fn judge(status: ExitStatus, complaints: &str) -> Result<(), Trouble> {
    if status.success() {
        return Ok(());
    }
    // Redirects and retries may have other addresses in them; nothing that looks like one is logged.
    let words: Vec<_> = complaints.split_whitespace().filter(|word| !word.contains("://")).collect();
    tracing::warn!(%status, complaints = words.join(" "), "ffmpeg gave up");
    let says = |words: &[&str]| words.iter().any(|word| complaints.contains(word));
    if says(&["no decoder found", "Decoder not found", "Decoder (codec"]) {
        Err(Trouble::NoDecoder)
    } else if says(&[
        "Cannot determine format of input stream",
        "nothing was encoded",
        "does not contain any stream",
    ]) {
        Err(Trouble::NoPictures)
    } else if says(&["Invalid data found when processing input", "moov atom not found"]) {
        Err(Trouble::Unreadable)
    } else {
        Err(Trouble::Failed)
    }
}

impl Progress {
    /// Takes one line of `-progress`; true at the end of a block.
    fn read(&mut self, line: &str) -> bool {
        match line.split_once('=') {
            Some(("frame", frames)) => self.frames = frames.trim().parse().unwrap_or(self.frames),
            Some(("out_time_us", micros)) => {
                let seconds = micros.trim().parse::<i64>().map(|micros| micros as f64 / 1e6);
                self.seconds = seconds.unwrap_or(self.seconds).max(self.seconds);
            }
            Some(("progress", _)) => return true,
            _ => {}
        }
        false
    }
}

/// Where ffmpeg leaves its files while a job runs; removed when dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn create(path: PathBuf) -> std::io::Result<Self> {
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "a job's folder can't be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_never_goes_back() {
        let mut progress = Progress::default();
        let lines =
            ["frame=  12", "out_time_us=N/A", "progress=continue", "out_time_us=2000000", "out_time_us=-1"];
        assert_eq!(lines.map(|line| progress.read(line)), [false, false, true, false, false]);
        assert_eq!(progress, Progress { frames: 12, seconds: 2.0 });
    }
}
