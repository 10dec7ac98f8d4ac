//! `tollgate explain`: the numbers that led to the verdict of one metric.

use std::path::{Path, PathBuf};

use super::run_files::{RUN_FILE, RunFileError};
use super::{judging, output, recorded};
use crate::cli::Explain;
use crate::failure::Failure;
use crate::model::{Comparison, Metric, MetricId};
use crate::report::{self, Explanation, Shipped};
use crate::{compare, measure};

/// The most metrics that an error lists.
const LISTED: usize = 20;
/// Less alike than this is no typing mistake.
const ALIKE: f64 = 0.6;

/// Prints the account of one metric, or the list of all.
pub fn explain(arguments: &Explain) -> Result<(), Failure> {
    let files = files(arguments)?;
    let run = recorded::load(&files, &arguments.rules)?;
    let shipped = Shipped {
        base: judging::base_run(&run.reference),
        head: &run.file.head,
    };
    if let Some(page) = &arguments.html {
        let html = report::treemap(&shipped).map_err(report::ReportError::Json)?;
        output::write(page, html.as_bytes())?;
    }
    if let Some(text) = about_bundle(&arguments.metric, &shipped)? {
        output::print(&text);
        return Ok(());
    }
    let weighed = judging::weigh(&run.file.head, &run.reference, &run.rules);
    if arguments.metric.is_empty() {
        output::print(&report::verdicts(&weighed.comparisons));
        return Ok(());
    }
    let id = find(&arguments.metric.join(" "), &weighed.comparisons)?;
    let account = compare::account(id, &run.file.head, &run.reference, &run.rules.policy);
    let account = account.ok_or_else(|| unknown(&id.to_string(), &[id]))?;
    output::print(&report::explain(&Explanation {
        head: &run.file.head.revision,
        against: &run.against,
        account: &account,
        measured: report::Measured {
            base: run.file.base.as_ref().ok(),
            head: &run.file.head,
        },
        decision: &weighed.decision,
        findings: &weighed.findings,
    }));
    Ok(())
}

/// What `explain bundle …` says; none where a metric is meant.
fn about_bundle(words: &[String], shipped: &Shipped<'_>) -> Result<Option<String>, Failure> {
    let Some((first, name)) = words.split_first().filter(|(first, _)| *first == "bundle") else {
        return Ok(None);
    };
    if name.is_empty() {
        return Ok(Some(shipped.overview()));
    }
    let name = name.join(" ");
    let text = shipped.about(&name);
    let is_metric = || {
        let keys = Metric::ALL.map(Metric::key);
        words.iter().any(|word| keys.contains(&word.as_str()))
    };
    match text {
        Some(text) => Ok(Some(text)),
        None if is_metric() => Ok(None),
        None => {
            let names = shipped.names();
            let like = |known: &&String| strsim::normalized_damerau_levenshtein(known, &name);
            let meant = names
                .iter()
                .max_by(|a, b| like(a).total_cmp(&like(b)))
                .filter(|known| like(known) >= ALIKE)
                .map_or(String::new(), |known| {
                    format!("; did you mean `{}`?", report::plain(known))
                });
            Err(Failure::Usage(format!(
                "no frontend of the run ships a package, a file or a module `{}`{meant}\n\n\
                 `tollgate explain {first}` lists them",
                report::plain(&name)
            )))
        }
    }
}

/// The run files named, or that of the last check.
fn files(arguments: &Explain) -> Result<Vec<PathBuf>, Failure> {
    if !arguments.runs.is_empty() {
        return Ok(arguments.runs.clone());
    }
    let config = arguments.rules.config.as_deref();
    let project = config.and_then(Path::parent).unwrap_or(Path::new(""));
    let last = project.join(measure::checkout::HOME).join(RUN_FILE);
    if last.exists() {
        return Ok(vec![last]);
    }
    Err(Failure::RunFile(RunFileError::NoCheckYet {
        name: report::plain(&last.display().to_string()),
    }))
}

/// A metric as it may be named, strictest first; the first way that fits any of them decides.
const WAYS: [fn(&Name, &MetricId) -> bool; 6] = [
    |wanted, id| id.to_string() == wanted.given,
    |wanted, id| spellings(id).contains(&wanted.words.join(" ")),
    |wanted, id| {
        id.to_string()
            .to_lowercase()
            .ends_with(&format!("/{}", wanted.lower))
    },
    |wanted, id| {
        let own = words(&id.to_string());
        wanted.words.iter().all(|word| own.contains(word))
    },
    |wanted, id| id.to_string().to_lowercase().contains(&wanted.lower),
    |wanted, id| {
        let all = spellings(id).concat();
        wanted.words.iter().all(|word| all.contains(word))
    },
];

/// What somebody calls a metric.
struct Name {
    given: String,
    lower: String,
    words: Vec<String>,
}

/// The metric that is meant.
pub(super) fn find<'a>(
    wanted: &str,
    comparisons: &'a [Comparison],
) -> Result<&'a MetricId, Failure> {
    let ids: Vec<&MetricId> = comparisons.iter().map(|one| &one.id).collect();
    find_in(wanted, &ids)
}

/// The metric of these that is meant.
pub(super) fn find_in<'a>(wanted: &str, ids: &[&'a MetricId]) -> Result<&'a MetricId, Failure> {
    let name = Name {
        given: wanted.to_owned(),
        lower: wanted.to_lowercase(),
        words: words(wanted),
    };
    for fits in WAYS {
        let found: Vec<&MetricId> = ids.iter().copied().filter(|id| fits(&name, id)).collect();
        match found[..] {
            [] => {}
            [one] => return Ok(one),
            [..] => return Err(ambiguous(wanted, &found)),
        }
    }
    Err(unknown(wanted, ids))
}

/// A metric in whole words: as in JSON, the same without its kind, and as in the report.
fn spellings(id: &MetricId) -> [String; 4] {
    let whole = words(&id.to_string());
    let label = words(id.metric.label()).join(" ");
    let name = &whole[1..whole.len().saturating_sub(1).max(1)].join(" ");
    [
        whole.join(" "),
        whole[1..].join(" "),
        format!("{name} {label}"),
        format!("{label} of {name}"),
    ]
}

/// The words of a name, in lower case.
fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = lower.split([' ', '/', ':']).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

fn ambiguous(wanted: &str, found: &[&MetricId]) -> Failure {
    Failure::Usage(format!(
        "`{}` may be any of {} metrics; name one of them:\n{}",
        report::plain(wanted),
        found.len(),
        list(found)
    ))
}

/// The list begins with what is most alike.
fn unknown(wanted: &str, ids: &[&MetricId]) -> Failure {
    let mut ranked: Vec<(f64, &MetricId)> =
        ids.iter().map(|id| (likeness(wanted, id), *id)).collect();
    ranked.sort_by(|left, right| right.0.total_cmp(&left.0));
    let meant = match ranked.first() {
        Some((likeness, id)) if *likeness >= ALIKE => {
            format!("; did you mean `{}`?", report::plain(&id.to_string()))
        }
        Some(_) | None => String::new(),
    };
    let ids: Vec<&MetricId> = ranked.into_iter().map(|(_, id)| id).collect();
    Failure::Usage(format!(
        "the run has no metric `{}`{meant}\n\nIt has:\n{}",
        report::plain(wanted),
        list(&ids)
    ))
}

fn likeness(wanted: &str, id: &MetricId) -> f64 {
    let wanted = words(wanted).join(" ");
    let of = |name: &String| strsim::normalized_damerau_levenshtein(&wanted, name);
    spellings(id).iter().map(of).fold(0.0, f64::max)
}

fn list(ids: &[&MetricId]) -> String {
    let mut lines: Vec<String> = ids
        .iter()
        .take(LISTED)
        .map(|id| format!("  {}", report::plain(&id.to_string())))
        .collect();
    if ids.len() > LISTED {
        let more = ids.len() - LISTED;
        lines.push(format!("  … and {more} more; `tollgate explain` lists all"));
    }
    lines.join("\n")
}
