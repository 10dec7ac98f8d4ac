//! Holds the structure: who may import whom, and what the pure stages must not touch.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its sources fails"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which modules of this crate a module may import. `commands` and the edges of the program may
/// import everything and are not listed.
const ALLOWED: [(&str, &[&str]); 8] = [
    ("model", &[]),
    ("compare", &["model"]),
    ("diagnose", &["model"]),
    ("gate", &["model"]),
    ("report", &["model"]),
    ("measure", &["model"]),
    ("store", &["model"]),
    ("github", &["model", "report"]),
];
/// `config` builds the option types of the stages and nothing else of them.
const CONFIG_MAY: &[&str] = &["model", "measure", "compare", "gate", "store"];
/// Stages that are functions of their arguments.
const PURE: [&str; 5] = ["model", "compare", "diagnose", "gate", "report"];
/// What a function of its arguments does not need.
const IMPURE: [&str; 9] = [
    "tokio::",
    "sqlx::",
    "reqwest::",
    "http::",
    "std::env",
    "std::fs",
    "std::process",
    "::now()",
    "println!",
];

/// Every source file by module: `compare` holds `compare.rs` and all of `compare/`.
fn sources() -> BTreeMap<String, Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    collect(&root, &mut |file| {
        let below = file.strip_prefix(&root).unwrap();
        let first = below.components().next().unwrap().as_os_str();
        let module = first.to_str().unwrap().trim_end_matches(".rs").to_owned();
        modules.entry(module).or_default().push(file.to_owned());
    });
    modules
}

fn collect(folder: &Path, found: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found(&path);
        }
    }
}

/// A file without comments and without its test module.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The modules a text names through `crate::`, grouped imports included.
fn imported(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (position, _) in code.match_indices("crate::") {
        let rest = &code[position + "crate::".len()..];
        let group = rest.strip_prefix('{').map(|rest| match rest.find("};") {
            Some(end) => &rest[..end],
            None => rest,
        });
        match group {
            Some(group) => names.extend(top_level(group)),
            None => names.extend(first_name(rest)),
        }
    }
    names
}

/// The first names of a group: `a, b::{c, d}, e::f` is a, b, e.
fn top_level(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut parts = vec![String::new()];
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => parts.push(String::new()),
            _ => {}
        }
        if letter != ',' || depth > 0 {
            parts.last_mut().unwrap().push(letter);
        }
    }
    parts
        .iter()
        .filter_map(|part| first_name(part.trim()))
        .collect()
}

fn first_name(text: &str) -> Option<String> {
    let name: String = text
        .chars()
        .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
        .collect();
    (!name.is_empty()).then_some(name)
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    let table = ALLOWED.into_iter().chain([("config", CONFIG_MAY)]);
    let sources = sources();
    for (module, allowed) in table {
        for file in &sources[module] {
            for name in imported(&code(file)) {
                if name != module && !allowed.contains(&name.as_str()) {
                    wrong.push(format!("{} imports `{name}`", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pure_stages_touch_nothing_outside() {
    let mut wrong = Vec::new();
    let sources = sources();
    for module in PURE {
        for file in &sources[module] {
            let is_test = file.file_name().is_some_and(|name| name == "tests.rs");
            let code = if is_test { String::new() } else { code(file) };
            for word in IMPURE {
                if code.contains(word) {
                    wrong.push(format!("{} uses `{word}`", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<_> = sources()
        .into_values()
        .flatten()
        .filter(|file| !fs::read_to_string(file).unwrap().starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn the_table_covers_every_module() {
    let free = ["main", "lib", "cli", "failure", "commands", "config"];
    for module in sources().keys() {
        let listed = ALLOWED.iter().any(|(name, _)| name == module);
        assert!(listed || free.contains(&module.as_str()), "{module}");
    }
}

#[test]
fn the_parser_of_imports_sees_groups() {
    let code = "use crate::{compare, gate::{self, Policy}, model::Run};\nuse crate::store::X;";
    assert_eq!(imported(code), ["compare", "gate", "model", "store"]);
}

#[test]
fn every_regression_of_the_sample_app_applies_and_says_what_to_expect() {
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/spheroid");
    let mut names = Vec::new();
    let folders = ["regressions", "canaries"];
    let entries = folders.map(|folder| fs::read_dir(app.join(folder)).unwrap());
    for entry in entries.into_iter().flatten() {
        let patch = entry.unwrap().path();
        let text = fs::read_to_string(&patch).unwrap();
        let opening = text.split("\n--- ").next().unwrap();
        assert!(opening.contains("Expect: "), "{}", patch.display());
        let applies = std::process::Command::new("git")
            .args(["apply", "--check", "--verbose"])
            .arg(&patch)
            .current_dir(&app)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&applies.stderr).into_owned();
        // Git is content with a patch that touches nothing below the current folder.
        let checked = said.contains("Checking patch") && !said.contains("Skipped");
        assert!(
            applies.status.success() && checked,
            "{}: {said}",
            patch.display()
        );
        names.push(patch.file_stem().unwrap().to_string_lossy().into_owned());
    }
    assert_eq!(names.len(), 16, "{names:?}");
}

#[test]
fn the_sample_app_is_asked_the_same_in_containers() {
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/spheroid");
    let from_sessions = |name: &str| {
        let text = fs::read_to_string(app.join(name)).unwrap();
        let (_, rest) = text.split_once("\nsessions:\n").unwrap();
        rest.to_owned()
    };
    assert_eq!(
        from_sessions("tollgate.yml"),
        from_sessions("tollgate.containers.yml")
    );
}
