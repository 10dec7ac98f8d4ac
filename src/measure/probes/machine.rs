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

/// How one fingerprint differs from an earlier one in what numbers depend on, in words: the cores,
/// the CPU or the memory. Noisy numbers from before and after such a change are not comparable.
pub fn change(before: &Machine, after: &Machine) -> Option<String> {
    (before.class() != after.class()).then(|| {
        format!(
            "the machine changed while it was measured: {} became {}",
            before.class(),
            after.class()
        )
    })
}

fn value_of(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    line.split_once(':')
        .map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            cpu: "AMD EPYC 7763".to_owned(),
            cores: 4,
            memory: 16 << 30,
            kernel: "Linux 6.8".to_owned(),
            image: None,
        }
    }

    #[test]
    fn fewer_cores_are_another_machine() {
        let after = Machine {
            cores: 2,
            ..machine()
        };
        assert_eq!(
            change(&machine(), &after).unwrap(),
            "the machine changed while it was measured: 4 × AMD EPYC 7763, 16 GiB became \
             2 × AMD EPYC 7763, 16 GiB"
        );
        let after = Machine {
            memory: 8 << 30,
            ..machine()
        };
        assert!(change(&machine(), &after).is_some());
    }

    #[test]
    fn a_few_pages_less_are_the_same_machine() {
        let after = Machine {
            memory: (16 << 30) - 4096,
            ..machine()
        };
        assert_eq!(change(&machine(), &after), None);
    }

    #[test]
    fn this_machine_does_not_change_while_nothing_happens() {
        assert_eq!(change(&fingerprint(), &fingerprint()), None);
    }
}
