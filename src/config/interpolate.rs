//! `${NAME:-default}` in compose files, as compose reads it.
//!
//! Must not know what the text is for.

use std::collections::BTreeMap;

use super::error::{Flaw, quote};

/// Replaces every variable in `text`. One that is not set is empty, as in compose.
pub(super) fn interpolate(
    text: &str,
    variables: &BTreeMap<String, String>,
) -> Result<String, Flaw> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        rest = if let Some(after) = after.strip_prefix('$') {
            filled.push('$');
            after
        } else if let Some(after) = after.strip_prefix('{') {
            let (inside, behind) = braced(after).ok_or_else(|| {
                let flaw = Flaw::new("a variable that starts with `${` has no end");
                flaw.help("write `$$` for a dollar sign")
            })?;
            filled.push_str(&value(inside, variables)?);
            behind
        } else {
            let length = name_length(after);
            if length == 0 {
                let flaw = Flaw::new("a `$` without a name");
                return Err(flaw.help("write `$$` for a dollar sign"));
            }
            let (name, behind) = after.split_at(length);
            filled.push_str(variables.get(name).map_or("", String::as_str));
            behind
        };
    }
    filled.push_str(rest);
    Ok(filled)
}

/// What is inside of the braces, which may hold others, and what comes behind them.
fn braced(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1;
    for (index, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[..index], &text[index + 1..]));
        }
    }
    None
}

fn name_length(text: &str) -> usize {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c| !is_name(c)).unwrap_or(text.len())
}

fn value(inside: &str, variables: &BTreeMap<String, String>) -> Result<String, Flaw> {
    let (name, rest) = inside.split_at(name_length(inside));
    let unknown = || {
        let shown = quote(&format!("${{{inside}}}"));
        Flaw::new(format!("{shown} is no variable")).help("write for example `${NAME:-default}`")
    };
    if name.is_empty() {
        return Err(unknown());
    }
    let set = variables.get(name);
    let filled = set.filter(|value| !value.is_empty());
    let required = |said: &str| {
        let said = if said.is_empty() {
            "it is required"
        } else {
            said
        };
        let flaw = Flaw::new(format!("the variable {} is not set: {said}", quote(name)));
        flaw.help("set it in the environment, or in `.env` beside the compose file")
    };
    let other = |text: &str| interpolate(text, variables);
    if let Some(text) = rest.strip_prefix(":-") {
        filled.cloned().map_or_else(|| other(text), Ok)
    } else if let Some(text) = rest.strip_prefix(":?") {
        filled.cloned().ok_or_else(|| required(text))
    } else if let Some(text) = rest.strip_prefix(":+") {
        filled.map_or_else(|| Ok(String::new()), |_| other(text))
    } else if let Some(text) = rest.strip_prefix('-') {
        set.cloned().map_or_else(|| other(text), Ok)
    } else if let Some(text) = rest.strip_prefix('?') {
        set.cloned().ok_or_else(|| required(text))
    } else if let Some(text) = rest.strip_prefix('+') {
        set.map_or_else(|| Ok(String::new()), |_| other(text))
    } else if rest.is_empty() {
        Ok(set.cloned().unwrap_or_default())
    } else {
        Err(unknown())
    }
}

/// The variables of a `.env` file: `NAME=value` lines, quotes around a value left out.
pub(super) fn variables_of(text: &str) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        if line.starts_with('#') {
            continue;
        }
        let value = value.trim();
        let quoted = |mark: char| {
            let inside = value.strip_prefix(mark)?;
            inside.split_once(mark).map(|(inside, _)| inside)
        };
        let value = match quoted('"').or_else(|| quoted('\'')) {
            Some(inside) => inside,
            None => value.split(" #").next().unwrap_or(value).trim_end(),
        };
        variables.insert(name.trim().to_owned(), value.to_owned());
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> BTreeMap<String, String> {
        variables_of("A=one\nEMPTY=\n# C=no\nexport B = 'two # words' \nD=three # a note\n")
    }

    #[test]
    fn variables_are_filled_in_as_compose_does() {
        for (text, expected) in [
            ("$A-${B}", "one-two # words"),
            ("$D.", "three."),
            ("$$A $${A}", "$A ${A}"),
            ("${X:-d} ${X-d} ${X}", "d d "),
            ("${EMPTY:-d} ${EMPTY-d}", "d "),
            ("${A:+yes} ${EMPTY:+yes} ${EMPTY+yes} ${X+yes}", "yes  yes "),
            ("${X:-${A}/${Y:-e}}", "one/e"),
            ("${A:?no}", "one"),
            ("no variable", "no variable"),
        ] {
            assert_eq!(
                interpolate(text, &variables()).as_deref(),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, expected) in [
            ("${X:?set me}", "the variable `X` is not set: set me"),
            ("${X?}", "the variable `X` is not set: it is required"),
            ("${A", "a variable that starts with `${` has no end"),
            ("5 $", "a `$` without a name"),
            ("${A!}", "`${A!}` is no variable"),
        ] {
            let flaw = interpolate(text, &variables()).expect_err(text).to_string();
            assert!(flaw.starts_with(expected), "{text}: {flaw}");
        }
    }
}
