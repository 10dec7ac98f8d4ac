//! Driving both arms of one endpoint, in turns.
//!
//! With one request at a time the arms alternate request by request, in random order within each
//! pair; with more, in short slices ordered base-head-head-base or its mirror. Never both at
//! once: on shared cores that hides real regressions.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::task::JoinSet;

use super::connection::{Answer, Connection};
use super::prepare::Prepared;
use super::recording::Recording;

/// Requests after which an endpoint that answered nothing but wrongly is not driven any further.
const GIVE_UP_AFTER: u64 = 20;

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The base arm, index 0.
    Base,
    /// The head arm, index 1.
    Head,
}

/// The arms of one endpoint: base where it exists, and head.
#[derive(Debug)]
pub struct Arms {
    arms: Vec<(Turn, Arm)>,
}

#[derive(Debug)]
struct Arm {
    prepared: Prepared,
    address: String,
    connections: Vec<Connection>,
}

/// Called when a slice of one arm begins, with the arm that stays idle: freezes and thaws.
pub trait Switch {
    /// `turn` is driven next, the other arm rests.
    fn to(&self, turn: Turn);
}

impl Arms {
    /// The given requests against the given addresses, in the order base, head.
    pub fn new(requests: Vec<(Turn, Prepared, String)>) -> Self {
        let arms = requests
            .into_iter()
            .map(|(turn, prepared, address)| {
                let count = prepared.endpoint.load.concurrency.max(1);
                let connections = (0..count).map(|_| Connection::to(&address)).collect();
                let arm = Arm {
                    prepared,
                    address,
                    connections,
                };
                (turn, arm)
            })
            .collect();
        Self { arms }
    }

    /// Sends untimed requests to all arms for `length`, at the same time: nothing is measured, so
    /// sharing the cores does no harm, and each arm gets the same number. Warming up one arm
    /// after the other would take twice as long.
    pub async fn warm_up(&mut self, length: Duration) {
        let end = Instant::now() + length;
        let mut wrong = 0_u64;
        while Instant::now() < end && wrong < GIVE_UP_AFTER {
            let senders = self.arms.iter_mut().flat_map(|(_, arm)| {
                let prepared = &arm.prepared;
                arm.connections
                    .iter_mut()
                    .map(move |connection| connection.send(prepared))
            });
            let answers = join_all(senders).await;
            wrong = if answers
                .iter()
                .all(|answer| matches!(answer, Answer::Good { .. }))
            {
                0
            } else {
                wrong + 1
            };
        }
    }

    /// Drives all arms for `length` together; returns what each answered, in the order given.
    pub async fn drive(
        &mut self,
        length: Duration,
        random: &mut fastrand::Rng,
        switch: &impl Switch,
    ) -> Vec<(Turn, Recording)> {
        let one_at_a_time = self
            .arms
            .iter()
            .all(|(_, arm)| arm.prepared.endpoint.load.concurrency <= 1);
        if one_at_a_time {
            self.drive_pairs(length, random).await
        } else {
            self.drive_slices(length, random, switch).await
        }
    }

    /// Request by request, in random order within each pair: both arms get the same number.
    async fn drive_pairs(
        &mut self,
        length: Duration,
        random: &mut fastrand::Rng,
    ) -> Vec<(Turn, Recording)> {
        let mut recordings = self.empty();
        let mut order: Vec<usize> = (0..self.arms.len()).collect();
        let end = Instant::now() + length;
        // At least one pair, however slow the endpoint is.
        loop {
            random.shuffle(&mut order);
            for index in &order {
                let (_, arm) = &mut self.arms[*index];
                let start = Instant::now();
                let answer = arm.connections[0].send(&arm.prepared).await;
                let recording = &mut recordings[*index].1;
                recording.driven += start.elapsed();
                recording.take(answer);
            }
            if Instant::now() >= end || recordings.iter().any(|(_, taken)| is_hopeless(taken)) {
                return recordings;
            }
        }
    }

    /// Four slices, base-head-head-base or its mirror.
    async fn drive_slices(
        &mut self,
        length: Duration,
        random: &mut fastrand::Rng,
        switch: &impl Switch,
    ) -> Vec<(Turn, Recording)> {
        let mut recordings = self.empty();
        let first = if random.bool() {
            0
        } else {
            self.arms.len() - 1
        };
        let second = self.arms.len() - 1 - first;
        let order = [first, second, second, first];
        for index in order {
            let (turn, arm) = &mut self.arms[index];
            switch.to(*turn);
            let slice = arm.drive_slice(length / 4).await;
            recordings[index].1.merge(slice);
        }
        recordings
    }

    fn empty(&self) -> Vec<(Turn, Recording)> {
        self.arms
            .iter()
            .map(|(turn, _)| (*turn, Recording::new()))
            .collect()
    }
}

impl Arm {
    /// All connections at once until the slice is over; what is under way then is awaited.
    async fn drive_slice(&mut self, length: Duration) -> Recording {
        let start = Instant::now();
        let end = start + length;
        let mut workers = JoinSet::new();
        for mut connection in self.connections.drain(..) {
            let prepared = self.prepared.clone();
            workers.spawn(async move {
                let mut recording = Recording::new();
                while Instant::now() < end && !is_hopeless(&recording) {
                    recording.take(connection.send(&prepared).await);
                }
                (connection, recording)
            });
        }
        let mut sum = Recording::new();
        while let Some(finished) = workers.join_next().await {
            if let Ok((connection, recording)) = finished {
                self.connections.push(connection);
                sum.merge(recording);
            }
        }
        let wanted = self.prepared.endpoint.load.concurrency.max(1) as usize;
        while self.connections.len() < wanted {
            self.connections.push(Connection::to(&self.address));
        }
        sum.driven = start.elapsed();
        sum
    }
}

/// Nothing but wrong answers: driving on would only produce more of them.
fn is_hopeless(recording: &Recording) -> bool {
    recording.good() == 0 && recording.wrong_total() >= GIVE_UP_AFTER
}
