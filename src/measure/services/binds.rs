//! Folders of an arm's tree that containers have mounted.
//!
//! What git does not know, such as the data of a database, is not there yet, and is made, as compose
//! does. Only in the arm's own tree.

use std::fs;
use std::path::{Path, PathBuf};

/// Makes sure that there is something at this path of the project. Returns whether a folder had to be
/// made, or why there can be none.
pub(super) fn provide(project: &Path, path: &Path) -> Result<bool, String> {
    let whole = project.join(path);
    let explain = |error: std::io::Error| format!("`{}`: {error}", path.display());
    // The part of it that is there may be a link to somewhere else.
    let there = whole
        .ancestors()
        .find(|part| part.symlink_metadata().is_ok());
    let there: PathBuf = there.unwrap_or(project).canonicalize().map_err(explain)?;
    if whole.exists() {
        return Ok(false);
    }
    if !there.starts_with(project.canonicalize().map_err(explain)?) {
        return Err(format!(
            "`{}` leads out of the project, where nothing is made: mount a folder of the project, or \
             a named volume",
            path.display()
        ));
    }
    fs::create_dir_all(&whole).map_err(explain)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_missing_is_made_once_and_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path();
        fs::write(project.join("a.conf"), "x").unwrap();
        assert_eq!(provide(project, Path::new("a.conf")), Ok(false));
        assert_eq!(provide(project, Path::new("db/data")), Ok(true));
        assert!(project.join("db/data").is_dir());
        assert_eq!(provide(project, Path::new("db/data")), Ok(false));
        assert_eq!(fs::read_to_string(project.join("a.conf")).unwrap(), "x");
    }

    #[test]
    fn nothing_is_made_outside_of_the_project() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("project");
        let outside = folder.path().join("outside");
        fs::create_dir(&project).unwrap();
        fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, project.join("link")).unwrap();
        let why = provide(&project, Path::new("link/data")).unwrap_err();
        assert!(
            why.contains("`link/data` leads out of the project"),
            "{why}"
        );
        assert!(!outside.join("data").exists());
        // A link to nothing.
        std::os::unix::fs::symlink(outside.join("no"), project.join("gone")).unwrap();
        assert!(provide(&project, Path::new("gone")).is_err());
        assert!(!outside.join("no").exists());
    }
}
