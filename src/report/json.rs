//! `report.json`: everything a report holds, for machines.
//!
//! Must not leave anything out, and must not change without a new format number.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Report, ReportError};
use crate::model::{Comparison, Decision, Finding, Machine, Phase, Responses, Revision};

/// Version of the format.
const FORMAT: u32 = 1;

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct File<'a> {
    format: u32,
    tool: &'static str,
    project: &'a str,
    decision: &'a Decision,
    head: &'a Revision,
    against: &'a str,
    machine: &'a Machine,
    blocks: Blocks,
    comparisons: &'a [Comparison],
    findings: &'a [Finding],
    responses: &'a BTreeMap<String, Responses>,
    phases: &'a [Phase],
    skipped: &'a [String],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Blocks {
    first: usize,
    fresh: usize,
}

/// The report as JSON, indented, with a final line break.
pub(super) fn json(report: &Report) -> Result<String, ReportError> {
    let (first, fresh) = report.blocks;
    let file = File {
        format: FORMAT,
        tool: concat!("tollgate ", env!("CARGO_PKG_VERSION")),
        project: &report.project,
        decision: &report.decision,
        head: &report.head,
        against: &report.against,
        machine: &report.machine,
        blocks: Blocks { first, fresh },
        comparisons: &report.comparisons,
        findings: &report.findings,
        responses: &report.responses,
        phases: &report.phases,
        skipped: &report.skipped,
    };
    Ok(serde_json::to_string_pretty(&file)? + "\n")
}
