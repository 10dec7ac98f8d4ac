//! Shows the result where people look for it: job summary, step outputs, one comment, a commit
//! status or check run. octocrab stays in here.
//!
//! Must not judge, and must not decide what a report says: finished texts come in, and where they
//! went comes out.

pub mod acceptances;
pub mod against;
pub mod annotations;
pub mod branch;
pub mod check_run;
pub mod client;
pub mod commands;
pub mod comment;
pub mod error;
pub mod event;
mod lease;
pub mod limits;
pub mod marker;
pub mod permissions;
pub mod publication;
pub mod pulls;
mod retry;
pub mod runs;
pub mod status;
pub mod workflow;

pub use client::{Client, Pace};
pub use error::GithubError;
