//! Runs ffmpeg and ffprobe and classifies their errors. Inputs are untrusted: only media containers are opened,
//! and only over HTTP, so that a file can't make the programs read another one.

use super::source::Source;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

/// Allowed containers. Formats that refer to other files (HLS, concat…) are excluded.
const CONTAINERS: &str = "mov,matroska,webm,avi,mpegts,mpeg,flv,rm,asf,ogg,mxf,dv,gxf,m4v,wav,mp3";
/// Maximum number of pixels of a picture: 8192 by 8192.
const MAX_PIXELS: &str = "67108864";
/// ffmpeg's timeout for one network read, in microseconds.
const READ_TIMEOUT_US: &str = "60000000";
/// Timeout of an ffprobe run.
const PROBE_TIMEOUT: Duration = Duration::from_secs(60);
/// The part of a file, as ffprobe's interval, in which a video track with one packet counts as a still picture.
const STILL_INTERVAL: &str = "%+5";
/// Maximum size of ffprobe's report, in bytes. That of a normal file has some kilobytes.
const MAX_REPORT_SIZE: u64 = 4 << 20;

/// The installed ffmpeg and ffprobe.
#[derive(Clone)]
pub struct Ffmpeg {
    ffmpeg: OsString,
    ffprobe: OsString,
    /// Whether ffmpeg has the filters that convert high to standard dynamic range.
    pub tone_mapping: bool,
}

/// A presigned URL. It grants access to the object, so it has no `Debug` and is never logged.
pub struct PresignedUrl(pub String);

/// One of ffmpeg's inputs.
pub enum FfmpegInput {
    /// Video or audio, or the part between `start` and `end`, in seconds.
    Media { url: PresignedUrl, start: Option<f64>, end: Option<f64> },
    /// An image in the work folder, and the demuxer that reads it.
    Image { name: String, format: &'static str },
}

impl FfmpegInput {
    fn arguments(&self) -> Vec<OsString> {
        match self {
            Self::Media { url, start, end } => {
                let mut list = vec![OsString::from("-noautorotate")];
                for (name, time) in [("-ss", start), ("-to", end)] {
                    list.extend(time.iter().flat_map(|time| [name.into(), time.to_string().into()]));
                }
                list.extend(untrusted_input(&url.0));
                list
            }
            Self::Image { name, format } => {
                let list =
                    ["-protocol_whitelist", "file", "-max_pixels", MAX_PIXELS, "-f", format, "-i", name];
                list.map(OsString::from).into()
            }
        }
    }
}

/// Progress of a conversion.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FfmpegProgress {
    pub frames: u64,
    /// Duration of the output, in seconds.
    pub seconds: f64,
}

/// The error of a run of ffmpeg or ffprobe.
#[derive(Debug, Error)]
pub enum FfmpegError {
    /// The run was canceled; the program has ended.
    #[error("the run was canceled")]
    Canceled,
    /// The input isn't a supported file, or is damaged.
    #[error("the input can't be read")]
    Unreadable,
    #[error("the input's codec has no decoder")]
    NoDecoder,
    #[error("the input has no pictures")]
    NoPictures,
    /// Any other exit with an error; ffmpeg's messages are in the log.
    #[error("ffmpeg failed")]
    Failed,
    /// The program can't be started or read.
    #[error("ffmpeg or ffprobe can't be run: {0}")]
    Io(#[from] io::Error),
}

impl Ffmpeg {
    /// Finds both programs by `FFMPEG` and `FFPROBE`, or else in the `PATH`. `Err` names the missing program.
    pub async fn find() -> Result<Self, &'static str> {
        let program = |variable, name: &str| std::env::var_os(variable).unwrap_or_else(|| name.into());
        let (ffmpeg, ffprobe) = (program("FFMPEG", "ffmpeg"), program("FFPROBE", "ffprobe"));
        let encoders = output_of(&ffmpeg, "-encoders").await.ok_or("ffmpeg")?;
        let filters = output_of(&ffmpeg, "-filters").await.ok_or("ffmpeg")?;
        output_of(&ffprobe, "-version").await.ok_or("ffprobe")?;
        if !encoders.contains(" libx264 ") {
            return Err("ffmpeg with libx264");
        }
        let tone_mapping = filters.contains(" zscale ") && filters.contains(" tonemap ");
        Ok(Self { ffmpeg, ffprobe, tone_mapping })
    }

    /// Probes an untrusted file.
    pub async fn probe_url(
        &self,
        url: &PresignedUrl,
        cancel: &CancellationToken,
    ) -> Result<Source, FfmpegError> {
        let mut source = self.run_ffprobe(untrusted_input(&url.0), cancel).await?;
        if source.videos().nth(1).is_some() {
            let packets = self.video_packets(url, cancel).await?;
            source.discard_stills(&packets);
        }
        Ok(source)
    }

    /// Returns the track's index for each video packet of the first seconds.
    async fn video_packets(
        &self,
        url: &PresignedUrl,
        cancel: &CancellationToken,
    ) -> Result<Vec<u32>, FfmpegError> {
        let mut command = command(&self.ffprobe);
        command.args(["-v", "error", "-of", "csv=p=0", "-select_streams", "v"]);
        command.args(["-show_entries", "packet=stream_index", "-read_intervals", STILL_INTERVAL]);
        let report = read_report(command.args(untrusted_input(&url.0)), cancel).await?;
        Ok(String::from_utf8_lossy(&report).lines().filter_map(|line| line.trim().parse().ok()).collect())
    }

    /// Probes an output file.
    pub async fn probe_file(&self, path: &Path, cancel: &CancellationToken) -> Result<Source, FfmpegError> {
        // `crypto` is for segments that ffmpeg encrypted.
        let mut input = vec![OsString::from("-protocol_whitelist"), "file,crypto".into()];
        if path.extension().is_some_and(|extension| extension == "m3u8") {
            input.extend(["-allowed_extensions", "ALL"].map(OsString::from));
        }
        input.extend(["-i".into(), path.into()]);
        self.run_ffprobe(input, cancel).await
    }

    async fn run_ffprobe(
        &self,
        input: Vec<OsString>,
        cancel: &CancellationToken,
    ) -> Result<Source, FfmpegError> {
        let mut command = command(&self.ffprobe);
        command.args(["-v", "error", "-of", "json", "-show_format", "-show_streams"]);
        let report = read_report(command.args(input), cancel).await?;
        Source::parse(&report).ok_or(FfmpegError::Unreadable)
    }

    /// Runs ffmpeg on `inputs` with the output `arguments` in `folder`. Calls `on_progress` about every
    /// 0.5 s. Returns the final progress.
    pub async fn convert(
        &self,
        inputs: &[FfmpegInput],
        arguments: &[String],
        folder: &Path,
        cancel: &CancellationToken,
        mut on_progress: impl FnMut(FfmpegProgress),
    ) -> Result<FfmpegProgress, FfmpegError> {
        let mut command = command(&self.ffmpeg);
        command.args(["-hide_banner", "-nostdin", "-y", "-v", "error", "-nostats", "-progress", "pipe:1"]);
        for input in inputs {
            command.args(input.arguments());
        }
        command.args(arguments).current_dir(folder);
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(kill(child, FfmpegError::Failed).await);
        };
        let mut latest = FfmpegProgress::default();
        let reading = async {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if latest.update(&line) {
                    on_progress(latest);
                }
            }
        };
        let running = async {
            let ((), messages) = tokio::join!(reading, read_tail(stderr));
            child.wait().await.map(|status| (status, messages))
        };
        match cancel.run_until_cancelled(running).await {
            None => Err(kill(child, FfmpegError::Canceled).await),
            Some(Err(error)) => Err(error.into()),
            Some(Ok((status, messages))) => {
                // Messages name inputs by their URL, which is a secret.
                let redacted = inputs.iter().fold(messages, |messages, input| match input {
                    FfmpegInput::Media { url, .. } => messages.replace(&url.0, "INPUT"),
                    FfmpegInput::Image { .. } => messages,
                });
                check_exit(status, &redacted).map(|()| latest)
            }
        }
    }
}

/// Runs ffprobe and returns what it writes.
async fn read_report(command: &mut Command, cancel: &CancellationToken) -> Result<Vec<u8>, FfmpegError> {
    let mut child = command.stderr(Stdio::null()).spawn()?;
    let mut report = vec![];
    let reading = async {
        if let Some(stdout) = child.stdout.take() {
            stdout.take(MAX_REPORT_SIZE).read_to_end(&mut report).await?;
        }
        child.wait().await
    };
    match tokio::time::timeout(PROBE_TIMEOUT, cancel.run_until_cancelled(reading)).await {
        Ok(Some(Ok(status))) if status.success() => Ok(report),
        Ok(Some(Ok(_))) => Err(FfmpegError::Unreadable),
        Ok(Some(Err(error))) => Err(error.into()),
        Ok(None) => Err(kill(child, FfmpegError::Canceled).await),
        // A file that takes so long to probe is malicious or damaged.
        Err(_) => Err(kill(child, FfmpegError::Unreadable).await),
    }
}

async fn output_of(program: &OsString, argument: &str) -> Option<String> {
    let output = command(program).args(["-hide_banner", argument]).output().await.ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Returns a command in its own process group, so that Ctrl-C in the terminal doesn't reach it: the service
/// ends it in order.
fn command(program: &OsString) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    // SVT-AV1 would write its settings to stderr.
    command.env("SVT_LOG", "1");
    #[cfg(unix)]
    command.process_group(0);
    command
}

/// Returns the input arguments for an untrusted file.
fn untrusted_input(url: &str) -> Vec<OsString> {
    ["-protocol_whitelist", "http,tcp", "-format_whitelist", CONTAINERS, "-max_pixels", MAX_PIXELS]
        .into_iter()
        .chain(["-rw_timeout", READ_TIMEOUT_US, "-i", url])
        .map(OsString::from)
        .collect()
}

/// Kills a program, waits until it no longer writes to its folder, and returns `error`.
async fn kill(mut child: Child, error: FfmpegError) -> FfmpegError {
    if let Err(error) = child.kill().await {
        tracing::warn!(%error, "ffmpeg can't be killed");
    }
    error
}

/// Reads to the end and returns the last 8 KiB: a damaged file can cause a message for each frame.
async fn read_tail(mut stderr: impl tokio::io::AsyncRead + Unpin) -> String {
    const MAX_SIZE: usize = 8 << 10;
    let mut tail = Vec::with_capacity(2 * MAX_SIZE);
    while let Ok(1..) = stderr.read_buf(&mut tail).await {
        let surplus = tail.len().saturating_sub(MAX_SIZE);
        tail.drain(..surplus);
    }
    String::from_utf8_lossy(&tail).into_owned()
}

/// Returns the error for a program's exit status and messages, and logs it.
fn check_exit(status: ExitStatus, messages: &str) -> Result<(), FfmpegError> {
    if status.success() {
        return Ok(());
    }
    // Messages about redirects and retries can contain other URLs, so no word that looks like one is logged.
    let words: Vec<_> = messages.split_whitespace().filter(|word| !word.contains("://")).collect();
    tracing::warn!(%status, messages = words.join(" "), "ffmpeg failed");
    let contains_any = |texts: &[&str]| texts.iter().any(|text| messages.contains(text));
    if contains_any(&["no decoder found", "Decoder not found", "Decoder (codec"]) {
        Err(FfmpegError::NoDecoder)
    } else if contains_any(&[
        "Cannot determine format of input stream",
        "nothing was encoded",
        "does not contain any stream",
    ]) {
        Err(FfmpegError::NoPictures)
    } else if contains_any(&["Invalid data found when processing input", "moov atom not found"]) {
        Err(FfmpegError::Unreadable)
    } else {
        Err(FfmpegError::Failed)
    }
}

impl FfmpegProgress {
    /// Parses one line of `-progress`. Returns `true` at the end of a block.
    fn update(&mut self, line: &str) -> bool {
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

/// The folder of a job's output files. Dropping it removes the folder.
pub struct WorkDir(PathBuf);

impl WorkDir {
    pub fn create(path: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "work folder can't be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_never_decreases() {
        let mut progress = FfmpegProgress::default();
        let lines =
            ["frame=  12", "out_time_us=N/A", "progress=continue", "out_time_us=2000000", "out_time_us=-1"];
        assert_eq!(lines.map(|line| progress.update(line)), [false, false, true, false, false]);
        assert_eq!(progress, FfmpegProgress { frames: 12, seconds: 2.0 });
    }
}
