//! Clients, stacks and fake services shared by the integration tests.

pub mod api_client;
pub mod dynamodb;
pub mod event;
pub mod http;
pub mod python;
pub mod stack;
