//! Driving the arms of one endpoint, in turns.
//!
//! With one request at a time the arms alternate request by request, in random order within each
//! round; with more, in short slices in a random order and then back: base-head-head-base or its
//! mirror. Never two at once: on shared cores that hides real regressions.

use std::cell::{Cell, Ref, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use tokio::task::{JoinSet, LocalSet};

use super::arrivals::Schedule;
use super::connection::{Answer, Connection, Wrong};
use super::crew::Crew;
use super::origin::Origin;
use super::pacer::Pacer;
use super::prepare::Prepared;
use super::recording::{Due, Recording};
use super::session::{self, Login};
use super::socket::{HOLD, Hold, Wait};
use super::vary::Number;
use crate::measure::arm::ArmName;
use crate::measure::plan::{Endpoint, Load, OpenLoad, Rate};

/// Requests after which an endpoint that answered nothing but wrongly is not driven any further.
const GIVE_UP_AFTER: u64 = 20;
/// Requests at once that show what a service can answer: more only wait for one another.
const SATURATING: u32 = 16;
/// The status that refuses a pass.
const UNAUTHORIZED: u16 = 401;
/// Connections that an open loop is warmed up with.
const WARM_CONNECTIONS: u32 = 4;

/// A warm-up whose median is below this share of that of the one before is not over. Both arms
/// are driven at once then, and identical ones differ by some per cent.
const STILL_WARMING: f64 = 0.95;

/// The arms of one endpoint: those that run.
#[derive(Debug)]
pub struct Arms {
    arms: Vec<(ArmName, Arm)>,
    /// Whether the generator has a core of its own.
    is_apart: bool,
}

/// What is sent to one arm.
#[derive(Debug)]
pub struct Target {
    /// Which arm.
    pub arm: ArmName,
    /// The request, ready for its address.
    pub request: Prepared,
    /// Where it goes.
    pub origin: Origin,
    /// How to log in again when the pass of its session is refused.
    pub login: Option<Login>,
    /// How many requests it was sent in the whole run.
    pub sequence: Rc<Cell<u64>>,
}

#[derive(Debug)]
struct Arm {
    caller: Rc<Caller>,
    connections: Vec<Connection>,
    /// Median latencies of its warm-ups, in order.
    warmth: Vec<Duration>,
}

/// Sends the requests of one arm, and logs in again where its pass has run out.
#[derive(Debug)]
struct Caller {
    prepared: RefCell<Rc<Prepared>>,
    origin: Origin,
    sequence: Rc<Cell<u64>>,
    login: Option<Login>,
    /// Held while logging in: whoever waits for that takes the pass of who did it.
    turn: tokio::sync::Mutex<()>,
    /// How often it has logged in again.
    logins: Cell<u64>,
    /// Whether a new pass was refused as well: then the answer is simply wrong.
    is_refused: Cell<bool>,
}

impl Caller {
    fn endpoint(&self) -> Ref<'_, Endpoint> {
        Ref::map(self.prepared.borrow(), |prepared| &prepared.endpoint)
    }

    fn connection(&self) -> Connection {
        Connection::to(&self.origin)
    }

    /// Sends a request. Also says whether it had to log in first, which nobody may be timed for.
    async fn call(
        &self,
        connection: &mut Connection,
        turn: Turn,
        wait: Wait<'_>,
    ) -> (Answer, bool) {
        let prepared = Rc::clone(&self.prepared.borrow());
        let logins = self.logins.get();
        self.sequence.set(self.sequence.get() + 1);
        let number = Number {
            index: turn.index,
            seed: turn.seed,
            sequence: self.sequence.get(),
        };
        let answer = connection.send(&prepared, number, wait).await;
        let has_run_out =
            matches!(&answer, Answer::Wrong(wrong) if wrong.status == Some(UNAUTHORIZED));
        if !has_run_out || self.is_refused.get() || !self.log_in_after(logins).await {
            return (answer, false);
        }
        let prepared = Rc::clone(&self.prepared.borrow());
        let answer = connection.send(&prepared, number, wait).await;
        if matches!(&answer, Answer::Wrong(wrong) if wrong.status == Some(UNAUTHORIZED)) {
            self.is_refused.set(true);
        }
        (answer, true)
    }

    /// Whether there is a new pass: of this login, or of another one since so many.
    async fn log_in_after(&self, logins: u64) -> bool {
        let Some(login) = &self.login else {
            return false;
        };
        let _turn = self.turn.lock().await;
        if self.logins.get() > logins {
            return true;
        }
        let pass = session::log_in(&login.session, &login.origin).await;
        let request = Rc::clone(&self.prepared.borrow());
        let renewed = pass
            .ok()
            .and_then(|pass| request.at(&self.origin, Some(&pass)).ok());
        match renewed {
            Some(renewed) => {
                self.prepared.replace(Rc::new(renewed));
                self.logins.set(logins + 1);
                true
            }
            None => {
                self.is_refused.set(true);
                false
            }
        }
    }
}

/// Which request of what is driven now: the same one is sent to all arms.
#[derive(Debug, Clone, Copy)]
struct Turn {
    index: u64,
    seed: u64,
}

/// Called when a slice of one arm begins: freezes and thaws.
pub trait Switch {
    /// `turn` is driven next, the other arms rest.
    fn to(&self, turn: ArmName);
}

impl Arms {
    /// The arms that these are sent to.
    pub fn new(targets: Vec<Target>) -> Self {
        let arms = targets
            .into_iter()
            .map(|target| {
                let count = match target.request.endpoint.load {
                    Load::Closed { concurrency } => concurrency,
                    Load::Open(open) => open.connections.min(WARM_CONNECTIONS),
                };
                let caller = Caller {
                    prepared: RefCell::new(Rc::new(target.request)),
                    origin: target.origin,
                    sequence: target.sequence,
                    login: target.login,
                    turn: tokio::sync::Mutex::new(()),
                    logins: Cell::new(0),
                    is_refused: Cell::new(false),
                };
                let arm = Arm {
                    connections: (0..count.max(1)).map(|_| caller.connection()).collect(),
                    caller: Rc::new(caller),
                    warmth: Vec::new(),
                };
                (target.arm, arm)
            })
            .collect();
        Self {
            arms,
            is_apart: false,
        }
    }

    /// Says whether the services run on other cores than we do: then it harms nobody to stay
    /// awake for an answer that comes at once.
    pub fn set_apart(&mut self, is_apart: bool) {
        self.is_apart = is_apart;
    }

    /// Drives only these arms from now on.
    pub fn retain(&mut self, running: &[ArmName]) {
        self.arms.retain(|(name, _)| running.contains(name));
    }

    /// How long the first request takes: one arm after the other, in random order. None where it
    /// was answered wrongly.
    pub async fn first_answers(&mut self, random: &mut fastrand::Rng) -> Vec<(ArmName, Duration)> {
        let mut order: Vec<usize> = (0..self.arms.len()).collect();
        random.shuffle(&mut order);
        let mut firsts = Vec::new();
        for index in order {
            let (name, arm) = &mut self.arms[index];
            let turn = Turn { index: 0, seed: 0 };
            let connection = &mut arm.connections[0];
            let (answer, _) = arm.caller.call(connection, turn, Wait::Yielding).await;
            if let Answer::Good(good) = answer {
                firsts.push((*name, good.latency));
            }
        }
        firsts
    }

    /// Sends untimed requests to all arms for `length`, at the same time: nothing is measured, so
    /// sharing the cores does no harm, and each arm gets the same number. Warming up one arm
    /// after the other would take twice as long.
    pub async fn warm_up(&mut self, length: Duration) {
        let end = Instant::now() + length;
        let mut wrong = 0_u64;
        let mut turn = Turn { index: 0, seed: 0 };
        let mut times: Vec<Vec<Duration>> = vec![Vec::new(); self.arms.len()];
        while Instant::now() < end && wrong < GIVE_UP_AFTER {
            let senders = self
                .arms
                .iter_mut()
                .enumerate()
                .flat_map(|(index, (_, arm))| {
                    let caller = &arm.caller;
                    arm.connections
                        .iter_mut()
                        .map(move |connection| async move {
                            let (answer, _) = caller.call(connection, turn, Wait::Yielding).await;
                            (index, answer)
                        })
                });
            let answers = join_all(senders).await;
            turn.index += 1;
            let mut are_good = true;
            for (index, answer) in &answers {
                match answer {
                    Answer::Good(good) => times[*index].push(good.latency),
                    Answer::Wrong(_) => are_good = false,
                }
            }
            wrong = if are_good { 0 } else { wrong + 1 };
        }
        for ((_, arm), mut times) in self.arms.iter_mut().zip(times) {
            let middle = times.len() / 2;
            if times.len() > middle {
                let (_, median, _) = times.select_nth_unstable(middle);
                arm.warmth.push(*median);
            }
        }
    }

    /// Whether no arm got faster lately: what still compiles or fills its caches would be timed
    /// at its best in the last blocks and at its worst in the first.
    pub fn is_steady(&self) -> bool {
        self.arms
            .iter()
            .all(|(_, arm)| match arm.warmth.as_slice() {
                [.., before, last] => last.as_secs_f64() > before.as_secs_f64() * STILL_WARMING,
                [_] | [] => true,
            })
    }

    /// How many good answers a second base gives at most, or else the first arm that runs: with
    /// as many requests under way as an open loop may have.
    pub async fn capacity(&mut self, length: Duration) -> f64 {
        let Some((_, arm)) = self.arms.iter_mut().min_by_key(|(name, _)| *name) else {
            return 0.0;
        };
        let load = arm.caller.endpoint().load;
        let concurrency = match load {
            Load::Closed { concurrency } => concurrency,
            Load::Open(open) => open.connections.min(SATURATING),
        };
        let recording = arm.drive_closed(concurrency, length, 0).await;
        #[expect(clippy::cast_precision_loss, reason = "requests of a second or two")]
        let good = recording.good() as f64;
        good / recording.driven.as_secs_f64()
    }

    /// Sends so many requests a second from now on, where the load is an open loop.
    pub fn set_rate(&mut self, per_second: f64) {
        for (_, arm) in &mut self.arms {
            let mut prepared = arm.caller.prepared.borrow_mut();
            let prepared = Rc::make_mut(&mut prepared);
            if let Load::Open(open) = &mut prepared.endpoint.load {
                open.rate = Rate::PerSecond(per_second);
            }
        }
    }

    /// Whether there is never more than one request under way.
    pub fn is_one_at_a_time(&self) -> bool {
        let is_one = |arm: &Arm| arm.caller.endpoint().load == Load::Closed { concurrency: 1 };
        self.arms.iter().all(|(_, arm)| is_one(arm))
    }

    /// Drives all arms for `length` together; returns what each answered, in the order given.
    pub async fn drive(
        &mut self,
        length: Duration,
        random: &mut fastrand::Rng,
        switch: &impl Switch,
    ) -> Vec<(ArmName, Recording)> {
        if self.is_one_at_a_time() {
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
        let recordings: Vec<_> = self
            .arms
            .iter()
            .map(|(turn, _)| (*turn, Recording::new()))
            .collect();
        let recordings = RefCell::new(recordings);
        // An answer is recorded while the service works on the next request.
        let last: Cell<Option<(usize, Answer)>> = Cell::new(None);
        let record = || {
            if let Some((index, answer)) = last.take() {
                recordings.borrow_mut()[index].1.take(answer);
            }
        };
        let mut order: Vec<usize> = (0..self.arms.len()).collect();
        let mut turn = Turn {
            index: 0,
            seed: random.u64(..),
        };
        let mut now = Instant::now();
        let end = now + length;
        let mut others_ran = now;
        // At least one round, however slow the endpoint is.
        loop {
            random.shuffle(&mut order);
            for index in &order {
                let (_, arm) = &mut self.arms[*index];
                let start = now;
                let connection = &mut arm.connections[0];
                let wait = Wait::Holding(Hold {
                    meanwhile: &record,
                    is_apart: self.is_apart,
                });
                let (answer, has_logged_in) = arm.caller.call(connection, turn, wait).await;
                now = Instant::now();
                record();
                let recording = &mut recordings.borrow_mut()[*index].1;
                recording.driven += match &answer {
                    Answer::Good(good) if has_logged_in => good.latency,
                    Answer::Good(_) | Answer::Wrong(_) => now - start,
                };
                recording.logins += u64::from(has_logged_in);
                last.set(Some((*index, answer)));
            }
            turn.index += 1;
            // What a control answers is no reason to measure the others any shorter.
            let is_over = recordings
                .borrow()
                .iter()
                .any(|(name, taken)| *name != ArmName::Control && is_hopeless(taken));
            if now >= end || is_over {
                record();
                return recordings.take();
            }
            // Requests that hold the thread never let go of it by themselves.
            if now - others_ran > HOLD {
                tokio::task::yield_now().await;
                now = Instant::now();
                others_ran = now;
            }
        }
    }

    /// Two slices each, in random order and then back, so that a machine that gets slower or
    /// faster meanwhile does so for all alike. All arms are sent the same traffic.
    async fn drive_slices(
        &mut self,
        length: Duration,
        random: &mut fastrand::Rng,
        switch: &impl Switch,
    ) -> Vec<(ArmName, Recording)> {
        let count = self.arms.len();
        let order = there_and_back(count, random);
        let seeds = [random.u64(..), random.u64(..)];
        let slice = length / u32::try_from(order.len()).unwrap_or(u32::MAX).max(1);
        let mut taken: Vec<Option<Recording>> = vec![None; count];
        for (position, index) in order.into_iter().enumerate() {
            let (turn, arm) = &mut self.arms[index];
            switch.to(*turn);
            let load = arm.caller.endpoint().load;
            let seed = seeds[usize::from(position >= count)];
            let answers = match load {
                Load::Closed { concurrency } => arm.drive_closed(concurrency, slice, seed).await,
                Load::Open(open) => arm.drive_open(&open, slice, seed).await,
            };
            match &mut taken[index] {
                Some(earlier) => earlier.merge(answers),
                none => *none = Some(answers),
            }
        }
        self.arms
            .iter()
            .zip(taken)
            .map(|((turn, _), taken)| (*turn, taken.unwrap_or_default()))
            .collect()
    }
}

/// What the tasks that drive one arm share.
struct Shared {
    caller: Rc<Caller>,
    recording: RefCell<Recording>,
    /// Connections that nothing is under way on.
    idle: RefCell<Vec<Connection>>,
    /// Requests that were taken up and are not sent.
    waiting: RefCell<VecDeque<Due>>,
    /// The next request.
    turn: Cell<Turn>,
}

impl Shared {
    fn next_turn(&self) -> Turn {
        let turn = self.turn.get();
        self.turn.set(Turn {
            index: turn.index + 1,
            ..turn
        });
        turn
    }
}

impl Arm {
    fn shared(&mut self, recording: Recording, seed: u64) -> Rc<Shared> {
        Rc::new(Shared {
            caller: Rc::clone(&self.caller),
            recording: RefCell::new(recording),
            idle: RefCell::new(std::mem::take(&mut self.connections)),
            waiting: RefCell::default(),
            turn: Cell::new(Turn { index: 0, seed }),
        })
    }

    /// All connections at once until the slice is over; what is under way then is awaited, each
    /// request no longer than its time-out.
    async fn drive_closed(&mut self, concurrency: u32, length: Duration, seed: u64) -> Recording {
        let shared = self.shared(Recording::new(), seed);
        let start = Instant::now();
        let end = start + length;
        let count = concurrency.max(1) as usize;
        // Where none can be had, the runtime does the same, only slower.
        let crew = if self.caller.origin.is_plain() {
            Crew::new(count).ok()
        } else {
            None
        };
        let ask = |index: usize| {
            let wait = match &crew {
                Some(crew) => Wait::Seated(crew.seat(index)),
                None => Wait::Yielding,
            };
            let connection = shared.idle.borrow_mut().pop();
            let mut connection = connection.unwrap_or_else(|| self.caller.connection());
            let shared = Rc::clone(&shared);
            async move {
                let mut now = start;
                while now < end && !is_hopeless(&shared.recording.borrow()) {
                    let turn = shared.next_turn();
                    let (answer, has_logged_in) =
                        shared.caller.call(&mut connection, turn, wait).await;
                    now = match &answer {
                        Answer::Good(good) => good.sent + good.latency,
                        Answer::Wrong(_) => Instant::now(),
                    };
                    let mut recording = shared.recording.borrow_mut();
                    recording.logins += u64::from(has_logged_in);
                    recording.take(answer);
                }
                shared.idle.borrow_mut().push(connection);
            }
        };
        let all: Vec<_> = (0..count).map(ask).collect();
        match &crew {
            Some(crew) => {
                if let Err(error) = crew.work(all).await {
                    shared.wrong("no epoll", format!("waiting failed: {error}"));
                }
            }
            None => {
                let all: FuturesUnordered<_> = all.into_iter().collect();
                all.collect::<()>().await;
            }
        }
        self.take_back(&shared, start)
    }

    /// Sends each request when it is due. When the slice is over, what was due is awaited for as
    /// long as one request may take; what is not answered then is counted as that.
    async fn drive_open(&mut self, open: &OpenLoad, length: Duration, seed: u64) -> Recording {
        let shared = self.shared(Recording::of_open_loop(), seed);
        let start = Instant::now();
        let driven = LocalSet::new()
            .run_until(self.send_when_due(&shared, open, start, length))
            .await;
        if let Err(error) = driven {
            shared.wrong("no timer", format!("the timer failed: {error}"));
        }
        let mut recording = self.take_back(&shared, start);
        recording.due_within = length;
        recording
    }

    async fn send_when_due(
        &self,
        shared: &Rc<Shared>,
        open: &OpenLoad,
        start: Instant,
        length: Duration,
    ) -> std::io::Result<()> {
        let Rate::PerSecond(rate) = open.rate else {
            unreachable!("the rate is known before anything is driven")
        };
        let mut pacer = Pacer::new()?;
        let mut workers = JoinSet::new();
        let mut sent = 0_u64;
        let schedule = Schedule::new(open.arrivals, rate, shared.turn.get().seed);
        // At least one, however low the rate is: a slice without a request says nothing.
        for offset in schedule.enumerate().map_while(|(index, at)| {
            let is_due = index == 0 || at < length;
            is_due.then_some(at.min(length))
        }) {
            let at = start + offset;
            pacer.until(at).await?;
            let due = Due {
                at,
                taken_up: Instant::now(),
            };
            shared.recording.borrow_mut().take_send_lag(due);
            shared.waiting.borrow_mut().push_back(due);
            sent += 1;
            while workers.try_join_next().is_some() {}
            let idle = shared.idle.borrow_mut().pop();
            let fresh = || {
                let is_room = workers.len() < open.connections.max(1) as usize;
                is_room.then(|| self.caller.connection())
            };
            if let Some(connection) = idle.or_else(fresh) {
                workers.spawn_local(work_off(Rc::clone(shared), connection));
            }
            if is_hopeless(&shared.recording.borrow()) {
                break;
            }
        }
        let limit = self.caller.endpoint().time_out;
        let all_back = async { while workers.join_next().await.is_some() {} };
        let _over = tokio::time::timeout(limit, all_back).await;
        let recording = &shared.recording;
        let answered = recording.borrow().good() + recording.borrow().wrong_total();
        for _ in answered..sent {
            let limit = limit.as_secs_f64();
            let example = format!("not answered {limit} s after the last request was due");
            shared.wrong("unanswered", example);
        }
        Ok(())
    }

    /// Ends a slice: the connections are kept for the next one.
    fn take_back(&mut self, shared: &Shared, start: Instant) -> Recording {
        self.connections = shared.idle.take();
        let mut recording = shared.recording.take();
        recording.driven = start.elapsed();
        recording
    }
}

impl Shared {
    fn wrong(&self, kind: &str, example: String) {
        let kind = kind.to_owned();
        let answer = Answer::Wrong(Wrong {
            kind,
            example,
            status: None,
        });
        self.recording.borrow_mut().take(answer);
    }
}

/// Sends what waits on one connection until nothing does.
async fn work_off(shared: Rc<Shared>, mut connection: Connection) {
    loop {
        let next = shared.waiting.borrow_mut().pop_front();
        let Some(due) = next else { break };
        let turn = shared.next_turn();
        let (answer, has_logged_in) = shared
            .caller
            .call(&mut connection, turn, Wait::Yielding)
            .await;
        let due = (!has_logged_in).then_some(due);
        let mut recording = shared.recording.borrow_mut();
        recording.logins += u64::from(has_logged_in);
        recording.take_due(answer, due);
    }
    shared.idle.borrow_mut().push(connection);
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
    use std::path::Path;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::measure::http::recording::quantile_ms;
    use crate::measure::plan::{Arrivals, Body, Expect, Request};

    const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    const BAD: &str = "HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno";

    struct NoSwitch;

    impl Switch for NoSwitch {
        fn to(&self, _turn: ArmName) {}
    }

    /// A server that answers request number `n`, counted over all connections, after some
    /// milliseconds with some text; without a text it never does.
    fn serve(answer: fn(u64) -> (u64, Option<&'static str>)) -> String {
        let (told, address) = std::sync::mpsc::channel();
        // In a thread of its own: a request may hold the one that it is sent from.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            LocalSet::new().block_on(&runtime, answer_with(answer, told));
        });
        address.recv().unwrap()
    }

    async fn answer_with(
        answer: fn(u64) -> (u64, Option<&'static str>),
        told: std::sync::mpsc::Sender<String>,
    ) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        told.send(listener.local_addr().unwrap().to_string())
            .unwrap();
        let count = Rc::new(std::cell::Cell::new(0));
        {
            while let Ok((mut stream, _)) = listener.accept().await {
                let count = Rc::clone(&count);
                tokio::task::spawn_local(async move {
                    let mut buffer = [0; 1024];
                    while matches!(stream.read(&mut buffer).await, Ok(read) if read > 0) {
                        count.set(count.get() + 1);
                        let (milliseconds, text) = answer(count.get());
                        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                        let Some(text) = text else {
                            std::future::pending().await
                        };
                        // A client that gave up has closed it.
                        let _closed = stream.write_all(text.as_bytes()).await;
                    }
                });
            }
        }
    }

    fn arm(name: ArmName, address: &str, load: Load) -> Target {
        let endpoint = Endpoint {
            name: "list".to_owned(),
            service: "api".to_owned(),
            request: Request {
                method: "GET".to_owned(),
                path: "/".to_owned(),
                headers: [].into(),
                body: Body::Empty,
                variables: [].into(),
            },
            expect: Expect::default(),
            load,
            time_out: Duration::from_millis(300),
            time_limit: None,
            session: None,
            cold_start: false,
            batch: None,
            has_read_budget: false,
        };
        let prepared = Prepared::new(&endpoint, Path::new(".")).unwrap();
        Target {
            arm: name,
            request: prepared.at(&Origin::plain(address), None).unwrap(),
            origin: Origin::plain(address),
            login: None,
            sequence: Rc::default(),
        }
    }

    fn at_rate(per_second: f64, connections: u32) -> Load {
        Load::Open(OpenLoad {
            rate: Rate::PerSecond(per_second),
            arrivals: Arrivals::Poisson,
            connections,
        })
    }

    /// What each arm answers in 400 ms.
    fn drive(
        answer: fn(u64) -> (u64, Option<&'static str>),
        names: &[ArmName],
        load: Load,
    ) -> Vec<Recording> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        LocalSet::new().block_on(&runtime, async {
            let mut all = Vec::new();
            for name in names {
                all.push(arm(*name, &serve(answer), load));
            }
            let mut random = fastrand::Rng::with_seed(3);
            let driven = Arms::new(all)
                .drive(Duration::from_millis(400), &mut random, &NoSwitch)
                .await;
            driven.into_iter().map(|(_, recording)| recording).collect()
        })
    }

    #[test]
    fn at_a_rate_all_arms_get_the_same_traffic() {
        let both = [ArmName::Base, ArmName::Head];
        let recordings = drive(|_| (2, Some(GOOD)), &both, at_rate(400.0, 50));
        let sent: Vec<u64> = recordings
            .iter()
            .map(|one| one.open.as_ref().unwrap().send_lags.len())
            .collect();
        assert_eq!(sent[0], sent[1]);
        assert!((40..130).contains(&sent[0]), "80 on average: {}", sent[0]);
        for one in recordings {
            assert_eq!((one.good(), one.wrong_total()), (sent[0], 0));
            assert_eq!(one.due_within, Duration::from_millis(200));
        }
    }

    #[test]
    fn a_rate_lower_than_a_slice_is_long_still_sends_a_request() {
        let both = [ArmName::Base, ArmName::Head];
        for one in drive(|_| (1, Some(GOOD)), &both, at_rate(0.01, 5)) {
            // Two slices of each arm.
            assert_eq!((one.good(), one.wrong_total()), (2, 0));
        }
    }

    #[test]
    fn a_response_time_counts_from_when_the_request_was_due() {
        // One connection, 20 ms each, 200 a second: most of the time is spent waiting.
        let recordings = drive(|_| (20, Some(GOOD)), &[ArmName::Head], at_rate(200.0, 1));
        let one = &recordings[0];
        let open = one.open.as_ref().unwrap();
        let service = quantile_ms(&one.latencies, 0.5);
        let response = quantile_ms(&open.responses, 0.5);
        let queue = quantile_ms(&open.queue_waits, 0.5);
        assert!((15.0..80.0).contains(&service), "{service}");
        assert!(response > 2.0 * service, "{response} of it {service}");
        assert!(queue > service, "{queue}");
        assert!(
            one.quantile_ms(0.5) >= response,
            "the response time is judged"
        );
    }

    #[test]
    fn what_is_not_answered_in_the_end_is_counted() {
        let answer = |number| (1, (number <= 5).then_some(GOOD));
        let recordings = drive(answer, &[ArmName::Head], at_rate(200.0, 50));
        let one = &recordings[0];
        let sent = one.open.as_ref().unwrap().send_lags.len();
        assert_eq!(one.good(), 5);
        assert_eq!(one.wrong_total(), sent - 5, "{:?}", one.wrong);
        assert!(one.driven < Duration::from_secs(2), "{:?}", one.driven);
    }

    #[test]
    fn wrong_answers_are_counted_by_kind_and_never_timed() {
        for load in [
            at_rate(200.0, 10),
            Load::Closed { concurrency: 1 },
            Load::Closed { concurrency: 4 },
        ] {
            let recordings = drive(|_| (0, Some(BAD)), &[ArmName::Head], load);
            let one = &recordings[0];
            assert_eq!(one.good(), 0);
            assert!(one.judged().is_empty());
            assert_eq!(one.wrong.keys().collect::<Vec<_>>(), ["status 500"]);
            assert!(is_hopeless(one), "{:?}", one.wrong);
            let later = drive(
                |number| (1, Some(if number > 10 { BAD } else { GOOD })),
                &[ArmName::Head],
                load,
            );
            assert_eq!(later[0].good(), 10);
            assert!(later[0].wrong["status 500"] > 10, "{:?}", later[0].wrong);
        }
    }

    #[test]
    fn a_request_that_is_never_answered_ends_at_its_time_out() {
        let answer = |number| (1, (number <= 8).then_some(GOOD));
        for concurrency in [1, 4] {
            let load = Load::Closed { concurrency };
            let start = Instant::now();
            let one = &drive(answer, &[ArmName::Head], load)[0];
            assert_eq!(one.good(), 8);
            assert!(one.wrong["time-out"] >= 1, "{:?}", one.wrong);
            assert!(start.elapsed() < Duration::from_secs(3));
        }
    }

    #[test]
    fn a_service_that_closes_after_each_answer_is_connected_to_again() {
        const LAST: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
        for concurrency in [1, 4] {
            let load = Load::Closed { concurrency };
            let one = &drive(|_| (1, Some(LAST)), &[ArmName::Head], load)[0];
            assert!(one.good() > 40, "{}", one.good());
            assert_eq!(one.connects.len(), one.good());
            assert_eq!(one.wrong_total(), 0, "{:?}", one.wrong);
        }
    }

    #[test]
    fn what_the_service_closes_is_closed_here_at_once() {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (tell, told) = std::sync::mpsc::channel();
        // One connection at a time, and no other before the client has closed the one before.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut room = [0; 4096];
                let asked = stream.read(&mut room).unwrap();
                let last = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
                // A client whose time was up has gone.
                let _gone = stream.write_all(last.as_bytes());
                stream.shutdown(std::net::Shutdown::Write).ok();
                let limit = Duration::from_secs(2);
                stream.set_read_timeout(Some(limit)).unwrap();
                let is_closed = !stream
                    .read(&mut room)
                    .is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
                if asked > 0 {
                    tell.send(is_closed).ok();
                }
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let mut arms = Arms::new(vec![arm(
            ArmName::Head,
            &address,
            Load::Closed { concurrency: 1 },
        )]);
        let mut random = fastrand::Rng::with_seed(3);
        let length = Duration::from_millis(100);
        let driven = runtime.block_on(arms.drive(length, &mut random, &NoSwitch));
        assert!(driven[0].1.good() > 1, "{}", driven[0].1.good());
        // The last one too, though nobody needs another connection: the arms are still there.
        for number in 0..driven[0].1.good() {
            let is_closed = told.recv_timeout(Duration::from_secs(5));
            assert!(is_closed.unwrap(), "{number}");
        }
        drop(arms);
    }

    /// Answers every request with the body it came with, slowly read and slowly written.
    fn echo() -> String {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut seen = Vec::new();
                    let mut room = vec![0; 200_000];
                    while let Ok(count @ 1..) = stream.read(&mut room) {
                        seen.extend_from_slice(&room[..count]);
                        let head = seen.windows(4).position(|four| four == b"\r\n\r\n");
                        let Some(head) = head else { continue };
                        if seen.len() < head + 4 + LARGE {
                            continue;
                        }
                        let head_out =
                            format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n");
                        stream.write_all(head_out.as_bytes()).unwrap();
                        for piece in seen[head + 4..].chunks(300_000) {
                            std::thread::sleep(Duration::from_millis(1));
                            // A client that gave up has closed it.
                            let _closed = stream.write_all(piece);
                        }
                        seen.clear();
                    }
                });
            }
        });
        address
    }

    const LARGE: usize = 3_000_000;

    #[test]
    fn what_is_larger_than_a_socket_holds_goes_out_and_comes_in_whole() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        for concurrency in [1, 3] {
            let address = echo();
            let mut target = arm(ArmName::Head, &address, Load::Closed { concurrency });
            let mut endpoint = target.request.endpoint.clone();
            endpoint.request.method = "POST".to_owned();
            let body: String = (0..LARGE)
                .map(|at| char::from(b'a' + (at % 23) as u8))
                .collect();
            endpoint.expect.sha256 = Some(
                sha2::Digest::finalize(sha2::Digest::chain_update(
                    <sha2::Sha256 as sha2::Digest>::new(),
                    &body,
                ))
                .into(),
            );
            endpoint.request.body = Body::Text(body);
            endpoint.time_out = Duration::from_secs(20);
            let prepared = Prepared::new(&endpoint, Path::new(".")).unwrap();
            target.request = prepared.at(&Origin::plain(&address), None).unwrap();
            let driven = runtime.block_on(async {
                let mut arms = Arms::new(vec![target]);
                let mut random = fastrand::Rng::with_seed(3);
                let length = Duration::from_millis(400);
                arms.drive(length, &mut random, &NoSwitch).await
            });
            let one = &driven[0].1;
            assert_eq!(one.wrong_total(), 0, "{:?} {:?}", one.wrong, one.example);
            assert!(one.good() >= u64::from(concurrency), "{}", one.good());
        }
    }

    #[test]
    fn a_refused_connection_is_a_wrong_answer() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        for load in [at_rate(200.0, 10), Load::Closed { concurrency: 4 }] {
            let driven = runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap().to_string();
                drop(listener);
                let mut arms = Arms::new(vec![arm(ArmName::Head, &address, load)]);
                let mut random = fastrand::Rng::with_seed(3);
                let length = Duration::from_millis(300);
                arms.drive(length, &mut random, &NoSwitch).await
            });
            let one = &driven[0].1;
            assert_eq!(one.good(), 0);
            assert!(one.wrong["connection refused"] > 0, "{:?}", one.wrong);
        }
    }

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
