//! Requests that differ from one another: what stands for `{{ name }}` in the one with a number.
//!
//! Pure: the same numbers give the same request, so that all arms are sent the same ones.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

use crate::measure::plan::Variable;

/// Which request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number {
    /// Number within what is driven now, from 0.
    pub index: u64,
    /// Seed of the random choices of what is driven now, the same in all arms.
    pub seed: u64,
    /// Number within the whole run of its arm, from 1.
    pub sequence: u64,
}

/// Where a value is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In JSON text: a string that is nothing but `{{ name }}` becomes the value itself.
    Json,
    /// In a path or query: percent-encoded.
    Path,
    /// In a header.
    Header,
}

/// A text with the values of one request.
pub(super) fn fill(
    text: &str,
    variables: &BTreeMap<String, Variable>,
    number: Number,
    place: Place,
) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else {
            break;
        };
        let name = name.trim();
        let Some(variable) = variables.get(name) else {
            filled.push_str(before);
            filled.push_str("{{");
            rest = after;
            continue;
        };
        let value = value(name, variable, number);
        match (place, before.strip_suffix('"'), behind.strip_prefix('"')) {
            (Place::Json, Some(before), Some(behind)) => {
                filled.push_str(before);
                filled.push_str(&value.to_string());
                rest = behind;
            }
            _ => {
                filled.push_str(before);
                put(&mut filled, &as_text(&value), place);
                rest = behind;
            }
        }
    }
    filled.push_str(rest);
    filled
}

fn value(name: &str, variable: &Variable, number: Number) -> Value {
    let random = || {
        let mut hasher = DefaultHasher::new();
        (number.seed, number.index, name).hash(&mut hasher);
        fastrand::Rng::with_seed(hasher.finish())
    };
    match variable {
        Variable::Integers(range) => random().i64(range.clone()).into(),
        Variable::OneOf(values) => {
            let chosen = random().usize(..values.len().max(1));
            values.get(chosen).cloned().unwrap_or_default()
        }
        Variable::Sequence => number.sequence.into(),
    }
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

fn put(filled: &mut String, text: &str, place: Place) {
    match place {
        Place::Header => filled.push_str(text),
        Place::Json => {
            let quoted = Value::from(text).to_string();
            filled.push_str(&quoted[1..quoted.len() - 1]);
        }
        Place::Path => {
            for byte in text.bytes() {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    filled.push(char::from(byte));
                } else {
                    let _written = write!(filled, "%{byte:02X}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> BTreeMap<String, Variable> {
        let words = vec!["a \"b\"".into(), 7.into()];
        BTreeMap::from([
            ("id".to_owned(), Variable::Integers(1..=500)),
            ("word".to_owned(), Variable::OneOf(words)),
            ("n".to_owned(), Variable::Sequence),
        ])
    }

    fn number(index: u64) -> Number {
        Number {
            index,
            seed: 3,
            sequence: index + 1,
        }
    }

    #[test]
    fn the_same_number_gives_the_same_request_and_another_one_another() {
        let path = |index| fill("/x/{{ id }}", &variables(), number(index), Place::Path);
        let all: Vec<String> = (0..50).map(path).collect();
        assert_eq!(all, (0..50).map(path).collect::<Vec<_>>());
        let different: std::collections::BTreeSet<&String> = all.iter().collect();
        assert!(different.len() > 30, "{all:?}");
        for path in &all {
            let id: i64 = path.strip_prefix("/x/").unwrap().parse().unwrap();
            assert!((1..=500).contains(&id), "{path}");
        }
    }

    #[test]
    fn a_value_is_written_as_its_place_needs_it() {
        let json = r#"{"n":"{{ n }}","text":"no {{n}}, {{ word }}","kept":"{{ other }}"}"#;
        for index in 0..20 {
            let filled = fill(json, &variables(), number(index), Place::Json);
            let value: Value = serde_json::from_str(&filled).unwrap();
            assert_eq!(value["n"], index + 1);
            let text = value["text"].as_str().unwrap();
            let words = ["a \"b\"", "7"].map(|word| format!("no {}, {word}", index + 1));
            assert!(words.contains(&text.to_owned()), "{text}");
            assert_eq!(value["kept"], "{{ other }}");
        }
        let path = |index| fill("/{{ word }}", &variables(), number(index), Place::Path);
        assert!((0..20).all(|index| ["/a%20%22b%22", "/7"].contains(&path(index).as_str())));
    }
}
