//! What is committed in the folder that a build writes: a page beside the scripts, icons, fonts.
//!
//! It lies there while the build runs, as it does where the frontend is deployed from: the build
//! empties the folder, adds to it or reads it. Must not let it pass for what the build wrote: a
//! build that leaves all of it as it was is run again without it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::measure::checkout::{Checkout, CheckoutError, Tree};

/// When committed files were changed, as far as a build can see: a time that no build writes, and
/// before every source, so that a build that goes by times writes anew. In seconds since 1970.
const LONG_AGO: Duration = Duration::from_secs(315_630_247);

/// The committed files of an output folder.
#[derive(Debug)]
pub(super) struct Committed {
    /// The output folder.
    output: PathBuf,
    /// Where they are put aside.
    aside: PathBuf,
    /// Below the output folder.
    files: Vec<PathBuf>,
}

impl Committed {
    /// Leaves in the output folder, relative to the project, what is committed there and nothing
    /// else.
    pub(super) fn put_in_place(
        checkout: &Checkout,
        tree: &Tree,
        folder: &Path,
    ) -> Result<Self, CheckoutError> {
        let this = Self {
            output: tree.project.join(folder),
            aside: checkout.work().join("committed-output"),
            files: checkout.tracked_below(tree, folder)?,
        };
        let _absent = fs::remove_dir_all(&this.output);
        if this.files.is_empty() {
            return Ok(this);
        }
        checkout.restore(tree, folder)?;
        let in_place = || {
            let known: BTreeSet<&PathBuf> = this.files.iter().collect();
            for file in files_below(&this.output)? {
                let path = this.output.join(&file);
                if !known.contains(&file) {
                    fs::remove_file(path)?;
                } else if path.symlink_metadata()?.is_file() {
                    File::open(path)?.set_modified(SystemTime::UNIX_EPOCH + LONG_AGO)?;
                }
            }
            Ok(())
        };
        in_place().map_err(|source| this.failed(source))?;
        Ok(this)
    }

    /// Whether the build may have written nothing: there are such files and no others. It may as well
    /// have left alone what it would have written just so.
    pub(super) fn are_all_there_is(&self) -> bool {
        let Ok(there) = files_below(&self.output) else {
            return false;
        };
        !there.is_empty() && there.iter().all(|file| self.is_untouched(file))
    }

    /// Takes them away, for a build without them.
    pub(super) fn put_aside(&self) -> Result<(), CheckoutError> {
        let _absent = fs::remove_dir_all(&self.aside);
        fs::rename(&self.output, &self.aside).map_err(|source| self.failed(source))
    }

    /// Puts those back that the build without them did not write; none where it wrote nothing.
    pub(super) fn put_back(&self) -> Result<(), CheckoutError> {
        let put_back = || {
            if files_below(&self.output).unwrap_or_default().is_empty() {
                return Ok(());
            }
            for file in &self.files {
                let (from, to) = (self.aside.join(file), self.output.join(file));
                let is_missing = to.symlink_metadata().is_err();
                if is_missing && from.symlink_metadata().is_ok() {
                    let folder = to.parent().unwrap_or(&self.output);
                    fs::create_dir_all(folder)?;
                    fs::rename(from, to)?;
                }
            }
            Ok(())
        };
        put_back().map_err(|source| self.failed(source))
    }

    /// Those that the build left as they were, below the output folder and with `/` between folders.
    pub(super) fn untouched(&self) -> BTreeSet<String> {
        let files = self.files.iter().filter(|file| self.is_untouched(file));
        files.map(|file| super::assets::shown(file)).collect()
    }

    fn is_untouched(&self, file: &Path) -> bool {
        let path = self.output.join(file);
        let Ok(now) = path.symlink_metadata() else {
            return false;
        };
        match now.is_file() {
            true => (now.modified()).is_ok_and(|it| it == SystemTime::UNIX_EPOCH + LONG_AGO),
            // A link has no time that can be set.
            false => now.is_symlink() && self.files.iter().any(|known| known == file),
        }
    }

    fn failed(&self, source: io::Error) -> CheckoutError {
        CheckoutError::File {
            path: self.output.clone(),
            source,
        }
    }
}

/// Every file and link below a folder, relative to it.
fn files_below(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let below = folder.join(entry.file_name());
            match entry.file_type()?.is_dir() {
                true => folders.push(below),
                false => files.push(below),
            }
        }
    }
    Ok(files)
}

/// Said of committed files below `output`, as the user knows it, that are weighed although the build
/// did not write them.
pub(super) fn note(output: &Path, weighed: &[&str]) -> Option<String> {
    /// At most so many are named.
    const NAMED: usize = 3;
    let named: Vec<String> = (weighed.iter().take(NAMED))
        .map(|file| format!("`{file}`"))
        .collect();
    let named = named.join(", ");
    let more = match weighed.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let files = match weighed.len() {
        0 => return None,
        1 => "a committed file".to_owned(),
        count => format!("{count} committed files"),
    };
    Some(format!(
        "the build left {files} in `{}` untouched, weighed all the same because it may be deployed: \
         {named}{more}; remove from git what is not",
        output.display()
    ))
}
