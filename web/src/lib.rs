//! The uploader: sends a file in parts straight to S3, from a browser. Here are only the exports, no logic.
//!
//! The public modules and `uploader_core` are pure and run anywhere; `driver` obeys them in a browser with the help
//! of the rest.

pub mod answers;
pub mod flights;
mod lists;
pub mod status;

#[cfg(target_arch = "wasm32")]
mod client;
#[cfg(target_arch = "wasm32")]
mod clock;
#[cfg(target_arch = "wasm32")]
mod driver;
#[cfg(target_arch = "wasm32")]
mod exports;
#[cfg(target_arch = "wasm32")]
mod file;
#[cfg(target_arch = "wasm32")]
mod host;
#[cfg(target_arch = "wasm32")]
mod values;
#[cfg(target_arch = "wasm32")]
mod watching;

#[cfg(target_arch = "wasm32")]
pub use exports::*;
#[cfg(target_arch = "wasm32")]
pub use host::Surroundings;

/// Small, as every page downloads it.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();
