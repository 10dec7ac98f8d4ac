//! What bytes are sent over: plain sockets, and whatever else reads and writes.
//!
//! A plain socket is read by hand. What wakes us when an answer comes decides how soon we see it:
//! one request at a time has nobody else to wake and waits in the kernel, in the read itself, and
//! the connections of a closed loop wait together (`crew`). Only the rest waits in the runtime.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
#[cfg(target_os = "linux")]
use nix::sys::socket::{setsockopt, sockopt::TcpCongestion};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};

use super::crew::{Membership, Seat};

/// How long a read may hold the thread: whatever else runs on it waits meanwhile, such as what
/// Ctrl-C does.
pub(super) const HOLD: Duration = Duration::from_millis(20);

/// How long to look again and again before falling asleep. Falling asleep and being woken costs
/// more CPU time than that, most of all on a virtual machine, whoever wakes us pays too, and the
/// latency of what answers within it is the service's own (`cargo bench --bench http`).
const AWAKE: Duration = Duration::from_micros(30);

/// How to wait for a response.
#[derive(Clone, Copy)]
pub(super) enum Wait<'w> {
    /// Others run meanwhile.
    Yielding,
    /// Nothing else runs, for [`HOLD`] at most; then as above.
    Holding(Hold<'w>),
    /// With the other connections of this load.
    Seated(Seat<'w>),
}

/// How one request at a time waits.
#[derive(Clone, Copy)]
pub(super) struct Hold<'w> {
    /// Done first: what can wait until the service has something to do.
    pub(super) meanwhile: &'w dyn Fn(),
    /// Whether to stay awake for [`AWAKE`], which only someone on a core of their own may.
    pub(super) is_apart: bool,
}

/// Bytes out and in.
pub(super) trait Stream {
    /// Sends all of it.
    async fn send(&mut self, bytes: &[u8], wait: Wait<'_>) -> io::Result<()>;

    /// Reads some; 0 is the end.
    async fn receive(&mut self, room: &mut [u8], wait: Wait<'_>) -> io::Result<usize>;
}

/// Whatever reads and writes.
#[derive(Debug)]
pub(super) struct Through<S>(pub(super) S);

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for Through<S> {
    async fn send(&mut self, bytes: &[u8], _wait: Wait<'_>) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    async fn receive(&mut self, room: &mut [u8], _wait: Wait<'_>) -> io::Result<usize> {
        self.0.read(room).await
    }
}

/// A connected socket.
#[derive(Debug)]
pub(super) struct Socket {
    descriptor: Rc<OwnedFd>,
    /// Where the runtime waits for it. Each place that does costs time with every answer, so
    /// there is one at most.
    in_runtime: Option<AsyncFd<Rc<OwnedFd>>>,
    in_crew: Membership,
    /// Whether there may be something to read that nobody will tell us of.
    has_more: bool,
}

impl Socket {
    /// Of a connected TCP stream.
    pub(super) fn tcp(stream: tokio::net::TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let stream = stream.into_std()?;
        // What must not wait says so itself.
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(HOLD))?;
        send_unpaced(&stream);
        Ok(Self::of(stream.into()))
    }

    /// Of a connected unix stream.
    pub(super) fn unix(stream: tokio::net::UnixStream) -> io::Result<Self> {
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(HOLD))?;
        Ok(Self::of(stream.into()))
    }

    fn of(socket: OwnedFd) -> Self {
        Self {
            descriptor: Rc::new(socket),
            in_runtime: None,
            in_crew: Membership::default(),
            has_more: false,
        }
    }

    fn receive_now(&self, room: &mut [u8], flags: MsgFlags) -> io::Result<usize> {
        loop {
            match recv(self.descriptor.as_raw_fd(), room, flags) {
                Err(Errno::EINTR) if flags.contains(MsgFlags::MSG_DONTWAIT) => {}
                done => return Ok(done?),
            }
        }
    }

    /// What comes within [`AWAKE`].
    fn receive_awake(&self, room: &mut [u8]) -> io::Result<Option<usize>> {
        let start = Instant::now();
        loop {
            match self.receive_now(room, MsgFlags::MSG_DONTWAIT) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done.map(Some),
            }
            if start.elapsed() > AWAKE {
                return Ok(None);
            }
        }
    }

    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match send(self.descriptor.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EINTR) => {}
                done => return Ok(done?),
            }
        }
    }

    /// Returns when there may be something to read.
    async fn filled(&mut self, wait: Wait<'_>) -> io::Result<()> {
        if let Wait::Seated(seat) = wait {
            return self.called(seat).await;
        }
        let known = self.in_runtime()?;
        // Only one of us ever waits here, and that is cheaper than waiting as one of many.
        let mut ready = poll_fn(|context| known.poll_read_ready(context)).await?;
        ready.clear_ready();
        Ok(())
    }

    /// Returns when there may be room to write.
    async fn emptied(&mut self, wait: Wait<'_>) -> io::Result<()> {
        if let Wait::Seated(seat) = wait {
            // This may be about an answer that is there already, and is not said again.
            self.has_more = true;
            return self.called(seat).await;
        }
        self.in_runtime()?.writable().await?.clear_ready();
        Ok(())
    }

    async fn called(&mut self, seat: Seat<'_>) -> io::Result<()> {
        self.in_runtime = None;
        seat.called(&self.descriptor, &mut self.in_crew).await
    }

    fn in_runtime(&mut self) -> io::Result<&AsyncFd<Rc<OwnedFd>>> {
        if self.in_runtime.is_none() {
            let both = Interest::READABLE | Interest::WRITABLE;
            #[expect(
                deprecated,
                reason = "its successor is unsafe; the descriptor stays the socket's own"
            )]
            let known = AsyncFd::with_interest(Rc::clone(&self.descriptor), both)?;
            self.in_runtime = Some(known);
        }
        self.in_runtime
            .as_ref()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Stream for Socket {
    async fn send(&mut self, mut bytes: &[u8], wait: Wait<'_>) -> io::Result<()> {
        // It is nearly always writable: asking first would cost more than trying.
        while !bytes.is_empty() {
            match self.send_now(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.emptied(wait).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn receive(&mut self, room: &mut [u8], wait: Wait<'_>) -> io::Result<usize> {
        if let Wait::Holding(hold) = wait {
            self.in_runtime = None;
            (hold.meanwhile)();
            if hold.is_apart
                && let Some(count) = self.receive_awake(room)?
            {
                return Ok(count);
            }
            match self.receive_now(room, MsgFlags::empty()) {
                Err(error) if has_waited(&error) => {}
                done => return done,
            }
        }
        loop {
            if !self.has_more {
                self.filled(wait).await?;
            }
            match self.receive_now(room, MsgFlags::MSG_DONTWAIT) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.has_more = false,
                // Less than there is room for: it is empty now, and says so when there is more.
                Ok(count) => {
                    self.has_more = count == room.len();
                    return Ok(count);
                }
                done => return done,
            }
        }
    }
}

/// Whether a read that held the thread gave up, or was called away.
fn has_waited(error: &io::Error) -> bool {
    [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted].contains(&error.kind())
}

/// Some machines pace what is sent (BBR): a request leaves when it is due, not when the kernel
/// thinks the path is free. Where it cannot be changed, it stays.
#[cfg(target_os = "linux")]
fn send_unpaced(stream: &std::net::TcpStream) {
    let _unchanged = setsockopt(stream, TcpCongestion, &"reno".into());
}

#[cfg(not(target_os = "linux"))]
fn send_unpaced(_stream: &std::net::TcpStream) {}
