//! What a frontend ships: find the built files, weigh them, name them without their content
//! hash, and say which package and which import line the bytes come from.
//!
//! Reads the output folder and the sources beside it; must not build anything, write anything
//! or judge anything.

mod assets;
mod attribution;
pub mod build;
mod gzip;
mod imports;
mod manifest;
mod names;
mod pairing;
mod scan;
mod sources;
mod whole;

use std::collections::BTreeMap;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use thiserror::Error;

use crate::model::evidence::{Asset, BundleEvidence, Load};
use crate::model::{Metric, MetricId, Samples};

pub use attribution::UNMAPPED;
pub use pairing::pair;

/// What a frontend ships, and what could not be read on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighed {
    /// Sizes, packages and imports.
    pub evidence: BundleEvidence,
    /// What was left out, each with its reason; the sizes hold all the same.
    pub skipped: Vec<String>,
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

/// Weighs the built folder `output` of the frontend whose sources are in `frontend_dir`.
///
/// `directory` is the frontend's directory relative to the project, such as `frontend` or `.`;
/// every place in the evidence starts with it.
pub fn weigh(output: &Path, frontend_dir: &Path, directory: &str) -> Result<Weighed, BundleError> {
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
    let found = assets::walk(&root, &mut skipped)?;
    if found.shipped.is_empty() {
        return Err(BundleError::Empty {
            output: output.to_owned(),
        });
    }
    let manifest = manifest::read(&found, &mut skipped);
    let stripped: Vec<names::Stripped> = found
        .shipped
        .iter()
        .map(|file| names::strip(&file.path, manifest.chunk_name(&file.path)))
        .collect();
    let normaliser = names::Normaliser::new(&found.shipped, &stripped);
    let weights = in_parallel(&found.shipped, |file| assets::weigh(file, &normaliser))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let loads = manifest::classify(&manifest, &found, &mut skipped);

    let mut shipped: Vec<Asset> = found
        .shipped
        .iter()
        .zip(&stripped)
        .zip(weights)
        .map(|((file, stripped), weight)| Asset {
            name: stripped.name.clone(),
            path: file.path.clone(),
            raw: weight.raw,
            gzip: weight.gzip,
            load: loads.get(&file.path).copied().unwrap_or(Load::Other),
            content: weight.content,
        })
        .collect();
    pairing::make_unique(&mut shipped);

    let home = sources::Home::new(&frontend, directory);
    let chunks: Vec<attribution::Chunk<'_>> = attribution::chunks(&found, &shipped);
    let mut ledger = attribution::Ledger::default();
    for (chunk, result) in chunks.iter().zip(in_parallel(&chunks, |chunk| {
        attribution::read(chunk, &home)
    })) {
        match result {
            Ok(attributed) => ledger.add(chunk, attributed),
            Err(why) => skipped.push(why),
        }
    }
    ledger.look_up_versions(&home);
    let entries = imports::entries(&manifest, &home);
    let graph = imports::Graph::build(&ledger, &home, &entries);

    Ok(Weighed {
        evidence: BundleEvidence {
            directory: directory.to_owned(),
            encoder: gzip::ENCODER.to_owned(),
            assets: shipped,
            packages: ledger.packages(),
            chains: graph.chains(),
            whole_imports: whole::find(&graph, &ledger, &home),
        },
        skipped,
    })
}

/// The samples of one frontend: initial load, total, and the size of each asset, all in gzip
/// bytes. Sizes do not depend on a block, so each has a single value.
pub fn samples(frontend: &str, evidence: &BundleEvidence) -> BTreeMap<MetricId, Samples> {
    let initial = |kind: assets::Kind| {
        sum(evidence.assets.iter().filter(move |asset| {
            asset.load == Load::Initial && assets::Kind::of(&asset.path) == kind
        }))
    };
    let mut sizes = vec![
        (
            MetricId::bundle(frontend, Metric::InitialJs),
            initial(assets::Kind::Script),
        ),
        (
            MetricId::bundle(frontend, Metric::InitialCss),
            initial(assets::Kind::Style),
        ),
        (
            MetricId::bundle(frontend, Metric::Total),
            sum(evidence.assets.iter()),
        ),
    ];
    sizes.extend(
        evidence
            .assets
            .iter()
            .map(|asset| (MetricId::asset(frontend, &asset.name), asset.gzip)),
    );
    sizes
        .into_iter()
        .filter_map(|(id, bytes)| Some((id, single(bytes)?)))
        .collect()
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
