//! Events that AWS sends to the edge, and the webhooks that the edge sends.

mod event_delivery;
mod event_stress;
mod reconcile;
mod webhook;
