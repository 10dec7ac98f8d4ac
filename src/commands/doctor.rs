//! `tollgate doctor`: what this machine has to measure with, and what earlier runs left on it.

use std::os::unix::fs::MetadataExt;

use super::output::print as say;
use crate::cli::Doctor;
use crate::failure::Failure;
use crate::measure::MeasureError;
use crate::measure::containers::leftovers::{self, Kind, Object};
use crate::measure::containers::owner::Fate;
use crate::measure::containers::{Engine, EngineError};
use crate::measure::probes::cgroup;
use crate::measure::process::tree;
use crate::measure::services::ServiceError;

/// Looks, and with `--clean` removes. Fails when something that should be removed could not be.
pub async fn doctor(arguments: &Doctor) -> Result<(), Failure> {
    let cores = tree::own_cores();
    say(&format!(
        "cores      {}{}",
        cores.len(),
        if cores.len() < 2 {
            ": the load generator shares it with the services"
        } else {
            ""
        }
    ));
    say(&format!("cgroups    {}", cgroup::version()));
    let account = if is_root() {
        "root"
    } else {
        "not root: containers are frozen and placed through the engine, which takes longer"
    };
    say(&format!("account    {account}"));
    let engine = match Engine::connect().await {
        Ok(engine) => engine,
        Err(error) if arguments.clean => return Err(failure(error)),
        Err(error) => {
            say(&format!("engine     {error}"));
            return Ok(());
        }
    };
    say(&format!(
        "engine     {} at {}",
        engine.name,
        engine.socket()
    ));
    if arguments.clean {
        let removed = leftovers::sweep(&engine).await.map_err(failure)?;
        for object in &removed {
            say(&format!(
                "removed    {} {}",
                object.kind.name(),
                object.name
            ));
        }
        if arguments.images {
            for image in leftovers::images(&engine).await.map_err(failure)? {
                let removed = leftovers::remove_image(&engine, &image).await;
                removed.map_err(failure)?;
                say(&format!("removed    {} {image}", Kind::Image.name()));
            }
        }
    }
    let left = leftovers::all(&engine).await.map_err(failure)?;
    show(&left);
    let images = leftovers::images(&engine).await.map_err(failure)?;
    if !images.is_empty() {
        let hint = "`tollgate doctor --clean --images` removes them";
        say(&format!(
            "images     {} built here, kept for the next run; {hint}",
            images.len()
        ));
    }
    Ok(())
}

fn show(left: &[Object]) {
    let of = |fate: Fate| left.iter().filter(move |object| object.fate() == fate);
    let gone = of(Fate::Gone).count();
    if gone == 0 {
        say("leftovers  none");
    } else {
        say(&format!(
            "leftovers  {gone}; `tollgate doctor --clean` removes them, and so does the next run"
        ));
    }
    for object in of(Fate::Gone) {
        say(&format!(
            "           {} {}",
            object.kind.name(),
            object.name
        ));
    }
    for object in of(Fate::Alive) {
        let name = &object.name;
        say(&format!("in use     {} {name}", object.kind.name()));
    }
    for object in of(Fate::Unknown) {
        let name = &object.name;
        let why = "its owner cannot be looked for from here";
        say(&format!("left alone {} {name}: {why}", object.kind.name()));
    }
}

fn failure(error: EngineError) -> Failure {
    Failure::from(MeasureError::from(ServiceError::from(error)))
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
