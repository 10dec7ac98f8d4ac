//! What GitHub holds of one repository, and what every request does to it.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::git::Git;

/// GitHub's limit on a comment, which its description does not have.
const COMMENT: usize = 65_536;
/// The same of the description of a status.
const STATUS: usize = 140;

/// Who a token belongs to and what it may do.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) login: String,
    /// `pull_requests` to `write`, and so on.
    pub(crate) permissions: BTreeMap<String, String>,
}

impl Identity {
    /// The token of a workflow with these permissions.
    pub(crate) fn actions(permissions: &[(&str, &str)]) -> Self {
        let text = |text: &str| text.to_owned();
        Self {
            login: "github-actions[bot]".to_owned(),
            permissions: permissions
                .iter()
                .map(|(scope, level)| (text(scope), text(level)))
                .collect(),
        }
    }

    pub(crate) fn may(&self, scope: &str, level: &str) -> bool {
        let has = self.permissions.get(scope);
        has.is_some_and(|has| has == level || has == "write")
    }
}

/// A comment.
#[derive(Debug, Clone)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) issue: u64,
    pub(crate) login: String,
    pub(crate) kind: &'static str,
    pub(crate) body: String,
    /// When it was written and when it was last changed.
    pub(crate) times: [String; 2],
    pub(crate) edits: u32,
    /// Number, login and content.
    pub(crate) reactions: Vec<(u64, String, String)>,
}

/// A pull request.
#[derive(Debug, Clone)]
pub(crate) struct Pull {
    pub(crate) number: u64,
    pub(crate) head: String,
    pub(crate) branch: String,
    /// Owner and number of the head's repository.
    pub(crate) from: (String, u64),
    pub(crate) base: String,
    pub(crate) state: &'static str,
    pub(crate) locked: bool,
    /// Name and description.
    pub(crate) labels: Vec<(String, String)>,
    /// The commit it was merged as.
    pub(crate) merged_as: Option<String>,
}

/// Somebody has put a label on a pull request.
#[derive(Debug)]
struct Labelled {
    id: u64,
    issue: u64,
    login: String,
    name: String,
    at: String,
}

/// A run of a workflow for a pull request.
#[derive(Debug, Clone)]
pub(crate) struct RunOf {
    pub(crate) head: String,
    /// The number of the head's repository.
    pub(crate) repository: u64,
    pub(crate) branch: &'static str,
    /// The number of the workflow.
    pub(crate) workflow: u64,
    /// How often it was started.
    pub(crate) attempt: u32,
}

impl RunOf {
    /// The first attempt of the usual workflow, for a commit of the branch `topic`.
    pub(crate) fn commit(head: &str, repository: u64) -> Self {
        Self {
            head: head.to_owned(),
            repository,
            branch: "topic",
            workflow: 1,
            attempt: 1,
        }
    }
}

/// What goes wrong with a request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// 502, and nothing was done.
    Before,
    /// 502, although it was done.
    After,
    /// A secondary rate limit that asks for so many seconds.
    Limited(u64),
    /// Another thing happens first.
    First(fn(&mut World)),
}

/// What a request is answered with.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// A repository.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) tokens: BTreeMap<String, Identity>,
    pub(crate) comments: Vec<Comment>,
    pub(crate) pulls: Vec<Pull>,
    /// As they were sent, with `id`.
    pub(crate) checks: Vec<Value>,
    pub(crate) statuses: Vec<(String, Value)>,
    /// What people may do; who is not here may read.
    pub(crate) people: BTreeMap<String, &'static str>,
    /// Runs of workflows, by their number.
    pub(crate) runs: BTreeMap<u64, RunOf>,
    /// Whether it says of every run that it is not there, as it does to a token that may not see them.
    pub(crate) hides_runs: bool,
    /// Whether it does not say whose token it was asked with.
    pub(crate) hides_login: bool,
    /// Whether a list of comments lags behind what was written.
    pub(crate) lists_lag: bool,
    labelled: Vec<Labelled>,
    /// Seconds since the first thing happened.
    clock: u32,
    /// Runs of workflows that were to run again.
    pub(crate) reruns: Vec<u64>,
    /// Why it does not run anything again.
    pub(crate) rerun_refused: Option<&'static str>,
    /// The merge base of any two commits.
    pub(crate) merge_base: String,
    /// The files that base and head differ in; those of GitHub's example where it is empty.
    pub(crate) changed: Vec<String>,
    /// Branches with what is on them.
    pub(crate) git: Git,
    /// A file that is looked into when the first request comes, and what it held then.
    pub(crate) watched: Option<PathBuf>,
    pub(crate) at_first: Option<String>,
    /// Per route, what goes wrong with the next requests.
    faults: BTreeMap<String, VecDeque<Option<Fault>>>,
    /// Operation and status of every request.
    pub(crate) log: Vec<(String, u16)>,
    next: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            tokens: BTreeMap::new(),
            comments: Vec::new(),
            pulls: Vec::new(),
            checks: Vec::new(),
            statuses: Vec::new(),
            people: BTreeMap::new(),
            runs: BTreeMap::new(),
            hides_runs: false,
            hides_login: false,
            lists_lag: false,
            labelled: Vec::new(),
            clock: 0,
            reruns: Vec::new(),
            rerun_refused: None,
            merge_base: "b".repeat(40),
            changed: Vec::new(),
            git: Git::default(),
            watched: None,
            at_first: None,
            faults: BTreeMap::new(),
            log: Vec::new(),
            next: 1000,
        }
    }

    /// A request has come.
    pub(super) fn look_at_watched(&mut self) {
        if let (Some(path), None) = (&self.watched, &self.at_first) {
            self.at_first = Some(fs::read_to_string(path).unwrap_or_default());
        }
    }

    /// The time of something that happens: a second after what happened before.
    pub(crate) fn now(&mut self) -> String {
        self.clock += 1;
        let (hours, rest) = (self.clock / 3600, self.clock % 3600);
        assert!(hours < 12, "the day of the double is over");
        let hour = 12 + hours;
        format!("2026-11-22T{hour:02}:{:02}:{:02}Z", rest / 60, rest % 60)
    }

    /// Somebody puts a label on a pull request.
    pub(crate) fn label(&mut self, issue: u64, login: &str, name: &str, description: &str) {
        self.next += 1;
        let at = self.now();
        self.labelled.push(Labelled {
            id: self.next,
            issue,
            login: login.to_owned(),
            name: name.to_owned(),
            at,
        });
        let pull = self.pulls.iter_mut().find(|pull| pull.number == issue);
        let labels = &mut pull.expect("a pull request").labels;
        labels.push((name.to_owned(), description.to_owned()));
    }

    /// Adds a comment by anybody.
    pub(crate) fn comment(&mut self, issue: u64, login: &str, body: &str) -> u64 {
        self.next += 1;
        let at = self.now();
        let kind = if login.ends_with("[bot]") {
            "Bot"
        } else {
            "User"
        };
        self.comments.push(Comment {
            id: self.next,
            issue,
            login: login.to_owned(),
            kind,
            body: body.to_owned(),
            times: [at.clone(), at],
            edits: 0,
            reactions: Vec::new(),
        });
        self.next
    }

    /// What goes wrong with the next requests of a route, one after the other.
    pub(crate) fn fail(&mut self, route: &str, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.faults
            .insert(route.to_owned(), faults.into_iter().collect());
    }

    /// What goes wrong with this request of a route.
    pub(crate) fn fault(&mut self, route: &str) -> Option<Fault> {
        self.faults.get_mut(route)?.pop_front()?
    }

    /// Every request that was meant to change something.
    pub(crate) fn writes(&self) -> Vec<&str> {
        let is_write = |operation: &&str| !operation.starts_with("GET ");
        let operations = self.log.iter().map(|(operation, _)| operation.as_str());
        operations
            .filter(|operation| *operation != "POST /graphql")
            .filter(is_write)
            .collect()
    }

    /// The newest status of each context on a commit: state and description.
    pub(crate) fn status(&self, sha: &str, context: &str) -> Option<(&str, &str)> {
        let of = |(at, status): &&(String, Value)| at == sha && status["context"] == context;
        let (_, status) = self.statuses.iter().rev().find(of)?;
        let text = |key: &str| status[key].as_str().unwrap_or_default();
        Some((text("state"), text("description")))
    }

    /// Does what a request asks for. `path` is what follows the name of the repository.
    pub(crate) fn handle(
        &mut self,
        operation: &str,
        path: &[&str],
        query: &BTreeMap<String, String>,
        body: &Value,
        by: &Identity,
        example: Value,
    ) -> Reply {
        let (method, _) = operation.split_once(' ').expect("a method");
        match (method, path) {
            ("GET", ["pulls"]) => self.pulls_of(query, &example),
            ("GET", ["pulls", number]) => match self.pull(number) {
                Some(pull) => ok(pull_json(pull, example)),
                None => missing(),
            },
            ("GET", ["issues", number, "comments"]) => {
                let of = |comment: &&Comment| comment.issue.to_string() == **number;
                let all = self.comments.iter().filter(of);
                let all = all.filter(|_| !self.lists_lag);
                ok(all.map(|one| comment_json(one, example.clone())).collect())
            }
            ("POST", ["issues", number, "comments"]) => {
                let number = number.parse().unwrap_or_default();
                if self
                    .pulls
                    .iter()
                    .any(|pull| pull.number == number && pull.locked)
                {
                    let why = "Unable to create comment because issue is locked.";
                    return refused(403, why);
                }
                let text = body["body"].as_str().unwrap_or_default();
                if let Some(refusal) = too_long(text) {
                    return refusal;
                }
                let id = self.comment(number, &by.login, text);
                let comment = self.comments.iter().find(|one| one.id == id).expect("it");
                created(comment_json(comment, example))
            }
            (_, ["issues", "comments", id, rest @ ..]) => {
                let at = self
                    .comments
                    .iter()
                    .position(|one| one.id.to_string() == **id);
                let Some(at) = at else {
                    return missing();
                };
                self.on_comment(method, rest, at, body, by, example)
            }
            (_, ["git", rest @ ..]) => self.git.handle(method, rest, body, &example),
            ("POST", ["check-runs"]) => self.create_check(body, &example),
            ("PATCH", ["check-runs", id]) => self.change_check(id, body, &example),
            ("GET", ["commits", sha, "check-runs"]) => self.checks_of(sha, query, &example),
            ("GET", ["commits", sha, "statuses"]) => {
                let of = |(at, _): &&(String, Value)| at == sha;
                let newest_first = self.statuses.iter().filter(of).rev();
                let json = |(_, status): &(String, Value)| overlaid(&example, status);
                ok(newest_first.map(json).collect())
            }
            ("POST", ["statuses", sha]) => {
                let description = body["description"].as_str().unwrap_or_default();
                if description.chars().count() > STATUS {
                    let why = "description is too long (maximum is 140 characters)";
                    return invalid("Status", "description", why);
                }
                self.next += 1;
                let mut status = body.clone();
                status["id"] = self.next.into();
                status["created_at"] = self.now().into();
                self.statuses.push(((*sha).to_owned(), status.clone()));
                created(overlaid(&example, &status))
            }
            ("GET", ["collaborators", login, "permission"]) => {
                let permission = self.people.get(*login).copied().unwrap_or("read");
                let mut answer = example;
                answer["permission"] = permission.into();
                // GitHub's own example is not as GitHub describes it.
                answer["user"]["role_name"] = permission.into();
                ok(answer)
            }
            ("POST", ["actions", "runs", run, "rerun"]) => {
                if let Some(why) = self.rerun_refused {
                    return refused(403, why);
                }
                self.reruns.push(run.parse().unwrap_or_default());
                created(json!({}))
            }
            ("GET", ["actions", "runs", run]) => {
                let run = run.parse().unwrap_or_default();
                let known = self.runs.get(&run).filter(|_| !self.hides_runs);
                let Some(known) = known else {
                    return missing();
                };
                let mut answer = example;
                answer["id"] = run.into();
                answer["event"] = "pull_request".into();
                answer["head_sha"] = known.head.as_str().into();
                answer["head_repository"]["id"] = known.repository.into();
                answer["head_branch"] = known.branch.into();
                answer["workflow_id"] = known.workflow.into();
                answer["run_attempt"] = known.attempt.into();
                ok(answer)
            }
            ("GET", ["issues", number, "events"]) => {
                let of = |one: &&Labelled| one.issue.to_string() == **number;
                let json = |one: &Labelled| {
                    let mut event = example.clone();
                    event["id"] = one.id.into();
                    event["event"] = "labeled".into();
                    event["actor"]["login"] = one.login.as_str().into();
                    event["created_at"] = one.at.as_str().into();
                    event["label"]["name"] = one.name.as_str().into();
                    event
                };
                // What else happens to an issue has no label.
                let mut other = example.clone();
                other.as_object_mut().expect("an event").remove("label");
                let labels = self.labelled.iter().filter(of).map(json);
                ok(std::iter::once(other).chain(labels).collect())
            }
            ("GET", ["compare", _]) => {
                let mut answer = example;
                answer["merge_base_commit"]["sha"] = self.merge_base.as_str().into();
                if !self.changed.is_empty() {
                    let file = answer["files"][0].clone();
                    let files = self.changed.iter().map(|name| {
                        let mut file = file.clone();
                        file["filename"] = name.as_str().into();
                        file
                    });
                    answer["files"] = files.collect();
                }
                ok(answer)
            }
            _ => panic!("{operation} is not served"),
        }
    }

    fn pull(&self, number: &str) -> Option<&Pull> {
        self.pulls
            .iter()
            .find(|pull| pull.number.to_string() == number)
    }

    fn pulls_of(&self, query: &BTreeMap<String, String>, example: &Value) -> Reply {
        let asked = |name: &str| query.get(name).map_or("", String::as_str);
        let of = |pull: &&Pull| {
            let head = format!("{}:{}", pull.from.0, pull.branch);
            ["", "all", pull.state].contains(&asked("state"))
                && ["", &head].contains(&asked("head"))
        };
        let found = self.pulls.iter().filter(of);
        ok(found.map(|pull| pull_json(pull, example.clone())).collect())
    }

    fn on_comment(
        &mut self,
        method: &str,
        rest: &[&str],
        at: usize,
        body: &Value,
        by: &Identity,
        example: Value,
    ) -> Reply {
        self.next += 1;
        let now = self.now();
        let comment = &mut self.comments[at];
        let is_own = comment.login == by.login;
        match (method, rest) {
            ("GET", []) => ok(comment_json(comment, example)),
            ("PATCH" | "DELETE", []) if !is_own => {
                refused(403, "Resource not accessible by integration")
            }
            ("PATCH", []) => {
                let text = body["body"].as_str().unwrap_or_default();
                if let Some(refusal) = too_long(text) {
                    return refusal;
                }
                text.clone_into(&mut comment.body);
                comment.times[1] = now;
                comment.edits += 1;
                ok(comment_json(comment, example))
            }
            ("DELETE", []) => {
                self.comments.remove(at);
                empty()
            }
            ("POST", ["reactions"]) => {
                let content = body["content"].as_str().unwrap_or_default().to_owned();
                let same = |(_, login, sign): &&(u64, String, String)| {
                    *login == by.login && *sign == content
                };
                if let Some((id, ..)) = comment.reactions.iter().find(same) {
                    return ok(reaction_json(*id, by, &content, example));
                }
                let id = self.next;
                comment
                    .reactions
                    .push((id, by.login.clone(), content.clone()));
                created(reaction_json(id, by, &content, example))
            }
            ("DELETE", ["reactions", id]) => {
                let of = |one: &(u64, String, String)| one.0.to_string() == **id;
                match comment.reactions.iter().position(of) {
                    Some(at) => {
                        comment.reactions.remove(at);
                        empty()
                    }
                    None => missing(),
                }
            }
            _ => panic!("{method} of a comment with {rest:?} is not served"),
        }
    }

    fn create_check(&mut self, body: &Value, example: &Value) -> Reply {
        if let Some(refusal) = unfinished(body) {
            return refusal;
        }
        self.next += 1;
        let mut check = body.clone();
        check["id"] = self.next.into();
        check["started_at"] = self.now().into();
        self.checks.push(check.clone());
        created(check_json(&check, example))
    }

    fn change_check(&mut self, id: &str, body: &Value, example: &Value) -> Reply {
        if let Some(refusal) = unfinished(body) {
            return refusal;
        }
        let number: u64 = id.parse().unwrap_or_default();
        let of = |check: &&mut Value| check["id"] == number;
        let Some(check) = self.checks.iter_mut().find(of) else {
            return missing();
        };
        let mut annotations = check["output"]["annotations"].take();
        for (key, value) in body.as_object().into_iter().flatten() {
            check[key] = value.clone();
        }
        // GitHub adds annotations to those that are there.
        if let Some(earlier) = annotations.as_array_mut() {
            let new = check["output"]["annotations"].as_array();
            earlier.extend(new.into_iter().flatten().cloned());
            check["output"]["annotations"] = annotations;
        }
        ok(check_json(check, example))
    }

    fn checks_of(&self, sha: &str, query: &BTreeMap<String, String>, example: &Value) -> Reply {
        let named = query.get("check_name");
        let of = |check: &&Value| {
            check["head_sha"] == sha && named.is_none_or(|name| check["name"] == name.as_str())
        };
        let one = &example["check_runs"][0];
        let found = self.checks.iter().filter(of);
        let found: Vec<Value> = found.map(|check| check_json(check, one)).collect();
        ok(json!({ "total_count": found.len(), "check_runs": found }))
    }
}

/// GitHub asks for a conclusion of what is completed; its description does not say so.
fn unfinished(body: &Value) -> Option<Reply> {
    (body["status"] == "completed" && !body["conclusion"].is_string())
        .then(|| invalid("CheckRun", "conclusion", "conclusion is missing"))
}

fn too_long(text: &str) -> Option<Reply> {
    (text.encode_utf16().count() > COMMENT).then(|| {
        let why = "Body is too long (maximum is 65536 characters)";
        invalid("IssueComment", "data", why)
    })
}

pub(super) fn ok(body: Value) -> Reply {
    Reply { status: 200, body }
}

pub(super) fn created(body: Value) -> Reply {
    Reply { status: 201, body }
}

fn empty() -> Reply {
    Reply {
        status: 204,
        body: Value::Null,
    }
}

pub(super) fn missing() -> Reply {
    refused(404, "Not Found")
}

pub(crate) fn refused(status: u16, message: &str) -> Reply {
    let body = json!({
        "message": message,
        "documentation_url": "https://docs.github.com/rest",
        "status": status.to_string(),
    });
    Reply { status, body }
}

pub(super) fn invalid(resource: &str, field: &str, message: &str) -> Reply {
    let body = json!({
        "message": "Validation Failed",
        "errors": [{ "resource": resource, "field": field, "code": "unprocessable", "message": message }],
        "documentation_url": "https://docs.github.com/rest",
    });
    Reply { status: 422, body }
}

/// The example with what was sent in its place.
fn overlaid(example: &Value, sent: &Value) -> Value {
    let mut answer = example.clone();
    for (key, value) in sent.as_object().into_iter().flatten() {
        answer[key] = value.clone();
    }
    answer
}

fn comment_json(comment: &Comment, mut example: Value) -> Value {
    example["id"] = comment.id.into();
    example["body"] = comment.body.as_str().into();
    example["user"]["login"] = comment.login.as_str().into();
    example["user"]["type"] = comment.kind.into();
    let [created, updated] = &comment.times;
    example["created_at"] = created.as_str().into();
    example["updated_at"] = updated.as_str().into();
    let place = example["issue_url"].as_str().unwrap_or_default();
    let (start, _) = place.rsplit_once('/').expect("a place");
    example["issue_url"] = format!("{start}/{}", comment.issue).into();
    example
}

fn reaction_json(id: u64, by: &Identity, content: &str, mut example: Value) -> Value {
    example["id"] = id.into();
    example["content"] = content.into();
    example["user"]["login"] = by.login.as_str().into();
    example
}

fn pull_json(pull: &Pull, mut example: Value) -> Value {
    let (owner, repository) = &pull.from;
    example["number"] = pull.number.into();
    // GitHub's own example is not as GitHub describes it.
    example["requested_teams"] = json!([]);
    example["state"] = pull.state.into();
    example["locked"] = pull.locked.into();
    example["head"]["sha"] = pull.head.as_str().into();
    example["head"]["ref"] = pull.branch.as_str().into();
    example["head"]["repo"]["id"] = (*repository).into();
    example["head"]["repo"]["full_name"] = format!("{owner}/octo-repo").into();
    example["base"]["sha"] = pull.base.as_str().into();
    example["base"]["repo"]["full_name"] = "octo-org/octo-repo".into();
    let label = example["labels"][0].clone();
    let labels = pull.labels.iter().map(|(name, description)| {
        let mut label = label.clone();
        label["name"] = name.as_str().into();
        label["description"] = description.as_str().into();
        label
    });
    example["labels"] = labels.collect();
    // Only a whole pull request says it.
    if example.get("merged").is_some() {
        example["merged"] = pull.merged_as.is_some().into();
    }
    // One that is not merged has the commit that tries it out.
    let merged_as = pull.merged_as.clone();
    example["merge_commit_sha"] = merged_as.unwrap_or_else(|| "9".repeat(40)).into();
    example
}

fn check_json(check: &Value, example: &Value) -> Value {
    let mut answer = example.clone();
    for key in [
        "id",
        "name",
        "head_sha",
        "external_id",
        "status",
        "conclusion",
        "started_at",
    ] {
        answer[key] = check[key].clone();
    }
    answer["output"]["title"] = check["output"]["title"].clone();
    answer["output"]["summary"] = check["output"]["summary"].clone();
    let annotations = check["output"]["annotations"]
        .as_array()
        .map_or(0, Vec::len);
    answer["output"]["annotations_count"] = annotations.into();
    answer
}
