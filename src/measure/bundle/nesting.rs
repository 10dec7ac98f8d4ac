//! Which functions a place of JavaScript is in, and which of these are called where they stand.
//!
//! Must not read strings or comments: `scan.rs` leaves them out.

/// What is open: one level for each bracket.
#[derive(Debug)]
pub(super) struct Nesting<'a> {
    levels: Vec<Level<'a>>,
    /// The word before the bracket that was closed last.
    closed: &'a str,
}

/// What is between two brackets.
#[derive(Debug, Default)]
struct Level<'a> {
    /// The word before the opening bracket.
    word: &'a str,
    /// Whether it is the body of a function.
    is_function: bool,
    /// How many imports there were before it.
    imports: usize,
    /// The same of the arrow function without braces that it ends with so far.
    arrow: Option<usize>,
}

impl Default for Nesting<'_> {
    fn default() -> Self {
        Self {
            levels: vec![Level::default()],
            closed: "",
        }
    }
}

impl<'a> Nesting<'a> {
    /// How many functions are open that are not known to be called on the spot.
    pub(super) fn functions(&self) -> usize {
        let of =
            |level: &Level<'_>| usize::from(level.is_function) + usize::from(level.arrow.is_some());
        self.levels.iter().map(of).sum()
    }

    /// An opening bracket, with the word right before it and all code before it.
    pub(super) fn open(&mut self, bracket: u8, word: &'a str, before: &str, imports: usize) {
        /// What has a block after its brackets that is no function.
        const STATEMENTS: [&str; 7] = ["if", "while", "for", "await", "with", "switch", "catch"];
        let before = before.trim_ascii_end();
        let is_arrow = before.ends_with("=>");
        let is_body = before.ends_with(')') && !STATEMENTS.contains(&self.closed);
        if bracket == b'{' && is_arrow {
            // The braces say where it ends.
            self.separate();
        }
        self.levels.push(Level {
            word,
            is_function: bracket == b'{' && (is_arrow || is_body),
            imports,
            arrow: None,
        });
    }

    /// A closing bracket, with all code after it. Where it ends a function that is called there, the
    /// imports from this one on are not in it any more.
    pub(super) fn close(&mut self, bracket: u8, after: &str) -> Option<usize> {
        if self.levels.len() < 2 {
            return None;
        }
        let level = self.levels.pop()?;
        self.closed = level.word;
        let after = after.trim_ascii_start();
        let is_call = |rest: &str| {
            let rest = rest.trim_ascii_start();
            rest.starts_with('(') || rest.starts_with(".call(") || rest.starts_with(".apply(")
        };
        match (bracket, level.arrow) {
            (b')', Some(from)) if is_call(after) => Some(from),
            (b'}', _) if level.is_function => {
                let is_called = is_call(after) || after.strip_prefix(')').is_some_and(is_call);
                is_called.then_some(level.imports)
            }
            _ => None,
        }
    }

    /// An arrow: what follows is in a function.
    pub(super) fn arrow(&mut self, imports: usize) {
        if let Some(level) = self.levels.last_mut() {
            level.arrow.get_or_insert(imports);
        }
    }

    /// The end of an expression.
    pub(super) fn separate(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.arrow = None;
        }
    }

    /// The end of a line, with the last byte of code on it: a value may end a statement.
    pub(super) fn line_ends(&mut self, last: u8) {
        if last.is_ascii_alphanumeric() || b"\"`)]}".contains(&last) {
            self.separate();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scan::imports;

    #[test]
    fn what_runs_with_the_script_is_in_no_function() {
        for (code, runs) in [
            ("import('x')", true),
            ("if (a) { import('x') }", true),
            ("try { await import('x') } catch (e) { f() }", true),
            (
                "{ a = {b: 1}; Promise.all([import('x')]).then(([k]) => { k.start() }) }",
                true,
            ),
            ("for (const a of b) { import('x') }", true),
            ("(async () => { await import('x') })()", true),
            ("(()=>import('x'))()", true),
            ("!function(){import('x')}()", true),
            ("(function () { import('x') }).call(this)", true),
            ("const f = () => 1\nimport('x')", true),
            ("const f = () => 1, g = import('x')", true),
            ("f(() => {}); import('x')", true),
            ("a = `${b.map(c => `${c}`)}`; import('x')", true),
            ("f(() => import('x'))", false),
            ("f(() => g([import('x')]))", false),
            ("f(async () => { if (a) { await import('x') } })", false),
            ("function go() { import('x') }", false),
            ("b.onclick = function () { (() => import('x'))() }", false),
            ("a = { load() { import('x') } }", false),
            ("f(() =>\n  import('x'))", false),
        ] {
            let found = imports(code);
            assert_eq!(found.len(), 1, "{code}");
            assert_eq!(found[0].functions == 0, runs, "{code}");
        }
    }
}
