//! Clients, stacks and services shared by the integration tests.

pub mod api_client;
pub mod dynamodb;
pub mod stack;
