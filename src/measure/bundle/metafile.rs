//! The chunks of an esbuild build and the bytes of their modules, from its metafile.
//!
//! Its paths are relative to where esbuild ran. Must not guess bytes: what a file has more than
//! the metafile says belongs to no module.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::chunks::{Chunk, Chunks, Role};

#[derive(Debug, Deserialize)]
struct Metafile {
    outputs: BTreeMap<String, Output>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Output {
    entry_point: Option<String>,
    css_bundle: Option<String>,
    imports: Vec<Import>,
    inputs: BTreeMap<String, Input>,
}

#[derive(Debug, Deserialize)]
struct Import {
    path: String,
    kind: String,
    #[serde(default)]
    external: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    bytes_in_output: u64,
}

/// Bytes by module for each file, by path below the output folder.
pub(super) type Contributions = BTreeMap<String, Vec<(String, u64)>>;

/// Reads a metafile. `below` turns a path of it into one below the output folder, if it lies
/// there.
pub(super) fn parse(
    text: &[u8],
    below: impl Fn(&str) -> Option<String>,
) -> Result<(Chunks, Contributions), serde_json::Error> {
    let metafile: Metafile = serde_json::from_slice(text)?;
    let outputs: BTreeMap<String, Output> = metafile
        .outputs
        .into_iter()
        .filter(|(path, _)| !path.ends_with(".map"))
        .filter_map(|(path, output)| Some((below(&path)?, output)))
        .collect();
    let imported = |output: &Output, on_demand: bool| -> Vec<String> {
        output
            .imports
            .iter()
            .filter(|import| !import.external)
            .filter(|import| (import.kind == "dynamic-import") == on_demand)
            .filter_map(|import| below(&import.path))
            .collect()
    };
    let on_demand: BTreeSet<String> = outputs
        .values()
        .flat_map(|output| imported(output, true))
        .collect();
    let chunk = |(path, output): (&String, &Output)| {
        let role = match (on_demand.contains(path), &output.entry_point) {
            (true, _) => Role::Lazy,
            (false, Some(_)) => Role::Entry,
            (false, None) => Role::Shared,
        };
        let style = output.css_bundle.as_deref().and_then(&below);
        let chunk = Chunk {
            files: std::iter::once(path.clone()).chain(style).collect(),
            name: None,
            source: output.entry_point.clone(),
            role,
            imports: imported(output, false),
            on_demand: imported(output, true),
        };
        (path.clone(), chunk)
    };
    let chunks = Chunks::new(outputs.iter().map(chunk).collect());
    let contributions = outputs
        .into_iter()
        .map(|(path, output)| {
            let inputs = output.inputs.into_iter();
            let bytes = inputs.map(|(input, bytes)| (input, bytes.bytes_in_output));
            (path, bytes.collect())
        })
        .collect();
    Ok((chunks, contributions))
}

#[cfg(test)]
mod tests {
    use super::*;

    const METAFILE: &str = r#"{
      "inputs": {"src/main.ts": {"bytes": 9, "imports": []}},
      "outputs": {
        "dist/main.js": {"bytes": 100, "entryPoint": "src/main.ts", "cssBundle": "dist/main.css",
          "imports": [{"path": "dist/chunk.js", "kind": "import-statement"},
                      {"path": "dist/page.js", "kind": "dynamic-import"},
                      {"path": "https://elsewhere", "kind": "import-statement", "external": true}],
          "inputs": {"src/main.ts": {"bytesInOutput": 90}}, "exports": []},
        "dist/main.css": {"bytes": 10, "imports": [], "inputs": {}},
        "dist/page.js": {"bytes": 50, "entryPoint": "src/page.ts", "imports": [{"path": "dist/chunk.js", "kind": "import-statement"}]},
        "dist/chunk.js": {"bytes": 20, "imports": []},
        "dist/main.js.map": {"bytes": 20}
      }
    }"#;

    #[test]
    fn a_target_of_a_dynamic_import_is_no_entry() {
        let below = |path: &str| Some(path.strip_prefix("dist/")?.to_owned());
        let (chunks, bytes) = parse(METAFILE.as_bytes(), below).unwrap();
        assert_eq!(
            chunks.entries().collect::<Vec<_>>(),
            [("main.js", "src/main.ts")]
        );
        assert_eq!(
            chunks.lazy().collect::<Vec<_>>(),
            [("page.js", "src/page.ts")]
        );
        assert_eq!(
            Vec::from_iter(chunks.closure("main.js")),
            ["chunk.js", "main.css", "main.js"]
        );
        assert_eq!(bytes["main.js"], [("src/main.ts".to_owned(), 90)]);
        assert_eq!(bytes.len(), 4);
    }
}
