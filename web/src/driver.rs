//! Executes the machine's commands in a browser and reports each outcome as an event. Decides nothing.

use crate::api::{self, ApiClient};
use crate::clock;
use crate::events::UploadEvent;
use crate::file::SourceFile;
use crate::host::UploadHost;
use crate::records::{PreviousUpload, RecordChange};
use crate::task_set::TaskSet;
use crate::{video_poller, xhr};
use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender};
use futures_util::stream::Stream;
use gloo_timers::future::TimeoutFuture;
use serde::Deserialize;
use std::cell::Cell;
use std::future::poll_fn;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use uploader_core::concurrency::{self, Concurrency};
use uploader_core::error::{ErrorKind, UploadError, codes};
use uploader_core::machine::Machine;
use uploader_core::types::{
    Command, Event, PartReceipt, PresignedPart, SavedUpload, StoredFile, Task, UploadState,
};
use wire::OpenUpload;

/// The longest timer, in milliseconds: browsers suspend long ones, and waking early does no harm.
const MAX_TIMER_MS: u64 = 60_000;

/// The options of index.d.ts that reach the wasm module.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadOptions {
    /// Absolute, without a slash at its end.
    pub endpoint: String,
    pub video_id: Option<String>,
    /// In bytes.
    pub part_size: Option<u64>,
    /// Parts in flight at once; `None` adapts it.
    pub concurrency: Option<u32>,
    pub checksum: ChecksumOption,
    pub allow_any_file: bool,
}

/// Whether checksums are computed, and compared where the storage has them.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChecksumOption {
    Auto,
    Off,
}

thread_local! {
    /// Throughput of the last upload: the next one asks for a part size that suits it.
    static LAST_BYTES_PER_MS: Cell<f64> = const { Cell::new(0.0) };
}

/// One upload from the container probe to the converted video.
pub struct Driver {
    file: SourceFile,
    options: UploadOptions,
    api: ApiClient,
    host: UploadHost,
    sender: UnboundedSender<Event>,
    events: UnboundedReceiver<Event>,
    /// The type that the container probe found.
    media_type: Option<&'static str>,
    /// The upload's token; empty until it is open.
    upload: String,
    tasks: TaskSet<Task, Event>,
    /// The next wakeup, in milliseconds of the monotonic clock.
    timer: Option<(u64, TimeoutFuture)>,
}

impl Driver {
    /// `events` receives what `sender` sends.
    pub fn new(
        file: SourceFile,
        options: UploadOptions,
        api: ApiClient,
        host: UploadHost,
        sender: UnboundedSender<Event>,
        events: UnboundedReceiver<Event>,
    ) -> Self {
        Self {
            file,
            options,
            api,
            host,
            sender,
            events,
            media_type: None,
            upload: String::new(),
            tasks: TaskSet::default(),
            timer: None,
        }
    }

    /// Runs to the end and reports the outcome to the host.
    pub async fn run(mut self) {
        self.emit_state("starting");
        if let Err(error) = self.run_to_end().await {
            self.emit_state(if error.code == codes::CANCELED { "canceled" } else { "failed" });
            self.host.emit(&UploadEvent::from(&error));
        }
    }

    async fn run_to_end(&mut self) -> Result<(), UploadError> {
        let mut early = Vec::new();
        let stored = match self.prepare(&mut early).await? {
            Some(PreviousUpload::Stored(stored)) => stored,
            Some(PreviousUpload::Open { upload, saved }) => {
                self.upload = upload;
                self.send(Some(saved), early).await?
            }
            None => self.send(None, early).await?,
        };
        self.host.persist(&RecordChange::from(&stored));
        self.host.emit(&UploadEvent::from(&stored));
        self.emit_state(if stored.verified { "uploaded" } else { "unverified" });
        let polling = video_poller::poll_until_ready(self.api.clone(), self.host.clone(), stored.video_id);
        let video = until_canceled(&mut self.events, polling, &mut Vec::new()).await;
        // The outcome is reported now, so no later page load needs the record.
        self.host.persist(&RecordChange::Remove);
        self.host.emit(&UploadEvent::ready(video?));
        Ok(())
    }

    /// Probes the file and claims it for this upload. Events that arrive meanwhile are kept in `early`.
    async fn prepare(&mut self, early: &mut Vec<Event>) -> Result<Option<PreviousUpload>, UploadError> {
        let Self { file, host, options, media_type, events, .. } = self;
        let preparing = async {
            if file.size() > 0 {
                match file.probe().await? {
                    Some(media) => {
                        *media_type = Some(media.mime);
                        host.emit(&UploadEvent::from(&media));
                    }
                    None if options.allow_any_file => {}
                    None => return Err(UploadError::not_a_video()),
                }
            }
            host.claim(&file.fingerprint().await?).await
        };
        until_canceled(events, preparing, early).await
    }

    async fn send(
        &mut self,
        saved: Option<SavedUpload>,
        early: Vec<Event>,
    ) -> Result<StoredFile, UploadError> {
        let concurrency = Concurrency::new(self.options.concurrency);
        let hashing = self.options.checksum == ChecksumOption::Auto;
        let mut machine = Machine::new(self.file.size(), hashing, concurrency, saved);
        let mut state = machine.state();
        for event in early {
            machine.handle(event, clock::clocks());
        }
        loop {
            while let Some(command) = machine.poll(clock::clocks()) {
                if let Command::Finish(outcome) = command {
                    self.tasks.clear();
                    LAST_BYTES_PER_MS.set(machine.concurrency().bytes_per_ms());
                    return outcome;
                }
                self.execute(command, &machine);
            }
            if std::mem::replace(&mut state, machine.state()) != state {
                self.emit_upload_state(state);
            }
            if let Some(report) = machine.progress(clock::now_ms()) {
                self.host.emit(&UploadEvent::from(report));
            }
            self.set_timer(machine.wakeup_ms());
            if let Some(event) = poll_fn(|context| self.poll_event(context)).await {
                if let Event::Opened(session) = &event {
                    self.upload.clone_from(&session.upload);
                }
                machine.handle(event, clock::clocks());
            }
        }
    }

    /// The next event; `None` when the timer has fired.
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        if let Poll::Ready(Some(event)) = Pin::new(&mut self.events).poll_next(context) {
            return Poll::Ready(Some(event));
        }
        if let Poll::Ready(event) = self.tasks.poll_next(context) {
            return Poll::Ready(Some(event));
        }
        if let Some((_, timer)) = &mut self.timer
            && Pin::new(timer).poll(context).is_ready()
        {
            self.timer = None;
            return Poll::Ready(None);
        }
        Poll::Pending
    }

    /// Keeps a timer that fires earlier, as waking early does no harm.
    fn set_timer(&mut self, wakeup_ms: Option<u64>) {
        let Some(wakeup_ms) = wakeup_ms else { return };
        if self.timer.as_ref().is_none_or(|(end_ms, _)| *end_ms > wakeup_ms) {
            let delay_ms = wakeup_ms.saturating_sub(clock::now_ms()).clamp(1, MAX_TIMER_MS);
            self.timer = Some((wakeup_ms, TimeoutFuture::new(delay_ms as u32)));
        }
    }

    fn execute(&mut self, command: Command, machine: &Machine) {
        let (api, upload) = (self.api.clone(), self.upload.clone());
        let range = |part| machine.plan().map(|plan| plan.range(part)).unwrap_or_default();
        match command {
            Command::Open => {
                let request = self.open_request();
                self.spawn(Task::Open, async move { api.open(&request).await.map(Event::Opened) });
            }
            Command::Sign(parts) => {
                self.spawn(Task::Sign, async move { api.sign(&upload, parts).await.map(Event::Signed) });
            }
            Command::List => {
                self.spawn(Task::List, async move { api.list(&upload).await.map(Event::Listed) })
            }
            Command::Complete(request) => self.spawn(Task::Complete, async move {
                api.complete(&upload, &request).await.map(Event::Completed)
            }),
            Command::Abort => {
                self.tasks.clear();
                self.spawn(Task::Abort, async move { api.abort(&upload).await.map(|()| Event::Aborted) });
            }
            Command::Hash(part) => {
                let (file, range) = (self.file.clone(), range(part));
                self.spawn(Task::Hash(part), async move {
                    file.crc64(range).await.map(|crc64| Event::Hashed { part, crc64 })
                });
            }
            Command::Put(presigned) => {
                let (part, file, sender) = (presigned.part, self.file.clone(), self.sender.clone());
                self.spawn(Task::Put(part), put_part(file, range(part), presigned, sender));
            }
            Command::Drop(task) => self.tasks.remove(task),
            Command::DropAll => self.tasks.clear(),
            Command::Persist(operation) => self.host.persist(&operation.into()),
            Command::NotifyRetry { task, attempt, delay_ms, error } => {
                self.host.emit(&UploadEvent::retry(task, attempt, delay_ms, &error));
            }
            // Ends the loop of `send`.
            Command::Finish(_) => {}
        }
    }

    fn spawn(&mut self, task: Task, work: impl Future<Output = Result<Event, UploadError>> + 'static) {
        self.tasks
            .insert(task, async move { work.await.unwrap_or_else(|error| Event::Failed { task, error }) });
    }

    fn emit_state(&self, state: &'static str) {
        self.host.emit(&UploadEvent::State { state });
    }

    fn emit_upload_state(&self, state: UploadState) {
        self.emit_state(match state {
            UploadState::Starting => "starting",
            UploadState::Uploading => "uploading",
            UploadState::Paused => "paused",
            UploadState::Waiting => "waiting",
            UploadState::Finishing => "finishing",
            // Reported at the end, with its outcome.
            UploadState::Ended => return,
        });
    }

    fn open_request(&self) -> OpenUpload {
        let size = self.file.size();
        OpenUpload {
            file_name: self.file.name(),
            size,
            content_type: self.media_type.map_or_else(|| self.file.content_type(), String::from),
            last_modified: self.file.last_modified(),
            video_id: self.options.video_id.clone(),
            part_size: self
                .options
                .part_size
                .or_else(|| Some(concurrency::part_size(size, LAST_BYTES_PER_MS.get()))),
        }
    }
}

/// Sends one part and reports the bytes sent as events.
async fn put_part(
    file: SourceFile,
    range: Range<u64>,
    presigned: PresignedPart,
    sender: UnboundedSender<Event>,
) -> Result<Event, UploadError> {
    let PresignedPart { part, url, headers, .. } = presigned;
    let body = file.slice(range.clone())?;
    let on_progress = move |bytes| drop(sender.unbounded_send(Event::Progress { part, bytes }));
    let response = match xhr::put(&url, &headers, &body, on_progress).await {
        // Browsers report a network failure, too, when they can't read what they are to send.
        Err(error) if error.kind == ErrorKind::Network => {
            file.check_readable(range.start).await?;
            return Err(error);
        }
        other => other?,
    };
    if !response.is_success() {
        return Err(api::storage_error(response.status, &response.body, response.header("retry-after")));
    }
    let header = |name| response.header(name).map(str::to_owned);
    let receipt = PartReceipt { etag: header("etag"), checksum: header("x-amz-checksum-crc64nvme") };
    Ok(Event::Uploaded { part, receipt, multiplexed: response.multiplexed })
}

/// Runs `work` until [`Event::Canceled`] arrives; other events that arrive meanwhile are kept in `early`.
async fn until_canceled<T>(
    events: &mut UnboundedReceiver<Event>,
    work: impl Future<Output = Result<T, UploadError>>,
    early: &mut Vec<Event>,
) -> Result<T, UploadError> {
    let mut work = pin!(work);
    poll_fn(|context| {
        while let Poll::Ready(Some(event)) = Pin::new(&mut *events).poll_next(context) {
            if matches!(event, Event::Canceled) {
                return Poll::Ready(Err(UploadError::canceled()));
            }
            early.push(event);
        }
        work.as_mut().poll(context)
    })
    .await
}
