//! Obeys the machine in a browser: each command becomes a request, a read or a note, each outcome an event.
//! Decides nothing.

use crate::answers;
use crate::client::{self, Client};
use crate::clock::{self, moment};
use crate::file::File;
use crate::flights::{Flights, Inbox};
use crate::host::{self, Asked, Claim, Host};
use crate::status;
use crate::values::{number, object};
use std::cell::Cell;
use std::future::poll_fn;
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use uploader_core::concurrency::{self, Concurrency};
use uploader_core::error::{ErrorKind, UploadError, codes};
use uploader_core::machine::Machine;
use uploader_core::types::{
    Command, Event, PartReceipt, PersistOp, PresignedPart, SavedUpload, StoredFile, Task, UploadState,
};
use wasm_bindgen::JsValue;
use wire::OpenUpload;

const NOTHING: JsValue = JsValue::UNDEFINED;

/// How to send a file. All optional ones have a good value of their own.
pub struct Settings {
    pub video_id: Option<String>,
    /// In bytes.
    pub part_size: Option<u64>,
    pub at_once: Option<u32>,
    /// Whether to compute checksums, and compare those that the storage gives.
    pub checks: bool,
    /// Whether to send what is no video, too.
    pub any_file: bool,
}

thread_local! {
    /// Of the last upload, in bytes a millisecond: the next one asks for parts that suit it.
    static SPEED: Cell<f64> = const { Cell::new(0.0) };
}

type Working = Pin<Box<dyn Future<Output = Result<Event, UploadError>>>>;
/// Looking at the file before sending it, or at the video after that.
type Looking = Pin<Box<dyn Future<Output = Result<JsValue, UploadError>>>>;

/// One upload from the first look at the file to the video's being ready.
pub struct Driver {
    file: File,
    settings: Settings,
    client: Client,
    host: Host,
    inbox: Inbox<Event>,
    /// The file's true type, once it has been looked at.
    mime: Option<&'static str>,
    /// The upload's token; empty until it is open.
    upload: String,
    /// Everything under way; dropping one stops it.
    flights: Flights<Task, Event>,
    /// Runs out at that time.
    timer: Option<(u64, Asked)>,
}

impl Driver {
    pub fn new(file: File, settings: Settings, client: Client, host: Host, inbox: Inbox<Event>) -> Self {
        Self {
            client,
            mime: None,
            upload: String::new(),
            flights: Flights::default(),
            timer: None,
            file,
            settings,
            host,
            inbox,
        }
    }

    /// Runs to the end. Everything that comes of it is told to the host.
    pub async fn run(mut self) {
        self.host.state("starting");
        if let Err(failure) = self.run_to_end().await {
            let canceled = failure.code == codes::CANCELED;
            self.host.state(if canceled { "canceled" } else { "failed" });
            self.host.failed(&failure);
        }
    }

    async fn run_to_end(&mut self) -> Result<(), UploadError> {
        let mut early = Vec::new();
        let stored = match self.prepare(&mut early).await? {
            Claim::Stored(stored) => stored,
            Claim::Open { upload, saved } => {
                self.upload = upload;
                self.send(Some(saved), early).await?
            }
            Claim::Nothing => self.send(None, early).await?,
        };
        self.host.write_stored(&stored);
        self.host.uploaded(&stored);
        self.host.state(if stored.verified { "uploaded" } else { "unverified" });
        let watching = crate::watching::watch(self.client.clone(), stored.video_id);
        let video = self.unless_canceled(Box::pin(watching), &mut Vec::new()).await;
        // Whatever came of it: it is known now, and needs no remembering.
        self.host.write(&PersistOp::Clear);
        self.host.ready(&video?);
        Ok(())
    }

    /// Looks at the file and takes it for this upload; what comes in meanwhile is for later.
    async fn prepare(&mut self, early: &mut Vec<Event>) -> Result<Claim, UploadError> {
        let (file, host, any_file) = (self.file.clone(), self.host.clone(), self.settings.any_file);
        let mime = Rc::new(Cell::new(None));
        let seen = mime.clone();
        let looking = async move {
            if file.size() > 0 {
                match file.look().await? {
                    Some(media) => {
                        seen.set(Some(media.mime));
                        host.media(&media);
                    }
                    None if any_file => {}
                    None => return Err(UploadError::not_a_video()),
                }
            }
            let claim = host.ask("claim", file.fingerprint().await?.into());
            // Fails only if another tab has canceled it meanwhile.
            claim.await.ok_or_else(UploadError::canceled)
        };
        let found = self.unless_canceled(Box::pin(looking), early).await?;
        self.mime = mime.get();
        Ok(host::read(&found).unwrap_or(Claim::Nothing))
    }

    async fn send(
        &mut self,
        saved: Option<SavedUpload>,
        early: Vec<Event>,
    ) -> Result<StoredFile, UploadError> {
        let pace = Concurrency::new(self.settings.at_once);
        let mut machine = Machine::new(self.file.size(), self.settings.checks, pace, saved);
        let mut stage = machine.state();
        for event in early {
            machine.handle(event, moment());
        }
        loop {
            while let Some(command) = machine.poll(moment()) {
                if let Command::Finish(outcome) = command {
                    self.flights.clear();
                    SPEED.set(machine.concurrency().bytes_per_ms());
                    return outcome;
                }
                self.obey(command, &machine);
            }
            let was = std::mem::replace(&mut stage, machine.state());
            if was != stage {
                self.tell_stage(stage);
            }
            if let Some(report) = machine.progress(clock::now()) {
                self.host.progress(report);
            }
            self.set_timer(machine.wakeup_ms());
            if let Some(event) = self.next().await {
                if let Event::Opened(session) = &event {
                    self.upload = session.upload.clone();
                }
                machine.handle(event, moment());
            }
        }
    }

    /// The next thing that happens; nothing when it is time to wake up.
    async fn next(&mut self) -> Option<Event> {
        poll_fn(|context| {
            if let Some(event) = self.inbox.take() {
                return Poll::Ready(Some(event));
            }
            if let Poll::Ready(event) = self.flights.poll_next(context) {
                return Poll::Ready(Some(event));
            }
            if let Some((_, timer)) = &mut self.timer
                && Pin::new(timer).poll(context).is_ready()
            {
                self.timer = None;
                return Poll::Ready(None);
            }
            Poll::Pending
        })
        .await
    }

    /// A timer that runs out too early does no harm, so one is only set if it must be earlier.
    fn set_timer(&mut self, wakeup: Option<u64>) {
        let Some(wakeup) = wakeup else { return };
        if self.timer.as_ref().is_none_or(|(end, _)| *end > wakeup) {
            let ms = wakeup.saturating_sub(clock::now()).clamp(1, 60_000) as u32;
            self.timer = Some((wakeup, self.host.ask("wait", ms.into())));
        }
    }

    fn obey(&mut self, command: Command, machine: &Machine) {
        let upload = self.upload.clone();
        let range = |part| machine.plan().map(|plan| plan.range(part)).unwrap_or_default();
        match command {
            Command::Open => {
                let body = client::open_upload(&self.opening());
                self.ask(Task::Open, "POST", &["/uploads"], body, |json| {
                    answers::opened(json).map(Event::Opened)
                });
            }
            Command::Sign(part_numbers) => {
                let body = client::sign_parts(&part_numbers);
                self.ask(Task::Sign, "POST", &["/uploads/", &upload, "/parts"], body, |json| {
                    answers::signed(json).map(Event::Signed)
                });
            }
            Command::List => self.ask(Task::List, "GET", &["/uploads/", &upload], NOTHING, |json| {
                answers::listed(json).map(Event::Listed)
            }),
            Command::Complete(body) => {
                let body = client::complete_upload(&body);
                self.ask(Task::Complete, "POST", &["/uploads/", &upload, "/complete"], body, |json| {
                    answers::completed(json).map(Event::Completed)
                });
            }
            Command::Abort => {
                self.flights.clear();
                self.ask(Task::Abort, "DELETE", &["/uploads/", &upload], NOTHING, |_| Some(Event::Aborted));
            }
            Command::Hash(part) => {
                let (file, range) = (self.file.clone(), range(part));
                let hashed = async move { Ok(Event::Hashed { part, crc64: file.crc(range).await? }) };
                self.fly(Task::Hash(part), Box::pin(hashed));
            }
            Command::Put(ticket) => self.put(range(ticket.part), ticket),
            Command::Drop(task) => self.flights.cut_off(task),
            Command::DropAll => self.flights.clear(),
            Command::Persist(note) => self.host.write(&note),
            Command::NotifyRetry { task, attempt, delay_ms, error } => {
                self.host.retry(task, attempt, delay_ms, &error);
            }
            // Ends the loop above.
            Command::Finish(_) => {}
        }
    }

    /// One call to the edge; `read` makes an event of its answer.
    fn ask(
        &mut self,
        task: Task,
        method: &'static str,
        path: &[&str],
        body: JsValue,
        read: fn(&JsValue) -> Option<Event>,
    ) {
        let call = self.client.call(method, path, body, None);
        let asked = async move { read(&call.await?.json()).ok_or_else(UploadError::bad_answer) };
        self.fly(task, Box::pin(asked));
    }

    fn put(&mut self, range: Range<u64>, ticket: PresignedPart) {
        let (file, part, start) = (self.file.clone(), ticket.part, range.start);
        let headers: Vec<_> =
            ticket.headers.iter().map(|(name, value)| (name.as_str(), value.into())).collect();
        let headers = object(&headers);
        let sending = self.host.send(object(&[
            ("method", "PUT".into()),
            ("url", ticket.url.into()),
            ("headers", headers),
            ("part", part.into()),
            ("start", number(range.start)),
            ("end", number(range.end)),
        ]));
        let landed = async move {
            let answer = match sending.await {
                // A browser calls it a failure of the network, too, when it can't read what it is to send.
                Err(failure) if failure.kind == ErrorKind::Network => {
                    file.probe(start).await?;
                    return Err(failure);
                }
                other => other?,
            };
            if !answer.is_ok() {
                return Err(
                    status::from_store(answer.status, &answer.text()).with_retry_after(answer.wish_ms())
                );
            }
            let receipt = PartReceipt {
                etag: answer.header("etag"),
                checksum: answer.header("x-amz-checksum-crc64nvme"),
            };
            Ok(Event::Uploaded { part, receipt, multiplexed: answer.multiplexed() })
        };
        self.fly(Task::Put(part), Box::pin(landed));
    }

    fn fly(&mut self, task: Task, work: Working) {
        self.flights.push(task, async move {
            work.await.unwrap_or_else(|failure| Event::Failed { task, error: failure })
        });
    }

    fn tell_stage(&self, stage: UploadState) {
        self.host.state(match stage {
            UploadState::Starting => "starting",
            UploadState::Uploading => "uploading",
            UploadState::Paused => "paused",
            UploadState::Waiting => "waiting",
            UploadState::Finishing => "finishing",
            // Told at the end, with its outcome.
            UploadState::Ended => return,
        });
    }

    fn opening(&self) -> OpenUpload {
        let size = self.file.size();
        OpenUpload {
            file_name: self.file.name(),
            size,
            content_type: self.mime.map_or_else(|| self.file.content_type(), String::from),
            last_modified: self.file.last_modified(),
            video_id: self.settings.video_id.clone(),
            part_size: Some(
                self.settings.part_size.unwrap_or_else(|| concurrency::part_size(size, SPEED.get())),
            ),
        }
    }

    /// What comes in meanwhile is kept in `early`.
    async fn unless_canceled(
        &mut self,
        mut work: Looking,
        early: &mut Vec<Event>,
    ) -> Result<JsValue, UploadError> {
        poll_fn(|context| {
            while let Some(event) = self.inbox.take() {
                if matches!(event, Event::Canceled) {
                    return Poll::Ready(Err(UploadError::canceled()));
                }
                early.push(event);
            }
            work.as_mut().poll(context)
        })
        .await
    }
}
