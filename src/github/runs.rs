//! Runs of workflows as GitHub knows them, and whether one is what a text says it is.
//!
//! Whoever can make the same bot post a text can make it name any run. So a run that is named counts
//! only for what GitHub says of it.

use serde::Deserialize;

use super::client::Client;
use super::error::GithubError;
use super::marker::Marker;
use super::pulls::Repository;

const FIND: &str = "find the run that measured";
const ASK: &str = "find the newer run that a comment says it shows";

/// A run of a workflow.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Run {
    /// The commit it ran for.
    pub(super) head_sha: String,
    /// What it ran for.
    pub(super) event: String,
    /// The repository of that commit; none when it was deleted.
    pub(super) head_repository: Option<Repository>,
    /// The branch of that commit, in its repository.
    head_branch: Option<String>,
    workflow_id: u64,
    /// How often it was started.
    run_attempt: Option<u32>,
}

impl Run {
    /// The number of the repository of its commit.
    pub(super) fn from(&self) -> Option<u64> {
        self.head_repository.as_ref().map(|one| one.id)
    }
}

/// A run by its number; none where there is no such run, or the token may not see it.
pub(super) async fn find(client: &Client, number: u64) -> Result<Option<Run>, GithubError> {
    match get(client, number, FIND).await {
        Ok(run) => Ok(Some(run)),
        Err(error) if error.status() == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn get(client: &Client, number: u64, what: &'static str) -> Result<Run, GithubError> {
    let route = format!("/actions/runs/{number}");
    client.get(what, &route).await?.read(what)
}

/// A comment of ours that says it shows a newer run than the one to be shown.
#[derive(Debug)]
pub struct Claim {
    /// What it says.
    pub marker: Marker,
    /// What GitHub says of that.
    pub truth: Truth,
}

impl Claim {
    /// Whether it is what this marker says, and nobody knows whether it does so rightly.
    pub(super) fn is_unknown(&self, marker: &Marker) -> bool {
        self.marker == *marker && matches!(self.truth, Truth::Unknown(_))
    }
}

/// What GitHub says of a claim.
#[derive(Debug)]
pub enum Truth {
    /// It is a newer run of the same workflow for the same branch.
    Newer,
    /// It is not, and why.
    Forged(&'static str),
    /// GitHub could not be asked.
    Unknown(GithubError),
}

/// The claims that were looked into, each once.
#[derive(Debug)]
pub(super) struct Claims<'a> {
    client: &'a Client,
    /// The run that is to be shown.
    shown: &'a Marker,
    own: Option<Run>,
    all: Vec<Claim>,
}

impl<'a> Claims<'a> {
    pub(super) fn against(client: &'a Client, shown: &'a Marker) -> Self {
        Self {
            client,
            shown,
            own: None,
            all: Vec::new(),
        }
    }

    /// Whether a comment is to be treated as one of the run it names. Where nobody knows it is: what
    /// may be newer is never overwritten.
    pub(super) async fn stands(&mut self, marker: &Marker) -> bool {
        if marker.order <= self.shown.order {
            return true;
        }
        let known = self.all.iter().position(|claim| claim.marker == *marker);
        let at = match known {
            Some(at) => at,
            None => {
                let truth = self.ask(marker).await.unwrap_or_else(Truth::Unknown);
                let marker = marker.clone();
                self.all.push(Claim { marker, truth });
                self.all.len() - 1
            }
        };
        !matches!(self.all[at].truth, Truth::Forged(_))
    }

    /// All that were looked into.
    pub(super) fn into_all(self) -> Vec<Claim> {
        self.all
    }

    async fn ask(&mut self, marker: &Marker) -> Result<Truth, GithubError> {
        // A token that does not see our own run sees no other, and no run would be a forged one.
        let own = match &self.own {
            Some(own) => own,
            None => {
                let own = get(self.client, self.shown.order.run, ASK).await?;
                self.own.insert(own)
            }
        };
        if marker.order.run == self.shown.order.run {
            return Ok(truth(marker, own, own, self.shown));
        }
        match get(self.client, marker.order.run, ASK).await {
            Ok(named) => Ok(truth(marker, &named, own, self.shown)),
            Err(error) if error.status() == Some(404) => {
                Ok(Truth::Forged("this repository has no such run"))
            }
            Err(error) => Err(error),
        }
    }
}

/// What GitHub says of a run that a marker names, beside our own run.
fn truth(marker: &Marker, named: &Run, own: &Run, shown: &Marker) -> Truth {
    // Some events name another commit than the one that is measured.
    let names_head = own.head_sha == shown.head;
    if named.workflow_id != own.workflow_id {
        Truth::Forged("that run is one of another workflow")
    } else if named.event != own.event
        || named.from() != own.from()
        || named.head_branch != own.head_branch
    {
        Truth::Forged("that run is not for this pull request")
    } else if names_head && named.head_sha != marker.head {
        Truth::Forged("that run measured another commit")
    } else if named
        .run_attempt
        .is_some_and(|last| marker.order.attempt > last)
    {
        Truth::Forged("that run was not started so often")
    } else {
        Truth::Newer
    }
}

#[cfg(test)]
mod tests {
    use super::super::marker::RunOrder;
    use super::*;

    fn run() -> Run {
        Run {
            head_sha: "a".repeat(40),
            event: "pull_request".to_owned(),
            head_repository: Some(Repository {
                id: 1,
                full_name: "o/r".to_owned(),
            }),
            head_branch: Some("topic".to_owned()),
            workflow_id: 5,
            run_attempt: Some(2),
        }
    }

    fn marker(attempt: u32, head: &str) -> Marker {
        Marker {
            id: "tollgate".to_owned(),
            order: RunOrder { run: 9, attempt },
            head: head.repeat(40),
            job: None,
        }
    }

    fn why(claimed: &Marker, change: impl FnOnce(&mut Run)) -> Option<&'static str> {
        let mut named = run();
        change(&mut named);
        match truth(claimed, &named, &run(), &marker(1, "a")) {
            Truth::Newer => None,
            Truth::Forged(why) => Some(why),
            Truth::Unknown(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_newer_run_is_one_of_the_same_workflow_branch_and_event() {
        let honest = marker(2, "a");
        assert_eq!(why(&honest, |_| ()), None);
        // A newer commit of the same branch.
        let newer = marker(1, "b");
        assert_eq!(why(&newer, |run| run.head_sha = "b".repeat(40)), None);
        let others: [fn(&mut Run); 6] = [
            |run| run.workflow_id = 6,
            |run| run.event = "push".to_owned(),
            |run| run.head_branch = Some("other".to_owned()),
            |run| run.head_repository = None,
            |run| run.head_sha = "b".repeat(40),
            |run| run.run_attempt = Some(1),
        ];
        for change in others {
            assert!(why(&honest, change).is_some());
        }
    }

    #[test]
    fn where_the_event_names_another_commit_the_marker_may_too() {
        let mut own = run();
        own.head_sha = "c".repeat(40);
        let named = own.clone();
        let truth = truth(&marker(1, "b"), &named, &own, &marker(1, "a"));
        assert!(matches!(truth, Truth::Newer));
    }
}
