//! Run files made by hand: what a check would have written, without waiting for one.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::{Finished, Sandbox};

/// The run file of the first format: base and head of the sample app, head with an N+1 query.
pub(crate) const FIRST_FORMAT: &str = include_str!("../../fixtures/runs/format-1.json");

impl Sandbox {
    /// A folder of run files and nothing else: no repository, no configuration.
    pub(crate) fn for_runs() -> Self {
        let sandbox = Self::empty();
        fs::create_dir(sandbox.runs()).expect("a new folder");
        sandbox
    }

    /// Where [`Self::for_runs`] has its run files.
    pub(crate) fn runs(&self) -> PathBuf {
        self.outside("runs")
    }

    /// Writes the run file of the first format under this name, changed.
    pub(crate) fn record(&self, name: &str, change: impl Fn(&mut Value)) {
        let mut file = serde_json::from_str(FIRST_FORMAT).expect("the first format is JSON");
        change(&mut file);
        fs::write(self.runs().join(name), file.to_string()).expect("a file");
    }

    /// Runs Tollgate in the folder of the run files.
    pub(crate) fn run_there(&self, arguments: &[&str]) -> Finished<'_> {
        self.start_in(&self.runs(), arguments).finish()
    }
}

/// Gives every sample of a metric in head this factor.
pub(crate) fn scale(file: &mut Value, id: &str, factor: f64) {
    for stage in ["samples", "confirmation"] {
        for value in file["head"][stage][id].as_array_mut().into_iter().flatten() {
            *value = (value.as_f64().expect("a number") * factor).into();
        }
    }
}
