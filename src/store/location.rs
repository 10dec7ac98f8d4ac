//! Where runs are kept.
//!
//! Must not show a password: addresses are printed in errors and logs.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

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

    /// The address with this password, where it has none.
    pub(super) fn with_password(&self, password: &str) -> String {
        let (address, fragment) = match self.0.split_once('#') {
            Some((address, fragment)) => (address, format!("#{fragment}")),
            None => (self.0.as_str(), String::new()),
        };
        let (place, options) = address.split_once('?').unwrap_or((address, ""));
        let who = place.rsplit_once('@').map_or("", |(who, _)| who);
        let has_one = who
            .split_once("://")
            .is_some_and(|(_, who)| who.contains(':'))
            || options.split('&').any(|one| one.starts_with("password="));
        if has_one {
            return self.0.clone();
        }
        let sign = if address.contains('?') { '&' } else { '?' };
        let password = utf8_percent_encode(password, NON_ALPHANUMERIC);
        format!("{address}{sign}password={password}{fragment}")
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
    fn a_password_is_added_where_there_is_none() {
        let with = |text: &str| Address::parse(text).unwrap().with_password("a b@&+%");
        let added = "password=a%20b%40%26%2B%25";
        for (text, expected) in [
            (
                "postgres://ada@host/x",
                format!("postgres://ada@host/x?{added}"),
            ),
            (
                "postgres://host/x?sslmode=require#y",
                format!("postgres://host/x?sslmode=require&{added}#y"),
            ),
            (
                "postgres://ada:own@host/x",
                "postgres://ada:own@host/x".to_owned(),
            ),
            (
                "postgres://ada@host:1/x?password=own",
                "postgres://ada@host:1/x?password=own".to_owned(),
            ),
        ] {
            assert_eq!(with(text), expected);
            let address = Address::parse(&expected).unwrap();
            assert!(!address.place().contains("password"), "{address:?}");
        }
    }

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
