//! What a frontend ships: find the built files, weigh them, name them without their content
//! hash, and say which package and which import line the bytes come from.
//!
//! Reads the output folder and the sources beside it; must not build anything, write anything
//! or judge anything.

mod aliases;
mod assets;
mod attribution;
pub mod build;
mod chunks;
mod committed;
mod common_js;
mod compress;
mod configured;
mod deferrable;
mod flags;
mod gzip;
mod import_map;
mod imports;
mod loading;
mod lockfile;
mod manifest;
mod metafile;
mod names;
mod nesting;
mod pages;
mod pairing;
mod resolve;
mod routes;
mod scan;
mod sources;
mod stats;
mod whole;
mod workspace;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use thiserror::Error;

use crate::model::evidence::{
    AskedBy, Asset, BundleEvidence, EntryLoad, Load, PackageBytes, Place,
};
use crate::model::{Metric, MetricId, Samples};

pub use crate::model::evidence::UNMAPPED;

/// What a frontend ships, and what could not be read on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighed {
    /// Sizes, packages and imports.
    pub evidence: BundleEvidence,
    /// What was left out, each with its reason; the sizes hold all the same.
    pub skipped: Vec<String>,
}

/// Gives the same thing the same name in both arms: every file, and every route whose module has
/// moved.
pub fn pair(base: &mut BundleEvidence, head: &mut BundleEvidence) {
    pairing::pair(base, head);
    routes::follow(base, head);
}

/// Why a frontend could not be weighed.
#[derive(Debug, Error)]
pub enum BundleError {
    /// The output folder is missing or no folder.
    #[error("the build left no folder `{}`", output.display())]
    NoOutput {
        /// The folder that was expected.
        output: PathBuf,
    },
    /// The output folder holds nothing that a browser could load.
    #[error("the build left nothing to weigh in `{}`", output.display())]
    Empty {
        /// The folder that is empty.
        output: PathBuf,
    },
    /// A file or folder of the output cannot be read: its bytes would be missing from the sum.
    #[error("`{}` cannot be read", path.display())]
    Unreadable {
        /// What cannot be read.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl BundleError {
    /// The same error with the output folder named as the user knows it.
    pub fn seen_from(self, shown: &Path) -> Self {
        let output = shown.components().collect();
        match self {
            Self::NoOutput { .. } => Self::NoOutput { output },
            Self::Empty { .. } => Self::Empty { output },
            Self::Unreadable { .. } => self,
        }
    }
}

/// A built frontend.
#[derive(Debug, Clone, Copy)]
pub struct Output<'a> {
    /// The folder that the build wrote.
    pub folder: &'a Path,
    /// Files in it that the build did not write, by their paths below it: they are weighed, and say
    /// nothing about the build.
    pub foreign: &'a BTreeSet<String>,
    /// The folder of its sources.
    pub frontend: &'a Path,
    /// The same relative to the project, such as `frontend` or `.`; every place in the evidence
    /// starts with it.
    pub directory: &'a str,
    /// Stats of webpack or Rspack or a metafile of esbuild, relative to `frontend`. Without it
    /// the usual places are looked at.
    pub stats: Option<&'a Path>,
    /// Whether brotli sizes are wanted as well.
    pub brotli: bool,
    /// Folder in which the sizes of known contents are kept.
    pub cache: Option<&'a Path>,
}

/// Weighs a built frontend.
pub fn weigh(built: &Output<'_>) -> Result<Weighed, BundleError> {
    let Output {
        folder: output,
        foreign,
        frontend: frontend_dir,
        directory,
        stats,
        brotli,
        cache,
    } = *built;
    let no_output = || BundleError::NoOutput {
        output: output.to_owned(),
    };
    let root = output.canonicalize().map_err(|_missing| no_output())?;
    if !root.is_dir() {
        return Err(no_output());
    }
    let frontend = frontend_dir
        .canonicalize()
        .unwrap_or_else(|_missing| frontend_dir.to_owned());

    let mut skipped = Vec::new();
    let mut found = assets::walk(&root, foreign, &mut skipped)?;
    if found.shipped.is_empty() {
        return Err(BundleError::Empty {
            output: output.to_owned(),
        });
    }
    let said = loading::read(&mut found, &frontend, stats, &mut skipped);
    let found = found;
    let stripped: Vec<names::Stripped> = found
        .shipped
        .iter()
        .map(|file| names::strip(&file.path, said.chunks.chunk_name(&file.path)))
        .collect();
    let normaliser = names::Normaliser::new(&found.shipped, &stripped);
    let weigher = compress::Weigher::new(brotli, cache);
    let weights = in_parallel(&found.shipped, |file| {
        assets::weigh(file, &normaliser, &weigher, said.chunks.is_empty())
    })
    .into_iter()
    .collect::<Result<Vec<_>, _>>()?;
    weigher.keep();
    let mentions = weights.iter().map(|weight| weight.mentions.as_ref());
    let mentions: Vec<_> = mentions.collect();
    let loading = loading::classify(&said, &found, &mentions, &mut skipped);

    let mut shipped: Vec<Asset> = found
        .shipped
        .iter()
        .zip(&stripped)
        .zip(weights)
        .map(|((file, stripped), weight)| Asset {
            name: stripped.name.clone(),
            path: file.path.clone(),
            raw: weight.raw,
            gzip: weight.sizes.gzip,
            gzip_level_6: weight.sizes.gzip_level_6,
            brotli: weight.sizes.brotli,
            load: (loading.loads.get(&file.path))
                .copied()
                .unwrap_or(Load::Other),
            content: weight.content,
            digest: weight.digest,
            source: said.chunks.source_of(&file.path).map(str::to_owned),
            was: None,
        })
        .collect();
    pairing::make_unique(&mut shipped);
    let loads = loads_of(loading.entries, &shipped);

    let home = sources::Home::new(&frontend, directory);
    let chunks: Vec<attribution::Chunk<'_>> =
        attribution::chunks(&found, &shipped, &said.contributions);
    let mut ledger = attribution::Ledger::default();
    for (chunk, result) in chunks.iter().zip(in_parallel(&chunks, |chunk| {
        attribution::read(chunk, &home)
    })) {
        match result {
            Ok(attributed) => ledger.add(chunk, attributed, &home),
            Err(why) => skipped.push(why),
        }
    }
    ledger.add_unread(&shipped);
    let lock = lockfile::Lock::find(&frontend, directory, &mut skipped);
    ledger.look_up_versions(&home, lock.as_ref());
    let entries = imports::entries(&said.chunks, &home);
    let graph = imports::Graph::build(&ledger, &home, &entries);
    let packages = ledger.packages();
    let deferrable = deferrable::find(&graph, &ledger, &shipped, &home);

    Ok(Weighed {
        evidence: BundleEvidence {
            directory: directory.to_owned(),
            encoder: gzip::ENCODER.to_owned(),
            build: None,
            assets: shipped,
            entries: loads,
            first_load_unknown: loading.unknown,
            parts: ledger.parts().to_vec(),
            asked_by: lock
                .as_ref()
                .map_or_else(Vec::new, |lock| asked_by(lock, &packages)),
            lockfile: lock.map(|lock| lock.file),
            deferrable,
            common_js: common_js::find(&graph, &ledger, &home),
            packages,
            chains: graph.chains(),
            whole_imports: whole::find(&graph, &ledger, &home),
        },
        skipped,
    })
}

/// Who asks for each shipped package.
fn asked_by(lock: &lockfile::Lock, packages: &[PackageBytes]) -> Vec<AskedBy> {
    let ways = lock.ways();
    let shipped = packages
        .iter()
        .filter_map(|it| Some((it.package.as_str(), it.version.as_deref()?)));
    shipped
        .collect::<BTreeSet<_>>()
        .into_iter()
        .filter_map(|(package, version)| {
            let way = ways.get(&(package, version))?;
            let shown = way.packages.iter();
            Some(AskedBy {
                package: package.to_owned(),
                version: version.to_owned(),
                place: Place {
                    file: lock.described_in().to_owned(),
                    line: way.line,
                },
                way: shown
                    .map(|(name, version)| match version.as_str() {
                        // A package of the workspace.
                        "" => name.clone(),
                        version => format!("{name}@{version}"),
                    })
                    .collect(),
            })
        })
        .collect()
}

/// What every entry loads, each under a name of its own: a metric of a name that two have would be
/// that of one of them. The first keeps the plain name.
fn loads_of(entries: Vec<loading::EntryFiles>, assets: &[Asset]) -> Vec<EntryLoad> {
    let mut taken = BTreeSet::new();
    let mut loads = Vec::with_capacity(entries.len());
    for entry in entries {
        let own = assets
            .iter()
            .find(|it| Some(&it.path) == entry.own.as_ref());
        let mut load = load_of(entry, assets);
        let plain = match own {
            Some(own) if taken.contains(&(load.on_demand, load.name.clone())) => {
                format!("{} ({})", load.name, own.name)
            }
            Some(_) | None => load.name.clone(),
        };
        load.name.clone_from(&plain);
        let mut number = 2;
        while !taken.insert((load.on_demand, load.name.clone())) {
            load.name = format!("{plain}#{number}");
            number += 1;
        }
        loads.push(load);
    }
    loads
}

/// What an entry loads, with its bytes.
fn load_of(entry: loading::EntryFiles, assets: &[Asset]) -> EntryLoad {
    let bytes = |kind: assets::Kind| {
        sum(assets
            .iter()
            .filter(|asset| entry.files.contains(&asset.path))
            .filter(|asset| assets::Kind::of(&asset.path) == kind))
    };
    let named_after = assets
        .iter()
        .find(|asset| Some(&asset.path) == entry.file.as_ref())
        .map(|asset| asset.name.clone());
    EntryLoad {
        js: bytes(assets::Kind::Script),
        css: bytes(assets::Kind::Style),
        name: entry.source.or(named_after).unwrap_or_default(),
        file: entry.file,
        on_demand: entry.is_lazy,
        unknown: entry.unknown,
        files: entry.files.into_iter().collect(),
    }
}

/// The samples of one frontend, all in gzip bytes: initial load of the heaviest page or entry, total,
/// the size of each asset, what each dynamic import loads, and the initial load of each page or entry.
/// Sizes do not depend on a block, so each has a single value.
pub fn samples(frontend: &str, evidence: &BundleEvidence) -> BTreeMap<MetricId, Samples> {
    let first = evidence.first_loads();
    let mut sizes = vec![(
        MetricId::bundle(frontend, Metric::Total),
        sum(evidence.assets.iter()),
    )];
    // Not known is not nothing: then there is no number.
    if evidence.first_load_unknown.is_none() {
        sizes.extend([
            (
                MetricId::bundle(frontend, Metric::InitialJs),
                evidence.initial_js(),
            ),
            (
                MetricId::bundle(frontend, Metric::InitialCss),
                evidence.initial_css(),
            ),
        ]);
    }
    sizes.extend(
        evidence
            .assets
            .iter()
            .map(|asset| (MetricId::asset(frontend, &asset.name), asset.gzip)),
    );
    let known = first.filter(|entry| entry.unknown.is_none());
    sizes.extend(known.flat_map(|entry| {
        [
            (Metric::InitialJs, entry.js),
            (Metric::InitialCss, entry.css),
        ]
        .map(|(metric, bytes)| (MetricId::entry(frontend, &entry.name, metric), bytes))
    }));
    let later = evidence.entries.iter().filter(|entry| entry.on_demand);
    sizes.extend(later.map(|entry| {
        let id = MetricId::entry(frontend, &entry.name, Metric::OnDemand);
        (id, entry.js + entry.css)
    }));
    sizes
        .into_iter()
        .filter_map(|(id, bytes)| Some((id, single(bytes)?)))
        .collect()
}

/// The metrics of one frontend that have no sample, and why.
pub fn unknown<'e>(
    frontend: &'e str,
    evidence: &'e BundleEvidence,
) -> impl Iterator<Item = (MetricId, &'e str)> {
    const METRICS: [Metric; 2] = [Metric::InitialJs, Metric::InitialCss];
    let of_frontend = evidence.first_load_unknown.iter().flat_map(move |why| {
        METRICS.map(|metric| (MetricId::bundle(frontend, metric), why.as_str()))
    });
    let first = evidence.entries.iter().filter(|entry| !entry.on_demand);
    let of_pages = first.flat_map(move |page| {
        let why = page.unknown.as_deref();
        let ids = METRICS.map(|metric| MetricId::entry(frontend, &page.name, metric));
        why.into_iter()
            .flat_map(move |why| ids.clone().map(|id| (id, why)))
    });
    of_frontend.chain(of_pages)
}

fn sum<'a>(assets: impl Iterator<Item = &'a Asset>) -> u64 {
    assets.map(|asset| asset.gzip).sum()
}

#[expect(clippy::cast_precision_loss, reason = "no frontend ships 2^53 bytes")]
fn single(bytes: u64) -> Option<Samples> {
    Samples::new(vec![bytes as f64]).ok()
}

/// Applies `work` to every item on all cores; results keep the order of the items.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let workers = std::thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(items.len());
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    let result = work(item);
                    done.lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .push((index, result));
                }
            });
        }
    });
    let mut done = done
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests;
