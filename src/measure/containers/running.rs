//! A container of ours: made, started, frozen, read, asked how it is.

use std::collections::HashMap;
use std::net::IpAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use bollard::Docker;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::{ContainerUpdateBody, ExecConfig, NetworkCreateRequest, VolumeCreateRequest};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, EventsOptionsBuilder, InspectContainerOptions,
    InspectNetworkOptions, KillContainerOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, StartContainerOptions, WaitContainerOptions,
};
use futures_util::StreamExt;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::engine::{Engine, EngineError, said};
use super::owner;
use super::spec::{self, Spec};
use crate::measure::probes::cgroup::Cgroup;
use crate::measure::process::spawn::last_of;
use crate::measure::process::supervise::describe;
use crate::measure::process::tree::{self, Census, Usage};

/// How long a container may take to end by itself after SIGTERM.
const GRACE: Duration = Duration::from_secs(3);
/// How long a busy engine may take to notice that a container has ended.
const NOTICED_WITHIN: Duration = Duration::from_secs(10);
/// How a shell counts an end by SIGKILL.
const KILLED: i32 = 128 + 9;
/// How often, and how far apart, it is looked whether the engine has heard why.
const LOOKS: u32 = 15;
const GLANCE: Duration = Duration::from_millis(200);
/// How long one health check may take: as long as Docker gives it where nothing else is said.
const CHECK_WITHIN: Duration = Duration::from_secs(30);
/// CPU time of processes nobody saw, from which one must have been there: the kernel counts that of
/// children by the clock tick.
const UNSEEN: Duration = Duration::from_millis(20);
/// As much of an id as every engine shows at least.
const SHORT_ID: usize = 12;
/// Lines of a log that are kept in a file when it ends.
const KEPT_LINES: &str = "5000";

/// A container that was started.
#[derive(Debug)]
pub struct Running {
    engine: Engine,
    id: String,
    process: Process,
    /// Its health check, where it has one.
    health: Option<Vec<String>>,
    /// Limit of its memory in bytes.
    limit: Option<u64>,
    log: PathBuf,
    /// Bytes of its log that were written before this start: the engine keeps them.
    log_from: usize,
    /// Its processes when a block began.
    seen: Option<Box<Seen>>,
}

/// Process 1 of a container, as this machine sees it.
#[derive(Debug, Clone)]
struct Process {
    pid: i32,
    /// Its parent, which is outside and has this container's processes below it, and no others.
    /// None of what cannot be seen from here, or had ended at once.
    parent: Option<i32>,
    /// What makes the number unique.
    started: Option<u64>,
    /// Whether it runs where we cannot look, so that the engine has to be asked for everything.
    is_elsewhere: bool,
    cgroup: Option<Cgroup>,
    /// Its address on the arm's network.
    address: Option<IpAddr>,
    /// Whether we may send it signals ourselves.
    is_in_reach: bool,
}

/// What tells whether a process has ended.
#[derive(Debug, Clone)]
struct Seen {
    census: Census,
    /// CPU time of the group that none of its living processes has used, nor one that they waited for.
    cpu_of_ended: Duration,
}

impl Seen {
    /// Whether a process has ended since `earlier`: one that was there is not, one was waited for, or
    /// somebody nobody waited for has used more CPU time than readings of a busy group differ by.
    fn has_lost_one_of(&self, earlier: &Self) -> bool {
        self.census.has_lost_one_of(&earlier.census)
            || self.cpu_of_ended > earlier.cpu_of_ended + UNSEEN
    }
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With this status, in words.
    Status {
        /// `ended with status 1`.
        what: String,
        /// Whether that is no error.
        success: bool,
    },
    /// Its memory was full.
    OutOfMemory {
        /// The limit in bytes, where it has one.
        limit: Option<u64>,
    },
}

impl Engine {
    /// Makes the network of an arm. Returns the address this machine has on it.
    pub async fn network(&self, arm: &str) -> Result<Option<IpAddr>, EngineError> {
        self.is_used();
        let name = self.network_name(arm);
        let doing = "making a network";
        let request = NetworkCreateRequest {
            name: name.clone(),
            driver: Some("bridge".to_owned()),
            labels: Some(self.owner.labels(&self.run, arm)),
            ..NetworkCreateRequest::default()
        };
        let made = self.docker.create_network(request).await;
        made.map_err(EngineError::of(doing))?;
        let network = self
            .docker
            .inspect_network(&name, None::<InspectNetworkOptions>)
            .await
            .map_err(EngineError::of(doing))?;
        let configs = network
            .ipam
            .and_then(|ipam| ipam.config)
            .unwrap_or_default();
        let gateways = configs.into_iter().filter_map(|config| config.gateway);
        let mut addresses = gateways.filter_map(|gateway| {
            let address = gateway.split('/').next()?;
            address.parse::<IpAddr>().ok()
        });
        Ok(addresses.find(IpAddr::is_ipv4))
    }

    /// The name of an arm's network.
    pub fn network_name(&self, arm: &str) -> String {
        format!("tollgate-{}-{arm}", self.run)
    }

    /// Makes a volume of an arm, unless it is there. Returns what the engine knows it by.
    pub async fn volume(&self, arm: &str, name: &str) -> Result<String, EngineError> {
        self.is_used();
        let whole = format!("tollgate-{}-{arm}-{name}", self.run);
        let request = VolumeCreateRequest {
            name: Some(whole.clone()),
            labels: Some(self.owner.labels(&self.run, arm)),
            ..VolumeCreateRequest::default()
        };
        let made = self.docker.create_volume(request).await;
        made.map_err(EngineError::of(format!("making the volume `{name}`")))?;
        Ok(whole)
    }

    /// The labels of what belongs to an arm of this run.
    pub fn labels(&self, arm: &str) -> HashMap<String, String> {
        self.owner.labels(&self.run, arm)
    }
}

impl Running {
    /// Makes a container and starts it.
    pub async fn start(
        engine: &Engine,
        arm: &str,
        spec: &Spec<'_>,
        log: PathBuf,
    ) -> Result<Self, EngineError> {
        engine.is_used();
        let name = format!("tollgate-{}-{arm}-{}", engine.run, spec.service);
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let made = engine
            .docker
            .create_container(Some(options), spec::body(spec))
            .await
            .map_err(EngineError::of("making it"))?;
        let health = match &spec.planned.health {
            Some(test) => Some(test.clone()),
            None => health_of_image(&engine.docker, spec.image).await,
        };
        let mut running = Self {
            engine: engine.clone(),
            id: made.id,
            process: Process::none(),
            health,
            limit: spec.planned.memory,
            log,
            log_from: 0,
            seen: None,
        };
        if let Err(error) = running.launch().await {
            // It has done nothing, and its name may be needed again.
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true);
            let removed = engine
                .docker
                .remove_container(&running.id, Some(options.build()));
            let _error_that_counts_is_the_first = removed.await;
            return Err(error);
        }
        Ok(running)
    }

    /// Starts it again once it has ended, with the data it has.
    pub async fn launch(&mut self) -> Result<(), EngineError> {
        let docker = &self.engine.docker;
        // Nothing before the first start.
        self.log_from = log(docker, &self.id, "all").await.len();
        docker
            .start_container(&self.id, None::<StartContainerOptions>)
            .await
            .map_err(EngineError::of("starting it"))?;
        self.process = Process::of(docker, &self.id).await?;
        self.seen = None;
        Ok(())
    }

    /// Ends it: by SIGTERM where it listens to that, and by SIGKILL after a grace period.
    pub async fn end(&mut self) -> Result<(), EngineError> {
        self.keep_log().await;
        self.thaw();
        let docker = &self.engine.docker;
        if self.process.is_elsewhere || handles_sigterm(self.process.pid) {
            let options = KillContainerOptionsBuilder::new().signal("SIGTERM").build();
            let _ended = docker.kill_container(&self.id, Some(options)).await;
            let ending = wait(docker, &self.id);
            let _stubborn = tokio::time::timeout(GRACE, ending).await;
        }
        if self.is_running() {
            let options = KillContainerOptionsBuilder::new().signal("SIGKILL").build();
            let _ended = docker.kill_container(&self.id, Some(options)).await;
        }
        wait(docker, &self.id)
            .await
            .map_err(EngineError::of("ending it"))
    }

    /// Whether its first process runs, without asking the engine where it can be seen from here.
    pub fn is_running(&self) -> bool {
        if self.process.is_elsewhere {
            let id = self.id.clone();
            let asked = self
                .engine
                .blocking(async move |docker| runs(&docker, &id).await);
            return asked.unwrap_or(false);
        }
        self.process.started.is_some() && owner::started(self.process.pid) == self.process.started
    }

    /// Whether its memory was full, without asking the engine.
    fn lost_a_process(&self) -> bool {
        let cgroup = self.process.cgroup.as_ref();
        cgroup.and_then(Cgroup::killed_for_memory).unwrap_or(0) > 0
    }

    /// How it ended, if it has, or lost a process for want of memory. Does not await: while it runs
    /// the engine is not asked.
    pub fn ended(&self) -> Option<End> {
        if self.lost_a_process() {
            return Some(End::OutOfMemory { limit: self.limit });
        }
        if self.is_running() {
            return None;
        }
        let (id, limit) = (self.id.clone(), self.limit);
        let asked = self
            .engine
            .blocking(async move |docker| how(&docker, &id, limit).await);
        Some(
            asked
                .unwrap_or_else(|| Err("the engine does not answer".to_owned()))
                .unwrap_or_else(|why| End::Status {
                    what: format!("has ended ({why})"),
                    success: false,
                }),
        )
    }

    /// The last lines it wrote since it was started. Does not await.
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        let (id, from) = (self.id.clone(), self.log_from);
        let text = self
            .engine
            .blocking(async move |docker| written(&docker, &id, from).await);
        last_of(&text.unwrap_or_default(), count)
    }

    /// Everything it wrote since it was started.
    pub async fn log(&self) -> String {
        written(&self.engine.docker, &self.id, self.log_from).await
    }

    /// Writes what it wrote to a file, beside the logs of processes.
    pub async fn keep_log(&self) {
        use std::io::Write;
        let bytes = log(&self.engine.docker, &self.id, KEPT_LINES).await;
        if let Some(folder) = self.log.parent() {
            let _unwritable = std::fs::create_dir_all(folder);
        }
        // Once for each process that it had, like the log of a process.
        let file = std::fs::File::create(&self.log);
        let _unwritable = file.and_then(|mut file| file.write_all(&bytes));
    }

    /// Its health check, once and for no longer than that: fine, or what it answered instead.
    pub async fn check_health(&self, within: Duration) -> Result<(), String> {
        let Some(test) = &self.health else {
            return Err("it has no health check: neither the image nor `health` names one".into());
        };
        let within = within.min(CHECK_WITHIN);
        let command = match test.split_first() {
            Some((kind, line)) if kind == "CMD-SHELL" => {
                let mut command = vec!["/bin/sh".to_owned(), "-c".to_owned()];
                command.extend(line.iter().cloned());
                command
            }
            Some((kind, program)) if kind == "CMD" => program.to_vec(),
            Some(_) | None => test.clone(),
        };
        let shown = command.join(" ");
        let checked = exec(&self.engine.docker, &self.id, command);
        match tokio::time::timeout(within, checked).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(format!("its health check `{shown}` {why}")),
            Err(_) => Err(format!(
                "its health check `{shown}` hung: it had not ended after {:.1} s",
                within.as_secs_f64()
            )),
        }
    }

    /// Stops every process of it where it stands.
    pub fn freeze(&self) {
        if self.process.is_in_reach {
            self.signal(Signal::SIGSTOP);
        } else {
            let id = self.id.clone();
            let _frozen = self
                .engine
                .blocking(async move |docker| docker.pause_container(&id).await.is_ok());
        }
    }

    /// Lets every process of it go on.
    pub fn thaw(&self) {
        if self.process.is_in_reach {
            self.signal(Signal::SIGCONT);
        } else {
            let id = self.id.clone();
            // One that is not frozen is told so, which is no error.
            let _thawed = self
                .engine
                .blocking(async move |docker| docker.unpause_container(&id).await.is_ok());
        }
    }

    fn signal(&self, signal: Signal) {
        for pid in self.processes() {
            tree::signal(pid, signal);
        }
    }

    fn processes(&self) -> Vec<i32> {
        let parent = self.process.parent;
        parent.map(tree::living_descendants).unwrap_or_default()
    }

    /// Lets it run on these cores only.
    pub fn pin(&self, cores: &[usize]) {
        if let Some(parent) = self.process.parent.filter(|_| self.process.is_in_reach) {
            tree::pin(parent, cores);
            return;
        }
        let cores: Vec<String> = cores.iter().map(ToString::to_string).collect();
        let update = ContainerUpdateBody {
            cpuset_cpus: Some(cores.join(",")),
            ..ContainerUpdateBody::default()
        };
        let id = self.id.clone();
        let _pinned = self
            .engine
            .blocking(async move |docker| docker.update_container(&id, update).await.is_ok());
    }

    /// Remembers which processes there are: from now on it is known whether one has ended.
    pub fn remember_processes(&mut self) {
        self.seen = self.look().map(Box::new);
    }

    fn look(&self) -> Option<Seen> {
        let census = tree::census(self.process.parent?);
        let in_all = self.process.cgroup.as_ref().and_then(Cgroup::cpu);
        Some(Seen {
            cpu_of_ended: in_all.unwrap_or_default().saturating_sub(census.cpu),
            census,
        })
    }

    /// Whether the group itself keeps the most memory it ever had.
    pub fn keeps_peak(&self) -> bool {
        let memory = self.process.cgroup.as_ref().and_then(Cgroup::memory);
        memory.is_some_and(|memory| memory.peak.is_some())
    }

    /// What it uses now; nothing of what cannot be seen from here. For the peak there are two upper
    /// bounds: the group's, which counts the page cache, and the sum over the processes, which counts
    /// shared pages several times. The lower one is right for as long as every process still runs; of
    /// one that has ended only the group knows what it had.
    pub fn usage(&self) -> Option<Usage> {
        let of_tree = self.process.parent.map(tree::usage);
        let Some(memory) = self.process.cgroup.as_ref().and_then(Cgroup::memory) else {
            return of_tree;
        };
        let all_run = match (&self.seen, self.look()) {
            (Some(seen), Some(now)) => !now.has_lost_one_of(seen),
            _ => false,
        };
        let of_tree = of_tree.unwrap_or_default();
        Some(Usage {
            cpu: self.cpu().unwrap_or(of_tree.cpu),
            resident: memory.used,
            peak: match memory.peak {
                Some(of_group) if all_run => of_group.min(of_tree.peak),
                Some(of_group) => of_group,
                None => of_tree.peak,
            },
        })
    }

    /// The CPU time it has used; none where that cannot be seen from here.
    pub fn cpu(&self) -> Option<Duration> {
        let cgroup = self.process.cgroup.as_ref();
        let of_tree = || self.process.parent.map(tree::cpu_of_tree);
        cgroup.and_then(Cgroup::cpu).or_else(of_tree)
    }

    /// The process whose descendants are those of this container; none where it cannot be seen from
    /// here, or had ended at once.
    pub fn root(&self) -> Option<i32> {
        self.process.parent
    }

    /// Whether its processes run where we cannot look: in another process namespace.
    pub fn is_elsewhere(&self) -> bool {
        self.process.is_elsewhere
    }

    /// The folder that its first process works in, as this machine sees it.
    pub fn folder(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/cwd", self.process.pid))
    }

    /// Where it can be reached without a proxy in between, if it can be.
    pub fn address(&self) -> Option<IpAddr> {
        self.process.address.filter(|_| !self.engine.is_rootless)
    }
}

impl Process {
    fn none() -> Self {
        Self {
            pid: 0,
            parent: None,
            started: None,
            is_elsewhere: false,
            cgroup: None,
            address: None,
            is_in_reach: false,
        }
    }

    async fn of(docker: &Docker, id: &str) -> Result<Self, EngineError> {
        let asked = docker
            .inspect_container(id, None::<InspectContainerOptions>)
            .await
            .map_err(EngineError::of("starting it"))?;
        let pid = asked.state.and_then(|state| state.pid).unwrap_or(0);
        let pid = i32::try_from(pid).unwrap_or(0);
        if pid == 0 {
            // It has ended already, which is for the wait for readiness to say.
            return Ok(Self::none());
        }
        let networks = asked
            .network_settings
            .and_then(|settings| settings.networks);
        let mut networks = networks.unwrap_or_default().into_values();
        let address = networks.find_map(|network| network.ip_address?.parse().ok());
        // The number counts where the engine runs. Behind the socket of a virtual machine, or from
        // inside another container, a stranger may have it here.
        let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        if !names(&groups, id) {
            // Or it has ended meanwhile.
            let is_elsewhere = runs(docker, id).await;
            return Ok(Self {
                is_elsewhere,
                address,
                ..Self::none()
            });
        }
        // The kernel's own processes have 0, and everything else is below it.
        let parent = parent(pid).filter(|parent| *parent != 0);
        Ok(Self {
            pid,
            parent,
            started: owner::started(pid),
            is_elsewhere: false,
            cgroup: Cgroup::of(pid),
            address,
            is_in_reach: parent.is_some() && kill(Pid::from_raw(pid), None).is_ok(),
        })
    }
}

/// Whether the control groups of a process, as `/proc/PID/cgroup` has them, are those of a container.
fn names(groups: &str, id: &str) -> bool {
    let short = id.get(..SHORT_ID).unwrap_or(id);
    !short.is_empty() && groups.contains(short)
}

fn parent(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Whether SIGTERM does anything to the first process of a container: the kernel ignores signals
/// that it has no handler for.
fn handles_sigterm(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask & (1 << (Signal::SIGTERM as u32 - 1)) != 0)
}

async fn health_of_image(docker: &Docker, image: &str) -> Option<Vec<String>> {
    let image = docker.inspect_image(image).await.ok()?;
    let test = image.config?.healthcheck?.test?;
    let is_one = test.first().is_some_and(|kind| kind != "NONE");
    is_one.then_some(test)
}

/// Waits until it has ended.
async fn wait(docker: &Docker, id: &str) -> Result<(), bollard::errors::Error> {
    let mut waiting = docker.wait_container(id, None::<WaitContainerOptions>);
    match waiting.next().await {
        // Any status but 0 is an error to the library, and none to us.
        Some(Ok(_) | Err(bollard::errors::Error::DockerContainerWaitError { .. })) | None => Ok(()),
        Some(Err(error)) => Err(error),
    }
}

async fn runs(docker: &Docker, id: &str) -> bool {
    let asked = docker
        .inspect_container(id, None::<InspectContainerOptions>)
        .await;
    let state = asked.ok().and_then(|asked| asked.state);
    state.and_then(|state| state.running) == Some(true)
}

/// How a container has ended whose first process is gone. A busy engine hears of that later, and says
/// until then that it runs and has ended well.
async fn how(docker: &Docker, id: &str, limit: Option<u64>) -> Result<End, String> {
    let _noticed = tokio::time::timeout(NOTICED_WITHIN, wait(docker, id)).await;
    let asked = docker
        .inspect_container(id, None::<InspectContainerOptions>)
        .await
        .map_err(|error| said(&error))?;
    let state = asked.state.unwrap_or_default();
    let code = state
        .exit_code
        .and_then(|code| i32::try_from(code).ok())
        .unwrap_or(-1);
    let may_be_late = code == KILLED && limit.is_some();
    if state.oom_killed == Some(true) || may_be_late && was_out_of_memory(docker, id).await {
        return Ok(End::OutOfMemory { limit });
    }
    let what = match state.error {
        Some(error) if !error.is_empty() => error,
        Some(_) | None => describe(ExitStatus::from_raw(code << 8)),
    };
    let success = code == 0;
    Ok(End::Status { what, success })
}

/// Whether the engine hears, late, that the kernel killed a container for want of memory: it gets the
/// news of its end and of the reason on two ways.
async fn was_out_of_memory(docker: &Docker, id: &str) -> bool {
    let filters = HashMap::from([
        ("container", vec![id.to_owned()]),
        ("event", vec!["oom".to_owned()]),
    ]);
    for _ in 0..LOOKS {
        let until = time::OffsetDateTime::now_utc().unix_timestamp().to_string();
        let options = EventsOptionsBuilder::new().since("0").until(&until);
        let mut events = docker.events(Some(options.filters(&filters).build()));
        if let Some(Ok(_)) = events.next().await {
            return true;
        }
        tokio::time::sleep(GLANCE).await;
    }
    false
}

async fn log(docker: &Docker, id: &str, tail: &str) -> Vec<u8> {
    let options = LogsOptionsBuilder::new();
    let options = options.stdout(true).stderr(true).tail(tail).build();
    let mut chunks = docker.logs(id, Some(options));
    let mut bytes = Vec::new();
    while let Some(Ok(chunk)) = chunks.next().await {
        bytes.extend_from_slice(&chunk.into_bytes());
    }
    bytes
}

/// What a container wrote from this byte of its log on; all that is left where the engine has thrown
/// the beginning away.
async fn written(docker: &Docker, id: &str, from: usize) -> String {
    let bytes = log(docker, id, "all").await;
    String::from_utf8_lossy(bytes.get(from..).unwrap_or(&bytes)).into_owned()
}

/// Runs a command in a container: fine, or how it ended.
async fn exec(docker: &Docker, id: &str, command: Vec<String>) -> Result<(), String> {
    let failed = |error: bollard::errors::Error| format!("could not be run: {}", said(&error));
    let config = ExecConfig {
        cmd: Some(command),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..ExecConfig::default()
    };
    let made = docker.create_exec(id, config).await.map_err(failed)?;
    let started = docker
        .start_exec(&made.id, None::<StartExecOptions>)
        .await
        .map_err(failed)?;
    let mut text = String::new();
    if let StartExecResults::Attached { mut output, .. } = started {
        while let Some(Ok(chunk)) = output.next().await {
            text.push_str(&chunk.to_string());
        }
    }
    let asked = docker.inspect_exec(&made.id).await.map_err(failed)?;
    match asked.exit_code {
        Some(0) => Ok(()),
        code => {
            let last = text.lines().rfind(|line| !line.trim().is_empty());
            let code = code.map_or_else(|| "no status".to_owned(), |code| format!("status {code}"));
            Err(format!(
                "ended with {code}: {}",
                last.unwrap_or("it wrote nothing").trim()
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4f2a9c7d51e0b8a6c3d2e1f00112233445566778899aabbccddeeff001122334";

    #[test]
    fn a_process_is_of_the_container_that_its_control_group_names() {
        let docker = format!("4:memory:/docker/{ID}\n0::/docker/{ID}\n");
        let systemd = format!("0::/system.slice/docker-{ID}.scope\n");
        let podman = format!("0::/user.slice/libpod-{}.scope/container\n", &ID[..12]);
        for groups in [docker, systemd, podman] {
            assert!(names(&groups, ID), "{groups}");
        }
        // The same number, given to somebody else.
        for groups in ["0::/init.scope\n", "0::/docker/4f2a9c7d51ff\n", ""] {
            assert!(!names(groups, ID), "{groups}");
        }
        assert!(!names("0::/\n", ""), "nothing names nothing");
    }

    #[test]
    fn a_process_that_nobody_waited_for_is_known_by_its_cpu_time() {
        let seen = |milliseconds| Seen {
            census: Census::default(),
            cpu_of_ended: Duration::from_millis(milliseconds),
        };
        assert!(!seen(105).has_lost_one_of(&seen(100)));
        assert!(seen(150).has_lost_one_of(&seen(100)));
    }

    #[test]
    fn what_had_ended_at_once_has_no_root() {
        let none = Process::none();
        assert_eq!((none.parent, none.started), (None, None));
    }
}
