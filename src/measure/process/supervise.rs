//! The supervisor: runs one shell line and leaves nothing of it behind.
//!
//! Synchronous on purpose: it is a process of its own with two threads and no runtime. Its
//! standard input is the pipe whose end means "stop".

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::tree;

/// How long a tree may take to end by itself after SIGTERM.
const GRACE: Duration = Duration::from_secs(3);
/// How often the end of a tree is looked for.
const POLL: Duration = Duration::from_millis(5);
/// What a shell answers when it cannot run a line.
const CANNOT_RUN: i32 = 127;

/// Runs `line` in a shell until it ends or standard input closes; then ends every process it
/// left. Returns the exit status of the line, 128 + n for signal n.
pub fn supervise(line: &str) -> i32 {
    // Without adoption a process that detaches twice would escape us; then only the direct
    // tree is ended, which is what every other tool does too.
    let _adopts = prctl::set_child_subreaper(true);
    let spawned = Command::new("/bin/sh")
        .args(["-c", line])
        .stdin(Stdio::null())
        .spawn();
    let Ok(child) = spawned else {
        return CANNOT_RUN;
    };
    let Ok(main) = i32::try_from(child.id()) else {
        return CANNOT_RUN;
    };
    let over = Arc::new(AtomicBool::new(false));
    let watcher_over = Arc::clone(&over);
    thread::spawn(move || {
        wait_for_the_pipe_to_close();
        if !watcher_over.swap(true, Ordering::SeqCst) {
            end_descendants();
        }
    });
    let status = reap_until(main);
    if !over.swap(true, Ordering::SeqCst) {
        end_descendants();
    }
    reap_the_rest();
    status
}

fn wait_for_the_pipe_to_close() {
    let mut stdin = std::io::stdin().lock();
    let mut buffer = [0_u8; 64];
    while matches!(stdin.read(&mut buffer), Ok(count) if count > 0) {}
}

/// SIGTERM for all, SIGKILL for what is left after the grace period.
fn end_descendants() {
    let own = Pid::this().as_raw();
    let deadline = Instant::now() + GRACE;
    signal_all(own, Signal::SIGTERM);
    // A frozen process only sees the signal once it runs again.
    signal_all(own, Signal::SIGCONT);
    while Instant::now() < deadline {
        if tree::living_descendants(own).is_empty() {
            return;
        }
        thread::sleep(POLL);
    }
    while !tree::living_descendants(own).is_empty() {
        signal_all(own, Signal::SIGKILL);
        thread::sleep(POLL);
    }
}

fn signal_all(root: i32, signal: Signal) {
    for pid in tree::living_descendants(root) {
        tree::signal(pid, signal);
    }
}

/// Reaps everything that ends until `main` does.
fn reap_until(main: i32) -> i32 {
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) if pid.as_raw() == main => return code,
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid.as_raw() == main => {
                return 128 + signal as i32;
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return CANNOT_RUN,
        }
    }
}

fn reap_the_rest() {
    while matches!(waitpid(None, None), Ok(_) | Err(Errno::EINTR)) {}
}

/// What an exit status of a supervised line means, in words.
pub fn describe(status: std::process::ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) if code > 128 && code < 160 => match Signal::try_from(code - 128) {
            Ok(signal) => format!("was killed by {signal}"),
            Err(_) => format!("ended with status {code}"),
        },
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}
