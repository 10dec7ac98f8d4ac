//! File names without their content hash, and contents without the names of others.
//!
//! Must not read files. A name that is stripped wrongly costs nothing as long as it is stripped
//! the same way in both arms; a hash that is left in costs a false "added" and "removed".

use std::collections::HashMap;
use std::ops::Range;

use super::assets::File;

/// Length of the hashes of rollup, rolldown (base64url) and esbuild (base32).
const SHORT: usize = 8;
/// The shortest text that follows a known chunk name and is taken for a hash.
const LEAST: usize = 6;
/// The shortest name that is taken for a bare hex hash: two such words do not exist.
const BARE: usize = 16;

/// A path without its content hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stripped {
    /// The path without separator and hash.
    pub(super) name: String,
    /// Where the hash is in the path; none when there is none.
    pub(super) hash: Option<Range<usize>>,
}

/// Strips the content hash off `path`. `chunk` is the name the bundler gave the chunk, where it
/// is known: what follows it then is the hash, whatever it looks like.
pub(super) fn strip(path: &str, chunk: Option<&str>) -> Stripped {
    match chunk
        .and_then(|chunk| hash_after(path, chunk))
        .or_else(|| plausible_hash(path))
    {
        Some(hash) => Stripped {
            name: without(path, &hash),
            hash: Some(hash),
        },
        None => Stripped {
            name: path.to_owned(),
            hash: None,
        },
    }
}

/// Strips anything of the length of a hash, even if it reads like a word. Only good for finding
/// the counterpart of a file that has none so far.
pub(super) fn strip_loosely(path: &str) -> String {
    match short_hash(path) {
        Some(hash) => without(path, &hash),
        None => strip(path, None).name,
    }
}

fn without(path: &str, hash: &Range<usize>) -> String {
    let before = &path[..hash.start];
    let after = &path[hash.end..];
    match before.strip_suffix(['-', '.', '_', '~']) {
        Some(before) => format!("{before}{after}"),
        // The hash is the whole name.
        None => format!("{before}chunk{after}"),
    }
}

/// Where the stem of the file name lies in `path`: between the last `/` and the last `.`.
fn stem(path: &str) -> Range<usize> {
    let start = path.rfind('/').map_or(0, |slash| slash + 1);
    let end = match path.rfind('.') {
        Some(dot) if dot > start => dot,
        Some(_) | None => path.len(),
    };
    start..end
}

fn hash_after(path: &str, chunk: &str) -> Option<Range<usize>> {
    let stem = stem(path);
    let chunk = chunk.rsplit('/').next().unwrap_or(chunk);
    let rest = path[stem.clone()].strip_prefix(chunk)?;
    let hash = rest.strip_prefix(['-', '.', '_', '~'])?;
    let is_hash = hash.len() >= LEAST && hash.bytes().all(is_base64url);
    (!chunk.is_empty() && is_hash).then(|| stem.end - hash.len()..stem.end)
}

fn plausible_hash(path: &str) -> Option<Range<usize>> {
    hex_hash(path)
        .or_else(|| short_hash(path).filter(|hash| looks_random(&path[hash.clone()])))
        .or_else(|| bare_hash(path))
}

/// `main.0a1b2c3d.chunk.js`, `210.cea0a4….js`, `main-0a1b2c3d4e5f6071.js`: hex of at least
/// eight digits, one of them a number, so that no word is meant.
fn hex_hash(path: &str) -> Option<Range<usize>> {
    let stem = stem(path);
    let mut end = stem.end;
    loop {
        let start = path[stem.start..end]
            .rfind(['.', '-', '_', '~'])
            .map(|at| stem.start + at + 1)?;
        let part = &path[start..end];
        let is_hex = part
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if is_hex && part.len() >= SHORT && part.bytes().any(|byte| byte.is_ascii_digit()) {
            return Some(start..end);
        }
        end = start - 1;
    }
}

/// `index-D7Nll1Bx.js`: a separator and eight characters, which may themselves start or end
/// with `-` or `_`.
fn short_hash(path: &str) -> Option<Range<usize>> {
    let stem = stem(path);
    let start = stem.end.checked_sub(SHORT)?;
    let before = start.checked_sub(1)?;
    // A separator at the very start would leave no name.
    let bytes = path.as_bytes();
    let is_separated = before > stem.start && matches!(bytes[before], b'-' | b'.');
    (is_separated && bytes[start..stem.end].iter().copied().all(is_base64url))
        .then_some(start..stem.end)
}

fn bare_hash(path: &str) -> Option<Range<usize>> {
    let stem = stem(path);
    let name = &path[stem.clone()];
    let is_hex = name.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hex && name.len() >= BARE).then_some(stem)
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// Whether eight characters are a hash and no words: one in 200 hashes reads like words.
fn looks_random(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
        || !text
            .split(['-', '_'])
            .filter(|piece| !piece.is_empty())
            .all(is_words)
}

/// Whether `piece` is lower case or camel case: `download`, `Download`, `DataGrid`.
fn is_words(piece: &str) -> bool {
    let mut letters_of_word = 0;
    for (index, byte) in piece.bytes().enumerate() {
        if byte.is_ascii_uppercase() && index > 0 {
            if letters_of_word < 3 {
                return false;
            }
            letters_of_word = 0;
        }
        letters_of_word += 1;
    }
    letters_of_word >= 2
}

/// Blanks the content hashes of a build wherever its files name each other, so that a file in
/// which only such a reference changed stays equal.
#[derive(Debug)]
pub(super) struct Normaliser {
    /// Whether a hash begins with these two bytes: most of a file is passed over by this alone.
    may_start: Vec<bool>,
    /// Hash lengths that occur.
    lengths: Vec<usize>,
    /// For each hash, what surrounds it in the names of the files that carry it.
    hashes: HashMap<Vec<u8>, Vec<Surroundings>>,
}

/// What stands before and after a hash in a file name.
#[derive(Debug)]
struct Surroundings {
    before: Vec<u8>,
    after: Vec<u8>,
    /// Hex hashes also stand alone in webpack's runtime: `{210:"cea0a4"}`.
    alone: bool,
}

impl Normaliser {
    /// Takes the names of all shipped files.
    pub(super) fn new(files: &[File], stripped: &[Stripped]) -> Self {
        let mut this = Self {
            may_start: vec![false; 1 << 16],
            lengths: Vec::new(),
            hashes: HashMap::new(),
        };
        for (file, stripped) in files.iter().zip(stripped) {
            if let Some(hash) = &stripped.hash {
                this.add(&file.path, hash);
            }
        }
        this
    }

    fn add(&mut self, path: &str, hash: &Range<usize>) {
        let start = path.rfind('/').map_or(0, |slash| slash + 1);
        let text = &path[hash.clone()];
        if !self.lengths.contains(&text.len()) {
            self.lengths.push(text.len());
        }
        if let [first, second, ..] = text.as_bytes() {
            self.may_start[two(*first, *second)] = true;
        }
        self.hashes
            .entry(text.as_bytes().to_vec())
            .or_default()
            .push(Surroundings {
                before: path.as_bytes()[start..hash.start].to_vec(),
                after: path.as_bytes()[hash.end..].to_vec(),
                alone: text.bytes().all(|byte| byte.is_ascii_hexdigit()),
            });
    }

    /// Overwrites every known hash in `bytes` by as many `x`; says whether there was one.
    pub(super) fn apply(&self, bytes: &mut [u8]) -> bool {
        let mut has_changed = false;
        for start in 0..bytes.len().saturating_sub(1) {
            if !self.may_start[two(bytes[start], bytes[start + 1])] {
                continue;
            }
            // A hash follows a separator, a quote or a slash, never a letter.
            if start > 0 && bytes[start - 1].is_ascii_alphanumeric() {
                continue;
            }
            for length in &self.lengths {
                let end = start + length;
                if bytes.get(start..end).is_some() && self.is_hash(bytes, start..end) {
                    bytes[start..end].fill(b'x');
                    has_changed = true;
                }
            }
        }
        has_changed
    }

    fn is_hash(&self, bytes: &[u8], at: Range<usize>) -> bool {
        let Some(all) = self.hashes.get(&bytes[at.clone()]) else {
            return false;
        };
        all.iter().any(|around| {
            let is_named = bytes[..at.start].ends_with(&around.before)
                && bytes[at.end..].starts_with(&around.after);
            is_named || around.alone
        })
    }
}

fn two(first: u8, second: u8) -> usize {
    usize::from(u16::from_be_bytes([first, second]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(path: &str) -> String {
        strip(path, None).name
    }

    #[test]
    fn hashes_of_every_bundler_are_stripped() {
        for (path, expected) in [
            ("assets/index-D7Nll1Bx.js", "assets/index.js"),
            ("assets/index-BWBO1cyB.css", "assets/index.css"),
            ("assets/about--mw3qpFH.js", "assets/about.js"),
            ("assets/about-A5oMBlZ-.js", "assets/about.js"),
            ("assets/clsx-B-dksMZM.js", "assets/clsx.js"),
            ("assets/Charts-eaDwzxPn.js", "assets/Charts.js"),
            ("main.abcdef12.js", "main.js"),
            (
                "static/js/main.0a1b2c3d.chunk.js",
                "static/js/main.chunk.js",
            ),
            ("210.cea0a4b1c2d3e4f50617.js", "210.js"),
            ("chunk-ABCDE2F7.js", "chunk.js"),
            ("chunk-QWERTZUI.js", "chunk.js"),
            ("app.D7Nll1Bx.js", "app.js"),
            ("cea0a4b1c2d3e4f50617.png", "chunk.png"),
        ] {
            assert_eq!(name(path), expected, "{path}");
        }
    }

    #[test]
    fn words_are_left_alone() {
        for path in [
            "vendor.slim.js",
            "jquery.slim.min.js",
            "app.worker.js",
            "locale.french.js",
            "my-download.js",
            "my-DataGrid.js",
            "a-foo-barz.js",
            "facade.deadbeef.js",
            "favicon.svg",
            "index.html",
            "-D7Nll1Bx.js",
            ".htaccess",
            "jquery-3.7.1.js",
        ] {
            assert_eq!(name(path), path);
        }
    }

    #[test]
    fn a_known_chunk_name_settles_what_the_hash_is() {
        let known = |path, chunk| strip(path, Some(chunk)).name;
        assert_eq!(known("assets/a-download.js", "a"), "assets/a.js");
        assert_eq!(
            known("assets/a-download.js", "a-download"),
            "assets/a-download.js"
        );
        assert_eq!(known("assets/x-abcdef0123XY.js", "pages/x"), "assets/x.js");
    }

    #[test]
    fn a_hash_that_reads_like_a_word_is_stripped_loosely() {
        assert_eq!(strip_loosely("assets/a-download.js"), "assets/a.js");
        assert_eq!(strip_loosely("favicon.svg"), "favicon.svg");
    }

    #[test]
    fn only_references_to_own_files_are_blanked() {
        let paths = ["assets/clsx-B-dksMZM.js", "210.cea0a4b1c2d3e4f50617.js"];
        let files: Vec<File> = paths
            .iter()
            .map(|path| File {
                path: (*path).to_owned(),
                disk: path.into(),
            })
            .collect();
        let stripped: Vec<Stripped> = paths.iter().map(|path| strip(path, None)).collect();
        let normaliser = Normaliser::new(&files, &stripped);

        let mut text = *br#"import"./clsx-B-dksMZM.js";x="B-dksMZM";{210:"cea0a4b1c2d3e4f50617"}"#;
        normaliser.apply(&mut text);
        assert_eq!(
            std::str::from_utf8(&text).unwrap(),
            r#"import"./clsx-xxxxxxxx.js";x="B-dksMZM";{210:"xxxxxxxxxxxxxxxxxxxx"}"#
        );
    }
}
