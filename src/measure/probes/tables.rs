//! How PostgreSQL's tables were read: from end to end, or through which index.
//!
//! Its processes report this up to ten seconds late, but at the latest when they end: so it is read
//! between blocks, when nobody is connected, and belongs to all endpoints of a block together. It
//! explains, and is no metric.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::{Connection, PgConnection, Row};
use tokio::time::sleep;

use crate::model::evidence::TableUse;

/// What PostgreSQL counted since the database was made.
const TABLES: &str = "/* tollgate */ select schemaname || '.' || relname, seq_scan::float8, \
     coalesce(idx_scan, 0)::float8 from pg_stat_user_tables";
const INDEXES: &str = "/* tollgate */ select schemaname || '.' || relname, indexrelname::text, \
     idx_scan::float8 from pg_stat_user_indexes";
/// Who else is connected and has not reported yet. A connection that waits reports within ten
/// seconds; ours have nothing to report.
const OTHERS: &str = "/* tollgate */ select count(*) from pg_stat_activity where \
     datname = current_database() and backend_type = 'client backend' and \
     pid <> pg_backend_pid() and query not like '/* tollgate */%'";
/// How often is looked whether they are gone, and how long between two looks.
const LOOKS: u32 = 20;
const GLANCE: Duration = Duration::from_millis(50);

/// The tables of one database, by name.
pub type Tables = BTreeMap<String, TableUse>;

/// What was counted so far, once everybody else is gone.
pub async fn read(url: &str) -> Result<Tables, String> {
    let explain = |error: sqlx::Error| error.to_string();
    let mut connection = PgConnection::connect(url).await.map_err(explain)?;
    let mut others: i64 = 0;
    for look in 0..LOOKS {
        if look > 0 {
            sleep(GLANCE).await;
        }
        let row = sqlx::query(OTHERS).fetch_one(&mut connection).await;
        others = row.and_then(|row| row.try_get(0)).map_err(explain)?;
        if others == 0 {
            break;
        }
    }
    let tables = counted(&mut connection).await.map_err(explain)?;
    connection.close().await.map_err(explain)?;
    match others {
        0 => Ok(tables),
        _ => Err("something stays connected, and what it reads is reported late".to_owned()),
    }
}

async fn counted(connection: &mut PgConnection) -> Result<Tables, sqlx::Error> {
    let mut tables = Tables::new();
    for row in sqlx::query(TABLES).fetch_all(&mut *connection).await? {
        let read = TableUse {
            from_end_to_end: row.try_get(1)?,
            by_index: row.try_get(2)?,
            indexes: BTreeMap::new(),
        };
        tables.insert(plain(row.try_get(0)?), read);
    }
    for row in sqlx::query(INDEXES).fetch_all(&mut *connection).await? {
        let name = plain(row.try_get(0)?);
        if let Some(table) = tables.get_mut(&name) {
            table.indexes.insert(row.try_get(1)?, row.try_get(2)?);
        }
    }
    Ok(tables)
}

/// A table as people name it.
fn plain(name: String) -> String {
    match name.strip_prefix("public.") {
        Some(name) => name.to_owned(),
        None => name,
    }
}

/// Adds what happened between two readings.
pub fn add(sum: &mut Tables, before: &Tables, after: &Tables) {
    for (name, now) in after {
        let then = before.get(name).cloned().unwrap_or_default();
        let table = sum.entry(name.clone()).or_default();
        table.from_end_to_end += now.from_end_to_end - then.from_end_to_end;
        table.by_index += now.by_index - then.by_index;
        for (index, scans) in &now.indexes {
            let earlier = then.indexes.get(index).copied().unwrap_or(0.0);
            *table.indexes.entry(index.clone()).or_default() += scans - earlier;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(from_end_to_end: f64, by_index: f64) -> Tables {
        let read = TableUse {
            from_end_to_end,
            by_index,
            indexes: BTreeMap::from([("images_pkey".to_owned(), by_index)]),
        };
        BTreeMap::from([("images".to_owned(), read)])
    }

    #[test]
    fn what_was_counted_before_does_not_count() {
        let mut sum = Tables::new();
        add(&mut sum, &images(3.0, 10.0), &images(5.0, 14.0));
        add(&mut sum, &Tables::new(), &images(1.0, 2.0));
        assert_eq!(sum, images(3.0, 6.0));
    }
}
