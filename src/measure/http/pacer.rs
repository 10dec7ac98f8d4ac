//! Waits until a moment, to some ten microseconds.
//!
//! The timer of the runtime counts in milliseconds and comes 1 to 2 ms late, which would be added
//! to every latency that is counted from when a request was due. A timer of the kernel does not.

use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use nix::sys::time::TimeSpec;
#[cfg(target_os = "linux")]
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
#[cfg(target_os = "linux")]
use tokio::io::unix::AsyncFd;

/// A timer, used again and again.
#[derive(Debug)]
pub struct Pacer {
    #[cfg(target_os = "linux")]
    timer: AsyncFd<Timer>,
}

#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Timer(TimerFd);

#[cfg(target_os = "linux")]
impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Pacer {
    /// Needs a runtime to wait in.
    #[cfg(target_os = "linux")]
    pub fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe; the descriptor stays the timer's own"
        )]
        let timer = AsyncFd::new(Timer(timer))?;
        Ok(Self { timer })
    }

    /// Without such a timer, the one of the runtime: 1 to 2 ms late, and said so by the send lag.
    #[cfg(not(target_os = "linux"))]
    pub fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Returns at `due`; at once when that has been.
    #[cfg(target_os = "linux")]
    pub async fn until(&mut self, due: Instant) -> io::Result<()> {
        let left = due.saturating_duration_since(Instant::now());
        if left < SHORTEST {
            // The others must get their turn, or late requests would make answers late.
            tokio::task::yield_now().await;
            return Ok(());
        }
        let at = Expiration::OneShot(TimeSpec::from_duration(left));
        self.timer.get_ref().0.set(at, TimerSetTimeFlags::empty())?;
        loop {
            let mut ready = self.timer.readable().await?;
            let rang = ready.try_io(|timer| Ok(timer.get_ref().0.wait()?));
            if let Ok(rang) = rang {
                return rang;
            }
        }
    }

    /// Returns at `due`; at once when that has been.
    #[cfg(not(target_os = "linux"))]
    pub async fn until(&mut self, due: Instant) -> io::Result<()> {
        tokio::time::sleep_until(due.into()).await;
        Ok(())
    }
}

/// Not worth a timer.
#[cfg(target_os = "linux")]
const SHORTEST: Duration = Duration::from_micros(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_never_comes_early_and_not_a_millisecond_late_on_the_whole() {
        let mut pacer = Pacer::new().unwrap();
        let mut late = Vec::new();
        for _ in 0..100 {
            let due = Instant::now() + Duration::from_micros(300);
            pacer.until(due).await.unwrap();
            let now = Instant::now();
            assert!(now + SHORTEST >= due, "early by {:?}", due - now);
            late.push(now.saturating_duration_since(due));
        }
        late.sort();
        // Beside other work a tenth of them may be late, but the runtime's timer always is.
        assert!(late[10] < Duration::from_millis(1), "{late:?}");
        pacer
            .until(Instant::now() - Duration::from_secs(1))
            .await
            .unwrap();
    }
}
