//! What machine this is.

use std::fs;
use std::thread::available_parallelism;

use crate::model::Machine;

/// Reads the fingerprint of this machine.
pub fn fingerprint() -> Machine {
    let cpu = value_of("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let memory = value_of("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split_ascii_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0);
    Machine {
        cpu,
        cores: available_parallelism()
            .ok()
            .and_then(|count| u32::try_from(count.get()).ok())
            .unwrap_or(1),
        memory: memory * 1024,
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
            .map(|text| format!("Linux {}", text.trim()))
            .unwrap_or_else(|_| std::env::consts::OS.to_owned()),
        // Set by the runner images of GitHub Actions.
        image: std::env::var("ImageOS").ok(),
    }
}

fn value_of(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    line.split_once(':')
        .map(|(_, value)| value.trim().to_owned())
}
