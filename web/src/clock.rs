//! The browser's clock and timers.

use js_sys::{Date, Function, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;

/// Milliseconds since 1970.
pub fn now() -> u64 {
    Date::now() as u64
}

pub async fn sleep(ms: u32) {
    let ended = Promise::new(&mut |resolve, _| set_timeout(&resolve, ms));
    let _ = JsFuture::from(ended).await;
}

/// Lets the page do what is due. Where the browser has no word for that, a timer does it, some milliseconds
/// later.
pub async fn breathe() {
    match scheduler_yield() {
        Ok(turn) => drop(JsFuture::from(turn).await),
        Err(_) => sleep(0).await,
    }
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(work: &Function, ms: u32);

    #[wasm_bindgen(js_namespace = scheduler, js_name = "yield", catch)]
    fn scheduler_yield() -> Result<Promise, JsValue>;
}
