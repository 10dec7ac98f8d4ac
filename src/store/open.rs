//! Opening a SQLite file or a PostgreSQL database and bringing the tables up to date.
//!
//! Must not touch a file that is not ours, nor start a new history in the place of a lost one.
//! The only part of the store that knows which of the two it is.

use std::io::ErrorKind;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migration, Migrator};
use sqlx::{Any, AnyConnection, AnyPool, Executor, Transaction};

use super::error::{StoreError, is_busy, is_there_already};
use super::location::Address;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations");

/// What the two databases have no common words for: a number that counts up.
const COUNTING: (&str, &str) = (
    "id integer primary key",
    "id bigint generated always as identity primary key",
);

/// The folder of our tables in a PostgreSQL database, which may belong to others as well.
const SCHEMA: &str = "tollgate";
/// The variable with the password of a server.
const PASSWORD: &str = "TOLLGATE_STORE_PASSWORD";

/// How long a PostgreSQL server may take to answer at first.
const ANSWER: Duration = Duration::from_secs(10);

/// Connections to PostgreSQL: a command asks one thing after the other.
const CONNECTIONS: u32 = 4;

/// How long to wait for another process that is writing. A run takes milliseconds to store.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long to wait for the process that has just created the file to fill it.
const CREATION: Duration = Duration::from_secs(2);

/// How often to look meanwhile.
const GLANCE: Duration = Duration::from_millis(50);

/// Opens the file, creates what is missing and brings its tables up to date.
pub(super) async fn open(path: &Path) -> Result<AnyPool, StoreError> {
    sqlx::any::install_default_drivers();
    let origin = create_if_missing(path).await?;
    let pool = connect(path).await?;
    prepare(&pool, path, origin).await?;
    use_write_ahead_log(&pool)
        .await
        .map_err(|source| StoreError::database(path, "prepare", source))?;
    Ok(pool)
}

/// Moves what SQLite keeps in its write-ahead log into the file, so that the file alone is
/// complete. It is complete together with the log in any case: where a reader is in the way, the
/// log stays until the next time.
pub(super) async fn fold_log(pool: &AnyPool) {
    let _unfolded = sqlx::query("pragma wal_checkpoint(passive)")
        .execute(pool)
        .await;
}

/// Where the file comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// This call created it, so it is empty.
    Created,
    /// It was there, so it is not empty, or will not be for long.
    Found,
}

async fn create_if_missing(path: &Path) -> Result<Origin, StoreError> {
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder)
            .await
            .map_err(|source| StoreError::Folder {
                path: path.to_owned(),
                source,
            })?;
    }
    match tokio::fs::File::create_new(path).await {
        Ok(_) => Ok(Origin::Created),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Origin::Found),
        Err(source) => Err(StoreError::Create {
            path: path.to_owned(),
            source,
        }),
    }
}

async fn connect(path: &Path) -> Result<AnyPool, StoreError> {
    // Absolute, for SQLite gives `:memory:` and `file:…` a meaning of their own.
    let absolute = std::path::absolute(path).map_err(|source| StoreError::Create {
        path: path.to_owned(),
        source,
    })?;
    let failed = |source| StoreError::database(path, "open", source);
    let address = format!("sqlite://{}", percent_encoded(&absolute));
    let options = AnyConnectOptions::from_str(&address).map_err(failed)?;
    // SQLite has one writer at a time; a queue here is fairer than its waiting in turns.
    AnyPoolOptions::new()
        .max_connections(1)
        .after_connect(|connection, _| {
            let patience = format!("pragma busy_timeout = {}", PATIENCE.as_millis());
            Box::pin(async move {
                connection.execute(sqlx::AssertSqlSafe(patience)).await?;
                Ok(())
            })
        })
        .connect_with(options)
        .await
        .map_err(failed)
}

/// The path as part of an address: nothing in it has a meaning there.
fn percent_encoded(path: &Path) -> String {
    use std::fmt::Write;
    use std::os::unix::ffi::OsStrExt;
    let mut text = String::new();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(byte) {
            text.push(char::from(*byte));
        } else {
            let _infallible = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Opens a PostgreSQL database; schema and tables are created where they are missing.
pub(super) async fn open_server(address: &Address) -> Result<AnyPool, StoreError> {
    sqlx::any::install_default_drivers();
    let place = address.place();
    let failed = |source| StoreError::server(&place, "open", source);
    // Where there is none, the driver looks into `PGPASSWORD` and `~/.pgpass`.
    let address = match std::env::var(PASSWORD) {
        Ok(password) if !password.is_empty() => address.with_password(&password),
        Ok(_) | Err(_) => address.reveal().to_owned(),
    };
    let options = AnyConnectOptions::from_str(&address).map_err(failed)?;
    let pool = AnyPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ANSWER)
        .after_connect(|connection, _| {
            Box::pin(async move {
                let path = format!("set search_path to {SCHEMA}");
                connection.execute(sqlx::AssertSqlSafe(path)).await?;
                Ok(())
            })
        })
        .connect_with(options)
        .await
        .map_err(failed)?;
    let mut connection = pool.acquire().await.map_err(failed)?;
    create_schema(&mut connection).await.map_err(failed)?;
    // PostgreSQL locks the database for this by itself.
    on_server()
        .run_direct(None, &mut *connection, false)
        .await
        .map_err(|error| unmigrated(Path::new(&place), error))?;
    drop(connection);
    Ok(pool)
}

/// Not `if not exists` alone: that asks for a right which is only needed when it is missing.
async fn create_schema(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let found: i64 = sqlx::query_scalar("select count(*) from pg_namespace where nspname = $1")
        .bind(SCHEMA)
        .fetch_one(&mut *connection)
        .await?;
    if found > 0 {
        return Ok(());
    }
    let create = format!("create schema if not exists {SCHEMA}");
    match connection.execute(sqlx::AssertSqlSafe(create)).await {
        // Two at once: the other was faster.
        Err(error) if !is_there_already(&error) => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The same migrations in the words of PostgreSQL.
fn on_server() -> Migrator {
    let translated = MIGRATIONS.iter().map(|ours| {
        let text = ours.sql.as_str().replace(COUNTING.0, COUNTING.1);
        Migration::new(
            ours.version,
            ours.description.clone(),
            ours.migration_type,
            sqlx::SqlSafeStr::into_sql_str(sqlx::AssertSqlSafe(text)),
            ours.no_tx,
        )
    });
    Migrator::with_migrations(translated.collect())
}

async fn prepare(pool: &AnyPool, path: &Path, origin: Origin) -> Result<(), StoreError> {
    let failed = |source| StoreError::database(path, "prepare", source);
    let mut transaction = lock_with_content(pool, path, origin).await?;
    // Not `run`, which is the same, but whose future the compiler does not take to be `Send`.
    MIGRATIONS
        .run_direct(None, &mut *transaction, false)
        .await
        .map_err(|error| unmigrated(path, error))?;
    transaction.commit().await.map_err(failed)
}

/// Locks the file against other processes that would prepare it too: sqlx does not, for SQLite.
/// Returns once the content is ours, or none as it should be.
async fn lock_with_content(
    pool: &AnyPool,
    path: &Path,
    origin: Origin,
) -> Result<Transaction<'static, Any>, StoreError> {
    let failed = |source| StoreError::database(path, "prepare", source);
    let mut waited = Duration::ZERO;
    loop {
        let mut lock = pool.begin_with("begin immediate").await.map_err(failed)?;
        match (content(&mut lock).await.map_err(failed)?, origin) {
            (Content::Ours, _) | (Content::Nothing, Origin::Created) => return Ok(lock),
            (Content::Foreign, _) => {
                return Err(StoreError::Foreign {
                    path: path.to_owned(),
                });
            }
            (Content::Nothing, Origin::Found) if waited >= CREATION => {
                return Err(StoreError::Empty {
                    path: path.to_owned(),
                });
            }
            (Content::Nothing, Origin::Found) => {
                lock.rollback().await.map_err(failed)?;
                tokio::time::sleep(GLANCE).await;
                waited += GLANCE;
            }
        }
    }
}

/// Whose tables are in the file.
enum Content {
    Nothing,
    Ours,
    Foreign,
}

async fn content(connection: &mut AnyConnection) -> Result<Content, sqlx::Error> {
    let tables: Vec<String> =
        sqlx::query_scalar("select name from sqlite_master where type = 'table'")
            .fetch_all(connection)
            .await?;
    Ok(if tables.is_empty() {
        Content::Nothing
    } else if ["_sqlx_migrations", "runs"]
        .iter()
        .all(|ours| tables.iter().any(|table| table == ours))
    {
        Content::Ours
    } else {
        Content::Foreign
    })
}

fn unmigrated(path: &Path, error: MigrateError) -> StoreError {
    let path = path.to_owned();
    if let MigrateError::VersionMissing(version) = error {
        return match MIGRATIONS.iter().map(|known| known.version).max() {
            Some(newest) if version < newest => StoreError::Altered { path, version },
            _ => StoreError::Newer { path, version },
        };
    }
    if let MigrateError::VersionMismatch(version) = error {
        return StoreError::Altered { path, version };
    }
    let source =
        if let MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) = error {
            source
        } else {
            sqlx::Error::from(error)
        };
    StoreError::database(&path, "prepare", source)
}

/// Lets readers and a writer work at the same time. The file remembers it, and nothing depends on
/// it: where another connection is in the way, the next one to open the file will do it.
async fn use_write_ahead_log(pool: &AnyPool) -> Result<(), sqlx::Error> {
    match sqlx::query("pragma journal_mode = wal").execute(pool).await {
        Err(error) if !is_busy(&error) => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// A place as an earlier version left it: for tests of what becomes of it.
#[cfg(test)]
pub(super) async fn open_old(location: &super::Location, version: i64) -> AnyPool {
    sqlx::any::install_default_drivers();
    let (pool, migrations) = match location {
        super::Location::Sqlite(path) => {
            create_if_missing(path).await.unwrap();
            (
                connect(path).await.unwrap(),
                Migrator::with_migrations(MIGRATIONS.iter().cloned().collect()),
            )
        }
        super::Location::Postgres(address) => {
            let pool = AnyPoolOptions::new()
                .max_connections(1)
                .after_connect(|connection, _| {
                    Box::pin(async move {
                        connection.execute("set search_path to tollgate").await?;
                        Ok(())
                    })
                })
                .connect(address.reveal())
                .await
                .unwrap();
            let mut connection = pool.acquire().await.unwrap();
            create_schema(&mut connection).await.unwrap();
            drop(connection);
            (pool, on_server())
        }
    };
    let mut connection = pool.acquire().await.unwrap();
    migrations
        .run_direct(Some(version), &mut *connection, false)
        .await
        .unwrap();
    drop(connection);
    pool
}
