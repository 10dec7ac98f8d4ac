//! Text becomes [`RawConfig`], and what the YAML parser says becomes words for the user.
//!
//! Must not judge what a value means: that is `resolve`.

use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny};

use super::error::{ConfigError, Flaw, Source, quote};
use super::locate::Spot;
use super::raw::{RawConfig, TOP_LEVEL};
use super::shape::Shape;

/// Reads the mirror of the file.
pub(super) fn read(source: &Source<'_>) -> Result<RawConfig, ConfigError> {
    if is_empty(source.text) {
        let flaw = Flaw::new("the configuration is empty");
        return Err(source.error(
            flaw.help("the README of Tollgate has an example to start from"),
            None,
        ));
    }
    if let Some(spot) = control_character(source.text) {
        let flaw = Flaw::new("there is a control character in the file");
        return Err(source.error(
            flaw.help("remove it, or write it as `\\x1b` in quotes"),
            Some(spot),
        ));
    }
    IgnoredAny::deserialize(serde_yaml::Deserializer::from_str(source.text))
        .map_err(|error| syntax_error(source, &error))?;
    Shape::document()
        .deserialize(serde_yaml::Deserializer::from_str(source.text))
        .map_err(|error| content_error(source, &error))?;
    RawConfig::deserialize(serde_yaml::Deserializer::from_str(source.text))
        .map_err(|error| content_error(source, &error))
}

fn is_empty(text: &str) -> bool {
    text.lines().all(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "---"
    })
}

/// The parser refuses these too, but does not tell the line.
fn control_character(text: &str) -> Option<Spot> {
    let refused = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    text.split('\n').enumerate().find_map(|(index, line)| {
        let (column, character) = line.chars().enumerate().find(|(_, c)| refused(*c))?;
        Some(Spot {
            line: index + 1,
            column: column + 1,
            text: Some(character.to_string()),
        })
    })
}

/// The parser could not make sense of the text.
fn syntax_error(source: &Source<'_>, error: &serde_yaml::Error) -> ConfigError {
    let text = error.to_string();
    if text.contains("more than one document") {
        let flaw = Flaw::new("the file holds more than one YAML document")
            .help("remove this line and what follows it");
        return source.error(flaw, second_document(source.text));
    }
    let spot = spot_of(error, None);
    let line = spot.as_ref().map_or("", |spot| source.line(spot.line));
    let indent: &str = &line[..line.len() - line.trim_start().len()];
    if let (Some(spot), Some(tab)) = (&spot, indent.find('\t')) {
        let flaw = Flaw::new("a tab cannot indent YAML").help("indent with spaces");
        let column = indent[..tab].chars().count() + 1;
        let line = spot.line;
        let text = Some("\t".to_owned());
        return source.error(flaw, Some(Spot { line, column, text }));
    }
    let (problem, context) = text.split_once(", ").unwrap_or((&text, ""));
    let flaw = Flaw::new(format!("this is not YAML: {}", without_place(problem)));
    let flaw = match context {
        "" if problem.starts_with("mapping values are not allowed") => {
            flaw.help("check the indentation, and put a value that contains `: ` in quotes")
        }
        "" => flaw,
        context => flaw.help(format!("this was {context}")),
    };
    source.error(flaw, spot)
}

/// The second line that starts a document; the first may be at the top.
fn second_document(text: &str) -> Option<Spot> {
    let starts = |line: &str| line == "---" || line.starts_with("--- ");
    let mut content = false;
    for (index, line) in text.lines().enumerate() {
        if starts(line) && content {
            let text = Some("---".to_owned());
            return Some(Spot {
                line: index + 1,
                column: 1,
                text,
            });
        }
        content |= starts(line) || !(line.trim().is_empty() || line.starts_with(['#', '%']));
    }
    None
}

/// The text is YAML, but not a configuration.
fn content_error(source: &Source<'_>, error: &serde_yaml::Error) -> ConfigError {
    let text = error.to_string();
    let text = match error.location() {
        Some(place) => {
            let suffix = format!(" at line {} column {}", place.line(), place.column());
            text.strip_suffix(&suffix).unwrap_or(&text)
        }
        None => &text,
    };
    let (path, message) = split_path(text);
    let (flaw, token) = translate(path, message);
    source.error(flaw, spot_of(error, token))
}

fn spot_of(error: &serde_yaml::Error, text: Option<&str>) -> Option<Spot> {
    let location = error.location()?;
    Some(Spot {
        line: location.line(),
        column: location.column(),
        text: text.map(str::to_owned),
    })
}

/// Takes ` at line 3 column 5` away.
fn without_place(message: &str) -> &str {
    message
        .split_once(" at line ")
        .map_or(message, |(before, _)| before)
}

/// The parser writes `endpoints[0].load: message`.
fn split_path(text: &str) -> (&str, &str) {
    let Some((path, message)) = text.split_once(": ") else {
        return ("", text);
    };
    let top = path.split(['.', '[']).next().unwrap_or(path);
    if TOP_LEVEL.contains(&top) {
        (path, message)
    } else {
        ("", text)
    }
}

/// The message in the words of the user, and the token it points at where that is known.
fn translate<'a>(path: &str, message: &'a str) -> (Flaw, Option<&'a str>) {
    if let Some((key, expected)) = between(message, "unknown field `", "`, ") {
        return (unknown_key(path, key, expected), Some(key));
    }
    if let Some((key, expected)) = between(message, "unknown variant `", "`, ") {
        let flaw = Flaw::new(format!("{} is not a choice here", quote(key)));
        return (flaw.suggest(key, names(expected), "choices"), Some(key));
    }
    if let Some((key, _)) = between(message, "missing field `", "`") {
        let flaw = Flaw::new(format!("the key {} is missing", quote(key)));
        return (flaw.help(format!("add `{key}:` to what starts here")), None);
    }
    if message.ends_with(", expected a key") {
        let flaw = Flaw::new("this cannot be a key");
        return (
            flaw.help("put a value that starts with `{{` in quotes"),
            None,
        );
    }
    for invalid in ["invalid type: ", "invalid value: "] {
        if let Some((found, expected)) = between(message, invalid, ", expected ") {
            let expected = plain_type(expected);
            let found = plain_type(found);
            return (
                Flaw::new(format!("expected {expected}, found {found}")),
                None,
            );
        }
    }
    match message.split_once('\n') {
        Some((message, help)) => (Flaw::new(message).help(help), None),
        None => (Flaw::new(message), None),
    }
}

/// What stands between a prefix and the first `end`, and what follows.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<(&'a str, &'a str)> {
    text.strip_prefix(start)?.split_once(end)
}

/// The names in `` expected one of `a`, `b` ``.
fn names(expected: &str) -> Vec<&str> {
    expected.split('`').skip(1).step_by(2).collect()
}

fn unknown_key(path: &str, key: &str, expected: &str) -> Flaw {
    if let Some(instead) = not_available(path, key) {
        let key = quote(key);
        return Flaw::new(format!("{key} is not available in this version; {instead}"));
    }
    let flaw = Flaw::new(format!("unknown key {}", quote(key)));
    flaw.suggest(key, names(expected), "the keys here are")
}

/// What to use instead of a key that the design has and this version does not.
fn not_available(path: &str, key: &str) -> Option<&'static str> {
    match key {
        "pages" if path.is_empty() => Some("measure `frontend` and `endpoints`"),
        _ => None,
    }
}

/// The words of serde in the words of YAML.
fn plain_type(words: &str) -> String {
    match words {
        "map" => "a mapping".to_owned(),
        "a map" => "a mapping".to_owned(),
        "sequence" | "a sequence" => "a list".to_owned(),
        "u16" | "u32" | "u64" => "a whole number".to_owned(),
        "a string" => "text".to_owned(),
        "unit value" => "nothing".to_owned(),
        "a YAML tag starting with '!'" => "one word".to_owned(),
        _ => match words.split_once(' ') {
            Some(("string", text)) => quote(text.trim_matches('"')),
            Some(("integer" | "floating" | "boolean", text)) => {
                quote(text.trim_start_matches("point ").trim_matches('`'))
            }
            _ => words.to_owned(),
        },
    }
}
