//! The services of one arm: started in order, ready, seeded, restarted, frozen, stopped.
//!
//! Services of one arm never see the other: own ports, own data, same seed. Must not know what
//! is measured.

mod binds;
mod models;
pub mod ready;
pub mod restore;
mod running;
pub mod stack;
pub mod template;

pub use stack::{Containers, ServiceError, Stack};
