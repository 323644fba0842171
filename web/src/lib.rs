//! The uploader in a browser: executes what `uploader-core` decides, by web APIs.
//!
//! No file here decides anything about an upload; each adapts one web API.

mod api;
mod bindings;
mod clock;
mod driver;
mod events;
mod file;
mod host;
mod records;
mod task_set;
mod video_poller;
mod xhr;

pub use bindings::*;
pub use host::UploadHost;
