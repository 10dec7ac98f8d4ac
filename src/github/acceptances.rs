//! The record of what somebody accepted, in a comment of ours, and whether it still stands.
//!
//! Whoever can make the same bot post a text can make it post a record. So a record only says where
//! to look: it stands while the comment or label that it names is there, is by who it says and says
//! what it says, while that person may write to the repository, and when the commit it is for was on
//! GitHub before. Must not decide what is accepted by it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::client::Client;
use super::commands::{self, Command};
use super::comment::{self, Comment};
use super::error::GithubError;
use super::event::{self, Said};
use super::publication::context;
use super::{check_run, pulls, status};
use crate::model::Worse;

/// What the record of an acceptance starts with, before the record itself.
const OPEN: &str = "<!-- tollgate:accepted:v1 ";
/// What it ends with.
const CLOSE: &str = " -->";
/// The most records of one commit that are looked into.
const MOST: usize = 100;
const READ: &str = "read the comment of an acceptance";
const EVENTS: &str = "list who put which label on the pull request";
const RECORD: &str = "record an acceptance";

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
    /// Where they said so.
    pub source: Source,
    /// How much worse it was measured when it was accepted, as a share: what is let through where there
    /// is no limit. Unknown until the samples have been looked into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<f64>,
    /// The same of growth from zero, of which there is no share: in the metric's unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<f64>,
}

impl Accepted {
    /// How much worse it was measured when it was accepted, as far as that is recorded. Of growth from
    /// zero earlier versions recorded `f64::MAX`, which says nothing.
    pub fn worse(&self) -> Worse {
        Worse::of(self.measured, self.added)
    }

    /// Whether nobody has recorded yet how much worse it was measured.
    pub fn is_open(&self) -> bool {
        self.measured.is_none() && self.added.is_none()
    }

    /// Whether both are records of one thing that was said.
    pub fn is_same(&self, other: &Self) -> bool {
        let Self {
            id,
            head,
            metric,
            up_to,
            by,
            because,
            source,
            measured: _,
            added: _,
        } = self;
        *id == other.id
            && *head == other.head
            && *metric == other.metric
            && *up_to == other.up_to
            && *by == other.by
            && *because == other.because
            && *source == other.source
    }
}

/// Where somebody accepted something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// In the comment of this number.
    Comment(u64),
    /// By a label, in the event of this number.
    Label(u64),
}

/// An acceptance that stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// It.
    pub accepted: Accepted,
    /// In which comment of ours it is recorded.
    pub record: u64,
    /// On which pull request.
    pub pull: u64,
    /// When it was said, by GitHub's clock.
    pub at: OffsetDateTime,
}

/// What was accepted for a commit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Records {
    /// What stands, in the order in which it was said.
    pub standing: Vec<Standing>,
    /// What does not, and why, in one line each.
    pub fallen: Vec<String>,
}

/// What somebody said, as GitHub has it now.
#[derive(Debug, Clone, PartialEq)]
pub struct Words {
    /// Where.
    pub source: Source,
    /// Who.
    pub by: String,
    /// When, by GitHub's clock.
    pub at: OffsetDateTime,
    /// The command.
    pub body: String,
}

/// Records an acceptance where everybody sees it, once.
pub async fn record(
    client: &Client,
    pull: u64,
    author: &str,
    accepted: &Accepted,
    words: &str,
) -> Result<(), GithubError> {
    let body = format!("{}\n{words}", line(accepted)?);
    // One that says already how much it was may be somebody else's.
    let is_it = |comment: &Comment| {
        record_in(comment).is_some_and(|record| record.is_same(accepted) && record.is_open())
    };
    commands::write_once(client, pull, author, &body, is_it).await
}

/// Adds to a record how much worse it was measured, where that is not in it yet.
pub async fn complete(
    client: &Client,
    standing: &Standing,
    worse: Worse,
) -> Result<(), GithubError> {
    let route = format!("/issues/comments/{}", standing.record);
    let comment: Comment = client.get(READ, &route).await?.read(READ)?;
    let is_it = |record: &Accepted| record.is_same(&standing.accepted) && record.is_open();
    let Some(accepted) = record_in(&comment).filter(is_it) else {
        return Ok(());
    };
    let worse = worse.remembered();
    let accepted = Accepted {
        measured: worse.share,
        added: worse.added,
        ..accepted
    };
    let words = comment.body.split_once('\n').map_or("", |(_, words)| words);
    let body = json!({ "body": format!("{}\n{words}", line(&accepted)?) });
    client.patch(RECORD, &route, &body).await.map(drop)
}

/// The first line of the comment of a record.
fn line(accepted: &Accepted) -> Result<String, GithubError> {
    let record = serde_json::to_string(accepted).map_err(|error| GithubError::Form {
        what: RECORD,
        why: error.to_string(),
    })?;
    Ok(format!("{OPEN}{}{CLOSE}", STANDARD.encode(record)))
}

/// What was accepted for a commit of a pull request: records of ours, each looked into.
pub async fn of(
    client: &Client,
    pull: u64,
    id: &str,
    head: &str,
    author: &str,
) -> Result<Records, GithubError> {
    let ours = comment::by(client, pull, author).await?;
    let of_head = ours
        .iter()
        .filter_map(|comment| Some((comment.id, record_in(comment)?)))
        .filter(|(_, record)| record.id == id && record.head == head);
    let mut records = Records::default();
    for (record, accepted) in each_once(of_head).into_iter().take(MOST) {
        match when(client, pull, &accepted).await? {
            Ok(at) => records.standing.push(Standing {
                accepted,
                record,
                pull,
                at,
            }),
            Err(why) => records.fallen.push(format!(
                "an acceptance of `{}` by `{}` does not count: {why}",
                accepted.metric, accepted.by
            )),
        }
    }
    records.standing.sort_by_key(|one| one.at);
    Ok(records)
}

/// Each thing that was said once. Of several records of it the smallest measurement counts: one that
/// somebody made the same bot post lets no more through than ours.
fn each_once(records: impl Iterator<Item = (u64, Accepted)>) -> Vec<(u64, Accepted)> {
    let mut once: Vec<(u64, Accepted)> = Vec::new();
    for (comment, record) in records {
        match once.iter_mut().find(|(_, known)| known.is_same(&record)) {
            Some((_, known)) => {
                let smallest = |one: Option<f64>, other: Option<f64>| {
                    one.into_iter().chain(other).reduce(f64::min)
                };
                known.measured = smallest(known.measured, record.measured);
                known.added = smallest(known.added, record.added);
            }
            None => once.push((comment, record)),
        }
    }
    once
}

/// When an acceptance was said, or why it does not stand.
pub async fn when(
    client: &Client,
    pull: u64,
    accepted: &Accepted,
) -> Result<Result<OffsetDateTime, String>, GithubError> {
    let words = match words(client, pull, accepted.source).await? {
        Ok(words) => words,
        Err(why) => return Ok(Err(why.to_owned())),
    };
    if let Err(why) = agrees(accepted, &words) {
        return Ok(Err(why.to_owned()));
    }
    if !commands::may_write(client, &accepted.by).await? {
        return Ok(Err("they may not write to this repository".to_owned()));
    }
    let name = context(&accepted.id);
    let is_known = status::was_there(client, &accepted.head, &name, words.at, false).await?
        || check_run::was_there(client, &accepted.head, &name, words.at).await?;
    if !is_known {
        return Ok(Err(format!(
            "the commit has no status or check run `{name}` from before it was said"
        )));
    }
    Ok(Ok(words.at))
}

/// Whether that is what was said.
fn agrees(accepted: &Accepted, words: &Words) -> Result<(), &'static str> {
    if !words.by.eq_ignore_ascii_case(&accepted.by) {
        return Err("somebody else said it");
    }
    let said = Command::Accept {
        metric: accepted.metric.clone(),
        up_to: accepted.up_to,
        because: accepted.because.clone(),
    };
    match commands::parse(&words.body) {
        Some(Ok(command)) if command == said => Ok(()),
        _ => Err("what was said is something else now"),
    }
}

/// What somebody said, as it stands now; or in words that it does not.
pub async fn words(
    client: &Client,
    pull: u64,
    source: Source,
) -> Result<Result<Words, &'static str>, GithubError> {
    match source {
        Source::Comment(number) => {
            let comment: Comment = match client
                .get(READ, &format!("/issues/comments/{number}"))
                .await
            {
                Ok(answer) => answer.read(READ)?,
                Err(error) if matches!(error.status(), Some(404 | 410)) => {
                    return Ok(Err("its comment is gone"));
                }
                Err(error) => return Err(error),
            };
            let at = time(&comment.created_at)?;
            let place = format!("/issues/{pull}");
            Ok(match comment.user {
                Some(user) if comment.issue_url.ends_with(&place) => Ok(Words {
                    source,
                    by: user.login,
                    at,
                    body: comment.body,
                }),
                _ => Err("its comment is not on this pull request"),
            })
        }
        Source::Label(number) => {
            let events = labelled(client, pull).await?;
            let Some(event) = events.into_iter().find(|event| event.id == number) else {
                return Ok(Err("its label was not put on this pull request"));
            };
            with_description(client, pull, event).await
        }
    }
}

/// What the situation of a command says, as GitHub has it now.
pub async fn said(
    client: &Client,
    pull: u64,
    said: &Said,
    author: &str,
) -> Result<Result<Words, &'static str>, GithubError> {
    match said {
        Said::Comment { number } => words(client, pull, Source::Comment(*number)).await,
        Said::Label { name, .. } => {
            let is_it = |event: &Labelled| {
                event.label.name == *name && event.actor.name.eq_ignore_ascii_case(author)
            };
            let events = labelled(client, pull).await?;
            match events
                .into_iter()
                .filter(is_it)
                .max_by_key(|event| event.id)
            {
                Some(event) => with_description(client, pull, event).await,
                None => Ok(Err("its label was not put on this pull request")),
            }
        }
    }
}

/// Somebody has put a label on it.
#[derive(Debug, Deserialize)]
struct Labelled {
    id: u64,
    created_at: String,
    label: Named,
    actor: Named,
}

#[derive(Debug, Deserialize)]
struct Named {
    #[serde(alias = "login")]
    name: String,
}

async fn labelled(client: &Client, pull: u64) -> Result<Vec<Labelled>, GithubError> {
    #[derive(Deserialize)]
    struct Kind {
        event: String,
    }
    let route = format!("/issues/{pull}/events");
    let all: Vec<serde_json::Value> = client.list(EVENTS, &route).await?;
    let is_label = |event: &serde_json::Value| {
        serde_json::from_value::<Kind>(event.clone()).is_ok_and(|kind| kind.event == "labeled")
    };
    let labels = all.into_iter().filter(is_label).map(|event| {
        serde_json::from_value(event).map_err(|error| GithubError::Form {
            what: EVENTS,
            why: error.to_string(),
        })
    });
    labels.collect()
}

/// The description is the label's, which must still be there.
async fn with_description(
    client: &Client,
    pull: u64,
    event: Labelled,
) -> Result<Result<Words, &'static str>, GithubError> {
    let at = time(&event.created_at)?;
    let labels = pulls::get(client, pull).await?.labels;
    let Some(label) = labels.into_iter().find(|one| one.name == event.label.name) else {
        return Ok(Err("its label was taken away"));
    };
    Ok(Ok(Words {
        source: Source::Label(event.id),
        by: event.actor.name,
        at,
        body: event::of_label(&label.name, label.description.as_deref()),
    }))
}

fn record_in(comment: &Comment) -> Option<Accepted> {
    let line = comment.body.lines().next()?;
    let record = line.strip_prefix(OPEN)?.strip_suffix(CLOSE)?;
    serde_json::from_slice(&STANDARD.decode(record).ok()?).ok()
}

/// A time as GitHub writes it.
pub(super) fn time(text: &str) -> Result<OffsetDateTime, GithubError> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|error| GithubError::Form {
        what: READ,
        why: format!("a time is none: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted() -> Accepted {
        Accepted {
            id: "tollgate".to_owned(),
            head: "a".repeat(40),
            metric: "p50 -->".to_owned(),
            up_to: Some(0.08),
            by: "ada".to_owned(),
            because: "-->\n@team".to_owned(),
            source: Source::Comment(7),
            measured: None,
            added: None,
        }
    }

    #[test]
    fn of_several_records_of_one_thing_the_smallest_measurement_counts() {
        let with = |measured| Accepted {
            measured,
            ..accepted()
        };
        let other = Accepted {
            source: Source::Comment(8),
            ..accepted()
        };
        let records = [with(None), with(Some(0.1)), other.clone(), with(Some(9.0))];
        let once = each_once((1..).zip(records));
        assert_eq!(once, [(1, with(Some(0.1))), (3, other)]);

        // Of growth from zero as well: no other record of it widens what ours lets through.
        let from_zero = |added| Accepted {
            added,
            ..accepted()
        };
        let records = [from_zero(Some(1.0)), from_zero(Some(9.0)), with(Some(9.0))];
        let [(_, known)] = &each_once((1..).zip(records))[..] else {
            panic!("one");
        };
        let worse = |share, added| Worse::of(Some(share), Some(added));
        assert!(worse(0.5, 1.0).is_within(known.worse()));
        assert!(!worse(0.5, 2.0).is_within(known.worse()));
    }

    #[test]
    fn what_an_earlier_version_recorded_of_growth_from_zero_says_nothing_and_stays() {
        let mut record = serde_json::to_value(accepted()).unwrap();
        assert_eq!(record.get("added"), None);
        record["measured"] = f64::MAX.into();
        let old: Accepted = serde_json::from_value(record).unwrap();
        assert!(!old.worse().is_known() && !old.is_open());
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = STANDARD.encode(serde_json::to_string(&accepted()).unwrap());
        let comment = |body: String| Comment {
            body,
            ..Comment::default()
        };
        let good = format!("{OPEN}{record}{CLOSE}\nwords");
        assert_eq!(record_in(&comment(good.clone())), Some(accepted()));
        assert_eq!(record_in(&comment(format!("> {good}"))), None);
        assert_eq!(record_in(&comment(good.replace(&record, "e30="))), None);
    }

    #[test]
    fn only_what_was_said_is_accepted() {
        let accepted = Accepted {
            metric: "web total".to_owned(),
            because: "icons".to_owned(),
            ..accepted()
        };
        let said = |by: &str, body: &str| {
            let words = Words {
                source: accepted.source,
                by: by.to_owned(),
                at: OffsetDateTime::UNIX_EPOCH,
                body: body.to_owned(),
            };
            agrees(&accepted, &words)
        };
        let words = "/tollgate accept web total up to 8% because icons";
        assert_eq!(said("Ada", words), Ok(()));
        assert!(said("mallory", words).is_err());
        for other in [
            "/tollgate accept web total because icons",
            "/tollgate accept web total up to 7% because icons",
            "/tollgate accept list p50 up to 8% because icons",
            "/tollgate accept web total up to 8% because of nothing",
            "/tollgate rerun",
            "thanks",
        ] {
            assert!(said("ada", other).is_err(), "{other}");
        }
    }
}
