//! Where runs are kept.
//!
//! Must not show a password: addresses are printed in errors and logs.

use std::fmt;
use std::path::PathBuf;

/// Where runs are kept: the option type of this stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(Address),
}

/// The address of a PostgreSQL database, perhaps with a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// The address, if it is one: `postgres://user@host:5432/database?sslmode=require`.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = ["postgres://", "postgresql://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme))?;
        let is_plain = !rest.is_empty() && !text.chars().any(|c| c.is_control() || c == ' ');
        is_plain.then(|| Self(text.to_owned()))
    }

    /// The address with all that is in it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// The address as it may be shown: without password and options.
    pub fn place(&self) -> String {
        let text = self.0.split(['?', '#']).next().unwrap_or_default();
        let (scheme, rest) = text.split_once("://").unwrap_or(("postgres", text));
        let rest = match rest.rsplit_once('@') {
            Some((who, where_)) => {
                let user = who.split(':').next().unwrap_or_default();
                format!("{user}@{where_}")
            }
            None => rest.to_owned(),
        };
        format!("{scheme}://{rest}")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for (written, shown) in [
            (
                "postgres://ada:s3:cr@et@db:5432/perf",
                "postgres://ada@db:5432/perf",
            ),
            ("postgresql://db/perf?password=x", "postgresql://db/perf"),
            ("postgres:///perf?host=/run/x", "postgres:///perf"),
        ] {
            let address = Address::parse(written).unwrap();
            assert_eq!(address.place(), shown);
            assert_eq!(format!("{address:?}"), shown);
        }
    }

    #[test]
    fn another_address_is_none() {
        for text in [
            "mysql://db/x",
            "postgres://",
            "history.db",
            "postgres://a b",
            "",
        ] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }
}
