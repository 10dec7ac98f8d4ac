//! What people tell Tollgate in a comment, and the record of what they accepted.
//!
//! Must not decide who may: that is asked of GitHub.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::Client;
use super::comment::{self, Comment};
use super::error::GithubError;
use super::marker::Marker;

/// What a command starts with.
const CALL: &str = "/tollgate";
/// What the record of an acceptance starts with, before the record itself.
const OPEN: &str = "<!-- tollgate:accepted:v1 ";
/// What it ends with.
const CLOSE: &str = " -->";
/// The longest reason, in characters.
const REASON: usize = 300;
/// The longest name of a metric, in characters.
const METRIC: usize = 200;
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

/// A regression that somebody let through, for one commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Accepted {
    /// Name of the report.
    pub id: String,
    /// The commit it holds for.
    pub head: String,
    /// The metric, in words that only one has.
    pub metric: String,
    /// The largest relative change that is accepted.
    pub up_to: Option<f64>,
    /// Who accepted it.
    pub by: String,
    /// Why.
    pub because: String,
}

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

/// The newest result that is shown on a pull request.
pub async fn shown(
    client: &Client,
    pull: u64,
    id: &str,
    author: &str,
) -> Result<Option<Marker>, GithubError> {
    let ours = comment::by(client, pull, author).await?;
    let markers = ours.iter().filter_map(|comment| Marker::of(&comment.body));
    let of_report = markers.filter(|marker| marker.id == id);
    Ok(of_report.max_by_key(|marker| marker.order))
}

/// Records an acceptance where everybody sees it.
pub async fn record(
    client: &Client,
    pull: u64,
    accepted: &Accepted,
    words: &str,
) -> Result<(), GithubError> {
    let record = serde_json::to_string(accepted).map_err(|error| GithubError::Form {
        what: WRITE,
        why: error.to_string(),
    })?;
    let body = format!("{OPEN}{}{CLOSE}\n{words}", STANDARD.encode(record));
    answer(client, pull, &body).await
}

/// Answers in a comment.
pub async fn answer(client: &Client, pull: u64, body: &str) -> Result<(), GithubError> {
    let route = format!("/issues/{pull}/comments");
    let body = json!({ "body": body });
    client.post(WRITE, &route, &body).await.map(drop)
}

/// What was accepted for a commit of a pull request; only our own records count.
pub async fn accepted(
    client: &Client,
    pull: u64,
    id: &str,
    head: &str,
    author: &str,
) -> Result<Vec<Accepted>, GithubError> {
    let ours = comment::by(client, pull, author).await?;
    let records = ours.iter().filter_map(record_in);
    Ok(records
        .filter(|record| record.id == id && record.head == head)
        .collect())
}

fn record_in(comment: &Comment) -> Option<Accepted> {
    let line = comment.body.lines().next()?;
    let record = line.strip_prefix(OPEN)?.strip_suffix(CLOSE)?;
    serde_json::from_slice(&STANDARD.decode(record).ok()?).ok()
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

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let accepted = Accepted {
            id: "tollgate".to_owned(),
            head: "a".repeat(40),
            metric: "p50 -->".to_owned(),
            up_to: Some(0.08),
            by: "ada".to_owned(),
            because: "-->\n@team".to_owned(),
        };
        let record = STANDARD.encode(serde_json::to_string(&accepted).unwrap());
        let comment = |body: String| Comment {
            id: 1,
            body,
            user: None,
        };
        let good = format!("{OPEN}{record}{CLOSE}\nwords");
        assert_eq!(record_in(&comment(good.clone())), Some(accepted));
        assert_eq!(record_in(&comment(format!("> {good}"))), None);
        assert_eq!(record_in(&comment(good.replace(&record, "e30="))), None);
    }
}
