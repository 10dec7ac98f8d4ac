//! Makes text from the measured project safe to show: nothing in it can act in the comment.
//!
//! Every cell that a repository can influence passes [`code`], [`prose`], [`fenced`] or [`plain`]; all of them clean the text first. Must not decide what is shown.

/// The most characters of a name that are shown.
pub(super) const NAME_LENGTH: usize = 120;
/// The most characters of a sentence that are shown.
pub(super) const PROSE_LENGTH: usize = 600;
/// The most characters of a piece of evidence that are shown; the whole is in `report.json`.
pub(super) const EVIDENCE_LENGTH: usize = 1_000;

/// A name as an inline code span.
pub(super) fn code(text: &str) -> String {
    let text = cut(&cleaned(text), NAME_LENGTH);
    let text = if text.trim().is_empty() {
        "(empty)".to_owned()
    } else {
        text
    };
    let fence = "`".repeat(longest_run_of_backticks(&text) + 1);
    let edge = |c: char| c == '`' || c == ' ';
    if text.starts_with(edge) || text.ends_with(edge) {
        format!("{fence} {text} {fence}")
    } else {
        format!("{fence}{text}{fence}")
    }
}

/// A sentence for a table cell, a list item or a paragraph. Text between single backticks stays
/// code; everything else is text that neither formats, links nor notifies.
pub fn prose(text: &str) -> String {
    let text = cut(&cleaned(text), PROSE_LENGTH);
    let mut out = String::new();
    let mut rest = text.trim();
    while let Some((before, after)) = rest.split_once('`') {
        let Some((inside, behind)) = after.split_once('`') else {
            break;
        };
        append(&mut out, &inert(before));
        if !inside.is_empty() {
            append(&mut out, &code(inside));
        }
        rest = behind;
    }
    append(&mut out, &inert(rest));
    no_block_start(out)
}

/// Appends a piece of Markdown; a code span next to a code span would merge their fences.
fn append(out: &mut String, piece: &str) {
    if out.ends_with('`') && piece.starts_with('`') {
        out.push(' ');
    }
    out.push_str(piece);
}

/// Escaped Markdown as the content of a table cell: there a `|` ends the cell even inside code.
/// A backslash of the name is kept apart from ours, as parsers differ in how they read `\\|`.
pub(super) fn cell(markdown: &str) -> String {
    markdown.replace("\\|", "\\ |").replace('|', "\\|")
}

/// Lines as a fenced code block.
pub(super) fn fenced(lines: &[String]) -> String {
    let text = lines
        .iter()
        .map(|line| cut(&cleaned(line), EVIDENCE_LENGTH))
        .collect::<Vec<_>>()
        .join("\n");
    let fence = "`".repeat((longest_run_of_backticks(&text) + 1).max(3));
    format!("{fence}text\n{text}\n{fence}")
}

/// Text for a terminal: one line, nothing that moves the cursor, colours or reorders.
pub fn plain(text: &str) -> String {
    cut(&cleaned(text), PROSE_LENGTH)
}

/// A name for a terminal.
pub(super) fn plain_name(text: &str) -> String {
    cut(&cleaned(text), NAME_LENGTH)
}

/// One line without characters that are invisible or change what is seen.
fn cleaned(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
            c if c.is_control() || is_invisible(c) => None,
            c => Some(c),
        })
        .collect()
}

/// Zero-width characters, direction controls, tags, soft hyphens and the byte order mark.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The first `most` characters, with `…` in place of the last when there are more.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most - 1).collect();
    short.push('…');
    short
}

fn longest_run_of_backticks(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Text without code spans. GitHub looks for mentions, references and addresses in the rendered
/// text, where an entity is the character again; only in code it does not look. So a word that
/// could notify or link becomes code, and the rest loses its formatting.
fn inert(text: &str) -> String {
    text.split(' ')
        .map(|word| {
            if may_act(word) {
                code(word)
            } else {
                without_markup(word)
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether GitHub may turn a word into a mention, a reference or a link.
fn may_act(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    ["@", "#", "://", "www.", "gh-", "mailto:", "xmpp:"]
        .iter()
        .any(|sign| lower.contains(sign))
}

fn without_markup(word: &str) -> String {
    let mut out = String::new();
    for c in word.chars() {
        match entity(c) {
            Some(entity) => out.push_str(entity),
            None => out.push(c),
        }
    }
    out
}

/// What a character is written as where it would format.
fn entity(c: char) -> Option<&'static str> {
    Some(match c {
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '$' => "&#36;",
        '*' => "&#42;",
        '[' => "&#91;",
        '\\' => "&#92;",
        ']' => "&#93;",
        '_' => "&#95;",
        '`' => "&#96;",
        '|' => "&#124;",
        '~' => "&#126;",
        _ => return None,
    })
}

/// Keeps the first word from opening a list or a heading.
fn no_block_start(text: String) -> String {
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let mut chars = text.chars().skip(digits);
    let sign = match chars.next() {
        Some('-') if digits == 0 => "&#45;",
        Some('+') if digits == 0 => "&#43;",
        Some('=') if digits == 0 => "&#61;",
        Some('.') if digits > 0 && chars.next() == Some(' ') => "&#46;",
        Some(')') if digits > 0 => "&#41;",
        Some(_) | None => return text,
    };
    format!("{}{sign}{}", &text[..digits], &text[digits + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_code_span() {
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`a"), "`` `a ``");
        assert_eq!(cell(&code("a|b\\|c")), "`a\\|b\\ \\|c`");
        assert_eq!(code("a\nb\u{202e}c\u{200b}d\u{1b}[31m"), "`a bcd[31m`");
        assert_eq!(code("\u{200b}"), "`(empty)`");
        assert_eq!(code(&"x".repeat(500)).chars().count(), NAME_LENGTH + 2);
    }

    #[test]
    fn a_sentence_keeps_its_code_and_nothing_else_of_markdown() {
        assert_eq!(prose("runs `a|b` | times"), "runs `a|b` &#124; times");
        assert_eq!(
            prose("ask @team about #12, see https://x.test <img> *now*"),
            "ask `@team` about `#12,` see `https://x.test` &lt;img&gt; &#42;now&#42;"
        );
        assert_eq!(prose("an odd ` backtick"), "an odd &#96; backtick");
        assert_eq!(prose("`a``b`@c"), "`a` `b` `@c`");
        assert_eq!(prose("--> x"), "&#45;-&gt; x");
        assert_eq!(prose("1. x"), "1&#46; x");
        assert_eq!(prose("1.5 x"), "1.5 x");
    }

    #[test]
    fn a_block_has_a_longer_fence_than_its_content() {
        assert_eq!(fenced(&["```".to_owned()]), "````text\n```\n````");
    }
}
