//! What people read: a view of finished strings, rendered by embedded templates.
//!
//! Must not judge anything: verdicts and outcomes arrive made.

pub mod canary;
mod escape;
mod explain;
mod fit;
mod forest;
mod format;
mod json;
mod parts;
mod phrase;
mod rows;
mod sentences;
mod shipped;
mod templates;
mod terminal;
#[cfg(test)]
mod tests;
mod treemap;
mod view;

pub use escape::{plain, prose as inert};
pub use explain::{Explanation, explain, verdicts};
pub use parts::Measured;
pub use shipped::{Shipped, changes};
pub use treemap::treemap;

use crate::model::{Comparison, Decision, Finding, Machine, Phase, Responses, Revision};

/// Everything a report shows.
#[derive(Debug, Clone)]
pub struct Report {
    /// Name of the project.
    pub project: String,
    /// What was judged.
    pub head: Revision,
    /// What it was judged against, in words a reader understands: `main (merge base 1a2b3c4d5e)`,
    /// or `stored run of 1a2b3c4d5e, 3 commits back; base could not be built: …`.
    pub against: String,
    /// Where it was measured.
    pub machine: Machine,
    /// Blocks of the first stage, and fresh blocks for what looked suspicious.
    pub blocks: (usize, usize),
    /// The judged metrics.
    pub comparisons: Vec<Comparison>,
    /// What explains them, most urgent first.
    pub findings: Vec<Finding>,
    /// What the gate says.
    pub decision: Decision,
    /// How the endpoints of head answered.
    pub responses: std::collections::BTreeMap<String, Responses>,
    /// Where the time went.
    pub phases: Vec<Phase>,
    /// What the reader should know: what could not be read and why, what was judged differently.
    pub skipped: Vec<String>,
}

/// The rendered report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages {
    /// The comment on the pull request: Markdown within GitHub's size limit.
    pub comment: String,
    /// The same with as much as a job summary holds.
    pub full: String,
    /// The same as `report.json`.
    pub json: String,
    /// The summary for a terminal, without colour.
    pub summary: String,
    /// How many gating metrics regressed, wrong answers included.
    pub regressions: usize,
    /// The verdict in one line of plain text, without the outcome.
    pub headline: String,
    /// The verdict in one line of Markdown, where there is nothing else to say.
    pub quiet: Option<String>,
}

/// Why a report could not be rendered: a fault of ours, never of what was measured.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A template does not parse.
    #[error("a template of the report is malformed")]
    Template(#[from] Box<handlebars::TemplateError>),
    /// A template asks for something that the view does not have.
    #[error("a template of the report asks for what is not there: {0}")]
    Render(#[from] Box<handlebars::RenderError>),
    /// A value has no JSON form.
    #[error("the report has no JSON form")]
    Json(#[from] serde_json::Error),
}

/// Renders every page of the report.
pub fn render(report: &Report) -> Result<Pages, ReportError> {
    let rows = rows::rows(&report.comparisons);
    let templates = templates::Templates::embedded()?;
    Ok(Pages {
        comment: fit::page(report, &rows, &templates, fit::COMMENT)?,
        full: fit::page(report, &rows, &templates, fit::SUMMARY)?,
        json: json::json(report)?,
        summary: terminal::summary(report, &rows),
        regressions: view::regressions(&rows),
        headline: sentences::headline(report, &rows).plain(),
        quiet: view::quiet(report, &rows),
    })
}
