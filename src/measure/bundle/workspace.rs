//! Which part of a repository decides a build, where a workspace says which package needs which.
//!
//! Left out is only what the workspace knows to be another package that is not needed, itself or
//! through others: folders that belong to no package count always. A package is needed where a
//! `package.json` says so, where a file, a script or the lines that install and build name it, its
//! folder, or a path that leads into it or to the folder it is in, and where the configuration at the top
//! does. When in doubt, it is needed: a build too many costs time, one too few a regression. Must not
//! build anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::sources::{join, normalise};

/// Endings of files that may lead into another package.
const LEADING: [&str; 20] = [
    "js", "jsx", "mjs", "cjs", "ts", "tsx", "mts", "cts", "vue", "svelte", "astro", "mdx", "css",
    "scss", "sass", "less", "styl", "pcss", "html", "json",
];
/// Files that name every package, or what a package declares, which is read as that.
const LISTS: [&str; 3] = ["package.json", "package-lock.json", "npm-shrinkwrap.json"];
/// Larger files are made by programs, and lead nowhere.
const LARGEST: u64 = 1_000_000;
/// How deep below the project packages are looked for.
const DEPTH: usize = 4;
/// Where a package names what it needs.
pub(super) const NEEDS: [&str; 4] = [
    "dependencies",
    "devDependencies",
    "peerDependencies",
    "optionalDependencies",
];

/// Scripts at the top that package managers run by themselves when they install.
const ON_INSTALL: [&str; 9] = [
    "preinstall",
    "install",
    "postinstall",
    "preprepare",
    "prepare",
    "postprepare",
    "prepublish",
    "dependencies",
    "pnpm:devPreinstall",
];
/// What takes a shell line to the top of a workspace, as `..` does.
const TO_THE_TOP: [&str; 7] = [
    "-w",
    "--workspace-root",
    "-C",
    "--dir",
    "--cwd",
    "--prefix",
    "PROJECT_CWD",
];

/// A package of the workspace.
#[derive(Debug)]
struct Member {
    name: String,
    needs: BTreeSet<String>,
}

/// Folders and files relative to `project` that decide what the frontend in `directory` ships; an
/// empty path for all of it. Without a workspace that the frontend is a package of: all of it. `lines`
/// are the shell lines that install and build it.
pub(super) fn sources(project: &Path, directory: &Path, lines: &[&str]) -> Vec<PathBuf> {
    let whole = vec![PathBuf::new()];
    let Some(patterns) = patterns(project) else {
        return whole;
    };
    let mut members = BTreeMap::new();
    find(project, Path::new(""), &patterns, DEPTH, &mut members);
    let directory: PathBuf = directory
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect();
    let Some(frontend) = members.get(&directory) else {
        return whole;
    };
    let needed = closure(project, &directory, frontend, lines, &members);
    let left_out: Vec<&PathBuf> = members
        .iter()
        // A package around or inside the frontend is no other one.
        .filter(|(path, _)| !path.starts_with(&directory) && !directory.starts_with(path))
        .filter(|(_, member)| !needed.contains(member.name.as_str()))
        .map(|(path, _)| path)
        .collect();
    if left_out.is_empty() {
        return whole;
    }
    let mut sources = Vec::new();
    collect(project, Path::new(""), &left_out, &mut sources);
    sources
}

/// The packages of the workspace by name, each with its folder relative to `project`.
pub(super) fn by_name(project: &Path) -> BTreeMap<String, String> {
    let mut members = BTreeMap::new();
    if let Some(patterns) = patterns(project) {
        find(project, Path::new(""), &patterns, DEPTH, &mut members);
    }
    let members = members.into_iter();
    members
        .map(|(folder, member)| (member.name, folder.to_string_lossy().into_owned()))
        .collect()
}

/// The names of all packages that one needs, itself or through others.
fn closure<'a>(
    project: &Path,
    directory: &Path,
    from: &'a Member,
    lines: &[&str],
    members: &'a BTreeMap<PathBuf, Member>,
) -> BTreeSet<&'a str> {
    let by_name: BTreeMap<&str, (&Path, &Member)> = members
        .iter()
        .map(|(path, member)| (member.name.as_str(), (path.as_path(), member)))
        .collect();
    // Aliases for all packages stand at the top.
    let at_the_top = texts(project).flat_map(|text| named(&text, members));
    let mut open: BTreeSet<String> = at_the_top.collect();
    open.insert(from.name.clone());
    for line in lines {
        open.extend(by_shell(line, directory, members));
    }
    let mut run: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let mut needed = BTreeSet::new();
    while !open.is_empty() {
        while let Some(name) = open.pop_first() {
            if let Some((folder, member)) = by_name.get(name.as_str())
                && needed.insert(member.name.as_str())
            {
                open.extend(member.needs.iter().cloned());
                open.extend(led_to(project, folder, members));
                run.extend(scripts(&project.join(folder)).into_values());
            }
        }
        for line in scripts_at_the_top(project, &run) {
            open.extend(by_shell(&line, Path::new(""), members));
        }
        open.retain(|name| !needed.contains(name.as_str()));
    }
    needed
}

/// The scripts at the top of the workspace that may run with these lines, which run somewhere below:
/// those that installing runs, and those named by a line that leaves its folder.
fn scripts_at_the_top(project: &Path, run: &[String]) -> Vec<String> {
    let leaves = |line: &&String| {
        line.contains("..") || TO_THE_TOP.iter().any(|option| has_word(line, option))
    };
    let leaving: Vec<&String> = run.iter().filter(leaves).collect();
    let mut unused = scripts(project);
    let mut used: Vec<String> = Vec::new();
    loop {
        let is_run = |name: &str| {
            let around = name.strip_prefix("pre").or(name.strip_prefix("post"));
            let mut names = [Some(name), around].into_iter().flatten();
            ON_INSTALL.contains(&name)
                || names.any(|name| {
                    let mut lines = leaving.iter().copied().chain(&used);
                    !name.is_empty() && lines.any(|line| has_word(line, name))
                })
        };
        let Some(name) = unused.keys().find(|name| is_run(name)).cloned() else {
            return used;
        };
        used.extend(unused.remove(&name));
    }
}

/// Names of packages that the files of one lead to, whether it declares them or not.
fn led_to(project: &Path, member: &Path, members: &BTreeMap<PathBuf, Member>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![member.to_owned()];
    while let Some(folder) = open.pop() {
        let whole = project.join(&folder);
        open.extend(folders(&whole).into_iter().map(|it| folder.join(it)));
        for target in linked(project, &whole) {
            found.extend(around(&target, members));
        }
        for text in texts(&whole) {
            for path in paths_upwards(&text) {
                let joined = normalise(&format!("{}/{path}", folder.to_string_lossy()));
                found.extend(around(Path::new(&joined), members));
            }
            found.extend(named(&text, members));
        }
        let written = files(&whole, |name| name == "Makefile" || name.ends_with(".sh"));
        for line in scripts(&whole).into_values().chain(written) {
            found.extend(by_shell(&line, &folder, members));
        }
    }
    found
}

/// The packages that a shell line which starts in `folder` names or leads into. Where it goes in
/// between is not followed: each of its words may be a path from there, or from the top.
fn by_shell(line: &str, folder: &Path, members: &BTreeMap<PathBuf, Member>) -> BTreeSet<String> {
    let is_named = |(path, member): &(&PathBuf, &Member)| {
        has_word(line, &member.name) || has_word(line, &path.to_string_lossy())
    };
    let named = members.iter().filter(is_named);
    let mut found: BTreeSet<String> = named.map(|(_, member)| member.name.clone()).collect();
    let is_end = |letter: char| letter.is_whitespace() || "\"'`=:,;&|<>()[]{}*?$!".contains(letter);
    for word in line.split(is_end).filter(|word| !word.is_empty()) {
        let from_folder = join(&folder.to_string_lossy(), word);
        let from_top = normalise(word);
        for path in [&from_folder, &from_top] {
            let path = path.trim_start_matches("../");
            // The top itself is on the way to everything, and leads to nothing.
            if !matches!(path, "" | "..") {
                found.extend(around(Path::new(path), members));
            }
        }
    }
    // `cd ../../packages && cp assets/a.js`
    if line.contains("..") || line.contains("cd ") {
        let last_of = |(path, _): &(&PathBuf, &Member)| {
            let last = path.file_name().unwrap_or_default().to_string_lossy();
            has_word(line, &format!("{last}/"))
        };
        let all = members.iter().filter(last_of);
        found.extend(all.map(|(_, member)| member.name.clone()));
    }
    found
}

/// Whether a shell line has a word in it, or a part of one that is set off: `--filter=@x/ui...`.
fn has_word(line: &str, word: &str) -> bool {
    let belongs = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_');
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        let ends = match after.strip_prefix('.') {
            Some(rest) => !rest.starts_with(char::is_alphanumeric),
            None => word.ends_with('/') || !after.starts_with(belongs),
        };
        ends && !before.ends_with(belongs)
    })
}

/// The scripts of a `package.json`, by name.
fn scripts(folder: &Path) -> BTreeMap<String, String> {
    let text = fs::read(folder.join("package.json")).unwrap_or_default();
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    let scripts = json.get("scripts").and_then(|it| it.as_object());
    let scripts = scripts.into_iter().flatten();
    scripts
        .filter_map(|(name, line)| Some((name.clone(), line.as_str()?.to_owned())))
        .collect()
}

/// The packages that a path leads into: the innermost around it, and those below it, where it ends
/// in a folder of several.
fn around(target: &Path, members: &BTreeMap<PathBuf, Member>) -> Vec<String> {
    let leads = members.iter().filter(|(it, _)| target.starts_with(it));
    let inner = leads.max_by_key(|(it, _)| it.components().count());
    let below = members.iter().filter(|(it, _)| it.starts_with(target));
    let all = inner.into_iter().chain(below);
    all.map(|(_, member)| member.name.clone()).collect()
}

/// The packages that a text names as an import does, whose folder stands in it, or that folder's last
/// part where it climbs up in single steps (`path.resolve(dir, '..', '..', 'packages', 'ui')`).
fn named(text: &str, members: &BTreeMap<PathBuf, Member>) -> Vec<String> {
    let climbs = ["'..'", "\"..\"", "`..`"]
        .iter()
        .any(|step| text.contains(step));
    let is_named = |(folder, member): &(&PathBuf, &Member)| {
        let last = folder.file_name().unwrap_or_default().to_string_lossy();
        has(text, &member.name, begins_a_name)
            || has(text, &folder.to_string_lossy(), begins_a_part)
            || climbs && has(text, &last, begins_a_part)
    };
    let named = members.iter().filter(is_named);
    named.map(|(_, member)| member.name.clone()).collect()
}

/// Whether a text has a name in it that begins so, and ends where a string or a part of a path does.
fn has(text: &str, name: &str, begins: fn(&str) -> bool) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        begins(before) && after.starts_with(ends_a_part)
    })
}

/// Whether a name of a package begins behind this: `'@x/ui`, `"~@x/ui`, `"pkg:@x/ui`,
/// `'raw-loader!@x/ui`, `url(@x/ui`, `../node_modules/@x/ui`.
fn begins_a_name(before: &str) -> bool {
    let marks = |letter: char| is_quote(letter) || matches!(letter, '~' | ':' | '!');
    before.ends_with(marks) || before.ends_with("url(") || before.ends_with("node_modules/")
}

fn begins_a_part(before: &str) -> bool {
    before.ends_with(|letter: char| is_quote(letter) || letter == '/')
}

fn ends_a_part(letter: char) -> bool {
    is_quote(letter) || matches!(letter, '/' | '?' | '#')
}

fn is_quote(letter: char) -> bool {
    matches!(letter, '"' | '\'' | '`')
}

/// Where the links of a folder lead, as far as that is in the project.
fn linked(project: &Path, folder: &Path) -> Vec<PathBuf> {
    let Ok(top) = project.canonicalize() else {
        return Vec::new();
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let links = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
    let targets = links.filter_map(|entry| entry.path().canonicalize().ok());
    targets
        .filter_map(|target| Some(target.strip_prefix(&top).ok()?.to_owned()))
        .collect()
}

/// The files of a folder that may lead somewhere else.
fn texts(folder: &Path) -> impl Iterator<Item = String> {
    files(folder, |name| {
        let ending = Path::new(name).extension().and_then(|it| it.to_str());
        let is_settings = name.starts_with('.') && name.ends_with("rc");
        // They list everything, needed or not.
        let is_list = LISTS.contains(&name);
        !is_list && (is_settings || ending.is_some_and(|ending| LEADING.contains(&ending)))
    })
}

/// The texts of a folder whose names are as wanted, not below it.
fn files(folder: &Path, is_wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_read = move |entry: &fs::DirEntry| {
        entry.file_name().to_str().is_some_and(&is_wanted)
            && entry
                .metadata()
                .is_ok_and(|it| it.is_file() && it.len() <= LARGEST)
    };
    let files = entries.filter(is_read);
    files.filter_map(|entry| fs::read_to_string(entry.path()).ok())
}

/// What begins with `../` and ends where a string does.
fn paths_upwards(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("../")
        .filter(|(at, _)| !text[..*at].ends_with("../"))
        .filter_map(|(at, _)| {
            let rest = &text[at..];
            let ends =
                |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ')' | '*' | ';');
            Some(&rest[..rest.find(ends)?])
        })
}

/// The patterns of the workspace: `workspaces` of npm, yarn and bun, `packages` of pnpm. Patterns
/// that begin with `!` leave out.
fn patterns(project: &Path) -> Option<(GlobSet, GlobSet)> {
    let listed = of_pnpm(project).or_else(|| of_package_json(project))?;
    let (mut wanted, mut unwanted) = (GlobSetBuilder::new(), GlobSetBuilder::new());
    for pattern in listed {
        let (text, set) = match pattern.strip_prefix('!') {
            Some(rest) => (rest, &mut unwanted),
            None => (pattern.as_str(), &mut wanted),
        };
        let text = text.trim_start_matches("./").trim_end_matches('/');
        set.add(
            GlobBuilder::new(text)
                .literal_separator(true)
                .build()
                .ok()?,
        );
    }
    Some((wanted.build().ok()?, unwanted.build().ok()?))
}

fn of_package_json(project: &Path) -> Option<Vec<String>> {
    let text = fs::read(project.join("package.json")).ok()?;
    let json: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let workspaces = json.get("workspaces")?;
    let list = workspaces
        .get("packages")
        .unwrap_or(workspaces)
        .as_array()?;
    list.iter()
        .map(|it| it.as_str().map(str::to_owned))
        .collect()
}

fn of_pnpm(project: &Path) -> Option<Vec<String>> {
    let text = fs::read_to_string(project.join("pnpm-workspace.yaml")).ok()?;
    let yaml: serde_yaml::Value = serde_yaml::from_str(&text).ok()?;
    let list = yaml.get("packages")?.as_sequence()?;
    list.iter()
        .map(|it| it.as_str().map(str::to_owned))
        .collect()
}

fn find(
    project: &Path,
    below: &Path,
    patterns: &(GlobSet, GlobSet),
    depth: usize,
    members: &mut BTreeMap<PathBuf, Member>,
) {
    for name in folders(&project.join(below)) {
        let path = below.join(name);
        let (wanted, unwanted) = patterns;
        if wanted.is_match(&path)
            && !unwanted.is_match(&path)
            && let Some(member) = member(&project.join(&path))
        {
            members.insert(path.clone(), member);
        }
        if depth > 1 {
            find(project, &path, patterns, depth - 1, members);
        }
    }
}

/// Folders that may hold packages of the project.
fn folders(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.') && name != "node_modules")
        .collect()
}

fn member(folder: &Path) -> Option<Member> {
    let text = fs::read(folder.join("package.json")).ok()?;
    let json: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let needs = NEEDS
        .iter()
        .filter_map(|key| json.get(key)?.as_object())
        .flat_map(|needs| needs.keys().cloned())
        .collect();
    Some(Member {
        name: json.get("name")?.as_str()?.to_owned(),
        needs,
    })
}

/// Everything below `project` but what is left out, in as few paths as possible.
fn collect(project: &Path, below: &Path, left_out: &[&PathBuf], sources: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(project.join(below))
        .into_iter()
        .flatten()
        .flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| below.join(entry.file_name())).collect();
    paths.sort();
    for path in paths {
        if left_out.contains(&&path) || path.ends_with(".git") {
            continue;
        }
        match left_out.iter().any(|other| other.starts_with(&path)) {
            true => collect(project, &path, left_out, sources),
            false => sources.push(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, path: &str, text: &str) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn workspace() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |path, text| write(folder.path(), path, text);
        write(
            "package.json",
            r#"{"workspaces": ["apps/*", "packages/**", "!packages/old"]}"#,
        );
        write("package-lock.json", "{}");
        write("config/tsconfig.json", "{}");
        write(
            "apps/shop/package.json",
            r#"{"name": "shop", "dependencies": {"@x/ui": "*"}}"#,
        );
        write("apps/admin/package.json", r#"{"name": "admin"}"#);
        write(
            "packages/ui/package.json",
            r#"{"name": "@x/ui", "peerDependencies": {"@x/core": "*"}}"#,
        );
        write("packages/deep/core/package.json", r#"{"name": "@x/core"}"#);
        write("packages/other/package.json", r#"{"name": "@x/other"}"#);
        write("packages/old/package.json", r#"{"name": "@x/old"}"#);
        folder
    }

    fn shown(folder: &Path, directory: &str) -> Vec<String> {
        sources(folder, Path::new(directory), &[])
            .iter()
            .map(|path| path.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn only_packages_that_are_not_needed_are_left_out() {
        let folder = workspace();
        assert_eq!(
            shown(folder.path(), "apps/shop"),
            [
                "apps/shop",
                "config",
                "package-lock.json",
                "package.json",
                "packages/deep",
                // No package of the workspace, so nobody knows that it is not needed.
                "packages/old",
                "packages/ui",
            ]
        );
        let of_admin = shown(folder.path(), "./apps/admin");
        assert!(
            !of_admin.iter().any(|path| path.starts_with("packages/ui")),
            "{of_admin:?}"
        );
        assert!(of_admin.contains(&"config".to_owned()));
    }

    #[test]
    fn a_package_that_a_path_leads_into_is_needed_without_being_declared() {
        let folder = workspace();
        let of_admin = || shown(folder.path(), "apps/admin");
        let other = "packages/other".to_owned();
        assert!(!of_admin().contains(&other), "{:?}", of_admin());
        for (file, text) in [
            (
                "src/a.ts",
                "import { x } from '../../../packages/other/src/x';",
            ),
            (
                "tsconfig.json",
                "{\"paths\": {\"@other/*\": [\"../../packages/other/*\"]}}",
            ),
            (
                "vite.config.js",
                "resolve(__dirname, `../../packages/other`)",
            ),
            ("src/a.css", "@import url(../../../packages/other/a.css);"),
        ] {
            let path = format!("apps/admin/{file}");
            write(folder.path(), &path, text);
            assert!(of_admin().contains(&other), "{file}: {:?}", of_admin());
            fs::remove_file(folder.path().join(path)).unwrap();
        }
        // What is installed is no source, and a path to nowhere leads nowhere.
        let text = "'../../../../../elsewhere/other' '../' 'other' and packages/other";
        write(folder.path(), "apps/admin/node_modules/x/i.js", text);
        write(folder.path(), "apps/admin/src/b.js", text);
        assert!(!of_admin().contains(&other), "{:?}", of_admin());
    }

    #[test]
    fn when_in_doubt_a_package_is_needed() {
        let folder = workspace();
        let of_admin = || shown(folder.path(), "apps/admin");
        let other = "packages/other".to_owned();
        for (file, text) in [
            // Hoisted, so it is found without being declared.
            ("apps/admin/src/a.ts", "import { x } from '@x/other';"),
            ("apps/admin/src/b.ts", "await import(`@x/other/deep`)"),
            (
                "apps/admin/tsconfig.json",
                "{\"paths\": {\"@x/*\": [\"../../packages/*\"]}}",
            ),
            (
                "apps/admin/vite.config.js",
                "path.resolve(__dirname, '..', '..', 'packages', 'other')",
            ),
            (
                "tsconfig.base.json",
                "{\"paths\": {\"~other\": [\"packages/other/src\"]}}",
            ),
        ] {
            assert!(!of_admin().contains(&other), "{file}: {:?}", of_admin());
            write(folder.path(), file, text);
            let sources = of_admin();
            let is_whole = sources == [""];
            let all = ["packages".to_owned(), other.clone()];
            let is_in = is_whole || sources.iter().any(|it| all.contains(it));
            assert!(is_in, "{file}: {sources:?}");
            fs::remove_file(folder.path().join(file)).unwrap();
        }
        let link = folder.path().join("apps/admin/src/linked");
        std::os::unix::fs::symlink("../../../packages/other", link).unwrap();
        assert!(of_admin().contains(&other), "{:?}", of_admin());
    }

    #[test]
    fn a_package_that_a_name_in_another_writing_leads_to_is_needed() {
        let folder = workspace();
        let of_admin = || shown(folder.path(), "apps/admin");
        let other = "packages/other".to_owned();
        for (file, text) in [
            ("src/a.scss", "@import \"~@x/other/a\";"),
            ("src/a.scss", "@use 'pkg:@x/other';"),
            ("src/a.css", "@import url(@x/other/a.css);"),
            ("src/a.html", "<script src=/node_modules/@x/other/a.js>"),
            ("src/a.js", "import text from 'raw-loader!@x/other/a.txt'"),
            ("src/a.js", "new Worker(new URL('@x/other?worker', base))"),
            ("src/a.astro", "import '@x/other';"),
            (".babelrc", "{\"presets\": [\"@x/other\"]}"),
        ] {
            assert!(!of_admin().contains(&other), "{file}: {:?}", of_admin());
            let path = format!("apps/admin/{file}");
            write(folder.path(), &path, text);
            assert!(of_admin().contains(&other), "{text}: {:?}", of_admin());
            fs::remove_file(folder.path().join(path)).unwrap();
        }
        write(
            folder.path(),
            "apps/admin/a.js",
            "'@x/other-one' and '@y/@x/other'",
        );
        assert!(!of_admin().contains(&other), "{:?}", of_admin());
    }

    #[test]
    fn a_package_that_a_script_or_line_leads_to_is_needed() {
        let folder = workspace();
        let other = "packages/other".to_owned();
        let needs_other = |lines: &[&str]| {
            let sources = sources(folder.path(), Path::new("apps/admin"), lines);
            sources.contains(&PathBuf::from(&other)) || sources.contains(&PathBuf::from("packages"))
        };
        let script = |name: &str, line: &str| {
            let line = serde_json::Value::from(line);
            let text = format!(r#"{{"name": "admin", "scripts": {{"{name}": {line}}}}}"#);
            write(folder.path(), "apps/admin/package.json", &text);
        };
        for line in [
            "mkdir -p dist && cp ../../packages/other/a.js dist/",
            "cd ../.. && cp packages/other/a.js apps/admin/dist",
            "cd ../../packages && cp other/a.js ../apps/admin/dist",
            "cd dist && cp ../../../packages/*/a.js .",
            "for it in ../../packages/*; do cat $it/a.js; done > dist/a.js",
            "pnpm --filter @x/other build && vite build",
            "npm run build -w=@x/other",
            "turbo run build --filter='...@x/other^...'",
            "sass --load-path=../../packages/other src:dist",
            "cp $PWD/../../packages/other/a.js dist",
            "node ../../node_modules/@x/other/build.js",
        ] {
            assert!(needs_other(&[line]), "{line}");
            assert!(!needs_other(&["npm run build", ""]), "{line}");
            script("build", line);
            assert!(needs_other(&["npm run build", ""]), "{line}");
            script("build", "vite build");
            write(folder.path(), "apps/admin/build.sh", line);
            assert!(needs_other(&["sh build.sh"]), "{line}");
            fs::remove_file(folder.path().join("apps/admin/build.sh")).unwrap();
        }
        for line in [
            "cd ../.. && npm ci",
            "vite build --outDir ../../dist/other-admin",
            "tsc -p . && vite build",
            "cat another/a.js > dist/other.js",
        ] {
            assert!(!needs_other(&[line]), "{line}");
        }
    }

    #[test]
    fn scripts_at_the_top_count_where_they_may_run() {
        let folder = workspace();
        let needs_other = |lines: &[&str]| {
            let sources = sources(folder.path(), Path::new("apps/admin"), lines);
            sources.contains(&PathBuf::from("packages/other"))
        };
        let scripts = |scripts: &str| {
            let text = format!(
                r#"{{"workspaces": ["apps/*", "packages/**", "!packages/old"], "scripts": {scripts}}}"#
            );
            write(folder.path(), "package.json", &text);
        };
        scripts(r#"{"build": "npm run build -w @x/other", "lint": "npm run build"}"#);
        let install = "cd ../.. && npm ci";
        assert!(!needs_other(&["npm run build", install]), "its own script");
        assert!(needs_other(&["cd ../.. && npm run build", install]));
        assert!(needs_other(&["pnpm -w build", install]));
        assert!(
            needs_other(&["npm --prefix ../.. run lint"]),
            "by another one"
        );
        scripts(r#"{"prebuild": "npm run build -w @x/other"}"#);
        assert!(needs_other(&["cd ../.. && npm run build"]));
        scripts(r#"{"postinstall": "pnpm --filter @x/other build"}"#);
        assert!(needs_other(&["npm run build"]));
        // Through a package that is needed.
        scripts(r#"{"tokens": "npm run build -w @x/other"}"#);
        assert!(!needs_other(&["npm run build"]));
        let core = r#"{"name": "@x/core", "scripts": {"build": "cd ../../.. && npm run tokens"}}"#;
        write(folder.path(), "packages/deep/core/package.json", core);
        assert!(!needs_other(&["npm run build"]));
        assert!(needs_other(&["npm run build -w @x/core"]));
    }

    #[test]
    fn pnpm_says_it_in_a_file_of_its_own() {
        let folder = workspace();
        fs::remove_file(folder.path().join("package.json")).unwrap();
        assert_eq!(shown(folder.path(), "apps/shop"), [""]);
        let text = "packages:\n  - apps/*\n  - 'packages/**'\n";
        fs::write(folder.path().join("pnpm-workspace.yaml"), text).unwrap();
        let of_shop = shown(folder.path(), "apps/shop");
        assert!(!of_shop.contains(&"apps/admin".to_owned()), "{of_shop:?}");
        assert!(!of_shop.contains(&"packages/old".to_owned()), "{of_shop:?}");
    }

    #[test]
    fn a_frontend_that_is_no_package_of_the_workspace_needs_everything() {
        let folder = workspace();
        assert_eq!(shown(folder.path(), "config"), [""]);
        assert_eq!(shown(folder.path(), "."), [""]);
        assert_eq!(shown(Path::new("/nowhere"), "."), [""]);
    }
}
