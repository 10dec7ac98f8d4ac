//! The commit status: what a branch protection rule can require, with one line of text.

use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Client;
use super::error::GithubError;
use super::limits;
use super::marker::RunOrder;

const LIST: &str = "list the statuses";
const WRITE: &str = "set the commit status";

/// The state of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Being measured.
    Pending,
    /// The gate lets it pass.
    Success,
    /// The gate blocks it.
    Failure,
    /// There is no answer.
    Error,
}

impl State {
    /// GitHub's word for it.
    fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
        }
    }
}

/// A status.
#[derive(Debug)]
pub struct Status<'a> {
    /// The commit it is about.
    pub sha: &'a str,
    /// What rules name it by.
    pub context: &'a str,
    /// Its state.
    pub state: State,
    /// One line.
    pub description: &'a str,
    /// The run of the workflow that says so.
    pub run_url: &'a str,
    /// That run in order.
    pub order: RunOrder,
}

/// One that is there.
#[derive(Debug, Clone, Deserialize)]
struct Existing {
    id: u64,
    context: String,
    state: String,
    description: Option<String>,
    target_url: Option<String>,
}

/// Fresh looks before giving up. Each needs another run that writes at the same moment.
const ROUNDS: u32 = 8;

/// Sets the status, unless a newer run has set it. Returns whether it stands.
///
/// GitHub shows what was written last, and knows no condition for a write: so everybody looks
/// again after writing, and says once more what the newest run said where that is not what came last.
pub async fn publish(client: &Client, status: &Status<'_>) -> Result<bool, GithubError> {
    let own = json!({
        "state": status.state.word(),
        "context": status.context,
        "description": limits::within(status.description, limits::STATUS),
        "target_url": status.run_url,
    });
    let existing = match list(client, status).await {
        Ok(existing) => existing,
        // A token that may write statuses but not read them sets its own.
        Err(error) if error.is_forbidden() => {
            return write(client, status, &own).await.map(|_| true);
        }
        Err(error) => return Err(error),
    };
    if order_of(existing.first()) > Some(status.order) {
        return Ok(false);
    }
    write(client, status, &own).await?;
    let mut copies = Vec::new();
    for _ in 0..ROUNDS {
        let existing = list(client, status).await?;
        let newest = newest(&existing, &copies);
        let stands = order_of(newest) == Some(status.order);
        let (Some(newest), Some(last)) = (newest, existing.first()) else {
            return Ok(stands);
        };
        if says(newest) == says(last) {
            return Ok(stands);
        }
        let copy = json!({
            "state": newest.state,
            "context": newest.context,
            "description": newest.description,
            "target_url": newest.target_url,
        });
        copies.push(write(client, status, &copy).await?);
    }
    Err(GithubError::Contended)
}

/// The statuses of its context, the last one first.
async fn list(client: &Client, status: &Status<'_>) -> Result<Vec<Existing>, GithubError> {
    let route = format!("/commits/{}/statuses", status.sha);
    let mut existing: Vec<Existing> = client.list(LIST, &route).await?;
    existing.retain(|one| one.context == status.context);
    Ok(existing)
}

/// Writes one and returns its number. Setting it twice is setting it.
async fn write(client: &Client, status: &Status<'_>, body: &Value) -> Result<u64, GithubError> {
    #[derive(Deserialize)]
    struct Written {
        id: u64,
    }
    let route = format!("/statuses/{}", status.sha);
    let answer = client.post_again(WRITE, &route, body).await?;
    answer.read(WRITE).map(|Written { id }| id)
}

/// What the newest run said last. That it is done comes after that it has begun, whoever repeated
/// the latter.
fn newest<'e>(existing: &'e [Existing], copies: &[u64]) -> Option<&'e Existing> {
    let is_done = |one: &Existing| one.state != State::Pending.word();
    let said = existing
        .iter()
        .rev()
        .filter(|one| !copies.contains(&one.id));
    said.max_by_key(|one| (order_of(Some(one)), is_done(one)))
}

fn order_of(one: Option<&Existing>) -> Option<RunOrder> {
    order_in(one?.target_url.as_deref()?)
}

fn says(one: &Existing) -> (&str, Option<&str>, Option<&str>) {
    let (text, url) = (one.description.as_deref(), one.target_url.as_deref());
    (&one.state, text, url)
}

/// The run in an address like `…/actions/runs/12/attempts/2`.
fn order_in(url: &str) -> Option<RunOrder> {
    let (_, rest) = url.rsplit_once("/actions/runs/")?;
    let (run, attempt) = rest.split_once("/attempts/")?;
    Some(RunOrder {
        run: run.parse().ok()?,
        attempt: attempt.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_run_counts_and_its_end_more_than_its_beginning() {
        let said = |id, run: u64, state: &str| Existing {
            id,
            context: "tollgate".to_owned(),
            state: state.to_owned(),
            description: None,
            target_url: Some(format!(
                "https://github.com/o/r/actions/runs/{run}/attempts/1"
            )),
        };
        // The last one first, as GitHub lists them.
        let existing = [
            said(5, 7, "failure"),
            said(4, 8, "pending"),
            said(3, 8, "success"),
            said(2, 8, "pending"),
        ];
        assert_eq!(newest(&existing, &[]).map(|one| one.id), Some(3));
        let twice = [said(6, 8, "success"), said(5, 8, "failure")];
        assert_eq!(newest(&twice, &[]).map(|one| one.id), Some(6));
        assert_eq!(newest(&twice, &[6]).map(|one| one.id), Some(5));
        assert!(newest(&[], &[]).is_none());
    }

    #[test]
    fn the_run_is_found_in_its_address() {
        let order = order_in("https://github.com/o/r/actions/runs/12/attempts/2");
        let wanted = RunOrder {
            run: 12,
            attempt: 2,
        };
        assert_eq!(order, Some(wanted));
        assert_eq!(order_in("https://ci.example/12"), None);
    }
}
