//! What is wrong with the configuration, and where: a small user interface.
//!
//! Must not decide what is wrong: it only shows it.

use std::fmt;
use std::string::FromUtf8Error;

use super::locate::{KeyPath, Spot, Target, locate};

/// Characters of a source line that are shown; of longer lines, a window around the place.
const LONGEST_LINE: usize = 120;
/// Characters of a quoted name or value that are shown.
const LONGEST_QUOTE: usize = 60;

/// An error in the configuration. Its `Display` is all but the leading `error: `: the message,
/// then the place with a caret, then the help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    file: String,
    message: String,
    place: Option<Box<Place>>,
    help: Option<String>,
}

/// A place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    line: usize,
    column: usize,
    /// What is shown of the line.
    shown: String,
    /// Characters of `shown` before the caret.
    indent: usize,
    /// Carets.
    width: usize,
}

impl ConfigError {
    /// The message, without place and help.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The file, as it was named.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, counted from 1, where it is known.
    pub fn line(&self) -> Option<usize> {
        self.place.as_ref().map(|place| place.line)
    }

    /// The column in characters, counted from 1, where it is known.
    pub fn column(&self) -> Option<usize> {
        self.place.as_ref().map(|place| place.column)
    }

    /// What to do about it.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    pub(super) fn missing(file: &str) -> Self {
        let help = "write one; the README of Tollgate has an example to start from";
        Self::of_file(file, "the configuration does not exist".to_owned(), help)
    }

    pub(super) fn not_a_file(file: &str, directory: bool) -> Self {
        let kind = if directory { "a directory" } else { "no file" };
        let message = format!("the configuration is {kind}");
        Self::of_file(file, message, "name the YAML file itself")
    }

    pub(super) fn unreadable(file: &str, error: &std::io::Error) -> Self {
        let message = format!("the configuration cannot be read: {error}");
        Self::of_file(file, message, "check the permissions of the file")
    }

    pub(super) fn too_large(file: &str) -> Self {
        let message = "the configuration is larger than 1 MiB".to_owned();
        Self::of_file(
            file,
            message,
            "request bodies of that size belong in a file: `multipart: { field: \"@path\" }`",
        )
    }

    pub(super) fn not_utf8(file: &str, error: &FromUtf8Error) -> Self {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let text = String::from_utf8_lossy(error.as_bytes());
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline + 1);
        let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
        Source::new(file, &text).error(
            Flaw::new("the configuration is not UTF-8").help("save the file as UTF-8"),
            Some(Spot {
                line,
                column,
                text: Some(char::REPLACEMENT_CHARACTER.to_string()),
            }),
        )
    }

    fn of_file(file: &str, message: String, help: &str) -> Self {
        Self {
            file: file.to_owned(),
            message,
            place: None,
            help: Some(help.to_owned()),
        }
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        let gutter = match &self.place {
            Some(place) => place.show(f, &self.file)?,
            None => {
                write!(f, "\n  --> {}", self.file)?;
                2
            }
        };
        if let Some(help) = &self.help {
            write!(f, "\n{:gutter$} = help: {help}", "")?;
        }
        Ok(())
    }
}

impl Place {
    /// Writes the place and returns how wide the line numbers are.
    fn show(&self, f: &mut fmt::Formatter<'_>, file: &str) -> Result<usize, fmt::Error> {
        let gutter = self.line.to_string().len();
        let carets = "^".repeat(self.width);
        write!(
            f,
            "\n{:gutter$}--> {file}:{}:{}",
            "", self.line, self.column
        )?;
        write!(f, "\n{:gutter$} |", "")?;
        write!(f, "\n{} | {}", self.line, self.shown)?;
        write!(f, "\n{:gutter$} | {:2$}{carets}", "", "", self.indent)?;
        Ok(gutter)
    }
}

/// What is wrong with one value, before it is known where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    message: String,
    help: Option<String>,
}

impl Flaw {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
        }
    }

    /// With what to do about it.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With "did you mean" for the nearest candidate, or else all of them.
    pub(super) fn suggest<'a>(
        self,
        wrong: &str,
        candidates: impl IntoIterator<Item = &'a str>,
        kind: &str,
    ) -> Self {
        let candidates: Vec<&str> = candidates.into_iter().collect();
        if let Some(near) = nearest(wrong, &candidates) {
            return self.help(format!("did you mean {}?", quote(near)));
        }
        if candidates.is_empty() {
            return self.help(format!("there is no {kind}"));
        }
        self.help(format!("{kind}: {}", list(&candidates)))
    }

    /// At a value.
    pub(super) fn at(self, path: &KeyPath) -> Problem {
        Problem {
            flaw: self,
            path: path.clone(),
            target: Target::Value,
        }
    }

    /// At a key.
    pub(super) fn at_key(self, path: &KeyPath) -> Problem {
        Problem {
            flaw: self,
            path: path.clone(),
            target: Target::Key,
        }
    }
}

/// The message, and the help on a second line: how a flaw travels through the YAML parser.
impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        match &self.help {
            Some(help) => write!(f, "\n{help}"),
            None => Ok(()),
        }
    }
}

/// What is wrong with the thing under a path of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    flaw: Flaw,
    path: KeyPath,
    target: Target,
}

/// The text of a configuration and what it is called.
#[derive(Debug)]
pub(super) struct Source<'a> {
    name: &'a str,
    pub(super) text: &'a str,
}

impl<'a> Source<'a> {
    pub(super) fn new(name: &'a str, text: &'a str) -> Self {
        Self { name, text }
    }

    /// A problem with the place it has in this text.
    pub(super) fn explain(&self, problem: Problem) -> ConfigError {
        let spot = locate(self.text, &problem.path, problem.target);
        self.error(problem.flaw, spot)
    }

    /// An error at a known place.
    pub(super) fn error(&self, flaw: Flaw, spot: Option<Spot>) -> ConfigError {
        ConfigError {
            file: self.name.to_owned(),
            message: flaw.message,
            place: spot.map(|spot| Box::new(self.place(&spot))),
            help: flaw.help,
        }
    }

    /// A line, counted from 1; empty behind the last.
    pub(super) fn line(&self, number: usize) -> &'a str {
        self.text
            .lines()
            .nth(number.saturating_sub(1))
            .unwrap_or("")
    }

    fn place(&self, spot: &Spot) -> Place {
        let line: Vec<char> = self.line(spot.line).chars().collect();
        let before = (spot.column - 1).min(line.len());
        let width = token_width(&line, before, spot.text.as_deref());
        let start = if line.len() > LONGEST_LINE {
            before.saturating_sub(LONGEST_LINE / 2)
        } else {
            0
        };
        let end = line.len().min(start + LONGEST_LINE);
        Place {
            line: spot.line,
            column: spot.column,
            shown: line[start..end].iter().copied().map(printable).collect(),
            indent: before - start,
            width: width.min(end - before).max(1),
        }
    }
}

/// Puts a name or value of the user between backticks, harmless and not too long.
pub(super) fn quote(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST_QUOTE).map(printable).collect();
    if text.chars().count() > LONGEST_QUOTE {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// Quoted, with commas.
pub(super) fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| quote(name)).collect();
    quoted.join(", ")
}

/// The candidate a typing mistake away: one in four characters, and one more.
fn nearest<'a>(wrong: &str, candidates: &[&'a str]) -> Option<&'a str> {
    candidates
        .iter()
        .map(|candidate| {
            let distance =
                strsim::damerau_levenshtein(&wrong.to_lowercase(), &candidate.to_lowercase());
            (distance, *candidate)
        })
        .filter(|(distance, candidate)| {
            *distance <= 1 + candidate.chars().count() / 4 && *distance < candidate.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Control characters must not reach a terminal or a workflow log, and a tab would move the caret.
fn printable(character: char) -> char {
    if character == '\t' {
        ' '
    } else if character.is_control() {
        char::REPLACEMENT_CHARACTER
    } else {
        character
    }
}

/// How many characters the token at `start` has.
fn token_width(line: &[char], start: usize, text: Option<&str>) -> usize {
    let rest = &line[start..];
    match (rest.first(), text) {
        (Some(quote @ ('"' | '\'')), _) => quoted_width(rest, *quote),
        (_, Some(text)) if starts_with(rest, text) => text.chars().count(),
        (Some('[' | '{'), _) => 1,
        _ => plain_width(rest, line[..start].iter().any(|c| matches!(c, '{' | '['))),
    }
}

fn starts_with(rest: &[char], text: &str) -> bool {
    !text.is_empty()
        && rest
            .iter()
            .copied()
            .take(text.chars().count())
            .eq(text.chars())
}

fn quoted_width(rest: &[char], quote: char) -> usize {
    let mut inside = rest.iter().enumerate().skip(1);
    while let Some((index, character)) = inside.next() {
        if *character == '\\' && quote == '"' {
            inside.next();
        } else if *character == quote {
            return index + 1;
        }
    }
    rest.len()
}

fn plain_width(rest: &[char], in_flow: bool) -> usize {
    let blank_at = |index: usize| rest.get(index).is_none_or(|c| c.is_whitespace());
    let end = (0..rest.len()).find(|&index| match rest[index] {
        ':' => blank_at(index + 1),
        '#' => index > 0 && blank_at(index - 1),
        ',' | ']' | '}' => in_flow,
        _ => false,
    });
    let token = &rest[..end.unwrap_or(rest.len())];
    token.len() - token.iter().rev().take_while(|c| c.is_whitespace()).count()
}
