//! The API of the wasm module, for `web/js/worker.js`.

use crate::api::ApiClient;
use crate::driver::{Driver, UploadOptions};
use crate::file::SourceFile;
use crate::host::UploadHost;
use futures_channel::mpsc::{UnboundedSender, unbounded};
use js_sys::Function;
use uploader_core::types::Event;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::spawn_local;
use web_sys::Blob;

/// Hands the text of a panic to `report` before the module traps. After a panic the module must not be used again.
#[wasm_bindgen(js_name = onPanic)]
pub fn on_panic(report: Function) {
    std::panic::set_hook(Box::new(move |info| {
        let _ = report.call1(&JsValue::UNDEFINED, &info.to_string().into());
    }));
}

/// A running upload. Dropping it doesn't end the upload.
#[wasm_bindgen]
pub struct UploadHandle(UnboundedSender<Event>);

#[wasm_bindgen]
impl UploadHandle {
    /// Starts to upload `file`. `options` are those of index.d.ts, checked, with an absolute `endpoint`.
    ///
    /// # Errors
    /// An `Error` if an option is missing or of another type.
    #[wasm_bindgen(constructor)]
    pub fn new(file: Blob, options: JsValue, host: UploadHost) -> Result<UploadHandle, JsValue> {
        let options: UploadOptions = serde_wasm_bindgen::from_value(options)?;
        let (sender, events) = unbounded();
        let api = ApiClient::new(options.endpoint.clone(), host.clone());
        let driver = Driver::new(SourceFile::new(file), options, api, host, sender.clone(), events);
        spawn_local(driver.run());
        Ok(UploadHandle(sender))
    }

    /// Aborts the upload; after its completion, stops polling the conversion.
    pub fn cancel(&self) {
        self.send(Event::Canceled);
    }

    /// Starts no further requests, or continues.
    pub fn pause(&self, paused: bool) {
        self.send(Event::Paused(paused));
    }

    /// Reports the browser's `online` and `offline` events.
    pub fn online(&self, online: bool) {
        self.send(Event::Online(online));
    }
}

impl UploadHandle {
    fn send(&self, event: Event) {
        // Fails only after the end of the upload.
        let _ = self.0.unbounded_send(event);
    }
}

/// The checksum as the uploader computes it, for `cargo xtask bench crc`.
#[cfg(feature = "bench")]
#[wasm_bindgen]
#[derive(Default)]
pub struct Checksum(crate::file::Hasher);

#[cfg(feature = "bench")]
#[wasm_bindgen]
impl Checksum {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Checksum {
        Checksum::default()
    }

    pub fn update(&mut self, bytes: &js_sys::Uint8Array) {
        self.0.update(bytes);
    }

    pub fn value(&self) -> u64 {
        self.0.crc.value()
    }
}
