//! The flags a bundler gets so that it says what it did: its chunks, and where bytes come from.
//!
//! None of them changes a byte of what is shipped: measured with Vite 7 and 8, webpack 5 and
//! esbuild 0.25 (`cargo bench --bench bundle`). A line that already has one of them, or that goes
//! on after the bundler, is left alone. Rspack's command gets none: it writes source maps by
//! default, and its `--json` leaves out the chunks unless the configuration asks for them. Vite is
//! asked by its version: what 8 understands, 3 takes for the folder to build.

use std::fs;
use std::path::Path;

use super::assets;
use super::loading::{OWN_METAFILE, OWN_STATS};

/// Said of a Vite that has no flag for source maps which change nothing.
const NO_HIDDEN_MAPS: &str = "nothing tells which packages the bytes come from: Vite before version 4 writes source maps \
     that change nothing only where its configuration says `build: { sourcemap: 'hidden' }`";

/// What follows the name of a bundler.
#[derive(Debug)]
struct Bundler {
    names: &'static [&'static str],
    /// A word it must be followed by.
    command: Option<&'static str>,
    /// Words that mean something else than a build.
    others: &'static [&'static str],
    /// What to add for a frontend in that folder, unless the line has the word before it.
    flags: fn(&Path) -> Vec<(&'static str, String)>,
}

const BUNDLERS: [Bundler; 4] = [
    Bundler {
        names: &["vite"],
        command: Some("build"),
        others: &["--watch", "-w", "--ssr"],
        flags: of_vite,
    },
    Bundler {
        names: &["webpack", "webpack-cli"],
        command: None,
        others: &[
            "serve", "s", "dev", "watch", "w", "--watch", "preview", "init",
        ],
        flags: |_| {
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
        flags: |_| vec![("--metafile", format!("--metafile={OWN_METAFILE}"))],
    },
    Bundler {
        names: &["rollup"],
        command: None,
        others: &["-w", "--watch", "-m"],
        flags: |_| vec![("--sourcemap", "--sourcemap hidden".to_owned())],
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

/// A version of Vite, major and minor.
type Version = (u32, u32);
/// From here on `--manifest` takes a name.
const NAMED_MANIFEST: Version = (2, 8);
/// From here on `--sourcemap` takes a word. Before, a word behind it is the folder to build.
const HIDDEN_MAPS: Version = (4, 0);
/// From here on the list of chunks has a folder of its own. Before, it is the `manifest.json` beside
/// the pages, in the place of the one of an installable app.
const OWN_FOLDER: Version = (5, 0);

fn of_vite(directory: &Path) -> Vec<(&'static str, String)> {
    let version = vite(directory);
    let needs_name = version.is_some_and(|it| (NAMED_MANIFEST..OWN_FOLDER).contains(&it));
    let manifest = match needs_name {
        true => format!("--manifest={}", assets::MANIFEST),
        false => "--manifest".to_owned(),
    };
    let has_hidden = version.is_none_or(|it| it >= HIDDEN_MAPS);
    let maps = has_hidden.then(|| ("--sourcemap", "--sourcemap hidden".to_owned()));
    // A name that the configuration gives would give way to the flag; it is found by its form.
    let manifest = (!names_manifest(directory)).then_some(("--manifest", manifest));
    manifest.into_iter().chain(maps).collect()
}

/// The version of Vite that a build in this folder runs: as installed, or else as `package.json`
/// asks for it.
fn vite(directory: &Path) -> Option<Version> {
    let installed = directory
        .ancestors()
        .find_map(|folder| json(&folder.join("node_modules/vite/package.json")))
        .and_then(|package| version(package["version"].as_str()?));
    let declared = || {
        let package = json(&directory.join("package.json"))?;
        let asked = ["devDependencies", "dependencies"].map(|kind| &package[kind]["vite"]);
        asked.into_iter().find_map(|asked| version(asked.as_str()?))
    };
    installed.or_else(declared)
}

/// The first version in a text such as `4.5.14` and `^4.0.0`.
fn version(text: &str) -> Option<Version> {
    let start = text.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let mut numbers = start.split(|letter: char| !letter.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next().and_then(|minor| minor.parse().ok());
    Some((major, minor.unwrap_or(0)))
}

/// Whether the configuration of Vite gives the list of chunks a name: `manifest: 'name.json'`.
fn names_manifest(directory: &Path) -> bool {
    const KEY: &str = "manifest";
    let endings = ["js", "mjs", "cjs", "ts", "mts", "cts"];
    endings
        .iter()
        .filter_map(|ending| {
            fs::read_to_string(directory.join(format!("vite.config.{ending}"))).ok()
        })
        .any(|text| {
            text.match_indices(KEY).any(|(at, _)| {
                let is_word = !text[..at].ends_with(|it: char| it.is_alphanumeric() || it == '_');
                let value = text[at + KEY.len()..].trim_start().strip_prefix(':');
                is_word && value.is_some_and(|it| it.trim_start().starts_with(['"', '\'', '`']))
            })
        })
}

/// What to do where nothing says which packages the bytes of a build come from, of a Vite that `line`
/// asks for its chunks and that cannot be asked for source maps.
pub(super) fn unmapped(line: &str, directory: &Path) -> Option<&'static str> {
    let has_no_flag = || vite(directory).is_some_and(|it| it < HIDDEN_MAPS);
    (line.contains("--manifest") && has_no_flag()).then_some(NO_HIDDEN_MAPS)
}

/// The line with the flags of its bundler, whether it runs it itself or through a script of
/// `package.json` in `directory`, where its packages are installed.
pub(super) fn added(line: &str, directory: &Path) -> String {
    if let Some(flags) = flags_of(line, directory) {
        return format!("{line} {flags}");
    }
    let command = without_assignments(last_command(line));
    let through_script = || {
        let (runner, separator) = RUNNERS
            .iter()
            .find(|(runner, _)| command.starts_with(runner))?;
        let name = command.strip_prefix(runner)?.trim();
        let flags = flags_of(&script_of(directory, name)?, directory)?;
        Some(format!("{}{separator} {flags}", line.trim_end()))
    };
    through_script().unwrap_or_else(|| line.to_owned())
}

/// The flags that reach a bundler when they are added at the end of a shell line.
fn flags_of(line: &str, directory: &Path) -> Option<String> {
    let words: Vec<&str> = last_command(line).split_whitespace().collect();
    BUNDLERS.iter().find_map(|bundler| {
        let at = words.iter().position(|word| bundler.is_named(word))?;
        let rest = &words[at + 1..];
        let is_build = bundler.command.is_none_or(|it| rest.first() == Some(&it))
            && !rest.iter().any(|word| bundler.others.contains(word));
        let flags: Vec<String> = (bundler.flags)(directory)
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
    let package = json(&directory.join("package.json"))?;
    Some(package["scripts"][name].as_str()?.to_owned())
}

fn json(path: &Path) -> Option<serde_json::Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
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
    #[test]
    fn vite_is_asked_for_what_its_version_understands() {
        let folder = tempfile::tempdir().unwrap();
        let frontend = folder.path().join("web");
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let asked = || added("vite build", &frontend);
        let named = "--manifest=.vite/manifest.json";
        for (version, flags) in [
            ("2.7.13", "--manifest".to_owned()),
            ("2.9.18", named.to_owned()),
            ("3.2.11", named.to_owned()),
            ("4.5.14", format!("{named} --sourcemap hidden")),
            ("5.0.0", "--manifest --sourcemap hidden".to_owned()),
            ("8.0.0-beta.1", "--manifest --sourcemap hidden".to_owned()),
        ] {
            // Only what is asked for is known, as with packages in archives.
            fs::remove_dir_all(folder.path().join("node_modules")).ok();
            let asks = format!(r#"{{"devDependencies": {{"vite": "^{version}"}}}}"#);
            write("web/package.json", &asks);
            assert_eq!(asked(), format!("vite build {flags}"), "{version}");
            // Installed, for all packages of a workspace.
            write(
                "web/package.json",
                r#"{"devDependencies": {"vite": "latest"}}"#,
            );
            let installed = format!(r#"{{"version": "{version}"}}"#);
            write("node_modules/vite/package.json", &installed);
            assert_eq!(asked(), format!("vite build {flags}"), "{version}");
            let says = unmapped(&asked(), &frontend).is_some();
            assert_eq!(says, !flags.contains("hidden"), "{version}");
            assert_eq!(unmapped("make", &frontend), None);
        }
    }

    #[test]
    fn a_list_of_chunks_that_has_a_name_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        for (config, keeps) in [
            ("build: { manifest: 'chunks.json' }", true),
            ("build: {\n  manifest :\n    \"chunks.json\" }", true),
            ("build: { manifest: true, ssrManifest: 'a.json' }", false),
            ("plugins: [VitePWA({ manifest: { name: 'shop' } })]", false),
            ("plugins: [app({ webmanifest: 'a.json' })]", false),
        ] {
            let text = format!("export default {{ {config} }}");
            fs::write(folder.path().join("vite.config.mts"), text).unwrap();
            let line = added("vite build", folder.path());
            assert_eq!(!line.contains("--manifest"), keeps, "{config}");
        }
    }
}
