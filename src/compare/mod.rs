//! Is it different, by how much, how sure: the only place a verdict is made.

pub mod policy;

pub use policy::Policy;
