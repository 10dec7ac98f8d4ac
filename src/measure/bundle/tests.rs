//! Small built folders, written by hand, weighed as a whole.

use std::fs;
use std::path::Path;

use sourcemap::SourceMapBuilder;
use tempfile::TempDir;

use super::*;
use crate::model::evidence::PackageBytes;

const MAIN: &str = "\
import _ from 'lodash';
import { lazy } from 'react';
import { helper } from './helper';
const Charts = lazy(() => import('./pages/Charts'));
_.debounce(helper);
";
const CHARTS: &str = "import { chart } from 'charts';\nexport default chart;\n";

/// A frontend with a built entry, a lazy page, a style, a worker and an icon.
struct Frontend {
    folder: TempDir,
}

impl Frontend {
    fn new() -> Self {
        let this = Self {
            folder: TempDir::new().unwrap(),
        };
        this.write(
            "index.html",
            "<script type=\"module\" src=\"/src/main.tsx\"></script>",
        );
        this.write("src/main.tsx", MAIN);
        this.write("src/helper.ts", "export const helper = 1;\n");
        this.write("src/pages/Charts.tsx", CHARTS);
        for (package, version) in [
            ("lodash", "4.18.1"),
            ("react", "19.0.0"),
            ("charts", "3.0.0"),
            ("charts/node_modules/lodash", "3.0.0"),
        ] {
            this.write(
                &format!("node_modules/{package}/package.json"),
                &format!("{{\"version\":\"{version}\",\"main\":\"index.js\"}}"),
            );
        }
        this.build("AAAAAAA1", "about the charts");
        this
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Leaves what a bundler would; all names carry `hash`, as if it had cascaded.
    fn build(&self, hash: &str, page_text: &str) {
        let dist = self.folder.path().join("dist");
        if dist.exists() {
            fs::remove_dir_all(&dist).unwrap();
        }
        let entry = format!("assets/index-{hash}.js");
        let page = format!("assets/Charts-{hash}.js");
        let style = format!("assets/index-{hash}.css");
        self.write(
            "dist/index.html",
            &format!(
                "<script type=module src=/{entry}></script><link rel=stylesheet href=/{style}>"
            ),
        );
        self.write("dist/favicon.svg", "<svg/>");
        self.write(&format!("dist/{style}"), "body{margin:0}");
        self.write(&format!("dist/assets/w-{hash}.js"), "self.onmessage=1");
        let lodash = "L".repeat(12_000);
        self.chunk(
            &entry,
            &[
                ("\0helper", "p()"),
                ("../../node_modules/lodash/lodash.js", &lodash),
                ("../../node_modules/react/index.js", "react"),
                ("../../src/helper.ts", "hélper😀"),
                (
                    "../../src/main.tsx",
                    &format!("import(\"./Charts-{hash}.js\")"),
                ),
            ],
        );
        self.chunk(
            &page,
            &[
                (
                    "../../node_modules/charts/index.js",
                    &format!("import\"./index-{hash}.js\";"),
                ),
                (
                    "../../node_modules/charts/node_modules/lodash/lodash.js",
                    "old",
                ),
                ("../../src/pages/Charts.tsx", page_text),
            ],
        );
        self.write(
            "dist/.vite/manifest.json",
            &format!(
                r#"{{
                "index.html": {{"file":"{entry}","name":"index","src":"index.html","isEntry":true,
                    "dynamicImports":["src/pages/Charts.tsx"],"css":["{style}"]}},
                "src/pages/Charts.tsx": {{"file":"{page}","name":"Charts","src":"src/pages/Charts.tsx",
                    "isDynamicEntry":true,"imports":["index.html"]}}
                }}"#
            ),
        );
    }

    /// Writes a script made of `pieces` on one line, and its map.
    fn chunk(&self, path: &str, pieces: &[(&str, &str)]) {
        let mut builder = SourceMapBuilder::new(None);
        let mut code = String::from(";;");
        for (source, piece) in pieces {
            let column = u32::try_from(code.encode_utf16().count()).unwrap();
            let id = builder
                .add(0, column, 0, 0, Some(source), None, false)
                .src_id;
            let text = self.folder.path().join("dist/assets").join(source);
            builder.set_source_contents(id, fs::read_to_string(text).ok().as_deref());
            code.push_str(piece);
        }
        code.push('\n');
        let mut map = Vec::new();
        builder.into_sourcemap().to_writer(&mut map).unwrap();
        self.write(&format!("dist/{path}"), &code);
        self.write(
            &format!("dist/{path}.map"),
            std::str::from_utf8(&map).unwrap(),
        );
    }

    fn dist(&self) -> std::path::PathBuf {
        self.folder.path().join("dist")
    }

    fn weigh(&self) -> Weighed {
        weigh(&output(&self.dist(), self.folder.path(), "frontend")).unwrap()
    }
}

fn output<'a>(folder: &'a Path, frontend: &'a Path, directory: &'a str) -> Output<'a> {
    const NONE: &BTreeSet<String> = &BTreeSet::new();
    Output {
        folder,
        foreign: NONE,
        frontend,
        directory,
        stats: None,
        brotli: false,
        cache: None,
    }
}

fn load_of(evidence: &BundleEvidence, name: &str) -> Load {
    let asset = evidence.assets.iter().find(|asset| asset.name == name);
    asset
        .unwrap_or_else(|| panic!("no `{name}` in {:?}", evidence.assets))
        .load
}

fn bytes_on_disk(folder: &Path) -> u64 {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with(".vite"))
        .map(|path| match path.is_dir() {
            true => bytes_on_disk(&path),
            false if path.extension().is_some_and(|ending| ending == "map") => 0,
            false => fs::metadata(&path).unwrap().len(),
        })
        .sum()
}

#[test]
fn every_shipped_byte_is_counted_and_classified() {
    let frontend = Frontend::new();
    let Weighed { evidence, skipped } = frontend.weigh();
    assert_eq!(skipped, Vec::<String>::new());
    let raw: u64 = evidence.assets.iter().map(|asset| asset.raw).sum();
    assert_eq!(raw, bytes_on_disk(&frontend.dist()));
    for (name, load) in [
        ("assets/index.js", Load::Initial),
        ("assets/index.css", Load::Initial),
        ("assets/Charts.js", Load::Lazy),
        ("assets/w.js", Load::Other),
        ("favicon.svg", Load::Other),
        ("index.html", Load::Other),
    ] {
        assert_eq!(load_of(&evidence, name), load, "{name}");
    }
}

#[test]
fn pages_tell_what_loads_first_when_there_is_no_manifest() {
    let frontend = Frontend::new();
    let with = frontend.weigh().evidence;
    fs::remove_file(frontend.dist().join(".vite/manifest.json")).unwrap();
    let without = frontend.weigh().evidence;
    assert_eq!(load_of(&without, "assets/w.js"), Load::Lazy);
    for name in ["assets/index.js", "assets/index.css", "assets/Charts.js"] {
        assert_eq!(load_of(&with, name), load_of(&without, name), "{name}");
    }
}

#[test]
fn attributed_bytes_add_up_to_the_files() {
    let evidence = Frontend::new().weigh().evidence;
    // What has no map is counted as nobody's.
    let mapped = |asset: &&Asset| asset.path.ends_with(".js") || asset.path.ends_with(".css");
    let of_assets =
        |size: fn(&Asset) -> u64| -> u64 { evidence.assets.iter().filter(mapped).map(size).sum() };
    let of_packages =
        |size: fn(&PackageBytes) -> u64| -> u64 { evidence.packages.iter().map(size).sum() };
    assert_eq!(
        of_packages(|package| package.raw),
        of_assets(|asset| asset.raw)
    );
    assert_eq!(
        of_packages(|package| package.gzip),
        of_assets(|asset| asset.gzip)
    );

    let raw = |package: &str, version: Option<&str>| {
        let found = evidence.packages.iter().find(|candidate| {
            candidate.package == package && candidate.version.as_deref() == version
        });
        found.map(|package| package.raw)
    };
    assert_eq!(raw("lodash", Some("4.18.1")), Some(12_000));
    assert_eq!(raw("lodash", Some("3.0.0")), Some(3));
    // `;;` and the bundler's helper, in both chunks; the style and the worker.
    assert_eq!(raw(UNMAPPED, None), Some(2 + 3 + 2 + 14 + 16));
    assert_eq!(evidence.packages[0].package, "lodash");
}

#[test]
fn chains_lead_from_the_entry_to_the_import() {
    let evidence = Frontend::new().weigh().evidence;
    let chain = |package: &str| {
        let chain = evidence
            .chains
            .iter()
            .find(|chain| chain.package == package)
            .unwrap();
        let steps: Vec<String> = chain.steps.iter().map(ToString::to_string).collect();
        (steps.join(" → "), chain.is_static)
    };
    assert_eq!(chain("react"), ("frontend/src/main.tsx:2".to_owned(), true));
    assert_eq!(
        chain("charts"),
        (
            "frontend/src/main.tsx:4 → frontend/src/pages/Charts.tsx:1".to_owned(),
            false
        )
    );
    assert_eq!(
        chain("./frontend/src/pages/Charts.tsx"),
        ("frontend/src/main.tsx:4".to_owned(), false)
    );
}

#[test]
fn a_package_that_leaves_no_code_is_passed_through() {
    let frontend = Frontend::new();
    frontend.write(
        "node_modules/charts/package.json",
        "{\n\"dependencies\": {\n\"vendor\": \"1\"\n}\n}",
    );
    frontend.write(
        "node_modules/vendor/package.json",
        "{\"dependencies\": {\"shapes\": \"1\"}}",
    );
    frontend.write("node_modules/shapes/package.json", "{}");
    frontend.chunk(
        "assets/Charts-AAAAAAA1.js",
        &[
            ("../../node_modules/charts/index.js", "charts"),
            ("../../node_modules/shapes/index.js", "shapes"),
            ("../../src/pages/Charts.tsx", "page"),
        ],
    );
    let evidence = frontend.weigh().evidence;
    let chain = |package: &str| {
        evidence
            .chains
            .iter()
            .find(|chain| chain.package == package)
    };
    let steps: Vec<String> = chain("shapes")
        .unwrap()
        .steps
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        steps[1..],
        [
            "frontend/src/pages/Charts.tsx:1",
            "frontend/node_modules/charts/package.json:3",
            "frontend/node_modules/vendor/package.json:1",
        ]
    );
    assert_eq!(chain("vendor"), None);
}

#[test]
fn chains_go_on_through_packages_of_the_workspace() {
    const EXPORTS: &str = r#""exports": {".": {"types": "./a.d.ts", "default": "./src/index.js"},
        "./*": "./parts/*.js"}"#;
    let chain = |import: &str, package: &str, is_linked: bool| -> Option<String> {
        let frontend = Frontend::new();
        frontend.write("package.json", r#"{"workspaces": ["packages/*"]}"#);
        let package = format!(r#"{{"name": "@w/ui", {package}}}"#);
        frontend.write("packages/ui/package.json", &package);
        for (file, text) in [
            ("src/index.js", "\nimport { chart } from 'charts';"),
            ("parts/grid.js", "import { chart } from 'charts';"),
        ] {
            frontend.write(&format!("packages/ui/{file}"), text);
        }
        frontend.write("src/main.tsx", &format!("import {{ ui }} from '{import}';"));
        if is_linked {
            let link = frontend.folder.path().join("node_modules/@w/ui");
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink("../../packages/ui", link).unwrap();
        }
        let built = frontend.dist();
        let weighed = weigh(&output(&built, frontend.folder.path(), ".")).unwrap();
        let mut chains = weighed.evidence.chains.into_iter();
        let chain = chains.find(|chain| chain.package == "charts")?;
        let steps: Vec<String> = chain.steps.iter().map(ToString::to_string).collect();
        Some(steps.join(" → "))
    };
    let by_index = Some("src/main.tsx:1 → packages/ui/src/index.js:2".to_owned());
    let by_part = Some("src/main.tsx:1 → packages/ui/parts/grid.js:1".to_owned());
    for is_linked in [true, false] {
        for package in [
            EXPORTS,
            r#""exports": "./src/index.js""#,
            r#""module": "src/index""#,
            r#""main": "dist/not-built.js""#,
        ] {
            assert_eq!(chain("@w/ui", package, is_linked), by_index, "{package}");
        }
        assert_eq!(chain("@w/ui/grid", EXPORTS, is_linked), by_part);
        assert_eq!(
            chain("@w/ui/parts/grid.js", r#""a": 1"#, is_linked),
            by_part
        );
        assert_eq!(chain("@w/other", EXPORTS, is_linked), None);
    }
}

#[test]
fn a_whole_library_is_reported_with_the_members_in_use() {
    let evidence = Frontend::new().weigh().evidence;
    assert_eq!(evidence.whole_imports.len(), 1);
    let found = &evidence.whole_imports[0];
    assert_eq!(found.place.to_string(), "frontend/src/main.tsx:1");
    assert_eq!(found.statement, "import _ from 'lodash'");
    assert_eq!(found.members, ["debounce"]);
}

#[test]
fn one_edited_page_is_the_only_asset_with_other_content() {
    let frontend = Frontend::new();
    let mut base = frontend.weigh().evidence;
    frontend.build("BBBBBBB2", "about the graphs");
    let mut head = frontend.weigh().evidence;
    pair(&mut base, &mut head);
    let changed: Vec<&str> = head
        .assets
        .iter()
        .filter(|asset| {
            let before = base.assets.iter().find(|before| before.name == asset.name);
            before.is_none_or(|before| before.content != asset.content)
        })
        .map(|asset| asset.name.as_str())
        .collect();
    assert_eq!(changed, ["assets/Charts.js"]);
    assert_eq!(base.assets.len(), head.assets.len());
}

#[test]
fn files_of_one_stripped_name_all_become_samples() {
    let frontend = Frontend::new();
    frontend.write("dist/assets/index-CCCCCCC3.js", "export const shared = 1;");
    let evidence = frontend.weigh().evidence;
    let samples = samples("web", &evidence);
    let sizes: f64 = samples
        .iter()
        .filter(|(id, _)| id.metric == Metric::Size)
        .map(|(_, samples)| samples.mean())
        .sum();
    let total = samples[&MetricId::bundle("web", Metric::Total)].mean();
    assert!((sizes - total).abs() < 0.5, "{sizes} is not {total}");
    assert!(samples.contains_key(&MetricId::asset("web", "assets/index.js#2")));
    let initial = samples[&MetricId::bundle("web", Metric::InitialJs)].mean();
    let entry = samples[&MetricId::asset("web", "assets/index.js")].mean();
    assert!((initial - entry).abs() < 0.5);
}

#[test]
fn a_truncated_map_costs_the_attribution_only() {
    let frontend = Frontend::new();
    let whole = frontend.weigh().evidence;
    let map = frontend.dist().join("assets/Charts-AAAAAAA1.js.map");
    let text = fs::read_to_string(&map).unwrap();
    fs::write(&map, &text[..text.len() / 2]).unwrap();
    let Weighed { evidence, skipped } = frontend.weigh();
    assert_eq!(evidence.assets, whole.assets);
    assert_eq!(skipped.len(), 1);
    assert!(
        skipped[0].contains("`assets/Charts-AAAAAAA1.js.map`"),
        "{skipped:?}"
    );
}

#[test]
fn a_manifest_that_names_a_missing_file_costs_nothing() {
    let frontend = Frontend::new();
    let whole = frontend.weigh().evidence;
    frontend.write(
        "dist/.vite/manifest.json",
        r#"{"index.html":{"file":"assets/gone.js","isEntry":true}}"#,
    );
    let Weighed { evidence, skipped } = frontend.weigh();
    let sizes = |evidence: &BundleEvidence| -> Vec<(String, u64)> {
        let assets = evidence.assets.iter();
        assets
            .map(|asset| (asset.path.clone(), asset.gzip))
            .collect()
    };
    assert_eq!(sizes(&evidence), sizes(&whole));
    assert!(skipped[0].contains("`assets/gone.js`"), "{skipped:?}");

    frontend.write("dist/.vite/manifest.json", "{");
    let Weighed { evidence, skipped } = frontend.weigh();
    assert_eq!(sizes(&evidence), sizes(&whole));
    assert_eq!(skipped.len(), 1);
}

/// A frontend whose list of chunks has that name at the top of the output.
fn with_list_named(name: &str) -> Frontend {
    let frontend = Frontend::new();
    let dist = frontend.dist();
    fs::rename(dist.join(".vite/manifest.json"), dist.join(name)).unwrap();
    fs::remove_dir(dist.join(".vite")).unwrap();
    frontend
}

#[test]
fn a_list_of_chunks_under_another_name_is_read_and_not_weighed() {
    let whole = Frontend::new().weigh();
    for name in ["manifest.json", "chunks.json"] {
        assert_eq!(with_list_named(name).weigh(), whole, "{name}");
    }

    let frontend = with_list_named("manifest.json");
    frontend.write(
        "dist/help.html",
        "<link rel=manifest href=/manifest.json><script src=assets/w-AAAAAAA1.js></script>",
    );
    let Weighed { evidence, skipped } = frontend.weigh();
    let asset = |asset: &&Asset| asset.path == "manifest.json";
    assert_eq!(evidence.assets.iter().find(asset), None);
    assert_eq!(skipped.len(), 1);
    assert!(skipped[0].starts_with("`help.html` names `manifest.json`"));
}

#[test]
fn what_is_shipped_under_the_name_of_a_list_of_chunks_is_weighed() {
    const APP: &str = r#"{"name": "shop", "icons": [], "start_url": "/"}"#;
    let weight = |frontend: &Frontend| {
        let Weighed { evidence, skipped } = frontend.weigh();
        assert_eq!(skipped, Vec::<String>::new());
        // With a list of chunks the worker is known to be none of them.
        let has_list = load_of(&evidence, "assets/w.js") == Load::Other;
        let mut assets = evidence.assets.iter();
        let asset = assets.find(|asset| asset.path == "manifest.json");
        (has_list, asset.map(|asset| asset.raw))
    };
    let length = |text: &str| Some(text.len() as u64);

    let frontend = Frontend::new();
    frontend.write("dist/manifest.json", APP);
    assert_eq!(weight(&frontend), (true, length(APP)), "beside the list");
    fs::remove_file(frontend.dist().join(".vite/manifest.json")).unwrap();
    assert_eq!(weight(&frontend), (false, length(APP)), "without a list");

    let frontend = with_list_named("manifest.json");
    frontend.write("public/manifest.json", APP);
    assert_eq!(weight(&frontend), (true, length(APP)), "under the list");
    let list = fs::read_to_string(frontend.dist().join("manifest.json")).unwrap();
    frontend.write("public/manifest.json", &list);
    assert_eq!(
        weight(&frontend),
        (false, length(&list)),
        "a list of theirs"
    );

    // Data of the same form, of which nothing is in the output.
    let frontend = with_list_named("chunks.json");
    let data = list.replace("assets/", "levels/");
    frontend.write("dist/manifest.json", &data);
    assert_eq!(weight(&frontend), (true, length(&data)), "data");
    fs::remove_file(frontend.dist().join("chunks.json")).unwrap();
    assert_eq!(weight(&frontend), (false, length(&data)), "only data");
}

#[test]
fn a_list_in_an_output_below_the_public_folder_hides_no_file_of_that_folder() {
    let frontend = with_list_named("manifest.json");
    frontend.write("public/manifest.json", "{}");
    let output_folder = frontend.folder.path().join("public/build");
    fs::rename(frontend.dist(), &output_folder).unwrap();
    let built = output(&output_folder, frontend.folder.path(), "frontend");
    let evidence = weigh(&built).unwrap().evidence;
    let mut paths = evidence.assets.iter().map(|asset| asset.path.as_str());
    assert!(!paths.any(|path| path == "manifest.json"));
    assert_eq!(load_of(&evidence, "assets/w.js"), Load::Other);
}

#[test]
fn an_empty_or_missing_folder_is_an_error() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("only.js.map"), "{\"version\":3}").unwrap();
    let error = weigh(&output(folder.path(), folder.path(), ".")).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the build left nothing to weigh in")
    );
    let error = weigh(&output(&folder.path().join("none"), folder.path(), ".")).unwrap_err();
    assert!(error.to_string().starts_with("the build left no folder"));
}

#[cfg(unix)]
#[test]
fn links_out_of_the_folder_and_odd_names_are_handled() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    let folder = TempDir::new().unwrap();
    let secret = TempDir::new().unwrap();
    fs::write(secret.path().join("secret"), "secret").unwrap();
    fs::write(folder.path().join(OsStr::from_bytes(b"caf\xe9.js")), "1").unwrap();
    symlink(secret.path().join("secret"), folder.path().join("out.js")).unwrap();
    symlink(secret.path(), folder.path().join("folder")).unwrap();
    symlink(folder.path(), folder.path().join("circle")).unwrap();
    let Weighed { evidence, skipped } = weigh(&output(folder.path(), folder.path(), ".")).unwrap();
    assert_eq!(evidence.assets.len(), 1);
    assert_eq!(evidence.assets[0].raw, 1);
    assert_eq!(skipped.len(), 3);
}

#[test]
fn a_map_that_is_too_large_costs_the_attribution_only() {
    let frontend = Frontend::new();
    let whole = frontend.weigh().evidence;
    let map = frontend.dist().join("assets/Charts-AAAAAAA1.js.map");
    fs::File::create(&map)
        .unwrap()
        .set_len(200_000_000)
        .unwrap();
    let Weighed { evidence, skipped } = frontend.weigh();
    assert_eq!(evidence.assets, whole.assets);
    assert_eq!(
        skipped,
        [
            "`assets/Charts-AAAAAAA1.js.map` cannot be read, so `assets/Charts-AAAAAAA1.js` is not \
             attributed: it has 200 MB, more than the 100 MB that are read"
        ]
    );
}

#[test]
fn every_part_is_a_byte_of_its_file() {
    let evidence = Frontend::new().weigh().evidence;
    for name in ["assets/index.js", "assets/Charts.js"] {
        let asset = evidence
            .assets
            .iter()
            .find(|asset| asset.name == name)
            .unwrap();
        let parts = evidence
            .parts
            .iter()
            .filter(|part| part.asset == asset.path);
        assert_eq!(parts.map(|part| part.raw).sum::<u64>(), asset.raw, "{name}");
    }
    let own = evidence
        .parts
        .iter()
        .find(|part| part.package == PackageBytes::OWN);
    assert!(
        own.unwrap()
            .module
            .as_deref()
            .unwrap()
            .starts_with("frontend/src/")
    );
}

#[test]
fn a_route_counts_what_its_page_has_not_loaded() {
    let evidence = Frontend::new().weigh().evidence;
    let shown: Vec<(&str, bool, u64)> = evidence
        .entries
        .iter()
        .map(|entry| (entry.name.as_str(), entry.on_demand, entry.js))
        .collect();
    let gzip = |name: &str| {
        let asset = evidence.assets.iter().find(|asset| asset.name == name);
        asset.unwrap().gzip
    };
    // The chunk of the page imports the entry, which is there already.
    assert_eq!(
        shown,
        [
            ("index.html", false, gzip("assets/index.js")),
            ("src/pages/Charts.tsx", true, gzip("assets/Charts.js")),
        ]
    );
    let samples = samples("web", &evidence);
    let route = MetricId::entry("web", "src/pages/Charts.tsx", Metric::OnDemand);
    assert!(samples.contains_key(&route));
}

#[test]
fn two_pages_are_judged_each() {
    let frontend = Frontend::new();
    frontend.write(
        "dist/admin.html",
        "<script type=module src=/assets/w-AAAAAAA1.js></script>",
    );
    let evidence = frontend.weigh().evidence;
    let samples = samples("web", &evidence);
    for page in ["admin.html", "index.html"] {
        let id = MetricId::entry("web", page, Metric::InitialJs);
        assert!(samples.contains_key(&id), "{page}");
    }
}

#[test]
fn a_worker_that_is_an_entry_of_the_bundler_does_not_load_first() {
    let folder = TempDir::new().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("app.js", "navigator.serviceWorker.register(\"/sw.js\")");
    write("compute.js", "new Worker(\"./compute.js\");compute()");
    write("render.js", "onmessage=1");
    write(
        "server.js",
        "new Worker(\"\"+new URL(\"render.js\",import.meta.url).href)",
    );
    write("sw.js", "self.addEventListener(\"fetch\",f)");
    write("paged.js", "paged()");
    write(
        "index.html",
        "<script>navigator.serviceWorker.register('/paged.js')</script>",
    );
    let entries = ["app", "compute", "render", "server", "sw", "paged"].map(|name| {
        format!("\"src/{name}.ts\":{{\"file\":\"{name}.js\",\"src\":\"src/{name}.ts\",\"isEntry\":true}}")
    });
    write(".vite/manifest.json", &format!("{{{}}}", entries.join(",")));
    let evidence = weigh(&output(folder.path(), folder.path(), "."))
        .unwrap()
        .evidence;
    let entries = evidence.entries.iter().map(|entry| entry.name.as_str());
    assert_eq!(
        Vec::from_iter(entries),
        [
            "index.html",
            "src/app.ts",
            "src/compute.ts",
            "src/server.ts"
        ]
    );
    assert_eq!(load_of(&evidence, "app.js"), Load::Initial);
    for name in ["sw.js", "render.js", "paged.js"] {
        assert_eq!(load_of(&evidence, name), Load::Other, "{name}");
    }
}

/// Weighs a folder of these files.
fn weighed(files: &[(&str, &str)]) -> BundleEvidence {
    let folder = TempDir::new().unwrap();
    for (path, text) in files {
        fs::write(folder.path().join(path), text).unwrap();
    }
    let built = output(folder.path(), folder.path(), ".");
    weigh(&built).unwrap().evidence
}

#[test]
fn what_loads_first_is_no_number_where_nobody_says_it() {
    let app = ("app.js", "app()");
    let known = |files: &[(&str, &str)]| -> Result<f64, String> {
        let evidence = weighed(files);
        let id = MetricId::bundle("web", Metric::InitialJs);
        let samples = samples("web", &evidence);
        let missing: BTreeMap<MetricId, &str> = unknown("web", &evidence).collect();
        match (samples.get(&id), missing.get(&id)) {
            (Some(samples), None) => Ok(samples.mean()),
            (None, Some(why)) => Err((*why).to_owned()),
            both => panic!("{both:?}"),
        }
    };
    let page = |html| [app, ("index.html", html)];
    for (files, why) in [
        (
            &[app][..],
            "the build left neither a page nor a list of its chunks",
        ),
        (
            &page("<script src=//cdn.example.com/shop/app.js></script>")[..],
            "`index.html` loads `//cdn.example.com/shop/app.js`, which is not in the output",
        ),
        (
            &page("<script>f(() => import('./app.js'))</script>")[..],
            "a script in `index.html` imports `./app.js` dynamically",
        ),
        (
            &page("<p>no script</p>")[..],
            "`index.html` loads no script of the output, and nothing says what loads `app.js`",
        ),
    ] {
        let said = known(files).unwrap_err();
        assert!(said.contains(why), "{said}");
        assert!(said.contains("or name the stats of webpack"), "{said}");
    }
    assert_eq!(known(&[("index.html", "<p>no script</p>")]), Ok(0.0));
    assert!(known(&page("<script>import('./app.js')</script>")).unwrap() > 0.0);
    assert_eq!(known(&[("logo.svg", "<svg/>")]), Ok(0.0));
    assert!(known(&page("<script src=app.js></script>")).unwrap() > 0.0);
}

#[test]
fn what_a_module_in_the_page_imports_loads_first() {
    let evidence = weighed(&[
        ("app.js", "import './shared.js'"),
        ("shared.js", "1"),
        ("later.js", "2"),
        (
            "index.html",
            "<script type=module>import './app.js'; f(() => import('./later.js'))</script>",
        ),
    ]);
    assert_eq!(load_of(&evidence, "app.js"), Load::Initial);
    assert_eq!(load_of(&evidence, "shared.js"), Load::Initial);
    assert_eq!(load_of(&evidence, "later.js"), Load::Lazy);
    let entries = evidence.entries.iter();
    let names = entries.map(|entry| (entry.name.as_str(), entry.on_demand));
    assert_eq!(
        Vec::from_iter(names),
        [("index.html", false), ("later.js", true)]
    );
}

#[test]
fn a_first_visit_loads_one_page() {
    let (small, large) = ("small()".repeat(3), "large(1)+large(22)");
    let files = [
        (
            "a.html",
            "<script src=a.js></script><script src=both.js></script>",
        ),
        ("a.js", small.as_str()),
        (
            "b.html",
            "<script src=b.js></script><script src=both.js></script><link rel=stylesheet href=b.css>",
        ),
        ("b.js", large),
        ("b.css", "body{margin:0}"),
        ("both.js", "both()"),
    ];
    let evidence = weighed(&files);
    let gzip = |name: &str| -> u64 {
        let asset = evidence.assets.iter().find(|asset| asset.name == name);
        asset.unwrap().gzip
    };
    let samples = samples("web", &evidence);
    let of = |metric| samples[&MetricId::bundle("web", metric)].clone();
    let expected = gzip("a.js").max(gzip("b.js")) + gzip("both.js");
    assert_eq!(Some(of(Metric::InitialJs)), single(expected));
    assert_eq!(Some(of(Metric::InitialCss)), single(gzip("b.css")));
    // A page more that weighs no more is no more.
    let mut more = files.to_vec();
    more.extend([("c.html", "<script src=c.js></script>"), ("c.js", "c()")]);
    let more = super::samples("web", &weighed(&more));
    let id = MetricId::bundle("web", Metric::InitialJs);
    assert_eq!(more[&id], of(Metric::InitialJs));
}

/// The scripts that each page loads, or why that is not known.
fn loaded(files: &[(&str, &str)]) -> Vec<(String, Result<Vec<String>, String>)> {
    let evidence = weighed(files);
    let pages = evidence.entries.into_iter().filter(|it| !it.on_demand);
    pages
        .map(|page| (page.name, page.unknown.map_or(Ok(page.files), Err)))
        .collect()
}

fn loads(page: &str, files: &[&str]) -> (String, Result<Vec<String>, String>) {
    let files = files.iter().map(|&file| file.to_owned()).collect();
    (page.to_owned(), Ok(files))
}

#[test]
fn names_mean_what_the_import_map_of_the_page_says() {
    const MAP: &str =
        r#"<script type=importmap>{"imports":{"app":"/index.js","lib/":"/vendor/"}}</script>"#;
    let page = |map: &str, code: &str| format!("{map}<script type=module>{code}</script>");
    let scripts = [
        (
            "index.js",
            "import { a } from 'lib/a.js'; import 'https://esm.example.com/react'",
        ),
        ("vendor.js", "import 'nothing'"),
    ];
    let with = |page: &str| {
        let mut files = scripts.to_vec();
        files.push(("index.html", page));
        let mut all = loaded(&files);
        assert_eq!(all.len(), 1);
        all.remove(0).1
    };
    // `/vendor/a.js` is not there.
    let why = with(&page(MAP, "import \"app\"")).unwrap_err();
    assert!(
        why.contains("`index.js` imports `lib/a.js`, which is not in the output"),
        "{why}"
    );
    let map = MAP.replace("/vendor/", "data:text/javascript,");
    let files = with(&page(&map, "import \"app\"")).unwrap();
    assert_eq!(files, ["index.js"]);
    assert_eq!(with(&page(&map, "import('app')")).unwrap(), ["index.js"]);
    let why = with(&page("", "import \"app\"")).unwrap_err();
    assert!(
        why.contains("`index.html` imports `app`, and no import map of `index.html` says what"),
        "{why}"
    );
    let why = with("<script type=module src=vendor.js></script>").unwrap_err();
    assert!(why.contains("`vendor.js` imports `nothing`"), "{why}");
    // A test of what the browser can do, as `@vitejs/plugin-legacy` writes it.
    let files = with("<script type=module>import('_').catch(()=>1);import './index.js'</script>");
    assert!(files.unwrap_err().contains("`lib/a.js`"));
}

#[test]
fn every_page_says_for_itself_what_it_loads() {
    let (large, small) = ("large.js", "small.js");
    let with = |first: &str, second: &str| {
        loaded(&[
            (large, "large()"),
            (small, "small()"),
            ("a.html", first),
            ("b.html", second),
        ])
    };
    let both = "<script src=small.js></script><script type=module>import(\"/large.js\")</script>";
    assert_eq!(
        with(both, "<p>nothing</p>"),
        [loads("a.html", &[large, small]), loads("b.html", &[])]
    );
    // What the second page makes of the script that nobody loads is not known.
    let pages = with(
        "<script src=small.js></script>",
        "<script>document.head.append(document.createElement('script'))</script>",
    );
    assert_eq!(pages[0], loads("a.html", &[small]));
    let why = pages[1].1.as_ref().unwrap_err();
    assert!(
        why.contains(
            "`b.html` loads no script of the output, and nothing says what loads `large.js`"
        ),
        "{why}"
    );
    // The heaviest page is then not known either.
    let evidence = weighed(&[
        (large, "large()"),
        ("a.html", "<script src=large.js></script>"),
        ("b.html", "<script type=module>import 'unknown'</script>"),
    ]);
    let unknown: Vec<MetricId> = unknown("web", &evidence).map(|(id, _)| id).collect();
    let js = Metric::InitialJs;
    assert!(unknown.contains(&MetricId::bundle("web", js)));
    assert!(unknown.contains(&MetricId::entry("web", "b.html", js)));
    let samples = samples("web", &evidence);
    assert!(!samples.contains_key(&MetricId::bundle("web", js)));
    assert!(!samples.contains_key(&MetricId::entry("web", "b.html", js)));
    assert!(samples.contains_key(&MetricId::entry("web", "a.html", js)));
}

#[test]
fn islands_load_with_their_page_or_later() {
    let evidence = weighed(&[
        (
            "index.html",
            "<script>customElements.define('astro-island', class {})</script>\
             <astro-island component-url=/C.js renderer-url=/client.js client=load></astro-island>\
             <astro-island component-url=/V.js renderer-url=/client.js client=visible></astro-island>",
        ),
        ("C.js", "c()"),
        ("V.js", "v()"),
        ("client.js", "import './shared.js'"),
        ("shared.js", "s()"),
    ]);
    let entries = evidence.entries.iter();
    let shown: Vec<(&str, bool, &[String])> = entries
        .map(|entry| (entry.name.as_str(), entry.on_demand, &entry.files[..]))
        .filter(|(_, _, files)| !files.is_empty())
        .collect();
    let files = |names: &[&str]| -> Vec<String> { names.iter().map(|&it| it.to_owned()).collect() };
    assert_eq!(
        shown,
        [
            (
                "index.html",
                false,
                &files(&["C.js", "client.js", "shared.js"])[..]
            ),
            ("V.js", true, &files(&["V.js"])[..]),
        ]
    );
    assert_eq!(evidence.first_load_unknown, None);
}

#[test]
fn what_a_page_names_and_the_output_lacks_is_said() {
    let folder = TempDir::new().unwrap();
    for (path, text) in [
        (
            "index.html",
            "<script src=/env.js></script><script src=a%5B1%5D.js></script>\
             <script src=https://stats.example.com/s.js></script>",
        ),
        ("a[1].js", "a()"),
    ] {
        fs::write(folder.path().join(path), text).unwrap();
    }
    let Weighed { evidence, skipped } = weigh(&output(folder.path(), folder.path(), ".")).unwrap();
    assert_eq!(load_of(&evidence, "a[1].js"), Load::Initial);
    assert_eq!(evidence.first_load_unknown, None);
    assert_eq!(
        skipped,
        ["`index.html` loads `/env.js`, which is not in the output, so that it is not counted"]
    );
}

#[test]
fn a_page_under_a_new_name_is_still_compared() {
    let of = |page: &str, html: &str, script: &str| {
        let mut evidence = weighed(&[
            ("index.html", "<script src=index.js></script>"),
            ("index.js", "index()"),
            (page, html),
            ("admin.js", script),
        ]);
        evidence.entries.sort_by(|a, b| a.name.cmp(&b.name));
        evidence
    };
    let html = "<script type=module src=admin.js></script>";
    let heavier = "admin(1);admin(22);admin(333)";
    for other_html in [html.to_owned(), format!("<h1>Panel</h1>{html}")] {
        let mut base = of("admin.html", html, "admin()");
        let mut head = of("panel.html", &other_html, heavier);
        pair(&mut base, &mut head);
        let id = MetricId::entry("web", "panel.html", Metric::InitialJs);
        let (before, now) = (samples("web", &base), samples("web", &head));
        assert!(now[&id].mean() > before[&id].mean());
        assert_eq!(
            before.keys().collect::<Vec<_>>().len(),
            now.keys().collect::<Vec<_>>().len()
        );
    }
    // A page of other scripts is another page.
    let mut base = of("admin.html", html, "admin()");
    let mut head = of("panel.html", "<script src=index.js></script>", heavier);
    pair(&mut base, &mut head);
    let gone = MetricId::entry("web", "admin.html", Metric::InitialJs);
    assert!(samples("web", &base).contains_key(&gone));
}

#[test]
fn a_route_called_legacy_is_a_route() {
    let frontend = Frontend::new();
    let manifest = frontend.dist().join(".vite/manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let text = text.replace("Charts.tsx", "Charts-legacy.tsx");
    fs::write(&manifest, text.replace("\"Charts\"", "\"Charts-legacy\"")).unwrap();
    let evidence = frontend.weigh().evidence;
    let route = MetricId::entry("web", "src/pages/Charts-legacy.tsx", Metric::OnDemand);
    assert!(samples("web", &evidence)[&route].mean() > 0.0);
    assert_eq!(load_of(&evidence, "assets/Charts.js"), Load::Lazy);
}

#[test]
fn what_only_old_browsers_load_is_no_route() {
    let frontend = Frontend::new();
    frontend.write(
        "dist/index.html",
        "<script type=module src=/assets/index-AAAAAAA1.js></script>\
         <script nomodule data-src=/assets/Charts-AAAAAAA1.js></script>",
    );
    let evidence = frontend.weigh().evidence;
    let route = |entry: &&EntryLoad| entry.on_demand && entry.js > 0;
    assert_eq!(
        evidence.entries.iter().filter(route).count(),
        1,
        "index may load it later"
    );
    let manifest = frontend.dist().join(".vite/manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let text = text.replace("\"dynamicImports\":[\"src/pages/Charts.tsx\"],", "");
    fs::write(&manifest, text).unwrap();
    let evidence = frontend.weigh().evidence;
    assert_eq!(evidence.entries.iter().filter(route).count(), 0);
    assert_eq!(load_of(&evidence, "assets/Charts.js"), Load::Other);
}

#[test]
fn two_entries_of_one_name_are_both_judged() {
    let stats = |name: &str| {
        format!(
            r#"{{"chunks":[{{"id":1,"names":["main"],"files":["{name}.js"],"initial":true,"children":[],"origins":[]}}],
                "entrypoints":{{"main":{{"chunks":[1]}}}}}}"#
        )
    };
    let children = format!(r#"{{"children":[{},{}]}}"#, stats("a"), stats("b"));
    let evidence = weighed(&[
        ("a.js", "shop()"),
        ("b.js", "admin(1)+admin(2)+admin(3)"),
        ("stats.json", &children),
    ]);
    let mut bytes: Vec<u64> = evidence.assets.iter().map(|asset| asset.gzip).collect();
    bytes.sort_unstable();
    let samples = samples("web", &evidence);
    let of_entries = samples.iter().filter(|(id, _)| {
        id.metric == Metric::InitialJs && **id != MetricId::bundle("web", Metric::InitialJs)
    });
    let mut judged: Vec<Option<Samples>> = of_entries.map(|(_, it)| Some(it.clone())).collect();
    judged.sort_by(|a, b| {
        a.as_ref()
            .map(Samples::mean)
            .partial_cmp(&b.as_ref().map(Samples::mean))
            .unwrap()
    });
    assert_eq!(judged, Vec::from_iter(bytes.into_iter().map(single)));
    let names: BTreeSet<&str> = evidence.entries.iter().map(|it| it.name.as_str()).collect();
    assert!(names.contains("main"), "{names:?}");
    assert!(
        names.contains("main (a.js)") || names.contains("main (b.js)"),
        "{names:?}"
    );
}

#[test]
fn a_route_whose_module_moved_is_still_compared() {
    let frontend = Frontend::new();
    let mut base = frontend.weigh().evidence;
    frontend.build("BBBBBBB2", &"more().than(before);".repeat(50));
    let manifest = frontend.dist().join(".vite/manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let moved = text.replace("src/pages/Charts.tsx", "src/pages/charts/index.tsx");
    fs::write(&manifest, moved).unwrap();
    let mut head = frontend.weigh().evidence;
    pair(&mut base, &mut head);
    let id = MetricId::entry("web", "src/pages/charts/index.tsx", Metric::OnDemand);
    let (before, now) = (samples("web", &base), samples("web", &head));
    assert!(now[&id].mean() > before[&id].mean());
    let old = MetricId::entry("web", "src/pages/Charts.tsx", Metric::OnDemand);
    assert!(!before.contains_key(&old));

    // Another route in its place is no move.
    let mut base = frontend.weigh().evidence;
    let mut head = base.clone();
    base.entries[1].name = "src/pages/Gone.tsx".to_owned();
    for asset in &mut base.assets {
        asset.source = (asset.source.take()).map(|_| "src/pages/Gone.tsx".to_owned());
    }
    head.assets.retain(|asset| asset.source.is_none());
    pair(&mut base, &mut head);
    assert_eq!(base.entries[1].name, "src/pages/Gone.tsx");
}
