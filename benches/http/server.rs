//! The servers that are driven. Each prints its address and serves until it is killed.
//!
//! `fast` answers with the same bytes as quickly as one thread can. `slow` knows the truth: it
//! counts what it answers and how long it took, from the last byte of the request read to the
//! answer written.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tollgate::measure::http::pacer::Pacer;

/// `ab` speaks HTTP/1.0 and keeps a connection only when told so.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\
    Connection: keep-alive\r\nContent-Length: 13\r\n\r\nHello, world!";
/// The service time of `/delay`.
const DELAY: Duration = Duration::from_millis(5);
/// That of `/stall`, but for the first second of every ten.
const STALL_SERVICE: Duration = Duration::from_millis(1);
const STALL_EVERY: Duration = Duration::from_secs(10);
const STALL_FOR: Duration = Duration::from_secs(1);
/// Rounds of arithmetic of `/spin`: about a millisecond.
const SPINS: u64 = 400_000;

/// One thread and one `epoll`, for the fastest answers.
pub(crate) fn fast() -> Result<(), String> {
    let failed = |error: std::io::Error| format!("the server failed: {error}");
    let mut poll = Poll::new().map_err(failed)?;
    let mut events = Events::with_capacity(256);
    let address = "127.0.0.1:0".parse().map_err(|error| format!("{error}"))?;
    let mut listener = TcpListener::bind(address).map_err(failed)?;
    println!("{}", listener.local_addr().map_err(failed)?);
    poll.registry()
        .register(&mut listener, Token(0), Interest::READABLE)
        .map_err(failed)?;
    let mut streams: HashMap<usize, TcpStream> = HashMap::new();
    let mut next = 1;
    let mut buffer = [0; 16 * 1024];
    loop {
        poll.poll(&mut events, None).map_err(failed)?;
        for event in &events {
            if event.token() == Token(0) {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true).map_err(failed)?;
                    poll.registry()
                        .register(&mut stream, Token(next), Interest::READABLE)
                        .map_err(failed)?;
                    streams.insert(next, stream);
                    next += 1;
                }
                continue;
            }
            let Token(token) = event.token();
            let Some(stream) = streams.get_mut(&token) else {
                continue;
            };
            if !answer(stream, &mut buffer) {
                streams.remove(&token);
            }
        }
    }
}

/// Whether the connection stays. Every client here sends one short request at a time.
fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> bool {
    loop {
        match stream.read(buffer) {
            Ok(0) => return false,
            Ok(read) => {
                if buffer[..read].ends_with(b"\r\n\r\n") && stream.write_all(ANSWER).is_err() {
                    return false;
                }
                if read < buffer.len() {
                    return true;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
            Err(_) => return false,
        }
    }
}

/// What `slow` remembers.
struct Truth {
    started: Instant,
    times: RefCell<Histogram<u64>>,
}

/// `/delay`, `/stall`, `/spin`, `/error`; `/truth` answers what was and forgets it.
pub(crate) fn slow() -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let serve = async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let truth = Rc::new(Truth {
            started: Instant::now(),
            times: RefCell::new(histogram()),
        });
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let truth = Rc::clone(&truth);
            tokio::task::spawn_local(async move {
                let _closed = converse(stream, &truth).await;
            });
        }
    };
    let served: std::io::Result<()> = tokio::task::LocalSet::new().block_on(&runtime, serve);
    served.map_err(|error| format!("the server failed: {error}"))
}

async fn converse(mut stream: tokio::net::TcpStream, truth: &Truth) -> std::io::Result<()> {
    let mut pacer = Pacer::new()?;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let mut read = 0;
        while !buffer[..read].ends_with(b"\r\n\r\n") {
            match stream.read(&mut buffer[read..]).await? {
                0 => return Ok(()),
                count => read += count,
            }
        }
        let start = Instant::now();
        let path = buffer[..read].split(|byte| *byte == b' ').nth(1);
        match path.unwrap_or_default() {
            b"/truth" => {
                let times = truth.times.replace(histogram());
                let text = format!(
                    r#"{{"count": {}, "p50_us": {}, "p99_us": {}}}"#,
                    times.len(),
                    microseconds(&times, 0.5),
                    microseconds(&times, 0.99)
                );
                let length = text.len();
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{text}");
                stream.write_all(answer.as_bytes()).await?;
                continue;
            }
            b"/delay" => pacer.until(start + DELAY).await?,
            b"/stall" => {
                pacer.until(start + STALL_SERVICE).await?;
                // Nobody is answered in the first second of every ten.
                let within = truth.started.elapsed().as_secs_f64() % STALL_EVERY.as_secs_f64();
                if within < STALL_FOR.as_secs_f64() {
                    let left = STALL_FOR.as_secs_f64() - within;
                    pacer
                        .until(Instant::now() + Duration::from_secs_f64(left))
                        .await?;
                }
            }
            b"/spin" => {
                let mut value = 1_u64;
                for round in 0..SPINS {
                    value = value
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(round);
                }
                std::hint::black_box(value);
            }
            _ => {}
        }
        stream.write_all(ANSWER).await?;
        let nanoseconds = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        truth.times.borrow_mut().saturating_record(nanoseconds);
    }
}

pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 60_000_000_000, 3).expect("constant bounds")
}

#[expect(clippy::cast_precision_loss, reason = "below a minute")]
pub(crate) fn microseconds(times: &Histogram<u64>, quantile: f64) -> f64 {
    times.value_at_quantile(quantile) as f64 / 1e3
}
