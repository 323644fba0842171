//! The browser's clocks, on a page and in a worker alike.

use js_sys::{Date, Math};
use uploader_core::types::Clocks;
use wasm_bindgen::prelude::wasm_bindgen;

/// Now, by both clocks, and a number drawn.
pub fn moment() -> Clocks {
    Clocks { now_ms: now(), wall_ms: Date::now() as u64, random: Math::random() }
}

/// Milliseconds of the clock that is never set.
pub fn now() -> u64 {
    performance_now() as u64
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}
