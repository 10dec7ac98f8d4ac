//! A sentence made of our own words and of names from the measured project, written once and
//! shown in a comment and on a terminal.
//!
//! Must not choose the words; it only knows which parts have to be escaped.

use super::escape;

/// A sentence in parts.
#[derive(Debug, Clone, Default)]
pub(super) struct Phrase(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    /// Our own words: nothing in them needs escaping.
    Words(String),
    /// A name from the measured project.
    Name(String),
    /// A sentence that may contain names from the measured project.
    Prose(String),
}

impl Phrase {
    /// Starts with our own words.
    pub(super) fn new(words: impl Into<String>) -> Self {
        Self::default().words(words)
    }

    /// Adds our own words.
    pub(super) fn words(mut self, words: impl Into<String>) -> Self {
        self.0.push(Part::Words(words.into()));
        self
    }

    /// Adds a name.
    pub(super) fn name(mut self, name: impl Into<String>) -> Self {
        self.0.push(Part::Name(name.into()));
        self
    }

    /// Adds a sentence, without its full stop.
    pub(super) fn prose(mut self, text: &str) -> Self {
        let text = text.trim().trim_end_matches('.');
        self.0.push(Part::Prose(text.to_owned()));
        self
    }

    /// Adds another phrase.
    pub(super) fn then(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Joins phrases with `, `.
    pub(super) fn list(phrases: impl IntoIterator<Item = Self>) -> Self {
        let mut joined = Self::default();
        for phrase in phrases {
            if !joined.0.is_empty() {
                joined = joined.words(", ");
            }
            joined = joined.then(phrase);
        }
        joined
    }

    /// For a comment.
    pub(super) fn markdown(&self) -> String {
        self.written(escape::code, escape::prose)
    }

    /// For a terminal.
    pub(super) fn plain(&self) -> String {
        self.written(escape::plain_name, escape::plain)
    }

    fn written(&self, name: fn(&str) -> String, prose: fn(&str) -> String) -> String {
        self.0
            .iter()
            .map(|part| match part {
                Part::Words(words) => words.clone(),
                Part::Name(text) => name(text),
                Part::Prose(text) => prose(text),
            })
            .collect()
    }
}
