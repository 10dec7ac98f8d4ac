//! Programs the tests use: a missing one fails, with what to install.

use std::path::Path;
use std::process::Command;

/// Fails the test when `program` cannot be found, and names the Debian package that has it.
#[track_caller]
pub(crate) fn needs(program: &str, package: &str) {
    let found = Command::new("/bin/sh")
        .args(["-c", "command -v \"$0\"", program])
        .output()
        .is_ok_and(|output| output.status.success());
    assert!(
        found || has_server(program),
        "`{program}` is missing: install the Debian package `{package}`"
    );
}

/// Debian keeps the programs of PostgreSQL's server out of PATH.
fn has_server(program: &str) -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql");
    versions.into_iter().flatten().flatten().any(|version| {
        let binary = Path::new("bin").join(program);
        version.path().join(binary).exists()
    })
}
