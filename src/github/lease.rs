//! One run at a time may change a comment: the run whose 👀 stands below it.
//!
//! GitHub has no conditional write for comments, so two runs that both read an old comment would
//! overwrite one another in either order. But it creates a reaction only once for a user, and
//! says whether it did (201) or it was there already (200). That makes it a lock. A run that died
//! with the lock loses it after [`Pace::lease`](super::Pace), and a living one does not write any
//! more in the last 40 % of that time: 16 s, while GitHub ends every request after 10 s.

use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::client::Client;
use super::error::GithubError;

/// The reaction that is the lock.
const SIGN: &str = "eyes";
/// The share of the lease in which its holder may begin a write.
const USABLE: f64 = 0.6;
/// Leases of others that are waited for before giving up.
const PATIENCE: u32 = 4;
const WHAT: &str = "mark the comment as being changed";

/// The right to change a comment.
#[derive(Debug)]
pub(super) struct Lease {
    comment: u64,
    /// None where the token may not react: then there is no lock, and everything else works.
    reaction: Option<u64>,
    until: Instant,
}

#[derive(Deserialize)]
struct Reaction {
    id: u64,
}

impl Lease {
    /// Waits for the right to change a comment; none when there is no such comment any more.
    pub(super) async fn of(client: &Client, comment: u64) -> Result<Option<Self>, GithubError> {
        let pace = client.pace;
        let route = format!("/issues/comments/{comment}/reactions");
        let sign = json!({ "content": SIGN });
        let deadline = Instant::now() + pace.lease * PATIENCE;
        let mut other: Option<(u64, Instant)> = None;
        loop {
            let asked = Instant::now();
            let held = |reaction| {
                Some(Self {
                    comment,
                    reaction,
                    until: asked + pace.lease.mul_f64(USABLE),
                })
            };
            let answer = match client.post_again(WHAT, &route, &sign).await {
                Ok(answer) => answer,
                Err(error) => match error.status() {
                    Some(404 | 410) => return Ok(None),
                    Some(_) => return Ok(held(None)),
                    None => return Err(error),
                },
            };
            let is_new = answer.status == http::StatusCode::CREATED;
            let Reaction { id } = answer.read(WHAT)?;
            if is_new {
                return Ok(held(Some(id)));
            }
            let now = Instant::now();
            match other {
                Some((same, since)) if same == id && now - since >= pace.lease => {
                    client.delete(WHAT, &format!("{route}/{id}")).await?;
                    other = None;
                }
                Some((same, _)) if same == id => tokio::time::sleep(pace.glance).await,
                Some(_) | None => {
                    other = Some((id, now));
                    tokio::time::sleep(pace.glance).await;
                }
            }
            if Instant::now() > deadline {
                return Err(GithubError::Contended);
            }
        }
    }

    /// Whether a write may still begin.
    pub(super) fn is_usable(&self) -> bool {
        Instant::now() < self.until
    }

    /// Lets the next one write. A failure costs the next one some patience, and nothing else.
    pub(super) async fn release(self, client: &Client) {
        if let Some(id) = self.reaction {
            let route = format!("/issues/comments/{}/reactions/{id}", self.comment);
            let _expires = client.delete(WHAT, &route).await;
        }
    }
}
