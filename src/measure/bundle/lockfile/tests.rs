//! One workspace, locked by the package managers themselves.

use super::*;

const DESCRIPTION: &str = include_str!("../../../../tests/fixtures/lockfiles/package.json");
/// Name of the file, its text, and whether it knows the package `web` of a workspace.
const FILES: [(&str, &str, bool); 8] = [
    (
        "package-lock.json",
        include_str!("../../../../tests/fixtures/lockfiles/npm-v1.json"),
        false,
    ),
    (
        "package-lock.json",
        include_str!("../../../../tests/fixtures/lockfiles/npm-v2.json"),
        true,
    ),
    (
        "package-lock.json",
        include_str!("../../../../tests/fixtures/lockfiles/npm-v3.json"),
        true,
    ),
    (
        "pnpm-lock.yaml",
        include_str!("../../../../tests/fixtures/lockfiles/pnpm-v6.yaml"),
        true,
    ),
    (
        "pnpm-lock.yaml",
        include_str!("../../../../tests/fixtures/lockfiles/pnpm-v9.yaml"),
        true,
    ),
    (
        "yarn.lock",
        include_str!("../../../../tests/fixtures/lockfiles/yarn-classic.lock"),
        true,
    ),
    (
        "yarn.lock",
        include_str!("../../../../tests/fixtures/lockfiles/yarn-berry.lock"),
        true,
    ),
    (
        "bun.lock",
        include_str!("../../../../tests/fixtures/lockfiles/bun.lock"),
        true,
    ),
];

/// A project with that lockfile.
fn locked(name: &str, text: &str, is_workspace: bool) -> (Option<Lock>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let directory = if is_workspace { "web" } else { "." };
    let frontend = folder.path().join(directory);
    fs::create_dir_all(&frontend).unwrap();
    fs::write(folder.path().join(name), text).unwrap();
    fs::write(frontend.join("package.json"), DESCRIPTION).unwrap();
    let mut skipped = Vec::new();
    let root = frontend.canonicalize().unwrap();
    (Lock::find(&root, directory, &mut skipped), skipped)
}

#[test]
fn every_package_manager_says_who_asks_for_a_package() {
    for (name, text, is_workspace) in FILES {
        let head = &text[..40];
        let (lock, skipped) = locked(name, text, is_workspace);
        let lock = lock.unwrap_or_else(|| panic!("{head}: {skipped:?}"));
        assert_eq!(lock.file, name);
        let ways = lock.ways();
        let way = |name: &str, version: &str| {
            let way = ways.get(&(name, version));
            let way = way.unwrap_or_else(|| panic!("{head}: no {name}@{version} in {ways:?}"));
            let packages = way.packages.iter();
            let shown: Vec<String> = packages.map(|(name, it)| format!("{name}@{it}")).collect();
            (way.line, shown.join(" "))
        };
        assert_eq!(way("ms", "2.1.2"), (8, "debug@4.3.4 ms@2.1.2".to_owned()));
        assert_eq!(way("ms", "2.0.0"), (9, "ms@2.0.0".to_owned()));
        let escape = "@sindresorhus/slugify@2.2.1 escape-string-regexp@5.0.0";
        assert_eq!(way("escape-string-regexp", "5.0.0"), (6, escape.to_owned()));
        // An alias has the name of the registry, and the one that it is installed under.
        let chunk = (7, "lodash.chunk@4.2.0".to_owned());
        assert_eq!(way("lodash.chunk", "4.2.0"), chunk, "{head}");
        assert_eq!(way("chunk-of-lodash", "4.2.0"), chunk, "{head}");
        assert_eq!(
            lock.only_version("chunk-of-lodash"),
            Some("4.2.0"),
            "{head}"
        );
        let odd = (11, "is-odd@3.0.1 is-number@6.0.0".to_owned());
        assert_eq!(way("is-number", "6.0.0"), odd, "{head}");
        assert_eq!(ways.len(), 10, "{head}: {ways:?}");
        assert_eq!(lock.only_version("debug"), Some("4.3.4"));
        assert_eq!(lock.only_version("ms"), None, "two of them");
    }
}

#[test]
fn of_two_documents_of_pnpm_the_one_of_the_project_is_read() {
    let of_pnpm = "---\nlockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    configDependencies:\n      \
        ms:\n        specifier: 0.7.1\n        version: 0.7.1\n\npackages:\n\n  ms@0.7.1:\n    \
        resolution: {integrity: sha512-x}\n\nsnapshots:\n\n  ms@0.7.1: {}\n\n---\n";
    let (name, alone, is_workspace) = FILES[4];
    let (lock, skipped) = locked(name, &format!("{of_pnpm}{alone}"), is_workspace);
    let lock = lock.unwrap_or_else(|| panic!("{skipped:?}"));
    let (other, _) = locked(name, alone, is_workspace);
    assert_eq!(lock.ways(), other.unwrap().ways());
}

#[test]
fn half_a_lockfile_or_a_hostile_one_costs_only_who_asks() {
    let deep = "{\"dependencies\":".to_owned() + &"{\"a\":".repeat(100_000);
    let aliases = (0..40).fold("a0: &a0 [x]\n".to_owned(), |text, number| {
        let last = format!("*a{number}, ").repeat(10);
        format!("{text}a{}: &a{} [{last}]\n", number + 1, number + 1)
    });
    let circle = r#"{"packages": {"": {"dependencies": {"a": "1"}},
        "node_modules/a": {"version": "1", "dependencies": {"a": "1", "b": "1"}},
        "node_modules/b": {"version": "1", "link": true, "resolved": "node_modules/b"}}}"#;
    for (name, text, is_read) in [
        ("package-lock.json", deep.as_str(), false),
        ("package-lock.json", "7", false),
        ("package-lock.json", "{}", true),
        ("package-lock.json", circle, true),
        ("pnpm-lock.yaml", aliases.as_str(), false),
        ("pnpm-lock.yaml", "lockfileVersion: 5.4\n", false),
        ("yarn.lock", "\u{0}\u{1}", false),
        ("yarn.lock", "    a b\n", false),
        ("yarn.lock", "__metadata:\n  version: 8\n", true),
        (
            "bun.lock",
            "{\"packages\": {\"a\": [[[]], 1, \"@\"],}}",
            true,
        ),
        ("bun.lock", "{\"packages\": [", false),
    ] {
        let (lock, skipped) = locked(name, text, true);
        assert_eq!(lock.is_some(), is_read, "{name}: {skipped:?}");
        assert_eq!(skipped.is_empty(), is_read, "{name}");
        if let Some(lock) = lock {
            assert!(lock.ways().is_empty(), "{name}");
        }
    }
    // Cut off anywhere: an error or less, never a panic.
    for (name, text, is_workspace) in FILES {
        for cut in (0..text.len()).step_by(97) {
            let (lock, _) = locked(name, &text[..cut], is_workspace);
            lock.unwrap_or_default().ways();
        }
    }
}

#[test]
fn a_lockfile_that_is_too_large_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = fs::File::create(folder.path().join("yarn.lock")).unwrap();
    file.set_len(LARGEST + 1).unwrap();
    let mut skipped = Vec::new();
    assert!(Lock::find(folder.path(), ".", &mut skipped).is_none());
    assert!(skipped[0].ends_with("it has 32 MB, more than the 32 MB that are read"));
}

#[test]
fn nothing_above_the_project_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let web = folder.path().join("app/web");
    fs::create_dir_all(&web).unwrap();
    fs::write(folder.path().join("package-lock.json"), "{}").unwrap();
    let mut skipped = Vec::new();
    assert!(Lock::find(&web, "web", &mut skipped).is_none());
    assert!(Lock::find(&web, "app/web", &mut skipped).is_some());
}

#[test]
fn what_a_package_of_the_workspace_brings_is_reached_through_it() {
    let pnpm = "lockfileVersion: '9.0'\nimporters:\n  web:\n    dependencies:\n      debug:\n        \
                version: link:../packages/log\n  packages/log:\n    dependencies:\n      deep:\n        \
                version: 2.1.2\n    devDependencies:\n      tape: { version: 5.0.0 }\n\
                snapshots:\n  deep@2.1.2: {}\n  tape@5.0.0: {}\n";
    let bun = r#"{"workspaces": {"web": {"name": "web"}, "packages/log": {"dependencies": {"deep": "1"}}},
        "packages": {"debug": ["debug@workspace:packages/log"], "deep": ["deep@2.1.2", "", {}],}}"#;
    let npm = r#"{"packages": {"": {}, "node_modules/debug": {"link": true, "resolved": "packages/log"},
        "packages/log": {"name": "debug", "dependencies": {"deep": "1"}}, "node_modules/deep": {"version": "2.1.2"}}}"#;
    let berry = "__metadata:\n  version: 8\n\"debug@4.3.4, debug@workspace:packages/log\":\n  version: 0.0.0-use.local\n  \
                 resolution: \"debug@workspace:packages/log\"\n  dependencies:\n    deep: \"npm:1\"\n\
                 \"deep@npm:1\":\n  version: 2.1.2\n  resolution: \"deep@npm:2.1.2\"\n";
    for (name, text) in [
        ("pnpm-lock.yaml", pnpm),
        ("bun.lock", bun),
        ("package-lock.json", npm),
        ("yarn.lock", berry),
    ] {
        let (lock, skipped) = locked(name, text, true);
        let lock = lock.unwrap_or_else(|| panic!("{name}: {skipped:?}"));
        let ways = lock.ways();
        let way = &ways[&("deep", "2.1.2")];
        let through = [("debug", ""), ("deep", "2.1.2")];
        let through = through.map(|(name, version)| (name.to_owned(), version.to_owned()));
        assert_eq!((way.line, &way.packages[..]), (8, &through[..]), "{name}");
        assert!(!ways.contains_key(&("tape", "5.0.0")), "{name}");
    }
}
