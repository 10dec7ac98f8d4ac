//! The data that every block starts with: a copy of a database as it was seeded, put back before each
//! block.
//!
//! Only touches services that were started here, between blocks, while nothing of ours is connected.
//! Knows no arm.

use std::collections::BTreeMap;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

/// The name of the copy, in the server of each arm.
const COPY: &str = "tollgate_template";
/// A larger database is counted and put back only where that is asked for: it is copied before every
/// block. A choice, not measured.
const COPIED_UNASKED: i64 = 100_000_000;
/// Tables of the user, each as it is written in a statement.
const TABLES: &str = "select quote_ident(schemaname) || '.' || quote_ident(tablename) from pg_tables \
     where schemaname not in ('pg_catalog', 'information_schema') order by 1";
/// Whether a database has what its copy would not have.
const OF_ITS_OWN: &str = "select datacl is not null or exists (select 1 from pg_db_role_setting \
     where setdatabase = pg_database.oid), pg_database_size(oid), datname::text, \
     quote_ident(datname), quote_ident(pg_get_userbyid(datdba)) \
     from pg_database where datname = current_database()";

/// Why a database is not copied unasked.
fn too_large(bytes: i64) -> String {
    format!(
        "it has {} MB; `restore: true` copies it all the same",
        bytes / 1_000_000
    )
}

/// Rows by table.
pub type Rows = BTreeMap<String, i64>;

/// A database as it was seeded.
#[derive(Debug, Clone)]
pub struct Template {
    /// Its own address.
    address: PgConnectOptions,
    /// Another database of the same server, from where it can be removed.
    beside: PgConnectOptions,
    /// Its name, quoted.
    name: String,
    /// Who owns it, quoted.
    owner: String,
}

/// What is known of a database once it is seeded.
#[derive(Debug)]
pub struct Seeded {
    /// The rows of its tables.
    pub rows: Rows,
    /// Its copy, or why there is none.
    pub template: Result<Template, String>,
}

/// Counts the rows of a seeded database and keeps a copy of it, unless `restore` says no, or it is large
/// and that was not asked for. Table statistics are made up to date first: otherwise they change at
/// some moment of the run, and plans with them.
pub async fn seeded(url: &str, restore: Option<bool>) -> Result<Seeded, String> {
    let explain = |error: sqlx::Error| error.to_string();
    let address = PgConnectOptions::from_str(url).map_err(explain)?;
    let mut inside = PgConnection::connect_with(&address)
        .await
        .map_err(explain)?;
    let row = sqlx::query(comment(OF_ITS_OWN))
        .fetch_one(&mut inside)
        .await
        .map_err(explain)?;
    let has_more: bool = row.try_get(0).map_err(explain)?;
    let bytes: i64 = row.try_get(1).map_err(explain)?;
    let plain_name: String = row.try_get(2).map_err(explain)?;
    if bytes > COPIED_UNASKED && restore != Some(true) {
        return Err(too_large(bytes));
    }
    let template = Template {
        beside: address.clone().database(if plain_name == "postgres" {
            "template1"
        } else {
            "postgres"
        }),
        address,
        name: row.try_get(3).map_err(explain)?,
        owner: row.try_get(4).map_err(explain)?,
    };
    if restore != Some(false) {
        run(&mut inside, "vacuum (analyze)").await?;
    }
    let rows = count(&mut inside).await.map_err(explain)?;
    inside.close().await.map_err(explain)?;
    let template = if restore == Some(false) {
        Err("`restore: false`".to_owned())
    } else if has_more {
        Err("it has settings or rights of its own, which a copy would not have".to_owned())
    } else {
        template.keep().await.map(|()| template)
    };
    Ok(Seeded { rows, template })
}

impl Template {
    async fn keep(&self) -> Result<(), String> {
        let mut beside = self.connect_beside().await?;
        run(&mut beside, &format!("drop database if exists {COPY}")).await?;
        let copy = format!("create database {COPY} template {}", self.name);
        run(&mut beside, &copy).await
    }

    /// Puts the database back as it was seeded, whoever is still connected.
    pub async fn put_back(&self) -> Result<(), String> {
        // Counters of the database that goes would fill the room of the next one's.
        if let Ok(mut inside) = PgConnection::connect_with(&self.address).await {
            let forget = "select pg_stat_statements_reset(0, (select oid from pg_database where \
                 datname = current_database()), 0)";
            let _without_counters = run(&mut inside, forget).await;
            let _closed = inside.close().await;
        }
        let mut beside = self.connect_beside().await?;
        let Self { name, owner, .. } = self;
        run(&mut beside, &format!("drop database {name} with (force)")).await?;
        let again = format!("create database {name} template {COPY} owner {owner}");
        run(&mut beside, &again).await
    }

    async fn connect_beside(&self) -> Result<PgConnection, String> {
        PgConnection::connect_with(&self.beside)
            .await
            .map_err(|error| error.to_string())
    }
}

/// Where two arms start with other rows, in words: the first few tables.
pub fn other_rows(base: &Rows, head: &Rows) -> Option<String> {
    const NAMED: usize = 3;
    let count = |rows: Option<&i64>| rows.map_or_else(|| "no table".to_owned(), i64::to_string);
    let mut tables: Vec<&String> = base.keys().chain(head.keys()).collect();
    tables.sort();
    tables.dedup();
    tables.retain(|table| base.get(*table) != head.get(*table));
    let named = tables.iter().take(NAMED).map(|table| {
        let name = table.trim_start_matches("public.");
        let (base, head) = (count(base.get(*table)), count(head.get(*table)));
        format!("`{name}` {base} in base and {head} in head")
    });
    let named: Vec<String> = named.collect();
    match (named.is_empty(), tables.len().saturating_sub(NAMED)) {
        (true, _) => None,
        (false, 0) => Some(named.join(", ")),
        (false, more) => Some(format!("{} and {more} more", named.join(", "))),
    }
}

/// Counts in a form that no application uses: `pg_stat_statements` keeps what has one form under the
/// text it came with first, and ours is left out of what is counted.
async fn count(connection: &mut PgConnection) -> Result<Rows, sqlx::Error> {
    let tables = sqlx::query(comment(TABLES))
        .fetch_all(&mut *connection)
        .await?;
    let mut rows = Rows::new();
    for table in tables {
        let table: String = table.try_get(0)?;
        let counting = comment(&format!(
            "select count(*), count(*) filter (where false) from {table}"
        ));
        let counted = sqlx::query(counting).fetch_one(&mut *connection).await?;
        rows.insert(table, counted.try_get(0)?);
    }
    Ok(rows)
}

async fn run(connection: &mut PgConnection, statement: &str) -> Result<(), String> {
    sqlx::raw_sql(comment(statement))
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(|error| error.to_string())
}

/// The statement marked as ours, so that no probe counts it.
fn comment(statement: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("/* tollgate */ {statement}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_rows_are_no_news_and_others_are_named() {
        let rows = |all: &[(&str, i64)]| -> Rows {
            let owned = all.iter().map(|(table, rows)| ((*table).to_owned(), *rows));
            owned.collect()
        };
        let base = rows(&[("public.image", 3000), ("public.tag", 4)]);
        assert_eq!(other_rows(&base, &base), None);
        let head = rows(&[
            ("public.image", 6000),
            ("public.label", 1),
            ("public.tag", 4),
        ]);
        assert_eq!(
            other_rows(&base, &head).unwrap(),
            "`image` 3000 in base and 6000 in head, `label` no table in base and 1 in head"
        );
        let many = rows(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
        let said = other_rows(&many, &Rows::new()).unwrap();
        assert!(
            said.ends_with("`c` 1 in base and no table in head and 1 more"),
            "{said}"
        );
    }
}
