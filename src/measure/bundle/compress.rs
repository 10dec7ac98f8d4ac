//! Compressed sizes, and the memory of those that are known.
//!
//! Must not compress in pieces: with zlib-rs the size would then depend on how a file was read.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::gzip;

/// What the brotli sizes are made with.
const BROTLI: &str = "brotli 11";
/// The most contents whose sizes are kept: some 3 MB on disk.
const KEPT: usize = 30_000;

/// Compressed bytes of one content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sizes {
    /// Gzip at level 9.
    pub(super) gzip: u64,
    /// Gzip at level 6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) gzip_level_6: Option<u64>,
    /// Brotli at level 11.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) brotli: Option<u64>,
}

/// Compresses what was not compressed before.
#[derive(Debug)]
pub(super) struct Weigher {
    brotli: bool,
    known: BTreeMap<String, Sizes>,
    new: Mutex<BTreeMap<String, Sizes>>,
    file: Option<PathBuf>,
}

impl Weigher {
    /// Sizes known from earlier builds are in the folder `cache`; a cache that cannot be read
    /// costs time.
    pub(super) fn new(brotli: bool, cache: Option<&Path>) -> Self {
        let name = format!("sizes {}, {BROTLI}.json", gzip::ENCODER);
        let file = cache.map(|folder| folder.join(name));
        let known = file
            .as_ref()
            .and_then(|file| serde_json::from_slice(&fs::read(file).ok()?).ok())
            .unwrap_or_default();
        Self {
            brotli,
            known,
            new: Mutex::default(),
            file,
        }
    }

    /// The sizes of `bytes`, whose SHA-256 is `digest`.
    pub(super) fn sizes(&self, bytes: &[u8], digest: &str, has_level_6: bool) -> io::Result<Sizes> {
        let mut sizes = match self.known.get(digest) {
            Some(known) => *known,
            None => Sizes {
                gzip: gzip::size(bytes, gzip::HIGHEST)?,
                ..Sizes::default()
            },
        };
        if has_level_6 && sizes.gzip_level_6.is_none() {
            sizes.gzip_level_6 = Some(gzip::size(bytes, gzip::USUAL)?);
        }
        if self.brotli && sizes.brotli.is_none() {
            sizes.brotli = Some(brotli(bytes)?);
        }
        if self.known.get(digest) != Some(&sizes) {
            let mut new = self
                .new
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            new.insert(digest.to_owned(), sizes);
        }
        // What was found in the cache and not asked for today is not shown.
        sizes.brotli = sizes.brotli.filter(|_| self.brotli);
        sizes.gzip_level_6 = sizes.gzip_level_6.filter(|_| has_level_6);
        Ok(sizes)
    }

    /// Keeps what is new. A cache that cannot be written costs time, not correctness.
    pub(super) fn keep(self) {
        let new = self
            .new
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(file) = self.file.filter(|_| !new.is_empty()) else {
            return;
        };
        let mut all = self.known;
        if all.len() + new.len() > KEPT {
            all.clear();
        }
        all.extend(new);
        let unfinished = file.with_extension(format!("{}.unfinished", std::process::id()));
        let folder = file.parent().unwrap_or(Path::new(""));
        let written = fs::create_dir_all(folder).is_ok()
            && serde_json::to_vec(&all).is_ok_and(|bytes| fs::write(&unfinished, bytes).is_ok());
        if written {
            let _kept = fs::rename(&unfinished, &file);
        }
    }
}

/// The size of `bytes` after brotli at the highest level.
fn brotli(bytes: &[u8]) -> io::Result<u64> {
    use brotlic::{BrotliEncoderOptions, CompressorWriter, Quality, WindowSize};
    let encoder = BrotliEncoderOptions::new()
        .quality(Quality::best())
        .window_size(WindowSize::default())
        .size_hint(u32::try_from(bytes.len()).unwrap_or(u32::MAX))
        .build()
        .map_err(io::Error::other)?;
    let mut writer = CompressorWriter::with_encoder(encoder, gzip::Counter::default());
    io::Write::write_all(&mut writer, bytes)?;
    let counter = writer
        .into_inner()
        .map_err(|error| io::Error::other(error.to_string()))?;
    Ok(counter.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sizes_are_not_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let text = b"var a = 1;".repeat(1_000);
        let weigher = Weigher::new(true, Some(folder.path()));
        let first = weigher.sizes(&text, "digest", true).unwrap();
        assert!(first.brotli.unwrap() < first.gzip, "{first:?}");
        weigher.keep();
        let again = Weigher::new(true, Some(folder.path()));
        // Other bytes under the same digest: only the memory can answer like this.
        assert_eq!(again.sizes(b"", "digest", true).unwrap(), first);
        let plain = Weigher::new(false, Some(folder.path()));
        assert_eq!(plain.sizes(b"", "digest", true).unwrap().brotli, None);
    }
}
