//! One result, shown in every place it belongs: which places those are, in which order, and what
//! is said where one of them cannot be reached.
//!
//! The gate comes before the talk: status and check run first, then the comment. Nothing here
//! changes the verdict.

use super::annotations::Annotation;
use super::check_run::{self, CheckRun, Completed, Conclusion};
use super::client::Client;
use super::comment::{self, Shown, Sticky};
use super::error::GithubError;
use super::marker::{Marker, RunOrder};
use super::pulls;
use super::runs::{Claim, Truth};
use super::status::{self, State, Status};
use crate::model::Outcome;

/// What the token of a workflow writes as, where it cannot be asked.
pub const ACTIONS: &str = "github-actions[bot]";

/// How the verdict stands on a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gate {
    /// A commit status.
    pub status: bool,
    /// A check run.
    pub check: bool,
}

/// What it is about.
#[derive(Debug, Clone)]
pub struct Target {
    /// The commit that was measured, in the words of GitHub.
    pub head: String,
    /// The pull request that gets a comment.
    pub pull: Option<u64>,
    /// The run that measured.
    pub order: RunOrder,
    /// Where people look at it.
    pub run_url: String,
    /// The job that measured, where it publishes its own run: two of one run under one name would
    /// overwrite each other.
    pub job: Option<String>,
}

/// What came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was judged.
    Judged(Outcome),
    /// There is nothing that could be judged.
    NotVerified,
    /// Nothing was measured, on purpose.
    Skipped,
    /// Somebody stopped the job.
    Cancelled,
}

/// A result and its texts.
#[derive(Debug, Clone)]
pub struct Publication {
    /// Which report it is, where a repository has several.
    pub id: String,
    /// What came out.
    pub ending: Ending,
    /// One line of plain text.
    pub title: String,
    /// The comment, without marker and footer; none when nothing is said there.
    pub comment: Option<String>,
    /// Whether it is said only where a comment is already, which would speak of an earlier run.
    pub only_where_one_is: bool,
    /// The report in Markdown, as much of it as a comment holds.
    pub page: String,
    /// The same, as much of it as a job summary holds.
    pub full: String,
    /// What stands beside lines of the change.
    pub annotations: Vec<Annotation>,
}

/// Where it went.
#[derive(Debug, Default)]
pub struct Published {
    /// What the reader of the log should know.
    pub notes: Vec<String>,
    /// What did not work.
    pub troubles: Vec<GithubError>,
    /// Whether something that rules may require could not be set, and would be waited for.
    pub is_open: bool,
}

/// Says on the commit that it is being measured.
pub async fn begin(client: &Client, target: &Target, id: &str, gate: Gate) -> Published {
    let mut published = Published::default();
    let context = context(id);
    if gate.check {
        let run = check_run_of(target, &context);
        published.keep(check_run::begin(client, &run).await.map(|()| None));
    }
    if gate.status {
        let status = Status {
            sha: &target.head,
            context: &context,
            state: State::Pending,
            description: "measuring base and head",
            run_url: &target.run_url,
            order: target.order,
            job: target.job.as_deref(),
        };
        let set = status::publish(client, &status).await;
        published.keep(set.map(|_| None));
    }
    published
}

/// Publishes a result. What fails is said and does not stop the rest.
pub async fn publish(
    client: &Client,
    target: &Target,
    publication: &Publication,
    gate: Gate,
) -> Published {
    let mut published = Published::default();
    let context = context(&publication.id);
    if gate.check {
        let completed = Completed {
            conclusion: conclusion(publication.ending),
            title: &publication.title,
            summary: &publication.page,
            annotations: &publication.annotations,
        };
        let run = check_run_of(target, &context);
        let set = check_run::complete(client, &run, &completed).await;
        published.is_open |= leaves_open(&set);
        published.keep(set.map(|set| superseded(set, "the check run")));
    }
    if gate.status {
        let status = Status {
            sha: &target.head,
            context: &context,
            state: state(publication.ending),
            description: &publication.title,
            run_url: &target.run_url,
            order: target.order,
            job: target.job.as_deref(),
        };
        let set = status::publish(client, &status).await;
        published.is_open |= leaves_open(&set);
        published.keep(set.map(|set| superseded(set, "the commit status")));
    }
    if let (Some(pull), Some(text)) = (target.pull, &publication.comment) {
        let said = on_pull(client, target, publication, pull, text).await;
        match said {
            Ok((said, claims)) => {
                published.notes.extend(said);
                claims.into_iter().for_each(|claim| published.tell(claim));
            }
            Err(error) => published.troubles.push(error),
        }
    }
    published
}

/// Whether what was there before stands. Two jobs of one name have been told so where rules look.
fn leaves_open(set: &Result<bool, GithubError>) -> bool {
    set.as_ref().is_err_and(|error| !error.is_mistake())
}

/// The comment, where the pull request takes one: what to say about it, and what others said.
async fn on_pull(
    client: &Client,
    target: &Target,
    publication: &Publication,
    number: u64,
    text: &str,
) -> Result<(Option<String>, Vec<Claim>), GithubError> {
    let pull = pulls::get(client, number).await?;
    if pull.head.sha != target.head {
        let why = format!(
            "no comment: pull request {number} has a newer commit than the one that was measured"
        );
        return Ok((Some(why), Vec::new()));
    }
    if pull.state != "open" || pull.locked {
        let why = if pull.locked { "locked" } else { "closed" };
        let why = format!("no comment: pull request {number} is {why}");
        return Ok((Some(why), Vec::new()));
    }
    let author = client.login().await.ok();
    let sticky = Sticky {
        pull: number,
        marker: Marker {
            id: publication.id.clone(),
            order: target.order,
            head: target.head.clone(),
            job: target.job.clone(),
        },
        text: with_link(text.trim_end(), target),
        author,
        creates: !publication.only_where_one_is,
    };
    let published = comment::publish(client, &sticky).await?;
    let said = match published.shown {
        Shown::Created => {
            let author = published.author.as_deref().unwrap_or(ACTIONS);
            let others = comment::of_other_bots(client, &sticky, author).await?;
            others.first().map(|login| {
                format!(
                    "an older comment of this report by `{login}` stays: this token cannot \
                     change it"
                )
            })
        }
        Shown::Updated | Shown::Unchanged => None,
        // Said with the reason.
        Shown::Newer(marker) if published.claims.iter().any(|one| one.is_unknown(&marker)) => None,
        Shown::Newer(marker) => Some(format!(
            "no comment: it already shows run {} of the workflow, which is newer",
            marker.order.run
        )),
    };
    Ok((said, published.claims))
}

/// The text with the way to everything that it leaves out; one line stays one line.
fn with_link(text: &str, target: &Target) -> String {
    let separator = if text.contains('\n') { "\n\n" } else { " · " };
    format!("{text}{separator}{}", footer(target))
}

/// The way to everything that the comment leaves out.
fn footer(target: &Target) -> String {
    let attempt = match target.order.attempt {
        0 | 1 => String::new(),
        more => format!(", attempt {more}"),
    };
    format!(
        "<sub>[Full report]({}) of {}{attempt}</sub>",
        target.run_url, target.head
    )
}

impl Published {
    /// Says what came of a comment that said it shows a newer run.
    fn tell(&mut self, claim: Claim) {
        let RunOrder { run, attempt } = claim.marker.order;
        match claim.truth {
            Truth::Newer => {}
            Truth::Forged(why) => self.notes.push(format!(
                "a comment by this account said that it shows run {run}, attempt {attempt}, of the workflow, and \
                 does not: {why}; it gave way to this result"
            )),
            Truth::Unknown(error) => {
                self.notes.push(format!(
                    "no comment: one says that it shows run {run}, attempt {attempt}, of the workflow, which is newer; \
                     GitHub could not be asked whether it does, which takes `actions: read`, so it is left alone"
                ));
                self.troubles.push(error);
            }
        }
    }

    fn keep(&mut self, result: Result<Option<String>, GithubError>) {
        match result {
            Ok(note) => self.notes.extend(note),
            Err(error) => self.troubles.push(error),
        }
    }
}

/// What rules name status and check run by.
pub fn context(id: &str) -> String {
    if id == DEFAULT_ID {
        id.to_owned()
    } else {
        format!("{DEFAULT_ID}/{id}")
    }
}

/// The name of the report where a repository has one.
pub const DEFAULT_ID: &str = "tollgate";

fn check_run_of<'a>(target: &'a Target, name: &'a str) -> CheckRun<'a> {
    CheckRun {
        sha: &target.head,
        name,
        run_url: &target.run_url,
        order: target.order,
        job: target.job.as_deref(),
    }
}

fn superseded(set: bool, what: &str) -> Option<String> {
    (!set).then(|| format!("{what} shows a newer run, and was left alone"))
}

fn state(ending: Ending) -> State {
    match ending {
        Ending::Judged(Outcome::Pass | Outcome::Warn) | Ending::Skipped => State::Success,
        Ending::Judged(Outcome::Fail) => State::Failure,
        Ending::Judged(Outcome::Inconclusive) | Ending::NotVerified | Ending::Cancelled => {
            State::Error
        }
    }
}

/// Rules accept a neutral check, so it is only for what passes with a warning.
fn conclusion(ending: Ending) -> Conclusion {
    match ending {
        Ending::Judged(Outcome::Pass) => Conclusion::Success,
        Ending::Judged(Outcome::Warn) => Conclusion::Neutral,
        Ending::Judged(Outcome::Fail) => Conclusion::Failure,
        Ending::Judged(Outcome::Inconclusive) | Ending::NotVerified => Conclusion::ActionRequired,
        Ending::Skipped => Conclusion::Skipped,
        Ending::Cancelled => Conclusion::Cancelled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_judged_pass_or_what_was_left_out_is_a_success() {
        let all = [
            Ending::Judged(Outcome::Pass),
            Ending::Judged(Outcome::Warn),
            Ending::Judged(Outcome::Inconclusive),
            Ending::Judged(Outcome::Fail),
            Ending::NotVerified,
            Ending::Cancelled,
            Ending::Skipped,
        ];
        let green = all.map(|ending| state(ending) == State::Success);
        assert_eq!(green, [true, true, false, false, false, false, true]);
        let accepted = all.map(|ending| {
            let conclusion = conclusion(ending);
            [
                Conclusion::Success,
                Conclusion::Neutral,
                Conclusion::Skipped,
            ]
            .contains(&conclusion)
        });
        assert_eq!(accepted, green);
    }

    #[test]
    fn the_context_names_the_report() {
        assert_eq!(context(DEFAULT_ID), "tollgate");
        assert_eq!(context("web"), "tollgate/web");
    }
}
