//! The JavaScript object that an upload reports to and asks, implemented by `web/js/worker.js`.

use crate::events::UploadEvent;
use crate::records::{PreviousUpload, RecordChange};
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use uploader_core::error::UploadError;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// The JavaScript side of one upload.
    #[derive(Clone)]
    pub type UploadHost;

    #[wasm_bindgen(method, js_name = onEvent)]
    fn on_event(this: &UploadHost, event: &JsValue);

    #[wasm_bindgen(method, js_name = persist)]
    fn persist_value(this: &UploadHost, change: &JsValue);

    #[wasm_bindgen(method, catch, js_name = token)]
    async fn token_value(this: &UploadHost) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch, js_name = claim)]
    async fn claim_value(this: &UploadHost, fingerprint: &str, slot: u32) -> Result<JsValue, JsValue>;
}

impl UploadHost {
    /// Reports one event to the page.
    pub fn emit(&self, event: &UploadEvent) {
        if let Some(event) = to_js(event) {
            self.on_event(&event);
        }
    }

    /// Queues a change of the records in IndexedDB. Changes are made in the order of the calls.
    pub fn persist(&self, change: &RecordChange) {
        if let Some(change) = to_js(change) {
            self.persist_value(&change);
        }
    }

    /// The page's bearer token; `None` if it uses none.
    ///
    /// # Errors
    /// `token_unavailable` if the page's function failed or returned something other than text.
    pub async fn token(&self) -> Result<Option<String>, UploadError> {
        let token = self.token_value().await.map_err(|_| UploadError::token_unavailable())?;
        if token.is_null_or_undefined() {
            return Ok(None);
        }
        token.as_string().map(Some).ok_or_else(UploadError::token_unavailable)
    }

    /// Waits until no other run sends a file of this fingerprint in this slot, keeps the slot from others until the upload
    /// ends, and returns what an earlier page load has saved in it. Files can share a fingerprint; each has a slot of its
    /// own. A slot claimed before is released as it is.
    ///
    /// # Errors
    /// `canceled` if this run was canceled meanwhile.
    pub async fn claim(&self, fingerprint: &str, slot: u32) -> Result<Option<PreviousUpload>, UploadError> {
        let record = self.claim_value(fingerprint, slot).await.map_err(|_| UploadError::canceled())?;
        // A record that can't be read is treated as none: the file is sent from its start.
        Ok(serde_wasm_bindgen::from_value(record).ok().and_then(PreviousUpload::from_record))
    }
}

/// Plain objects and arrays, as JSON would give them: they can be cloned between threads.
fn to_js(value: &impl Serialize) -> Option<JsValue> {
    value.serialize(&Serializer::json_compatible()).ok()
}
