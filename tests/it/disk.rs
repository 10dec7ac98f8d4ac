//! A disk that is full.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{FAST, SHORT, SLOW, Sandbox, TOLERANT, config, needs};

/// A small file system of its own, or none where this process may not mount one.
struct Disk<'p> {
    folder: &'p Path,
}

impl<'p> Disk<'p> {
    fn mounted(folder: &'p Path, size: &str) -> Option<Self> {
        fs::create_dir_all(folder).expect("a folder to mount at");
        let options = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tollgate-test"])
            .arg(folder)
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self { folder })
    }

    fn fill(&self) {
        let _full = Command::new("dd")
            .args(["if=/dev/zero", "bs=4096", "status=none"])
            .arg(format!("of={}", self.folder.join("filler").display()))
            .output();
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg("-l").arg(self.folder).status();
    }
}

/// No result is there in part: each is whole or missing.
fn assert_whole_or_missing(project: &Sandbox) {
    for name in ["run.json", "report.json"] {
        if let Ok(text) = fs::read(project.result(name)) {
            let whole: Result<serde_json::Value, _> = serde_json::from_slice(&text);
            assert!(
                whole.is_ok(),
                "{name} is cut off after {} bytes",
                text.len()
            );
        }
    }
    for entry in fs::read_dir(project.result(""))
        .expect("the folder of ours")
        .flatten()
    {
        let unfinished = entry
            .path()
            .extension()
            .is_some_and(|end| end == "unfinished");
        assert!(!unfinished, "{}", entry.path().display());
    }
}

/// Where nothing can be mounted: no file may grow beyond this many blocks of 512 bytes.
fn with_a_limit(project: &Sandbox, blocks: u32) -> Command {
    let mut command = project.command("/bin/sh");
    // The signal that a file has become too large would end the program; a full disk sends none.
    let line = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" check");
    command.args(["-c", &line, env!("CARGO_BIN_EXE_tollgate")]);
    command
}

#[test]
fn a_disk_that_is_full_when_results_are_written_is_said() {
    needs("mount", "mount");
    let project = Sandbox::with_service(&config(&[FAST], &[SHORT, TOLERANT]));
    let home = project.result("");
    let Some(_disk) = Disk::mounted(&home, "6m") else {
        let output = with_a_limit(&project, 16).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains("could not be written"), "{said}");
        assert_whole_or_missing(&project);
        return;
    };
    // The service itself fills the disk, once it is asked for something.
    let fill = format!(
        "        import subprocess; subprocess.run(['dd', 'if=/dev/zero', 'bs=4096', \
         'of={}/filler'], capture_output=True)\n        die_when_it_is_time()",
        home.display()
    );
    project.edit("service.py", "        die_when_it_is_time()", &fill);

    let check = project.check();

    check.exits(3);
    insta::assert_snapshot!(check.error(), @"
    error: `PROJECT/.tollgate/run.json` could not be written: No space left on device (os error 28)

    hint: the disk is full; nothing half-written is left
    ");
    assert_whole_or_missing(&project);
}

#[test]
fn a_disk_that_is_full_from_the_start_is_said() {
    let project = Sandbox::with_frontend("", "");
    project.write(".git/info/exclude", ".tollgate\n");
    let home = project.result("");
    let Some(disk) = Disk::mounted(&home, "1m") else {
        return limited_from_the_start(&project);
    };
    disk.fill();

    let check = project.check();

    check
        .exits(3)
        .says("No space left on device")
        .says("hint: the disk is full");
    assert_whole_or_missing(&project);
}

fn limited_from_the_start(project: &Sandbox) {
    let output = with_a_limit(project, 0).output().expect("a shell");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
}

#[test]
fn a_full_disk_leaves_no_list_of_ignored_files_in_part() {
    let project = Sandbox::with_frontend("", "");
    project.write(".git/info/exclude", ".tollgate\n");
    let home = project.result("");
    let disk = Disk::mounted(&home, "1m");
    if let Some(disk) = &disk {
        disk.fill();
        project.check().exits(3);
    } else {
        let _failed = with_a_limit(&project, 0).output().unwrap();
    }

    // Without it git would see what lies in the folder of ours; half of it is as good as none.
    let ignore = fs::read_to_string(home.join(".gitignore"));
    assert!(ignore.as_ref().is_err() || ignore.is_ok_and(|text| text == "*\n"));
}

#[test]
fn a_result_larger_than_files_may_be_is_not_left_in_part() {
    let endpoints = &[FAST, SLOW];
    let project = Sandbox::with_service(&config(endpoints, &[SHORT, TOLERANT]));

    // 8 KB: enough for every file of the project, not for what is measured of it.
    let output = with_a_limit(&project, 16).output().unwrap();

    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("run.json` could not be written"), "{said}");
    assert_whole_or_missing(&project);
}
