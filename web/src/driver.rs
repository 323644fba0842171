//! Obeys the machine in a browser: each command becomes a request, a read or a wait, each outcome an event.
//! Decides nothing.

use crate::client::{Client, Look};
use crate::clock::{now, sleep};
use crate::error::{Failure, Kind, codes};
use crate::file::File;
use crate::flights::{Flights, Order};
use crate::machine::{Command, Event, Machine, Moment, Stage, Stored, Task};
use crate::pace::{self, Pace};
use crate::page::Page;
use crate::parts::{Receipt, Ticket};
use crate::progress::Progress;
use crate::xhr::{self, Body, Request};
use crate::{backoff, watch};
use js_sys::Math;
use std::cell::RefCell;
use std::future::poll_fn;
use std::ops::Range;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use wasm_bindgen::JsValue;
use wire::{OpenUpload, VideoStatus};

/// How to send a file. All optional ones have a good value of their own.
pub struct Settings {
    pub video_id: Option<String>,
    /// In bytes.
    pub part_size: Option<u64>,
    pub at_once: Option<u32>,
    /// Whether to compute checksums, and compare those that the storage gives.
    pub checks: bool,
}

/// One upload from the first request to the video's being ready.
pub struct Driver {
    file: File,
    settings: Settings,
    client: Rc<Client>,
    page: Page,
    cancel: Order,
    /// The order to cancel has been passed on.
    canceled: bool,
    machine: Machine,
    progress: Rc<RefCell<Progress>>,
    /// The upload's token; empty until it is open.
    upload: Rc<str>,
    /// Everything under way; dropping one stops it.
    flights: Flights<Event>,
    stage: Stage,
}

impl Driver {
    pub fn new(file: File, settings: Settings, client: Client, page: Page, cancel: Order) -> Self {
        Self {
            machine: Machine::new(file.size(), settings.checks, Pace::new(settings.at_once)),
            progress: Rc::new(RefCell::new(Progress::new(file.size()))),
            client: Rc::new(client),
            upload: "".into(),
            flights: Flights::default(),
            stage: Stage::Starting,
            file,
            settings,
            page,
            cancel,
            canceled: false,
        }
    }

    /// Runs to the end. Everything that comes of it is told to the page.
    pub async fn run(mut self) {
        self.page.state("starting");
        let end = match self.send().await {
            Ok(stored) => {
                self.page.uploaded(&stored);
                self.page.state("uploaded");
                self.watch(&stored.video_id).await
            }
            Err(failure) => Err(failure),
        };
        match end {
            Ok(video) => {
                self.page.state("ready");
                self.page.ready(&video);
            }
            Err(failure) => {
                let canceled = failure.code == codes::CANCELED;
                self.page.state(if canceled { "canceled" } else { "failed" });
                self.page.failed(&failure);
            }
        }
    }

    async fn send(&mut self) -> Result<Stored, Failure> {
        loop {
            while let Some(command) = self.machine.poll(now()) {
                if let Command::Finish(outcome) = command {
                    self.flights.clear();
                    return outcome;
                }
                self.obey(command);
            }
            // The machine always waits for something; if not, better an error than a silent stop.
            let event = self.next().await.ok_or_else(Failure::stuck)?;
            self.note(&event);
            self.machine.handle(event, Moment { now: now(), chance: Math::random() });
            self.tell_stage();
        }
    }

    /// The next thing that happens; `None` if nothing is under way.
    async fn next(&mut self) -> Option<Event> {
        poll_fn(|context| {
            if !self.canceled && self.cancel.poll(context).is_ready() {
                self.canceled = true;
                return Poll::Ready(Some(Event::Canceled));
            }
            self.flights.poll_next(context)
        })
        .await
    }

    fn obey(&mut self, command: Command) {
        let (client, upload, file) = (self.client.clone(), self.upload.clone(), self.file.clone());
        match command {
            Command::Open => {
                let body = self.opening();
                self.fly(Task::Open, async move { client.open(&body).await.map(Event::Opened) });
            }
            Command::Sign(parts) => {
                self.fly(Task::Sign, async move { client.sign(&upload, parts).await.map(Event::Signed) });
            }
            Command::Hash(part) => {
                let range = self.range(part);
                self.fly(Task::Hash(part), async move {
                    file.crc(range).await.map(|crc| Event::Hashed { part, crc })
                });
            }
            Command::Put(ticket) => {
                let part = ticket.part;
                let (range, told) = (self.range(part), self.meter(part));
                self.fly(Task::Put(part), async move {
                    put(&file, range, ticket, told).await.map(|receipt| Event::Landed { part, receipt })
                });
            }
            Command::List => {
                self.fly(Task::List, async move { client.list(&upload).await.map(Event::Listed) });
            }
            Command::Complete(body) => self.fly(Task::Complete, async move {
                client.complete(&upload, &body).await.map(Event::Completed)
            }),
            Command::Abort => {
                self.flights.clear();
                self.fly(Task::Abort, async move { client.abort(&upload).await.map(|()| Event::Aborted) });
            }
            Command::Wait { task, tries, ms, why } => {
                if let Task::Put(part) = task {
                    self.progress.borrow_mut().lost(part);
                }
                self.page.retry(task, tries, ms, &why);
                self.fly(task, async move {
                    sleep(ms).await;
                    Ok(Event::Waited(task))
                });
            }
            // Ends the loop above.
            Command::Finish(_) => {}
        }
    }

    fn fly(&mut self, task: Task, work: impl Future<Output = Result<Event, Failure>> + 'static) {
        self.flights
            .push(async move { work.await.unwrap_or_else(|failure| Event::Failed { task, failure }) });
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::Opened(session) => self.upload = session.upload.as_str().into(),
            Event::Landed { part, .. } => {
                let range = self.range(*part);
                self.meter(*part)(range.end - range.start);
            }
            _ => {}
        }
    }

    fn tell_stage(&mut self) {
        let stage = self.machine.stage();
        if std::mem::replace(&mut self.stage, stage) == stage {
            return;
        }
        match stage {
            Stage::Uploading => self.page.state("uploading"),
            Stage::Finishing => self.page.state("finishing"),
            // Told at the start, and at the end with its outcome.
            Stage::Starting | Stage::Over => {}
        }
    }

    fn opening(&self) -> OpenUpload {
        let size = self.file.size();
        OpenUpload {
            file_name: self.file.name(),
            size,
            content_type: self.file.content_type(),
            last_modified: self.file.last_modified(),
            video_id: self.settings.video_id.clone(),
            part_size: Some(self.settings.part_size.unwrap_or_else(|| pace::part_size(size))),
        }
    }

    fn range(&self, part: u32) -> Range<u64> {
        self.machine.plan().map(|plan| plan.range(part)).unwrap_or_default()
    }

    /// Takes a part's progress and tells the page when it is time.
    fn meter(&self, part: u32) -> Box<dyn FnMut(u64)> {
        let (progress, page) = (self.progress.clone(), self.page.clone());
        Box::new(move |bytes| {
            progress.borrow_mut().moved(part, bytes);
            let report = progress.borrow_mut().report(now());
            // The page may call back from here, so nothing is borrowed any more.
            if let Some(report) = report {
                page.progress(report);
            }
        })
    }

    /// Waits until the video is converted; answers the whole `Video`.
    async fn watch(&mut self, video_id: &str) -> Result<JsValue, Failure> {
        let (client, page) = (self.client.clone(), self.page.clone());
        let mut watching = pin!(watch_video(&client, &page, video_id));
        poll_fn(|context| {
            if self.cancel.poll(context).is_ready() {
                return Poll::Ready(Err(Failure::canceled()));
            }
            watching.as_mut().poll(context)
        })
        .await
    }
}

async fn put(
    file: &File,
    range: Range<u64>,
    ticket: Ticket,
    told: Box<dyn FnMut(u64)>,
) -> Result<Receipt, Failure> {
    let slice = file.slice(range)?;
    let request =
        Request { method: "PUT", url: &ticket.url, headers: &ticket.headers, body: Body::Blob(&slice) };
    let answer = xhr::send(request, Some(told)).await?;
    if !answer.is_ok() {
        return Err(Failure::from_store(answer.status, &answer.text).after(answer.wish_ms()));
    }
    Ok(Receipt { etag: answer.header("etag"), checksum: answer.header("x-amz-checksum-crc64nvme") })
}

async fn watch_video(client: &Client, page: &Page, video_id: &str) -> Result<JsValue, Failure> {
    let (mut wait, mut failures, mut percent, mut seen) = (0, 0, None, None);
    loop {
        wait = watch::next_ms(wait, false);
        match client.video(video_id, seen.clone()).await {
            Ok(Look::Same) => failures = 0,
            Ok(Look::Video { glance, whole, etag }) => {
                (failures, seen) = (0, etag);
                match glance.status {
                    VideoStatus::Ready => return Ok(whole),
                    VideoStatus::Failed => {
                        let told = glance.error.filter(|m| !m.is_empty());
                        let sentence = told.unwrap_or_else(|| "The video can't be converted.".into());
                        return Err(Failure::last(codes::CONVERSION_FAILED, sentence));
                    }
                    VideoStatus::Canceled => {
                        return Err(Failure::last(
                            codes::CONVERSION_CANCELED,
                            "The conversion was canceled.",
                        ));
                    }
                    VideoStatus::Converting if percent != Some(glance.progress) => {
                        if percent.is_none() {
                            page.state("converting");
                        }
                        percent = Some(glance.progress);
                        page.converting(glance.progress);
                        wait = watch::next_ms(wait, true);
                    }
                    VideoStatus::Uploading | VideoStatus::Uploaded | VideoStatus::Converting => {}
                }
            }
            Err(failure) if failure.kind == Kind::Final => return Err(failure),
            // The video is safe; a look that fails is only late.
            Err(failure) => {
                failures += 1;
                wait = wait.max(backoff::wait_ms(failure.kind, failures, failure.wish_ms, Math::random()));
            }
        }
        sleep(wait).await;
    }
}
