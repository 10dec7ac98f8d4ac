//! The check run: in progress while something is measured, always completed, with annotations.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::annotations::{self, Annotation};
use super::client::Client;
use super::error::GithubError;
use super::limits;
use super::marker::RunOrder;

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
}

/// Says that something is being measured.
pub async fn begin(client: &Client, run: &CheckRun<'_>) -> Result<(), GithubError> {
    let (own, newer) = existing(client, run).await?;
    if newer || own.is_some() {
        return Ok(());
    }
    let body = with(run, json!({ "status": "in_progress" }));
    client.post(WRITE, "/check-runs", &body).await.map(drop)
}

/// Completes the check run, or creates it completed. Returns false, and changes nothing, when a
/// newer run of the workflow has one for the same commit.
pub async fn complete(
    client: &Client,
    run: &CheckRun<'_>,
    completed: &Completed<'_>,
) -> Result<bool, GithubError> {
    let (own, newer) = existing(client, run).await?;
    if newer {
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
    let id = match own {
        Some(id) => {
            let route = format!("/check-runs/{id}");
            client.patch(WRITE, &route, &body).await?;
            id
        }
        None => create(client, run, &body).await?,
    };
    // Further annotations are added to those that are there.
    for batch in batches {
        let body = json!({ "output": output(batch) });
        let route = format!("/check-runs/{id}");
        client.patch_once(WRITE, &route, &body).await?;
    }
    Ok(true)
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
        let completed = find(client, run, |existing| existing.status == "completed").await?;
        if let (Some(id), _) = completed {
            return Ok(id);
        }
    }
    Err(lost.unwrap_or(GithubError::Contended))
}

/// The unfinished check run of this very run, and whether a newer run has one.
async fn existing(client: &Client, run: &CheckRun<'_>) -> Result<(Option<u64>, bool), GithubError> {
    // One that is completed has its annotations, and new ones would be added to them: a new
    // attempt gets a check run of its own, which GitHub shows in the place of the old.
    find(client, run, |existing| existing.status != "completed").await
}

async fn find(
    client: &Client,
    run: &CheckRun<'_>,
    wanted: impl Fn(&Existing) -> bool,
) -> Result<(Option<u64>, bool), GithubError> {
    let query: String = form_urlencoded::byte_serialize(run.name.as_bytes()).collect();
    let route = format!(
        "/commits/{}/check-runs?check_name={query}&filter=all&per_page=100",
        run.sha
    );
    let page: Page = client.get(LIST, &route).await?.read(LIST)?;
    let mine = external_id(run.order);
    let named = page.check_runs.iter().filter(|one| one.name == run.name);
    let mut own = None;
    let mut newer = false;
    for existing in named {
        let external = existing.external_id.as_deref().unwrap_or_default();
        if external == mine && wanted(existing) {
            own = Some(existing.id);
        }
        newer |= order_in(external).is_some_and(|order| order > run.order);
    }
    Ok((own, newer))
}

fn with(run: &CheckRun<'_>, mut body: Value) -> Value {
    let more = json!({
        "name": run.name,
        "head_sha": run.sha,
        "details_url": run.run_url,
        "external_id": external_id(run.order),
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}

fn external_id(order: RunOrder) -> String {
    format!("tollgate:{}.{}", order.run, order.attempt)
}

fn order_in(external_id: &str) -> Option<RunOrder> {
    let (run, attempt) = external_id.strip_prefix("tollgate:")?.split_once('.')?;
    Some(RunOrder {
        run: run.parse().ok()?,
        attempt: attempt.parse().ok()?,
    })
}
