//! Readings before and after: what databases, caches and models did, what was read from files,
//! what machine this is, how busy it was with other work.
//!
//! A probe answers *measured* or *skipped, because*. It must not change what it reads.

pub mod cgroup;
pub mod contention;
pub mod files;
pub mod gpu;
pub mod machine;
pub mod model_runs;
pub mod postgres;
pub mod rabbitmq;
pub mod redis;
pub mod tables;
