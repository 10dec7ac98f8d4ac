//! What processes keep on graphics cards, and how busy these are, from `nvidia-smi`.
//!
//! No driver is no zero: then there is no number, and a budget on it is not measured.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// Asks which process keeps how many MiB.
const BY_PROCESS: [&str; 2] = [
    "--query-compute-apps=pid,used_memory",
    "--format=csv,noheader,nounits",
];
/// Asks how busy each card is, in per cent.
const UTILIZATION: [&str; 2] = [
    "--query-gpu=utilization.gpu",
    "--format=csv,noheader,nounits",
];

/// Longest time for an answer: a card that has fallen off the bus never gives one.
const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes by process, summed over the cards it is on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory(Vec<(i32, u64)>);

impl Memory {
    /// Bytes that these processes keep together.
    pub fn of(&self, pids: &[i32]) -> u64 {
        let own = self.0.iter().filter(|(pid, _)| pids.contains(pid));
        own.map(|(_, bytes)| bytes).sum()
    }
}

/// Asks which process keeps how much, or says why there is no answer. It takes a tenth of a second
/// or more: nothing may be timed meanwhile.
pub async fn memory() -> Result<Memory, String> {
    by_process(&ask("nvidia-smi", BY_PROCESS).await?).map(Memory)
}

/// Asks what share of the last moments the busiest card was busy, with whatever ran on it.
pub async fn utilization() -> Result<f64, String> {
    busiest(&ask("nvidia-smi", UTILIZATION).await?)
}

async fn ask(program: &str, arguments: [&str; 2]) -> Result<String, String> {
    let asked = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match timeout(PATIENCE, asked).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(format!("no `{program}` on this machine"));
        }
        Ok(Err(error)) => return Err(format!("`{program}`: {error}")),
        Err(_) => {
            let within = PATIENCE.as_secs();
            return Err(format!("`{program}` did not answer within {within} s"));
        }
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let said = text.lines().next().unwrap_or("it failed").trim().to_owned();
    Err(format!("`{program}`: {said}"))
}

fn busiest(csv: &str) -> Result<f64, String> {
    let mut busiest: Option<f64> = None;
    for line in csv.lines().map(str::trim).filter(|line| !line.is_empty()) {
        // `[N/A]` where a card is split into instances.
        let percent = line.parse::<f64>();
        let percent =
            percent.map_err(|_| format!("`nvidia-smi` says `{line}` of how busy a card is"))?;
        busiest = Some(busiest.unwrap_or(0.0).max(percent / 100.0));
    }
    busiest.ok_or_else(|| "`nvidia-smi` knows no graphics card".to_owned())
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
        let memory = Memory(by_process("4711, 1024\n4712, 512\n99, 30000\n").unwrap());
        assert_eq!(memory.of(&[4711, 4712]), 1536 * 1024 * 1024);
        assert_eq!(memory.of(&[1]), 0);
    }

    #[test]
    fn memory_that_is_not_told_is_no_zero() {
        let error = by_process("4711, [N/A]\n").unwrap_err();
        assert_eq!(error, "`nvidia-smi` says `4711, [N/A]` of a process");
    }

    #[test]
    fn the_busiest_card_counts_and_what_is_not_told_is_no_zero() {
        assert_eq!(busiest("3\n41\n"), Ok(0.41));
        let error = busiest("3\n[N/A]\n").unwrap_err();
        assert_eq!(error, "`nvidia-smi` says `[N/A]` of how busy a card is");
        let error = busiest("\n").unwrap_err();
        assert_eq!(error, "`nvidia-smi` knows no graphics card");
    }

    #[tokio::test]
    async fn without_the_program_there_is_a_reason() {
        let error = ask("nvidia-smi-that-is-not-there", BY_PROCESS).await;
        let said = "no `nvidia-smi-that-is-not-there` on this machine";
        assert_eq!(error, Err(said.to_owned()));
    }
}
