//! The commit status: what a branch protection rule can require, with one line of text.

use serde::Deserialize;
use serde_json::json;

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

#[derive(Debug, Deserialize)]
struct Existing {
    context: String,
    target_url: Option<String>,
}

/// Sets the status, unless a newer run has set it. Returns whether it was set.
pub async fn publish(client: &Client, status: &Status<'_>) -> Result<bool, GithubError> {
    let route = format!("/commits/{}/statuses", status.sha);
    // Newest first. A token that may write statuses but not read them sets its own.
    let existing: Vec<Existing> = match client.list(LIST, &route).await {
        Ok(list) => list,
        Err(error) if error.is_forbidden() => Vec::new(),
        Err(error) => return Err(error),
    };
    let last = existing.iter().find(|one| one.context == status.context);
    let shown = last
        .and_then(|one| one.target_url.as_deref())
        .and_then(order_in);
    if shown.is_some_and(|shown| shown > status.order) {
        return Ok(false);
    }
    let body = json!({
        "state": status.state.word(),
        "context": status.context,
        "description": limits::within(status.description, limits::STATUS),
        "target_url": status.run_url,
    });
    // Setting it twice is setting it.
    let route = format!("/statuses/{}", status.sha);
    client.post_again(WRITE, &route, &body).await?;
    Ok(true)
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
