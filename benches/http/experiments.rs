//! What is driven by whom, how often, and what is printed about it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tollgate::measure::process::tree;

use crate::peers::{self, Client, Outcome, Running};

pub(crate) const ALL: [&str; 6] = ["rps", "truth", "open", "stall", "pairs", "memory"];

/// Connections at once.
const CONNECTIONS: [u32; 3] = [1, 10, 50];
/// How often every client has its turn, and for how long.
const ROUNDS: usize = 7;
const SECONDS: u32 = 2;
/// A/A comparisons in each order.
const COMPARISONS: usize = 20;
const MEMORY_REQUESTS: u64 = 10_000_000;

type Figures = Vec<(String, f64)>;
type Experiment = fn(&Machine, &mut Figures) -> Result<(), String>;

/// Runs what was asked for, or everything.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let wanted = |name| words.is_empty() || words.contains(&name);
    let cores = tree::own_cores();
    let (Some(first), Some(last)) = (cores.first(), cores.last()) else {
        return Err("the machine does not say which cores there are".to_owned());
    };
    if first == last {
        return Err("one core is too few: the server and the client need one each".to_owned());
    }
    if wanted("rps") || wanted("truth") {
        peers::install()?;
    }
    let machine = Machine {
        server: *first,
        client: *last,
    };
    let begun = (Instant::now(), busy());
    let mut figures = Figures::new();
    let experiments: [(&str, Experiment); 6] = [
        ("rps", requests_per_second),
        ("truth", truth),
        ("open", open_loop),
        ("stall", stall),
        ("pairs", pairs),
        ("memory", memory),
    ];
    for (name, experiment) in experiments {
        if wanted(name) {
            experiment(&machine, &mut figures)?;
        }
    }
    let elapsed = begun.0.elapsed();
    let foreign =
        (busy() - begun.1 - own_cpu()).max(0.0) / (elapsed.as_secs_f64() * cores.len() as f64);
    println!(
        "\nOther work took {:.1} % of the machine.\n",
        foreign * 100.0
    );
    for (name, value) in figures {
        println!("figure {name} {value:.3}");
    }
    Ok(())
}

struct Machine {
    server: usize,
    client: usize,
}

impl Machine {
    /// Starts a server on its core; returns its address.
    fn serve(&self, role: &str) -> Result<(Running, String), String> {
        tree::pin_self(&[self.server]);
        let mut command = peers::own(&[role])?;
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.spawn().map_err(|error| error.to_string());
        tree::pin_self(&[self.client]);
        let mut running = Running(child?);
        let mut line = String::new();
        let stdout = running.0.stdout.take().ok_or("the server has no output")?;
        BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(|error| format!("the server said nothing: {error}"))?;
        Ok((running, line.trim().to_owned()))
    }
}

/// Everybody against a server that answers at once.
fn requests_per_second(machine: &Machine, figures: &mut Figures) -> Result<(), String> {
    let (_server, address) = machine.serve("serve-fast")?;
    for connections in CONNECTIONS {
        let rounds = turns(&address, "/", connections)?;
        println!(
            "\nA server that answers at once, {connections} connections, {ROUNDS} turns of {SECONDS} s\n"
        );
        println!("| client | requests/s | CPU/request | p50 |\n|---|---|---|---|");
        for client in Client::ALL {
            let of = |what: fn(&Outcome) -> f64| median(rounds[client.name()].iter().map(what));
            println!(
                "| {} | {:.0} | {:.1} µs | {:.0} µs |",
                client.what(),
                of(|one| one.rps),
                of(|one| one.cpu_us),
                of(|one| one.p50_us)
            );
        }
        let ours = &rounds[Client::Ours.name()];
        for client in Client::ALL
            .into_iter()
            .filter(|client| *client != Client::Ours)
        {
            let theirs = &rounds[client.name()];
            let over = |what: fn(&Outcome) -> f64| {
                median(
                    ours.iter()
                        .zip(theirs)
                        .map(|(one, other)| what(one) / what(other)),
                )
            };
            let name = format!("ours_over_{}", client.name());
            figures.push((format!("{name}.rps.c{connections}"), over(|one| one.rps)));
            figures.push((format!("{name}.cpu.c{connections}"), over(|one| one.cpu_us)));
        }
    }
    Ok(())
}

/// All clients in random order, again and again.
fn turns(
    address: &str,
    path: &str,
    connections: u32,
) -> Result<BTreeMap<&'static str, Vec<Outcome>>, String> {
    let mut random = fastrand::Rng::with_seed(u64::from(connections));
    let mut rounds: BTreeMap<&str, Vec<Outcome>> = BTreeMap::new();
    for round in 1..=ROUNDS {
        let mut order = Client::ALL;
        random.shuffle(&mut order);
        eprintln!("{path}, {connections} connections: turn {round} of {ROUNDS}");
        for client in order {
            if let Some(outcome) = client.run(address, path, connections, SECONDS)? {
                rounds.entry(client.name()).or_default().push(outcome);
            }
        }
    }
    Ok(rounds)
}

/// A server that takes 5 ms, and knows how long it really took.
fn truth(machine: &Machine, figures: &mut Figures) -> Result<(), String> {
    let (_server, address) = machine.serve("serve")?;
    for connections in [1, 10] {
        println!(
            "\nA server that takes 5 ms, {connections} connections: the client's p50 less the server's own\n"
        );
        println!("| client | more than the truth |\n|---|---|");
        let mut errors: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        let mut random = fastrand::Rng::with_seed(u64::from(connections));
        for round in 1..=ROUNDS {
            let mut order = Client::ALL;
            random.shuffle(&mut order);
            eprintln!("/delay, {connections} connections: turn {round} of {ROUNDS}");
            for client in order {
                let _forgotten = ask(&address, "/truth")?;
                let Some(outcome) = client.run(&address, "/delay", connections, SECONDS)? else {
                    continue;
                };
                let known: Value = serde_json::from_str(&ask(&address, "/truth")?)
                    .map_err(|error| error.to_string())?;
                let truth = known["p50_us"].as_f64().unwrap_or(f64::NAN);
                errors
                    .entry(client.name())
                    .or_default()
                    .push(outcome.p50_us - truth);
            }
        }
        for client in Client::ALL {
            let Some(errors) = errors.get(client.name()) else {
                continue;
            };
            let error = median(errors.iter().copied());
            println!("| {} | {error:+.0} µs |", client.what());
            let name = format!("{}.error_5ms.p50_us.c{connections}", client.name());
            figures.push((name, error));
        }
    }
    Ok(())
}

/// A request outside of any measurement.
fn ask(address: &str, path: &str) -> Result<String, String> {
    use std::io::{Read, Write};
    let failed = |error: std::io::Error| format!("{address}{path}: {error}");
    let mut stream = std::net::TcpStream::connect(address).map_err(failed)?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
        .map_err(failed)?;
    let mut buffer = [0; 4096];
    let read = stream.read(&mut buffer).map_err(failed)?;
    let text = String::from_utf8_lossy(&buffer[..read]);
    let (_, body) = text.split_once("\r\n\r\n").unwrap_or_default();
    Ok(body.to_owned())
}

/// Our own open loop: how late requests leave.
fn open_loop(machine: &Machine, figures: &mut Figures) -> Result<(), String> {
    let (_server, address) = machine.serve("serve")?;
    println!("\nAn open loop of 1,000 requests a second for 5 s, {ROUNDS} times\n");
    println!("| | median | p99 |\n|---|---|---|");
    let runs: Result<Vec<Value>, String> = (0..ROUNDS)
        .map(|_| ours(&["drive", &address, "/delay", "1000/s", "5"]))
        .collect();
    let runs = runs?;
    let of = |key: &str| median(runs.iter().filter_map(|run| run[key].as_f64()));
    let lag = (of("send_lag_p50_us"), of("send_lag_p99_us"));
    println!("| send lag | {:.0} µs | {:.0} µs |", lag.0, lag.1);
    println!(
        "| service time | {:.0} µs | {:.0} µs |",
        of("p50_us"),
        of("p99_us")
    );
    println!(
        "| response time | {:.0} µs | {:.0} µs |",
        of("response_p50_us"),
        of("response_p99_us")
    );
    figures.push(("ours.send_lag.p50_us".to_owned(), lag.0));
    figures.push(("ours.send_lag.p99_us".to_owned(), lag.1));
    Ok(())
}

/// A service that nobody is answered by for a second of every ten.
fn stall(machine: &Machine, figures: &mut Figures) -> Result<(), String> {
    let (_server, address) = machine.serve("serve")?;
    eprintln!("/stall: twenty seconds");
    let open = ours(&["drive", &address, "/stall", "1000/s", "20"])?;
    let closed = ours(&["drive", &address, "/stall", "10", "20"])?;
    let ms = |value: &Value, key: &str| value[key].as_f64().unwrap_or(f64::NAN) / 1e3;
    println!(
        "\nA service of 1 ms that stands still for 1 s in every 10: p99 (truth for who arrives at random: about 900 ms)\n"
    );
    println!("| | p99 |\n|---|---|");
    println!(
        "| open loop, response time | {:.1} ms |",
        ms(&open, "response_p99_us")
    );
    println!(
        "| open loop, service time | {:.1} ms |",
        ms(&open, "p99_us")
    );
    println!("| closed loop of 10 | {:.1} ms |", ms(&closed, "p99_us"));
    figures.push((
        "ours.stall.response_p99_ms".to_owned(),
        ms(&open, "response_p99_us"),
    ));
    figures.push(("ours.stall.service_p99_ms".to_owned(), ms(&open, "p99_us")));
    figures.push(("ours.stall.closed_p99_ms".to_owned(), ms(&closed, "p99_us")));
    Ok(())
}

fn ours(arguments: &[&str]) -> Result<Value, String> {
    let (text, _) = peers::output(peers::own(arguments)?, "ours")?;
    serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))
}

/// The same code against itself while others use both cores now and then.
fn pairs(machine: &Machine, figures: &mut Figures) -> Result<(), String> {
    let (_base, base) = machine.serve("serve")?;
    let (_head, head) = machine.serve("serve")?;
    let mut others = Vec::new();
    for (core, seed) in [(machine.server, "1"), (machine.client, "2")] {
        tree::pin_self(&[core]);
        let mut command = peers::own(&["burn", seed])?;
        command.stdin(Stdio::piped());
        others.push(Running(command.spawn().map_err(|error| error.to_string())?));
    }
    tree::pin_self(&[machine.client]);
    let mut ratios: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for number in 1..=COMPARISONS {
        eprintln!("/spin beside other work: comparison {number} of {COMPARISONS}");
        for order in ["paired", "sequential"] {
            let found = ours(&["pairs", &base, &head, "2", order])?;
            let ratio = found["ratio"].as_f64().ok_or("no ratio")?;
            ratios.entry(order).or_default().push(ratio.ln());
        }
    }
    println!(
        "\nThe same server twice, 1 ms of arithmetic, other work on both cores: spread of p50 head over base, {COMPARISONS} comparisons of 2 s\n"
    );
    println!("| order | spread |\n|---|---|");
    let paired = spread(&ratios["paired"]);
    let sequential = spread(&ratios["sequential"]);
    println!("| request by request | {:.2} % |", paired * 100.0);
    println!("| base, then head | {:.2} % |", sequential * 100.0);
    figures.push(("pairs.spread".to_owned(), paired));
    figures.push(("sequential.spread".to_owned(), sequential));
    figures.push((
        "sequential_over_pairs.spread".to_owned(),
        sequential / paired,
    ));
    Ok(())
}

/// Ten million requests.
fn memory(machine: &Machine, figures: &mut Figures) -> Result<(), String> {
    let (_server, address) = machine.serve("serve-fast")?;
    eprintln!("{MEMORY_REQUESTS} requests, for the memory they take");
    let found = ours(&["memory", &address, &MEMORY_REQUESTS.to_string()])?;
    let megabytes = |key: &str| found[key].as_f64().unwrap_or(f64::NAN) / 1e6;
    let (early, late) = (megabytes("early_bytes"), megabytes("late_bytes"));
    println!(
        "\nMemory after a tenth of {} requests: {early:.1} MB; after all: {late:.1} MB",
        found["requests"]
    );
    figures.push(("ours.memory.late_over_early".to_owned(), late / early));
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

fn spread(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (count - 1.0)).sqrt()
}

/// Seconds that all cores worked since the machine started.
fn busy() -> f64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    // user, nice, system, -, -, irq, softirq: what is done for somebody.
    let at = |index: usize| ticks.get(index).copied().unwrap_or(0.0);
    (at(0) + at(1) + at(2) + at(5) + at(6)) / 100.0
}

/// Seconds that we and our children worked.
fn own_cpu() -> f64 {
    use nix::sys::resource::{UsageWho, getrusage};
    let of = |who| {
        getrusage(who).map_or(0.0, |usage| {
            let seconds = |time: nix::sys::time::TimeVal| {
                Duration::from_secs(u64::try_from(time.tv_sec()).unwrap_or(0)).as_secs_f64()
                    + time.tv_usec() as f64 / 1e6
            };
            seconds(usage.user_time()) + seconds(usage.system_time())
        })
    };
    of(UsageWho::RUSAGE_SELF) + of(UsageWho::RUSAGE_CHILDREN)
}
