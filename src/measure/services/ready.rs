//! Whether a service answers.

use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::measure::http::{Origin, innermost};
use crate::measure::plan::Ready;

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Where to ask.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    /// Where it listens.
    pub origin: &'a Origin,
    /// Address of its database, where it has one.
    pub connection: Option<&'a str>,
}

/// One attempt: fine, or what it answered instead.
pub async fn attempt(ready: &Ready, target: &Target<'_>) -> Result<(), String> {
    let answer = async {
        match ready {
            Ready::Tcp => target
                .origin
                .reach()
                .await
                .map_err(|error| error.to_string()),
            Ready::Http { path } => http(target.origin, path).await,
            Ready::Postgres { query } => postgres(target, query).await,
            Ready::Redis => redis(target.origin.authority()).await,
            // These are not asked at an address.
            Ready::Log { .. } | Ready::Health | Ready::Started | Ready::Completed => Ok(()),
        }
    };
    match tokio::time::timeout(ATTEMPT, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer within {} s", ATTEMPT.as_secs())),
    }
}

async fn connect(address: &str) -> Result<TcpStream, String> {
    TcpStream::connect(address)
        .await
        .map_err(|error| error.to_string())
}

async fn http(origin: &Origin, path: &str) -> Result<(), String> {
    let client = origin
        .untimed()
        .build()
        .map_err(|error| error.to_string())?;
    match client.get(origin.url(path)).send().await {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) => Err(format!(
            "GET {path} answered {}",
            response.status().as_u16()
        )),
        Err(error) => Err(innermost(&error)),
    }
}

/// Asks a database. Before it is seeded the database named in `connection` may not exist yet;
/// then the one every server has is asked.
async fn postgres(target: &Target<'_>, query: &str) -> Result<(), String> {
    let url = target.connection.unwrap_or_default();
    let mut connection = match PgConnection::connect(url).await {
        Ok(connection) => connection,
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("3D000") => {
            PgConnection::connect(&maintenance_database(url))
                .await
                .map_err(|error| error.to_string())?
        }
        Err(error) => return Err(error.to_string()),
    };
    sqlx::raw_sql(sqlx::AssertSqlSafe(query.to_owned()))
        .execute(&mut connection)
        .await
        .map_err(|error| error.to_string())?;
    let _closed = connection.close().await;
    Ok(())
}

/// The same server, but the database `postgres`.
fn maintenance_database(url: &str) -> String {
    match url.rsplit_once('/') {
        Some((server, _)) => format!("{server}/postgres"),
        None => url.to_owned(),
    }
}

async fn redis(address: &str) -> Result<(), String> {
    let mut stream = connect(address).await?;
    let mut answer = [0_u8; 7];
    let exchange = async {
        stream.write_all(b"PING\r\n").await?;
        stream.read_exact(&mut answer).await
    };
    exchange.await.map_err(|error| error.to_string())?;
    if &answer == b"+PONG\r\n" {
        Ok(())
    } else {
        Err(format!(
            "PING answered `{}`",
            String::from_utf8_lossy(&answer).trim()
        ))
    }
}
