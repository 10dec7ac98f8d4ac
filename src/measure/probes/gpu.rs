//! What processes keep on graphics cards, and how busy these are, from `nvidia-smi`.
//!
//! No driver is no zero: then there is no number, and a budget on it is not measured.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::timeout;

const NVIDIA_SMI: &str = "nvidia-smi";
/// How often it is asked how busy cards are: they say it of a sixth of a second or more.
const EVERY: Duration = Duration::from_millis(200);
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
    /// Bytes that these processes keep together. Where none of them is listed nothing is known: it
    /// may use no card, or `nvidia-smi` may see other process numbers than we do.
    #[expect(clippy::cast_precision_loss, reason = "memory below 2^53 bytes")]
    pub fn of(&self, pids: &[i32]) -> Result<f64, String> {
        let own = self.0.iter().filter(|(pid, _)| pids.contains(pid));
        let sum = own.map(|(_, bytes)| *bytes).reduce(|sum, more| sum + more);
        sum.map(|bytes| bytes as f64)
            .ok_or_else(|| "`nvidia-smi` lists no process of it".to_owned())
    }
}

/// Asks which process keeps how much, or says why there is no answer. It takes a tenth of a second
/// or more: nothing may be timed meanwhile.
pub async fn memory() -> Result<Memory, String> {
    by_process(&ask(NVIDIA_SMI, BY_PROCESS).await?).map(Memory)
}

/// Asks again and again how busy cards are, while something is driven.
#[derive(Debug)]
pub struct Watch {
    asked: Result<Child, String>,
}

impl Watch {
    /// Asks from now on, until its end. What goes on asking ends with us: it has nobody to tell.
    pub fn start() -> Self {
        let asked = Command::new(NVIDIA_SMI)
            .args(UTILIZATION)
            .arg(format!("--loop-ms={}", EVERY.as_millis()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        Self {
            asked: asked.map_err(|error| not_run(NVIDIA_SMI, &error)),
        }
    }

    /// Asks nobody: it is known that there is no answer.
    pub fn none(why: &str) -> Self {
        Self {
            asked: Err(why.to_owned()),
        }
    }

    /// The highest share of its time that any card was busy, with whatever ran on it.
    pub async fn end(self) -> Result<f64, String> {
        let mut asked = self.asked?;
        let explain = |error: std::io::Error| format!("`{NVIDIA_SMI}`: {error}");
        let ended = asked.try_wait().map_err(explain)?;
        if ended.is_none() {
            asked.start_kill().map_err(explain)?;
        }
        let output = timeout(PATIENCE, asked.wait_with_output()).await;
        let output = output.map_err(|_| late(NVIDIA_SMI))?.map_err(explain)?;
        let text = String::from_utf8_lossy(&output.stdout);
        if ended.is_some() {
            return Err(failed(NVIDIA_SMI, &text));
        }
        // It may have been in the middle of a line.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        busiest(whole)
    }
}

async fn ask(program: &str, arguments: [&str; 2]) -> Result<String, String> {
    let asked = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, asked).await;
    let output = output.map_err(|_| late(program))?;
    let output = output.map_err(|error| not_run(program, &error))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(failed(program, &text))
}

fn not_run(program: &str, error: &std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::NotFound {
        return format!("no `{program}` on this machine");
    }
    format!("`{program}`: {error}")
}

fn late(program: &str) -> String {
    let within = PATIENCE.as_secs();
    format!("`{program}` did not answer within {within} s")
}

fn failed(program: &str, said: &str) -> String {
    let said = said.lines().next().unwrap_or("it failed").trim();
    format!("`{program}`: {said}")
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
    busiest.ok_or_else(|| "`nvidia-smi` has not said in time how busy a card is".to_owned())
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
        assert_eq!(memory.of(&[4711, 4712]), Ok(1536.0 * 1024.0 * 1024.0));
        let error = memory.of(&[1]).unwrap_err();
        assert_eq!(error, "`nvidia-smi` lists no process of it");
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
        let error = busiest("").unwrap_err();
        assert_eq!(
            error,
            "`nvidia-smi` has not said in time how busy a card is"
        );
    }

    #[tokio::test]
    async fn without_the_program_there_is_a_reason() {
        let error = ask("nvidia-smi-that-is-not-there", BY_PROCESS).await;
        let said = "no `nvidia-smi-that-is-not-there` on this machine";
        assert_eq!(error, Err(said.to_owned()));
    }
}
