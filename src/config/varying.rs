//! What differs from request to request: the variables of an endpoint, and the expressions
//! `{{ name }}` that stand for them.
//!
//! Must not fill them in: that is done while requests are made.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::{Flaw, Problem, quote};
use super::locate::KeyPath;
use super::raw::{Entries, RawVariable};
use crate::measure::plan::{Body, Request, Variable};

const EXAMPLES: &str = "write for example `1..500`, `sequence` or `[cell, nucleus]`";

/// The variables of an endpoint.
pub(super) fn variables(
    raw: &Entries<RawVariable>,
    at: &KeyPath,
) -> Result<BTreeMap<String, Variable>, Problem> {
    let at = at.key("variables");
    raw.0
        .iter()
        .map(|(name, raw)| {
            let at = at.key(name);
            is_name(name).map_err(|flaw| flaw.at_key(&at))?;
            let variable = variable(raw).map_err(|flaw| flaw.at(&at))?;
            Ok((name.clone(), variable))
        })
        .collect()
}

/// Whether a text can stand between `{{` and `}}`.
pub(super) fn is_name(name: &str) -> Result<(), Flaw> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.is_empty() && name.chars().all(fits) {
        return Ok(());
    }
    let flaw = Flaw::new(format!("{} is no name for a variable", quote(name)));
    Err(flaw.help("use letters, digits, `-` and `_`"))
}

fn variable(raw: &RawVariable) -> Result<Variable, Flaw> {
    match raw {
        RawVariable::Text(text) if text == "sequence" => Ok(Variable::Sequence),
        RawVariable::Text(text) => {
            let flaw = || Flaw::new(format!("{} is no variable", quote(text))).help(EXAMPLES);
            let (from, to) = text.split_once("..").ok_or_else(flaw)?;
            let number = |text: &str| text.trim().parse::<i64>().map_err(|_| flaw());
            let (from, to) = (number(from)?, number(to)?);
            if from > to {
                let flaw = Flaw::new(format!("there is no number in {}", quote(text)));
                return Err(flaw.help(format!("write `{to}..{from}`")));
            }
            Ok(Variable::Integers(from..=to))
        }
        RawVariable::List(values) if values.is_empty() => {
            Err(Flaw::new("there is nothing to choose from").help(EXAMPLES))
        }
        RawVariable::List(values) => {
            let is_plain = |value: &Value| match value {
                Value::String(_) | Value::Number(_) | Value::Bool(_) => true,
                Value::Null | Value::Array(_) | Value::Object(_) => false,
            };
            match values.iter().find(|value| !is_plain(value)) {
                Some(value) => {
                    let message = format!("{} is no text and no number", quote(&value.to_string()));
                    Err(Flaw::new(message).help(EXAMPLES))
                }
                None => Ok(Variable::OneOf(values.clone())),
            }
        }
    }
}

/// Checks that every expression of a request names something that there is. Where there are no
/// variables, what a body says is its own: other templates look alike.
pub(super) fn check(
    request: &Request,
    known: &dyn Fn(&str) -> bool,
    names: &[&str],
    at: &KeyPath,
) -> Result<(), Problem> {
    let unknown = |text: &str| {
        let name = expressions(text).into_iter().find(|name| !known(name))?;
        let flaw = Flaw::new(format!("there is no variable {}", quote(name)));
        Some(if names.is_empty() {
            flaw.help(format!("add `variables: {{ {name}: 1..500 }}`"))
        } else {
            flaw.suggest(name, names.iter().copied(), "variables")
        })
    };
    if let Some(flaw) = unknown(&request.path) {
        return Err(flaw.at(&at.key("request")));
    }
    if names.is_empty() {
        return Ok(());
    }
    for (name, value) in &request.headers {
        if let Some(flaw) = unknown(value) {
            return Err(flaw.at(&at.key("headers").key(name)));
        }
    }
    match &request.body {
        Body::Json(text) => unknown(text).map_or(Ok(()), |flaw| Err(flaw.at(&at.key("json")))),
        Body::Empty | Body::Text(_) | Body::File(_) | Body::Multipart(_) => Ok(()),
    }
}

/// What stands between `{{` and `}}`.
fn expressions(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else {
            break;
        };
        found.push(name.trim());
        rest = behind;
    }
    found
}

/// The same text as it looks with values: for checks that do not know expressions.
pub(super) fn with_zeros(text: &str) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((_, behind)) = after.split_once("}}") else {
            break;
        };
        filled.push_str(before);
        filled.push('0');
        rest = behind;
    }
    filled + rest
}
