//! Which acceptances count on a night: those of what has become part of the branch since the last one.
//!
//! An acceptance is for one commit. It counts when that commit is in the history of the night and was
//! not in that of the last one, or when its pull request was merged in between; where GitHub squashes
//! or rebases, the accepted commit itself is in no history. Must not ask git or GitHub: what they know
//! comes in.

use std::collections::BTreeSet;

use crate::store::AcceptedOnce;

/// What has become part of the branch since the last night.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// Every commit, those of merged branches too.
    commits: BTreeSet<String>,
    /// Of the commits that were asked for, those that the last night had already.
    earlier: BTreeSet<String>,
    /// The pull requests that the commits of the branch itself say they merge.
    pull_requests: BTreeSet<i64>,
    /// Whether there is more that this clone does not have.
    is_shallow: bool,
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
    /// `commits` are all new ones, `subjects` the first lines of those of the branch itself.
    pub(super) fn new<'a>(
        commits: BTreeSet<String>,
        subjects: impl IntoIterator<Item = &'a str>,
        earlier: BTreeSet<String>,
        is_shallow: bool,
    ) -> Self {
        Self {
            commits,
            earlier,
            pull_requests: subjects.into_iter().filter_map(merges).collect(),
            is_shallow,
        }
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
            match self.why_not(&one) {
                None => counting.push(one),
                Some(_) if is_done => aside.push(SetAside {
                    accepted: one,
                    why: "it was part of the last night already".to_owned(),
                    is_done,
                }),
                Some(why) => aside.push(SetAside {
                    accepted: one,
                    why,
                    is_done,
                }),
            }
        }
        (counting, aside)
    }

    fn why_not(&self, accepted: &AcceptedOnce) -> Option<String> {
        let has = |commit: &String| self.commits.contains(commit);
        let is_named = |number| self.pull_requests.contains(&number);
        if has(&accepted.commit)
            || accepted.merged_as.as_ref().is_some_and(has)
            || accepted.pull_request.is_some_and(is_named)
        {
            return None;
        }
        let mut why = match accepted.pull_request {
            Some(number) => format!(
                "nothing since the last night says that #{number} was merged, and the commit is not in \
                 the history"
            ),
            None => "the commit is not in the history since the last night".to_owned(),
        };
        if self.is_shallow {
            why.push_str(" (this clone is shallow: `fetch-depth: 0` gives all of it)");
        }
        Some(why)
    }
}

/// The pull request that a commit merges, by its first line as GitHub writes it: `Fix it (#7)` of a
/// squashed one, `Merge pull request #7 from ada/topic` of another.
fn merges(subject: &str) -> Option<i64> {
    let digits = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().ok()).flatten()
    };
    if let Some(rest) = subject.strip_prefix("Merge pull request #") {
        return digits(rest.split(' ').next()?);
    }
    let (_, last) = subject.strip_suffix(')')?.rsplit_once(" (#")?;
    digits(last)
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
            measured: None,
            merged_as: None,
        }
    }

    fn why_not(accepted: AcceptedOnce, commits: &[&str], subjects: &[&str]) -> Option<String> {
        let commits = commits.iter().map(|commit| commit.repeat(40)).collect();
        let earlier = BTreeSet::from(["b".repeat(40)]);
        let merged = Merged::new(commits, subjects.iter().copied(), earlier, false);
        let (counting, aside) = merged.divide(vec![accepted]);
        assert_eq!(counting.len() + aside.len(), 1);
        aside.into_iter().next().map(|one| one.why)
    }

    #[test]
    fn what_was_merged_counts_however_it_was_merged() {
        assert_eq!(why_not(accepted("a"), &["c", "a"], &["x"]), None);
        for subject in ["Show more (#7)", "Merge pull request #7 from ada/topic"] {
            assert_eq!(why_not(accepted("a"), &["c"], &[subject]), None);
        }
        let rebased = AcceptedOnce {
            merged_as: Some("c".repeat(40)),
            ..accepted("a")
        };
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
            "Merge pull request #70 from ada/topic",
            "Revert \"Merge pull request #7 from ada/topic\"",
        ] {
            let why = why_not(accepted("a"), &["c"], &[subject]).unwrap();
            assert!(why.contains("that #7 was merged"), "{subject}: {why}");
        }
        let merged = AcceptedOnce {
            merged_as: Some("b".repeat(40)),
            ..accepted("a")
        };
        for earlier in [accepted("b"), merged] {
            let why = why_not(earlier, &["c"], &[]).unwrap();
            assert_eq!(why, "it was part of the last night already");
        }
        let by_hand = AcceptedOnce {
            pull_request: None,
            ..accepted("a")
        };
        assert!(why_not(by_hand, &["c"], &["x (#7)"]).is_some());
    }

    #[test]
    fn a_shallow_clone_is_said_to_be_one() {
        let merged = Merged::new(BTreeSet::new(), [], BTreeSet::new(), true);
        let (_, aside) = merged.divide(vec![accepted("a")]);
        assert!(aside[0].why.contains("fetch-depth: 0"), "{aside:?}");
        assert_eq!(aside[0].whose(), "`ada` on pull request #7 for aaaaaaaaaa");
    }
}
