//! What PostgreSQL did, from `pg_stat_statements`.
//!
//! Statements are matched by their normalised text: the numeric id depends on object ids and
//! differs between the arms. Must not reset the counters: differences are taken.

use std::collections::BTreeMap;

use sqlx::{Connection, PgConnection, Row};

use crate::model::evidence::Statement;

/// Where the extension is: it need not be in the search path.
const SCHEMA: &str = "/* tollgate */ select quote_ident(nspname::text) from pg_extension \
     join pg_namespace on pg_namespace.oid = extnamespace where extname = 'pg_stat_statements'";
/// What stands for that schema in [`COUNTERS`].
const IN_SCHEMA: &str = "{schema}";
/// Reads the counters of every statement of the current database but our own.
const COUNTERS: &str = "/* tollgate */ select query, sum(calls)::float8, sum(total_exec_time)::float8, sum(rows)::float8, \
     sum(shared_blks_hit + shared_blks_read + local_blks_hit + local_blks_read)::float8 \
     from {schema}.pg_stat_statements where dbid = (select oid from pg_database where datname = current_database()) \
     and query not like '/* tollgate */%' group by query";

/// The counters of one statement.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counter {
    /// Executions.
    pub calls: f64,
    /// Execution time in milliseconds.
    pub time: f64,
    /// Rows returned or affected.
    pub rows: f64,
    /// Pages it went through, in memory or from disk.
    pub pages: f64,
}

/// The counters by statement.
pub type Counters = BTreeMap<String, Counter>;

/// Why there are no counters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// The server was started without them. Where no arm has them they are no loss of this change.
    #[error(
        "`pg_stat_statements` is not available; start PostgreSQL with \
         `shared_preload_libraries=pg_stat_statements` and run `create extension \
         pg_stat_statements`"
    )]
    NotOffered,
    /// It has them, or cannot be asked.
    #[error("{0}")]
    Failed(String),
}

impl Unread {
    /// The same, with the name of the database it is about.
    pub fn of(self, database: &str) -> Self {
        match self {
            Self::NotOffered => Self::NotOffered,
            Self::Failed(why) => Self::Failed(format!("{database}: {why}")),
        }
    }
}

impl From<sqlx::Error> for Unread {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// The counters of two databases. What only one of them offers is a hole and no note: the counts of
/// the other are no answer for both.
pub fn together(
    one: Result<Counters, Unread>,
    other: Result<Counters, Unread>,
) -> Result<Counters, Unread> {
    match (one, other) {
        (Ok(mut sum), Ok(more)) => {
            add(&mut sum, &more);
            Ok(sum)
        }
        (Err(Unread::NotOffered), Err(Unread::NotOffered)) => Err(Unread::NotOffered),
        (Err(Unread::NotOffered), Ok(_)) | (Ok(_), Err(Unread::NotOffered)) => {
            let why = Unread::NotOffered;
            Err(Unread::Failed(format!("in one of the databases {why}")))
        }
        (Err(Unread::Failed(why)), _) | (_, Err(Unread::Failed(why))) => Err(Unread::Failed(why)),
    }
}

/// A connection to one arm's database.
#[derive(Debug)]
pub struct Probe {
    connection: PgConnection,
    /// Reads the counters.
    question: String,
}

impl Probe {
    /// Connects, and fails with the reason when the counters cannot be read.
    pub async fn connect(url: &str) -> Result<Self, Unread> {
        let mut connection = PgConnection::connect(url).await?;
        let schema = sqlx::query(SCHEMA).fetch_optional(&mut connection).await?;
        let schema: String = schema.ok_or(Unread::NotOffered)?.try_get(0)?;
        let mut probe = Self {
            connection,
            question: COUNTERS.replace(IN_SCHEMA, &schema),
        };
        probe.read().await?;
        Ok(probe)
    }

    /// The counters now.
    pub async fn read(&mut self) -> Result<Counters, Unread> {
        let asked = sqlx::query(sqlx::AssertSqlSafe(self.question.clone()))
            .fetch_all(&mut self.connection)
            .await;
        let rows = asked.map_err(|error| {
            let code = error.as_database_error().and_then(|error| error.code());
            // The extension is there, the library that counts for it was not loaded.
            match code.as_deref() {
                Some("55000") => Unread::NotOffered,
                Some(_) | None => Unread::from(error),
            }
        })?;
        rows.iter()
            .map(|row| {
                let counter = Counter {
                    calls: row.try_get(1)?,
                    time: row.try_get(2)?,
                    rows: row.try_get(3)?,
                    pages: row.try_get(4)?,
                };
                Ok((row.try_get(0)?, counter))
            })
            .collect::<Result<Counters, sqlx::Error>>()
            .map_err(Unread::from)
    }
}

/// The plan of a statement, as PostgreSQL would run it without knowing its parameters. Uses a
/// connection of its own, so that what it prepares and sets is gone with it.
pub async fn plan(url: &str, statement: &str) -> Result<String, String> {
    let mut connection = PgConnection::connect(url).await.map_err(explain)?;
    let values = vec!["null"; parameter_count(statement)].join(", ");
    let arguments = if values.is_empty() {
        String::new()
    } else {
        format!("({values})")
    };
    let script = [
        "/* tollgate */ set plan_cache_mode = force_generic_plan".to_owned(),
        format!("/* tollgate */ prepare tollgate_plan as {statement}"),
    ];
    for line in script {
        sqlx::raw_sql(sqlx::AssertSqlSafe(line))
            .execute(&mut connection)
            .await
            .map_err(explain)?;
    }
    let line = format!("/* tollgate */ explain (costs off) execute tollgate_plan{arguments}");
    let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(line))
        .fetch_all(&mut connection)
        .await
        .map_err(explain)?;
    let lines: Result<Vec<String>, sqlx::Error> = rows.iter().map(|row| row.try_get(0)).collect();
    let plan = lines.map_err(explain)?.join("\n");
    let _closed = connection.close().await;
    Ok(plan)
}

#[expect(clippy::needless_pass_by_value, reason = "used with `map_err`")]
fn explain(error: sqlx::Error) -> String {
    error.to_string()
}

/// The number of the highest parameter, `$3` is 3.
fn parameter_count(statement: &str) -> usize {
    statement
        .split('$')
        .skip(1)
        .filter_map(|rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        })
        .max()
        .unwrap_or(0)
}

/// What happened between two readings.
pub fn difference(before: &Counters, after: &Counters) -> Counters {
    after
        .iter()
        .filter_map(|(text, now)| {
            let then = before.get(text).copied().unwrap_or_default();
            let change = Counter {
                calls: now.calls - then.calls,
                time: now.time - then.time,
                rows: now.rows - then.rows,
                pages: now.pages - then.pages,
            };
            (change.calls > 0.0).then(|| (text.clone(), change))
        })
        .collect()
}

/// Adds the counters of `more` to `sum`.
pub fn add(sum: &mut Counters, more: &Counters) {
    for (text, counter) in more {
        let entry = sum.entry(text.clone()).or_default();
        entry.calls += counter.calls;
        entry.time += counter.time;
        entry.rows += counter.rows;
        entry.pages += counter.pages;
    }
}

/// The statements of an endpoint over `requests` requests, the most time first.
pub fn statements(counters: &Counters, requests: f64) -> Vec<Statement> {
    let mut statements: Vec<(f64, Statement)> = counters
        .iter()
        .filter(|(text, _)| !is_housekeeping(text))
        .map(|(text, counter)| {
            let statement = Statement {
                text: text.clone(),
                calls_per_request: counter.calls / requests,
                rows_per_call: counter.rows / counter.calls,
                mean_ms: counter.time / counter.calls,
                pages_per_call: counter.pages / counter.calls,
            };
            (counter.time, statement)
        })
        .collect();
    statements.sort_by(|left, right| right.0.total_cmp(&left.0));
    statements
        .into_iter()
        .map(|(_, statement)| statement)
        .collect()
}

/// Whether a statement belongs to the connection and not to the request.
pub fn is_housekeeping(text: &str) -> bool {
    let start = text
        .trim_start()
        .get(..12)
        .unwrap_or(text)
        .to_ascii_lowercase();
    [
        "begin",
        "commit",
        "rollback",
        "set ",
        "deallocate",
        "discard",
    ]
    .iter()
    .any(|word| start.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_parameters() {
        assert_eq!(parameter_count("select 1"), 0);
        assert_eq!(parameter_count("select $1, $12 from a where b = $2"), 12);
    }

    #[test]
    fn what_only_one_of_two_databases_offers_is_a_hole() {
        let counter = Counter {
            calls: 5.0,
            ..Counter::default()
        };
        let counted = || Ok(Counters::from([("a".into(), counter)]));
        let none = || Err(Unread::NotOffered);
        let failed = || Err(Unread::Failed("connection refused".to_owned()));
        assert_eq!(together(none(), none()), none());
        for (one, other) in [(counted(), none()), (none(), counted())] {
            let why = together(one, other).unwrap_err().to_string();
            assert!(why.starts_with("in one of the databases `pg_stat"), "{why}");
        }
        for (one, other) in [
            (none(), failed()),
            (failed(), none()),
            (failed(), counted()),
        ] {
            assert_eq!(together(one, other), failed());
        }
        let both = together(counted(), counted()).unwrap();
        assert!((both["a"].calls - 10.0).abs() < 1e-9);
    }

    #[test]
    fn takes_differences_and_leaves_out_what_did_not_run() {
        let counter = |calls| Counter {
            calls,
            time: calls * 2.0,
            rows: calls * 3.0,
            pages: calls * 4.0,
        };
        let before = Counters::from([("a".into(), counter(5.0)), ("b".into(), counter(1.0))]);
        let after = Counters::from([("a".into(), counter(25.0)), ("b".into(), counter(1.0))]);
        let change = difference(&before, &after);
        assert_eq!(change.len(), 1);
        let statements = statements(&change, 10.0);
        assert!((statements[0].calls_per_request - 2.0).abs() < 1e-9);
        assert!((statements[0].rows_per_call - 3.0).abs() < 1e-9);
        assert!((statements[0].pages_per_call - 4.0).abs() < 1e-9);
    }
}
