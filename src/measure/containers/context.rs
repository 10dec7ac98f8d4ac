//! A folder as the archive an image is built from.
//!
//! The same files make the same archive: no times, no owners, in order. What `.dockerignore` names
//! is left out.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// The archive of a folder. The Dockerfile is always in it.
pub fn archive(folder: &Path, dockerfile: &str) -> io::Result<Vec<u8>> {
    let left_out = left_out(folder)?;
    let mut files = Vec::new();
    collect(folder, Path::new(""), &mut files)?;
    files.sort();
    let mut archive = tar::Builder::new(Vec::new());
    for path in files {
        let is_needed = path == Path::new(dockerfile) || path == Path::new(".dockerignore");
        let is_out = left_out
            .matched_path_or_any_parents(&path, false)
            .is_ignore();
        if is_out && !is_needed {
            continue;
        }
        append(&mut archive, folder, &path)?;
    }
    archive.into_inner()
}

/// The patterns of `.dockerignore`. Unlike git's they start at the top of the folder.
fn left_out(folder: &Path) -> io::Result<Gitignore> {
    let mut patterns = GitignoreBuilder::new("");
    let text = match fs::read_to_string(folder.join(".dockerignore")) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (not, pattern) = match line.strip_prefix('!') {
            Some(pattern) => ("!", pattern.trim_start()),
            None => ("", line),
        };
        let pattern = pattern.trim_start_matches("./").trim_start_matches('/');
        let pattern = pattern.trim_end_matches('/');
        patterns
            .add_line(None, &format!("{not}/{pattern}"))
            .map_err(|error| io::Error::other(format!(".dockerignore: `{line}`: {error}")))?;
    }
    patterns.build().map_err(io::Error::other)
}

fn collect(folder: &Path, below: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        // A link to a folder is a link.
        if entry.file_type()?.is_dir() {
            collect(folder, &path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn append(archive: &mut tar::Builder<Vec<u8>>, folder: &Path, path: &Path) -> io::Result<()> {
    let file = folder.join(path);
    let metadata = file.symlink_metadata()?;
    let mut header = tar::Header::new_gnu();
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    if metadata.is_symlink() {
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        return archive.append_link(&mut header, path, fs::read_link(&file)?);
    }
    if !metadata.is_file() {
        return Ok(());
    }
    let is_executable = metadata.permissions().mode() & 0o100 != 0;
    header.set_mode(if is_executable { 0o755 } else { 0o644 });
    header.set_size(metadata.len());
    archive.append_data(&mut header, path, File::open(&file)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(archive: &[u8]) -> Vec<String> {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().unwrap();
        let name = |entry: tar::Entry<'_, &[u8]>| entry.path().unwrap().display().to_string();
        entries.map(|entry| name(entry.unwrap())).collect()
    }

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn what_is_named_is_left_out_from_the_top() {
        let folder = folder(&[
            ("Dockerfile", ""),
            (
                ".dockerignore",
                "# no\nnode_modules\n**/*.log\nsecret/\n!secret/not\n",
            ),
            ("a.js", ""),
            ("a.log", ""),
            ("deep/b.log", ""),
            ("deep/node_modules/c.js", ""),
            ("node_modules/d.js", ""),
            ("secret/e", ""),
            ("secret/not", ""),
        ]);
        let archive = archive(folder.path(), "Dockerfile").unwrap();
        assert_eq!(
            names(&archive),
            [
                ".dockerignore",
                "Dockerfile",
                "a.js",
                "deep/node_modules/c.js",
                "secret/not",
            ]
        );
    }

    #[test]
    fn everything_may_be_left_out_but_one_folder_and_the_dockerfile() {
        let folder = folder(&[
            ("Dockerfile", ""),
            (".dockerignore", "*\n!src\n"),
            ("src/a.js", ""),
            ("b.js", ""),
        ]);
        let archive = archive(folder.path(), "Dockerfile").unwrap();
        assert_eq!(names(&archive), [".dockerignore", "Dockerfile", "src/a.js"]);
    }

    #[test]
    fn the_same_files_make_the_same_archive() {
        let files = [("Dockerfile", "FROM scratch"), ("b/c", "1"), ("a", "2")];
        let archives = [folder(&files), folder(&files)]
            .map(|folder| archive(folder.path(), "Dockerfile").unwrap());
        assert_eq!(archives[0], archives[1]);
    }
}
