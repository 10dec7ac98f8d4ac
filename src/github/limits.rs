//! GitHub's limits on texts, and how a text is brought under one.
//!
//! A function of its arguments. Reports are already short (`report::fit`); this is the last guard,
//! for what is put around them.

/// A comment: 65,536 characters.
pub const COMMENT: usize = 65_536;
/// The summary and the text of a check run: 65,535 characters each.
pub const CHECK_TEXT: usize = 65_535;
/// The description of a commit status.
pub const STATUS: usize = 140;
/// The title of an annotation.
pub const ANNOTATION_TITLE: usize = 255;
/// The message of an annotation: 64 KB, and 4,096 characters where the runner prints it.
pub const ANNOTATION: usize = 4_000;
/// Annotations in one request.
pub const ANNOTATIONS: usize = 50;
/// Annotations of one kind that a step may print.
pub const PRINTED: usize = 10;
/// The job summary of one step: 1 MiB.
pub const SUMMARY: usize = 1 << 20;

/// What stands where something was cut.
const CUT: char = '…';

/// The text, or as much of its start as is within the limit both in bytes and in UTF-16 units:
/// GitHub does not say which it counts.
pub fn within(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut length = CUT.len_utf8();
    let mut short = String::new();
    for c in text.chars() {
        length += c.len_utf8();
        if length > limit {
            break;
        }
        short.push(c);
    }
    short.push(CUT);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(within("abc", 3), "abc");
        assert_eq!(within("abcdef", 5), "ab…");
        assert_eq!(within("äöü…", 8), "äö…");
        for limit in 3..20 {
            let cut = within("🐌🐌🐌🐌🐌", limit);
            assert!(cut.len() <= limit, "{cut}");
            assert!(cut.encode_utf16().count() <= limit, "{cut}");
        }
    }
}
