//! `pnpm-lock.yaml`: versions 6 (pnpm 8) and 9 (pnpm 9 and later).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_yaml::Value;

use super::{Locked, Package, Seen, name_and_version};

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

/// Reads the file.
pub(super) fn read(text: &str, seen: &Seen<'_>) -> Result<Locked, String> {
    let file: File = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
    let version = match &file.lockfile_version {
        Value::String(text) => text.clone(),
        other => serde_yaml::to_string(other).unwrap_or_default(),
    };
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
                .filter_map(|(name, version)| resolve(name, version))
                .collect(),
        }
    });
    let packages = packages.collect();
    let directory = match seen.directory {
        "" => ".",
        directory => directory,
    };
    let importer = file.importers.get(directory).unwrap_or(&file.only);
    let asked = (importer.dependencies.iter())
        .chain(&importer.dev_dependencies)
        .chain(&importer.optional_dependencies)
        .filter_map(|(name, chosen)| {
            let version = chosen.get("version").unwrap_or(chosen).as_str()?;
            Some((name.clone(), resolve(name, version)?))
        });
    let asked = asked.collect();
    Ok(Locked { packages, asked })
}
