//! One app built by three bundlers: is every byte attributed, does the initial load equal what a
//! browser transfers, is one edit one change, and is a new package charged what it costs?

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use tollgate::measure::bundle::{Output, pair, weigh};
use tollgate::model::evidence::{BundleEvidence, Load};

use crate::{Answer, fresh, run, say};

/// How a bundler is called, and the flags that Tollgate adds.
const BUNDLERS: [(&str, &str, &str); 3] = [
    ("vite", "vite build", "--manifest --sourcemap hidden"),
    (
        "webpack",
        "webpack -c webpack.config.cjs",
        "--json=.tollgate-stats.json --devtool hidden-source-map",
    ),
    (
        "esbuild",
        "esbuild src/main.jsx --bundle --splitting --format=esm --minify --charset=utf8 --jsx=automatic \
         --define:process.env.NODE_ENV=\\\"production\\\" --loader:.jsx=jsx --outdir=$OUT \
         --entry-names=[name]-[hash]",
        "--metafile=.tollgate-metafile.json",
    ),
];

struct Built {
    dist: PathBuf,
    evidence: BundleEvidence,
}

pub(crate) fn check(app: &Path) -> Answer<Vec<(String, f64)>> {
    let mut figures = Vec::new();
    for (name, line, flags) in BUNDLERS {
        let plain = files(&build(app, &format!("{name}-plain"), line, "")?)?;
        let base = built(app, name, line, flags)?;
        if plain != files(&base.dist)? {
            return Err(format!("{name}: the flags `{flags}` change what is shipped").into());
        }
        sums(name, &base)?;
        let bytes = first_visit(app, name, &base)?;
        figures.push((format!("{name}.first_visit_bytes"), bytes));
        one_edit(app, name, line, flags, &base)?;
        let off = new_package(app, name, line, flags, &base)?;
        figures.push((format!("{name}.lodash_attribution_off_percent"), off));
    }
    Ok(figures)
}

fn built(app: &Path, name: &str, line: &str, flags: &str) -> Answer<Built> {
    let dist = build(app, name, line, flags)?;
    let weighed = weigh(&Output {
        folder: &dist,
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

fn sums(name: &str, built: &Built) -> Answer<()> {
    let mut attributed: BTreeMap<&str, u64> = BTreeMap::new();
    for part in &built.evidence.parts {
        *attributed.entry(&part.asset).or_default() += part.raw;
    }
    let mut scripts = 0;
    for asset in built
        .evidence
        .assets
        .iter()
        .filter(|asset| asset.path.ends_with(".js"))
    {
        scripts += 1;
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
    say(&format!(
        "{name}: the bytes of all {scripts} scripts are attributed, each exactly"
    ));
    Ok(())
}

/// Holds the initial load against what Chromium transfers.
fn first_visit(app: &Path, name: &str, built: &Built) -> Answer<f64> {
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
        .arg(app.join("transfer.mjs"))
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
fn one_edit(app: &Path, name: &str, line: &str, flags: &str, base: &Built) -> Answer<()> {
    let page = app.join("src/pages/About.jsx");
    let text = fs::read_to_string(&page)?;
    fs::write(&page, text.replace("About the app", "All about the app"))?;
    let edited = built(app, &format!("{name}-edit"), line, flags);
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
fn new_package(app: &Path, name: &str, line: &str, flags: &str, base: &Built) -> Answer<f64> {
    let main = app.join("src/main.jsx");
    let text = fs::read_to_string(&main)?;
    let added = format!("import _ from 'lodash';\n{text}\nconsole.log(_.chunk([1, 2], 1));\n");
    fs::write(&main, added)?;
    let grown = built(app, &format!("{name}-lodash"), line, flags);
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
    if place.as_deref() != Some("app/src/main.jsx:1") {
        return Err(format!("{name}: lodash is imported at {place:?}").into());
    }
    let off = (float(said) / float(real) - 1.0) * 100.0;
    say(&format!(
        "{name}: lodash, imported at {}, is charged {said} bytes; the scripts grew by {real}",
        place.unwrap_or_default()
    ));
    Ok(off)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53 bytes")]
fn float(bytes: u64) -> f64 {
    bytes as f64
}
