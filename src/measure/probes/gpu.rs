//! What processes keep on graphics cards, from `nvidia-smi`.
//!
//! No driver is no zero: then there is no number, and a budget on it is not measured.

use std::process::{Command, Stdio};

/// Asks which process keeps how many MiB.
const BY_PROCESS: [&str; 2] = [
    "--query-compute-apps=pid,used_memory",
    "--format=csv,noheader,nounits",
];
/// Asks how busy each card is, in per cent.
const UTILISATION: [&str; 2] = [
    "--query-gpu=utilization.gpu",
    "--format=csv,noheader,nounits",
];

/// What `nvidia-smi` said at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Process and bytes; one process may be on several cards.
    pub processes: Vec<(i32, u64)>,
    /// How busy each card was over the last moments, in per cent.
    pub busy: Vec<u32>,
}

impl Reading {
    /// Bytes that these processes keep together.
    pub fn bytes_of(&self, pids: &[i32]) -> u64 {
        let own = self.processes.iter().filter(|(pid, _)| pids.contains(pid));
        own.map(|(_, bytes)| bytes).sum()
    }
}

/// Asks `nvidia-smi`, or says why there is no answer. It takes a tenth of a second or more:
/// nothing may be timed meanwhile.
pub fn read() -> Result<Reading, String> {
    let (processes, busy) = (
        ask("nvidia-smi", BY_PROCESS)?,
        ask("nvidia-smi", UTILISATION)?,
    );
    Ok(Reading {
        processes: by_process(&processes)?,
        busy: busy
            .lines()
            .filter_map(|line| line.trim().parse().ok())
            .collect(),
    })
}

fn ask(program: &str, arguments: [&str; 2]) -> Result<String, String> {
    let asked = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    let output = match asked {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err("no `nvidia-smi` on this machine".to_owned());
        }
        Err(error) => return Err(format!("`nvidia-smi`: {error}")),
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let said = text.lines().next().unwrap_or("it failed").trim().to_owned();
    Err(format!("`nvidia-smi`: {said}"))
}

fn by_process(csv: &str) -> Result<Vec<(i32, u64)>, String> {
    csv.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let pair = line.split_once(',').and_then(|(pid, mebibytes)| {
                let mebibytes: u64 = mebibytes.trim().parse().ok()?;
                Some((pid.trim().parse().ok()?, mebibytes * 1024 * 1024))
            });
            // `[N/A]` where the driver does not tell a process's memory.
            pair.ok_or_else(|| format!("`nvidia-smi` says `{line}` of a process"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_what_a_tree_of_processes_keeps() {
        let processes = by_process("4711, 1024\n4712, 512\n99, 30000\n").unwrap();
        let reading = Reading {
            processes,
            busy: vec![37],
        };
        assert_eq!(reading.bytes_of(&[4711, 4712]), 1536 * 1024 * 1024);
        assert_eq!(reading.bytes_of(&[1]), 0);
    }

    #[test]
    fn memory_that_is_not_told_is_no_zero() {
        let error = by_process("4711, [N/A]\n").unwrap_err();
        assert_eq!(error, "`nvidia-smi` says `4711, [N/A]` of a process");
    }

    #[test]
    fn without_the_program_there_is_a_reason() {
        let error = ask("nvidia-smi-that-is-not-there", BY_PROCESS).unwrap_err();
        assert_eq!(error, "no `nvidia-smi` on this machine");
    }
}
