//! The flags a bundler gets so that it says what it did: its chunks, and where bytes come from.
//!
//! None of them changes a byte of what is shipped: measured with Vite 7 and 8, webpack 5 and
//! esbuild 0.25 (`cargo bench --bench bundle`). A line that already has one of them, or that goes
//! on after the bundler, is left alone. Rspack's command gets none: it writes source maps by
//! default, and its `--json` leaves out the chunks unless the configuration asks for them.

use std::fs;
use std::path::Path;

use super::loading::{OWN_METAFILE, OWN_STATS};

/// What follows the name of a bundler.
#[derive(Debug)]
struct Bundler {
    names: &'static [&'static str],
    /// A word it must be followed by.
    command: Option<&'static str>,
    /// Words that mean something else than a build.
    others: &'static [&'static str],
    /// What to add, unless the line has the word before it.
    flags: fn() -> Vec<(&'static str, String)>,
}

const BUNDLERS: [Bundler; 4] = [
    Bundler {
        names: &["vite"],
        command: Some("build"),
        others: &["--watch", "-w", "--ssr"],
        flags: || {
            vec![
                ("--manifest", "--manifest".to_owned()),
                ("--sourcemap", "--sourcemap hidden".to_owned()),
            ]
        },
    },
    Bundler {
        names: &["webpack", "webpack-cli"],
        command: None,
        others: &[
            "serve", "s", "dev", "watch", "w", "--watch", "preview", "init",
        ],
        flags: || {
            vec![
                ("--json", format!("--json={OWN_STATS}")),
                ("--devtool", "--devtool hidden-source-map".to_owned()),
            ]
        },
    },
    Bundler {
        names: &["esbuild"],
        command: None,
        others: &["--watch", "--serve"],
        flags: || vec![("--metafile", format!("--metafile={OWN_METAFILE}"))],
    },
    Bundler {
        names: &["rollup"],
        command: None,
        others: &["-w", "--watch", "-m"],
        flags: || vec![("--sourcemap", "--sourcemap hidden".to_owned())],
    },
];

/// How package managers run a script, and what goes between the script and its flags. Later
/// ones also match what an earlier one does.
const RUNNERS: [(&str, &str); 7] = [
    ("npm run ", " --"),
    ("pnpm run ", ""),
    ("yarn run ", ""),
    ("bun run ", ""),
    ("pnpm ", ""),
    ("yarn ", ""),
    ("bun ", ""),
];

/// The line with the flags of its bundler, whether it runs it itself or through a script of
/// `package.json` in `directory`.
pub(super) fn added(line: &str, directory: &Path) -> String {
    if let Some(flags) = flags_of(line) {
        return format!("{line} {flags}");
    }
    let command = without_assignments(last_command(line));
    let through_script = || {
        let (runner, separator) = RUNNERS
            .iter()
            .find(|(runner, _)| command.starts_with(runner))?;
        let name = command.strip_prefix(runner)?.trim();
        let flags = flags_of(&script_of(directory, name)?)?;
        Some(format!("{}{separator} {flags}", line.trim_end()))
    };
    through_script().unwrap_or_else(|| line.to_owned())
}

/// The flags that reach a bundler when they are added at the end of a shell line.
fn flags_of(line: &str) -> Option<String> {
    let words: Vec<&str> = last_command(line).split_whitespace().collect();
    BUNDLERS.iter().find_map(|bundler| {
        let at = words.iter().position(|word| bundler.is_named(word))?;
        let rest = &words[at + 1..];
        let is_build = bundler.command.is_none_or(|it| rest.first() == Some(&it))
            && !rest.iter().any(|word| bundler.others.contains(word));
        let flags: Vec<String> = (bundler.flags)()
            .into_iter()
            .filter(|(word, _)| {
                !rest
                    .iter()
                    .any(|given| given.split('=').next() == Some(word))
            })
            .map(|(_, flag)| flag)
            .collect();
        (is_build && !flags.is_empty()).then(|| flags.join(" "))
    })
}

impl Bundler {
    /// `vite`, `./node_modules/.bin/vite` and `node node_modules/vite/bin/vite.js`; not what
    /// follows a package runner such as `npx`, which is a word of its own.
    fn is_named(&self, word: &str) -> bool {
        let name = word.rsplit('/').next().unwrap_or(word);
        let name = name.strip_suffix(".js").unwrap_or(name);
        !word.starts_with('-') && self.names.contains(&name)
    }
}

/// The last command of a shell line.
fn last_command(line: &str) -> &str {
    line.rsplit(['&', ';', '|']).next().unwrap_or(line).trim()
}

/// The command behind the variables that stand before it: `NODE_ENV=production npm run build`.
fn without_assignments(mut command: &str) -> &str {
    while let Some((word, rest)) = command.split_once(char::is_whitespace)
        && word.split_once('=').is_some_and(|(name, value)| {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            name.bytes().all(is_name) && !value.starts_with(['"', '\''])
        })
    {
        command = rest.trim_start();
    }
    command
}

fn script_of(directory: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(directory.join("package.json")).ok()?;
    let package: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(package["scripts"][name].as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_added_only_where_they_reach_the_bundler() {
        let none = Path::new("/nowhere");
        for (line, flags) in [
            ("vite build", " --manifest --sourcemap hidden"),
            (
                "tsc -b && npx vite build --mode ci",
                " --manifest --sourcemap hidden",
            ),
            ("vite build --sourcemap", " --manifest"),
            ("vite build && node post.js", ""),
            ("vite dev", ""),
            (
                "webpack --mode=production",
                " --json=.tollgate-stats.json --devtool hidden-source-map",
            ),
            (
                "npx webpack build --devtool=source-map",
                " --json=.tollgate-stats.json",
            ),
            ("rspack build", ""),
            ("webpack --json=s.json", " --devtool hidden-source-map"),
            ("webpack serve", ""),
            (
                "esbuild src/a.ts --bundle --outdir=dist",
                " --metafile=.tollgate-metafile.json",
            ),
            ("esbuild --metafile=m.json a.ts", ""),
            ("./node_modules/.bin/rollup -c", " --sourcemap hidden"),
            ("make", ""),
        ] {
            assert_eq!(added(line, none), format!("{line}{flags}"));
        }
    }

    #[test]
    fn scripts_are_looked_up_for_every_package_manager() {
        let folder = tempfile::tempdir().unwrap();
        let package = r#"{"scripts": {"build": "vite build", "pack": "gulp"}}"#;
        fs::write(folder.path().join("package.json"), package).unwrap();
        let added = |line| added(line, folder.path());
        assert_eq!(
            added("npm run build"),
            "npm run build -- --manifest --sourcemap hidden"
        );
        assert_eq!(
            added("pnpm build"),
            "pnpm build --manifest --sourcemap hidden"
        );
        assert_eq!(
            added("corepack enable && yarn run build"),
            "corepack enable && yarn run build --manifest --sourcemap hidden"
        );
        assert_eq!(
            added("NODE_ENV=production npm run build"),
            "NODE_ENV=production npm run build -- --manifest --sourcemap hidden"
        );
        assert_eq!(added("npm run pack"), "npm run pack");
    }
}
