//! A plan becomes a run: builds, services, load, probes.
//!
//! The order of things is in [`bench`]. Must not judge what it measures, and knows neither the
//! store nor GitHub.

pub mod arm;
pub mod bench;
mod block;
pub mod bundle;
pub mod checkout;
pub mod containers;
pub mod http;
pub mod install;
pub mod packages;
pub mod placement;
pub mod plan;
pub mod probes;
pub mod process;
pub mod progress;
pub mod record;
pub mod secrets;
pub mod services;
pub mod shard;
pub mod sources;

pub use bench::{Bench, MeasureError};
pub use plan::Plan;
