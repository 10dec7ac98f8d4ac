//! The check run: in progress while something is measured, always completed, with annotations.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::acceptances;
use super::annotations::{self, Annotation};
use super::client::Client;
use super::error::GithubError;
use super::limits;
use super::marker::RunOrder;
use super::status::TWO_JOBS;

const LIST: &str = "list the check runs";
const WRITE: &str = "write the check run";

/// How a check run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// The gate lets it pass.
    Success,
    /// It passes, and there is something to know. Rules that require the check accept it.
    Neutral,
    /// The gate blocks it.
    Failure,
    /// There is no answer; rules that require the check do not accept that.
    ActionRequired,
    /// Nothing was measured, on purpose. Rules that require the check accept it.
    Skipped,
    /// Somebody stopped the job.
    Cancelled,
}

/// A check run.
#[derive(Debug)]
pub struct CheckRun<'a> {
    /// The commit it is about.
    pub sha: &'a str,
    /// What rules name it by.
    pub name: &'a str,
    /// The run of the workflow that says so.
    pub run_url: &'a str,
    /// That run in order.
    pub order: RunOrder,
    /// The job of it, where it publishes its own run.
    pub job: Option<&'a str>,
}

/// What it says in the end.
#[derive(Debug)]
pub struct Completed<'a> {
    /// How it ended.
    pub conclusion: Conclusion,
    /// One line.
    pub title: &'a str,
    /// The report, in Markdown.
    pub summary: &'a str,
    /// What stands beside lines of the change.
    pub annotations: &'a [Annotation],
}

#[derive(Debug, Deserialize)]
struct Page {
    check_runs: Vec<Existing>,
}

#[derive(Debug, Deserialize)]
struct Existing {
    id: u64,
    name: String,
    external_id: Option<String>,
    status: String,
    conclusion: Option<String>,
    details_url: Option<String>,
    started_at: Option<String>,
    output: Output,
}

#[derive(Debug, Deserialize)]
struct Output {
    title: Option<String>,
    summary: Option<String>,
}

impl Existing {
    fn order(&self) -> Option<RunOrder> {
        Some(order_in(self.external_id.as_deref()?)?.0)
    }

    fn job(&self) -> Option<&str> {
        order_in(self.external_id.as_deref()?)?.1
    }

    fn is_completed(&self) -> bool {
        self.status == "completed"
    }
}

/// Fresh looks before giving up. Each needs another run that writes at the same moment.
const ROUNDS: u32 = 8;
/// The most that GitHub gives at once.
const PER_PAGE: usize = 100;
/// GitHub keeps a thousand check runs of one name on a commit.
const PAGES: u32 = 10;

/// Says that something is being measured.
pub async fn begin(client: &Client, run: &CheckRun<'_>) -> Result<(), GithubError> {
    let all = list(client, run).await?;
    if is_newer(&all, run) || own(&all, run).next().is_some() {
        return Ok(());
    }
    let body = with(run, json!({ "status": "in_progress" }));
    client.post(WRITE, "/check-runs", &body).await?;
    heal(client, run).await
}

/// Completes the check run, or creates it completed. Returns false, and changes nothing, when a
/// newer run of the workflow has one for the same commit.
pub async fn complete(
    client: &Client,
    run: &CheckRun<'_>,
    completed: &Completed<'_>,
) -> Result<bool, GithubError> {
    let all = list(client, run).await?;
    if is_newer(&all, run) {
        return Ok(false);
    }
    let mut batches = completed.annotations.chunks(limits::ANNOTATIONS);
    let output = |batch: &[Annotation]| {
        let annotations: Vec<Value> = batch.iter().map(annotations::json).collect();
        json!({
            "title": limits::within(completed.title, limits::ANNOTATION_TITLE),
            "summary": limits::within(completed.summary, limits::CHECK_TEXT),
            "annotations": annotations,
        })
    };
    let body = with(
        run,
        json!({
            "status": "completed",
            "conclusion": completed.conclusion,
            "output": output(batches.next().unwrap_or_default()),
        }),
    );
    // More than one only where an answer was lost, or an older run made room.
    let mut unfinished: Vec<u64> = own(&all, run).map(|own| own.id).collect();
    if unfinished.is_empty() {
        // An earlier job of the run has begun it.
        let begun = all.iter().filter(|one| one.order() == Some(run.order));
        unfinished.extend(begun.filter(|one| !one.is_completed()).map(|one| one.id));
    }
    unfinished.sort_unstable();
    for id in &unfinished {
        let route = format!("/check-runs/{id}");
        client.patch(WRITE, &route, &body).await?;
    }
    let id = match unfinished.last() {
        Some(id) => *id,
        None => create(client, run, &body).await?,
    };
    // Further annotations are added to those that are there.
    for batch in batches {
        let body = json!({ "output": output(batch) });
        let route = format!("/check-runs/{id}");
        client.patch_once(WRITE, &route, &body).await?;
    }
    heal(client, run).await?;
    let all = list(client, run).await?;
    let Some(theirs) = other_job(&all, run) else {
        return Ok(true);
    };
    // Whichever of them is shown, it is no success.
    let body = json!({
        "status": "completed",
        "conclusion": Conclusion::ActionRequired,
        "output": { "title": TWO_JOBS, "summary": limits::within(completed.summary, limits::CHECK_TEXT) },
    });
    let both = all.iter().filter(|one| one.order() == Some(run.order));
    for one in both.filter(|one| one.is_completed()) {
        let route = format!("/check-runs/{}", one.id);
        client.patch(WRITE, &route, &body).await?;
    }
    Err(GithubError::TwoJobs {
        id: run.name.to_owned(),
        ours: run.job.unwrap_or_default().to_owned(),
        theirs,
    })
}

/// Another job of this very run that has completed a check run of the same name. One that has only
/// begun may have left the rest to us.
fn other_job(all: &[Existing], run: &CheckRun<'_>) -> Option<String> {
    let same = all.iter().filter(|one| one.order() == Some(run.order));
    same.filter(|one| one.is_completed())
        .filter_map(Existing::job)
        .find(|job| run.job.is_some_and(|own| own != *job))
        .map(str::to_owned)
}

/// GitHub shows the check run that was created last: where that is not of the newest run, because two
/// looked before either had created one, it is made to say what the newest run says.
async fn heal(client: &Client, run: &CheckRun<'_>) -> Result<(), GithubError> {
    for _ in 0..ROUNDS {
        let mut ours = list(client, run).await?;
        ours.retain(|one| one.order().is_some());
        let Some(shown) = ours.iter().max_by_key(|one| one.id) else {
            return Ok(());
        };
        let newest = ours.iter().map(Existing::order).max().flatten();
        // Of the newest run; where that is what is shown, the end of what has only begun there.
        let is_newest = shown.order() == newest;
        if is_newest && shown.is_completed() {
            return Ok(());
        }
        let better = ours.iter().filter(|one| {
            one.order() == newest
                && (!is_newest || (one.is_completed() && one.job() == shown.job()))
        });
        let Some(newest) = better.max_by_key(|one| (one.is_completed(), one.id)) else {
            return Ok(());
        };
        let mut body = json!({
            "name": run.name,
            "status": newest.status,
            "details_url": newest.details_url,
            "external_id": newest.external_id,
        });
        if newest.is_completed() {
            body["conclusion"] = json!(newest.conclusion);
            body["output"] = json!({
                "title": newest.output.title.as_deref().unwrap_or(run.name),
                "summary": newest.output.summary.as_deref().unwrap_or_default(),
            });
        }
        let route = format!("/check-runs/{}", shown.id);
        client.patch(WRITE, &route, &body).await?;
    }
    Err(GithubError::Contended)
}

/// Creates it. Where the answer is lost, it is looked for before it is created again.
async fn create(client: &Client, run: &CheckRun<'_>, body: &Value) -> Result<u64, GithubError> {
    #[derive(Deserialize)]
    struct Created {
        id: u64,
    }
    let mut lost = None;
    for _ in 0..=client.pace.repetitions {
        match client.post(WRITE, "/check-runs", body).await {
            Ok(answer) => return answer.read(WRITE).map(|created: Created| created.id),
            Err(error @ GithubError::Unreachable { .. }) => lost = Some(error),
            Err(error) => return Err(error),
        }
        let all = list(client, run).await?;
        let completed = mine(&all, run).find(|one| one.is_completed());
        if let Some(completed) = completed {
            return Ok(completed.id);
        }
    }
    Err(lost.unwrap_or(GithubError::Contended))
}

/// Those of this very job.
fn mine<'e>(all: &'e [Existing], run: &CheckRun<'e>) -> impl Iterator<Item = &'e Existing> {
    let (order, job) = (run.order, run.job);
    all.iter()
        .filter(move |one| one.order() == Some(order) && one.job() == job)
}

/// Those that are not finished. One that is completed has its annotations, and new ones would be
/// added to them: a new attempt gets a check run of its own, which GitHub shows in the place of the
/// old.
fn own<'e>(all: &'e [Existing], run: &CheckRun<'e>) -> impl Iterator<Item = &'e Existing> {
    mine(all, run).filter(|one| !one.is_completed())
}

fn is_newer(all: &[Existing], run: &CheckRun<'_>) -> bool {
    all.iter().any(|one| one.order() > Some(run.order))
}

async fn list(client: &Client, run: &CheckRun<'_>) -> Result<Vec<Existing>, GithubError> {
    of_commit(client, run.sha, run.name).await
}

async fn of_commit(client: &Client, sha: &str, name: &str) -> Result<Vec<Existing>, GithubError> {
    let query: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    let mut all = Vec::new();
    for page in 1..=PAGES {
        let route = format!(
            "/commits/{sha}/check-runs?check_name={query}&filter=all&per_page={PER_PAGE}&page={page}"
        );
        let found: Page = client.get(LIST, &route).await?.read(LIST)?;
        let is_last = found.check_runs.len() < PER_PAGE;
        all.extend(found.check_runs);
        if is_last {
            break;
        }
    }
    all.retain(|one| one.name == name);
    Ok(all)
}

/// Whether a commit had a check run of this name before a time, by GitHub's clock. Where the token may
/// not see check runs, there is none.
pub async fn was_there(
    client: &Client,
    sha: &str,
    name: &str,
    before: OffsetDateTime,
) -> Result<bool, GithubError> {
    let existing = match of_commit(client, sha, name).await {
        Ok(existing) => existing,
        Err(error) if error.is_forbidden() => return Ok(false),
        Err(error) => return Err(error),
    };
    for at in existing.iter().filter_map(|one| one.started_at.as_deref()) {
        if acceptances::time(at)? < before {
            return Ok(true);
        }
    }
    Ok(false)
}

fn with(run: &CheckRun<'_>, mut body: Value) -> Value {
    let more = json!({
        "name": run.name,
        "head_sha": run.sha,
        "details_url": run.run_url,
        "external_id": external_id(run),
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}

fn external_id(run: &CheckRun<'_>) -> String {
    let RunOrder {
        run: number,
        attempt,
    } = run.order;
    let job = run.job.map(|job| format!(":{job}")).unwrap_or_default();
    format!("tollgate:{number}.{attempt}{job}")
}

/// The run and the job of it.
fn order_in(external_id: &str) -> Option<(RunOrder, Option<&str>)> {
    let rest = external_id.strip_prefix("tollgate:")?;
    let (order, job) = match rest.split_once(':') {
        Some((order, job)) => (order, Some(job)),
        None => (rest, None),
    };
    let (run, attempt) = order.split_once('.')?;
    let order = RunOrder {
        run: run.parse().ok()?,
        attempt: attempt.parse().ok()?,
    };
    Some((order, job))
}
