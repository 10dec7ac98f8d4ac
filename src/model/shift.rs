//! When a metric moved to another level, and between which commits.

use serde::{Deserialize, Serialize};

use super::metric::MetricId;

/// What the stored nights say about every metric.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct History {
    /// Every lasting change, by metric, machine and time.
    pub shifts: Vec<Shift>,
    /// The series that could not be searched: no shift of these is no good news.
    pub unjudged: Vec<Unjudged>,
}

/// A lasting change of the level of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Shift {
    /// What moved.
    pub id: MetricId,
    /// The class of machine it moved on; none for exact metrics, which are the same on all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The last night at the earlier level. What moved the metric came after its commit.
    pub last_before: Night,
    /// The first night at the new level. What moved the metric is in its commit or before.
    pub first_after: Night,
    /// The level before, in the unit of the metric: the median of its nights.
    pub before: f64,
    /// The level after, in the unit of the metric: the median of its nights.
    pub after: f64,
    /// The relative change in the direction of worse: 0.05 is five per cent worse, whatever the
    /// metric's direction. Growth from zero is `f64::MAX`.
    pub worse_by: f64,
    /// How likely a difference like this is between nights of the same level; 0 for exact metrics.
    pub p_value: f64,
    /// Nights at the level before, back to the shift before.
    pub nights_before: usize,
    /// Nights at the new level, up to the next shift.
    pub nights_after: usize,
}

impl Shift {
    /// Whether it is a change for the worse.
    pub fn is_worse(&self) -> bool {
        self.worse_by > 0.0
    }
}

/// One night's measurement of one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Night {
    /// The commit that was measured.
    pub commit: String,
    /// When it was first measured that night, as RFC 3339 in UTC.
    pub measured_at: String,
}

/// A series that could not be searched for shifts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Unjudged {
    /// Which metric.
    pub id: MetricId,
    /// On which class of machine; none for exact metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// Why.
    pub why: String,
}
