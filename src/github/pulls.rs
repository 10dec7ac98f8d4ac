//! Pull requests as GitHub has them now, and the one that a run of a workflow was for.

use serde::Deserialize;

use super::client::Client;
use super::error::GithubError;
use super::event::Measured;

const READ: &str = "read the pull request";
const FIND: &str = "find the pull request";
const COMPARE: &str = "compare base and head";

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
    /// The labels that are on it.
    #[serde(default)]
    pub labels: Vec<Label>,
    /// Whether it was merged; a list does not say.
    #[serde(default)]
    pub merged: bool,
    /// The commit that it was merged as, or would be.
    pub merge_commit_sha: Option<String>,
    /// What it brings.
    pub head: Side,
    /// Where it goes.
    pub base: Side,
}

/// A label.
#[derive(Debug, Clone, Deserialize)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
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

/// What a pull request changes.
#[derive(Debug)]
pub struct Compared {
    /// The commit that base and head have in common.
    pub merge_base: String,
    /// The files that differ from there; none where GitHub does not name them all.
    pub changed: Option<Vec<String>>,
}

/// GitHub names no more files than this when it compares.
const MOST_FILES: usize = 300;

/// Compares two commits as the page of the pull request does.
pub async fn compare(client: &Client, base: &str, head: &str) -> Result<Compared, GithubError> {
    #[derive(Deserialize)]
    struct Comparison {
        merge_base_commit: Commit,
        #[serde(default)]
        files: Vec<File>,
    }
    #[derive(Deserialize)]
    struct Commit {
        sha: String,
    }
    #[derive(Deserialize)]
    struct File {
        filename: String,
        previous_filename: Option<String>,
    }
    let route = format!("/compare/{base}...{head}?per_page=1");
    let comparison: Comparison = client.get(COMPARE, &route).await?.read(COMPARE)?;
    let are_all = comparison.files.len() < MOST_FILES;
    let files = comparison.files.into_iter();
    let names = files.flat_map(|file| [Some(file.filename), file.previous_filename]);
    Ok(Compared {
        merge_base: comparison.merge_base_commit.sha,
        changed: are_all.then(|| names.flatten().collect()),
    })
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
