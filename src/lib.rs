//! A performance gate for pull requests.
//!
//! Base and head are built and started side by side, measured in interleaved rounds, compared,
//! explained, judged and reported. Data moves down this list and never up:
//!
//! 1. [`config`]   what to measure and what to tolerate
//! 2. [`measure`]  builds, services, probes  →  [`model::Run`]         (talks to the world)
//! 3. [`store`]    past runs                 →  [`model::Baseline`]    (talks to the world)
//! 4. [`compare`]  head and its reference    →  [`model::Comparison`]  (pure)
//! 5. [`diagnose`] evidence                  →  [`model::Finding`]     (pure)
//! 6. [`gate`]     comparisons               →  [`model::Decision`]    (pure)
//! 7. [`report`]   all of the above          →  [`report::Pages`]      (pure)
//! 8. [`github`]   shows it                                            (talks to the world)
//!
//! [`commands`] is the only place that sees every part; `tests/tidy.rs` holds the table of
//! allowed imports.

pub mod cli;
pub mod commands;
pub mod compare;
pub mod config;
pub mod diagnose;
pub mod failure;
pub mod gate;
pub mod github;
pub mod measure;
pub mod model;
pub mod report;
pub mod store;
