//! How often models were run, from a counter that their service exposes in Prometheus' text format.
//!
//! No counter is no zero: a service that has not counted yet says so with a sample of its own. Must not
//! ask while anything is timed: the service answers on the cores that are measured.

use std::time::Duration;

use crate::measure::http::{Origin, innermost};
use crate::measure::plan::{ModelRuns, Service};

/// Longest time for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many answers, each over a connection of its own, must agree: which of several processes takes a
/// connection is chance.
const READINGS: usize = 4;
/// More than an exposition of thousands of series has.
const MOST_BYTES: usize = 8_000_000;

/// Whether a service counts how often it runs its models.
pub fn are_counted(service: &Service) -> bool {
    service.model_runs.is_some()
}

/// What the counter says now, over all its label sets; the reason where it says nothing, or each
/// process something else. Nothing may be driven meanwhile.
pub async fn read(origin: &Origin, source: &ModelRuns) -> Result<f64, String> {
    let first = ask(origin, source).await?;
    for _ in 1..READINGS {
        let again = ask(origin, source).await?;
        same(first, again, &source.counter)?;
    }
    Ok(first)
}

async fn ask(origin: &Origin, source: &ModelRuns) -> Result<f64, String> {
    let ModelRuns { path, counter } = source;
    let client = origin.untimed().timeout(PATIENCE).build();
    let client = client.map_err(|error| error.to_string())?;
    let failed = |error: reqwest::Error| format!("GET {path}: {}", innermost(&error));
    let mut response = (client.get(origin.url(path)).send().await).map_err(failed)?;
    if !response.status().is_success() {
        return Err(format!(
            "GET {path} answered {}",
            response.status().as_u16()
        ));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > MOST_BYTES {
            let most = MOST_BYTES / 1_000_000;
            return Err(format!("GET {path} answered with more than {most} MB"));
        }
    }
    let text = String::from_utf8_lossy(&body);
    total(&text, counter).map_err(|why| format!("GET {path}: {why}"))
}

/// What happened between two readings. A counter only falls when another process counts.
pub fn since(earlier: f64, now: f64, counter: &str) -> Result<f64, String> {
    if now >= earlier {
        return Ok(now - earlier);
    }
    Err(of_several(earlier, now, counter))
}

/// Two readings with nothing in between.
#[expect(
    clippy::float_cmp,
    reason = "counts, and of one process they are the same"
)]
fn same(one: f64, other: f64, counter: &str) -> Result<(), String> {
    if one == other {
        return Ok(());
    }
    Err(of_several(one, other, counter))
}

fn of_several(one: f64, other: f64, counter: &str) -> String {
    format!(
        "`{counter}` is {one} and then {other}: another process answered; where a service has \
         several, each must report what all have counted (for Python's `prometheus_client`, \
         `PROMETHEUS_MULTIPROC_DIR`)"
    )
}

/// Adds up the samples of one name.
fn total(text: &str, counter: &str) -> Result<f64, String> {
    let mut total: Option<f64> = None;
    for line in text.lines() {
        let Some(rest) = line.trim_start().strip_prefix(counter) else {
            continue;
        };
        let Some(value) = value(rest) else {
            continue;
        };
        let number = value.parse::<f64>().ok();
        let number = number.filter(|number| number.is_finite() && *number >= 0.0);
        let number = number.ok_or_else(|| format!("`{counter}` is no count: `{value}`"))?;
        *total.get_or_insert(0.0) += number;
    }
    total.ok_or_else(|| format!("there is no `{counter}` in its answer"))
}

/// The value after the name: `{a="b"} 3 1700000000000` or ` 3`; none where the name is longer, or
/// the line is no sample.
fn value(rest: &str) -> Option<&str> {
    let after = match rest.strip_prefix('{') {
        Some(labels) => &labels[end_of(labels)?..],
        None if rest.starts_with([' ', '\t']) => rest,
        None => return None,
    };
    after.split_whitespace().next()
}

/// Where labels end: a brace inside of a quoted value is none.
fn end_of(labels: &str) -> Option<usize> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (at, letter) in labels.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            '}' if !is_quoted => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `prometheus_client` and Triton write it.
    const EXPOSED: &str = r#"# HELP model_runs_total Times the model was run.
# TYPE model_runs_total counter
model_runs_total{model="unet",note="a } and a \" in it"} 12.0
model_runs_total{model="vit"} 3 1700000000000
model_runs_total_created 1.7e9
model_runs_created{model="unet"} 1.7e+09
process_cpu_seconds_total 0.5
broken_total NaN
nv_inference_exec_count{model="unet",version="1"} 1.25e2
"#;

    #[test]
    fn adds_up_all_label_sets_of_exactly_this_name() {
        assert_eq!(total(EXPOSED, "model_runs_total"), Ok(15.0));
        assert_eq!(total(EXPOSED, "nv_inference_exec_count"), Ok(125.0));
    }

    #[test]
    fn what_is_not_there_or_no_number_is_no_zero() {
        let missing = total(EXPOSED, "model_runs").unwrap_err();
        assert_eq!(missing, "there is no `model_runs` in its answer");
        let broken = total(EXPOSED, "broken_total").unwrap_err();
        assert_eq!(broken, "`broken_total` is no count: `NaN`");
    }

    #[test]
    fn a_counter_that_falls_is_that_of_another_process() {
        assert_eq!(since(3.0, 11.0, "runs"), Ok(8.0));
        assert_eq!(same(3.0, 3.0, "runs"), Ok(()));
        assert!(same(3.0, 4.0, "runs").is_err());
        let error = since(11.0, 3.0, "runs").unwrap_err();
        assert!(
            error.contains("another process") && error.contains("PROMETHEUS_MULTIPROC_DIR"),
            "{error}"
        );
    }
}
