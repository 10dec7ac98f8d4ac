//! Real bundlers from npm: Vite, webpack, Rspack, esbuild and Rollup.
//!
//! One test, because all builds share what npm installs.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::{Finished, Sandbox, needs};

const PACKAGE: &str = r#"{
  "name": "shop",
  "private": true,
  "dependencies": {
    "clsx": "2.1.1",
    "ms": "2.1.3"
  },
  "devDependencies": {
    "@rollup/plugin-commonjs": "28.0.3",
    "@rollup/plugin-node-resolve": "16.0.1",
    "@rollup/plugin-terser": "0.4.4",
    "@rspack/cli": "1.3.9",
    "@rspack/core": "1.3.9",
    "css-loader": "7.1.2",
    "esbuild": "0.25.12",
    "html-webpack-plugin": "5.6.3",
    "mini-css-extract-plugin": "2.9.2",
    "rollup": "^4.43.0",
    "vite": "7.3.8",
    "webpack": "5.112.2",
    "webpack-cli": "6.0.1"
  }
}
"#;

/// The frontends: one for each bundler, with the line that builds it.
const BUNDLERS: [(&str, &str); 5] = [
    ("vite", "npx vite build --outDir dist-vite"),
    ("webpack", "npx webpack -c webpack.config.cjs"),
    (
        "rspack",
        "npx rspack build -c rspack.config.cjs --json=.tollgate-stats.json",
    ),
    (
        "esbuild",
        "npx esbuild src/main.js --bundle --splitting --format=esm --minify --outdir=dist-esbuild \
         --entry-names=[name]-[hash]",
    ),
    ("rollup", "npx rollup -c rollup.config.mjs"),
];

const WEBPACK: &str = "const Html = require('html-webpack-plugin');
const Css = require('mini-css-extract-plugin');
const path = require('path');
module.exports = { mode: 'production', entry: './src/main.js', performance: { hints: false },
  output: { path: path.resolve('dist-webpack'), filename: '[name].[contenthash].js', clean: true },
  module: { rules: [{ test: /\\.css$/, use: [Css.loader, 'css-loader'] }] },
  plugins: [new Html(), new Css({ filename: '[name].[contenthash].css' })] };
";
const RSPACK: &str = "const rspack = require('@rspack/core');
const path = require('path');
module.exports = { mode: 'production', entry: './src/main.js', devtool: 'hidden-source-map',
  stats: { chunks: true, chunkOrigins: true, chunkRelations: true, entrypoints: true, ids: true },
  output: { path: path.resolve('dist-rspack'), filename: '[name].[contenthash].js', clean: true },
  experiments: { css: true }, module: { rules: [{ test: /\\.css$/, type: 'css' }] },
  plugins: [new rspack.HtmlRspackPlugin()] };
";
/// Rollup writes neither page nor style by itself.
const ROLLUP: &str = "import commonjs from '@rollup/plugin-commonjs';
import resolve from '@rollup/plugin-node-resolve';
import terser from '@rollup/plugin-terser';
const page = { name: 'page', transform(code, id) { if (id.endsWith('.css')) return ''; },
  generateBundle(options, bundle) {
    const entry = Object.values(bundle).find((chunk) => chunk.isEntry);
    const source = `<script type=\"module\" src=\"/${entry.fileName}\"></script>`;
    this.emitFile({ type: 'asset', fileName: 'index.html', source });
  } };
export default { input: 'src/main.js', plugins: [page, resolve(), commonjs(), terser()],
  output: { dir: 'dist-rollup', entryFileNames: '[name]-[hash].js', chunkFileNames: '[name]-[hash].js' } };
";
/// Pages that load on demand, besides `about`.
const PAGES: usize = 11;

fn shop() -> Sandbox {
    needs("node", "nodejs");
    needs("npm", "npm");
    let shop = Sandbox::empty();
    let mut config = "project: shop\nfrontend:\n".to_owned();
    for (name, line) in BUNDLERS {
        let frontend = format!(
            "  - name: {name}\n    build: {line}\n    output: dist-{name}\n    within: 3 min\n"
        );
        config.push_str(&frontend);
        // All lie in one folder, and this one is built first.
        if name == BUNDLERS[0].0 {
            config += "    install: { run: npm install --no-audit --no-fund, inputs: [package.json, package-lock.json] }\n";
        }
    }
    config += "gate: { tolerance: { bundle: 1% } }\n";
    shop.write("tollgate.yml", &config);
    shop.write(
        ".gitignore",
        "node_modules/\ndist-*/\n.tollgate/\n.tollgate-*\n",
    );
    shop.write("package.json", PACKAGE);
    shop.write("webpack.config.cjs", WEBPACK);
    shop.write("rspack.config.cjs", RSPACK);
    shop.write("rollup.config.mjs", ROLLUP);
    shop.write(
        "index.html",
        "<!doctype html><script type=\"module\" src=\"/src/main.js\"></script>\n",
    );
    shop.write("src/style.css", "body { margin: 0 }\n");
    shop.write(
        "src/shared.js",
        "export const title = (text) => text.trim().toUpperCase();\n",
    );
    // A package in CommonJS is there already: for the first one esbuild adds a kilobyte of its own.
    let mut main =
        "import clsx from 'clsx';\nimport './style.css';\nimport ms from 'ms';\n".to_owned();
    main += "import { title } from './shared.js';\nconst pages = {\n";
    main += "  about: () => import('./pages/about.js'),\n";
    for number in 0..PAGES {
        let line = format!("  page{number}: () => import('./pages/page{number}.js'),\n");
        main.push_str(&line);
        let text = format!("what page {number} shows ").repeat(20);
        let page = format!(
            "import {{ title }} from '../shared.js';\nexport const show = (at) => {{ at.title = title('{text}'); }};\n"
        );
        shop.write(&format!("src/pages/page{number}.js"), &page);
    }
    main += "};\nfor (const name of Object.keys(pages)) {\n  document.body.className = clsx('page', title(name), ms(60));\n  \
             document.body.onclick = () => pages[name]().then((page) => page.show(document.body));\n}\n";
    shop.write("src/main.js", &main);
    shop.write(
        "src/pages/about.js",
        "import { title } from '../shared.js';\nexport const show = (at) => { at.title = title('about the shop'); };\n",
    );
    lock(&shop);
    shop.commit("the shop");
    shop
}

/// Writes the lockfile for what `package.json` asks for.
fn lock(shop: &Sandbox) {
    let output = Command::new("npm")
        .args([
            "install",
            "--package-lock-only",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ])
        .current_dir(shop.project())
        .output()
        .expect("npm can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// What each frontend ships in that arm.
fn bundles(shop: &Sandbox, arm: &str) -> Value {
    let text = fs::read(shop.result("run.json")).expect("a run file");
    let run: Value = serde_json::from_slice(&text).expect("JSON");
    let arm = match arm {
        "base" => &run["base"]["measured"],
        _ => &run["head"],
    };
    arm["evidence"]["bundles"].clone()
}

fn list<'v>(bundle: &'v Value, key: &str) -> &'v [Value] {
    bundle[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn raw(value: &Value) -> u64 {
    value["raw"].as_u64().unwrap_or_default()
}

/// Content of every file by the name it has in both arms.
fn contents(bundle: &Value) -> BTreeMap<&str, &str> {
    let assets = list(bundle, "assets").iter();
    assets
        .map(|it| (text(it, "name"), text(it, "content")))
        .collect()
}

/// Raw bytes of the scripts, and of one package in them.
fn bytes_of(bundle: &Value, package: &str) -> (u64, u64) {
    let scripts = list(bundle, "assets").iter();
    let scripts = scripts.filter(|it| text(it, "path").ends_with(".js"));
    let parts = list(bundle, "parts").iter();
    let parts = parts.filter(|it| text(it, "package") == package);
    (scripts.map(raw).sum(), parts.map(raw).sum())
}

#[test]
fn every_bundler_is_read_without_a_change_of_its_configuration() {
    let shop = shop();
    let nothing = shop.check();
    nothing.exits(0);
    let base = bundles(&shop, "head");
    for (name, _) in BUNDLERS {
        every_byte_belongs_to_somebody(name, &base[name], &nothing);
        every_page_is_a_route(name, &base[name], &nothing);
    }

    shop.edit("src/pages/about.js", "about the shop", "about our shops");
    let edited = shop.check();
    edited.exits(0);
    let (before, now) = (bundles(&shop, "base"), bundles(&shop, "head"));
    for (name, _) in BUNDLERS {
        one_row_changed(name, &before[name], &now[name], &edited);
    }
    shop.git(&["checkout", "--quiet", "--", "."]);

    shop.edit(
        "package.json",
        "\"clsx\": \"2.1.1\",\n",
        "\"clsx\": \"2.1.1\",\n    \"lodash\": \"4.17.21\",\n",
    );
    lock(&shop);
    shop.edit(
        "src/main.js",
        "import './style.css';",
        "import _ from 'lodash'; import './style.css';",
    );
    shop.edit("src/main.js", "title(name)", "_.kebabCase(title(name))");
    let grown = shop.check();
    grown.exits(1);
    let now = bundles(&shop, "head");
    for (name, _) in BUNDLERS {
        lodash_is_charged_what_it_costs(name, &before[name], &now[name], &grown);
    }
    let comment = grown.comment();
    for text in ["`lodash`", "src/main.js:2"] {
        assert!(comment.contains(text), "`{text}` is not in\n{comment}");
    }
    let explained = shop.run(&["explain", "bundle", "lodash"]);
    explained
        .exits(0)
        .prints("package.json:6")
        .prints("4.17.21");
}

/// Scripts and styles, each to the byte.
fn every_byte_belongs_to_somebody(name: &str, bundle: &Value, check: &Finished<'_>) {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for part in list(bundle, "parts") {
        *sums.entry(text(part, "asset")).or_default() += raw(part);
    }
    let mut scripts = 0;
    for asset in list(bundle, "assets") {
        let path = text(asset, "path");
        let has_map = path.ends_with(".js") || sums.contains_key(path);
        if has_map {
            assert_eq!(sums.get(path), Some(&raw(asset)), "{name}: {path}\n{check}");
        }
        scripts += usize::from(path.ends_with(".js"));
    }
    assert!(scripts > PAGES, "{name}: {scripts} scripts\n{check}");
}

fn every_page_is_a_route(name: &str, bundle: &Value, check: &Finished<'_>) {
    let entries = list(bundle, "entries").iter();
    let (later, first): (Vec<&Value>, Vec<&Value>) =
        entries.partition(|it| it["on-demand"] == true);
    assert_eq!(first.len(), 1, "{name}: {first:?}\n{check}");
    assert_eq!(later.len(), PAGES + 1, "{name}: {later:?}\n{check}");
    for route in later {
        assert!(route["js"].as_u64() > Some(50), "{name}: {route}");
    }
}

/// The edited page and nothing else; nothing came, nothing went.
fn one_row_changed(name: &str, before: &Value, now: &Value, check: &Finished<'_>) {
    let (old, new) = (contents(before), contents(now));
    let names = |of: &BTreeMap<&str, &str>| -> Vec<String> {
        of.keys().map(|name| (*name).to_owned()).collect()
    };
    assert_eq!(names(&old), names(&new), "{name}\n{check}");
    let changed: Vec<&str> = (new.iter())
        .filter(|(name, content)| old.get(*name) != Some(content))
        .map(|(name, _)| *name)
        .collect();
    // The minifiers of webpack and Rspack name variables by how often each letter occurs, those of
    // the hashes in the runtime included: it really is another one then, and exactly as long.
    let size = |bundle: &Value, file: &str| -> Vec<u64> {
        let assets = list(bundle, "assets").iter();
        let named = assets.filter(|it| text(it, "name") == file);
        named.map(raw).collect()
    };
    let is_renamed = |file: &str| {
        let has_runtime = ["webpack", "rspack"].contains(&name) && file == "main.js";
        has_runtime && size(before, file) == size(now, file)
    };
    let changed: Vec<&str> = (changed.into_iter())
        .filter(|file| !is_renamed(file))
        .collect();
    assert_eq!(changed.len(), 1, "{name}: {changed:?}\n{check}");
    let edited = list(now, "assets")
        .iter()
        .find(|it| text(it, "name") == changed[0]);
    let path = edited.map_or("", |it| text(it, "path"));
    let of_page = list(now, "parts")
        .iter()
        .any(|part| text(part, "asset") == path && text(part, "module") == "src/pages/about.js");
    assert!(of_page, "{name}: {path} is not the page\n{check}");
}

fn lodash_is_charged_what_it_costs(name: &str, before: &Value, now: &Value, check: &Finished<'_>) {
    let ((old, _), (new, charged)) = (bytes_of(before, "lodash"), bytes_of(now, "lodash"));
    let grown = new - old;
    assert!(
        charged.abs_diff(grown) * 100 <= grown,
        "{name}: {charged} of {grown} bytes\n{check}"
    );
    let chain = list(now, "chains")
        .iter()
        .find(|it| text(it, "package") == "lodash");
    let steps = chain.map_or(&Value::Null, |chain| &chain["steps"]);
    assert_eq!(steps[0]["file"], "src/main.js", "{name}\n{check}");
    assert_eq!(steps[0]["line"], 2, "{name}\n{check}");
    let version = list(now, "packages")
        .iter()
        .find(|it| text(it, "package") == "lodash");
    assert_eq!(
        version.map(|it| text(it, "version")),
        Some("4.17.21"),
        "{name}"
    );
}
