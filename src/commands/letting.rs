//! Which acceptances count on a night: those of what has become part of the branch since the last one.
//!
//! An acceptance is for one commit. It counts when that commit, and no later one of the same branch, was
//! merged since the last night. Where GitHub squashes or rebases, the accepted commit itself is in no
//! history: then what GitHub said counts, and where nobody asked it, what the commits say. Must not ask
//! git or GitHub: what they know comes in.

use std::collections::BTreeSet;

use crate::model::worse::UP_FROM_ZERO;
use crate::store::{AcceptedOnce, Merging};

/// What has become part of the branch since the last night.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// Every commit, those of merged branches too.
    pub(super) commits: BTreeSet<String>,
    /// Of these, the ones of the branch itself, and the newest of everything that was merged.
    pub(super) tips: BTreeSet<String>,
    /// Of the commits that were asked for, those that the last night had already.
    pub(super) earlier: BTreeSet<String>,
    /// The pull requests that the commits of the branch itself say they are, squashed into one.
    pub(super) squashed: BTreeSet<i64>,
    /// Whether there is more that this clone does not have.
    pub(super) is_shallow: bool,
}

/// An acceptance that does not count, and why.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SetAside {
    pub(super) accepted: AcceptedOnce,
    pub(super) why: String,
    /// Whether the last night had it already: then it has done what it was for.
    pub(super) is_done: bool,
}

impl SetAside {
    /// Whose it is: `ada` on pull request #3 for 0123456789.
    pub(super) fn whose(&self) -> String {
        let commit = &self.accepted.commit;
        let place = match self.accepted.pull_request {
            Some(number) => format!(" on pull request #{number}"),
            None => String::new(),
        };
        format!(
            "`{}`{place} for {}",
            self.accepted.by,
            commit.get(..10).unwrap_or(commit)
        )
    }
}

impl Merged {
    /// Takes note of the first lines of the commits of the branch itself.
    pub(super) fn with<'a>(mut self, subjects: impl IntoIterator<Item = &'a str>) -> Self {
        self.squashed = subjects.into_iter().filter_map(squashes).collect();
        self
    }

    /// Those that count, and the others.
    pub(super) fn divide(&self, accepted: Vec<AcceptedOnce>) -> (Vec<AcceptedOnce>, Vec<SetAside>) {
        let mut counting = Vec::new();
        let mut aside = Vec::new();
        for one in accepted {
            let commits = [Some(&one.commit), one.merged_as.as_ref()];
            let is_done = commits
                .into_iter()
                .flatten()
                .any(|commit| self.earlier.contains(commit));
            let why = if is_done {
                Some("it was part of the last night already".to_owned())
            } else {
                self.why_not(&one).or_else(|| without_size(&one))
            };
            match why {
                None => counting.push(one),
                Some(why) => aside.push(SetAside {
                    accepted: one,
                    why,
                    is_done,
                }),
            }
        }
        (counting, aside)
    }

    /// Where GitHub was asked, what it said; else what the commits say.
    fn why_not(&self, accepted: &AcceptedOnce) -> Option<String> {
        let number = accepted.pull_request.unwrap_or_default();
        let has_merge = accepted
            .merged_as
            .as_ref()
            .is_some_and(|commit| self.commits.contains(commit));
        let why = match accepted.merging {
            Merging::Open | Merging::Closed => format!("GitHub says that #{number} is not merged"),
            Merging::Superseded => {
                return Some(format!(
                    "superseded: #{number} was merged with a newer commit than the accepted one"
                ));
            }
            Merging::Merged | Merging::NotAsked if has_merge => return None,
            Merging::Merged => {
                let commit = accepted.merged_as.as_deref().unwrap_or_default();
                format!(
                    "GitHub merged #{number} as {}, which is not in the history since the last night",
                    commit.get(..10).unwrap_or(commit)
                )
            }
            Merging::NotAsked => self.why_unseen(accepted)?,
        };
        Some(if self.is_shallow {
            format!("{why} (this clone is shallow: `fetch-depth: 0` gives all of it)")
        } else {
            why
        })
    }

    /// Why the commits since the last night do not say that it was merged.
    fn why_unseen(&self, accepted: &AcceptedOnce) -> Option<String> {
        if self.tips.contains(&accepted.commit) {
            return None;
        }
        if self.commits.contains(&accepted.commit) {
            let why = "superseded: what was merged has a newer commit than the accepted one";
            return Some(why.to_owned());
        }
        match accepted.pull_request {
            Some(number) if self.squashed.contains(&number) => None,
            Some(number) => Some(format!(
                "nothing since the last night says that #{number} was merged, and the commit is not in \
                 the history"
            )),
            None => Some("the commit is not in the history since the last night".to_owned()),
        }
    }
}

/// Why nobody knows how much an acceptance lets through.
fn without_size(accepted: &AcceptedOnce) -> Option<String> {
    if accepted.ceiling.is_some() || accepted.worse().is_known() {
        return None;
    }
    Some(match accepted.measured {
        None => "it has no ceiling, and what was accepted was not measured to be worse".to_owned(),
        Some(_) => {
            format!("it has no ceiling, and was {UP_FROM_ZERO} when nobody recorded by how much")
        }
    })
}

/// The pull request that a commit is, squashed into one, by its first line as GitHub writes it:
/// `Fix it (#7)`. A merge commit needs no name: what it merges is in the history.
fn squashes(subject: &str) -> Option<i64> {
    let (_, last) = subject.strip_suffix(')')?.rsplit_once(" (#")?;
    let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| last.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(commit: &str) -> AcceptedOnce {
        AcceptedOnce {
            commit: commit.repeat(40),
            metric: "bundle/web/total".to_owned(),
            ceiling: None,
            by: "ada".to_owned(),
            because: "icons".to_owned(),
            at: "2026-11-23T03:00:00Z".to_owned(),
            pull_request: Some(7),
            measured: Some(0.1),
            added: None,
            merged_as: None,
            merging: Merging::NotAsked,
        }
    }

    fn set(commits: &[&str]) -> BTreeSet<String> {
        commits.iter().map(|commit| commit.repeat(40)).collect()
    }

    /// Of a history whose every commit is one of the branch itself, but `e`.
    fn why_not(accepted: AcceptedOnce, commits: &[&str], subjects: &[&str]) -> Option<String> {
        let commits = set(commits);
        let merged = Merged {
            tips: &commits - &set(&["e"]),
            commits,
            earlier: set(&["b"]),
            ..Merged::default()
        };
        let merged = merged.with(subjects.iter().copied());
        let (counting, aside) = merged.divide(vec![accepted]);
        assert_eq!(counting.len() + aside.len(), 1);
        aside.into_iter().next().map(|one| one.why)
    }

    fn told(merging: Merging, merged_as: Option<&str>) -> AcceptedOnce {
        AcceptedOnce {
            merging,
            merged_as: merged_as.map(|commit| commit.repeat(40)),
            ..accepted("a")
        }
    }

    #[test]
    fn what_was_merged_counts_however_it_was_merged() {
        assert_eq!(why_not(accepted("a"), &["c", "a"], &["x"]), None);
        assert_eq!(why_not(accepted("a"), &["c"], &["Show more (#7)"]), None);
        let rebased = told(Merging::Merged, Some("c"));
        assert_eq!(why_not(rebased, &["c"], &["Show more"]), None);
    }

    #[test]
    fn what_was_not_merged_since_the_last_night_does_not_count() {
        for subject in [
            "Show more (#77)",
            "Show more (#7) again",
            "Like (#7",
            "See #7",
            "(#7)",
            "Merge pull request #7 from ada/topic",
            "Revert \"Merge pull request #7 from ada/topic\"",
        ] {
            let why = why_not(accepted("a"), &["c"], &[subject]).unwrap();
            assert!(why.contains("that #7 was merged"), "{subject}: {why}");
        }
        let by_hand = AcceptedOnce {
            pull_request: None,
            ..accepted("a")
        };
        assert!(why_not(by_hand, &["c"], &["x (#7)"]).is_some());
    }

    #[test]
    fn what_has_done_its_work_is_not_revived_by_a_name() {
        for earlier in [accepted("b"), told(Merging::Merged, Some("b"))] {
            let why = why_not(earlier, &["c"], &["Show more (#7)"]).unwrap();
            assert_eq!(why, "it was part of the last night already");
        }
    }

    #[test]
    fn where_github_was_asked_its_answer_counts_and_no_name() {
        let subjects = ["Show more (#7)"];
        for (accepted, expected) in [
            (
                told(Merging::Open, None),
                "GitHub says that #7 is not merged",
            ),
            (
                told(Merging::Closed, None),
                "GitHub says that #7 is not merged",
            ),
            (
                told(Merging::Merged, Some("d")),
                "GitHub merged #7 as dddddddddd, which is not in the history since the last night",
            ),
        ] {
            let why = why_not(accepted, &["c", "a"], &subjects);
            assert_eq!(why.as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_commit_that_was_not_the_newest_when_it_was_merged_does_not_count() {
        let why = why_not(told(Merging::Superseded, Some("c")), &["c"], &["x (#7)"]).unwrap();
        assert_eq!(
            why,
            "superseded: #7 was merged with a newer commit than the accepted one"
        );
        let why = why_not(accepted("e"), &["c", "e"], &["Show more (#7)"]).unwrap();
        assert!(why.starts_with("superseded: what was merged has"), "{why}");
    }

    #[test]
    fn what_was_not_measured_to_be_worse_lets_nothing_through() {
        let unknown = AcceptedOnce {
            measured: None,
            ..accepted("a")
        };
        let why = why_not(unknown.clone(), &["a"], &[]).unwrap();
        assert!(why.starts_with("it has no ceiling"), "{why}");
        let old = AcceptedOnce {
            measured: Some(f64::MAX),
            ..unknown.clone()
        };
        let why = why_not(old.clone(), &["a"], &[]).unwrap();
        assert!(
            why.ends_with("up from zero when nobody recorded by how much"),
            "{why}"
        );
        let from_zero = AcceptedOnce {
            added: Some(1.0),
            ..old
        };
        assert_eq!(why_not(from_zero, &["a"], &[]), None);
        let limited = AcceptedOnce {
            ceiling: Some(0.1),
            ..unknown
        };
        assert_eq!(why_not(limited, &["a"], &[]), None);
    }

    #[test]
    fn a_shallow_clone_is_said_to_be_one() {
        let merged = Merged {
            is_shallow: true,
            ..Merged::default()
        };
        let (_, aside) = merged.divide(vec![accepted("a")]);
        assert!(aside[0].why.contains("fetch-depth: 0"), "{aside:?}");
        assert_eq!(aside[0].whose(), "`ada` on pull request #7 for aaaaaaaaaa");
    }
}
