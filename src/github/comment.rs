//! One comment on a pull request that always shows the newest run, however many publish at once.
//!
//! Which comments are ours is decided by their author and by the exact marker in their first line.
//! A comment only ever moves on to a newer run, and is only deleted when a newer one is there;
//! both under its lease. That it shows a newer one than ours is asked of GitHub before it is
//! believed. So whoever comes last finds one comment, with the newest run in it.
//! Every step starts from a fresh look, which is also how a write whose answer was lost is
//! found out about. Whose write was answered never writes a second comment.

use serde::Deserialize;
use serde_json::json;

use super::client::Client;
use super::error::GithubError;
use super::lease::Lease;
use super::limits;
use super::marker::{Marker, RunOrder};
use super::runs::{Claim, Claims};

/// Fresh looks before giving up. Each round of each racing run makes one of them progress.
const ROUNDS: u32 = 12;
/// So many runs GitHub starts at most, everywhere together, while one of ours is at work: a text with a
/// later one, which somebody made the same bot post, is none of ours.
const MOST_BETWEEN: u64 = 10_000_000_000;
const LIST: &str = "list the comments";
const READ: &str = "read the comment";
const WRITE: &str = "write the comment";
const DELETE: &str = "delete a second comment";

/// What to show.
#[derive(Debug)]
pub struct Sticky {
    /// The pull request.
    pub pull: u64,
    /// Whose comment it is, and which run it shows.
    pub marker: Marker,
    /// The text below the marker.
    pub text: String,
    /// The login of the token, where it is known: only its comments are ours. Otherwise those of
    /// every bot are, by their marker.
    pub author: Option<String>,
    /// Whether a comment is written where there is none yet.
    pub creates: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A new comment.
    Created,
    /// The comment that was there.
    Updated,
    /// The comment said so already.
    Unchanged,
    /// The comment shows a newer run, and was left alone.
    Newer(Marker),
}

/// What came of it, and what was found out on the way.
#[derive(Debug)]
pub struct Published {
    /// What came of it.
    pub shown: Shown,
    /// The login of the token, where it is known now.
    pub author: Option<String>,
    /// The comments that said they show a newer run.
    pub claims: Vec<Claim>,
}

/// A comment of ours.
#[derive(Debug)]
struct Ours {
    id: u64,
    marker: Marker,
    /// The run it shows; none where it only says so, and is older than any.
    order: Option<RunOrder>,
    body: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Comment {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) body: String,
    pub(super) user: Option<User>,
    /// When it was written and when it was last changed, as RFC 3339.
    pub(super) created_at: String,
    pub(super) updated_at: String,
    /// The pull request in the words of the API.
    pub(super) issue_url: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) login: String,
    #[serde(rename = "type")]
    kind: String,
}

/// Shows the run in the one comment.
pub async fn publish(client: &Client, sticky: &Sticky) -> Result<Published, GithubError> {
    let mut claims = Claims::against(client, &sticky.marker);
    let (shown, author) = show(client, sticky, &mut claims).await?;
    let claims = claims.into_all();
    Ok(Published {
        shown,
        author,
        claims,
    })
}

async fn show(
    client: &Client,
    sticky: &Sticky,
    claims: &mut Claims<'_>,
) -> Result<(Shown, Option<String>), GithubError> {
    let body = body(sticky);
    let mut shown = Shown::Unchanged;
    let mut author = sticky.author.clone();
    let mut created: Option<u64> = None;
    for _ in 0..ROUNDS {
        let mut found = list(client, sticky, author.as_deref(), claims).await?;
        if let Some(id) = created.filter(|_| found.is_empty()) {
            // A list may lag behind what was written; a second comment would be a duplicate, unless
            // somebody has deleted the first.
            found.extend(current(client, id, sticky, claims).await?);
        }
        let ours = found;
        let Some((newest, older)) = ours.split_first() else {
            if !sticky.creates {
                return Ok((Shown::Unchanged, author));
            }
            match create(client, sticky, &body).await {
                // Looked for in the next round, together with what others created.
                Ok(comment) => {
                    shown = Shown::Created;
                    created = Some(comment.id);
                    author = comment.user.map(|user| user.login).or(author);
                }
                // It may be there nevertheless: the next round tells.
                Err(GithubError::Unreachable { .. }) => {}
                Err(error) => return Err(error),
            }
            continue;
        };
        if let Some(theirs) = other_job(&ours, sticky) {
            return Err(GithubError::TwoJobs {
                id: sticky.marker.id.clone(),
                ours: sticky.marker.job.clone().unwrap_or_default(),
                theirs,
            });
        }
        if newest.order < Some(sticky.marker.order) {
            // The oldest comment is the one that people have seen and linked.
            let real = ours.iter().filter(|comment| comment.order.is_some());
            let first = real.min_by_key(|comment| comment.id);
            if write(client, first.unwrap_or(newest), sticky, claims, &body).await? {
                shown = Shown::Updated;
            }
            continue;
        }
        if older.is_empty() {
            let shown = if newest.marker.order > sticky.marker.order {
                Shown::Newer(newest.marker.clone())
            } else if newest.body == body {
                shown
            } else {
                // The same attempt of the same run has more to say than before.
                match rewrite(client, newest, &body).await? {
                    true => Shown::Updated,
                    false => continue,
                }
            };
            return Ok((shown, author));
        }
        for comment in older {
            delete(client, comment, newest, sticky, claims).await?;
        }
    }
    Err(GithubError::Contended)
}

/// Another job of this very run that has commented under the same name.
fn other_job(ours: &[Ours], sticky: &Sticky) -> Option<String> {
    let marker = &sticky.marker;
    let same = ours.iter().filter(|one| one.marker.order == marker.order);
    let jobs = same.filter_map(|one| one.marker.job.as_ref());
    jobs.filter(|job| marker.job.as_ref().is_some_and(|own| own != *job))
        .max()
        .cloned()
}

/// The comments of this report by any bot but the author: left over from another token.
pub async fn of_other_bots(
    client: &Client,
    sticky: &Sticky,
    author: &str,
) -> Result<Vec<String>, GithubError> {
    let mut others = all(client, sticky.pull).await?;
    others.retain(|comment| {
        let is_same = Marker::of(&comment.body).is_some_and(|m| m.id == sticky.marker.id);
        is_by_bot(comment) && is_same && !is_by(comment, author)
    });
    let logins = others.into_iter().filter_map(|comment| comment.user);
    Ok(logins.map(|user| user.login).collect())
}

/// Every comment of a pull request that an account wrote.
pub(super) async fn by(
    client: &Client,
    pull: u64,
    author: &str,
) -> Result<Vec<Comment>, GithubError> {
    let mut comments = all(client, pull).await?;
    comments.retain(|comment| is_by(comment, author));
    Ok(comments)
}

fn body(sticky: &Sticky) -> String {
    let text = format!("{}\n{}", sticky.marker, sticky.text);
    // GitHub stores a comment without the white space at its end.
    limits::within(text.trim_end(), limits::COMMENT)
}

/// Our comments, the newest run first; of the same run the oldest comment first.
async fn list(
    client: &Client,
    sticky: &Sticky,
    author: Option<&str>,
    claims: &mut Claims<'_>,
) -> Result<Vec<Ours>, GithubError> {
    let mut found = Vec::new();
    for comment in all(client, sticky.pull).await? {
        let is_its = match author {
            Some(login) => is_by(&comment, login),
            None => is_by_bot(&comment),
        };
        if is_its {
            found.extend(ours(comment, sticky, claims).await);
        }
    }
    found.sort_by_key(|comment| (std::cmp::Reverse(comment.order), comment.id));
    Ok(found)
}

async fn all(client: &Client, pull: u64) -> Result<Vec<Comment>, GithubError> {
    client.list(LIST, &format!("/issues/{pull}/comments")).await
}

async fn ours(comment: Comment, sticky: &Sticky, claims: &mut Claims<'_>) -> Option<Ours> {
    let last = sticky.marker.order.run.saturating_add(MOST_BETWEEN);
    let marker = Marker::of(&comment.body)
        .filter(|marker| marker.id == sticky.marker.id && marker.order.run <= last)?;
    Some(Ours {
        id: comment.id,
        order: claims.stands(&marker).await.then_some(marker.order),
        marker,
        body: comment.body,
    })
}

/// Whether an account wrote a comment. Only a bot can be `…[bot]`.
fn is_by(comment: &Comment, login: &str) -> bool {
    comment.user.as_ref().is_some_and(|user| {
        user.login.eq_ignore_ascii_case(login) && (!login.ends_with("[bot]") || user.kind == "Bot")
    })
}

fn is_by_bot(comment: &Comment) -> bool {
    comment.user.as_ref().is_some_and(|user| user.kind == "Bot")
}

async fn create(client: &Client, sticky: &Sticky, body: &str) -> Result<Comment, GithubError> {
    let route = format!("/issues/{}/comments", sticky.pull);
    let body = json!({ "body": body });
    client.post(WRITE, &route, &body).await?.read(WRITE)
}

/// Moves a comment on to our run; false when it has gone further in the meantime, or is gone.
async fn write(
    client: &Client,
    comment: &Ours,
    sticky: &Sticky,
    claims: &mut Claims<'_>,
    body: &str,
) -> Result<bool, GithubError> {
    let Some(lease) = Lease::of(client, comment.id).await? else {
        return Ok(false);
    };
    let result = async {
        let is_older = match current(client, comment.id, sticky, claims).await? {
            Some(now) => now.order < Some(sticky.marker.order),
            None => false,
        };
        if is_older && lease.is_usable() {
            patch(client, comment.id, body).await
        } else {
            Ok(false)
        }
    }
    .await;
    lease.release(client).await;
    result
}

/// Gives a comment that shows this very run another text.
async fn rewrite(client: &Client, comment: &Ours, body: &str) -> Result<bool, GithubError> {
    let Some(lease) = Lease::of(client, comment.id).await? else {
        return Ok(false);
    };
    let result = async {
        let route = format!("/issues/comments/{}", comment.id);
        let now: Comment = match client.get(READ, &route).await {
            Ok(answer) => answer.read(READ)?,
            Err(error) if matches!(error.status(), Some(404 | 410)) => return Ok(false),
            Err(error) => return Err(error),
        };
        if now.body == comment.body && lease.is_usable() {
            patch(client, comment.id, body).await
        } else {
            Ok(false)
        }
    }
    .await;
    lease.release(client).await;
    result
}

/// Deletes a comment, unless it has become newer than the one that stays.
async fn delete(
    client: &Client,
    comment: &Ours,
    stays: &Ours,
    sticky: &Sticky,
    claims: &mut Claims<'_>,
) -> Result<(), GithubError> {
    let Some(lease) = Lease::of(client, comment.id).await? else {
        return Ok(());
    };
    let result = async {
        let Some(now) = current(client, comment.id, sticky, claims).await? else {
            return Ok(());
        };
        let is_older = now.order < stays.order;
        let is_same = now.order == stays.order && comment.id > stays.id;
        if (is_older || is_same) && lease.is_usable() {
            let route = format!("/issues/comments/{}", comment.id);
            client.delete(DELETE, &route).await?;
        }
        Ok(())
    }
    .await;
    lease.release(client).await;
    result
}

/// One comment as it is now, if it is still one of ours.
async fn current(
    client: &Client,
    id: u64,
    sticky: &Sticky,
    claims: &mut Claims<'_>,
) -> Result<Option<Ours>, GithubError> {
    match client.get(READ, &format!("/issues/comments/{id}")).await {
        Ok(answer) => Ok(ours(answer.read(READ)?, sticky, claims).await),
        Err(error) if matches!(error.status(), Some(404 | 410)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the comment has the text now. A lost answer leaves it open: the next look tells.
async fn patch(client: &Client, id: u64, body: &str) -> Result<bool, GithubError> {
    let route = format!("/issues/comments/{id}");
    match client
        .patch_once(WRITE, &route, &json!({ "body": body }))
        .await
    {
        Ok(_) => Ok(true),
        Err(GithubError::Unreachable { .. }) => Ok(false),
        Err(error) if matches!(error.status(), Some(404 | 410)) => Ok(false),
        Err(error) => Err(error),
    }
}
