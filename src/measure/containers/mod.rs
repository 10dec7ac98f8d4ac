//! Containers of ours, through the Docker Engine API: Docker's and Podman's.
//!
//! Everything made here carries labels that say whose it is ([`owner`]); nothing without them is
//! ever touched. Must not know what runs in a container, nor what is measured of it.

pub mod context;
mod credentials;
pub mod engine;
pub mod files;
pub mod image;
pub mod leftovers;
pub mod owner;
pub mod running;
pub mod spec;

pub use engine::{Engine, EngineError};
pub use running::Running;
