//! Events that AWS sends to the edge, and the webhooks that the edge sends.

pub mod event_delivery;
pub mod event_stress;
mod reconcile;
mod webhook;
