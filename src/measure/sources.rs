//! Lines of a service's sources where a query may be issued.
//!
//! A static search: Prisma calls such as `.image.findMany(`, matched with the tables of
//! `schema.prisma`, and SQL text in string literals. It finds candidates; rules decide.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::model::evidence::{CallSite, Place};

/// Larger files are generated.
const LARGEST_FILE: u64 = 512 * 1024;
/// How much of a line is kept.
const KEPT_LINE: usize = 160;
/// Folders that hold no sources of the project.
const LEFT_OUT: [&str; 7] = [
    "node_modules",
    ".venv",
    "venv",
    "dist",
    "build",
    "__pycache__",
    "generated",
];
/// Prisma's query methods.
const PRISMA_METHODS: [&str; 16] = [
    "findMany",
    "findFirst",
    "findFirstOrThrow",
    "findUnique",
    "findUniqueOrThrow",
    "count",
    "aggregate",
    "groupBy",
    "create",
    "createMany",
    "update",
    "updateMany",
    "upsert",
    "delete",
    "deleteMany",
    "createManyAndReturn",
];

/// Searches the sources below `directory` of `project`.
pub fn call_sites(project: &Path, directory: &Path) -> Vec<CallSite> {
    let mut files = Vec::new();
    collect(&project.join(directory), &mut files);
    files.sort();
    let tables = prisma_tables(&files);
    let mut sites = Vec::new();
    for file in files.iter().filter(|file| is_source(file)) {
        let Ok(text) = fs::read_to_string(file) else {
            continue;
        };
        let name = file.strip_prefix(project).unwrap_or(file);
        let name = name.to_string_lossy().replace('\\', "/");
        sites.extend(in_text(&text, &name, &tables));
    }
    sites
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if kind.is_dir() && !LEFT_OUT.contains(&&*name) && !name.starts_with('.') {
            collect(&entry.path(), files);
        } else if kind.is_file()
            && entry
                .metadata()
                .is_ok_and(|data| data.len() <= LARGEST_FILE)
        {
            files.push(entry.path());
        }
    }
}

fn is_source(file: &Path) -> bool {
    let ending = file.extension().and_then(|end| end.to_str());
    matches!(
        ending,
        Some("js" | "mjs" | "cjs" | "ts" | "mts" | "cts" | "py")
    )
}

/// Table names by the model name Prisma clients use: `latestImage` is `model LatestImage`.
fn prisma_tables(files: &[std::path::PathBuf]) -> BTreeMap<String, String> {
    let mut tables = BTreeMap::new();
    for file in files {
        if file.extension().is_none_or(|end| end != "prisma") {
            continue;
        }
        let text = fs::read_to_string(file).unwrap_or_default();
        let mut model: Option<String> = None;
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("model ").and_then(first_word) {
                tables.insert(lower_first(name), name.to_owned());
                model = Some(lower_first(name));
            } else if let (Some(model), Some(table)) = (&model, mapped(line)) {
                tables.insert(model.clone(), table.to_owned());
            }
        }
    }
    tables
}

/// The table of `@@map("images")`.
fn mapped(line: &str) -> Option<&str> {
    line.strip_prefix("@@map(")?.split('"').nth(1)
}

fn first_word(text: &str) -> Option<&str> {
    text.split_whitespace().next()
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| first.to_lowercase().chain(letters).collect())
        .unwrap_or_default()
}

fn in_text(text: &str, file: &str, tables: &BTreeMap<String, String>) -> Vec<CallSite> {
    let mut sites = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let found = tables_in_line(line, tables);
        if !found.is_empty() {
            sites.push(CallSite {
                place: Place {
                    file: file.to_owned(),
                    line: number,
                },
                tables: found,
                text: line.trim().chars().take(KEPT_LINE).collect(),
            });
        }
    }
    sites
}

fn tables_in_line(line: &str, tables: &BTreeMap<String, String>) -> Vec<String> {
    let mut found = Vec::new();
    for (position, _) in line.match_indices('.') {
        let mut parts = line[position + 1..].splitn(2, '.');
        let (Some(model), Some(rest)) = (parts.next(), parts.next()) else {
            continue;
        };
        let calls = PRISMA_METHODS.iter().any(|method| {
            rest.strip_prefix(method)
                .is_some_and(|rest| rest.starts_with('('))
        });
        if let (true, Some(table)) = (calls, tables.get(model)) {
            found.push(table.clone());
        }
    }
    found.extend(sql_tables(line));
    found.sort();
    found.dedup();
    found
}

/// The tables after `from`, `join`, `into` and `update` of a line that looks like SQL.
fn sql_tables(line: &str) -> Vec<String> {
    let lower = line.to_ascii_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    words
        .windows(2)
        .filter(|pair| ["from", "join", "into", "update"].contains(&pair[0]))
        .map(|pair| pair[1].trim_matches(|c: char| !c.is_alphanumeric() && c != '_'))
        .filter(|name| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_'))
        .filter(|_| !lower.trim_start().starts_with("import"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_prisma_calls_and_sql() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "api/prisma/schema.prisma",
            "model Image {\n  id Int @id\n  @@map(\"images\")\n}\nmodel Owner {\n}\n",
        );
        write(
            "api/src/a.js",
            "import x from 'y'\nconst a = await prisma.image.findFirst({})\nawait db.query(`select 1 from plates where x`)\nprisma.owner.findMany()\nprisma.image.other()\n",
        );
        write("api/node_modules/p/i.js", "prisma.image.findMany()");
        let sites = call_sites(folder.path(), Path::new("api"));
        let found: Vec<_> = sites
            .iter()
            .map(|site| (site.place.to_string(), site.tables.join(",")))
            .collect();
        assert_eq!(
            found,
            [
                ("api/src/a.js:2".to_owned(), "images".to_owned()),
                ("api/src/a.js:3".to_owned(), "plates".to_owned()),
                ("api/src/a.js:4".to_owned(), "Owner".to_owned()),
            ]
        );
    }
}
