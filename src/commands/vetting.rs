//! A run file from a job that anybody's code may have written: read as data, or refused in a line.
//!
//! What passes here can be judged like any run file. That its samples are honest nobody can know:
//! they were measured beside the code of the pull request. Must not follow links, and must not
//! believe what the file says about where it comes from.

use std::fs;
use std::path::Path;

use super::run_files;
use crate::model::{Run, RunFile};
use crate::report;

/// The largest file that is read. The largest real one seen has 2 MB.
const LARGEST: u64 = 16 * 1024 * 1024;
/// The most metrics of one arm.
const METRICS: usize = 5_000;
/// The most samples of one metric.
const SAMPLES: usize = 10_000;
/// The largest sample: 10^15 bytes are a petabyte.
const LARGEST_SAMPLE: f64 = 1e15;

/// Reads the file, or says in one line why it cannot be judged.
pub(super) fn read(path: &Path, project: &str) -> Result<RunFile, String> {
    let facts = fs::symlink_metadata(path).map_err(|_| "it holds no run file".to_owned())?;
    if !facts.is_file() {
        return Err("the run file is a link or a folder".to_owned());
    }
    if facts.len() > LARGEST {
        return Err(format!("the run file is larger than {} MiB", LARGEST >> 20));
    }
    let runs = run_files::load(&[path.to_owned()]).map_err(|error| error.to_string())?;
    let run = runs.into_iter().next().ok_or("it holds no run file")?;
    if run.file.project != project {
        return Err(format!(
            "it is a run of project `{}`, not of `{project}`",
            report::plain(&run.file.project)
        ));
    }
    if run.file.phases.is_empty() {
        return Err("the run did not come to its end".to_owned());
    }
    for arm in [Some(&run.file.head), run.file.base.as_ref().ok()] {
        arm.map_or(Ok(()), plausible)?;
    }
    Ok(run.file)
}

/// Refuses numbers that no measurement gives.
fn plausible(run: &Run) -> Result<(), String> {
    if run.samples.len() > METRICS {
        return Err(format!("it has more than {METRICS} metrics"));
    }
    let all = [&run.samples, &run.confirmation, &run.control];
    for (id, samples) in all.into_iter().flatten() {
        let values = samples.values();
        if values.len() > SAMPLES {
            let id = report::plain(&id.to_string());
            return Err(format!("{id} has more than {SAMPLES} samples"));
        }
        let is_wrong = |value: &&f64| !(0.0..=LARGEST_SAMPLE).contains(*value);
        if let Some(value) = values.iter().find(is_wrong) {
            let id = report::plain(&id.to_string());
            return Err(format!("{id} has a sample of {value}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::judging::{self, Rules};
    use super::*;
    use crate::model::{Outcome, Reference};
    use crate::{compare, gate};
    use serde_json::{Value, json};

    const RUN: &str = include_str!("../../tests/fixtures/runs/format-1.json");

    fn vetted(bytes: &[u8]) -> Result<RunFile, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        fs::write(&path, bytes).unwrap();
        read(&path, "spheroid")
    }

    fn changed(change: impl FnOnce(&mut Value)) -> Result<RunFile, String> {
        let mut file = serde_json::from_str(RUN).unwrap();
        change(&mut file);
        vetted(file.to_string().as_bytes())
    }

    fn judged(file: &RunFile) -> Outcome {
        let reference = match &file.base {
            Ok(base) => Reference::Paired(base.clone()),
            Err(why) => Reference::Targets { why: why.clone() },
        };
        let rules = Rules {
            policy: compare::Policy::default(),
            gate: gate::Policy::default(),
            accepted: Vec::new(),
        };
        let against = "base".to_owned();
        let judged = judging::judge(file, &reference, against, &rules).unwrap();
        judged.outcome
    }

    #[test]
    fn an_honest_run_is_read() {
        let file = changed(|_| ()).unwrap();
        assert_eq!(judged(&file), Outcome::Fail);
    }

    #[test]
    fn every_hostile_file_is_refused_in_one_line() {
        let p50 = "endpoint/list projects/p50";
        let mut many = json!({});
        for number in 0..6_000 {
            many[format!("endpoint/{number}/p50")] = json!([1.0]);
        }
        let hostile = [
            changed(|file| file["project"] = "other\u{1b}[31m\n".into()),
            changed(|file| file["format"] = 99.into()),
            changed(|file| file["phases"] = json!([])),
            changed(|file| file["head"]["samples"] = json!({})),
            changed(|file| file["head"]["samples"][p50] = json!([])),
            changed(|file| file["head"]["samples"][p50] = json!([-1.0])),
            changed(|file| file["head"]["samples"][p50] = json!([1e300])),
            changed(|file| file["head"]["samples"][p50] = json!(vec![1.0; 10_001])),
            changed(|file| file["head"]["samples"][p50] = json!(["NaN"])),
            changed(|file| file["head"]["samples"] = many),
            changed(|file| file["head"]["samples"]["../../etc/passwd"] = json!([1.0])),
            changed(|file| file["pull-request"] = 1.into()),
            vetted(b"{\"format\":1,\"head\":{\"samples\":{\"x\":[NaN]}}}"),
            vetted("[".repeat(100_000).as_bytes()),
            vetted(&vec![b' '; 17 << 20]),
            vetted(b"\x1f\x8b\x08\x00"),
            vetted(b""),
        ];
        for result in hostile {
            let why = result.unwrap_err();
            let is_plain = !why.chars().any(|c| c.is_control());
            assert!(is_plain && why.len() < 900, "{why}");
        }
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a"), folder.path().join("run.json"));
        fs::write(&file, RUN).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let why = read(&link, "spheroid").unwrap_err();
        assert_eq!(why, "the run file is a link or a folder");
    }

    /// Damaged in 3,000 ways, a failing run is refused or still judged, and never panics.
    #[test]
    fn a_damaged_file_never_panics() {
        let mut random = fastrand::Rng::with_seed(1);
        let (mut refused, mut read) = (0, 0);
        for _ in 0..3_000 {
            let mut bytes = RUN.as_bytes().to_vec();
            for _ in 0..random.usize(1..4) {
                damage(&mut bytes, &mut random);
            }
            match vetted(&bytes) {
                Ok(file) => {
                    let _outcome = judged(&file);
                    read += 1;
                }
                Err(_) => refused += 1,
            }
        }
        assert!(
            refused > 500 && read > 500,
            "{refused} refused, {read} read"
        );
    }

    fn damage(bytes: &mut Vec<u8>, random: &mut fastrand::Rng) {
        let at = random.usize(..bytes.len());
        match random.u8(..8) {
            0 => bytes[at] = random.u8(..),
            1 => bytes.truncate(at.max(1)),
            2 => {
                let end = (at + random.usize(..200)).min(bytes.len());
                bytes.drain(at..end);
            }
            // A digit becomes another, or a larger number.
            3..=6 => {
                let digit = bytes[at..].iter().position(u8::is_ascii_digit);
                if let Some(offset) = digit {
                    let more = b"9".repeat(random.usize(1..20));
                    bytes.splice(at + offset..=at + offset, more);
                }
            }
            _ => {
                let end = (at + random.usize(..200)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = random.usize(..bytes.len());
                bytes.splice(to..to, piece);
            }
        }
        if bytes.is_empty() {
            bytes.push(b'{');
        }
    }
}
