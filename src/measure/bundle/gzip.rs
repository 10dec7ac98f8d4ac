//! Gzip sizes, always made the same way.
//!
//! Must not be fed in pieces: the size would then depend on how the file was read.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

/// What the sizes are made with. Sizes of two encoders are not comparable: the same build
/// differs by more than a kilobyte between zlib implementations.
pub(super) const ENCODER: &str = "zlib-rs 9";

/// The level that is judged.
pub(super) const HIGHEST: u32 = 9;
/// The level that Vite's own table and many servers use.
pub(super) const USUAL: u32 = 6;

/// The size of `bytes` after gzip at `level`.
pub(super) fn size(bytes: &[u8], level: u32) -> io::Result<u64> {
    let mut encoder = GzEncoder::new(Counter(0), Compression::new(level));
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.0)
}

/// Counts what is written and keeps nothing.
#[derive(Debug, Default)]
pub(super) struct Counter(u64);

impl Counter {
    /// Bytes written so far.
    pub(super) fn bytes(&self) -> u64 {
        self.0
    }
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetition_compresses_and_nothing_is_only_the_frame() {
        assert_eq!(size(b"", HIGHEST).unwrap(), 20);
        assert!(size(&[b'a'; 100_000], HIGHEST).unwrap() < 300);
    }
}
