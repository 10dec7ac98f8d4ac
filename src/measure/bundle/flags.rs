//! The flags a bundler gets so that it says what it did: its chunks, and where bytes come from.
//!
//! None of them changes a byte of what is shipped: measured with Vite 7 and 8, webpack 5 and
//! esbuild 0.25 (`cargo bench --bench bundle`). A line that already has one of them, or that goes
//! on after the bundler, is left alone, and a configuration that has a setting for source maps
//! keeps it. Rspack's command gets none: it writes source maps by default, and its `--json` leaves
//! out the chunks unless the configuration asks for them. Vite is asked by its version: what 8
//! understands, 3 takes for the folder to build.

use std::fs;
use std::path::{Path, PathBuf};

use super::assets;
use super::configured::{self, Tool};
use super::loading::{OWN_METAFILE, OWN_STATS};

/// Said where a build does not tell where its bytes come from.
const NO_MAPS: &str = "no package and no import is named, because the build left no source maps beside its scripts: let \
     `build` write them, for instance with `vite build --sourcemap hidden` or \
     `webpack --devtool hidden-source-map`";

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
    /// The flag among them that asks for source maps, and whose configuration may ask for others.
    maps: Option<(&'static str, Tool)>,
}

const BUNDLERS: [Bundler; 4] = [
    Bundler {
        names: &["vite"],
        command: Some("build"),
        others: &["--watch", "-w", "--ssr"],
        flags: of_vite,
        maps: Some(("--sourcemap", Tool::Vite)),
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
        maps: Some(("--devtool", Tool::Webpack)),
    },
    Bundler {
        names: &["esbuild"],
        command: None,
        others: &["--watch", "--serve"],
        flags: |_| vec![("--metafile", format!("--metafile={OWN_METAFILE}"))],
        maps: None,
    },
    Bundler {
        names: &["rollup"],
        command: None,
        others: &["-w", "--watch", "-m"],
        flags: |_| vec![("--sourcemap", "--sourcemap hidden".to_owned())],
        maps: Some(("--sourcemap", Tool::Rollup)),
    },
];

/// Scripts that run scripts are followed so far.
const DEEPEST: usize = 5;
/// What stands before a command and sets variables for it.
const SETTERS: [&str; 2] = ["cross-env", "env"];
/// What starts a program that is named behind it.
const STARTERS: [&str; 14] = [
    "npx", "bunx", "pnpx", "npm", "pnpm", "yarn", "bun", "exec", "dlx", "x", "run", "dotenv",
    "time", "nice",
];
/// What a package manager may be told before the name of a script without running it elsewhere.
const HARMLESS: [&str; 3] = ["-s", "--silent", "--if-present"];
/// Told to npm behind the name, they run the script of another package.
const ELSEWHERE: [&str; 7] = [
    "-w",
    "--workspace",
    "-ws",
    "--workspaces",
    "--prefix",
    "-C",
    "--include-workspace-root",
];
/// Commands of Bun's own, which win over a script of that name.
const BUNS_OWN: [&str; 3] = ["build", "test", "install"];

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

/// What to do where nothing says which packages the bytes of a build by `line` come from.
pub(super) fn unmapped(line: &str, directory: &Path) -> &'static str {
    let has_no_flag = || vite(directory).is_some_and(|it| it < HIDDEN_MAPS);
    match line.contains("--manifest") && has_no_flag() {
        true => NO_HIDDEN_MAPS,
        false => NO_MAPS,
    }
}

/// The line with the flags of its bundler, whether it runs it itself or through a script of
/// `package.json` in `directory`, where its packages are installed.
pub(super) fn added(line: &str, directory: &Path) -> String {
    match tail(line, directory, DEEPEST) {
        Some(tail) => format!("{}{tail}", line.trim_end()),
        None => line.to_owned(),
    }
}

/// What has to follow a shell line so that the flags reach its bundler, with the space before it.
fn tail(line: &str, directory: &Path, deepest: usize) -> Option<String> {
    if line.split_whitespace().any(|word| word.starts_with('#')) {
        return None;
    }
    let (before, command) = last_command(line);
    let directory = after(before, directory)?;
    let command = without_assignments(command);
    let called = Call::of(command)
        .and_then(|call| script_of(&directory, call.script).map(|script| (call, script)));
    let Some((call, script)) = called else {
        let flags = flags_of(command, &directory)?;
        let separator = if is_npm_exec(command) { " --" } else { "" };
        return Some(format!("{separator} {flags}"));
    };
    let inner = tail(
        &format!("{script} {}", call.forwarded.join(" ")),
        &directory,
        deepest.checked_sub(1)?,
    )?;
    // Yarn 1 swallows the first `--`, later ones hand it on.
    let is_swallowed = call.manager == "yarn" && inner.starts_with(" -- ");
    (!is_swallowed).then(|| format!("{}{inner}", call.separator))
}

/// A script that a package manager runs.
#[derive(Debug)]
struct Call<'a> {
    manager: &'a str,
    script: &'a str,
    /// What the script gets already.
    forwarded: Vec<&'a str>,
    /// What has to stand between what is there and what is added.
    separator: &'static str,
}

impl<'a> Call<'a> {
    /// None where it runs no script, or one of another package.
    fn of(command: &'a str) -> Option<Self> {
        let mut words = command.split_whitespace();
        let manager = words.next()?;
        let mut words = words.filter(|word| !HARMLESS.contains(word)).peekable();
        let is_run = words
            .next_if(|word| ["run", "run-script"].contains(word))
            .is_some();
        let script = words.next().filter(|word| !word.starts_with('-'))?;
        let given: Vec<&str> = words.collect();
        let (forwarded, separator) = match manager {
            "npm" if is_run => match given.iter().position(|word| *word == "--") {
                Some(at) => (given[at + 1..].to_vec(), ""),
                None => {
                    let name = |word: &&str| word.split('=').next().unwrap_or(word).to_owned();
                    let mut names = given.iter().map(name);
                    if names.any(|name| ELSEWHERE.contains(&name.as_str())) {
                        return None;
                    }
                    let is_forwarded = |word: &&&str| !word.starts_with('-');
                    (given.iter().filter(is_forwarded).copied().collect(), " --")
                }
            },
            "bun" if is_run || !BUNS_OWN.contains(&script) => (given, ""),
            "pnpm" | "yarn" => (given, ""),
            _ => return None,
        };
        Some(Self {
            manager,
            script,
            forwarded,
            separator,
        })
    }
}

/// The word that names what a command runs in the end, behind whatever starts it.
fn program(words: &[&str]) -> Option<usize> {
    let mut at = 0;
    let mut is_by_node = false;
    loop {
        let word = words.get(at)?;
        let is_flag = at > 0 && word.starts_with('-');
        match *word {
            "node" => is_by_node = true,
            _ if is_flag || STARTERS.contains(word) => {}
            // Of the project's own programs nobody knows what they take.
            _ if is_by_node => return word.contains("node_modules/").then_some(at),
            _ => return Some(at),
        }
        at += 1;
    }
}

/// The flags that reach a bundler when they are added at the end of a command.
fn flags_of(command: &str, directory: &Path) -> Option<String> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let at = program(&words)?;
    BUNDLERS.iter().find_map(|bundler| {
        bundler.is_named(words[at]).then_some(())?;
        let rest = &words[at + 1..];
        let is_build = bundler.command.is_none_or(|it| rest.first() == Some(&it))
            && !rest.iter().any(|word| bundler.others.contains(word));
        let is_given = |flag: &str| {
            let mut given = rest.iter();
            given.any(|given| given.split('=').next() == Some(flag))
        };
        let is_set = |flag: &str| {
            bundler.maps.is_some_and(|(maps, tool)| {
                maps == flag && configured::has_source_maps(tool, rest, directory)
            })
        };
        let flags: Vec<String> = (bundler.flags)(directory)
            .into_iter()
            .filter(|(word, _)| is_build && !is_given(word) && !is_set(word))
            .map(|(_, flag)| flag)
            .collect();
        (!flags.is_empty()).then(|| flags.join(" "))
    })
}

impl Bundler {
    /// `vite`, `vite@7`, `./node_modules/.bin/vite` and `node_modules/vite/bin/vite.js`.
    fn is_named(&self, word: &str) -> bool {
        let name = word.rsplit('/').next().unwrap_or(word);
        let name = name.split('@').next().unwrap_or(name);
        let name = name.strip_suffix(".js").unwrap_or(name);
        self.names.contains(&name)
    }
}

/// The last command of a shell line, and what stands before it.
fn last_command(line: &str) -> (&str, &str) {
    let at = line.rfind(['&', ';', '|']).map_or(0, |at| at + 1);
    (&line[..at], line[at..].trim())
}

/// Where the commands before the last leave a shell that started in `directory`; none where that
/// cannot be told.
fn after(before: &str, directory: &Path) -> Option<PathBuf> {
    let mut directory = directory.to_owned();
    for command in before.split(['&', ';', '|']) {
        let mut words = command.split_whitespace();
        match words.next() {
            Some("cd") => {
                let to = words.next()?;
                let is_plain = !to.starts_with(['-', '~']) && !to.contains(['$', '"', '\'', '`']);
                directory = is_plain.then(|| directory.join(to))?;
            }
            Some("pushd" | "popd") => return None,
            Some(_) | None => {}
        }
    }
    Some(directory)
}

/// The command behind the variables that stand before it: `NODE_ENV=production npm run build`.
fn without_assignments(mut command: &str) -> &str {
    while let Some((word, rest)) = command.split_once(char::is_whitespace) {
        let is_assignment = word.split_once('=').is_some_and(|(name, value)| {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            name.bytes().all(is_name) && !value.starts_with(['"', '\''])
        });
        if !is_assignment && !SETTERS.contains(&word) {
            break;
        }
        command = rest.trim_start();
    }
    command
}

/// Whether npm takes what follows for its own unless `--` stands before it.
fn is_npm_exec(command: &str) -> bool {
    let mut words = command.split_whitespace();
    words.next() == Some("npm")
        && words.next().is_some_and(|it| ["exec", "x"].contains(&it))
        && !words.any(|word| word == "--")
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
            (
                "node --max-old-space-size=4096 node_modules/vite/bin/vite.js build",
                " --manifest --sourcemap hidden",
            ),
            ("npx -y vite@7 build", " --manifest --sourcemap hidden"),
            // Programs that do something else with the name.
            ("run-s clean webpack", ""),
            ("gulp webpack", ""),
            ("node esbuild.js", ""),
            ("node scripts/run.js webpack", ""),
            ("make", ""),
        ] {
            assert_eq!(added(line, none), format!("{line}{flags}"));
        }
    }

    #[test]
    fn scripts_are_looked_up_for_every_package_manager() {
        let folder = tempfile::tempdir().unwrap();
        let package = r#"{"scripts": {
            "build": "vite build",
            "pack": "gulp",
            "build:all": "npm run build",
            "build:pnpm": "pnpm run build",
            "round": "npm run round",
            "webpack": "gulp",
            "mapped": "vite build --sourcemap"
        }}"#;
        fs::write(folder.path().join("package.json"), package).unwrap();
        let flags = "--manifest --sourcemap hidden";
        for (line, tail) in [
            ("npm run build", " -- "),
            ("npm run -s build", " -- "),
            ("npm run build --silent", " -- "),
            ("npm run build -- --mode ci", " "),
            ("npm run-script build", " -- "),
            ("npm run build:all", " -- -- "),
            ("npm run build:pnpm", " -- "),
            ("pnpm build", " "),
            ("pnpm run build --mode ci", " "),
            ("pnpm build:all", " -- "),
            ("corepack enable && yarn run build", " "),
            ("bun run build", " "),
            ("NODE_ENV=production npm run build", " -- "),
            ("cross-env NODE_ENV=production npm run build", " -- "),
            ("npm exec vite build", " -- "),
            ("npm exec -- vite build", " "),
            ("npx vite build", " "),
        ] {
            assert_eq!(
                added(line, folder.path()),
                format!("{line}{tail}{flags}"),
                "{line}"
            );
        }
        assert_eq!(
            added("npm run mapped", folder.path()),
            "npm run mapped -- --manifest"
        );
        assert_eq!(
            added("npm run build -- --sourcemap", folder.path()),
            "npm run build -- --sourcemap --manifest"
        );
        for line in [
            "npm run pack",
            "npm run round",
            "npm run build -w web",
            "npm run build --prefix=web",
            "npm --prefix web run build",
            "pnpm --filter web build",
            "yarn workspace web build",
            "yarn build:all",
            "bun build",
            "npm run webpack",
            "yarn webpack",
            "npm run build # the app",
            "cd elsewhere && npm run build",
            "cd $HOME && vite build",
        ] {
            assert_eq!(added(line, folder.path()), line);
        }
    }

    #[test]
    fn a_script_is_that_of_the_folder_the_line_goes_to() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("web")).unwrap();
        let package = r#"{"scripts": {"build": "vite build"}}"#;
        fs::write(folder.path().join("web/package.json"), package).unwrap();
        assert_eq!(
            added("cd web && npm run build", folder.path()),
            "cd web && npm run build -- --manifest --sourcemap hidden"
        );
    }

    #[test]
    fn a_setting_of_the_users_own_is_not_overridden() {
        let folder = tempfile::tempdir().unwrap();
        let config = "export default { build: { sourcemap: 'inline' } }";
        fs::write(folder.path().join("vite.config.js"), config).unwrap();
        assert_eq!(added("vite build", folder.path()), "vite build --manifest");
        assert_eq!(
            added("vite build --config other.js", folder.path()),
            "vite build --config other.js --manifest --sourcemap hidden"
        );
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
            let says = unmapped(&asked(), &frontend) == NO_HIDDEN_MAPS;
            assert_eq!(says, !flags.contains("hidden"), "{version}");
            assert_eq!(unmapped("make", &frontend), NO_MAPS);
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
