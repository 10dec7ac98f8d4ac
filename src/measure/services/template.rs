//! `{{ port }}` and its relatives in commands and environments.
//!
//! The configuration has checked that every expression is known; what is unknown here stays as
//! it is, so that a shell sees it and complains by name.

use std::collections::BTreeMap;

/// What expressions may refer to.
#[derive(Debug, Clone, Default)]
pub struct Values {
    /// Values by expression: `port`, `data`, `services.api.address`.
    values: BTreeMap<String, String>,
}

impl Values {
    /// Sets the address of a service under `services.NAME.`.
    pub fn service(&mut self, name: &str, host: &str, port: u16) {
        self.address(&format!("services.{name}."), host, port);
    }

    /// The same values seen from one service: its own port, address and data folder.
    pub fn within(&self, host: &str, port: u16, data: &str) -> Self {
        let mut own = self.clone();
        own.address("", host, port);
        own.values.insert("data".to_owned(), data.to_owned());
        own
    }

    fn address(&mut self, prefix: &str, host: &str, port: u16) {
        let mut set =
            |key: &str, value: String| self.values.insert(format!("{prefix}{key}"), value);
        set("host", host.to_owned());
        set("port", port.to_string());
        set("address", format!("{host}:{port}"));
    }

    /// Replaces every known expression in `text`.
    pub fn fill(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((expression, tail)) = after.split_once("}}") else {
                break;
            };
            filled.push_str(before);
            match self.values.get(expression.trim()) {
                Some(value) => filled.push_str(value),
                None => {
                    filled.push_str("{{");
                    filled.push_str(expression);
                    filled.push_str("}}");
                }
            }
            rest = tail;
        }
        filled.push_str(rest);
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_own_and_foreign_addresses() {
        let mut values = Values::default();
        values.service("db", "127.0.0.1", 5000);
        let own = values.within("127.0.0.1", 6000, "/data");
        assert_eq!(
            own.fill("run -p {{ port }} -D {{data}} {{ services.db.address }} {{ nothing }} {{"),
            "run -p 6000 -D /data 127.0.0.1:5000 {{ nothing }} {{"
        );
    }
}
