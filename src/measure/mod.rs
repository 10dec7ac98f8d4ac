//! A plan becomes a run.

pub mod bundle;
pub mod plan;

pub use plan::Plan;
