//! Our side, each in a process of its own: the product's engine, and hyper as the engine it is
//! not built on. Prints one line of JSON.

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tollgate::measure::arm::ArmName;
use tollgate::measure::http::drive::{Switch, Target};
use tollgate::measure::http::{Arms, Origin, Prepared, Recording};
use tollgate::measure::plan::{Arrivals, Body, Endpoint, Expect, Load, OpenLoad, Rate, Request};

use crate::server::{histogram, microseconds};

struct NoSwitch;

impl Switch for NoSwitch {
    fn to(&self, _turn: ArmName) {}
}

fn prepared(address: &str, path: &str, load: Load) -> Result<Prepared, String> {
    let endpoint = Endpoint {
        name: path.to_owned(),
        service: "server".to_owned(),
        request: Request {
            method: "GET".to_owned(),
            path: path.to_owned(),
            headers: [].into(),
            body: Body::Empty,
            variables: [].into(),
        },
        expect: Expect {
            status: Some(200),
            ..Expect::default()
        },
        load,
        time_out: Duration::from_secs(10),
        time_limit: None,
        session: None,
        cold_start: false,
        batch: None,
        has_read_budget: false,
    };
    let prepared = Prepared::new(&endpoint, Path::new("."));
    prepared
        .and_then(|prepared| prepared.at(&Origin::plain(address), None))
        .map_err(|error| error.to_string())
}

fn target(arm: ArmName, request: Prepared, address: &str) -> Target {
    Target {
        arm,
        request,
        origin: Origin::plain(address),
        login: None,
        sequence: Rc::default(),
    }
}

/// `10` is a closed loop of ten, `1000/s` an open one.
fn load(text: &str) -> Result<Load, String> {
    let number = |text: &str| text.parse::<f64>().map_err(|error| error.to_string());
    match text.strip_suffix("/s") {
        Some(rate) => Ok(Load::Open(OpenLoad {
            rate: Rate::PerSecond(number(rate)?),
            arrivals: Arrivals::Poisson,
            connections: 1000,
        })),
        None => Ok(Load::Closed {
            concurrency: text.parse().map_err(|_| format!("`{text}` is no load"))?,
        }),
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    Ok(runtime.block_on(future))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| format!("`{text}` are no seconds"))?;
    Ok(Duration::from_secs_f64(seconds))
}

/// Drives one path with the product's engine.
pub(crate) fn drive(address: &str, path: &str, text: &str, length: &str) -> Result<(), String> {
    let request = prepared(address, path, load(text)?)?;
    let length = seconds(length)?;
    let recording = block_on(async {
        let mut arms = Arms::new(vec![target(ArmName::Base, request, address)]);
        // The server has the other core, as the services have in a check.
        arms.set_apart(true);
        let mut random = fastrand::Rng::with_seed(7);
        let mut answers = arms.drive(length, &mut random, &NoSwitch).await;
        answers.pop().map(|(_, recording)| recording)
    })?;
    print(&recording.unwrap_or_default());
    Ok(())
}

fn print(recording: &Recording) {
    let us = |quantile| microseconds(&recording.latencies, quantile);
    let mut line = json!({
        "rps": recording.good() as f64 / recording.driven.as_secs_f64(),
        "requests": recording.good(),
        "wrong": recording.wrong_total(),
        "p50_us": us(0.5),
        "p99_us": us(0.99),
    });
    if let Some(open) = &recording.open {
        line["response_p50_us"] = microseconds(&open.responses, 0.5).into();
        line["response_p99_us"] = microseconds(&open.responses, 0.99).into();
        line["send_lag_p50_us"] = microseconds(&open.send_lags, 0.5).into();
        line["send_lag_p99_us"] = microseconds(&open.send_lags, 0.99).into();
    }
    println!("{line}");
}

/// The same closed loop on hyper's connections.
pub(crate) fn drive_hyper(address: &str, connections: &str, length: &str) -> Result<(), String> {
    let connections: usize = connections.parse().map_err(|_| "no number".to_owned())?;
    let length = seconds(length)?;
    let start = Instant::now();
    let end = start + length;
    let all = tokio::task::LocalSet::new();
    let tasks: Vec<_> = (0..connections)
        .map(|_| all.spawn_local(ask_until(address.to_owned(), end)))
        .collect();
    let times = block_on(all.run_until(futures_util::future::join_all(tasks)))?;
    let mut sum = histogram();
    for times in times {
        let times = times.map_err(|error| error.to_string())?;
        let times = times.map_err(|error| error.to_string())?;
        sum.add(&times).map_err(|error| error.to_string())?;
    }
    let line = json!({
        "rps": sum.len() as f64 / start.elapsed().as_secs_f64(),
        "requests": sum.len(),
        "p50_us": microseconds(&sum, 0.5),
        "p99_us": microseconds(&sum, 0.99),
    });
    println!("{line}");
    Ok(())
}

async fn ask_until(address: String, end: Instant) -> std::io::Result<Histogram<u64>> {
    let mut times = histogram();
    let stream = tokio::net::TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(std::io::Error::other)?;
    tokio::task::spawn_local(connection);
    while Instant::now() < end {
        let request = hyper::Request::get("/")
            .header("host", &address)
            .body(Empty::<Bytes>::new())
            .map_err(std::io::Error::other)?;
        let sent = Instant::now();
        let answer = sender.send_request(request).await;
        let body = answer.map_err(std::io::Error::other)?.into_body().collect();
        body.await.map_err(std::io::Error::other)?;
        let nanoseconds = u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX);
        times.saturating_record(nanoseconds);
    }
    Ok(times)
}

/// The ratio of two servers' medians, both in the same time: in pairs, or one after the other.
pub(crate) fn pairs(base: &str, head: &str, length: &str, order: &str) -> Result<(), String> {
    let length = seconds(length)?;
    let closed = Load::Closed { concurrency: 1 };
    let arm = |name, address: &str| {
        prepared(address, "/spin", closed).map(|request| target(name, request, address))
    };
    let arms = [arm(ArmName::Base, base)?, arm(ArmName::Head, head)?];
    let (groups, each): (Vec<Vec<_>>, _) = match order {
        "paired" => (vec![arms.into()], length),
        _ => (arms.into_iter().map(|arm| vec![arm]).collect(), length / 2),
    };
    let medians = block_on(async {
        let mut medians = Vec::new();
        let mut random = fastrand::Rng::new();
        for group in groups {
            let mut arms = Arms::new(group);
            arms.warm_up(Duration::from_millis(100)).await;
            let recordings = arms.drive(each, &mut random, &NoSwitch).await;
            medians.extend(recordings.iter().map(|(_, one)| one.quantile_ms(0.5)));
        }
        medians
    })?;
    println!(
        "{}",
        json!({ "ratio": medians[1] / medians[0], "base_ms": medians[0] })
    );
    Ok(())
}

/// Uses its core now and then, as other people's jobs do. Ends when its standard input does.
pub(crate) fn burn(seed: &str) -> Result<(), String> {
    let seed = seed.parse().map_err(|_| "no number".to_owned())?;
    std::thread::spawn(|| {
        let _closed = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        #[expect(clippy::exit, reason = "the other thread never ends by itself")]
        std::process::exit(0);
    });
    let mut random = fastrand::Rng::with_seed(seed);
    loop {
        let end = Instant::now() + Duration::from_millis(random.u64(50..1500));
        while Instant::now() < end {
            std::hint::spin_loop();
        }
        std::thread::sleep(Duration::from_millis(random.u64(50..1500)));
    }
}

/// Resident memory after a tenth of so many requests, and at the end.
pub(crate) fn memory(address: &str, requests: &str) -> Result<(), String> {
    let requests: u64 = requests.parse().map_err(|_| "no number".to_owned())?;
    let request = prepared(address, "/", Load::Closed { concurrency: 10 })?;
    let (early, late, sent) = block_on(async {
        let mut arms = Arms::new(vec![target(ArmName::Base, request, address)]);
        let mut random = fastrand::Rng::with_seed(7);
        let (mut early, mut sent) = (0, 0);
        while sent < requests {
            let slice = Duration::from_secs(2);
            for (_, recording) in arms.drive(slice, &mut random, &NoSwitch).await {
                sent += recording.good();
            }
            if early == 0 && sent >= requests / 10 {
                early = resident();
            }
        }
        (early, resident(), sent)
    })?;
    let line = json!({ "requests": sent, "early_bytes": early, "late_bytes": late });
    println!("{line}");
    Ok(())
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
