//! The system judged from outside, over HTTP, by clients that no one here wrote.

mod api;
mod docs;
mod edge;
mod events;
mod mediaconvert;
mod s3;
mod stack;
mod up;
