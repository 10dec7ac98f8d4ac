//! Synthetic worlds: kinds of noise that a recording of an hour cannot hold all of.
//!
//! A world is a machine whose speed may drift, hosts that differ, processes that each have their
//! own luck, and rounds. Time passes in slots of one round of one arm. From the same world come
//! a sequential job (all rounds of base, then all rounds of head), an interleaved one (a round of
//! each arm in random order, again and again) and the jobs of earlier days. A block is a fresh
//! process and the median of its [`ROUNDS`] rounds. The magnitudes are stated in each world's
//! `about` and are chosen so that a block's log ratio spreads by 1 to 4 %, as recorded. Must not
//! judge.

use fastrand::Rng;

use crate::procedures::Comparison;
use crate::procedures::bencher::HISTORY;
use crate::procedures::numbers::{mean, median, real};

/// Rounds of a block.
const ROUNDS: usize = 5;
/// Blocks an arm.
const BLOCKS: usize = 24;
/// Rounds of both arms in a job.
const SLOTS: usize = 2 * BLOCKS * ROUNDS;

/// How a machine's speed changes while a job runs.
#[derive(Debug, Clone, Copy)]
enum Machine {
    /// Not at all.
    Steady,
    /// Wanders around its mean, so that two neighbouring blocks of an arm correlate by 0.9.
    Wandering { deviation: f64 },
    /// Switches between two speeds, once in so many slots on average.
    TwoSpeeds { gap: f64, stay: f64 },
    /// Becomes slower at a constant rate, by this much over a job.
    Ramp { total: f64 },
    /// Is disturbed by other programs from time to time.
    Disturbed {
        chance: f64,
        length: f64,
        height: f64,
    },
}

/// One kind of noise. All sizes are in log units: 0.01 is one per cent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World {
    /// Lower snake case.
    pub(crate) name: &'static str,
    /// What it is, with its magnitudes.
    pub(crate) about: &'static str,
    machine: Machine,
    /// The standard deviation between hosts; a job runs on one.
    host: f64,
    /// The standard deviation between processes.
    process: f64,
    /// The scale of a further difference between processes, from Student's t with 3 degrees of
    /// freedom.
    tails: f64,
    /// The standard deviation between the rounds of a process.
    round: f64,
}

/// Nothing but rounds and a trace of layout luck: what the other worlds add to.
const CALM: World = World {
    name: "calm",
    about: "",
    machine: Machine::Steady,
    host: 0.0,
    process: 0.003,
    tails: 0.0,
    round: 0.015,
};

/// Every world, in the order of the tables.
pub(crate) const WORLDS: [World; 9] = [
    World {
        name: "white",
        about: "independent rounds of 2.6 %: a block's ratio spreads by 2 %",
        round: 0.026,
        ..CALM
    },
    World {
        name: "white_wide",
        about: "independent rounds of 5.2 %: a block's ratio spreads by 4 %",
        round: 0.052,
        ..CALM
    },
    World {
        name: "ar1",
        about: "the machine wanders by 3 %, correlation 0.9 from block to block; rounds 1.5 %",
        machine: Machine::Wandering { deviation: 0.03 },
        ..CALM
    },
    World {
        name: "hosts",
        about: "each job on another host, lognormal by 10 %; rounds 1.5 %",
        host: 0.10,
        ..CALM
    },
    World {
        name: "bimodal",
        about: "two speeds 6 % apart, a change every 150 rounds; rounds 1.5 %",
        machine: Machine::TwoSpeeds {
            gap: 0.06,
            stay: 150.0,
        },
        ..CALM
    },
    World {
        name: "spikes",
        about: "other programs for 10 rounds now and then (1 % a round), +30 % on average; rounds 1.5 %",
        machine: Machine::Disturbed {
            chance: 0.01,
            length: 10.0,
            height: 0.30,
        },
        ..CALM
    },
    World {
        name: "ramp",
        about: "8 % slower from begin to end of a job, as when it heats up; rounds 1.5 %",
        machine: Machine::Ramp { total: 0.08 },
        ..CALM
    },
    World {
        name: "process_luck",
        about: "each process has an offset of 2 % that its rounds share; rounds 1.5 %",
        process: 0.02,
        ..CALM
    },
    World {
        name: "heavy_tails",
        about: "each process has an offset of 1.2 % times Student's t with 3 degrees of freedom; rounds 1.5 %",
        tails: 0.012,
        ..CALM
    },
];

/// What one repetition in a world measured, with no change in head yet.
#[derive(Debug)]
pub(crate) struct Measured {
    history: Vec<f64>,
    reported: f64,
    sequential: [Vec<f64>; 2],
    interleaved: [Vec<f64>; 2],
}

impl World {
    /// One repetition: earlier jobs, one that reports head alone, a sequential and an
    /// interleaved one.
    pub(crate) fn measure(self, random: &mut Rng) -> Measured {
        let history = (0..HISTORY).map(|_| self.report(random)).collect();
        Measured {
            history,
            reported: self.report(random),
            sequential: self.sequential(random),
            interleaved: self.interleaved(random),
        }
    }

    /// A job that measures one arm and reports one number.
    fn report(self, random: &mut Rng) -> f64 {
        let mut job = Job::start(self, random);
        mean(&(0..BLOCKS).map(|_| job.block()).collect::<Vec<f64>>())
    }

    fn sequential(self, random: &mut Rng) -> [Vec<f64>; 2] {
        let mut job = Job::start(self, random);
        [(); 2].map(|()| (0..BLOCKS).map(|_| job.block()).collect())
    }

    fn interleaved(self, random: &mut Rng) -> [Vec<f64>; 2] {
        let mut job = Job::start(self, random);
        let (base, head) = (0..BLOCKS).map(|_| job.pair()).unzip();
        [base, head]
    }
}

impl Measured {
    /// The same with head slower by a factor. What is scaled is head only: each tool sees the
    /// same noise with and without the change.
    pub(crate) fn with_head_at(&self, factor: f64) -> Self {
        let slower = |[base, head]: &[Vec<f64>; 2]| {
            let head = head.iter().map(|value| value * factor).collect();
            [base.clone(), head]
        };
        Self {
            history: self.history.clone(),
            reported: self.reported * factor,
            sequential: slower(&self.sequential),
            interleaved: slower(&self.interleaved),
        }
    }

    /// As the peers see it: sequential runs in one job, and where a tool keeps a history, the
    /// means of as many blocks in earlier jobs.
    pub(crate) fn comparison(&self) -> Comparison<'_> {
        Comparison {
            history: &self.history,
            reported: self.reported,
            previous: self.history[self.history.len() - 1],
            current: self.reported,
            base: &self.sequential[0],
            head: &self.sequential[1],
        }
    }

    /// Base and head of the interleaved job.
    pub(crate) fn interleaved(&self) -> &[Vec<f64>; 2] {
        &self.interleaved
    }
}

/// A machine while a job runs on it.
struct Job<'a> {
    world: World,
    random: &'a mut Rng,
    host: f64,
    /// Rounds since the job began.
    slot: usize,
    /// Where a wandering or switching machine is now, or how much a disturbance costs.
    level: f64,
    /// Slots a disturbance still lasts.
    left: f64,
}

impl<'a> Job<'a> {
    fn start(world: World, random: &'a mut Rng) -> Self {
        let host = world.host * normal(random);
        let level = match world.machine {
            Machine::Wandering { deviation } => deviation * normal(random),
            Machine::TwoSpeeds { gap, .. } if random.bool() => gap,
            Machine::Steady
            | Machine::TwoSpeeds { .. }
            | Machine::Ramp { .. }
            | Machine::Disturbed { .. } => 0.0,
        };
        Self {
            world,
            random,
            host,
            slot: 0,
            level,
            left: 0.0,
        }
    }

    /// A block of one arm alone.
    fn block(&mut self) -> f64 {
        let process = self.process();
        median(&[(); ROUNDS].map(|()| self.round(process)))
    }

    /// A block of both arms, round by round in random order.
    fn pair(&mut self) -> (f64, f64) {
        let processes = [self.process(), self.process()];
        let (base, head): (Vec<f64>, Vec<f64>) = (0..ROUNDS)
            .map(|_| {
                if self.random.bool() {
                    let base = self.round(processes[0]);
                    (base, self.round(processes[1]))
                } else {
                    let head = self.round(processes[1]);
                    (self.round(processes[0]), head)
                }
            })
            .unzip();
        (median(&base), median(&head))
    }

    /// The luck of a fresh process.
    fn process(&mut self) -> f64 {
        let tails = if self.world.tails > 0.0 {
            self.world.tails * student_3(self.random)
        } else {
            0.0
        };
        self.world.process * normal(self.random) + tails
    }

    fn round(&mut self, process: f64) -> f64 {
        self.advance();
        let machine = match self.world.machine {
            Machine::Ramp { total } => total * real(self.slot) / real(SLOTS),
            Machine::Steady
            | Machine::Wandering { .. }
            | Machine::TwoSpeeds { .. }
            | Machine::Disturbed { .. } => self.level,
        };
        let noise = self.world.round * normal(self.random);
        (self.host + machine + process + noise).exp()
    }

    /// Lets one slot pass.
    fn advance(&mut self) {
        self.slot += 1;
        match self.world.machine {
            Machine::Steady | Machine::Ramp { .. } => {}
            Machine::Wandering { deviation } => {
                let kept = 0.9_f64.powf(1.0 / real(ROUNDS));
                let fresh = deviation * (1.0 - kept * kept).sqrt();
                self.level = kept * self.level + fresh * normal(self.random);
            }
            Machine::TwoSpeeds { gap, stay } => {
                if self.random.f64() < 1.0 / stay {
                    self.level = gap - self.level;
                }
            }
            Machine::Disturbed {
                chance,
                length,
                height,
            } => {
                self.left -= 1.0;
                if self.left <= 0.0 {
                    self.level = 0.0;
                    if self.random.f64() < chance {
                        self.left = exponential(length, self.random);
                        self.level = exponential(height, self.random);
                    }
                }
            }
        }
    }
}

/// A standard normal number (Box and Muller).
fn normal(random: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}

/// A number from Student's t distribution with 3 degrees of freedom.
fn student_3(random: &mut Rng) -> f64 {
    let squares: f64 = (0..3).map(|_| normal(random).powi(2)).sum();
    normal(random) / (squares / 3.0).sqrt()
}

/// A number from the exponential distribution with this mean.
fn exponential(mean: f64, random: &mut Rng) -> f64 {
    -mean * (1.0 - random.f64()).ln()
}
