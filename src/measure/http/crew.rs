//! The connections of one load, driven by one loop.
//!
//! A runtime that serves everything wakes each task through queues and flags made for threads.
//! Here there is one thread and a few sockets: the kernel says whose answer came, and that one
//! goes on. What is neither sent nor read by hand (opening a connection, logging in) is still
//! the runtime's, which gets its turn whenever someone waits for it, and every [`HOLD`].

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Sleep, sleep_until};

use super::socket::HOLD;

/// Answers that are taken from the kernel at once.
const EVENTS: usize = 64;
/// [`HOLD`], as the kernel wants it.
const HOLD_MS: u8 = 20;

/// Sockets that are waited for together, one for each seat.
#[derive(Debug)]
pub(super) struct Crew {
    epoll: Rc<Epoll>,
    seats: Vec<Flags>,
    /// Whether everyone is asked now: the time to look at the clock.
    is_roll_call: Cell<bool>,
}

/// What is known of one seat.
#[derive(Debug, Default)]
struct Flags {
    /// Whether its socket has something to say that it did not look at.
    is_called: Cell<bool>,
    /// Whether it waits for its socket, and for nothing else.
    waits: Cell<bool>,
}

/// A place in a crew.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seat<'c> {
    crew: &'c Crew,
    index: usize,
}

/// Which crew a socket is known to.
#[derive(Debug, Default)]
pub(super) struct Membership(Weak<Epoll>);

impl Crew {
    /// So many seats.
    pub(super) fn new(seats: usize) -> io::Result<Self> {
        Ok(Self {
            epoll: Rc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?),
            seats: std::iter::repeat_with(Flags::default).take(seats).collect(),
            is_roll_call: Cell::new(false),
        })
    }

    /// One of the seats.
    pub(super) fn seat(&self, index: usize) -> Seat<'_> {
        Seat { crew: self, index }
    }

    /// Does the work of every seat to its end, in the order of the seats.
    pub(super) async fn work<F: Future<Output = ()>>(&self, work: Vec<F>) -> io::Result<()> {
        let mut shift = Shift {
            crew: self,
            left: work.len(),
            waiting: 0,
            work: work.into_iter().map(|one| Some(Box::pin(one))).collect(),
            bell: None,
            nap: Box::pin(sleep_until(tokio::time::Instant::now())),
        };
        std::future::poll_fn(|context| shift.poll(context)).await
    }
}

impl Seat<'_> {
    /// Returns when the kernel has something to say of the socket: perhaps less than hoped for,
    /// never less than there is.
    pub(super) async fn called(
        self,
        socket: &impl AsFd,
        member: &mut Membership,
    ) -> io::Result<()> {
        let epoll = &self.crew.epoll;
        if !std::ptr::eq(member.0.as_ptr(), Rc::as_ptr(epoll)) {
            let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
            epoll.add(socket, EpollEvent::new(flags, self.index as u64))?;
            member.0 = Rc::downgrade(epoll);
        }
        let flags = &self.crew.seats[self.index];
        std::future::poll_fn(|_| {
            if flags.is_called.take() {
                return Poll::Ready(Ok(()));
            }
            flags.waits.set(true);
            Poll::Pending
        })
        .await
    }

    /// Whether it is time to look at the clock.
    pub(super) fn is_roll_call(self) -> bool {
        self.crew.is_roll_call.get()
    }
}

/// The work of a crew, under way.
struct Shift<'c, F> {
    crew: &'c Crew,
    /// None where it is done.
    work: Vec<Option<Pin<Box<F>>>>,
    /// How many are not done.
    left: usize,
    /// How many of them wait for their sockets, and for nothing else.
    waiting: usize,
    /// Tells the runtime that a socket calls, while someone waits for the runtime.
    bell: Option<AsyncFd<Bell>>,
    /// Then the clock is looked at as often as otherwise.
    nap: Pin<Box<Sleep>>,
}

#[derive(Debug)]
struct Bell(RawFd);

impl AsRawFd for Bell {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

impl<F: Future<Output = ()>> Shift<'_, F> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Whom the runtime means is not said.
        self.crew.is_roll_call.set(true);
        for index in 0..self.work.len() {
            self.go_on(index, context);
        }
        self.crew.is_roll_call.set(false);
        let end = Instant::now() + HOLD;
        let mut events = [EpollEvent::empty(); EVENTS];
        loop {
            if self.left == 0 {
                return Poll::Ready(Ok(()));
            }
            let may_hold = self.waiting == self.left;
            if may_hold {
                self.bell = None;
            }
            let limit = if may_hold { HOLD_MS } else { 0 };
            let called = match self.crew.epoll.wait(&mut events, limit) {
                Err(Errno::EINTR) => 0,
                called => called?,
            };
            for event in &events[..called] {
                let index = usize::try_from(event.data()).unwrap_or(usize::MAX);
                if let Some(seat) = self.crew.seats.get(index) {
                    seat.is_called.set(true);
                    self.go_on(index, context);
                }
            }
            if Instant::now() >= end || (called == 0 && may_hold) {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if called == 0 && self.listen(context)?.is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Lets one of them do what it can.
    fn go_on(&mut self, index: usize, context: &mut Context<'_>) {
        let Some(work) = &mut self.work[index] else {
            return;
        };
        let waits = &self.crew.seats[index].waits;
        self.waiting -= usize::from(waits.take());
        if work.as_mut().poll(context).is_ready() {
            self.work[index] = None;
            self.left -= 1;
        } else {
            self.waiting += usize::from(waits.get());
        }
    }

    /// Pending once the runtime wakes us for every socket that calls, and after [`HOLD`].
    fn listen(&mut self, context: &mut Context<'_>) -> io::Result<Poll<()>> {
        let bell = match &self.bell {
            Some(bell) => bell,
            None => {
                let bell = Bell(self.crew.epoll.0.as_raw_fd());
                #[expect(
                    deprecated,
                    reason = "its successor is unsafe; the descriptor stays the crew's own"
                )]
                let bell = AsyncFd::with_interest(bell, Interest::READABLE)?;
                self.bell.insert(bell)
            }
        };
        if let Poll::Ready(rung) = bell.poll_read_ready(context) {
            rung?.clear_ready();
            return Ok(Poll::Ready(()));
        }
        self.nap.as_mut().reset(tokio::time::Instant::now() + HOLD);
        Ok(self.nap.as_mut().poll(context))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(future)
    }

    fn pairs(count: usize) -> Vec<(UnixStream, UnixStream)> {
        (0..count)
            .map(|_| {
                let (ours, theirs) = UnixStream::pair().unwrap();
                ours.set_nonblocking(true).unwrap();
                (ours, theirs)
            })
            .collect()
    }

    #[test]
    fn each_goes_on_when_its_socket_calls_and_sees_every_byte() {
        let pairs = pairs(3);
        let crew = Crew::new(3).unwrap();
        let order = RefCell::new(Vec::new());
        let work = |index: usize| {
            let (crew, order) = (&crew, &order);
            let (mut ours, mut theirs) = {
                let (ours, theirs) = &pairs[index];
                (ours.try_clone().unwrap(), theirs.try_clone().unwrap())
            };
            async move {
                let writer = std::thread::spawn(move || {
                    for byte in 0..100 {
                        // The last one is the quickest.
                        std::thread::sleep(Duration::from_micros(400 * (3 - index as u64)));
                        theirs.write_all(&[byte]).unwrap();
                    }
                });
                let mut member = Membership::default();
                let mut seen = Vec::new();
                let mut room = [0; 8];
                while seen.len() < 100 {
                    crew.seat(index).called(&ours, &mut member).await.unwrap();
                    while let Ok(count) = ours.read(&mut room) {
                        seen.extend_from_slice(&room[..count]);
                    }
                }
                assert_eq!(seen, (0..100).collect::<Vec<u8>>());
                writer.join().unwrap();
                order.borrow_mut().push(index);
            }
        };
        block_on(crew.work((0..3).map(work).collect())).unwrap();
        assert_eq!(*order.borrow(), [2, 1, 0]);
    }

    #[test]
    fn who_waits_for_the_runtime_and_who_waits_for_a_socket_do_not_hold_each_other_up() {
        let pairs = pairs(1);
        let crew = Crew::new(2).unwrap();
        let start = Instant::now();
        let napped = Cell::new(Duration::MAX);
        let called = Cell::new(Duration::MAX);
        let work = |index: usize| {
            let (crew, pairs) = (&crew, &pairs);
            let (napped, called) = (&napped, &called);
            async move {
                if index == 0 {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    napped.set(start.elapsed());
                    return;
                }
                let (ours, theirs) = &pairs[0];
                let mut theirs = theirs.try_clone().unwrap();
                let writer = std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(100));
                    theirs.write_all(b"!").unwrap();
                });
                let mut member = Membership::default();
                let mut room = [0];
                while { ours }.read(&mut room).is_err() {
                    crew.seat(1).called(ours, &mut member).await.unwrap();
                }
                called.set(start.elapsed());
                writer.join().unwrap();
            }
        };
        block_on(crew.work((0..2).map(work).collect())).unwrap();
        let (napped, called) = (napped.get(), called.get());
        assert!(called < napped, "{called:?} after {napped:?}");
        assert!(called < Duration::from_millis(250), "{called:?}");
    }

    #[test]
    fn the_rest_of_the_program_runs_while_a_crew_waits() {
        let pairs = pairs(1);
        let crew = Crew::new(1).unwrap();
        let beats = Cell::new(0);
        block_on(async {
            let work = vec![async {
                let (ours, _theirs) = &pairs[0];
                let mut member = Membership::default();
                loop {
                    crew.seat(0).called(ours, &mut member).await.unwrap();
                }
            }];
            let heart = async {
                while beats.get() < 5 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    beats.set(beats.get() + 1);
                }
            };
            tokio::select! {
                ended = crew.work(work) => panic!("nobody called: {ended:?}"),
                () = heart => {}
            }
        });
        assert_eq!(beats.get(), 5);
    }
}
