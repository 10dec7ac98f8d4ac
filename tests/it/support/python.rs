//! Programs that tests get from PyPI.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::needs;

/// The folder with the programs of a list, installed once for every state of that list, however
/// many tests ask for it at the same time.
pub(crate) fn python(name: &str, list: &str) -> PathBuf {
    needs("python3", "python3-venv");
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join(list);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let turn = fs::File::create(folder.with_extension("lock")).expect("a file");
    turn.lock().expect("no other test installs it");
    let installed = folder.join("installed.txt");
    let wanted = fs::read_to_string(&list).expect("the list");
    if fs::read_to_string(&installed).ok().as_deref() != Some(&wanted) {
        run(Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder));
        let mut pip = Command::new(folder.join("bin/pip"));
        run(pip
            .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(&list));
        fs::write(&installed, wanted).expect("a file");
    }
    folder.join("bin")
}

fn run(command: &mut Command) {
    let output = command.output().expect("it can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
