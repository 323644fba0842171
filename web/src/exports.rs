//! What JavaScript sees of this crate: one class, no logic.

use crate::client::Client;
use crate::driver::{Driver, Settings};
use crate::file::File;
use crate::flights::Inbox;
use crate::host::Host;
use crate::machine::Event;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::spawn_local;
use web_sys::Blob;

/// A running upload. Dropping it doesn't stop the upload.
#[wasm_bindgen]
pub struct Run(Inbox<Event>);

#[wasm_bindgen]
impl Run {
    /// Starts to send `file`. `endpoint` is an absolute URL; `part_size` is in bytes. The face has checked
    /// all of them.
    #[wasm_bindgen(constructor)]
    #[allow(clippy::too_many_arguments, reason = "plain arguments need no glue to be read from an object")]
    pub fn new(
        file: Blob,
        endpoint: String,
        video_id: Option<String>,
        part_size: Option<f64>,
        concurrency: Option<u32>,
        checks: bool,
        any_file: bool,
        host: Host,
    ) -> Run {
        let inbox = Inbox::default();
        let settings = Settings {
            video_id,
            part_size: part_size.map(|bytes| bytes as u64),
            at_once: concurrency,
            checks,
            any_file,
        };
        let client = Client::new(endpoint, host.clone());
        spawn_local(Driver::new(File::new(file), settings, client, host, inbox.clone()).run());
        Run(inbox)
    }

    /// Stops the upload and aborts it in the storage; after its end, stops watching the conversion.
    pub fn cancel(&self) {
        self.0.put(Event::Canceled);
    }

    /// Begins nothing new, or goes on.
    pub fn pause(&self, paused: bool) {
        self.0.put(Event::Paused(paused));
    }

    /// What the browser thinks of the network.
    pub fn online(&self, online: bool) {
        self.0.put(Event::Online(online));
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
