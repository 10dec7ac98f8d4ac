//! A sentence beside a line of the change: on a check run, or printed for the runner to show.

use std::fmt::Write;

use serde_json::{Value, json};

use super::limits;

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The gate blocks because of it.
    Failure,
    /// It is worth a look.
    Warning,
}

/// A sentence beside a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// How much it matters.
    pub level: Level,
    /// The file, from the top of the repository.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// A few words.
    pub title: String,
    /// The sentence, as plain text.
    pub message: String,
}

/// As a check run has it.
pub(super) fn json(annotation: &Annotation) -> Value {
    json!({
        "path": annotation.file,
        "start_line": annotation.line,
        "end_line": annotation.line,
        "annotation_level": match annotation.level {
            Level::Failure => "failure",
            Level::Warning => "warning",
        },
        "title": limits::within(&annotation.title, limits::ANNOTATION_TITLE),
        "message": limits::within(&annotation.message, limits::ANNOTATION),
    })
}

/// As lines for the runner, which shows the first ten of each kind.
pub fn commands(annotations: &[Annotation]) -> String {
    let mut text = String::new();
    for level in [Level::Failure, Level::Warning] {
        let of_level = annotations.iter().filter(|one| one.level == level);
        for annotation in of_level.take(limits::PRINTED) {
            let _infallible = writeln!(text, "{}", command(annotation));
        }
    }
    text
}

/// A warning that belongs to no line.
pub(super) fn warning(text: &str) -> String {
    let text = limits::within(text, limits::ANNOTATION);
    format!("::warning title=Tollgate::{}\n", data(&text))
}

fn command(annotation: &Annotation) -> String {
    let name = match annotation.level {
        Level::Failure => "error",
        Level::Warning => "warning",
    };
    format!(
        "::{name} title={},file={},line={}::{}",
        property(&limits::within(&annotation.title, limits::ANNOTATION_TITLE)),
        property(&annotation.file),
        annotation.line,
        data(&limits::within(&annotation.message, limits::ANNOTATION)),
    )
}

/// A message as the runner reads it back.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A property as the runner reads it back.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotation(level: Level, line: u32) -> Annotation {
        Annotation {
            level,
            file: "x,y.rs".to_owned(),
            line,
            title: "a,b:c".to_owned(),
            message: "msg with %\nnewline".to_owned(),
        }
    }

    #[test]
    fn a_command_is_what_the_official_toolkit_writes() {
        // `core.error("msg with %\nnewline", {title: "a,b:c", file: "x,y.rs", startLine: 1})` of
        // @actions/core 3.0.1.
        assert_eq!(
            command(&annotation(Level::Failure, 1)),
            "::error title=a%2Cb%3Ac,file=x%2Cy.rs,line=1::msg with %25%0Anewline"
        );
    }

    #[test]
    fn no_more_are_printed_than_are_shown() {
        let many: Vec<_> = (1..40)
            .map(|line| annotation(Level::Warning, line))
            .collect();
        assert_eq!(commands(&many).lines().count(), limits::PRINTED);
    }
}
