//! A build of 1,000 files, weighed by ours and by others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;
use tollgate::measure::bundle::{Output, Weighed, pair, weigh};
use tollgate::model::evidence::BundleEvidence;

use crate::{Answer, fresh, run, say};

const FILES: usize = 1_000;
/// Of so many files one is edited in the head of the pull request.
const EDITED: usize = 100;
/// Turns of each; the median counts.
const TURNS: usize = 5;
/// Files of fewer bytes differ by single bytes, which are per cents of so little.
const SMALL: u64 = 1_000;

/// The zlib that servers and `gzip` use, which is another than Node's.
const PLAIN_ZLIB: &str = "
import json, os, sys, zlib
sizes = {}
for name in os.listdir(sys.argv[1]):
    encoder = zlib.compressobj(9, zlib.DEFLATED, 31)
    with open(os.path.join(sys.argv[1], name), 'rb') as file:
        sizes[name] = len(encoder.compress(file.read()) + encoder.flush())
print(json.dumps(sizes))
";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Peers {
    size_limit_ms: f64,
    size_limit_both_ms: f64,
    size_limit_brotli_ms: f64,
    size_limit_total: u64,
    size_plugin_ms: f64,
    size_plugin_both_ms: f64,
    size_plugin_total: u64,
    size_plugin_files: usize,
    zlib_ms: f64,
    zlib: BTreeMap<String, u64>,
}

/// What ours takes, in milliseconds.
struct Ours {
    /// One build of which nothing is known.
    cold: f64,
    /// One build of which every content was seen before.
    known: f64,
    /// Base and head of a pull request of which nothing is known.
    both: f64,
    /// The same where base was weighed before, as on every pull request but the first.
    both_known: f64,
    /// Nothing but the gzip of one build at level 9, on all cores: the least it could take.
    floor: f64,
}

pub(crate) fn compare(app: &Path) -> Answer<Vec<(String, f64)>> {
    let dist = generate(app)?;
    let head = edited(&dist)?;
    let (cold, weighed) = median(|_| weigh_it(&dist, None))?;
    let cache = fresh("cache")?;
    weigh_it(&dist, Some(&cache))?;
    let (known, _) = median(|_| weigh_it(&dist, Some(&cache)))?;
    let pull_request = |cache: &Path| -> Answer<()> {
        let mut base = weigh_it(&dist, Some(cache))?;
        let mut head = weigh_it(&head, Some(cache))?;
        pair(&mut base.evidence, &mut head.evidence);
        Ok(())
    };
    let empty = (0..TURNS).map(|turn| fresh(&format!("cache-{turn}")));
    let empty = empty.collect::<Answer<Vec<PathBuf>>>()?;
    let (both, ()) = median(|turn| pull_request(&empty[turn]))?;
    let of_base = (0..TURNS).map(|turn| {
        let folder = fresh(&format!("cache-of-base-{turn}"))?;
        weigh_it(&dist, Some(&folder))?;
        Ok(folder)
    });
    let of_base = of_base.collect::<Answer<Vec<PathBuf>>>()?;
    let (both_known, ()) = median(|turn| pull_request(&of_base[turn]))?;
    let (floor, _) = median(|_| only_gzip(&dist))?;
    let ours = Ours {
        cold,
        known,
        both,
        both_known,
        floor,
    };
    let peers = run(Command::new("node")
        .arg(app.join("peers.mjs"))
        .args([&dist, &head])
        .arg(TURNS.to_string())
        .current_dir(app))?;
    let peers: Peers = serde_json::from_str(&peers)?;
    if weighed.evidence.assets.len() != FILES || peers.zlib.len() != FILES {
        return Err("not every file was weighed".into());
    }
    let mut figures = times(&ours, &peers);
    figures.extend(sizes(&weighed.evidence, &peers));
    let plain = run(Command::new("python3")
        .args(["-I", "-c", PLAIN_ZLIB])
        .arg(&dist))?;
    figures.extend(beside_plain_zlib(
        &weighed.evidence,
        &serde_json::from_str(&plain)?,
    ));
    Ok(figures)
}

fn times(ours: &Ours, peers: &Peers) -> Vec<(String, f64)> {
    let limit = (peers.size_limit_ms, peers.size_limit_both_ms);
    let action = (peers.size_plugin_ms, peers.size_plugin_both_ms);
    say(&format!(
        "one build of {FILES} files, gzip 9 (ours also gzip 6): ours {:.0} ms, with known contents {:.0} ms; \
         size-limit {:.0} ms, as it comes (brotli 11) {:.0} ms; compressed-size-action {:.0} ms for {} files",
        ours.cold,
        ours.known,
        limit.0,
        peers.size_limit_brotli_ms,
        action.0,
        peers.size_plugin_files
    ));
    say(&format!(
        "base and head of a pull request: ours {:.0} ms, with base known {:.0} ms; size-limit {:.0} ms; \
         compressed-size-action {:.0} ms",
        ours.both, ours.both_known, limit.1, action.1
    ));
    say(&format!(
        "nothing but gzip 9: zlib-rs on all cores {:.0} ms, so that size-limit takes at most {:.1} times as \
         long as anything that compresses each file with it; Node's zlib on one core {:.0} ms",
        ours.floor,
        limit.0 / ours.floor,
        peers.zlib_ms
    ));
    let mut figures = vec![(
        "size_limit_as_it_comes_over_ours.wall.files1000".to_owned(),
        peers.size_limit_brotli_ms / ours.cold,
    )];
    for (name, (one, both)) in [("size_limit", limit), ("compressed_size_action", action)] {
        figures.extend(
            [
                ("wall.files1000", one / ours.cold),
                ("wall_known.files1000", one / ours.known),
                ("wall_pull_request.files1000", both / ours.both),
                (
                    "wall_pull_request_known_base.files1000",
                    both / ours.both_known,
                ),
                ("wall_limit.files1000", one / ours.floor),
            ]
            .map(|(what, value)| (format!("{name}_over_ours.{what}"), value)),
        );
    }
    figures
}

fn sizes(weighed: &BundleEvidence, peers: &Peers) -> Vec<(String, f64)> {
    let assets = &weighed.assets;
    let raw: u64 = assets.iter().map(|asset| asset.raw).sum();
    let total: u64 = assets.iter().map(|asset| asset.gzip).sum();
    let zlib: u64 = peers.zlib.values().sum();
    say(&format!(
        "{raw} bytes with gzip 9: ours {total}, Node's zlib {zlib}, size-limit {}, compressed-size-action {}",
        peers.size_limit_total, peers.size_plugin_total
    ));
    let written = serde_json::to_vec(weighed).map_or(0, |text| text.len() as u64);
    let written = float(written) / 1_000.0;
    let compared = || {
        assets.iter().filter_map(|asset| {
            let theirs = *peers.zlib.get(&asset.path)?;
            Some((asset, difference(asset.gzip, theirs).abs(), theirs))
        })
    };
    let worst = |least: u64| {
        let of_size = compared().filter(|(asset, ..)| asset.raw >= least);
        of_size.map(|(_, percent, _)| percent).fold(0.0, f64::max)
    };
    let small = compared().filter(|(asset, ..)| asset.raw < SMALL);
    let small = small.map(|(asset, _, theirs)| asset.gzip.abs_diff(theirs));
    if let Some((asset, percent, theirs)) = compared().max_by(|a, b| a.1.total_cmp(&b.1)) {
        say(&format!(
            "furthest off, by {percent:.1} %: {} of {} bytes, {} with ours and {theirs} with Node's",
            asset.path, asset.raw, asset.gzip
        ));
    }
    let off = compared().filter(|(_, percent, _)| *percent > 2.0).count() as u64;
    [
        (
            "node_zlib.total_difference_percent",
            difference(total, zlib),
        ),
        ("node_zlib.worst_file_difference_percent", worst(0)),
        ("node_zlib.files_off_by_more_than_2_percent", float(off)),
        (
            "node_zlib.worst_file_from_1_kb_difference_percent",
            worst(SMALL),
        ),
        (
            "node_zlib.worst_file_below_1_kb_difference_bytes",
            float(small.max().unwrap_or(0)),
        ),
        ("evidence_kb.files1000", written),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn beside_plain_zlib(weighed: &BundleEvidence, zlib: &BTreeMap<String, u64>) -> Vec<(String, f64)> {
    let compared: Vec<f64> = (weighed.assets.iter())
        .filter_map(|asset| Some(difference(asset.gzip, *zlib.get(&asset.path)?).abs()))
        .collect();
    let total: u64 = weighed.assets.iter().map(|asset| asset.gzip).sum();
    let off = compared.iter().filter(|percent| **percent > 2.0).count();
    [
        (
            "plain_zlib.total_difference_percent",
            difference(total, zlib.values().sum()),
        ),
        (
            "plain_zlib.worst_file_difference_percent",
            compared.iter().copied().fold(0.0, f64::max),
        ),
        (
            "plain_zlib.files_off_by_more_than_2_percent",
            float(off as u64),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Compresses every file and does nothing else.
fn only_gzip(dist: &Path) -> Answer<u64> {
    let paths = fs::read_dir(dist)?.map(|entry| Ok(entry?.path()));
    let paths = paths.collect::<Answer<Vec<PathBuf>>>()?;
    let next = AtomicUsize::new(0);
    let total = AtomicU64::new(0);
    let cores = std::thread::available_parallelism()?.get();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(9));
                    let content = fs::read(path).unwrap_or_default();
                    let written = encoder.write_all(&content).and_then(|()| encoder.finish());
                    let bytes = written.map_or(0, |bytes| bytes.len() as u64);
                    total.fetch_add(bytes, Ordering::Relaxed);
                }
            });
        }
    });
    Ok(total.into_inner())
}

/// The same build with every hundredth file edited, and so with another hash.
fn edited(dist: &Path) -> Answer<PathBuf> {
    let head = fresh("dist-head")?;
    let mut paths = fs::read_dir(dist)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Answer<Vec<PathBuf>>>()?;
    paths.sort();
    for (number, path) in paths.iter().enumerate() {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if number % EDITED == 0 {
            let mut content = fs::read(path)?;
            content.extend_from_slice(b"\n// edited\n");
            let end = name.rfind('.').unwrap_or(name.len());
            let start = end.saturating_sub(8);
            let hash = format!("{}{}{}", &name[..start], "0e0e0e0e", &name[end..]);
            fs::write(head.join(hash), content)?;
        } else {
            fs::copy(path, head.join(name))?;
        }
    }
    Ok(head)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53 bytes")]
fn float(bytes: u64) -> f64 {
    bytes as f64
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53 bytes")]
fn difference(ours: u64, theirs: u64) -> f64 {
    (ours as f64 / theirs as f64 - 1.0) * 100.0
}

fn weigh_it(dist: &Path, cache: Option<&Path>) -> Answer<Weighed> {
    Ok(weigh(&Output {
        folder: dist,
        foreign: &BTreeSet::new(),
        frontend: dist,
        directory: ".",
        stats: None,
        brotli: false,
        cache,
    })?)
}

/// The median of the milliseconds, and the last result.
fn median<T>(work: impl Fn(usize) -> Answer<T>) -> Answer<(f64, T)> {
    let mut times = Vec::new();
    let mut result = None;
    for turn in 0..TURNS {
        let start = Instant::now();
        result = Some(work(turn)?);
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
