//! The chunks of a Vite build, from `.vite/manifest.json` or what it has instead.
//!
//! Must not decide sizes: a manifest that is broken costs the classification, never a byte.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::chunks::{Chunk, Chunks, Role};

/// One entry of the manifest; other fields are of no use here.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawChunk {
    file: String,
    name: Option<String>,
    src: Option<String>,
    is_entry: bool,
    is_dynamic_entry: bool,
    imports: Vec<String>,
    dynamic_imports: Vec<String>,
    css: Vec<String>,
}

/// Reads the text of a manifest.
pub(super) fn parse(text: &[u8]) -> Result<Chunks, serde_json::Error> {
    Ok(chunks(serde_json::from_slice(text)?))
}

/// The same of a file that may be anything; none unless it lists chunks that each have a file, among
/// them an entry that `is_there`. What describes an installable app does not.
pub(super) fn recognise(text: &[u8], is_there: impl Fn(&str) -> bool) -> Option<Chunks> {
    let raw: BTreeMap<String, RawChunk> = serde_json::from_slice(text).ok()?;
    let is_list = raw.values().all(|raw| !raw.file.is_empty())
        && (raw.values()).any(|raw| raw.is_entry && is_there(&raw.file));
    is_list.then(|| chunks(raw))
}

fn chunks(raw: BTreeMap<String, RawChunk>) -> Chunks {
    let chunks = raw.into_iter().map(|(key, raw)| {
        let role = match (raw.is_entry, raw.is_dynamic_entry) {
            (true, _) => Role::Entry,
            (false, true) => Role::Lazy,
            (false, false) => Role::Shared,
        };
        let chunk = Chunk {
            files: std::iter::once(raw.file).chain(raw.css).collect(),
            name: raw.name,
            source: raw.src,
            role,
            imports: raw.imports,
            on_demand: raw.dynamic_imports,
        };
        (key, chunk)
    });
    Chunks::new(chunks.collect())
}
