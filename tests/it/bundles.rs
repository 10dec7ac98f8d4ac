//! What frontends ship: routes, single files, what changed about them, and where it comes from.

use std::fs;
use std::time::Duration;

use crate::support::Sandbox;

/// Far more than two small builds take beside other tests; reading a map of 200 MB takes longer.
const QUICK: Duration = Duration::from_secs(60);

/// Writes what esbuild does: an entry, a route, a shared chunk and a metafile. `$EXTRA` is what
/// the package in the route has more.
const BUILD: &str = r#"set -eu
extra=''
hash=9f86d081
mkdir -p dist
node_modules=node_modules/charts
mkdir -p $node_modules
echo '{"name":"charts","version":"1.0.0"}' > $node_modules/package.json
printf 'import"./chunk-%s.js";const p=()=>import("./page-%s.js");' $hash $hash > dist/main-$hash.js
printf 'export const shared=1;' > dist/chunk-$hash.js
printf 'import"./chunk-%s.js";%s' $hash "$extra" > dist/page-$hash.js
printf '<script type="module" src="/main-%s.js"></script>' $hash > dist/index.html
size() { wc -c < dist/$1-$hash.js | tr -d ' '; }
cat > meta.json <<END
{"inputs": {}, "outputs": {
  "dist/main-$hash.js": {"bytes": $(size main), "entryPoint": "src/main.js",
    "imports": [{"path": "dist/chunk-$hash.js", "kind": "import-statement"},
                {"path": "dist/page-$hash.js", "kind": "dynamic-import"}],
    "inputs": {"src/main.js": {"bytesInOutput": 20}}},
  "dist/chunk-$hash.js": {"bytes": $(size chunk), "imports": [],
    "inputs": {"src/shared.js": {"bytesInOutput": 22}}},
  "dist/page-$hash.js": {"bytes": $(size page), "entryPoint": "src/page.js",
    "imports": [{"path": "dist/chunk-$hash.js", "kind": "import-statement"}],
    "inputs": {"src/page.js": {"bytesInOutput": 3}, "node_modules/charts/index.js": {"bytesInOutput": ${#extra}}}}
}}
END
"#;

/// Text that gzip cannot make much smaller.
fn noise(bytes: usize) -> String {
    let mut rng = fastrand::Rng::with_seed(1);
    std::iter::repeat_with(|| rng.alphanumeric())
        .take(bytes)
        .collect()
}

fn project(more: &str) -> Sandbox {
    let keys = format!("    stats: meta.json\n{more}");
    let project = Sandbox::with_frontend(&keys, "");
    project.write("build.sh", BUILD);
    project.write(
        "src/main.js",
        "import './shared.js';\nconst p = () => import('./page.js');\n",
    );
    project.write("src/page.js", "import { chart } from 'charts';\n");
    project.write("src/shared.js", "export const shared = 1;\n");
    project.write(
        ".gitignore",
        "node_modules/\ndist/\nmeta.json\n.tollgate/\n",
    );
    project.commit("the app");
    project
}

#[test]
fn a_route_that_grows_is_blocked_and_its_package_named() {
    let project = project("");
    project.edit("build.sh", "extra=''", &format!("extra='{}'", noise(9_000)));

    let check = project.check();

    check.exits(1).prints("src/page.js");
    let route = "entry/web/src/page.js/on-demand";
    assert_eq!(check.verdict(route), "regressed", "{check}");
    assert_eq!(check.verdict("bundle/web/initial-js"), "unchanged");
    check.prints("a returning visitor fetches 0 B of the");

    let explained = project.run(&["explain", "bundle", "charts"]);
    explained
        .exits(0)
        .prints("of that on the first load  0 B")
        .prints("raw                        0 B → 9.0 KB (+9.0 KB)")
        .prints("page.js (on demand)")
        .prints("src/main.js:2")
        .prints("src/page.js:1")
        .prints("it loads on demand");
    let overview = project.run(&["explain", "bundle"]);
    overview.exits(0).prints("On demand").prints("charts");
    project
        .run(&["explain", "bundle", "chrats"])
        .exits(2)
        .says("no frontend of the run ships a package, a file or a module `chrats`; did you mean `charts`?");
}

/// Writes one script in which all loads first, and a metafile that says what is in it.
const AT_ONCE: &str = r#"set -eu
mkdir -p dist
cp noise.txt dist/main.js
printf '<script type="module" src="/main.js"></script>' > dist/index.html
cat > meta.json <<END
{"inputs": {}, "outputs": {"dist/main.js": {"bytes": 60000, "entryPoint": "src/main.js", "imports": [],
  "inputs": {"src/main.js": {"bytesInOutput": 38000}, "src/editor.js": {"bytesInOutput": 20000},
             "src/list.js": {"bytesInOutput": 2000}}}}}
END
"#;

#[test]
fn a_module_could_load_on_demand_where_every_import_of_it_is_known() {
    let project = project("    budgets: { initial-js: 10 KB }\n");
    project.write("build.sh", AT_ONCE);
    project.write("noise.txt", &noise(60_000));
    project.write(
        "src/main.js",
        "import './editor.js';\nimport './list.js';\n",
    );
    project.write("src/editor.js", "export const editor = 1;\n");
    project.write("src/list.js", "export const list = [];\n");
    let claim = "KB load first (gzip) only because `src/editor.js` is imported statically";
    let offer = "Could load on demand, with all that only it needs";
    let explains = |offered: bool| {
        let check = project.check();
        check.exits(1);
        let report = check.report().to_string();
        assert_eq!(report.contains(claim), offered, "{report}");
        let explained = project.run(&["explain", "bundle"]);
        explained.exits(0);
        assert_eq!(
            explained.to_string().contains(offer),
            offered,
            "{explained}"
        );
        report
    };
    explains(true);

    // Nobody can tell what this name stands for: it may be the editor.
    project.write("src/list.js", "import 'ui/editor';\n");
    explains(false);

    let config = "{\n  // The folder of the sources.\n  \"compilerOptions\": { \"paths\": { \"ui/*\": [\"./src/*\"], } }\n}\n";
    project.write("tsconfig.json", config);
    let report = explains(true);
    let places = "imported by src/list.js:1, src/main.js:1";
    assert!(report.contains(places), "{report}");
}

#[test]
fn a_route_and_a_file_have_targets_of_their_own() {
    let budgets = "    budgets: { files: { page.js: 1 KB }, on-demand: { src/page.js: 1 KB } }\n";
    let project = project(budgets);
    project.check().exits(0);
    project.edit("build.sh", "extra=''", &format!("extra='{}'", noise(1_900)));

    let check = project.check();

    check.exits(1).prints("target missed");
    let text = check.comment();
    assert!(text.contains("page.js"), "{text}");
}

#[test]
fn a_target_for_a_file_that_is_not_there_is_no_pass() {
    let project = project("    budgets: { files: { pages.js: 1 KB } }\n");
    project.check().exits(5).prints("pages.js");
}

#[test]
fn a_route_that_is_gone_blocks_nothing_and_is_named() {
    let project = project("");
    project.edit(
        "build.sh",
        "const p=()=>import(\"./page-%s.js\");' $hash $hash",
        "' $hash",
    );
    project.edit(
        "build.sh",
        ",\n                {\"path\": \"dist/page-$hash.js\", \"kind\": \"dynamic-import\"}",
        "",
    );
    project.edit(
        "build.sh",
        "printf '<script",
        "rm dist/page-$hash.js; echo gone > dist/page-$hash.js; printf '<script",
    );
    project.edit("build.sh", "\"entryPoint\": \"src/page.js\",", "");

    let check = project.check();

    check.exits(0);
    assert_eq!(
        check.verdict("entry/web/src/page.js/on-demand"),
        "inconclusive",
        "{check}"
    );
}

#[test]
fn stats_that_are_cut_off_cost_the_routes_and_no_size() {
    let project = project("");
    project.edit(
        "build.sh",
        "cat > meta.json",
        "printf '{\"outputs\": {' > meta.json; cat > /dev/null",
    );

    let check = project.check();

    check.exits(0).prints("`meta.json` cannot be read");
    assert_eq!(check.verdict("bundle/web/total"), "unchanged");
}

/// Leaves what a build may leave in the worst case, beside a script of its own.
const DISORDER: &str = r#"
assets=dist/assets
mkdir -p dist/.vite
printf '{"version":3,"sources":["../../src/a.js"],"names":[],"mapp' > $assets/index-$code_hash.js.map
printf '1' > $assets/large-$code_hash.js
python3 -c "open('$assets/large-$code_hash.js.map', 'w').truncate(200 * 1000 * 1000)"
printf '{"index.html":{"file":"assets/gone-0a1b2c3d.js","isEntry":true}}' > dist/.vite/manifest.json
printf '22' > "$assets/$(printf 'caf\351.js')"
echo secret > secret
ln -s "$PWD/secret" dist/leaves.js
ln -s nowhere dist/leads-nowhere.js
"#;

#[test]
fn what_a_build_leaves_in_disorder_is_said_and_costs_no_size() {
    let project = Sandbox::with_frontend("", "");
    let build = fs::read_to_string(project.project().join("build.sh")).expect("the build");
    project.write("build.sh", &format!("{build}{DISORDER}"));
    project.commit("disorder");
    project.edit("build.sh", "extra_kilobytes=0", "extra_kilobytes=50");

    // Less than the 200 MB of the map.
    let check = project.check_within(150);

    check
        .exits(1)
        .prints("index-9f86d081.js.map` cannot be read, so `assets/index-9f86d081.js` is not attributed")
        .prints("`assets/gone-0a1b2c3d.js`")
        .prints("`leaves.js` leaves the output folder")
        .prints("`leads-nowhere.js` is a link to nothing");
    assert_eq!(check.verdict("bundle/web/total"), "regressed", "{check}");
    // The terminal shows the first five.
    let report = check.report().to_string();
    let too_large =
        "`assets/large-9f86d081.js` is not attributed: it has 200 MB, more than the 100 MB";
    assert!(report.contains(too_large), "{report}");
    assert!(check.took < QUICK, "it took {:?}", check.took);
    let run = check.run_file();
    let assets = &run["head"]["evidence"]["bundles"]["web"]["assets"];
    let sizes: Vec<(String, u64)> = (assets.as_array().into_iter().flatten())
        .map(|asset| {
            let path = asset["path"].as_str().unwrap_or_default().to_owned();
            (path, asset["raw"].as_u64().unwrap_or(0))
        })
        .collect();
    for expected in [
        ("assets/caf\u{fffd}.js", 2),
        ("assets/large-9f86d081.js", 1),
    ] {
        let expected = (expected.0.to_owned(), expected.1);
        assert!(
            sizes.contains(&expected),
            "{expected:?} is not in {sizes:?}"
        );
    }
    assert_eq!(sizes.len(), 4, "{sizes:?}");
}

#[test]
fn the_treemap_needs_no_network_and_no_name_acts_in_it() {
    let project = project("");
    project.edit(
        "build.sh",
        "mkdir -p dist\n",
        "mkdir -p dist; echo 1 > 'dist/<script>alert(1)<!--.js'\n",
    );
    project.check().exits(0);
    let page = project.outside("map.html");

    let written = project.run(&["explain", "bundle", "--html", page.to_str().expect("UTF-8")]);

    written.exits(0);
    let html = fs::read_to_string(page).expect("the page");
    assert!(!html.contains("<script>alert"), "a name acts");
    assert!(html.contains("\\u003cscript>alert(1)"), "the file is in it");
    assert!(
        !html.contains("src=\"http") && !html.contains("href=\"http"),
        "nothing is fetched"
    );
}

/// How often each frontend was built.
fn builds(project: &Sandbox, frontend: &str) -> usize {
    let text = fs::read_to_string(project.marks().join(frontend)).unwrap_or_default();
    text.lines().count()
}

#[test]
fn of_several_frontends_only_those_affected_are_built() {
    let project = Sandbox::empty();
    let frontend = |name: &str| {
        format!(
            "  - {{ name: {name}, directory: apps/{name}, build: sh build.sh, output: dist }}\n"
        )
    };
    let config = format!(
        "project: sandbox\nfrontend:\n{}{}",
        frontend("shop"),
        frontend("admin")
    );
    project.write("tollgate.yml", &config);
    project.write(".gitignore", "dist/\n.tollgate/\n");
    project.write(
        "package.json",
        r#"{"workspaces": ["apps/*", "packages/*"]}"#,
    );
    project.write("packages/ui/package.json", r#"{"name": "ui"}"#);
    project.write("packages/ui/index.js", "export const ui = 1;\n");
    let of_ui = "../../packages/ui/index.js";
    for (name, needs, from) in [
        ("shop", r#","dependencies":{"ui":"*"}"#, of_ui),
        ("admin", "", "package.json"),
    ] {
        let package = format!(r#"{{"name":"{name}"{needs}}}"#);
        project.write(&format!("apps/{name}/package.json"), &package);
        let build = format!(
            "echo built >> $MARKS/{name}\nmkdir -p dist\ncat {from} > dist/a.js\n\
             echo '<script src=a.js></script>' > dist/index.html\n"
        );
        project.write(&format!("apps/{name}/build.sh"), &build);
    }
    project.commit("two frontends");
    project.check().exits(0);
    assert_eq!(
        (builds(&project, "shop"), builds(&project, "admin")),
        (1, 1)
    );

    project.write("packages/ui/index.js", "export const ui = 2;\n");
    let check = project.check();

    check.exits(0).says("admin: unchanged sources, known sizes");
    assert_eq!(
        (builds(&project, "shop"), builds(&project, "admin")),
        (2, 1)
    );
    // What was not built is in the table all the same.
    assert_eq!(check.verdict("bundle/shop/total"), "unchanged");
    assert_eq!(check.verdict("bundle/admin/total"), "unchanged");
}

#[test]
fn a_base_that_is_stored_is_not_built_again() {
    let project = Sandbox::with_frontend("", "");
    project.edit("build.sh", "set -eu", "set -eu; echo built >> $MARKS/web");
    project.commit("count the builds");
    project.run(&["baseline", "refresh"]).exits(0);
    assert_eq!(builds(&project, "web"), 1);
    // A new machine: nothing but the history of runs.
    fs::remove_dir_all(project.result("cache")).expect("a cache");
    project.edit("build.sh", "extra_kilobytes=0", "extra_kilobytes=50");

    let check = project.check();

    check.exits(1);
    assert_eq!(check.verdict("bundle/web/total"), "regressed");
    assert_eq!(builds(&project, "web"), 2, "head only");
}
