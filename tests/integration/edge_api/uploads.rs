//! `/uploads`: opening, signing, status, completion and abort of uploads.

pub mod complete_errors;
