//! How busy the machine was with other work while something was timed.
//!
//! Reads counters of the kernel before and after: what the scheduler says about the threads of
//! the services and about our own, and what the cores did. Must not change what it reads, and
//! knows no metric: it only says how much others took.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::time::{Duration, Instant};

use nix::unistd::{Pid, SysconfVar, sysconf};

use crate::measure::arm::ArmName;
use crate::measure::placement::Side;
use crate::measure::process::tree::{self, Family};
use crate::model::Disturbance;

/// A block is disturbed when others took more than this share of it ([`Load::taken`]), unless the
/// configuration says otherwise.
///
/// On the sample app beside heavy builds the p50 of identical arms typically differed by 1.2 % in
/// blocks where the services lost 10 to 20 % of their time, 1.7 % at 20 to 30 %, 3.2 % at 30 to
/// 40 % and 6.2 % above (136 blocks, medians).
pub const CONTENTION_LIMIT: f64 = 0.30;

/// A load generator that is on its core for more than this share of the time has none left: with
/// several requests under way, what waits for it passes for the service's latency. At 95 % the
/// service time of a saturated generator was right and the wait for it 1.4 s (`VERDICTS` of the
/// field: every generator's own numbers look best just then).
const SATURATED: f64 = 0.9;

/// What to read: which processes, on which cores.
#[derive(Debug)]
pub struct Watch {
    /// The supervisor of the service that answers, in each arm where it is a process of ours.
    pub answering: BTreeMap<ArmName, i32>,
    /// The supervisors of all services of all arms.
    pub all: Vec<i32>,
    /// Cores the services may run on.
    pub serving: Vec<usize>,
    /// Cores the load generator may run on; the same ones where there is only one.
    pub driving: Vec<usize>,
}

/// Time on a core and time spent ready and waiting for one, as the scheduler counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Scheduled {
    ran: Duration,
    waited: Duration,
}

/// Threads by their number, which is unique in the whole system.
type Threads = HashMap<i32, Scheduled>;

/// What some cores did since the machine started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Cores {
    count: u32,
    /// Had nothing to do.
    idle: Duration,
    /// Served interrupts.
    interrupts: Duration,
    /// Would have run, while the hypervisor ran something else.
    stolen: Duration,
}

/// What was read at one moment.
#[derive(Debug)]
pub struct Reading {
    at: Instant,
    serving: Cores,
    driving: Cores,
    are_shared: bool,
    answering: BTreeMap<ArmName, Threads>,
    generator: Threads,
    /// CPU time of all services.
    services: Duration,
    /// CPU time of our own.
    own: Duration,
}

impl Watch {
    /// Reads everything now.
    pub fn read(&self) -> Reading {
        let family = Family::now();
        let own = Pid::this().as_raw();
        let answering = self.answering.iter().map(|(name, root)| {
            let pids = family.below(*root);
            (*name, pids.into_iter().flat_map(threads_of).collect())
        });
        let services = self.all.iter().flat_map(|root| family.below(*root));
        let answering = answering.collect();
        let services = services.map(tree::cpu).sum();
        let at = Instant::now();
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        Reading {
            at,
            serving: cores(&stat, &self.serving),
            driving: cores(&stat, &self.driving),
            are_shared: self.serving == self.driving,
            answering,
            generator: threads_of(own).into_iter().collect(),
            services,
            own: tree::cpu(own),
        }
    }
}

fn threads_of(pid: i32) -> Vec<(i32, Scheduled)> {
    let read = |thread| {
        let text = fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat")).ok()?;
        Some((thread, scheduled(&text)?))
    };
    tree::threads(pid).into_iter().filter_map(read).collect()
}

/// A line of `schedstat`: nanoseconds on a core, nanoseconds ready and waiting, turns.
fn scheduled(text: &str) -> Option<Scheduled> {
    let mut fields = text.split_ascii_whitespace().map(str::parse);
    let mut next = || Some(Duration::from_nanos(fields.next()?.ok()?));
    Some(Scheduled {
        ran: next()?,
        waited: next()?,
    })
}

/// The lines of `/proc/stat` that belong to these cores, added up. A core that is not there has
/// done nothing.
fn cores(stat: &str, which: &[usize]) -> Cores {
    let of_core = |line: &str| {
        let (name, rest) = line.split_once(' ')?;
        let number: usize = name.strip_prefix("cpu")?.parse().ok()?;
        which.contains(&number).then(|| rest.to_owned())
    };
    let mut sum = Cores::default();
    for line in stat.lines().filter_map(of_core) {
        // user, nice, system, idle, iowait, irq, softirq, steal. Waiting for a disk is idleness.
        let ticks: Vec<u64> = line
            .split_ascii_whitespace()
            .map_while(|field| field.parse().ok())
            .collect();
        let at = |index: usize| from_ticks(ticks.get(index).copied().unwrap_or(0));
        sum.count += 1;
        sum.idle += at(3) + at(4);
        sum.interrupts += at(5) + at(6);
        sum.stolen += at(7);
    }
    sum
}

fn from_ticks(ticks: u64) -> Duration {
    let per_second = sysconf(SysconfVar::CLK_TCK)
        .ok()
        .flatten()
        .and_then(|ticks| u64::try_from(ticks).ok())
        .filter(|ticks| *ticks > 0)
        .unwrap_or(100);
    Duration::from_millis(ticks.saturating_mul(1000) / per_second)
}

/// How much of the time between two readings was taken by others, for one arm.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Load {
    /// Share of the time that the service was ready to run and waited for a core.
    pub service_wait: f64,
    /// The same of the load generator.
    pub generator_wait: f64,
    /// Share of all cores' time that the hypervisor took away.
    pub steal: f64,
    /// Share of all cores' time that processes used which are none of ours.
    pub foreign: f64,
    /// Where others used more of the time.
    pub busier: Side,
    /// Share of the response times that requests of an open loop left later than they were due.
    pub late: f64,
    /// Share of the time that the generator's threads were on a core.
    pub generator_cpu: f64,
    /// What took most.
    pub by: Disturbance,
    /// Share that others took of the time that the service could have run, that the requests
    /// took, or that the machine was wanted, and that we were late: the largest of them.
    pub taken: f64,
}

impl Load {
    /// With what the load generator knows of itself.
    pub fn and_late(self, late: f64) -> Self {
        if late <= self.taken {
            return Self { late, ..self };
        }
        Self {
            late,
            taken: late,
            by: Disturbance::LoadGenerator,
            ..self
        }
    }

    /// With several requests under way at once, which a generator without time left makes wait.
    pub fn and_several(self) -> Self {
        if self.generator_cpu < SATURATED {
            return self;
        }
        Self {
            taken: self.taken.max(self.generator_cpu),
            by: Disturbance::LoadGenerator,
            ..self
        }
    }
}

impl Reading {
    /// What happened from this reading to a later one, for each arm that was watched, while
    /// requests were under way for so long.
    pub fn until(&self, later: &Self, under_way: Duration) -> BTreeMap<ArmName, Load> {
        let generator = Generator {
            threads: since(&self.generator, &later.generator),
            under_way,
        };
        let machine = self.machine_until(later);
        let nothing = Threads::new();
        let arms = later.answering.iter().map(|(name, threads)| {
            let earlier = self.answering.get(name).unwrap_or(&nothing);
            (*name, load(since(earlier, threads), generator, &machine))
        });
        arms.collect()
    }

    fn machine_until(&self, later: &Self) -> Used {
        let elapsed = later.at.duration_since(self.at);
        let services = later.services.saturating_sub(self.services);
        let own = later.own.saturating_sub(self.own);
        let serving = later.serving.busy_since(&self.serving, elapsed);
        let driving = later.driving.busy_since(&self.driving, elapsed);
        let stolen_while_serving = later.serving.stolen.saturating_sub(self.serving.stolen);
        if self.are_shared {
            let foreign = serving.saturating_sub(services + own);
            return Used {
                capacity: elapsed * later.serving.count,
                busy: serving,
                stolen: stolen_while_serving,
                foreign,
                beside_services: foreign,
                beside_generator: foreign,
            };
        }
        let busy = serving + driving;
        // What runs elsewhere than where it was put must not pass for foreign work.
        let foreign = busy.saturating_sub(services + own);
        Used {
            capacity: elapsed * (later.serving.count + later.driving.count),
            busy,
            stolen: stolen_while_serving + later.driving.stolen.saturating_sub(self.driving.stolen),
            foreign,
            beside_services: serving.saturating_sub(services).min(foreign),
            beside_generator: driving.saturating_sub(own).min(foreign),
        }
    }
}

impl Cores {
    /// Time these cores ran processes. The kernel counts idleness exactly, and work only by
    /// looking now and then, so this is what is left of the time.
    fn busy_since(&self, earlier: &Self, elapsed: Duration) -> Duration {
        (elapsed * self.count)
            .saturating_sub(self.idle.saturating_sub(earlier.idle))
            .saturating_sub(self.interrupts.saturating_sub(earlier.interrupts))
            .saturating_sub(self.stolen.saturating_sub(earlier.stolen))
    }
}

/// What was used of the machine between two readings.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    /// All there was.
    capacity: Duration,
    /// Used by processes.
    busy: Duration,
    /// Taken by the hypervisor.
    stolen: Duration,
    /// Used by processes that are none of ours.
    foreign: Duration,
    /// The same on the cores of the services, and on that of the generator.
    beside_services: Duration,
    beside_generator: Duration,
}

/// The threads' time between two readings. A thread that ended in between took its counters with
/// it, and one that began counts in full; neither can make the time run backwards.
fn since(earlier: &Threads, later: &Threads) -> Scheduled {
    let mut sum = Scheduled::default();
    for (thread, now) in later {
        let then = match earlier.get(thread) {
            // The number was given to a new thread.
            Some(then) if then.ran > now.ran || then.waited > now.waited => Scheduled::default(),
            Some(then) => *then,
            None => Scheduled::default(),
        };
        sum.ran += now.ran - then.ran;
        sum.waited += now.waited - then.waited;
    }
    sum
}

/// The load generator between two readings.
#[derive(Debug, Clone, Copy, Default)]
struct Generator {
    threads: Scheduled,
    /// How long requests were under way.
    under_way: Duration,
}

/// Waiting alone is no disturbance. A service waits on the quietest machine too: its threads for
/// each other when there are several requests at once, and for its database, which has the same
/// cores. So only as much waiting counts as foreign work on these cores can have caused. And the
/// generator runs so little that it may wait for a long time compared with that, and yet for a
/// short one compared with the requests it times: what counts is the part of these.
fn load(service: Scheduled, generator: Generator, machine: &Used) -> Load {
    let from_service = service.waited.min(machine.beside_services);
    let from_requests = generator.threads.waited.min(machine.beside_generator);
    let by_others = share(from_service, service.ran).max(part(from_requests, generator.under_way));
    let by_hypervisor = share(machine.stolen, machine.busy);
    let (taken, by) = if by_hypervisor > by_others {
        (by_hypervisor, Disturbance::Hypervisor)
    } else {
        (by_others, Disturbance::OtherWork)
    };
    Load {
        by,
        generator_cpu: part(generator.threads.ran, generator.under_way),
        service_wait: share(service.waited, service.ran),
        generator_wait: share(generator.threads.waited, generator.threads.ran),
        steal: part(machine.stolen, machine.capacity),
        foreign: part(machine.foreign, machine.capacity),
        busier: if machine.beside_generator > machine.beside_services {
            Side::Generator
        } else {
            Side::Services
        },
        late: 0.0,
        taken,
    }
}

/// `lost / (lost + used)`, 0 where there is neither.
fn share(lost: Duration, used: Duration) -> f64 {
    part(lost, lost + used)
}

fn part(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() {
        return 0.0;
    }
    (part.as_secs_f64() / whole.as_secs_f64()).min(1.0)
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::thread::sleep;

    use super::*;

    const STAT: &str = "\
cpu  1148009 83115 233059 1021577 12511 0 17005 762 0 0
cpu0 617569 35133 98358 495439 2665 3 8494 377 0 0
cpu1 530439 47981 134700 526137 9846 0 8510 385 0 0
cpu10 1 2 3 4 5 6 7 8 9 10
intr 21313 0 0
ctxt 9
";

    fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn thread(ran: u64, waited: u64) -> Scheduled {
        Scheduled {
            ran: milliseconds(ran),
            waited: milliseconds(waited),
        }
    }

    #[test]
    fn reads_what_the_scheduler_says_about_a_thread() {
        let read = scheduled("12730771011 2973298142 698112\n").unwrap();
        assert_eq!(read.ran, Duration::from_nanos(12_730_771_011));
        assert_eq!(read.waited, Duration::from_nanos(2_973_298_142));
        assert_eq!(scheduled(""), None);
        assert_eq!(scheduled("12 many"), None);
    }

    #[test]
    fn reads_the_lines_of_the_cores_that_were_asked_for() {
        let one = cores(STAT, &[0]);
        assert_eq!(one.count, 1);
        assert_eq!(one.idle, milliseconds((495_439 + 2_665) * 10));
        assert_eq!(one.interrupts, milliseconds((3 + 8_494) * 10));
        assert_eq!(one.stolen, milliseconds(377 * 10));
        assert_eq!(cores(STAT, &[0, 1]).stolen, milliseconds((377 + 385) * 10));
        assert_eq!(cores(STAT, &[7]), Cores::default());
        assert_eq!(cores("", &[0]), Cores::default());
    }

    #[test]
    fn an_old_kernel_without_steal_has_none() {
        let read = cores("cpu0 10 20 30 40\n", &[0]);
        assert_eq!(
            (read.idle, read.stolen),
            (milliseconds(400), Duration::ZERO)
        );
    }

    #[test]
    fn threads_that_begin_and_end_in_between_never_make_time_run_backwards() {
        let earlier = Threads::from([
            (1, thread(100, 10)),
            (2, thread(5_000, 5_000)),
            (3, thread(700, 70)),
        ]);
        let later = Threads::from([
            (1, thread(150, 30)),
            // 2 has ended, 4 is new, and the number of 3 was given to another thread.
            (3, thread(20, 5)),
            (4, thread(7, 3)),
        ]);
        assert_eq!(since(&earlier, &later), thread(50 + 20 + 7, 20 + 5 + 3));
        assert_eq!(since(&later, &Threads::new()), Scheduled::default());
    }

    /// A second on two cores; the services on one of them.
    fn machine(foreign: u64) -> Used {
        Used {
            capacity: milliseconds(2_000),
            busy: milliseconds(800 + foreign),
            stolen: Duration::ZERO,
            foreign: milliseconds(foreign),
            beside_services: milliseconds(foreign),
            beside_generator: Duration::ZERO,
        }
    }

    fn quiet_generator() -> Generator {
        Generator {
            threads: thread(150, 5),
            under_way: milliseconds(900),
        }
    }

    #[test]
    fn waiting_for_foreign_work_disturbs() {
        let load = load(thread(400, 380), quiet_generator(), &machine(500));
        assert!(load.taken > CONTENTION_LIMIT);
        assert!((load.service_wait - 0.487).abs() < 0.001, "{load:?}");
        assert!((load.foreign - 0.25).abs() < 0.001, "{load:?}");
    }

    #[test]
    fn waiting_for_one_another_does_not() {
        let own = load(thread(900, 2_700), quiet_generator(), &machine(20));
        assert!(own.service_wait > 0.7, "{own:?}");
        assert!(own.taken < CONTENTION_LIMIT, "{own:?}");
    }

    #[test]
    fn foreign_work_that_nobody_waits_for_does_not() {
        let load = load(thread(400, 20), quiet_generator(), &machine(900));
        assert!(load.taken < CONTENTION_LIMIT, "{load:?}");
    }

    #[test]
    fn a_generator_that_waits_for_foreign_work_disturbs() {
        let machine = Used {
            beside_services: Duration::ZERO,
            beside_generator: milliseconds(500),
            ..machine(500)
        };
        let generator = |waited| Generator {
            threads: thread(150, waited),
            ..quiet_generator()
        };
        let waited = load(thread(400, 20), generator(300), &machine);
        assert!(waited.taken > CONTENTION_LIMIT, "{waited:?}");
        // As much as it runs, and yet little of the time that requests take.
        let much = load(thread(400, 20), generator(150), &machine);
        assert!(much.taken < CONTENTION_LIMIT, "{much:?}");
        assert!(much.generator_wait > 0.4, "{much:?}");
    }

    #[test]
    fn a_hypervisor_that_takes_the_cores_away_disturbs() {
        let machine = Used {
            stolen: milliseconds(500),
            ..machine(0)
        };
        let load = load(thread(400, 20), quiet_generator(), &machine);
        assert!(
            load.taken > CONTENTION_LIMIT,
            "nobody waits, and yet: {load:?}"
        );
        assert!((load.steal - 0.25).abs() < 0.001, "{load:?}");
    }

    #[test]
    fn nothing_readable_is_no_disturbance() {
        let nothing = load(Scheduled::default(), Generator::default(), &Used::default());
        assert_eq!(nothing, Load::default());
    }

    #[test]
    fn foreign_work_is_told_apart_by_core() {
        let cores = |idle| Cores {
            count: 1,
            idle: milliseconds(idle),
            ..Cores::default()
        };
        let reading = |at, idle: (u64, u64), services, own| Reading {
            at,
            serving: cores(idle.0),
            driving: cores(idle.1),
            are_shared: false,
            answering: BTreeMap::new(),
            generator: Threads::new(),
            services: milliseconds(services),
            own: milliseconds(own),
        };
        let start = Instant::now();
        let earlier = reading(start, (5_000, 5_000), 100, 100);
        let later = reading(start + milliseconds(1_000), (5_100, 5_700), 700, 350);
        let used = earlier.machine_until(&later);
        assert_eq!(used.capacity, milliseconds(2_000));
        assert_eq!(used.busy, milliseconds(900 + 300));
        assert_eq!(used.foreign, milliseconds(1_200 - 600 - 250));
        assert_eq!(used.beside_services, milliseconds(900 - 600));
        assert_eq!(used.beside_generator, milliseconds(300 - 250));
    }

    /// Ends what it runs.
    struct Spinning(Child);

    impl Spinning {
        /// A shell whose child uses all it gets of `core`.
        fn on(core: usize) -> Self {
            let line = "while :; do :; done & wait";
            let shell = Command::new("sh").args(["-c", line]).spawn().unwrap();
            let spinning = Self(shell);
            let deadline = Instant::now() + Duration::from_secs(10);
            while tree::living_descendants(spinning.root()).is_empty() {
                assert!(Instant::now() < deadline, "the shell has no child");
                sleep(milliseconds(1));
            }
            tree::pin(spinning.root(), &[core]);
            spinning
        }

        fn root(&self) -> i32 {
            i32::try_from(self.0.id()).unwrap()
        }
    }

    impl Drop for Spinning {
        fn drop(&mut self) {
            for pid in tree::living_descendants(self.root()) {
                tree::signal(pid, nix::sys::signal::Signal::SIGKILL);
            }
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    #[test]
    fn a_spinning_process_on_the_same_core_is_waited_for() {
        let cores = tree::own_cores();
        let (core, others) = cores.split_first().unwrap();
        let core = *core;
        let driving = if others.is_empty() { &cores } else { others };
        let service = Spinning::on(core);
        let _foreign = Spinning::on(core);
        let watch = Watch {
            answering: BTreeMap::from([(ArmName::Head, service.root())]),
            all: vec![service.root()],
            serving: vec![core],
            driving: driving.to_vec(),
        };
        let before = watch.read();
        sleep(milliseconds(600));
        let load = before.until(&watch.read(), milliseconds(600))[&ArmName::Head];
        assert!(load.service_wait > CONTENTION_LIMIT, "{load:?}");
        assert!(load.foreign > 0.2 / cores.len() as f64, "{load:?}");
        assert!(load.taken > CONTENTION_LIMIT, "{load:?}");
    }
}
