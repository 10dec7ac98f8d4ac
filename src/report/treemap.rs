//! One HTML page with a treemap of what a frontend ships, base and head side by side.
//!
//! It works without a network: the layout (d3-hierarchy) and the numbers are inside the page. Must
//! not let a name of the measured project act in it: the data is JSON in which `<` is escaped, and
//! the page only sets text.

use std::collections::BTreeMap;

use serde::Serialize;

use super::shipped::Shipped;
use crate::model::evidence::{BundleEvidence, Load};

const PAGE: &str = include_str!("../../templates/treemap/page.html");
const LAYOUT: &str = include_str!("../../templates/treemap/d3-hierarchy.min.js");

/// What the page shows.
#[derive(Debug, Serialize)]
struct Data<'a> {
    frontends: Vec<Frontend<'a>>,
}

#[derive(Debug, Serialize)]
struct Frontend<'a> {
    name: &'a str,
    /// None without a base.
    base: Option<Vec<File<'a>>>,
    head: Vec<File<'a>>,
}

#[derive(Debug, Serialize)]
struct File<'a> {
    name: &'a str,
    load: Load,
    raw: u64,
    gzip: u64,
    /// What it is made of, where that is known: packages and own modules with raw bytes.
    parts: Vec<(&'a str, &'a str, u64)>,
}

/// The page.
pub fn treemap(shipped: &Shipped<'_>) -> Result<String, serde_json::Error> {
    let data = Data {
        frontends: shipped
            .frontends()
            .map(|(name, before, now)| Frontend {
                name,
                base: before.map(files),
                head: files(now),
            })
            .collect(),
    };
    let json = serde_json::to_string(&data)?.replace('<', "\\u003c");
    // The data last: nothing in it is taken for a placeholder.
    Ok(PAGE
        .replace("{{layout}}", &LAYOUT.replace("</script", "<\\/script"))
        .replace("{{data}}", &json))
}

fn files(bundle: &BundleEvidence) -> Vec<File<'_>> {
    let mut parts: BTreeMap<&str, Vec<(&str, &str, u64)>> = BTreeMap::new();
    for part in &bundle.parts {
        let module = part.module.as_deref().unwrap_or_default();
        parts
            .entry(&part.asset)
            .or_default()
            .push((&part.package, module, part.raw));
    }
    bundle
        .assets
        .iter()
        .map(|asset| File {
            name: &asset.name,
            load: asset.load,
            raw: asset.raw,
            gzip: asset.gzip,
            parts: parts.remove(asset.path.as_str()).unwrap_or_default(),
        })
        .collect()
}
