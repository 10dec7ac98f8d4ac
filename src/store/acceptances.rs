//! Who let which regression through, and why.
//!
//! Recorded once, however often it is seen. Must not decide whether it holds.

use serde::{Deserialize, Serialize};

use super::{BaselineStore, StoreError};
use crate::model::Worse;

/// A regression that was let through, for one commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AcceptedOnce {
    /// The commit it holds for.
    #[sqlx(rename = "commit_hash")]
    pub commit: String,
    /// The metric.
    pub metric: String,
    /// The largest change that is let through, as a share; none for what was measured.
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
    /// On which pull request; none for what a command line let through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<i64>,
    /// How much worse it was measured on that commit, as a share: what is let through where there
    /// is no ceiling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<f64>,
    /// The same of growth from zero, of which there is no share: in the metric's unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<f64>,
    /// The commit that GitHub merged the pull request as, where that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_as: Option<String>,
    /// What GitHub said of that pull request.
    #[serde(default, skip_serializing_if = "Merging::is_not_asked")]
    #[sqlx(try_from = "Option<String>")]
    pub merging: Merging,
}

/// What GitHub said of the pull request of an acceptance, in the order in which it is asked again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Merging {
    /// Nobody has asked.
    #[default]
    NotAsked,
    /// It is open.
    Open,
    /// It was closed and not merged.
    Closed,
    /// It was merged, and the accepted commit was its newest.
    Merged,
    /// It was merged with a newer commit than the accepted one.
    Superseded,
}

impl Merging {
    /// What is not asked again.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Merged | Self::Superseded)
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the form that serde asks for"
    )]
    fn is_not_asked(&self) -> bool {
        *self == Self::NotAsked
    }

    fn word(self) -> Option<&'static str> {
        match self {
            Self::NotAsked => None,
            Self::Open => Some("open"),
            Self::Closed => Some("closed"),
            Self::Merged => Some("merged"),
            Self::Superseded => Some("superseded"),
        }
    }
}

impl TryFrom<Option<String>> for Merging {
    type Error = String;

    fn try_from(word: Option<String>) -> Result<Self, Self::Error> {
        let all = [
            Self::NotAsked,
            Self::Open,
            Self::Closed,
            Self::Merged,
            Self::Superseded,
        ];
        let known = all.into_iter().find(|one| one.word() == word.as_deref());
        known.ok_or_else(|| {
            format!(
                "`{}` is no state of a pull request",
                word.unwrap_or_default()
            )
        })
    }
}

impl AcceptedOnce {
    /// How much worse it was measured on that commit, as far as that is known. Of growth from zero earlier
    /// versions recorded `f64::MAX`, which says nothing.
    pub fn worse(&self) -> Worse {
        Worse::of(self.measured, self.added)
    }

    /// The same with what was measured.
    #[must_use]
    pub fn with(self, worse: Worse) -> Self {
        let worse = worse.remembered();
        Self {
            measured: worse.share,
            added: worse.added,
            ..self
        }
    }

    /// Whether both are one acceptance, seen twice.
    pub fn is_same(&self, other: &Self) -> bool {
        self.commit == other.commit
            && self.metric == other.metric
            && self.ceiling == other.ceiling
            && self.by == other.by
            && self.because == other.because
    }

    /// Takes over what is only known of the same acceptance seen elsewhere.
    pub fn learn(&mut self, other: &Self) {
        self.pull_request = self.pull_request.or(other.pull_request);
        if !self.worse().is_known() {
            (self.measured, self.added) = (other.measured, other.added);
        }
        self.merged_as = self.merged_as.take().or_else(|| other.merged_as.clone());
        if !self.merging.is_final() && other.merging != Merging::NotAsked {
            self.merging = other.merging;
        }
    }
}

impl BaselineStore {
    /// Records it, or what is new of one that is recorded already.
    pub async fn record(&self, project: &str, accepted: &AcceptedOnce) -> Result<(), StoreError> {
        let recorded = async {
            let mut transaction = self.begin().await?;
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
            // A server keeps of a statement the types of its first values, and of none it knows no type.
            .persistent(false)
            .execute(&mut *transaction)
            .await?;
            sqlx::query(
                "update acceptances set pull_request = coalesce(pull_request, $7), \
                 measured = case when measured is null and added is null then $8 else measured end, \
                 added = case when measured is null and added is null then $11 else added end, \
                 merged_as = coalesce(merged_as, $9), \
                 merging = case when merging in ('merged', 'superseded') then merging \
                 else coalesce($10, merging) end \
                 where project = $1 and commit_hash = $2 and metric = $3 and accepted_by = $4 \
                 and reason = $5 and coalesce(ceiling, -1.0) = $6",
            )
            .bind(project)
            .bind(&accepted.commit)
            .bind(&accepted.metric)
            .bind(&accepted.by)
            .bind(&accepted.because)
            .bind(accepted.ceiling.unwrap_or(-1.0))
            .bind(accepted.pull_request)
            .bind(accepted.worse().share)
            .bind(&accepted.merged_as)
            .bind(accepted.merging.word())
            .bind(accepted.worse().added)
            .persistent(false)
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await
        };
        recorded
            .await
            .map_err(|source| self.failed("record an acceptance in", source))
    }

    /// What was accepted in a project, newest first.
    pub async fn accepted(&self, project: &str) -> Result<Vec<AcceptedOnce>, StoreError> {
        sqlx::query_as(
            "select commit_hash, metric, ceiling, accepted_by, reason, accepted_at, \
             pull_request, measured, added, merged_as, merging \
             from acceptances where project = $1 order by accepted_at desc, id desc",
        )
        .bind(project)
        .fetch_all(&self.pool)
        .await
        .map_err(|source| self.failed("list what was accepted in", source))
    }
}
