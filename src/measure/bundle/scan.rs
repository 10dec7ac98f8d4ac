//! Import statements and words of JavaScript and TypeScript, found without a parser.
//!
//! Knows comments, strings, templates and regular expressions, and starts afresh after every
//! line that it misread. Must not resolve anything: a specifier stays the text it is.

use super::nesting::Nesting;

/// How a module is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `import … from 'x'`, `import 'x'`, `export … from 'x'`.
    Static,
    /// `import('x')`.
    Dynamic,
    /// `require('x')`.
    Require,
}

/// One import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Import {
    /// What is asked for.
    pub(super) specifier: String,
    /// First line of the statement, counted from 1.
    pub(super) line: u32,
    /// How it is asked for.
    pub(super) kind: Kind,
    /// What is between `import` and `from`, or what `require` is assigned to.
    pub(super) clause: String,
    /// The statement on one line.
    pub(super) statement: String,
    /// In how many functions it is that are not called on the spot: with none it runs with the script.
    pub(super) functions: usize,
}

/// A word of the code, outside of comments, strings and import statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'a> {
    /// The word.
    pub(super) text: &'a str,
    /// Whether it follows a dot, as `b` does in `a.b`.
    pub(super) is_member: bool,
    /// What follows it.
    pub(super) rest: &'a str,
}

/// Every import of `text`, in order. Imports of types only are left out: they ship nothing.
pub(super) fn imports(text: &str) -> Vec<Import> {
    let mut scanner = Scanner::new(text);
    scanner.run(&mut |_| {});
    scanner.imports
}

/// Calls `visit` for every word of the code.
pub(super) fn words<'a>(text: &'a str, visit: &mut dyn FnMut(Word<'a>)) {
    Scanner::new(text).run(visit);
}

/// Whether `text` asks for modules at once that it does not name: by a pattern, as bundlers offer
/// it, or by what an expression gives.
pub(super) fn asks_by_pattern(text: &str) -> bool {
    let mut asks = false;
    words(text, &mut |word| {
        let before = &text[..text.len() - word.rest.len() - word.text.len()];
        let is_called = word.rest.trim_ascii_start().starts_with('(');
        asks |= match word.text {
            // Lazy ones are dynamic imports.
            "glob" => before.ends_with("import.meta.") && text.contains("eager"),
            "globEager" => before.ends_with("import.meta."),
            "context" => is_called && before.ends_with("require."),
            "require" => !word.is_member && is_called,
            _ => false,
        };
    });
    asks
}

/// What kind of module a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// It imports or exports.
    Modules,
    /// It assigns what it exports, for the first time in this line, counted from 1.
    CommonJs {
        /// The line.
        line: u32,
    },
}

/// What kind of module `text` is; none when it does not say.
pub(super) fn format(text: &str) -> Option<Format> {
    let mut scanner = Scanner::new(text);
    let mut has_export = false;
    let mut assigned = None;
    scanner.run(&mut |word| {
        let rest = word.rest.trim_ascii_start();
        match word.text {
            _ if word.is_member => {}
            "export" => has_export |= !rest.starts_with([':', '=', ',', ')', '.', ';']),
            "module" | "exports" if assigned.is_none() => {
                let is_exports = match word.text {
                    "module" => rest.starts_with(".exports"),
                    _ => rest.starts_with(['.', '[', ',', '=']),
                };
                if is_exports {
                    assigned = Some(text.len() - word.rest.len());
                }
            }
            _ => {}
        }
    });
    let has_import = scanner
        .imports
        .iter()
        .any(|import| import.kind == Kind::Static);
    if has_export || has_import {
        return Some(Format::Modules);
    }
    let before = &text.as_bytes()[..assigned?];
    Some(Format::CommonJs {
        line: newlines(before) + 1,
    })
}

/// The longest clause of an import that is looked at: more is no import.
const LONGEST_CLAUSE: usize = 20_000;

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    line: u32,
    /// Last byte of code that is no space.
    last: u8,
    /// Start of the last word, if the last thing was one.
    last_word: &'a str,
    /// Open braces in each template expression that is being read.
    templates: Vec<usize>,
    /// Of every open bracket, whether it holds the condition of a statement.
    brackets: Vec<bool>,
    /// Whether the last closing bracket ended such a condition.
    was_condition: bool,
    nesting: Nesting<'a>,
    imports: Vec<Import>,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            line: 1,
            last: b'\n',
            last_word: "",
            templates: Vec::new(),
            brackets: Vec::new(),
            was_condition: false,
            nesting: Nesting::default(),
            imports: Vec::new(),
        }
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn run(&mut self, visit: &mut dyn FnMut(Word<'a>)) {
        while self.at < self.bytes.len() {
            let byte = self.byte(self.at);
            match byte {
                b'\n' => {
                    self.nesting.line_ends(self.last);
                    self.line += 1;
                    self.at += 1;
                }
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'/' => self.slash(),
                b'"' | b'\'' => self.string(),
                b'`' => {
                    self.at += 1;
                    self.template();
                }
                _ if is_word(byte) => self.word(visit),
                _ => self.punctuation(byte),
            }
        }
    }

    fn code(&mut self, last: u8) {
        self.last = last;
        self.last_word = "";
    }

    fn punctuation(&mut self, byte: u8) {
        self.at += 1;
        match byte {
            b'(' => {
                let has_condition = matches!(self.last_word, "if" | "while" | "for" | "with");
                self.brackets.push(has_condition);
            }
            b')' => self.was_condition = self.brackets.pop().unwrap_or(false),
            _ => {}
        }
        self.nest(byte);
        self.code(byte);
        let Some(open) = self.templates.last_mut() else {
            return;
        };
        match (byte, *open) {
            (b'{', _) => *open += 1,
            (b'}', 0) => {
                self.templates.pop();
                self.template();
            }
            (b'}', _) => *open -= 1,
            _ => {}
        }
    }

    /// Follows the functions that the code is in.
    fn nest(&mut self, byte: u8) {
        match byte {
            b'(' | b'[' | b'{' => {
                let before = &self.text[..self.at - 1];
                (self.nesting).open(byte, self.last_word, before, self.imports.len());
            }
            // The end of an expression in a template is none of a block.
            b'}' if self.templates.last() == Some(&0) => {}
            b')' | b']' | b'}' => {
                if let Some(from) = self.nesting.close(byte, &self.text[self.at..]) {
                    for import in self.imports.iter_mut().skip(from) {
                        import.functions = import.functions.saturating_sub(1);
                    }
                }
            }
            b'>' if self.text[..self.at].ends_with("=>") => {
                self.nesting.arrow(self.imports.len());
            }
            b',' | b';' => self.nesting.separate(),
            _ => {}
        }
    }

    fn slash(&mut self) {
        match self.byte(self.at + 1) {
            b'/' => self.at = self.end_of_line(),
            b'*' => self.at = self.end_of_comment(),
            _ if self.may_start_regex() => match self.end_of_regex() {
                Some(end) => {
                    self.at = end;
                    self.code(b'"');
                }
                None => self.punctuation(b'/'),
            },
            _ => self.punctuation(b'/'),
        }
    }

    fn end_of_line(&self) -> usize {
        self.bytes[self.at..]
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(self.bytes.len(), |length| self.at + length)
    }

    fn end_of_comment(&mut self) -> usize {
        let start = self.at + 2;
        let end = self
            .text
            .get(start..)
            .and_then(|rest| rest.find("*/"))
            .map_or(self.bytes.len(), |length| start + length + 2);
        self.line += newlines(&self.bytes[self.at..end]);
        end
    }

    /// A slash after an operator, an opening bracket or the condition of a statement starts a
    /// regular expression; after a value it divides.
    fn may_start_regex(&self) -> bool {
        (self.last == b')' && self.was_condition)
            || matches!(self.last_word, "return" | "typeof" | "case" | "in" | "of")
            || (self.last_word.is_empty() && b"(,=:[!&|?{;+-*%~^>\n".contains(&self.last))
    }

    fn end_of_regex(&self) -> Option<usize> {
        let mut is_class = false;
        let mut at = self.at + 1;
        loop {
            match self.byte(at) {
                b'\\' => at += 1,
                b'[' => is_class = true,
                b']' => is_class = false,
                b'/' if !is_class => return Some(at + 1),
                b'\n' | 0 => return None,
                _ => {}
            }
            at += 1;
        }
    }

    /// Skips a string. A line end closes it: then it was an apostrophe in text.
    fn string(&mut self) {
        let quote = self.byte(self.at);
        self.at += 1;
        while self.at < self.bytes.len() {
            match self.byte(self.at) {
                b'\\' => {
                    if self.byte(self.at + 1) == b'\n' {
                        self.line += 1;
                    }
                    self.at += 1;
                }
                b'\n' => break,
                byte if byte == quote => {
                    self.at += 1;
                    break;
                }
                _ => {}
            }
            self.at += 1;
        }
        self.at = self.at.min(self.bytes.len());
        self.code(b'"');
    }

    /// Skips the text of a template up to its end or to the next expression in it.
    fn template(&mut self) {
        while self.at < self.bytes.len() {
            match self.byte(self.at) {
                b'\\' => self.at += 1,
                b'\n' => self.line += 1,
                b'`' => {
                    self.at += 1;
                    self.code(b'"');
                    return;
                }
                b'$' if self.byte(self.at + 1) == b'{' => {
                    self.at += 2;
                    self.code(b'{');
                    self.templates.push(0);
                    return;
                }
                _ => {}
            }
            self.at += 1;
        }
        self.at = self.bytes.len();
    }

    fn end_of_word(&self, start: usize) -> usize {
        self.bytes[start..]
            .iter()
            .position(|byte| !is_word(*byte))
            .map_or(self.bytes.len(), |length| start + length)
    }

    fn word(&mut self, visit: &mut dyn FnMut(Word<'a>)) {
        let start = self.at;
        let end = self.end_of_word(start);
        let word = &self.text[start..end];
        let before = self.last;
        let is_member = before == b'.' && !self.text[..start].trim_end().ends_with("...");
        self.at = end;
        self.last = b'a';
        // A member may be called `if` or `in`.
        self.last_word = if is_member { "" } else { word };
        let found = match word {
            "import" if !is_member => self.import(start),
            "export" if !is_member => self.export(start),
            "require" if !is_member => self.require(start),
            _ => None,
        };
        match found {
            Some(end) => {
                self.line += newlines(&self.bytes[start..end]);
                self.at = end;
                self.code(b'"');
            }
            None => visit(Word {
                text: word,
                is_member,
                rest: &self.text[end..],
            }),
        }
    }

    /// Reads on after `import`; the end of the statement when it is one.
    fn import(&mut self, start: usize) -> Option<usize> {
        let next = self.skip_trivia(self.at);
        match self.byte(next) {
            b'(' => self.call(start, Kind::Dynamic),
            b'"' | b'\'' => {
                let (specifier, end) = self.literal(next)?;
                self.found(start..end, specifier, Kind::Static, "");
                Some(end)
            }
            _ => self.clause(start, next),
        }
    }

    fn export(&mut self, start: usize) -> Option<usize> {
        let next = self.skip_trivia(self.at);
        let is_type = self.text[next..].starts_with("type ");
        (is_type || matches!(self.byte(next), b'*' | b'{'))
            .then(|| self.clause(start, next))
            .flatten()
    }

    fn require(&mut self, start: usize) -> Option<usize> {
        self.call(start, Kind::Require)
    }

    /// `import('x')` or `require('x')`, with the opening bracket still ahead.
    fn call(&mut self, start: usize, kind: Kind) -> Option<usize> {
        let open = self.skip_trivia(self.at);
        if self.byte(open) != b'(' {
            return None;
        }
        let (specifier, end) = self.literal(self.skip_trivia(open + 1))?;
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let before = self.text[line_start..start].trim();
        let clause = match kind {
            Kind::Require => assigned(before).to_owned(),
            Kind::Static | Kind::Dynamic => String::new(),
        };
        // Bundled code has everything on one line, which is no statement to show.
        let from = if before.len() > 200 {
            start
        } else {
            line_start
        };
        let rest = &self.text[end..];
        let close = rest.find(')').map_or(end, |length| end + length + 1);
        let statement = one_line(&self.text[from..close]);
        self.push(specifier, kind, clause, statement);
        self.brackets.push(false);
        (self.nesting).open(b'(', "import", "", self.imports.len());
        Some(end)
    }

    /// `a, { b } from 'x'` and its like, starting at `from`.
    fn clause(&mut self, start: usize, from: usize) -> Option<usize> {
        let mut at = from;
        let mut was_braces = false;
        loop {
            at = self.skip_trivia(at);
            if at - from > LONGEST_CLAUSE {
                return None;
            }
            match self.byte(at) {
                b'{' if !was_braces => {
                    at += self.text[at..].find('}')? + 1;
                    was_braces = true;
                }
                b'*' | b',' if !was_braces => at += 1,
                byte if is_word(byte) => {
                    let end = self.end_of_word(at);
                    let next = self.skip_trivia(end);
                    let is_from = &self.text[at..end] == "from";
                    if is_from && let Some((specifier, end)) = self.literal(next) {
                        let clause = self.text[from..at].trim();
                        if !is_type_only(clause) {
                            self.found(start..end, specifier, Kind::Static, clause);
                        }
                        return Some(end);
                    }
                    if was_braces {
                        return None;
                    }
                    at = end;
                }
                _ => return None,
            }
        }
    }

    fn found(&mut self, at: std::ops::Range<usize>, specifier: String, kind: Kind, clause: &str) {
        let statement = one_line(&self.text[at]);
        self.push(specifier, kind, one_line(clause), statement);
    }

    fn push(&mut self, specifier: String, kind: Kind, clause: String, statement: String) {
        self.imports.push(Import {
            specifier,
            line: self.line,
            kind,
            clause,
            statement,
            functions: self.nesting.functions(),
        });
    }

    /// The next byte from `at` that is neither space nor comment.
    fn skip_trivia(&self, mut at: usize) -> usize {
        loop {
            let rest = self.text.get(at..).unwrap_or_default();
            let length = if rest.starts_with(|c: char| c.is_ascii_whitespace()) {
                rest.len() - rest.trim_ascii_start().len()
            } else if rest.starts_with("/*") {
                rest.find("*/").map_or(rest.len(), |end| end + 2)
            } else if rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else {
                return at;
            };
            at += length;
        }
    }

    /// The string literal at `at` and where it ends. Minifiers write templates without
    /// expression for it as well.
    fn literal(&self, at: usize) -> Option<(String, usize)> {
        let quote = self.byte(at);
        if !matches!(quote, b'"' | b'\'' | b'`') {
            return None;
        }
        let rest = &self.text[at + 1..];
        let length = rest.find(char::from(quote))?;
        let text = &rest[..length];
        (!text.contains(['\n', '\\']) && !text.contains("${"))
            .then(|| (text.to_owned(), at + length + 2))
    }
}

/// The binding in `const x =` or `var { a, b } =`.
fn assigned(before: &str) -> &str {
    let Some(binding) = before.strip_suffix('=') else {
        return "";
    };
    ["const ", "let ", "var "]
        .iter()
        .find_map(|keyword| binding.trim().strip_prefix(keyword))
        .map_or("", str::trim)
}

fn is_type_only(clause: &str) -> bool {
    let Some(rest) = clause.strip_prefix("type") else {
        return false;
    };
    // `import type from 'x'` has a default binding of that name.
    rest.starts_with(|c: char| c.is_ascii_whitespace() || c == '{' || c == '*')
        && !rest.trim().is_empty()
        && !rest.trim_start().starts_with(',')
}

fn one_line(text: &str) -> String {
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn newlines(bytes: &[u8]) -> u32 {
    let count = bytes.iter().filter(|byte| **byte == b'\n').count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, u32, Kind)> {
        imports(text)
            .into_iter()
            .map(|import| (import.specifier, import.line, import.kind))
            .collect()
    }

    #[test]
    fn every_form_is_found_on_its_first_line() {
        let text = "\
// import a from 'comment';
import a from 'a';
import {
  b,
} from \"b\";
import * as c from 'c';
import './d.css';
export { e } from 'e';
export * from 'f';
export * as ns from 'g';
const h = require('h');
const I = lazy(() => import(/* name */ './i'));
import type { J } from 'j';
import { type K, k } from 'k';
export const from = 'nothing';
const text = `import 'no' ${require('yes')}`;
const url = import.meta.url; /* import 'no' */ const re = /['\"`]/;
object.require('no');
";
        let expected: Vec<(String, u32, Kind)> = [
            ("a", 2, Kind::Static),
            ("b", 3, Kind::Static),
            ("c", 6, Kind::Static),
            ("./d.css", 7, Kind::Static),
            ("e", 8, Kind::Static),
            ("f", 9, Kind::Static),
            ("g", 10, Kind::Static),
            ("h", 11, Kind::Require),
            ("./i", 12, Kind::Dynamic),
            ("k", 14, Kind::Static),
            ("yes", 16, Kind::Require),
        ]
        .map(|(specifier, line, kind)| (specifier.to_owned(), line, kind))
        .into();
        assert_eq!(found(text), expected);
    }

    #[test]
    fn modules_may_be_asked_for_without_their_names() {
        for text in [
            "const all = import.meta.glob('./pages/*.tsx', { eager: true });",
            "const all = import.meta.glob<Page>('./pages/*.tsx', { eager: true });",
            "import.meta.globEager('./pages/*.tsx')",
            "require.context('./pages', true)",
            "const page = require(name);",
            "const page = require(`./${name}`);",
        ] {
            assert!(asks_by_pattern(text), "{text}");
        }
        for text in [
            "const all = import.meta.glob('./pages/*.tsx');",
            "const page = require('./page');",
            "object.require(name); files.glob('*', { eager: true });",
            "typeof require === 'function' && require",
        ] {
            assert!(!asks_by_pattern(text), "{text}");
        }
    }

    #[test]
    fn minified_code_is_understood() {
        let text = r#"import{a as b}from"./x.js";import"./y.js";export{b};const c=()=>import("./z.js");export{d}from"./w.js""#;
        let specifiers: Vec<String> = found(text).into_iter().map(|found| found.0).collect();
        assert_eq!(specifiers, ["./x.js", "./y.js", "./z.js", "./w.js"]);
    }

    #[test]
    fn a_slash_behind_a_condition_starts_a_regular_expression() {
        let found = |text| -> Vec<String> {
            let imports = imports(text).into_iter();
            imports.map(|import| import.specifier).collect()
        };
        for text in [
            r#"if(a)/"/.test(b);x=()=>import("./page.js")"#,
            r#"if(f(a)&&import("./page.js"))/'/.test(b)"#,
            r#"for(;;)while (a(b)) /[/"]/.test(c);import("./page.js")"#,
        ] {
            assert_eq!(found(text), ["./page.js"], "{text}");
        }
        // Behind a value it divides, whatever looks like the end of an expression later on.
        for text in [
            r#"x=(a+b)/c;y="d/e";import("./page.js")"#,
            r#"x=if_(a)/2;y="d/e";import("./page.js")"#,
            r#"x=o.if(a)/2;y="d/e";import("./page.js")"#,
            r#"if(a)x=(b)/2;y="d/e";import("./page.js")"#,
            r#"x=o.in/2;y="d/e";import("./page.js")"#,
        ] {
            assert_eq!(found(text), ["./page.js"], "{text}");
        }
    }

    #[test]
    fn an_export_list_does_not_swallow_the_import_after_it() {
        assert_eq!(
            found("export { a }\nimport x from 'y'"),
            [("y".to_owned(), 2, Kind::Static)]
        );
    }

    #[test]
    fn an_apostrophe_in_markup_ends_with_its_line() {
        let text = "const a = <p>Don't</p>;\nconst B = lazy(() => import('./b'));";
        assert_eq!(found(text), [("./b".to_owned(), 2, Kind::Dynamic)]);
    }

    #[test]
    fn the_clause_and_the_statement_are_kept() {
        let all = imports("import _, {\n  map\n} from 'lodash';\nconst x = require('y');");
        assert_eq!(all[0].clause, "_, { map }");
        assert_eq!(all[0].statement, "import _, { map } from 'lodash'");
        assert_eq!(all[1].clause, "x");
        assert_eq!(all[1].statement, "const x = require('y')");
    }

    #[test]
    fn odd_text_ends() {
        for text in [
            "import",
            "import {",
            "`${",
            "'\\",
            "/*",
            "require(",
            "import('",
            "é'ü\\",
            "/[",
            "export type",
        ] {
            imports(text);
        }
    }

    #[test]
    fn modules_say_what_they_are() {
        for (text, expected) in [
            ("// module.exports\nmodule.exports = 1;", Some(2)),
            (
                "'use strict';\nObject.defineProperty(exports, '__esModule', {});",
                Some(2),
            ),
            (
                "(function(e){typeof exports==='object'?e(exports):0})()",
                Some(1),
            ),
            ("exports['a'] = 1;", Some(1)),
        ] {
            let expected = expected.map(|line| Format::CommonJs { line });
            assert_eq!(format(text), expected, "{text}");
        }
        for text in [
            "export const a = 1;",
            "export{a as b};",
            "export default function () { module.exports = 1 }",
            "import 'x'; exports.a = 1;",
            "export * from './x';",
        ] {
            assert_eq!(format(text), Some(Format::Modules), "{text}");
        }
        for text in [
            "var a = 1;",
            "x.exports.y",
            "'module.exports = 1'",
            "({exports: 1})",
            "",
        ] {
            assert_eq!(format(text), None, "{text}");
        }
    }

    #[test]
    fn words_know_what_stands_around_them() {
        let mut seen = Vec::new();
        words("_.map(x, y._, ..._.a)", &mut |word| {
            if word.text == "_" {
                seen.push((word.is_member, word.rest.starts_with('.')));
            }
        });
        assert_eq!(seen, [(false, true), (true, false), (false, true)]);
    }
}
