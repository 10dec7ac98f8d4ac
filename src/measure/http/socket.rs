//! What bytes are sent over: plain sockets, and whatever else reads and writes.
//!
//! A plain socket is read by hand. What wakes us when an answer comes decides how soon we see it,
//! and one request at a time has nobody else to wake: it waits in the kernel, in the read itself.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
#[cfg(target_os = "linux")]
use nix::sys::socket::{setsockopt, sockopt::TcpCongestion};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};

/// How long a read may hold the thread: whatever else runs on it waits meanwhile, such as what
/// Ctrl-C does.
pub(super) const HOLD: Duration = Duration::from_millis(20);

/// How to wait for the first bytes of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Others run meanwhile.
    Yielding,
    /// Nothing else runs, for [`HOLD`] at most; then as above.
    Holding,
}

/// Bytes out and in.
pub(super) trait Stream {
    /// Sends all of it.
    async fn send(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Reads some; 0 is the end.
    async fn receive(&mut self, room: &mut [u8], wait: Wait) -> io::Result<usize>;
}

/// Whatever reads and writes.
#[derive(Debug)]
pub(super) struct Through<S>(pub(super) S);

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for Through<S> {
    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    async fn receive(&mut self, room: &mut [u8], _wait: Wait) -> io::Result<usize> {
        self.0.read(room).await
    }
}

/// A connected socket.
#[derive(Debug)]
pub(super) struct Socket(AsyncFd<OwnedFd>);

impl Socket {
    /// Of a connected TCP stream.
    pub(super) fn tcp(stream: tokio::net::TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let stream = stream.into_std()?;
        // What must not wait says so itself.
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(HOLD))?;
        send_unpaced(&stream);
        Self::of(stream.into())
    }

    /// Of a connected unix stream.
    pub(super) fn unix(stream: tokio::net::UnixStream) -> io::Result<Self> {
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(HOLD))?;
        Self::of(stream.into())
    }

    fn of(socket: OwnedFd) -> io::Result<Self> {
        let both = Interest::READABLE | Interest::WRITABLE;
        #[expect(
            deprecated,
            reason = "its successor is unsafe; the descriptor stays the socket's own"
        )]
        let socket = AsyncFd::with_interest(socket, both)?;
        Ok(Self(socket))
    }

    fn receive_now(&self, room: &mut [u8], flags: MsgFlags) -> io::Result<usize> {
        loop {
            match recv(self.0.as_raw_fd(), room, flags) {
                Err(Errno::EINTR) if flags.contains(MsgFlags::MSG_DONTWAIT) => {}
                done => return Ok(done?),
            }
        }
    }

    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match send(self.0.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EINTR) => {}
                done => return Ok(done?),
            }
        }
    }
}

impl Stream for Socket {
    async fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        // It is nearly always writable: asking first would cost more than trying.
        while !bytes.is_empty() {
            match self.send_now(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.0.writable().await?.clear_ready();
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn receive(&mut self, room: &mut [u8], wait: Wait) -> io::Result<usize> {
        if wait == Wait::Holding {
            match self.receive_now(room, MsgFlags::empty()) {
                Err(error) if has_waited(&error) => {}
                done => return done,
            }
        }
        loop {
            // Only one of us ever waits here, and that is cheaper than waiting as one of many.
            let mut ready = poll_fn(|context| self.0.poll_read_ready(context)).await?;
            match self.receive_now(room, MsgFlags::MSG_DONTWAIT) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                // Less than there is room for: it is empty now, and says so when there is more.
                Ok(count) if count > 0 && count < room.len() => {
                    ready.clear_ready();
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
