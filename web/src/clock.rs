//! The browser's clocks and random numbers, on a page and in a worker alike.

use js_sys::{Date, Function, Math, Promise, Reflect};
use uploader_core::types::Clocks;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;
use web_sys::Performance;

#[wasm_bindgen]
extern "C" {
    /// A global of pages and workers, so it isn't reached through `Window`.
    #[wasm_bindgen(thread_local_v2, js_name = performance)]
    static PERFORMANCE: Performance;
}

/// Both clocks, and a random number.
pub fn clocks() -> Clocks {
    Clocks { now_ms: now_ms(), wall_ms: wall_ms(), random: Math::random() }
}

/// Milliseconds since 1970 by the wall clock.
pub fn wall_ms() -> u64 {
    Date::now() as u64
}

/// Milliseconds of the monotonic clock.
pub fn now_ms() -> u64 {
    PERFORMANCE.with(Performance::now) as u64
}

/// Whether the connection of the last request to `url` carries many requests at once (HTTP/2 or 3).
pub fn is_multiplexed(url: &str) -> bool {
    let entries = PERFORMANCE.with(|performance| performance.get_entries_by_name(url));
    let protocol =
        Reflect::get(&entries.pop(), &"nextHopProtocol".into()).ok().and_then(|name| name.as_string());
    protocol.is_some_and(|name| name.starts_with("h2") || name.starts_with("h3"))
}

/// Lets the thread run other tasks: by `scheduler.yield()`, or a timer where the browser lacks it.
pub async fn yield_now() {
    let scheduler = Reflect::get(&js_sys::global(), &"scheduler".into()).unwrap_or_default();
    let function =
        Reflect::get(&scheduler, &"yield".into()).ok().and_then(|value| value.dyn_into::<Function>().ok());
    match function.and_then(|function| function.call0(&scheduler).ok()) {
        Some(promise) => drop(JsFuture::from(Promise::resolve(&promise)).await),
        None => gloo_timers::future::TimeoutFuture::new(0).await,
    }
}
