//! Executes the machine's commands in a browser and reports each outcome as an event. Decides nothing.

use crate::api::{self, ApiClient};
use crate::clock;
use crate::events::UploadEvent;
use crate::file::SourceFile;
use crate::host::UploadHost;
use crate::records::RecordChange;
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
use uploader_core::captions::CaptionsFormat;
use uploader_core::concurrency::{self, Concurrency};
use uploader_core::crc64;
use uploader_core::error::{ErrorKind, UploadError, codes};
use uploader_core::machine::Machine;
use uploader_core::types::{Command, Event, PresignedPart, SavedUpload, StoredFile, Task, UploadState};
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
    pub title: Option<String>,
    /// In bytes.
    pub part_size: Option<u64>,
    /// Parts in flight at once; `None` adapts it.
    pub concurrency: Option<u32>,
    pub allow_any_file: bool,
}

thread_local! {
    /// Throughput of the last upload: the next one asks for a part size that suits it.
    static LAST_BYTES_PER_MS: Cell<f64> = const { Cell::new(0.0) };
}

/// What the page last reported about pausing and the network; each machine of an upload starts with it.
#[derive(Clone, Copy, Default)]
struct PageState {
    paused: bool,
    offline: bool,
}

impl PageState {
    fn record(&mut self, event: &Event) {
        match event {
            Event::Paused(paused) => self.paused = *paused,
            Event::Online(online) => self.offline = !online,
            _ => {}
        }
    }
}

/// One upload from the container probe to the converted video.
pub struct Driver {
    file: SourceFile,
    options: UploadOptions,
    api: ApiClient,
    host: UploadHost,
    sender: UnboundedSender<Event>,
    events: UnboundedReceiver<Event>,
    page: PageState,
    /// The type that the file's content has.
    media_type: Option<&'static str>,
    /// The upload's token; empty until it is open.
    upload: String,
    tasks: TaskSet<Task, Event>,
    /// A part has stalled. The file may be what doesn't answer, so the next part is sent once a byte of it was read.
    has_stalled: bool,
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
            page: PageState::default(),
            media_type: None,
            upload: String::new(),
            tasks: TaskSet::default(),
            has_stalled: false,
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
        let fingerprint = self.probe().await?;
        let mut slot = 0;
        let stored = loop {
            let saved = self.claim(&fingerprint, slot).await?;
            if let Some(stored) = self.send(saved).await? {
                break stored;
            }
            // What that slot has saved is another file's.
            slot += 1;
        };
        self.host.persist(&RecordChange::from(&stored));
        self.host.emit(&UploadEvent::from(&stored));
        self.emit_state(if stored.verified { "uploaded" } else { "unverified" });
        let polling = video_poller::poll_until_ready(self.api.clone(), self.host.clone(), stored.video_id);
        let video = until_canceled(&mut self.events, &mut self.page, polling).await;
        // The outcome is reported now, so no later page load needs the record.
        self.host.persist(&RecordChange::Remove);
        self.host.emit(&UploadEvent::ready(video?));
        Ok(())
    }

    /// Probes the file, a video or captions of a video that has an id, and returns its fingerprint.
    async fn probe(&mut self) -> Result<String, UploadError> {
        let Self { file, host, options, media_type, events, page, .. } = self;
        let captions = options.video_id.as_ref().and_then(|_| CaptionsFormat::from_name(&file.name()));
        let probing = async {
            let probe = file.probe().await?;
            if let Some(format) = captions {
                if !format.matches(probe.start()) {
                    return Err(UploadError::not_captions());
                }
                *media_type = Some(format.mime());
            } else if file.size() > 0 {
                match probe.media() {
                    Some(media) => {
                        *media_type = Some(media.mime);
                        host.emit(&UploadEvent::from(&media));
                    }
                    None if options.allow_any_file => {}
                    None => return Err(UploadError::not_a_video()),
                }
            }
            file.fingerprint().await
        };
        until_canceled(events, page, probing).await
    }

    /// Claims a record slot, and returns what an earlier page load has saved in it.
    async fn claim(&mut self, fingerprint: &str, slot: u32) -> Result<Option<SavedUpload>, UploadError> {
        let Self { host, events, page, .. } = self;
        let previous = until_canceled(events, page, host.claim(fingerprint, slot)).await?;
        let (upload, saved) = previous.map(|previous| (previous.upload, previous.saved)).unzip();
        self.upload = upload.unwrap_or_default();
        Ok(saved)
    }

    /// Sends the file; `None` if what was saved is another file's.
    async fn send(&mut self, saved: Option<SavedUpload>) -> Result<Option<StoredFile>, UploadError> {
        let concurrency = Concurrency::new(self.options.concurrency);
        let size = self.file.size();
        let part_size =
            self.options.part_size.unwrap_or_else(|| concurrency::part_size(size, LAST_BYTES_PER_MS.get()));
        let mut machine = Machine::new(size, part_size, concurrency, saved);
        let mut state = UploadState::Starting;
        machine.handle(Event::Paused(self.page.paused), clock::clocks());
        if self.page.offline {
            machine.handle(Event::Online(false), clock::clocks());
        }
        loop {
            while let Some(command) = machine.poll(clock::clocks()) {
                match command {
                    Command::Finish(outcome) => {
                        self.tasks.clear();
                        LAST_BYTES_PER_MS.set(machine.concurrency().bytes_per_ms());
                        return outcome.map(Some);
                    }
                    Command::RejectSaved => {
                        self.tasks.clear();
                        return Ok(None);
                    }
                    command => self.execute(command, &machine),
                }
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
            self.page.record(&event);
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
            Command::Open { part_size, checksums } => {
                let request = self.open_request(part_size, checksums);
                self.spawn(Task::Open, async move { api.open(&request).await.map(Event::Opened) });
            }
            Command::Sign(parts) => {
                self.spawn(Task::Sign, async move { api.sign(&upload, &parts).await.map(Event::Signed) });
            }
            Command::List => {
                self.spawn(Task::List, async move { api.list(&upload).await.map(Event::Listed) })
            }
            Command::Complete { crc64 } => {
                self.spawn(Task::Complete, async move { api.complete(&upload, crc64).await });
            }
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
                let checks_file = std::mem::take(&mut self.has_stalled);
                self.spawn(Task::Put(part), put_part(file, range(part), presigned, checks_file, sender));
            }
            Command::Drop(task) => {
                self.has_stalled |= matches!(task, Task::Put(_));
                self.tasks.remove(task);
            }
            Command::DropAll => self.tasks.clear(),
            Command::Persist(operation) => self.host.persist(&operation.into()),
            Command::NotifyRetry { task, attempt, delay_ms, error } => {
                self.host.emit(&UploadEvent::retry(task, attempt, delay_ms, &error));
            }
            Command::NotifyUnreachable => self.host.emit(&UploadEvent::unreachable(self.api.endpoint())),
            // They end the loop of `send`.
            Command::RejectSaved | Command::Finish(_) => {}
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

    fn open_request(&self, part_size: u64, checksums: Vec<u64>) -> OpenUpload {
        OpenUpload {
            file_name: self.file.name(),
            size: self.file.size(),
            content_type: self.media_type.map_or_else(|| self.file.content_type(), String::from),
            last_modified: self.file.last_modified(),
            video_id: self.options.video_id.clone(),
            title: self.options.title.clone(),
            part_size: Some(part_size),
            checksums: checksums.into_iter().map(crc64::to_base64).collect(),
        }
    }
}

/// Sends one part and reports the bytes sent as events.
async fn put_part(
    file: SourceFile,
    range: Range<u64>,
    presigned: PresignedPart,
    checks_file: bool,
    sender: UnboundedSender<Event>,
) -> Result<Event, UploadError> {
    let part = presigned.part;
    if checks_file {
        file.check_readable(range.start).await?;
    }
    let body = file.slice(range.clone())?;
    let on_progress = move |bytes| drop(sender.unbounded_send(Event::Progress { part, bytes }));
    let response = match xhr::put(&presigned, &body, on_progress).await {
        // Browsers report a network failure, too, when they can't read what they are to send.
        Err(error) if error.kind == ErrorKind::Network => {
            file.check_readable(range.start).await?;
            return Err(error);
        }
        other => other?,
    };
    if !response.is_success() {
        let retry_after = response.header("retry-after");
        return Err(api::storage_error(response.status, &response.body, retry_after, presigned.origin()));
    }
    Ok(Event::Uploaded { part, multiplexed: response.multiplexed })
}

/// Runs `work` until [`Event::Canceled`] arrives; `page` records what else the page reports meanwhile.
async fn until_canceled<T>(
    events: &mut UnboundedReceiver<Event>,
    page: &mut PageState,
    work: impl Future<Output = Result<T, UploadError>>,
) -> Result<T, UploadError> {
    let mut work = pin!(work);
    poll_fn(|context| {
        while let Poll::Ready(Some(event)) = Pin::new(&mut *events).poll_next(context) {
            if matches!(event, Event::Canceled) {
                return Poll::Ready(Err(UploadError::canceled()));
            }
            page.record(&event);
        }
        work.as_mut().poll(context)
    })
    .await
}
