//! Every client as a command: how it is started, and how its own report is read.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use serde_json::Value;

/// Versions that are installed.
const OHA: &str = "1.16.0";
const AUTOCANNON: &str = "9.0.0";

/// What a client says about itself, and what the kernel says about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// Good answers a second.
    pub(crate) rps: f64,
    /// Median latency in microseconds.
    pub(crate) p50_us: f64,
    /// CPU time per request in microseconds, with starting and ending.
    pub(crate) cpu_us: f64,
}

/// A load generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    Ours,
    Hyper,
    Wrk,
    Oha,
    Ab,
    Autocannon,
}

impl Client {
    pub(crate) const ALL: [Self; 6] = [
        Self::Wrk,
        Self::Oha,
        Self::Ab,
        Self::Autocannon,
        Self::Hyper,
        Self::Ours,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Hyper => "hyper",
            Self::Wrk => "wrk",
            Self::Oha => "oha",
            Self::Ab => "ab",
            Self::Autocannon => "autocannon",
        }
    }

    /// What it is in a sentence of the table.
    pub(crate) fn what(self) -> String {
        match self {
            Self::Ours => "tollgate's engine".to_owned(),
            Self::Hyper => "hyper's connections, our loop".to_owned(),
            Self::Wrk => "wrk, one thread".to_owned(),
            Self::Oha => format!("oha {OHA}"),
            Self::Ab => "ab -k".to_owned(),
            Self::Autocannon => format!("autocannon {AUTOCANNON}"),
        }
    }

    /// Drives a path with so many connections for so many seconds; none where it cannot.
    pub(crate) fn run(
        self,
        address: &str,
        path: &str,
        connections: u32,
        seconds: u32,
    ) -> Result<Option<Outcome>, String> {
        let url = format!("http://{address}{path}");
        let (count, time) = (connections.to_string(), seconds.to_string());
        let csv = std::env::temp_dir().join(format!("tollgate-ab-{}.csv", std::process::id()));
        let csv_text = csv.display().to_string();
        let command = match self {
            Self::Ours => own(&["drive", address, path, &count, &time])?,
            Self::Hyper if path != "/" => return Ok(None),
            Self::Hyper => own(&["drive-hyper", address, &count, &time])?,
            Self::Wrk => {
                let length = format!("{time}s");
                command(
                    "wrk",
                    &["-t1", "-c", &count, "-d", &length, "--latency", &url],
                )
            }
            Self::Oha => {
                let length = format!("{time}s");
                let rest = [
                    "-z",
                    &length,
                    "-c",
                    &count,
                    "--no-tui",
                    "--output-format",
                    "json",
                ];
                let mut oha = command(&oha().display().to_string(), &rest);
                oha.arg(&url);
                oha
            }
            Self::Ab => {
                // `-t` alone means 50,000 requests, and must stand before `-n`.
                let rest = ["-k", "-q", "-e", &csv_text, "-c", &count, "-t", &time];
                let mut ab = command("ab", &rest);
                ab.args(["-n", "5000000", &url]);
                ab
            }
            Self::Autocannon => {
                let script = autocannon().display().to_string();
                let rest = [script.as_str(), "-j", "-n", "-c", &count, "-d", &time, &url];
                command("node", &rest)
            }
        };
        let (text, cpu) = output(command, self.name())?;
        let bad = || format!("{} printed what it usually does not:\n{text}", self.name());
        let read = match self {
            Self::Ours | Self::Hyper => of_ours(&text),
            Self::Wrk => of_wrk(&text),
            Self::Oha => of_oha(&text),
            Self::Ab => of_ab(&text, &csv),
            Self::Autocannon => of_autocannon(&text),
        };
        let (rps, p50_us) = read.ok_or_else(bad)?;
        let requests = rps * f64::from(seconds);
        Ok(Some(Outcome {
            rps,
            p50_us,
            cpu_us: cpu.as_secs_f64() * 1e6 / requests,
        }))
    }
}

fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// This program in another role.
pub(crate) fn own(arguments: &[&str]) -> Result<Command, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    Ok(command(&program.display().to_string(), arguments))
}

/// What a command prints on one core, and the CPU time it used.
pub(crate) fn output(mut command: Command, name: &str) -> Result<(String, Duration), String> {
    let failed = |error: std::io::Error| format!("{name} could not be run: {error}");
    let before = children_cpu();
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    let output = command.output().map_err(failed)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "{name} ended with {}:\n{said}{text}",
            output.status
        ));
    }
    Ok((text, children_cpu().saturating_sub(before)))
}

/// CPU time of the children that have ended.
fn children_cpu() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else {
        return Duration::ZERO;
    };
    let of = |time: nix::sys::time::TimeVal| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        let micros = u64::try_from(time.tv_usec()).unwrap_or(0);
        Duration::from_secs(seconds) + Duration::from_micros(micros)
    };
    of(usage.user_time()) + of(usage.system_time())
}

fn of_ours(text: &str) -> Option<(f64, f64)> {
    let value: Value = serde_json::from_str(text).ok()?;
    Some((value["rps"].as_f64()?, value["p50_us"].as_f64()?))
}

fn of_wrk(text: &str) -> Option<(f64, f64)> {
    let word = |start: &str| {
        let line = text
            .lines()
            .find_map(|line| line.trim().strip_prefix(start))?;
        Some(line.trim().to_owned())
    };
    let p50 = word("50%")?;
    let end = p50.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = p50.split_at(end);
    let scale = match unit {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        _ => return None,
    };
    let rps = word("Requests/sec:")?.parse().ok()?;
    Some((rps, number.parse::<f64>().ok()? * scale))
}

fn of_oha(text: &str) -> Option<(f64, f64)> {
    let value: Value = serde_json::from_str(text).ok()?;
    let rps = value["summary"]["requestsPerSec"].as_f64()?;
    Some((rps, value["latencyPercentiles"]["p50"].as_f64()? * 1e6))
}

/// Its text has whole milliseconds, its file has microseconds.
fn of_ab(text: &str, csv: &Path) -> Option<(f64, f64)> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Requests per second:"))?;
    let rps = line.split_whitespace().next()?.parse().ok()?;
    let table = std::fs::read_to_string(csv).ok()?;
    let _gone = std::fs::remove_file(csv);
    let p50 = table.lines().find_map(|line| line.strip_prefix("50,"))?;
    Some((rps, p50.parse::<f64>().ok()? * 1e3))
}

fn of_autocannon(text: &str) -> Option<(f64, f64)> {
    let value: Value = serde_json::from_str(text).ok()?;
    let rps = value["requests"]["average"].as_f64()?;
    Some((rps, value["latency"]["p50"].as_f64()? * 1e3))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers")
}

fn oha() -> PathBuf {
    folder().join("bin/oha")
}

fn autocannon() -> PathBuf {
    folder().join("node_modules/autocannon/autocannon.js")
}

/// Installs what can be, and names what cannot.
pub(crate) fn install() -> Result<(), String> {
    for (program, package) in [
        ("wrk", "wrk"),
        ("ab", "apache2-utils"),
        ("npm", "npm"),
        ("node", "nodejs"),
    ] {
        let found = Command::new("sh")
            .args(["-c", &format!("command -v {program}")])
            .stdout(Stdio::null())
            .status();
        if !found.is_ok_and(|status| status.success()) {
            return Err(format!("`{program}` is missing: apt-get install {package}"));
        }
    }
    let root = folder().display().to_string();
    if !oha().exists() {
        eprintln!("installing oha {OHA} below target/peers");
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let arguments = [
            "install",
            "oha",
            "--version",
            OHA,
            "--locked",
            "--root",
            &root,
        ];
        let mut install = command(&cargo, &arguments);
        install.env_remove("CARGO_TARGET_DIR");
        succeeds(install, "oha")?;
    }
    if !autocannon().exists() {
        eprintln!("installing autocannon {AUTOCANNON} below target/peers");
        let package = format!("autocannon@{AUTOCANNON}");
        let arguments = [
            "install",
            "--no-audit",
            "--no-fund",
            "--prefix",
            &root,
            &package,
        ];
        succeeds(command("npm", &arguments), "autocannon")?;
    }
    Ok(())
}

fn succeeds(mut command: Command, name: &str) -> Result<(), String> {
    let status = command
        .stdout(Stdio::null())
        .status()
        .map_err(|error| format!("{name} could not be installed: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{name} could not be installed: {status}"))
}

/// A process that is ended when it goes out of sight.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already is no concern.
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}
