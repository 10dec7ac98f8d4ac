//! The words all stages share: plain data, no behaviour beyond keeping itself valid.
//!
//! Must not import anything else from this crate, nor read a clock, a file or the environment.

pub mod account;
pub mod baseline;
pub mod comparison;
pub mod decision;
pub mod evidence;
pub mod finding;
pub mod metric;
pub mod run;
pub mod samples;
pub mod shard;
pub mod shift;
pub mod worse;

pub use account::Account;
pub use baseline::{Baseline, Reference};
pub use comparison::{
    BudgetVerdict, Change, Comparison, Estimate, Inconclusive, StoredRange, Target, Tolerance,
    Verdict, Weight,
};
pub use decision::{ACCEPTED, Acceptance, Decision, Outcome, Reason};
pub use evidence::Evidence;
pub use finding::{
    Confidence, Expected, Finding, Location, Priority, Provenance, Recommendation, Risk,
};
pub use metric::{Better, Class, Metric, MetricId, Subject, Unit};
pub use run::{
    Contention, Disturbance, Machine, OpenLoop, Phase, PhaseKind, Responses, Revision, Run,
    RunFile, Timing,
};
pub use samples::Samples;
pub use shard::Shard;
pub use shift::{History, Night, Shift, Unjudged};
pub use worse::Worse;
