//! What JavaScript sees of this crate: one class, no logic.

use crate::answers::Json;
use crate::client::Client;
use crate::driver::{Driver, Settings};
use crate::file::File;
use crate::flights::{Inbox, Work};
use crate::host::{Host, Surroundings};
use uploader_core::types::Event;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// A running upload. Dropping it drops everything that is under way.
#[wasm_bindgen]
pub struct Run {
    inbox: Inbox<Event>,
    host: Host,
    work: Work,
}

#[wasm_bindgen]
impl Run {
    /// Starts to send `order.file`. `endpoint` is an absolute URL; `partSize`, `concurrency` and `videoId` may be
    /// absent; `checks` and `anyFile` are booleans. The face has checked all of them.
    #[wasm_bindgen(constructor)]
    pub fn new(order: &JsValue, surroundings: Surroundings) -> Run {
        let (inbox, host) = (Inbox::default(), Host::new(surroundings));
        let truth = |name| order.get(name).and_then(|field| field.truth()).unwrap_or(false);
        let settings = Settings {
            video_id: order.text_at("videoId"),
            part_size: order.count_at("partSize"),
            at_once: order.count_at("concurrency").map(|count| count as u32),
            checks: truth("checks"),
            any_file: truth("anyFile"),
        };
        let file = File::new(order.get("file").unwrap_or_default(), host.clone());
        let client = Client { endpoint: order.text_at("endpoint").unwrap_or_default(), host: host.clone() };
        let work = Work::new(Driver::new(file, settings, client, host.clone(), inbox.clone()).run());
        work.go_on();
        Run { inbox, host, work }
    }

    /// What the host was asked for under that number has ended, well or not.
    pub fn heard(&self, number: u32, well: bool, outcome: JsValue) {
        self.host.heard(number, well.then_some(outcome));
        self.work.go_on();
    }

    /// So many bytes of a part were handed to the network.
    pub fn moved(&self, part: u32, bytes: f64) {
        self.put(Event::Progress { part, bytes: bytes as u64 });
    }

    /// Stops the upload and aborts it in the storage; after its end, stops watching the conversion.
    pub fn cancel(&self) {
        self.put(Event::Canceled);
    }

    /// Begins nothing new, or goes on.
    pub fn pause(&self, paused: bool) {
        self.put(Event::Paused(paused));
    }

    /// What the browser thinks of the network.
    pub fn online(&self, online: bool) {
        self.put(Event::Online(online));
    }
}

impl Run {
    fn put(&self, event: Event) {
        self.inbox.put(event);
        self.work.go_on();
    }
}

/// The checksum as the uploader works it out, for `cargo xtask bench crc` alone.
#[cfg(feature = "bench")]
#[wasm_bindgen]
#[derive(Default)]
pub struct Checksum(crate::file::Hash);

#[cfg(feature = "bench")]
#[wasm_bindgen]
impl Checksum {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Checksum {
        Checksum::default()
    }

    pub fn update(&mut self, bytes: &js_sys::Uint8Array) {
        self.0.take(bytes);
    }

    pub fn value(&self) -> u64 {
        self.0.crc.value()
    }
}
