//! What a workflow runs for: the event, the commit it is about, the run itself.
//!
//! Only the few fields that are needed are read, and each is checked: an address is made of them.
//! Must not ask GitHub anything.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::client::Address;
use super::marker::{RunOrder, is_commit};

/// The account whose pull requests get a token that may only read.
const DEPENDABOT: &str = "dependabot[bot]";
/// The largest event file that is read; GitHub's own are below 1 MiB.
const LARGEST: u64 = 32 * 1024 * 1024;

/// The machine of a job: another one for each job that runs at the same time.
const RUNNER: &str = "RUNNER_NAME";
/// Which job of a matrix it is: they may run one after the other on one machine. Set by the action.
const JOB_INDEX: &str = "TOLLGATE_JOB_INDEX";
/// How much of a project's name is in that of a job.
const LONGEST_NAME: usize = 64;

/// Why the event cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// A variable that GitHub Actions sets is not there.
    #[error("`{0}` is not set: this runs inside GitHub Actions")]
    Unset(&'static str),
    /// A variable or a field holds something else.
    #[error("`{name}` is {why}")]
    Wrong {
        /// The variable or field.
        name: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The file of the event cannot be read.
    #[error("the event in `{path}` cannot be read: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
}

/// A run of a workflow.
#[derive(Debug, Clone)]
pub struct Context {
    /// Where GitHub is.
    pub address: Address,
    /// What it runs for.
    pub situation: Situation,
    /// The run whose result is published: this one, or the one that measured.
    pub order: RunOrder,
    /// Where people look at that run.
    pub run_url: String,
    /// Where people look at the runs of the repository.
    runs_url: String,
    /// What tells the jobs of one run apart, those of a matrix too.
    job: String,
}

/// What a workflow runs for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Situation {
    /// A pull request.
    PullRequest {
        /// Its number.
        number: u64,
        /// The newest commit when the run was started: not the merge commit of `GITHUB_SHA`.
        head: String,
        /// Why the token may only read; none when it may write.
        read_only: Option<ReadOnly>,
    },
    /// Another workflow, which measured a pull request, has ended.
    Measured(Measured),
    /// A group of a merge queue.
    MergeGroup {
        /// The commit that would become the branch.
        head: String,
        /// The pull request that it adds to what is before it in the queue.
        pull: Option<u64>,
    },
    /// Somebody wrote a comment on a pull request, or put a label on it.
    Comment {
        /// The pull request.
        number: u64,
        /// Who did.
        author: String,
        /// Where it stands.
        said: Said,
        /// What they say by it.
        body: String,
    },
    /// A push, a schedule, a start by hand: a commit and no pull request.
    Commit {
        /// Which one.
        head: String,
    },
}

/// Where somebody says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// In a comment.
    Comment {
        /// Its number.
        number: u64,
    },
    /// By a label.
    Label {
        /// Its name.
        name: String,
        /// The newest commit of the pull request when it was put there.
        head: String,
    },
}

/// Why GitHub gives a pull request's workflow a token that may only read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOnly {
    /// It comes from a fork.
    Fork,
    /// It comes from Dependabot.
    Dependabot,
}

/// The run of a workflow that measured, as GitHub describes it: nothing here comes from what was
/// measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// What it ran for.
    pub event: String,
    /// How it ended.
    pub conclusion: String,
    /// The commit it ran for.
    pub head: String,
    /// The branch of that commit, in its repository.
    pub branch: String,
    /// The repository of that commit; none when it was deleted.
    pub repository: Option<HeadRepository>,
    /// The pull requests GitHub names; none for forks.
    pub pulls: Vec<u64>,
}

/// A repository that a commit comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadRepository {
    /// Its number.
    pub id: u64,
    /// Who owns it.
    pub owner: String,
}

#[derive(Deserialize)]
struct PullRequestEvent {
    number: u64,
    pull_request: Pull,
    repository: Repository,
}

#[derive(Deserialize)]
struct Pull {
    head: Head,
}

#[derive(Deserialize)]
struct Head {
    sha: String,
    repo: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    id: u64,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct WorkflowRunEvent {
    workflow_run: WorkflowRun,
}

#[derive(Deserialize)]
struct WorkflowRun {
    id: u64,
    run_attempt: u32,
    event: String,
    conclusion: Option<String>,
    head_sha: String,
    head_branch: Option<String>,
    head_repository: Option<Owned>,
    #[serde(default)]
    pull_requests: Vec<Numbered>,
}

#[derive(Deserialize)]
struct Owned {
    id: u64,
    owner: User,
}

#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

#[derive(Deserialize)]
struct MergeGroupEvent {
    merge_group: MergeGroup,
}

#[derive(Deserialize)]
struct MergeGroup {
    head_sha: String,
    head_ref: String,
}

#[derive(Deserialize)]
struct LabelEvent {
    number: u64,
    pull_request: Pull,
    label: Label,
    sender: User,
}

#[derive(Deserialize)]
struct Label {
    name: String,
    description: Option<String>,
}

#[derive(Deserialize)]
struct CommentEvent {
    action: String,
    issue: Issue,
    comment: CommentOf,
}

#[derive(Deserialize)]
struct Issue {
    number: u64,
    pull_request: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct CommentOf {
    id: u64,
    user: User,
    body: String,
}

impl Context {
    /// The context of this process.
    pub fn of_environment() -> Result<Self, EventError> {
        let variables = variables();
        let path = get(&variables, "GITHUB_EVENT_PATH")?;
        Self::of(&variables, &read(Path::new(path))?)
    }

    /// What this job is called where it publishes its own run of a project: `web.0123abcd`. The jobs
    /// of a matrix have one name in GitHub's variables, and differ in their number, runner or project.
    pub fn job(&self, project: &str) -> String {
        let hash = Sha256::digest(format!("{}\n{project}", self.job));
        let hash: String = hash
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let plain = |c: char| match c.to_ascii_lowercase() {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() => c,
            _ => '-',
        };
        let name: String = project.chars().take(LONGEST_NAME).map(plain).collect();
        format!("{name}.{hash}")
    }

    /// The same about another run.
    pub fn about(self, order: RunOrder) -> Self {
        Self {
            run_url: run_url(&self.runs_url, order),
            order,
            ..self
        }
    }

    /// What tells the command that this runs for from every other one: its comment, or of a label this
    /// very run, for it may be put there again.
    pub fn occasion(&self) -> String {
        if let Situation::Comment {
            said: Said::Comment { number },
            ..
        } = &self.situation
        {
            return format!("comment/{number}");
        }
        format!("run/{}", self.order.run)
    }

    /// The context of these variables and this event.
    pub fn of(variables: &BTreeMap<String, String>, event: &[u8]) -> Result<Self, EventError> {
        let get = |name| get(variables, name);
        let server = get("GITHUB_SERVER_URL")?.trim_end_matches('/');
        let api = get("GITHUB_API_URL")?.trim_end_matches('/');
        let repository = get("GITHUB_REPOSITORY")?;
        let graphql = variables
            .get("GITHUB_GRAPHQL_URL")
            .map_or_else(|| format!("{api}/graphql"), String::clone);
        let mut order = RunOrder {
            run: number(variables, "GITHUB_RUN_ID")?,
            attempt: number(variables, "GITHUB_RUN_ATTEMPT")?,
        };
        let situation = match get("GITHUB_EVENT_NAME")? {
            "pull_request_target" if is_labelled(event) => labelled(event)?,
            "pull_request" | "pull_request_target" => pull_request(variables, event)?,
            "workflow_run" => {
                let (measured, run) = measured(event)?;
                order = run;
                Situation::Measured(measured)
            }
            "merge_group" => {
                let group = parse::<MergeGroupEvent>(event)?.merge_group;
                Situation::MergeGroup {
                    head: commit("merge_group.head_sha", group.head_sha)?,
                    pull: queued(&group.head_ref),
                }
            }
            "issue_comment" => said(event)?,
            _ => Situation::Commit {
                head: commit("GITHUB_SHA", get("GITHUB_SHA")?.to_owned())?,
            },
        };
        let runs_url = format!("{server}/{repository}/actions/runs");
        Ok(Self {
            run_url: run_url(&runs_url, order),
            runs_url,
            address: Address {
                api: api.to_owned(),
                graphql,
                repository: repository.to_owned(),
            },
            situation,
            order,
            job: ["GITHUB_JOB", RUNNER, JOB_INDEX]
                .map(|name| variables.get(name).map_or("", String::as_str))
                .join("\n"),
        })
    }
}

/// What GitHub Actions sets.
pub(super) fn variables() -> BTreeMap<String, String> {
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        let is_known = name.starts_with("GITHUB_") || name == RUNNER || name == JOB_INDEX;
        (is_known && !value.is_empty()).then_some((name, value))
    });
    variables.collect()
}

fn run_url(runs: &str, order: RunOrder) -> String {
    let RunOrder { run, attempt } = order;
    format!("{runs}/{run}/attempts/{attempt}")
}

fn pull_request(
    variables: &BTreeMap<String, String>,
    event: &[u8],
) -> Result<Situation, EventError> {
    let event: PullRequestEvent = parse(event)?;
    let pull = event.pull_request;
    // Who pushed counts, not who opened it: a person's push to Dependabot's branch may write.
    let is_dependabot = variables
        .get("GITHUB_ACTOR")
        .is_some_and(|actor| actor == DEPENDABOT);
    let is_ours = (pull.head.repo).is_some_and(|repo| repo.id == event.repository.id);
    Ok(Situation::PullRequest {
        number: event.number,
        head: commit("pull_request.head.sha", pull.head.sha)?,
        read_only: match (is_ours, is_dependabot) {
            (false, _) => Some(ReadOnly::Fork),
            (true, true) => Some(ReadOnly::Dependabot),
            (true, false) => None,
        },
    })
}

/// The pull request in the name of a queue's branch:
/// `refs/heads/gh-readonly-queue/main/pr-104-79a0a0aa…`.
fn queued(branch: &str) -> Option<u64> {
    let (_, last) = branch.rsplit_once("/pr-")?;
    let (number, commit) = last.split_once('-')?;
    number.parse().ok().filter(|_| is_commit(commit))
}

/// Whether somebody has put a label on a pull request.
fn is_labelled(event: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Action {
        action: String,
    }
    serde_json::from_slice::<Action>(event).is_ok_and(|event| event.action == "labeled")
}

/// A label is a command with its description as the reason: `tollgate accept list p50 up to 8%`.
fn labelled(event: &[u8]) -> Result<Situation, EventError> {
    let event: LabelEvent = parse(event)?;
    let label = event.label;
    Ok(Situation::Comment {
        number: event.number,
        author: event.sender.login,
        body: of_label(&label.name, label.description.as_deref()),
        said: Said::Label {
            name: label.name,
            head: commit("pull_request.head.sha", event.pull_request.head.sha)?,
        },
    })
}

/// What a label says.
pub(super) fn of_label(name: &str, description: Option<&str>) -> String {
    let because = match description.map(str::trim) {
        Some(text) if !text.is_empty() => text,
        Some(_) | None => "of the label",
    };
    format!("/{} because {because}", name.trim())
}

fn said(event: &[u8]) -> Result<Situation, EventError> {
    let event: CommentEvent = parse(event)?;
    if event.action != "created" || event.issue.pull_request.is_none() {
        return Err(EventError::Wrong {
            name: "GITHUB_EVENT_PATH",
            why: "not a new comment on a pull request".to_owned(),
        });
    }
    Ok(Situation::Comment {
        number: event.issue.number,
        author: event.comment.user.login,
        said: Said::Comment {
            number: event.comment.id,
        },
        body: event.comment.body,
    })
}

fn measured(event: &[u8]) -> Result<(Measured, RunOrder), EventError> {
    let event: WorkflowRunEvent = parse(event)?;
    let run = event.workflow_run;
    let order = RunOrder {
        run: run.id,
        attempt: run.run_attempt,
    };
    let measured = Measured {
        event: run.event,
        conclusion: run.conclusion.unwrap_or_default(),
        head: commit("workflow_run.head_sha", run.head_sha)?,
        branch: run.head_branch.unwrap_or_default(),
        repository: run.head_repository.map(|repository| HeadRepository {
            id: repository.id,
            owner: repository.owner.login,
        }),
        pulls: run.pull_requests.iter().map(|pull| pull.number).collect(),
    };
    Ok((measured, order))
}

pub(super) fn get<'a>(
    variables: &'a BTreeMap<String, String>,
    name: &'static str,
) -> Result<&'a str, EventError> {
    let value = variables.get(name).map(String::as_str);
    value.ok_or(EventError::Unset(name))
}

fn number<N: std::str::FromStr>(
    variables: &BTreeMap<String, String>,
    name: &'static str,
) -> Result<N, EventError> {
    get(variables, name)?
        .parse()
        .map_err(|_| EventError::Wrong {
            name,
            why: "no number".to_owned(),
        })
}

pub(super) fn commit(name: &'static str, text: String) -> Result<String, EventError> {
    if is_commit(&text) {
        return Ok(text);
    }
    Err(EventError::Wrong {
        name,
        why: "not the hash of a commit".to_owned(),
    })
}

pub(super) fn parse<T: DeserializeOwned>(event: &[u8]) -> Result<T, EventError> {
    serde_json::from_slice(event).map_err(|error| EventError::Wrong {
        name: "GITHUB_EVENT_PATH",
        why: format!("not the event that `GITHUB_EVENT_NAME` says: {error}"),
    })
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, EventError> {
    let unreadable = |why: String| EventError::Unreadable {
        path: path.display().to_string(),
        why,
    };
    let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    if size.len() > LARGEST {
        return Err(unreadable("it is too large".to_owned()));
    }
    std::fs::read(path).map_err(|error| unreadable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "0123456789abcdef0123456789abcdef01234567";

    fn context(name: &str, event: &str) -> Result<Context, EventError> {
        let variables = [
            ("GITHUB_EVENT_NAME", name),
            ("GITHUB_SERVER_URL", "https://ghe.example"),
            ("GITHUB_API_URL", "https://ghe.example/api/v3/"),
            ("GITHUB_GRAPHQL_URL", "https://ghe.example/api/graphql"),
            ("GITHUB_REPOSITORY", "o/r"),
            ("GITHUB_RUN_ID", "7"),
            ("GITHUB_RUN_ATTEMPT", "2"),
            ("GITHUB_SHA", "ffffffffffffffffffffffffffffffffffffffff"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Context::of(&variables.into(), event.as_bytes())
    }

    fn pull(head_repository: &str, actor: &str) -> Situation {
        let event = format!(
            r#"{{"number":3,"repository":{{"id":1}},
            "pull_request":{{"head":{{"sha":"{HEAD}","repo":{head_repository}}}}}}}"#
        );
        let variables = [("GITHUB_ACTOR".to_owned(), actor.to_owned())];
        pull_request(&variables.into(), event.as_bytes()).unwrap()
    }

    #[test]
    fn a_pull_request_is_about_its_head_and_not_about_the_merge_commit() {
        let expected = |read_only| Situation::PullRequest {
            number: 3,
            head: HEAD.to_owned(),
            read_only,
        };
        assert_eq!(pull(r#"{"id":1}"#, "ada"), expected(None));
        assert_eq!(pull(r#"{"id":2}"#, "ada"), expected(Some(ReadOnly::Fork)));
        assert_eq!(pull("null", "ada"), expected(Some(ReadOnly::Fork)));
        let bot = pull(r#"{"id":1}"#, DEPENDABOT);
        assert_eq!(bot, expected(Some(ReadOnly::Dependabot)));
    }

    #[test]
    fn what_was_measured_elsewhere_has_the_order_of_the_measuring_run() {
        let event = format!(
            r#"{{"workflow_run":{{"id":5,"run_attempt":1,"event":"pull_request","head_sha":"{HEAD}",
            "conclusion":"success","head_branch":"x","head_repository":{{"id":2,"owner":{{"login":"eve"}}}},
            "pull_requests":[]}}}}"#
        );
        let context = context("workflow_run", &event).unwrap();
        assert_eq!(context.order, RunOrder { run: 5, attempt: 1 });
        assert_eq!(
            context.run_url,
            "https://ghe.example/o/r/actions/runs/5/attempts/1"
        );
        assert_eq!(context.address.api, "https://ghe.example/api/v3");
    }

    #[test]
    fn a_label_is_a_comment_by_who_put_it_there() {
        let event = format!(
            r#"{{"action":"labeled","number":3,"sender":{{"login":"ada"}},
            "pull_request":{{"head":{{"sha":"{HEAD}","repo":null}}}},
            "label":{{"name":"tollgate accept list p50 up to 8%","description":"it shows more"}}}}"#
        );
        let situation = context("pull_request_target", &event).unwrap().situation;
        let body = "/tollgate accept list p50 up to 8% because it shows more".to_owned();
        let author = "ada".to_owned();
        let expected = Situation::Comment {
            number: 3,
            author,
            said: Said::Label {
                name: "tollgate accept list p50 up to 8%".to_owned(),
                head: HEAD.to_owned(),
            },
            body,
        };
        assert_eq!(situation, expected);
        let event = event.replace("tollgate accept list p50 up to 8%", "bug");
        let situation = context("pull_request_target", &event).unwrap().situation;
        let Situation::Comment { body, .. } = situation else {
            panic!("{situation:?}");
        };
        assert_eq!(crate::github::commands::parse(&body), None);
    }

    #[test]
    fn the_branch_of_a_queue_names_its_last_pull_request() {
        let name = format!("refs/heads/gh-readonly-queue/release/pr-1/pr-104-{HEAD}");
        assert_eq!(queued(&name), Some(104));
        let others = [
            "refs/heads/main",
            "a/pr-104",
            "a/pr-x-0123",
            "a/pr-104-0123",
        ];
        for name in others {
            assert_eq!(queued(name), None, "{name}");
        }
    }

    #[test]
    fn jobs_of_a_matrix_on_one_machine_are_told_apart() {
        let job = |index: &str| {
            let mut context = context("push", "{}").unwrap();
            context.job = format!("measure\nmachine\n{index}");
            context.job("web")
        };
        assert_ne!(job("0"), job("1"));
    }

    #[test]
    fn anything_else_is_about_a_commit() {
        for name in ["push", "schedule", "workflow_dispatch"] {
            let situation = context(name, "{}").unwrap().situation;
            let head = "f".repeat(40);
            assert_eq!(situation, Situation::Commit { head });
        }
    }

    #[test]
    fn a_hash_that_is_none_goes_into_no_address() {
        let event = r#"{"merge_group":{"head_sha":"../../x","head_ref":""}}"#;
        let error = context("merge_group", event).unwrap_err().to_string();
        assert_eq!(error, "`merge_group.head_sha` is not the hash of a commit");
    }
}
