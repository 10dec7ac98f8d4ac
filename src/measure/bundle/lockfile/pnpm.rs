//! `pnpm-lock.yaml`: versions 6 (pnpm 8) and 9 (pnpm 9 and later). Newer ones put a document about
//! pnpm itself and its configuration before that of the project.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_yaml::Value;

use super::{Locked, Package, Seen, name_and_version};
use crate::measure::bundle::sources::normalise;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    lockfile_version: Value,
    /// By folder relative to the file.
    #[serde(default)]
    importers: BTreeMap<String, Importer>,
    /// Without a workspace, version 6 has the one importer at the top.
    #[serde(flatten)]
    only: Importer,
    /// What is installed, in version 9.
    #[serde(default)]
    snapshots: BTreeMap<String, Snapshot>,
    /// What is installed, in version 6; in version 9 what the registry says of it.
    #[serde(default)]
    packages: BTreeMap<String, Snapshot>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Importer {
    dependencies: BTreeMap<String, Value>,
    dev_dependencies: BTreeMap<String, Value>,
    optional_dependencies: BTreeMap<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Snapshot {
    dependencies: BTreeMap<String, String>,
    optional_dependencies: BTreeMap<String, String>,
}

fn last_document(text: &str) -> Result<File, String> {
    let mut last = Value::Null;
    for document in serde_yaml::Deserializer::from_str(text) {
        // Behind what cannot be read, the same is found again and again.
        last = Value::deserialize(document).map_err(|error| error.to_string())?;
    }
    serde_yaml::from_value(last).map_err(|error| error.to_string())
}

/// Reads the file.
pub(super) fn read(text: &str, seen: &Seen<'_>) -> Result<Locked, String> {
    let file = last_document(text)?;
    let number = || serde_yaml::to_string(&file.lockfile_version).unwrap_or_default();
    let version = (file.lockfile_version.as_str()).map_or_else(number, str::to_owned);
    let installed = match version.split('.').next().map(str::trim) {
        Some("6" | "7") => &file.packages,
        Some("9") => &file.snapshots,
        _ => {
            return Err(format!(
                "its version is {}; 6 and 9 are known, which pnpm 8 and later write",
                version.trim()
            ));
        }
    };
    let keys: BTreeMap<&str, usize> = (installed.keys())
        .map(|key| key.trim_start_matches('/'))
        .zip(0..)
        .collect();
    // Beside a name stands a version with its peers, or for an alias the whole key.
    let resolve = |name: &str, version: &str| -> Option<usize> {
        let named = format!("{name}@{version}");
        let alias = version.trim_start_matches('/');
        keys.get(named.as_str())
            .or_else(|| keys.get(alias))
            .copied()
    };
    let packages = installed.iter().map(|(key, snapshot)| {
        let (name, version) =
            name_and_version(key.trim_start_matches('/')).unwrap_or((key.as_str(), ""));
        let needs = (snapshot.dependencies.iter()).chain(&snapshot.optional_dependencies);
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            needs: needs
                .filter_map(|(name, version)| Some((name.clone(), resolve(name, version)?)))
                .collect(),
        }
    });
    // Packages of the workspace follow, each with what it asks for.
    let folders: BTreeMap<&str, usize> = (file.importers.keys())
        .map(String::as_str)
        .zip(installed.len()..)
        .collect();
    let chosen = |importer: &Importer, folder: &str| -> Vec<(String, usize)> {
        let all = (importer.dependencies.iter())
            .chain(&importer.dev_dependencies)
            .chain(&importer.optional_dependencies);
        all.filter_map(|(name, chosen)| {
            let version = chosen.get("version").unwrap_or(chosen).as_str()?;
            let index = match version.strip_prefix("link:") {
                Some(path) => {
                    let path = normalise(&format!("{folder}/{path}"));
                    folders.get(path.as_str()).copied()
                }
                None => resolve(name, version),
            };
            Some((name.clone(), index?))
        })
        .collect()
    };
    let members = file.importers.iter().map(|(folder, importer)| Package {
        name: folder.clone(),
        version: String::new(),
        // What it needs to be built, nobody gets who asks for it.
        needs: chosen(importer, folder)
            .into_iter()
            .filter(|(name, _)| !importer.dev_dependencies.contains_key(name))
            .collect(),
    });
    let packages = packages.chain(members).collect();
    let directory = match seen.directory {
        "" => ".",
        directory => directory,
    };
    let asked = match file.importers.get(directory) {
        Some(importer) => chosen(importer, directory),
        None => chosen(&file.only, "."),
    };
    Ok(Locked { packages, asked })
}
