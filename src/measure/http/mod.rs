//! Driving endpoints: prepared requests, honest latency, fair between the arms.
//!
//! A request's latency runs from the moment its first byte may leave until the last byte of its
//! body has arrived; connecting is not part of it. Every response is checked; a wrong one never
//! enters the latencies.

pub mod connection;
pub mod drive;
pub mod prepare;
mod quote;
pub mod recording;
pub mod session;

pub use drive::Arms;
pub use prepare::Prepared;
pub use recording::Recording;
