//! Findings in lines that head changed, and mistakes in the configuration, as sentences beside those
//! lines. Must not judge.

use std::path::Path;

use crate::config::ConfigError;
use crate::github::annotations::{self, Annotation, Level};
use crate::model::{Finding, Location, Outcome, Priority};
use crate::report;

/// Says so to the runner of GitHub Actions; anywhere else nothing is printed. On standard error,
/// where the runner looks too: standard output is data.
#[expect(
    clippy::print_stderr,
    reason = "a message to the runner, not to people"
)]
pub(super) fn print(findings: &[Finding], outcome: Outcome, project: &Path) {
    if std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true") {
        let of = of(findings, outcome, &prefix(project));
        eprint!("{}", annotations::commands(&of));
    }
}

/// Shows a mistake in the configuration beside its line.
#[expect(
    clippy::print_stderr,
    reason = "a message to the runner, not to people"
)]
pub(super) fn print_mistake(error: &ConfigError) {
    if std::env::var_os("GITHUB_ACTIONS").is_none_or(|value| value != "true") {
        return;
    }
    let Some(line) = error.line().and_then(|line| u32::try_from(line).ok()) else {
        return;
    };
    let folder = std::env::current_dir().unwrap_or_default();
    let help = error
        .help()
        .map_or_else(String::new, |help| format!("\n{help}"));
    let annotation = Annotation {
        level: Level::Failure,
        file: format!("{}{}", prefix(&folder), report::plain(error.file())),
        line,
        title: "Tollgate: configuration".to_owned(),
        message: report::plain(error.message()) + &help,
    };
    eprint!("{}", annotations::commands(&[annotation]));
}

/// The annotations; `prefix` leads from the top of the repository to the project.
pub(super) fn of(findings: &[Finding], outcome: Outcome, prefix: &str) -> Vec<Annotation> {
    findings
        .iter()
        .filter_map(|finding| {
            let Location::Source {
                place,
                changed: true,
            } = &finding.location
            else {
                return None;
            };
            let is_urgent = finding.priority <= Priority::High && outcome == Outcome::Fail;
            let advice = finding.recommendation.as_ref().map(|advice| &advice.change);
            let sentences = [Some(&finding.issue), Some(&finding.impact), advice];
            let sentences = sentences
                .into_iter()
                .flatten()
                .map(|text| report::plain(text));
            Some(Annotation {
                level: if is_urgent {
                    Level::Failure
                } else {
                    Level::Warning
                },
                file: format!("{prefix}{}", report::plain(&place.file)),
                line: place.line.max(1),
                title: format!("Tollgate: {}", report::plain(&finding.rule)),
                message: sentences.collect::<Vec<_>>().join("\n"),
            })
        })
        .collect()
}

/// The way from the top of the checkout to the project, with `/` at its end.
pub(super) fn prefix(project: &Path) -> String {
    let Some(top) = std::env::var_os("GITHUB_WORKSPACE") else {
        return String::new();
    };
    let below = Path::new(&top).canonicalize().ok().and_then(|top| {
        Some(
            project
                .canonicalize()
                .ok()?
                .strip_prefix(top)
                .ok()?
                .to_owned(),
        )
    });
    match below {
        Some(below) if below.as_os_str().is_empty() => String::new(),
        Some(below) => format!("{}/", below.to_string_lossy()),
        None => String::new(),
    }
}
