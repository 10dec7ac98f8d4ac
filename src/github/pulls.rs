//! Pull requests as GitHub has them now, and the one that a run of a workflow was for.

use serde::Deserialize;

use super::client::Client;
use super::error::GithubError;
use super::event::Measured;

const READ: &str = "read the pull request";
const FIND: &str = "find the pull request";
const COMPARE: &str = "find the merge base";

/// A pull request.
#[derive(Debug, Clone, Deserialize)]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// `open` or `closed`.
    pub state: String,
    /// Whether comments are closed.
    #[serde(default)]
    pub locked: bool,
    /// What it brings.
    pub head: Side,
    /// Where it goes.
    pub base: Side,
}

/// A branch in a repository.
#[derive(Debug, Clone, Deserialize)]
pub struct Side {
    /// The newest commit.
    pub sha: String,
    /// The repository; none when it was deleted.
    pub repo: Option<Repository>,
}

/// A repository.
#[derive(Debug, Clone, Deserialize)]
pub struct Repository {
    /// Its number.
    pub id: u64,
    /// `owner/name`.
    pub full_name: String,
}

/// The pull request as it is now.
pub async fn get(client: &Client, number: u64) -> Result<PullRequest, GithubError> {
    client
        .get(READ, &format!("/pulls/{number}"))
        .await?
        .read(READ)
}

/// The open pull request that a run was for, found from what GitHub says about the run and from
/// nothing that was measured. None when there is none any more, or its head has moved on.
pub async fn of_run(client: &Client, run: &Measured) -> Result<Option<PullRequest>, GithubError> {
    let mut numbers = run.pulls.clone();
    if numbers.is_empty()
        && let Some(repository) = &run.repository
    {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("state", "open")
            .append_pair("head", &format!("{}:{}", repository.owner, run.branch))
            .finish();
        let found: Vec<PullRequest> = client.list(FIND, &format!("/pulls?{query}")).await?;
        numbers = found.iter().map(|pull| pull.number).collect();
    }
    for number in numbers {
        let pull = get(client, number).await?;
        if is_of(&pull, run, client.repository()) {
            return Ok(Some(pull));
        }
    }
    Ok(None)
}

/// The commit that two have in common, as the pull request's page compares them.
pub async fn merge_base(client: &Client, base: &str, head: &str) -> Result<String, GithubError> {
    #[derive(Deserialize)]
    struct Comparison {
        merge_base_commit: Commit,
    }
    #[derive(Deserialize)]
    struct Commit {
        sha: String,
    }
    let route = format!("/compare/{base}...{head}?per_page=1");
    let comparison: Comparison = client.get(COMPARE, &route).await?.read(COMPARE)?;
    Ok(comparison.merge_base_commit.sha)
}

/// Whether the pull request is open, ours, and of exactly the commit and repository of the run.
fn is_of(pull: &PullRequest, run: &Measured, repository: &str) -> bool {
    let from = pull.head.repo.as_ref().map(|repo| repo.id);
    let into = pull.base.repo.as_ref().map(|repo| repo.full_name.as_str());
    pull.state == "open"
        && pull.head.sha == run.head
        && from.is_some()
        && from == run.repository.as_ref().map(|repo| repo.id)
        && into.is_some_and(|into| into.eq_ignore_ascii_case(repository))
}
