//! What was accepted, in a file of its own beside the runs on a branch of baselines: small, and written
//! while a pull request is open, when there is no new run.
//!
//! A file that is not whole is an error, never a shorter list. Must not decide what counts.

use serde::{Deserialize, Serialize};

use super::run_files::RunFileError;
use super::snapshot;
use crate::failure::Failure;
use crate::github::Client;
use crate::report;
use crate::store::AcceptedOnce;

/// Version of its format.
const FORMAT: u32 = 1;
/// The newest so many stay: years of a busy project.
const MOST: usize = 2_000;

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Kept {
    format: u32,
    /// Name of the project in its configuration.
    project: String,
    /// Oldest first.
    accepted: Vec<AcceptedOnce>,
}

/// Its name beside a file of runs: `main.accepted.json` beside `main.json`.
pub(super) fn beside(runs: &str) -> String {
    format!(
        "{}.accepted.json",
        runs.strip_suffix(".json").unwrap_or(runs)
    )
}

/// Adds what was accepted to a branch on GitHub. Returns whether anything was new.
pub(super) async fn keep(
    client: &Client,
    project: &str,
    branch: &str,
    runs: &str,
    accepted: &[AcceptedOnce],
) -> Result<bool, Failure> {
    let file = beside(runs);
    let name = format!("{branch}:{file}");
    snapshot::change(client, branch, &file, "Add what was accepted", |known| {
        let mut all = match known {
            Some(bytes) => parsed(bytes, &name, project)?,
            None => Vec::new(),
        };
        join(&mut all, accepted.to_vec());
        Ok(Kept {
            format: FORMAT,
            project: project.to_owned(),
            accepted: all,
        })
    })
    .await
}

/// What is in such a file.
pub(super) fn parsed(
    bytes: &[u8],
    name: &str,
    project: &str,
) -> Result<Vec<AcceptedOnce>, RunFileError> {
    let name = name.to_owned();
    let kept: Kept = serde_json::from_slice(bytes).map_err(|error| RunFileError::NotAccepted {
        name: name.clone(),
        why: report::plain(&error.to_string()),
    })?;
    if kept.format > FORMAT {
        return Err(RunFileError::NotAccepted {
            name,
            why: format!(
                "it has format {}, and this version reads {FORMAT}",
                kept.format
            ),
        });
    }
    if kept.project != project {
        return Err(RunFileError::OtherProject {
            name,
            project: report::plain(&kept.project),
            other: "the configuration".to_owned(),
            expected: report::plain(project),
        });
    }
    Ok(kept.accepted)
}

/// Both lists as one, each acceptance once, oldest first; the newest [`MOST`] of them.
pub(super) fn join(all: &mut Vec<AcceptedOnce>, more: Vec<AcceptedOnce>) {
    for one in more {
        match all.iter_mut().find(|known| known.is_same(&one)) {
            Some(known) => known.learn(&one),
            None => all.push(one),
        }
    }
    all.sort_by(|one, other| one.at.cmp(&other.at));
    all.drain(..all.len().saturating_sub(MOST));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Merging;

    fn accepted(at: &str) -> AcceptedOnce {
        AcceptedOnce {
            commit: "a".repeat(40),
            metric: "bundle/web/total".to_owned(),
            ceiling: None,
            by: "ada".to_owned(),
            because: "icons".to_owned(),
            at: at.to_owned(),
            pull_request: None,
            measured: None,
            added: None,
            merged_as: None,
            merging: Merging::NotAsked,
        }
    }

    #[test]
    fn each_is_kept_once_with_all_that_is_known_of_it() {
        let more = AcceptedOnce {
            pull_request: Some(3),
            ..accepted("2026-11-24T00:00:00Z")
        };
        let other = AcceptedOnce {
            by: "bob".to_owned(),
            ..accepted("2026-11-22T00:00:00Z")
        };
        let mut all = vec![accepted("2026-11-23T00:00:00Z")];
        join(&mut all, vec![more, other.clone()]);
        let known = AcceptedOnce {
            pull_request: Some(3),
            ..accepted("2026-11-23T00:00:00Z")
        };
        assert_eq!(all, [other, known]);
    }

    #[test]
    fn only_the_newest_stay() {
        let numbered = |number: usize| AcceptedOnce {
            because: number.to_string(),
            ..accepted(&format!(
                "2026-11-23T{:02}:{:02}:00Z",
                number / 60,
                number % 60
            ))
        };
        let mut all: Vec<_> = (0..MOST - 1000).map(numbered).collect();
        join(&mut all, (MOST - 1000..MOST + 3).map(numbered).collect());
        assert_eq!(all.len(), MOST);
        assert_eq!(all[0].because, "3");
    }

    #[test]
    fn what_is_not_whole_is_an_error() {
        let kept = Kept {
            format: FORMAT,
            project: "shop".to_owned(),
            accepted: vec![accepted("2026-11-23T00:00:00Z")],
        };
        let text = serde_json::to_string(&kept).unwrap();
        let read = |text: &str| parsed(text.as_bytes(), "b:main.accepted.json", "shop");
        assert_eq!(read(&text).unwrap(), kept.accepted);
        for damaged in [
            "",
            "{}",
            &text[..text.len() / 2],
            &text.replace("shop", "other"),
            &text.replace("\"format\":1", "\"format\":2"),
            &text.replace("\"by\"", "\"who\""),
        ] {
            let error = read(damaged).unwrap_err().to_string();
            assert!(error.contains("`b:main.accepted.json`"), "{error}");
        }
    }

    #[test]
    fn it_stands_beside_the_runs() {
        assert_eq!(beside("main.json"), "main.accepted.json");
        assert_eq!(beside("web"), "web.accepted.json");
    }
}
