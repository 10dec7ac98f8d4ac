//! Who let which regression through, and why.
//!
//! Recorded once, however often it is seen. Must not decide whether it holds.

use serde::{Deserialize, Serialize};

use super::{BaselineStore, StoreError};

/// A regression that was let through, for one commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AcceptedOnce {
    /// The commit it holds for.
    #[sqlx(rename = "commit_hash")]
    pub commit: String,
    /// The metric.
    pub metric: String,
    /// The largest change that is let through, as a share; none for any.
    pub ceiling: Option<f64>,
    /// Who.
    #[sqlx(rename = "accepted_by")]
    pub by: String,
    /// Why.
    #[sqlx(rename = "reason")]
    pub because: String,
    /// When it was recorded, as RFC 3339 in UTC.
    #[sqlx(rename = "accepted_at")]
    pub at: String,
}

impl BaselineStore {
    /// Records it, unless it is recorded already.
    pub async fn record(&self, project: &str, accepted: &AcceptedOnce) -> Result<(), StoreError> {
        sqlx::query(
            "insert into acceptances \
             (project, commit_hash, metric, ceiling, accepted_by, reason, accepted_at) \
             values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
        )
        .bind(project)
        .bind(&accepted.commit)
        .bind(&accepted.metric)
        .bind(accepted.ceiling)
        .bind(&accepted.by)
        .bind(&accepted.because)
        .bind(&accepted.at)
        .execute(&self.pool)
        .await
        .map_err(|source| self.failed("record an acceptance in", source))?;
        Ok(())
    }

    /// What was accepted in a project, newest first.
    pub async fn accepted(&self, project: &str) -> Result<Vec<AcceptedOnce>, StoreError> {
        sqlx::query_as(
            "select commit_hash, metric, ceiling, accepted_by, reason, accepted_at \
             from acceptances where project = $1 order by accepted_at desc, id desc",
        )
        .bind(project)
        .fetch_all(&self.pool)
        .await
        .map_err(|source| self.failed("list what was accepted in", source))
    }
}
