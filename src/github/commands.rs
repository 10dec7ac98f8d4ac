//! What people tell Tollgate in a comment, and what they had before their eyes when they did.
//!
//! Must not decide who may: that is asked of GitHub.

use serde::Deserialize;
use serde_json::json;
use time::OffsetDateTime;

use super::acceptances::{self, Standing};
use super::client::Client;
use super::comment::{self, Comment};
use super::error::GithubError;
use super::marker::Marker;
use super::pulls::PullRequest;
use super::{publication, runs, status};

/// What a command starts with.
const CALL: &str = "/tollgate";
/// The longest reason, in characters.
const REASON: usize = 300;
/// The longest name of a metric, in characters.
const METRIC: usize = 200;
/// So often a comment is written whose answer was lost, and that is not there when it is looked for.
const WRITES: u32 = 4;
const PERMISSION: &str = "say what the author of the comment may do";
const WRITE: &str = "answer the comment";
const RERUN: &str = "run the workflow again";

/// A command.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// A regression is to be let through.
    Accept {
        /// The metric, in words that only one has.
        metric: String,
        /// The largest relative change that is accepted: 0.08 for 8 %.
        up_to: Option<f64>,
        /// Why.
        because: String,
    },
    /// It is to be measured again.
    Rerun,
}

/// How commands are written.
pub const USAGE: &str = "`/tollgate accept METRIC [up to 8%] because REASON` or `/tollgate rerun`";

/// The command in a comment: its first line. None when it is no command, an error in words when it
/// is none that is known.
pub fn parse(body: &str) -> Option<Result<Command, String>> {
    let line = body.trim_start().lines().next()?.trim();
    let rest = line.strip_prefix(CALL)?;
    if !rest.is_empty() && !rest.starts_with(' ') {
        return None;
    }
    let rest = rest.trim();
    Some(match rest.split_once(' ') {
        None if rest == "rerun" => Ok(Command::Rerun),
        Some(("accept", what)) => accept(what),
        None | Some(_) => Err(format!("the command is {USAGE}")),
    })
}

fn accept(what: &str) -> Result<Command, String> {
    let (what, because) = what
        .split_once(" because ")
        .map(|(what, because)| (what.trim(), because.trim()))
        .filter(|(what, because)| !what.is_empty() && !because.is_empty())
        .ok_or_else(|| format!("say what is accepted and why: {USAGE}"))?;
    let (metric, up_to) = match what.rsplit_once(" up to ") {
        Some((metric, limit)) => (metric.trim(), Some(percent(limit)?)),
        None => (what, None),
    };
    Ok(Command::Accept {
        metric: metric.chars().take(METRIC).collect(),
        up_to,
        because: because.chars().take(REASON).collect(),
    })
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().strip_suffix('%').map(str::trim);
    number
        .and_then(|number| number.parse::<f64>().ok())
        .filter(|number| (0.0..=10_000.0).contains(number))
        .map(|number| number / 100.0)
        .ok_or_else(|| "the limit is a percentage, such as `up to 8%`".to_owned())
}

/// Whether somebody may change the repository.
pub async fn may_write(client: &Client, login: &str) -> Result<bool, GithubError> {
    #[derive(Deserialize)]
    struct Permission {
        permission: String,
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_[]".contains(c);
    if login.is_empty() || !login.chars().all(is_plain) || login.contains('[') {
        return Ok(false);
    }
    let route = format!("/collaborators/{login}/permission");
    let answer = match client.get(PERMISSION, &route).await {
        Ok(answer) => answer,
        Err(error) if error.status() == Some(404) => return Ok(false),
        Err(error) => return Err(error),
    };
    let has: Permission = answer.read(PERMISSION)?;
    Ok(["admin", "maintain", "write"].contains(&has.permission.as_str()))
}

/// A result that is shown on a pull request.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Which.
    pub marker: Marker,
    /// Since when it is shown as it is, by GitHub's clock.
    pub since: OffsetDateTime,
}

/// The newest result that is shown on a pull request, of those that a run of it has: what somebody
/// made the same bot post names none.
pub async fn shown(
    client: &Client,
    pull: &PullRequest,
    id: &str,
    author: &str,
) -> Result<Option<Shown>, GithubError> {
    let ours = comment::by(client, pull.number, author).await?;
    let mut markers: Vec<(Marker, &Comment)> = ours
        .iter()
        .filter_map(|comment| Some((Marker::of(&comment.body)?, comment)))
        .filter(|(marker, _)| marker.id == id)
        .collect();
    markers.sort_by_key(|(marker, _)| std::cmp::Reverse(marker.order));
    for (marker, comment) in markers {
        if is_run_of(client, &marker, pull).await? {
            let since = acceptances::time(&comment.updated_at)?;
            return Ok(Some(Shown { marker, since }));
        }
    }
    Ok(None)
}

/// Whether the run that a marker names ran for the commit that it names, of this pull request.
async fn is_run_of(
    client: &Client,
    marker: &Marker,
    pull: &PullRequest,
) -> Result<bool, GithubError> {
    let Some(run) = runs::find(client, marker.order.run).await? else {
        return Ok(false);
    };
    let repository = pull.head.repo.as_ref().map(|one| one.id);
    Ok(run.head_sha == marker.head && run.event == "pull_request" && run.from() == repository)
}

/// Whether the result of a commit was there to be seen at a time: in the comment that shows it, on the
/// commit, or because something was accepted of it before.
pub async fn was_seen(
    client: &Client,
    shown: &Shown,
    at: OffsetDateTime,
    accepted: &[Standing],
) -> Result<bool, GithubError> {
    let Marker { id, head, .. } = &shown.marker;
    if shown.since < at || accepted.iter().any(|one| one.at < at) {
        return Ok(true);
    }
    status::was_there(client, head, &publication::context(id), at, true).await
}

/// What somebody said on a pull request, to be answered.
#[derive(Debug, Clone)]
pub struct Asked {
    /// On which.
    pub pull: u64,
    /// The login of the token: only its comments are answers.
    pub author: String,
    /// What tells it from everything else that was said there.
    pub occasion: String,
}

/// Answers in a comment, and with the same words only once, however often it is asked to.
pub async fn answer(client: &Client, asked: &Asked, words: &str) -> Result<(), GithubError> {
    let body = format!("<!-- tollgate:answer:v1 {} -->\n{words}", asked.occasion);
    let body = body.trim_end();
    write_once(client, asked.pull, &asked.author, body, |comment| {
        comment.body == body
    })
    .await
}

/// Writes a comment, unless it is there. Where the answer to that is lost, a fresh look tells.
pub(super) async fn write_once(
    client: &Client,
    pull: u64,
    author: &str,
    body: &str,
    is_it: impl Fn(&Comment) -> bool,
) -> Result<(), GithubError> {
    let route = format!("/issues/{pull}/comments");
    let json = json!({ "body": body });
    let is_there = async || -> Result<bool, GithubError> {
        let ours = comment::by(client, pull, author).await?;
        Ok(ours.iter().any(&is_it))
    };
    let mut lost = None;
    for _ in 0..WRITES {
        if is_there().await? {
            return Ok(());
        }
        match client.post(WRITE, &route, &json).await {
            Ok(_) => return Ok(()),
            Err(error @ GithubError::Unreachable { .. }) => lost = Some(error),
            Err(error) => return Err(error),
        }
    }
    match lost {
        Some(error) if !is_there().await? => Err(error),
        Some(_) | None => Ok(()),
    }
}

/// Runs the workflow again that measured.
pub async fn rerun(client: &Client, run: u64) -> Result<(), GithubError> {
    let route = format!("/actions/runs/{run}/rerun");
    client.post(RERUN, &route, &json!({})).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(metric: &str, up_to: Option<f64>, because: &str) -> Option<Result<Command, String>> {
        Some(Ok(Command::Accept {
            metric: metric.to_owned(),
            up_to,
            because: because.to_owned(),
        }))
    }

    #[test]
    fn a_command_is_the_first_line() {
        let because = "the new index costs writes";
        assert_eq!(
            parse(
                "/tollgate accept list projects p50 up to 8% because the new index costs writes\nbye"
            ),
            accepts("list projects p50", Some(0.08), because)
        );
        assert_eq!(
            parse(" /tollgate accept web total because icons"),
            accepts("web total", None, "icons")
        );
        assert_eq!(parse("/tollgate rerun"), Some(Ok(Command::Rerun)));
        for text in [
            "",
            "hello",
            "> /tollgate rerun",
            "see /tollgate rerun",
            "/tollgates rerun",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_wrong_command_says_how() {
        for text in [
            "/tollgate",
            "/tollgate reruns",
            "/tollgate accept p50",
            "/tollgate accept because x",
            "/tollgate accept p50 up to 8 because x",
            "/tollgate accept p50 up to NaN% because x",
            "/tollgate accept p50 up to -1% because x",
        ] {
            assert!(matches!(parse(text), Some(Err(_))), "{text}");
        }
    }
}
