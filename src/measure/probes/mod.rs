//! Readings before and after: what the database did, what machine this is.
//!
//! A probe answers *measured* or *skipped, because*. It must not change what it reads.

pub mod machine;
pub mod postgres;
