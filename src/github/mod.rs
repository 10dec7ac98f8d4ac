//! Shows the result where GitHub looks for it. The comment and the check are posted by a later
//! version; this one serves what a job may do without any permission.

pub mod workflow;
