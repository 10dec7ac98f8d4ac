//! Runs kept in SQLite or PostgreSQL, so that head has a reference when base cannot be measured.
//!
//! Kept per run: the whole [`Run`] as JSON — revision, machine, samples, histograms — and beside it
//! what a run is found or listed by: project, commit, parent, tree, label, time, class of machine,
//! number of metrics, format of the JSON, and of each metric a summary of its samples. Runs are
//! added and never changed; only [`BaselineStore::prune`] removes some, and never a pinned one. An
//! empty answer means that nothing was stored: a file that is damaged, cut off, foreign or from a
//! newer version is an error.
//!
//! Must not judge a run, nor ask git for ancestors: the caller brings them. Imports only the
//! model. The SQL is what SQLite and PostgreSQL share, except in `open.rs`.

mod acceptances;
mod error;
mod location;
mod open;
mod row;
mod summaries;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;

use sqlx::AnyPool;

use crate::model::{Baseline, Run, RunFile};

pub use acceptances::{AcceptedOnce, Merging};
pub use error::StoreError;
pub use location::{Address, Location};
use row::Row;
pub use summaries::Point;

/// The stored runs of any number of projects.
#[derive(Debug)]
pub struct BaselineStore {
    pool: AnyPool,
    /// Where it is, as it is named in messages.
    path: PathBuf,
    is_file: bool,
}

/// A line of the history: what is known of a stored run without reading it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct StoredRun {
    /// Number of the run, unique in its file.
    pub id: i64,
    /// The commit it was measured on.
    #[sqlx(rename = "commit_hash")]
    pub commit: String,
    /// Its first parent; empty where that is not known.
    #[sqlx(rename = "parent_hash")]
    pub parent: String,
    /// Name of the release it is the reference of; empty where it is of none.
    pub pinned: String,
    /// What the revision was called.
    pub label: String,
    /// When it was measured, as RFC 3339 in UTC, to the second.
    pub measured_at: String,
    /// Class of the machine, for example `4 × AMD EPYC 7763, 16 GiB`.
    pub machine: String,
    /// Number of metrics it has samples of.
    #[sqlx(try_from = "i64")]
    pub metrics: u32,
}

impl BaselineStore {
    /// Opens the history at `location`; a missing folder or file is created.
    pub async fn connect(location: &Location) -> Result<Self, StoreError> {
        let store = match location {
            Location::Sqlite(path) => Self {
                pool: open::open(path).await?,
                path: path.clone(),
                is_file: true,
            },
            Location::Postgres(address) => Self {
                pool: open::open_server(address).await?,
                path: PathBuf::from(address.place()),
                is_file: false,
            },
        };
        store.summarise_the_unsummarised().await?;
        Ok(store)
    }

    /// Stores a run and returns its number. It is on disk, whole, when this returns. `parent` is
    /// the first parent of its commit, where that is known.
    pub async fn append(
        &self,
        project: &str,
        run: &Run,
        parent: Option<&str>,
    ) -> Result<i64, StoreError> {
        let row = Row::of(run, parent.unwrap_or_default())?;
        let id = self
            .insert_row(project, &row)
            .await
            .map_err(|source| self.failed("add a run to", source))?;
        if self.is_file {
            open::fold_log(&self.pool).await;
        }
        Ok(id)
    }

    /// Makes a run the reference of a release: it stays, and a refresh is compared with it. A name
    /// belongs to one run. Returns whether there is such a run.
    pub async fn pin(&self, project: &str, id: i64, name: &str) -> Result<bool, StoreError> {
        let changed = async {
            let mut transaction = self.begin().await?;
            sqlx::query("update runs set pinned = '' where project = $1 and pinned = $2")
                .bind(project)
                .bind(name)
                .execute(&mut *transaction)
                .await?;
            let changed = sqlx::query("update runs set pinned = $3 where project = $1 and id = $2")
                .bind(project)
                .bind(id)
                .bind(name)
                .execute(&mut *transaction)
                .await?;
            if changed.rows_affected() > 0 {
                transaction.commit().await?;
            }
            Ok(changed.rows_affected() > 0)
        };
        changed
            .await
            .map_err(|source| self.failed("pin a run in", source))
    }

    /// The pinned runs of a project with their names, newest first.
    pub async fn pinned(&self, project: &str) -> Result<Vec<(String, Run)>, StoreError> {
        let found: Vec<(i64, String)> = sqlx::query_as(
            "select id, pinned from runs where project = $1 and pinned <> '' \
             order by measured_at desc, id desc",
        )
        .bind(project)
        .fetch_all(&self.pool)
        .await
        .map_err(|source| self.failed("list the pinned runs in", source))?;
        let mut runs = Vec::new();
        for (id, name) in found {
            runs.push((name, self.read(id).await?));
        }
        Ok(runs)
    }

    /// Removes all but the newest `keep` runs of a project, and the pinned ones. Returns how many
    /// are gone.
    pub async fn prune(&self, project: &str, keep: u32) -> Result<u64, StoreError> {
        let removed = sqlx::query(
            "delete from runs where project = $1 and pinned = '' and id not in (select id from \
             runs where project = $1 order by measured_at desc, id desc limit $2)",
        )
        .bind(project)
        .bind(i64::from(keep))
        .execute(&self.pool)
        .await
        .map_err(|source| self.failed("remove old runs from", source))?;
        Ok(removed.rows_affected())
    }

    /// The newest run of the nearest stored ancestor. `ancestors` are commits, nearest first; the
    /// position of a commit in it is its distance.
    pub async fn nearest(
        &self,
        project: &str,
        ancestors: &[String],
    ) -> Result<Option<Baseline>, StoreError> {
        // The stored commits come out of an index and are few; the ancestors may be the whole
        // history of a repository, more than a query takes as arguments.
        let stored = self.commits(project).await?;
        let Some(position) = ancestors.iter().position(|commit| stored.contains(commit)) else {
            return Ok(None);
        };
        let run = self.newest_of(project, &ancestors[position]).await?;
        Ok(run.map(|run| Baseline {
            run,
            distance: u32::try_from(position).unwrap_or(u32::MAX),
        }))
    }

    /// The newest runs of these ancestors, at most `limit`, newest first: what is usual.
    pub async fn series(
        &self,
        project: &str,
        ancestors: &[String],
        limit: usize,
    ) -> Result<Vec<Run>, StoreError> {
        let stored: Vec<(i64, String)> = sqlx::query_as(
            "select id, commit_hash from runs where project = $1 order by measured_at desc, id desc",
        )
        .bind(project)
        .fetch_all(&self.pool)
        .await
        .map_err(|source| self.failed("list the runs in", source))?;
        let ancestors: BTreeSet<&String> = ancestors.iter().collect();
        let chosen = stored
            .iter()
            .filter(|(_, commit)| ancestors.contains(commit))
            .take(limit);
        let mut runs = Vec::new();
        for (id, _) in chosen {
            runs.push(self.read(*id).await?);
        }
        Ok(runs)
    }

    /// The stored runs of a project, newest first.
    pub async fn list(&self, project: &str, limit: u32) -> Result<Vec<StoredRun>, StoreError> {
        sqlx::query_as(
            "select id, commit_hash, parent_hash, pinned, label, measured_at, machine, metrics from runs \
             where project = $1 order by measured_at desc, id desc limit $2",
        )
        .bind(project)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(|source| self.failed("list the runs in", source))
    }

    /// The run with that number, or else the newest run of the commit that starts with
    /// `reference`, which takes four characters or more.
    pub async fn show(&self, project: &str, reference: &str) -> Result<Option<Run>, StoreError> {
        if let Ok(id) = reference.parse()
            && let Some(id) = self.own_id(project, id).await?
        {
            return self.read(id).await.map(Some);
        }
        match self.commit_starting_with(project, reference).await? {
            Some(commit) => self.newest_of(project, &commit).await,
            None => Ok(None),
        }
    }

    /// Closes the file. Call it before the file is copied: what SQLite keeps beside it is then
    /// folded in and gone.
    pub async fn close(self) {
        self.pool.close().await;
    }

    async fn insert_row(&self, project: &str, row: &Row) -> Result<i64, sqlx::Error> {
        let mut transaction = self.begin().await?;
        let id = row.insert(project, &mut transaction).await?;
        transaction.commit().await?;
        Ok(id)
    }

    async fn commits(&self, project: &str) -> Result<BTreeSet<String>, StoreError> {
        let commits: Vec<String> =
            sqlx::query_scalar("select distinct commit_hash from runs where project = $1")
                .bind(project)
                .fetch_all(&self.pool)
                .await
                .map_err(|source| self.failed("look up the commits in", source))?;
        Ok(commits.into_iter().collect())
    }

    async fn commit_starting_with(
        &self,
        project: &str,
        prefix: &str,
    ) -> Result<Option<String>, StoreError> {
        if prefix.chars().count() < SHORTEST_PREFIX {
            // A number that is not there is absent, not too short.
            return match prefix.parse::<u32>() {
                Ok(_) => Ok(None),
                Err(_) => Err(StoreError::ShortReference {
                    reference: prefix.to_owned(),
                }),
            };
        }
        let mut candidates = self.commits(project).await?;
        candidates.retain(|commit| commit.starts_with(prefix));
        if candidates.len() > 1 {
            return Err(StoreError::ambiguous(prefix, &candidates));
        }
        Ok(candidates.pop_first())
    }

    async fn own_id(&self, project: &str, id: i64) -> Result<Option<i64>, StoreError> {
        sqlx::query_scalar("select id from runs where project = $1 and id = $2")
            .bind(project)
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(|source| self.failed("look up a run in", source))
    }

    async fn newest_of(&self, project: &str, commit: &str) -> Result<Option<Run>, StoreError> {
        let id: Option<i64> = sqlx::query_scalar(
            "select id from runs where project = $1 and commit_hash = $2 \
             order by measured_at desc, id desc limit 1",
        )
        .bind(project)
        .bind(commit)
        .fetch_optional(&self.pool)
        .await
        .map_err(|source| self.failed("look up a commit in", source))?;
        match id {
            Some(id) => self.read(id).await.map(Some),
            None => Ok(None),
        }
    }

    async fn read(&self, id: i64) -> Result<Run, StoreError> {
        let (format, body): (i64, String) =
            sqlx::query_as("select format, body from runs where id = $1")
                .bind(id)
                .fetch_one(&self.pool)
                .await
                .map_err(|source| {
                    if source.as_database_error().is_some() {
                        return self.failed("read a run in", source);
                    }
                    StoreError::row(&self.path, id, source)
                })?;
        if format > i64::from(RunFile::FORMAT) {
            return Err(StoreError::NewerRun {
                path: self.path.clone(),
                id,
                format,
            });
        }
        serde_json::from_str(&body).map_err(|source| StoreError::Body {
            path: self.path.clone(),
            id,
            source,
        })
    }

    /// Begins to write. SQLite locks the file at once then, so that two that read first do not
    /// stand in each other's way.
    async fn begin(&self) -> Result<sqlx::Transaction<'static, sqlx::Any>, sqlx::Error> {
        if self.is_file {
            self.pool.begin_with("begin immediate").await
        } else {
            self.pool.begin().await
        }
    }

    fn failed(&self, what: &'static str, source: sqlx::Error) -> StoreError {
        if self.is_file {
            return StoreError::database(&self.path, what, source);
        }
        StoreError::server(&self.path.to_string_lossy(), what, source)
    }
}

/// The shortest start of a commit that is looked up, as in git.
const SHORTEST_PREFIX: usize = 4;
