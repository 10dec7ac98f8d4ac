//! A build of 1,000 files, weighed by ours and by others.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde::Deserialize;
use tollgate::measure::bundle::{Output, Weighed, weigh};

use crate::{Answer, fresh, run, say};

const FILES: usize = 1_000;
/// Turns of each; the median counts.
const TURNS: usize = 5;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Peers {
    size_limit_ms: f64,
    size_limit_total: u64,
    size_plugin_ms: f64,
    size_plugin_total: u64,
    size_plugin_files: usize,
    zlib: BTreeMap<String, u64>,
}

pub(crate) fn compare(app: &Path) -> Answer<Vec<(String, f64)>> {
    let dist = generate(app)?;
    let cache = fresh("cache")?;
    let (cold, weighed) = median(|| weigh_it(&dist, None))?;
    weigh_it(&dist, Some(&cache))?;
    let (known, _) = median(|| weigh_it(&dist, Some(&cache)))?;
    let peers = run(Command::new("node")
        .arg(app.join("peers.mjs"))
        .arg(&dist)
        .arg(TURNS.to_string())
        .current_dir(app))?;
    let peers: Peers = serde_json::from_str(&peers)?;

    let assets = &weighed.evidence.assets;
    let raw: u64 = assets.iter().map(|asset| asset.raw).sum();
    let total: u64 = assets.iter().map(|asset| asset.gzip).sum();
    let zlib: u64 = peers.zlib.values().sum();
    let worst = assets
        .iter()
        .filter_map(|asset| Some(difference(asset.gzip, *peers.zlib.get(&asset.path)?).abs()))
        .fold(0.0, f64::max);
    say(&format!(
        "{} files, {raw} bytes: ours {cold:.0} ms, with known contents {known:.0} ms; size-limit {:.0} ms; \
         compressed-size-action {:.0} ms for {} files",
        assets.len(),
        peers.size_limit_ms,
        peers.size_plugin_ms,
        peers.size_plugin_files
    ));
    say(&format!(
        "gzip 9: ours {total}, Node's zlib {zlib}, size-limit {}, compressed-size-action {}",
        peers.size_limit_total, peers.size_plugin_total
    ));
    if assets.len() != FILES || peers.zlib.len() != FILES {
        return Err("not every file was weighed".into());
    }
    Ok([
        (
            "size_limit_over_ours.wall.files1000",
            peers.size_limit_ms / cold,
        ),
        (
            "size_limit_over_ours.wall_known.files1000",
            peers.size_limit_ms / known,
        ),
        (
            "compressed_size_action_over_ours.wall.files1000",
            peers.size_plugin_ms / cold,
        ),
        (
            "compressed_size_action_over_ours.wall_known.files1000",
            peers.size_plugin_ms / known,
        ),
        (
            "node_zlib.total_difference_percent",
            difference(total, zlib),
        ),
        ("node_zlib.worst_file_difference_percent", worst),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53 bytes")]
fn difference(ours: u64, theirs: u64) -> f64 {
    (ours as f64 / theirs as f64 - 1.0) * 100.0
}

fn weigh_it(dist: &Path, cache: Option<&Path>) -> Answer<Weighed> {
    Ok(weigh(&Output {
        folder: dist,
        frontend: dist,
        directory: ".",
        stats: None,
        brotli: false,
        cache,
    })?)
}

/// The median of the milliseconds, and the last result.
fn median<T>(work: impl Fn() -> Answer<T>) -> Answer<(f64, T)> {
    let mut times = Vec::new();
    let mut result = None;
    for _ in 0..TURNS {
        let start = Instant::now();
        result = Some(work()?);
        times.push(start.elapsed().as_secs_f64() * 1_000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok((times[TURNS / 2], result.ok_or("no turn")?))
}

/// Scripts and styles of npm packages, in the order of their paths, under the names a bundler
/// would give them.
fn generate(app: &Path) -> Answer<PathBuf> {
    let dist = fresh("dist")?;
    let mut files = Vec::new();
    for package in [
        "recharts/es6",
        "date-fns",
        "react-router/dist",
        "lodash",
        "webpack/lib",
        "react-dom/cjs",
    ] {
        collect(&app.join("node_modules").join(package), &mut files)?;
    }
    files.sort();
    // Every n-th, so that all packages are in it.
    let step = files.len() as f64 / FILES as f64;
    if step < 1.0 {
        return Err(format!("only {} files to choose from", files.len()).into());
    }
    for number in 0..FILES {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index"
        )]
        let file = &files[(number as f64 * step) as usize];
        let stem = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let end = file
            .extension()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let hash = format!("{:08x}", number * 2_654_435_761 % 4_294_967_291);
        fs::copy(file, dist.join(format!("{stem}-{hash}.{end}")))?;
    }
    Ok(dist)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Answer<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|end| end == "js" || end == "mjs" || end == "css")
        {
            files.push(path);
        }
    }
    Ok(())
}
