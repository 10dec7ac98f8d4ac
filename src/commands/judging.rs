//! From runs to pages: compare, explain, decide, render. The same for every command that judges.
//!
//! Must not look at anything but its arguments: the same runs and rules give the same pages.

use crate::config::Config;
use crate::failure::Failure;
use crate::model::{
    Acceptance, Class, Comparison, Decision, Finding, Metric, Outcome, Reference, Run, RunFile,
    Subject,
};
use crate::report::{Pages, Report};
use crate::{compare, diagnose, gate, report};

/// How to judge.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// What a change must exceed, and which targets hold.
    pub(super) policy: compare::Policy,
    /// What the verdicts mean for the outcome.
    pub(super) gate: gate::Policy,
    /// Regressions that were let through.
    pub(super) accepted: Vec<Acceptance>,
}

impl Rules {
    /// Those of a configuration.
    pub(super) fn of(config: &Config) -> Self {
        Self {
            policy: config.policy.clone(),
            gate: config.gate,
            accepted: Vec::new(),
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Judged {
    /// The rendered report.
    pub(super) pages: Pages,
    /// The outcome decides the exit code.
    pub(super) outcome: Outcome,
    /// Most urgent first.
    pub(super) findings: Vec<Finding>,
}

/// The verdicts, what explains them, and what the gate makes of them.
#[derive(Debug)]
pub(super) struct Weighed {
    /// Every metric.
    pub(super) comparisons: Vec<Comparison>,
    /// Most urgent first.
    pub(super) findings: Vec<Finding>,
    /// What the gate says.
    pub(super) decision: Decision,
}

/// Compares, explains and decides.
pub(super) fn weigh(head: &Run, reference: &Reference, rules: &Rules) -> Weighed {
    let comparisons = compare::compare(head, reference, &rules.policy);
    let findings = diagnose::diagnose(&diagnose::Case {
        head,
        base: base_run(reference),
        comparisons: &comparisons,
    });
    let decision = gate::decide(&comparisons, rules.gate);
    let decision = if rules.accepted.is_empty() {
        decision
    } else {
        gate::accept(decision, &comparisons, &rules.accepted)
    };
    Weighed {
        comparisons,
        findings,
        decision,
    }
}

/// Judges the head of a run file; `against` says in words what the reference is.
pub(super) fn judge(
    file: &RunFile,
    reference: &Reference,
    against: String,
    rules: &Rules,
) -> Result<Judged, Failure> {
    let weighed = weigh(&file.head, reference, rules);
    let outcome = weighed.decision.outcome;
    let findings = weighed.findings.clone();
    let pages = report::render(&Report {
        project: file.project.clone(),
        head: file.head.revision.clone(),
        against,
        machine: file.head.machine.clone(),
        blocks: (rules.policy.blocks, confirmation_blocks(&file.head)),
        comparisons: weighed.comparisons,
        findings: weighed.findings,
        decision: weighed.decision,
        responses: file.head.responses.clone(),
        phases: file.phases.clone(),
        skipped: remarks(file, base_run(reference), &rules.policy),
    })?;
    Ok(Judged {
        pages,
        outcome,
        findings,
    })
}

/// Base of the same run, in words.
pub(super) fn against_base(base: &Run) -> String {
    format!("{} ({})", base.revision.short(), base.revision.label)
}

/// Why there is no base, for a table cell: the message and the log lines it quotes on one line.
pub(super) fn without_base(why: &str) -> String {
    let lines: Vec<&str> = why
        .lines()
        .map(|line| line.trim().trim_start_matches("| "))
        .collect();
    format!("base could not be measured: {}", lines.join(" · "))
}

/// The run that head is compared with.
pub(super) fn base_run(reference: &Reference) -> Option<&Run> {
    match reference {
        Reference::Paired(run) => Some(run),
        Reference::Stored { baseline, .. } => Some(&baseline.run),
        Reference::Targets { .. } => None,
    }
}

/// The fresh blocks that were needed.
fn confirmation_blocks(run: &Run) -> usize {
    let counts = run
        .confirmation
        .values()
        .map(|samples| samples.values().len());
    counts.max().unwrap_or(0)
}

/// What the reader should know about how it was measured.
fn remarks(file: &RunFile, base: Option<&Run>, policy: &compare::Policy) -> Vec<String> {
    let mut remarks = report::changes(base, &file.head);
    remarks.extend(file.head.evidence.skipped.iter().cloned());
    for (id, samples) in &file.head.samples {
        let is_count = id.metric.class() == Class::Exact && id.metric != Metric::ErrorRate;
        if is_count && samples.constant().is_none() {
            remarks.push(format!(
                "{} of {}: differs between blocks, so it was judged with an interval",
                id.metric.label(),
                id.subject.name()
            ));
        }
    }
    for subject in &policy.one_process {
        if let Subject::Endpoint { endpoint } = subject {
            remarks.push(format!(
                "{endpoint}: one process served every block, so its tolerance is doubled"
            ));
        }
    }
    remarks
}
