//! A run as a row: its JSON, and the columns it is found and listed by.
//!
//! Must not let anything through that could not be read again.

use sqlx::AnyConnection;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::error::StoreError;
use super::summaries::Summary;
use crate::model::{Run, RunFile};

/// A run, ready to be written.
#[derive(Debug)]
pub(super) struct Row {
    commit: String,
    parent: String,
    tree: String,
    label: String,
    measured_at: String,
    machine: String,
    metrics: i64,
    body: String,
    summaries: Vec<Summary>,
}

impl Row {
    /// The row of a run, or why it cannot be stored.
    pub(super) fn of(run: &Run, parent: &str) -> Result<Self, StoreError> {
        Ok(Self {
            commit: run.revision.commit.clone(),
            parent: parent.to_owned(),
            tree: run.revision.tree.clone(),
            label: run.revision.label.clone(),
            measured_at: sortable_time(run)?,
            machine: run.machine.class(),
            metrics: i64::try_from(run.samples.len()).unwrap_or(i64::MAX),
            body: readable_body(run)?,
            summaries: Summary::all(run),
        })
    }

    /// Adds the row; it counts once the transaction is committed.
    pub(super) async fn insert(
        &self,
        project: &str,
        connection: &mut AnyConnection,
    ) -> Result<i64, sqlx::Error> {
        let id = sqlx::query_scalar(
            "insert into runs (project, commit_hash, tree_hash, label, measured_at, machine, \
             metrics, format, body, parent_hash) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning id",
        )
        .bind(project)
        .bind(&self.commit)
        .bind(&self.tree)
        .bind(&self.label)
        .bind(&self.measured_at)
        .bind(&self.machine)
        .bind(self.metrics)
        .bind(i64::from(RunFile::FORMAT))
        .bind(&self.body)
        .bind(&self.parent)
        .fetch_one(&mut *connection)
        .await?;
        for summary in &self.summaries {
            summary.insert(id, connection).await?;
        }
        Ok(id)
    }
}

/// The time in UTC and whole seconds: always of the same length, so that text sorts by time.
fn sortable_time(run: &Run) -> Result<String, StoreError> {
    let not_a_time = || StoreError::Time {
        commit: run.revision.commit.clone(),
        measured_at: run.measured_at.clone(),
    };
    let time = OffsetDateTime::parse(&run.measured_at, &Rfc3339).map_err(|_| not_a_time())?;
    let seconds = time.to_offset(UtcOffset::UTC).truncate_to_second();
    seconds.format(&Rfc3339).map_err(|_| not_a_time())
}

/// The run as JSON that was read back once: JSON has no word for NaN, which is written as `null`
/// and is no number when it is read. Samples exclude it, evidence does not.
fn readable_body(run: &Run) -> Result<String, StoreError> {
    let unstorable = |source| StoreError::Unstorable {
        commit: run.revision.commit.clone(),
        source,
    };
    let body = serde_json::to_string(run).map_err(unstorable)?;
    serde_json::from_str::<Run>(&body).map_err(unstorable)?;
    Ok(body)
}
