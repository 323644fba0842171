//! The browser's clocks and timers, on a page and in a worker alike.

use js_sys::{Date, Function, Math, Promise, Reflect};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;

use crate::machine::Moment;

/// Now, by both clocks, and a number drawn.
pub fn moment() -> Moment {
    Moment { now: now(), wall: Date::now() as u64, chance: Math::random() }
}

/// Milliseconds of the clock that is never set.
pub fn now() -> u64 {
    performance_now() as u64
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

/// The browser's guess of the line, in bytes a millisecond; 0 where it has none.
pub fn guessed_speed() -> f64 {
    let at = |object: &JsValue, name: &str| Reflect::get(object, &name.into()).unwrap_or_default();
    let connection = at(&at(&js_sys::global(), "navigator"), "connection");
    // In megabits a second, and never above ten.
    at(&connection, "downlink").as_f64().unwrap_or(0.0) * 125.0
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;

    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(work: &Function, ms: u32);

    #[wasm_bindgen(js_namespace = scheduler, js_name = "yield", catch)]
    fn scheduler_yield() -> Result<Promise, JsValue>;
}
