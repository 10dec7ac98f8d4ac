//! The samples of each metric in four numbers, so that its history is read without whole runs.
//!
//! Must not replace the samples: what is judged, is judged by these.

use sqlx::AnyConnection;

use super::{BaselineStore, StoreError};
use crate::model::{MetricId, Run};

/// One metric of one run.
#[derive(Debug, PartialEq)]
pub(super) struct Summary {
    metric: String,
    samples: i64,
    median: f64,
    lowest: f64,
    highest: f64,
}

/// One metric of one stored run.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Point {
    /// Number of the run.
    pub id: i64,
    /// The commit it was measured on.
    #[sqlx(rename = "commit_hash")]
    pub commit: String,
    /// When, as RFC 3339 in UTC, to the second.
    pub measured_at: String,
    /// Class of the machine.
    pub machine: String,
    /// Name of the release it is the reference of; empty where it is of none.
    pub pinned: String,
    /// Number of samples: blocks, or one where the metric does not depend on a block.
    #[sqlx(try_from = "i64")]
    pub samples: u32,
    /// Median of the samples, in the unit of the metric.
    pub median: f64,
    /// The lowest sample.
    pub lowest: f64,
    /// The highest sample.
    pub highest: f64,
}

impl Summary {
    /// Those of a run.
    pub(super) fn all(run: &Run) -> Vec<Self> {
        let summaries = run.samples.iter().map(|(id, samples)| {
            let mut values = samples.values().to_vec();
            values.sort_by(f64::total_cmp);
            let middle = values.len() / 2;
            let upper = values[middle];
            let median = if values.len().is_multiple_of(2) {
                f64::midpoint(values[middle - 1], upper)
            } else {
                upper
            };
            Self {
                metric: id.to_string(),
                samples: i64::try_from(values.len()).unwrap_or(i64::MAX),
                median,
                lowest: values[0],
                highest: values[values.len() - 1],
            }
        });
        summaries.collect()
    }

    /// Adds it to the run with that number.
    pub(super) async fn insert(
        &self,
        run: i64,
        connection: &mut AnyConnection,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "insert into summaries (run_id, metric, samples, median, lowest, highest) \
             values ($1, $2, $3, $4, $5, $6)",
        )
        .bind(run)
        .bind(&self.metric)
        .bind(self.samples)
        .bind(self.median)
        .bind(self.lowest)
        .bind(self.highest)
        .execute(connection)
        .await?;
        Ok(())
    }
}

impl BaselineStore {
    /// What is stored of one metric, newest first.
    pub async fn history(
        &self,
        project: &str,
        metric: &MetricId,
        limit: u32,
    ) -> Result<Vec<Point>, StoreError> {
        sqlx::query_as(
            "select id, commit_hash, measured_at, machine, pinned, samples, median, lowest, \
             highest from runs join summaries on run_id = id \
             where project = $1 and metric = $2 order by measured_at desc, id desc limit $3",
        )
        .bind(project)
        .bind(metric.to_string())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(|source| self.failed("read the history of a metric in", source))
    }

    /// Adds what runs have none of that an earlier version has stored.
    pub(super) async fn summarise_the_unsummarised(&self) -> Result<(), StoreError> {
        let failed = |source| self.failed("prepare", source);
        let without: Vec<i64> = sqlx::query_scalar(
            "select id from runs where metrics > 0 \
             and not exists (select 1 from summaries where run_id = runs.id) order by id",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        for id in without {
            // A run that cannot be read is told when it is asked for.
            let Ok(run) = self.read(id).await else {
                continue;
            };
            self.summarise(id, &run).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn summarise(&self, id: i64, run: &Run) -> Result<(), sqlx::Error> {
        let mut transaction = self.begin().await?;
        let there: i64 = sqlx::query_scalar("select count(*) from summaries where run_id = $1")
            .bind(id)
            .fetch_one(&mut *transaction)
            .await?;
        if there == 0 {
            for summary in Summary::all(run) {
                summary.insert(id, &mut transaction).await?;
            }
        }
        transaction.commit().await
    }
}
