//! Opening a SQLite file and bringing its tables up to date.
//!
//! Must not touch a file that is not ours, nor start a new history in the place of a lost one.
//! The only part of the store with SQL that PostgreSQL would not take.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};

use super::error::{StoreError, is_busy};

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations");

/// How long to wait for another process that is writing. A run takes milliseconds to store.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long to wait for the process that has just created the file to fill it.
const CREATION: Duration = Duration::from_secs(2);

/// How often to look meanwhile.
const GLANCE: Duration = Duration::from_millis(50);

/// Opens the file, creates what is missing and brings its tables up to date.
pub(super) async fn open(path: &Path) -> Result<SqlitePool, StoreError> {
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
pub(super) async fn fold_log(pool: &SqlitePool) {
    let _ = sqlx::query("pragma wal_checkpoint(passive)")
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

async fn connect(path: &Path) -> Result<SqlitePool, StoreError> {
    // Absolute, for SQLite gives `:memory:` and `file:…` a meaning of their own.
    let absolute = std::path::absolute(path).map_err(|source| StoreError::Create {
        path: path.to_owned(),
        source,
    })?;
    let options = SqliteConnectOptions::new()
        .filename(absolute)
        .busy_timeout(PATIENCE);
    // SQLite has one writer at a time; a queue here is fairer than its waiting in turns.
    SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .map_err(|source| StoreError::database(path, "open", source))
}

async fn prepare(pool: &SqlitePool, path: &Path, origin: Origin) -> Result<(), StoreError> {
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
    pool: &SqlitePool,
    path: &Path,
    origin: Origin,
) -> Result<Transaction<'static, Sqlite>, StoreError> {
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

async fn content(connection: &mut SqliteConnection) -> Result<Content, sqlx::Error> {
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
async fn use_write_ahead_log(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    match sqlx::query("pragma journal_mode = wal").execute(pool).await {
        Err(error) if !is_busy(&error) => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}
