//! Whether the user's own configuration of a bundler has a setting for source maps.
//!
//! Such a setting may change what is shipped (an inline source map is part of a script), so it must
//! not be overridden. Must not run the configuration: what its text may mean counts as a setting.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::scan;

/// A bundler with a configuration of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    /// `vite.config.*`: `build.sourcemap`.
    Vite,
    /// `webpack.config.*`: `devtool`, or the plugin behind it.
    Webpack,
    /// `rollup.config.*`: `output.sourcemap`.
    Rollup,
}

/// At most so many files of one configuration are read, none of them larger.
const MOST_FILES: usize = 50;
const LARGEST: u64 = 1_000_000;
/// How a configuration ends, and what an import of one leaves out.
const ENDINGS: [&str; 7] = ["js", "mjs", "cjs", "ts", "mts", "cts", "json"];

impl Tool {
    /// Names of its configuration, without the ending.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Vite => &["vite.config"],
            Self::Webpack => &[
                "webpack.config",
                ".webpack/webpack.config",
                ".webpack/webpackfile",
            ],
            Self::Rollup => &["rollup.config"],
        }
    }

    /// Words that set source maps.
    fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Vite | Self::Rollup => &["sourcemap"],
            Self::Webpack => &[
                "devtool",
                "SourceMapDevToolPlugin",
                "EvalSourceMapDevToolPlugin",
            ],
        }
    }
}

/// Whether a configuration of the tool, run with `words` in `directory`, has a setting for source
/// maps other than `false`. Files that it imports from beside it are read, packages are not.
pub(super) fn has_source_maps(tool: Tool, words: &[&str], directory: &Path) -> bool {
    let mut open = configurations(tool, words, directory);
    let mut read = BTreeSet::new();
    while let Some(path) = open.pop() {
        if read.len() == MOST_FILES || !read.insert(path.clone()) {
            continue;
        }
        let Some(text) = text_of(&path) else {
            continue;
        };
        if is_set(&text, tool.settings()) {
            return true;
        }
        let folder = path.parent().unwrap_or(directory);
        let imports = scan::imports(&text).into_iter();
        let beside = imports.filter(|import| import.specifier.starts_with('.'));
        open.extend(beside.filter_map(|import| resolved(folder, &import.specifier)));
    }
    false
}

/// The files that are named in `words`, otherwise those of the usual names.
fn configurations(tool: Tool, words: &[&str], directory: &Path) -> Vec<PathBuf> {
    let mut named = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let value = match word.split_once('=') {
            Some(("-c" | "--config", value)) => Some(value),
            _ if ["-c", "--config"].contains(word) => words.get(at + 1).copied(),
            _ => None,
        };
        named.extend(value.filter(|value| !value.starts_with('-')));
    }
    if !named.is_empty() {
        let paths = named.into_iter();
        return paths.filter_map(|path| resolved(directory, path)).collect();
    }
    // `vite build web` looks for its configuration in `web`.
    let root = (tool == Tool::Vite)
        .then(|| words.get(1))
        .flatten()
        .filter(|word| !word.starts_with('-'));
    let folders = [
        Some(directory.to_owned()),
        root.map(|it| directory.join(it)),
    ];
    folders
        .into_iter()
        .flatten()
        .flat_map(|folder| tool.names().iter().map(move |name| folder.join(name)))
        .flat_map(|path| endings_of(&path))
        .filter(|path| path.is_file())
        .collect()
}

/// The file that an import or an argument means.
fn resolved(folder: &Path, specifier: &str) -> Option<PathBuf> {
    let path = folder.join(specifier);
    let inside = path.join("index");
    let candidates = [path.clone()]
        .into_iter()
        .chain(endings_of(&path))
        .chain(endings_of(&inside))
        // TypeScript may be imported by the name of what it is compiled to.
        .chain(endings_of(&path.with_extension("")));
    candidates.into_iter().find(|path| path.is_file())
}

fn endings_of(path: &Path) -> Vec<PathBuf> {
    let with = |ending: &&str| {
        let mut name = path.as_os_str().to_owned();
        name.push(".");
        name.push(ending);
        PathBuf::from(name)
    };
    ENDINGS.iter().map(with).collect()
}

fn text_of(path: &Path) -> Option<String> {
    let is_small = fs::metadata(path).is_ok_and(|it| it.len() <= LARGEST);
    is_small.then(|| fs::read_to_string(path).ok()).flatten()
}

/// Whether one of the words is set, in code or as a quoted name, to anything but `false`.
fn is_set(text: &str, settings: &[&str]) -> bool {
    let mut is_set = false;
    scan::words(text, &mut |word| {
        is_set |= settings.contains(&word.text) && !is_off(word.rest);
    });
    let quoted = settings
        .iter()
        .flat_map(|setting| ['"', '\'', '`'].map(|quote| format!("{quote}{setting}{quote}")));
    let mut after = quoted.flat_map(|name| {
        let places = text.match_indices(&name).map(|(at, _)| at + name.len());
        places.collect::<Vec<_>>()
    });
    is_set || after.any(|at| !is_off(text[at..].trim_start_matches(']')))
}

/// Whether what follows a name sets it to `false`.
fn is_off(rest: &str) -> bool {
    let value = rest.trim_ascii_start().strip_prefix([':', '=']);
    let after = value.and_then(|value| value.trim_ascii_start().strip_prefix("false"));
    after.is_some_and(|rest| {
        let rest = rest.trim_ascii_start();
        rest.is_empty() || rest.starts_with([',', ';', '}', ')', '\n', '/'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn a_setting_is_anything_but_false() {
        for (text, expected) in [
            ("export default { build: { sourcemap: 'inline' } }", true),
            ("export default { build: { sourcemap: true } }", true),
            ("export default { build: { 'sourcemap': true } }", true),
            (
                "const sourcemap = 'inline'; export default { build: { sourcemap } }",
                true,
            ),
            ("config.build['sourcemap'] = process.env.MAPS", true),
            ("build: { sourcemap: false || x }", true),
            ("build: { sourcemap: false, minify: true }", false),
            ("build: { sourcemap: false }", false),
            ("config.build['sourcemap'] = false;", false),
            ("css: { devSourcemap: true }", false),
            ("plugins: [vueDevtools()]", false),
            ("// sourcemap: true is for tomorrow\nbuild: {}", false),
        ] {
            let folder = written(&[("vite.config.ts", text)]);
            let found = has_source_maps(Tool::Vite, &["build"], folder.path());
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn the_configuration_is_looked_for_where_the_tool_does() {
        let set = "module.exports = { devtool: 'inline-source-map' }";
        let common = "const it = require('./common'); module.exports = { ...it }";
        for (files, words, expected) in [
            (vec![("webpack.config.js", set)], vec![], true),
            (
                vec![("webpack.config.js", set)],
                vec!["--config", "other.js"],
                false,
            ),
            (
                vec![("build/prod.js", set)],
                vec!["--config", "build/prod.js"],
                true,
            ),
            (vec![("build/prod.js", set)], vec!["-c=build/prod"], true),
            (
                vec![("webpack.config.js", common), ("common.js", set)],
                vec![],
                true,
            ),
            (
                vec![("webpack.config.js", common), ("common/index.ts", set)],
                vec![],
                true,
            ),
            (
                vec![("webpack.config.js", common), ("common.js", common)],
                vec![],
                false,
            ),
            (
                vec![(
                    "webpack.config.js",
                    "new webpack.SourceMapDevToolPlugin({})",
                )],
                vec![],
                true,
            ),
        ] {
            let folder = written(&files);
            let found = has_source_maps(Tool::Webpack, &words, folder.path());
            assert_eq!(found, expected, "{files:?} {words:?}");
        }
    }

    #[test]
    fn vite_is_told_its_root() {
        let set = "export default { build: { sourcemap: true } }";
        let folder = written(&[("web/vite.config.js", set)]);
        assert!(has_source_maps(
            Tool::Vite,
            &["build", "web"],
            folder.path()
        ));
        assert!(!has_source_maps(Tool::Vite, &["build"], folder.path()));
    }
}
