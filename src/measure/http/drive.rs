//! Driving the arms of one endpoint, in turns.
//!
//! With one request at a time the arms alternate request by request, in random order within each
//! round; with more, in short slices in a random order and then back: base-head-head-base or its
//! mirror. Never two at once: on shared cores that hides real regressions.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::task::JoinSet;

use super::connection::{Answer, Connection};
use super::prepare::Prepared;
use super::recording::Recording;
use crate::measure::arm::ArmName;

/// Requests after which an endpoint that answered nothing but wrongly is not driven any further.
const GIVE_UP_AFTER: u64 = 20;

/// The arms of one endpoint: those that run.
#[derive(Debug)]
pub struct Arms {
    arms: Vec<(ArmName, Arm)>,
}

#[derive(Debug)]
struct Arm {
    prepared: Prepared,
    address: String,
    connections: Vec<Connection>,
}

/// Called when a slice of one arm begins: freezes and thaws.
pub trait Switch {
    /// `turn` is driven next, the other arms rest.
    fn to(&self, turn: ArmName);
}

impl Arms {
    /// The given requests against the given addresses.
    pub fn new(requests: Vec<(ArmName, Prepared, String)>) -> Self {
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

    /// Drives only these arms from now on.
    pub fn retain(&mut self, running: &[ArmName]) {
        self.arms.retain(|(name, _)| running.contains(name));
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
    ) -> Vec<(ArmName, Recording)> {
        let one_at_a_time = self
            .arms
            .iter()
            .all(|(_, arm)| arm.prepared.endpoint.load.concurrency <= 1);
        if one_at_a_time {
            self.drive_in_rounds(length, random).await
        } else {
            self.drive_slices(length, random, switch).await
        }
    }

    /// Request by request, in random order within each round: all arms get the same number.
    async fn drive_in_rounds(
        &mut self,
        length: Duration,
        random: &mut fastrand::Rng,
    ) -> Vec<(ArmName, Recording)> {
        let mut recordings = self.empty();
        let mut order: Vec<usize> = (0..self.arms.len()).collect();
        let end = Instant::now() + length;
        // At least one round, however slow the endpoint is.
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
            // What a control answers is no reason to measure the others any shorter.
            let is_over = recordings
                .iter()
                .any(|(name, taken)| *name != ArmName::Control && is_hopeless(taken));
            if Instant::now() >= end || is_over {
                return recordings;
            }
        }
    }

    /// Two slices each, in random order and then back, so that a machine that gets slower or
    /// faster meanwhile does so for all alike.
    async fn drive_slices(
        &mut self,
        length: Duration,
        random: &mut fastrand::Rng,
        switch: &impl Switch,
    ) -> Vec<(ArmName, Recording)> {
        let mut recordings = self.empty();
        let order = there_and_back(self.arms.len(), random);
        let slice = length / u32::try_from(order.len()).unwrap_or(u32::MAX).max(1);
        for index in order {
            let (turn, arm) = &mut self.arms[index];
            switch.to(*turn);
            let answers = arm.drive_slice(slice).await;
            recordings[index].1.merge(answers);
        }
        recordings
    }

    fn empty(&self) -> Vec<(ArmName, Recording)> {
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

/// The numbers below `count` in random order, and once more in the opposite one.
fn there_and_back(count: usize, random: &mut fastrand::Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    random.shuffle(&mut order);
    let back: Vec<usize> = order.iter().rev().copied().collect();
    order.extend(back);
    order
}

/// Nothing but wrong answers: driving on would only produce more of them.
pub fn is_hopeless(recording: &Recording) -> bool {
    recording.good() == 0 && recording.wrong_total() >= GIVE_UP_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_go_there_and_back_in_every_order() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let order = there_and_back(3, &mut random);
            assert_eq!(
                order[..3].iter().rev().collect::<Vec<_>>(),
                order[3..].iter().collect::<Vec<_>>()
            );
            seen.insert(order);
        }
        assert_eq!(seen.len(), 6, "{seen:?}");
        assert_eq!(there_and_back(1, &mut random), [0, 0]);
    }
}
