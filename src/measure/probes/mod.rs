//! Readings before and after: what the database did, what machine this is, how busy it
//! was with other work.
//!
//! A probe answers *measured* or *skipped, because*. It must not change what it reads.

pub mod cgroup;
pub mod contention;
pub mod machine;
pub mod postgres;
