//! The commit status: what a branch protection rule can require, with one line of text.

use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::acceptances;
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
    /// The job of it, where it publishes its own run.
    pub job: Option<&'a str>,
}

/// What a status says where two jobs of one run set it.
pub const TWO_JOBS: &str = "two jobs of this run publish under this name: give each an `id`";

/// One that is there.
#[derive(Debug, Clone, Deserialize)]
struct Existing {
    id: u64,
    context: String,
    state: String,
    description: Option<String>,
    target_url: Option<String>,
    created_at: String,
}

impl Existing {
    fn is_done(&self) -> bool {
        self.state != State::Pending.word()
    }

    /// Whether it says of a whole run, and not of one of its jobs, that there is no verdict: what
    /// `action/settle.sh` writes once the jobs are over.
    fn settles(&self) -> bool {
        let is_of_job = self
            .target_url
            .as_deref()
            .is_some_and(|url| url.contains('#'));
        self.state == State::Error.word() && !is_of_job
    }
}

/// Fresh looks before giving up. Each needs another run that writes at the same moment.
const ROUNDS: u32 = 8;

/// Sets the status, unless a newer run has set it. Returns whether it stands.
///
/// GitHub shows what was written last, and knows no condition for a write: so everybody looks
/// again after writing, and says once more what the newest run said where that is not what came last.
pub async fn publish(client: &Client, status: &Status<'_>) -> Result<bool, GithubError> {
    let own = body(status, status.state, status.description);
    let existing = match list(client, status).await {
        Ok(existing) => existing,
        // A token that may write statuses but not read them sets its own.
        Err(error) if error.is_forbidden() => {
            return write(client, status, &own).await.map(|_| true);
        }
        Err(error) => return Err(error),
    };
    // Then it says nothing of its own, and still puts right what an older run has written last.
    let is_superseded = existing
        .iter()
        .any(|one| order_of(Some(one)) > Some(status.order));
    let judges = status.state != State::Pending && !is_superseded;
    let mut other = other_job(&existing, status).filter(|_| judges);
    if other.is_some() {
        write(client, status, &contested(status)).await?;
    } else if !is_superseded {
        write(client, status, &own).await?;
    }
    let mut copies = Vec::new();
    for _ in 0..ROUNDS {
        let existing = list(client, status).await?;
        if judges && other.is_none() {
            other = other_job(&existing, status);
            if other.is_some() {
                write(client, status, &contested(status)).await?;
                continue;
            }
        }
        let newest = newest(&existing, &copies);
        let stands = order_of(newest) == Some(status.order);
        if let (Some(newest), Some(last)) = (newest, existing.first())
            && says(newest) != says(last)
        {
            let copy = json!({
                "state": newest.state,
                "context": newest.context,
                "description": newest.description,
                "target_url": newest.target_url,
            });
            copies.push(write(client, status, &copy).await?);
            continue;
        }
        return match other {
            Some(theirs) => Err(GithubError::TwoJobs {
                id: status.context.to_owned(),
                ours: status.job.unwrap_or_default().to_owned(),
                theirs,
            }),
            None => Ok(stands),
        };
    }
    Err(GithubError::Contended)
}

fn body(status: &Status<'_>, state: State, description: &str) -> Value {
    let url = match status.job {
        Some(job) => format!("{}#{job}", status.run_url),
        None => status.run_url.to_owned(),
    };
    json!({
        "state": state.word(),
        "context": status.context,
        "description": limits::within(description, limits::STATUS),
        "target_url": url,
    })
}

/// What stands where two jobs of one run say different things: no success.
fn contested(status: &Status<'_>) -> Value {
    body(status, State::Error, TWO_JOBS)
}

/// Another job of this very run that has said how it ended under the same name. One that has only
/// begun may have left the rest to us.
fn other_job(existing: &[Existing], status: &Status<'_>) -> Option<String> {
    let same = existing
        .iter()
        .filter(|one| order_of(Some(one)) == Some(status.order))
        .filter(|one| one.is_done());
    let jobs = same.filter_map(|one| one.target_url.as_deref()?.rsplit_once('#'));
    jobs.map(|(_, job)| job)
        .find(|job| status.job.is_some_and(|own| own != *job))
        .map(str::to_owned)
}

/// The statuses of its context, the last one first.
async fn list(client: &Client, status: &Status<'_>) -> Result<Vec<Existing>, GithubError> {
    of_commit(client, status.sha, status.context).await
}

async fn of_commit(
    client: &Client,
    sha: &str,
    context: &str,
) -> Result<Vec<Existing>, GithubError> {
    let route = format!("/commits/{sha}/statuses");
    let mut existing: Vec<Existing> = client.list(LIST, &route).await?;
    existing.retain(|one| one.context == context);
    Ok(existing)
}

/// Whether a commit had such a status before a time, by GitHub's clock; with `judged` only a verdict is
/// one. Where the token may not see statuses, there is none.
pub async fn was_there(
    client: &Client,
    sha: &str,
    context: &str,
    before: OffsetDateTime,
    judged: bool,
) -> Result<bool, GithubError> {
    let existing = match of_commit(client, sha, context).await {
        Ok(existing) => existing,
        Err(error) if error.is_forbidden() => return Ok(false),
        Err(error) => return Err(error),
    };
    let verdicts = [State::Success.word(), State::Failure.word()];
    let counts = |one: &&Existing| !judged || verdicts.contains(&one.state.as_str());
    for one in existing.iter().filter(counts) {
        if acceptances::time(&one.created_at)? < before {
            return Ok(true);
        }
    }
    Ok(false)
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

/// What the newest run said last. That a job is done comes after that it has begun, whoever repeated
/// the latter: what only began is nothing to go back to once it is over.
fn newest<'e>(existing: &'e [Existing], copies: &[u64]) -> Option<&'e Existing> {
    let said = || existing.iter().filter(|one| !copies.contains(&one.id));
    let order = said().map(|one| order_of(Some(one))).max()?;
    let of_run: Vec<_> = said().filter(|one| order_of(Some(one)) == order).collect();
    let last = *of_run.first()?;
    if last.is_done() {
        return Some(last);
    }
    let ended = of_run
        .iter()
        .find(|one| one.is_done() && (one.target_url == last.target_url || one.settles()));
    if let Some(ended) = ended {
        return Some(ended);
    }
    // Somebody who names no run has ended it: a person, or another workflow that knew it was lost.
    let begun = of_run.iter().rfind(|one| one.target_url == last.target_url);
    let over = said()
        .take_while(|one| begun.is_some_and(|begun| one.id != begun.id))
        .find(|one| one.is_done() && order_of(Some(one)).is_none());
    Some(over.unwrap_or(last))
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
    let url = url.split_once('#').map_or(url, |(url, _job)| url);
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
            created_at: String::new(),
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
        // Another job of the same run has only begun.
        let mut begun = said(7, 8, "pending");
        begun.target_url = begun.target_url.map(|url| url + "#web.0123abcd");
        let both = [begun, said(6, 8, "success")];
        assert_eq!(newest(&both, &[]).map(|one| one.id), Some(7));
    }

    #[test]
    fn nothing_that_only_began_is_gone_back_to_once_it_is_over() {
        let said = |id, state: &str, url: Option<&str>| Existing {
            created_at: String::new(),
            id,
            context: "tollgate".to_owned(),
            state: state.to_owned(),
            description: None,
            target_url: url.map(|url| format!("https://github.com/o/r/actions/runs/{url}")),
        };
        let first = Some("7/attempts/1#app.0123abcd");
        let second = Some("7/attempts/2#app.4567cdef");
        let lost = [said(2, "pending", second), said(1, "failure", first)];
        let number = |after: Vec<Existing>| {
            let existing = [after, lost.to_vec()].concat();
            newest(&existing, &[]).map(|one| one.id)
        };
        // The older attempt was only late: the newer one still measures.
        assert_eq!(number(vec![said(3, "success", first)]), Some(2));
        // It was settled; what repeats its beginning later changes nothing.
        let settled = || said(3, "error", Some("7/attempts/2"));
        assert_eq!(number(vec![settled()]), Some(3));
        let late = vec![
            said(5, "pending", second),
            said(4, "success", first),
            settled(),
        ];
        assert_eq!(number(late), Some(3));
        // The same where who ended it names no run.
        let ended = || said(3, "error", None);
        assert_eq!(number(vec![said(4, "success", first), ended()]), Some(3));
        let late = vec![
            said(5, "pending", second),
            said(4, "success", first),
            ended(),
        ];
        assert_eq!(number(late), Some(3));
        // What somebody ended before it began is something else.
        let earlier = [said(9, "pending", second), said(8, "error", None)];
        assert_eq!(newest(&earlier, &[]).map(|one| one.id), Some(9));
    }

    #[test]
    fn the_run_is_found_in_its_address() {
        let order = order_in("https://github.com/o/r/actions/runs/12/attempts/2");
        let wanted = RunOrder {
            run: 12,
            attempt: 2,
        };
        assert_eq!(order, Some(wanted));
        let of_job = order_in("https://github.com/o/r/actions/runs/12/attempts/2#web.0123abcd");
        assert_eq!(of_job, Some(wanted));
        assert_eq!(order_in("https://ci.example/12"), None);
    }
}
