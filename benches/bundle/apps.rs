//! Three apps, each built by another bundler: is every byte attributed, does the initial load equal
//! what a browser transfers, is one edit one change, and is a new package charged what it costs?

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use tollgate::measure::bundle::{Output, pair, weigh};
use tollgate::model::evidence::{BundleEvidence, Load, Part};

use crate::{Answer, fresh, prepare, run, say};

/// An app and how its bundler is called.
struct App {
    /// The bundler, and the folder of the app.
    name: &'static str,
    line: &'static str,
    /// What Tollgate adds.
    flags: &'static str,
    /// The module that starts it.
    main: &'static str,
    /// A page that loads on demand.
    page: &'static str,
    /// Scripts that the build has at the least.
    scripts: usize,
}

const APPS: [App; 3] = [
    App {
        name: "vite",
        line: "vite build",
        flags: "--manifest --sourcemap hidden",
        main: "src/main.jsx",
        page: "src/pages/About.jsx",
        scripts: 12,
    },
    App {
        name: "webpack",
        line: "webpack -c webpack.config.cjs",
        flags: "--json=.tollgate-stats.json --devtool hidden-source-map",
        main: "src/index.js",
        page: "src/views/about.js",
        scripts: 5,
    },
    App {
        name: "esbuild",
        line: "esbuild src/main.js --bundle --splitting --format=esm --minify --charset=utf8 --outdir=$OUT \
               --entry-names=[name]-[hash]",
        flags: "--metafile=.tollgate-metafile.json",
        main: "src/main.js",
        page: "src/about.js",
        scripts: 4,
    },
];

struct Built {
    dist: PathBuf,
    evidence: BundleEvidence,
}

pub(crate) fn check(tools: &Path) -> Answer<Vec<(String, f64)>> {
    let mut figures = Vec::new();
    for app in APPS {
        let App {
            name, line, flags, ..
        } = app;
        let folder = prepare(name)?;
        let plain = files(&build(&folder, &format!("{name}-plain"), line, "")?)?;
        let base = built(&folder, name, line, flags)?;
        if plain != files(&base.dist)? {
            return Err(format!("{name}: the flags `{flags}` change what is shipped").into());
        }
        sums(&app, &base)?;
        let bytes = first_visit(tools, name, &base)?;
        figures.push((format!("{name}.first_visit_bytes"), bytes));
        one_edit(&app, &folder, &base)?;
        let off = new_package(&app, &folder, &base)?;
        figures.push((format!("{name}.lodash_attribution_off_percent"), off));
        let kilobytes = float(serde_json::to_vec(&base.evidence)?.len() as u64) / 1_000.0;
        let per_file = kilobytes / float(base.evidence.assets.len() as u64);
        figures.push((format!("{name}.evidence_kb_per_file"), per_file));
    }
    Ok(figures)
}

fn built(app: &Path, name: &str, line: &str, flags: &str) -> Answer<Built> {
    let dist = build(app, name, line, flags)?;
    let weighed = weigh(&Output {
        folder: &dist,
        foreign: &BTreeSet::new(),
        frontend: app,
        directory: "app",
        stats: None,
        brotli: false,
        cache: None,
    })?;
    for own in [".tollgate-stats.json", ".tollgate-metafile.json"] {
        let _absent = fs::remove_file(app.join(own));
    }
    if !weighed.skipped.is_empty() {
        return Err(format!("{name}: {:?}", weighed.skipped).into());
    }
    Ok(Built {
        dist,
        evidence: weighed.evidence,
    })
}

fn build(app: &Path, name: &str, line: &str, flags: &str) -> Answer<PathBuf> {
    let dist = fresh(&format!("dist-{name}"))?;
    run(Command::new("sh")
        .args([
            "-c",
            &format!("PATH=$PWD/node_modules/.bin:$PATH; {line} {flags}"),
        ])
        .env("OUT", &dist)
        .current_dir(app))?;
    if name.starts_with("esbuild") {
        write_page(&dist)?;
    }
    Ok(dist)
}

/// esbuild writes no page: one that loads its entry and its styles.
fn write_page(dist: &Path) -> Answer<()> {
    let mut tags = Vec::new();
    for (path, _) in files(dist)? {
        if path.starts_with("main-") && path.ends_with(".js") {
            tags.push(format!("<script type=\"module\" src=\"/{path}\"></script>"));
        } else if path.starts_with("main-") && path.ends_with(".css") {
            tags.push(format!("<link rel=\"stylesheet\" href=\"/{path}\">"));
        }
    }
    // In one order, whatever the hashes are.
    tags.sort();
    let tags = tags.concat();
    let page = format!("<!doctype html><title>x</title><div id=\"root\"></div>{tags}");
    Ok(fs::write(dist.join("index.html"), page)?)
}

/// Every shipped file with its content.
fn files(dist: &Path) -> Answer<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![dist.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.strip_prefix(dist)?.to_string_lossy().into_owned();
            if path.is_dir() && name != ".vite" {
                open.push(path);
            } else if path.is_file() && !name.ends_with(".map") {
                found.insert(name, fs::read(&path)?);
            }
        }
    }
    Ok(found)
}

/// Every script and every style, each to the byte.
fn sums(app: &App, built: &Built) -> Answer<()> {
    let name = app.name;
    let mut attributed: BTreeMap<&str, u64> = BTreeMap::new();
    for part in &built.evidence.parts {
        *attributed.entry(&part.asset).or_default() += part.raw;
    }
    let (mut scripts, mut styles) = (0, 0);
    for asset in &built.evidence.assets {
        match asset.path.rsplit('.').next() {
            Some("js") => scripts += 1,
            Some("css") => styles += 1,
            Some(_) | None => continue,
        }
        if attributed.get(asset.path.as_str()) != Some(&asset.raw) {
            return Err(format!(
                "{name}: {} has {} bytes, of which {:?} are attributed",
                asset.path,
                asset.raw,
                attributed.get(asset.path.as_str())
            )
            .into());
        }
    }
    if scripts < app.scripts || styles == 0 {
        return Err(format!("{name}: only {scripts} scripts and {styles} styles").into());
    }
    say(&format!(
        "{name}: the bytes of {scripts} scripts and {styles} styles are attributed, each exactly"
    ));
    Ok(())
}

/// Holds the initial load against what Chromium transfers.
fn first_visit(tools: &Path, name: &str, built: &Built) -> Answer<f64> {
    let compressed = fresh(&format!("gzip-{name}"))?;
    for (path, content) in files(&built.dist)? {
        let target = compressed.join(&path);
        fs::create_dir_all(target.parent().ok_or("no folder")?)?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(9));
        encoder.write_all(&content)?;
        fs::write(target, encoder.finish()?)?;
    }
    let browser = std::env::var("CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
    let said = run(Command::new("node")
        .arg(tools.join("transfer.mjs"))
        .args([&built.dist, &compressed])
        .arg(browser))?;
    let bodies: BTreeMap<String, u64> = serde_json::from_str(&said)?;
    let is_code = |path: &str| path.ends_with(".js") || path.ends_with(".css");
    let transferred: BTreeMap<&str, u64> = bodies
        .iter()
        .filter(|(path, _)| is_code(path))
        .map(|(path, bytes)| (path.as_str(), *bytes))
        .collect();
    let ours: BTreeMap<&str, u64> = built
        .evidence
        .assets
        .iter()
        .filter(|asset| asset.load == Load::Initial)
        .map(|asset| (asset.path.as_str(), asset.gzip))
        .collect();
    if ours != transferred {
        return Err(format!("{name}: Chromium transfers {transferred:?}, we say {ours:?}").into());
    }
    let sum: u64 = ours.values().sum();
    say(&format!(
        "{name}: a first visit transfers {} files, {sum} bytes, each as said",
        ours.len()
    ));
    Ok(float(sum))
}

/// Edits one lazy page: exactly one file changes, and none comes or goes.
fn one_edit(app: &App, folder: &Path, base: &Built) -> Answer<()> {
    let App {
        name, line, flags, ..
    } = app;
    let page = folder.join(app.page);
    let text = fs::read_to_string(&page)?;
    fs::write(&page, text.replace("About the app", "All about the app"))?;
    let edited = built(folder, &format!("{name}-edit"), line, flags);
    fs::write(&page, text)?;
    let (mut before, mut now) = (base.evidence.clone(), edited?.evidence);
    pair(&mut before, &mut now);
    let contents = |bundle: &BundleEvidence| -> BTreeMap<String, String> {
        let assets = bundle.assets.iter();
        assets
            .map(|asset| (asset.name.clone(), asset.content.clone()))
            .collect()
    };
    let renamed = now
        .assets
        .iter()
        .filter(|asset| before.assets.iter().all(|old| old.path != asset.path))
        .count();
    let (before, now) = (contents(&before), contents(&now));
    let is_same_set = before.keys().eq(now.keys());
    let changed: Vec<&String> = now
        .iter()
        .filter(|(name, content)| before.get(*name) != Some(content))
        .map(|(name, _)| name)
        .collect();
    if !is_same_set || changed.len() != 1 {
        return Err(format!("{name}: one edit changes {changed:?}; {before:?} {now:?}").into());
    }
    say(&format!(
        "{name}: one edited page renames {renamed} of {} files and changes {changed:?}",
        now.len()
    ));
    Ok(())
}

/// Adds a package to the entry: what it is charged, against what the build has grown by.
fn new_package(app: &App, folder: &Path, base: &Built) -> Answer<f64> {
    let App {
        name, line, flags, ..
    } = app;
    let main = folder.join(app.main);
    let text = fs::read_to_string(&main)?;
    let added = format!("import _ from 'lodash';\n{text}\nconsole.log(_.chunk([1, 2], 1));\n");
    fs::write(&main, added)?;
    let grown = built(folder, &format!("{name}-lodash"), line, flags);
    fs::write(&main, text)?;
    let grown = grown?.evidence;
    let raw = |bundle: &BundleEvidence| -> u64 {
        let scripts = bundle
            .assets
            .iter()
            .filter(|asset| asset.path.ends_with(".js"));
        scripts.map(|asset| asset.raw).sum()
    };
    let lodash = |bundle: &BundleEvidence| -> u64 {
        let parts = bundle.parts.iter().filter(|part| part.package == "lodash");
        parts.map(|part| part.raw).sum()
    };
    let real = raw(&grown) - raw(&base.evidence);
    let said = lodash(&grown) - lodash(&base.evidence);
    let chain = grown.chains.iter().find(|chain| chain.package == "lodash");
    let place = chain
        .and_then(|chain| chain.steps.first())
        .map(ToString::to_string);
    if place != Some(format!("app/{}:1", app.main)) {
        return Err(format!("{name}: lodash is imported at {place:?}").into());
    }
    if said != real {
        say(&format!(
            "{name}: what else is another size with lodash: {}",
            others(&base.evidence, &grown)
        ));
    }
    let off = (float(said) / float(real) - 1.0) * 100.0;
    say(&format!(
        "{name}: lodash, imported at {}, is charged {said} bytes; the scripts grew by {real}",
        place.unwrap_or_default()
    ));
    Ok(off)
}

/// Packages and own modules, except lodash, whose bytes differ.
fn others(base: &BundleEvidence, grown: &BundleEvidence) -> String {
    let mut bytes: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let is_other = |part: &&Part| part.package != "lodash";
    for part in base.parts.iter().filter(is_other) {
        bytes.entry(label(part)).or_default().0 += part.raw;
    }
    for part in grown.parts.iter().filter(is_other) {
        bytes.entry(label(part)).or_default().1 += part.raw;
    }
    let differ = bytes.iter().filter(|(_, (before, now))| before != now);
    let shown: Vec<String> = differ
        .map(|(name, (before, now))| format!("{name} {before} → {now}"))
        .collect();
    shown.join(", ")
}

fn label(part: &Part) -> &str {
    part.module.as_deref().unwrap_or(&part.package)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53 bytes")]
fn float(bytes: u64) -> f64 {
    bytes as f64
}
