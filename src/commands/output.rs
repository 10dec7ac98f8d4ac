//! Results on disk: whole or not at all.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::cli::Format;
use crate::failure::Failure;
use crate::report::Pages;

/// Writes a file under another name first, so that nobody ever reads half of it.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let unfinished = path.with_extension("unfinished");
    let written = fs::File::create(&unfinished)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&unfinished, path));
    written.map_err(|source| {
        let _absent = fs::remove_file(&unfinished);
        Failure::Write {
            path: path.to_owned(),
            source,
        }
    })
}

/// Writes a value as JSON that people can read too.
pub(super) fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_vec_pretty(value).map_err(|error| Failure::Write {
        path: path.to_owned(),
        source: error.into(),
    })?;
    write(path, &text)
}

/// Prints data on standard output. A reader that has gone away is no failure.
pub(super) fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _closed = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.write_all(if text.ends_with('\n') { b"" } else { b"\n" }))
        .and_then(|()| stdout.flush());
}

/// Prints a report in the format asked for.
pub(super) fn show(format: Format, pages: &Pages) {
    print(match format {
        Format::Text => &pages.summary,
        Format::Markdown => &pages.comment,
        Format::Json => &pages.json,
    });
}
