//! What Redis did, from `INFO`.
//!
//! Reading must not write: not even what Redis itself would count as a hit or a miss.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::measure::plan::{Ready, Service};

/// Commands of a connection rather than of a request, ours among them.
const HOUSEKEEPING: [&str; 8] = [
    "info", "ping", "hello", "auth", "select", "client", "command", "quit",
];
/// More than any `INFO` has: what announces more is no Redis.
const MOST_BYTES: usize = 4_000_000;

/// The counters of one server, since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tally {
    /// Commands but those of connections.
    pub commands: f64,
    /// Keys that were asked for and there.
    pub hits: f64,
    /// Keys that were asked for and not there.
    pub misses: f64,
    /// Keys now, of all databases.
    pub keys: f64,
    /// How many of these never expire.
    pub lasting: f64,
    /// Bytes that it has allocated now (`used_memory`).
    pub memory: f64,
}

impl Tally {
    /// What happened since an earlier reading; keys and memory are as they are now.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            commands: self.commands - earlier.commands,
            hits: self.hits - earlier.hits,
            misses: self.misses - earlier.misses,
            ..self
        }
    }

    /// Of several servers together.
    pub fn and(self, other: Self) -> Self {
        Self {
            commands: self.commands + other.commands,
            hits: self.hits + other.hits,
            misses: self.misses + other.misses,
            keys: self.keys + other.keys,
            lasting: self.lasting + other.lasting,
            memory: self.memory + other.memory,
        }
    }
}

/// A connection to one server.
#[derive(Debug)]
pub struct Probe {
    stream: BufReader<TcpStream>,
}

impl Probe {
    /// Connects to `host:port`, with the user and password of a `redis://` address where it has
    /// them; fails with the reason when the counters cannot be read.
    pub async fn connect(address: &str, connection: Option<&str>) -> Result<Self, String> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| error.to_string())?;
        let mut probe = Self {
            stream: BufReader::new(stream),
        };
        if let Some(words) = connection.and_then(login) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            probe.ask(&words).await?;
        }
        probe.read().await?;
        Ok(probe)
    }

    /// The counters now.
    pub async fn read(&mut self) -> Result<Tally, String> {
        let info = self.ask(&["INFO", "all"]).await?;
        tally(&info).ok_or_else(|| "its `INFO` names no `keyspace_hits`".to_owned())
    }

    /// Removes every key: what a block starts with.
    pub async fn empty(&mut self) -> Result<(), String> {
        self.ask(&["FLUSHALL"]).await.map(|_| ())
    }

    /// Sends one command and reads its answer: a bulk or a simple string.
    async fn ask(&mut self, words: &[&str]) -> Result<String, String> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format_word(word));
        }
        let explain = |error: std::io::Error| error.to_string();
        let stream = self.stream.get_mut();
        stream
            .write_all(request.as_bytes())
            .await
            .map_err(explain)?;
        let mut first = String::new();
        let mut limited = (&mut self.stream).take(1000);
        limited.read_line(&mut first).await.map_err(explain)?;
        let first = first.trim_end();
        let Some(length) = first.strip_prefix('$') else {
            return match first.strip_prefix('+') {
                Some(said) => Ok(said.to_owned()),
                None => Err(format!("it answered `{}`", first.trim_start_matches('-'))),
            };
        };
        let length: usize = length.parse().unwrap_or(usize::MAX);
        if length > MOST_BYTES {
            return Err(format!("it answered `{first}`"));
        }
        let mut body = vec![0_u8; length + 2];
        self.stream.read_exact(&mut body).await.map_err(explain)?;
        body.truncate(length);
        String::from_utf8(body).map_err(|error| error.to_string())
    }
}

fn format_word(word: &str) -> String {
    format!("${}\r\n{word}\r\n", word.len())
}

/// Whether a service is a Redis, whose counters can be read.
pub fn is_redis(service: &Service) -> bool {
    let connection = service.connection.as_deref();
    connection.is_some_and(|url| url.starts_with("redis://")) || service.ready == Ready::Redis
}

/// The `AUTH` of an address such as `redis://user:password@host:6379`.
fn login(connection: &str) -> Option<Vec<String>> {
    let (_, rest) = connection.split_once("://")?;
    let (login, _) = rest.split('/').next()?.rsplit_once('@')?;
    let (user, password) = login.split_once(':')?;
    let words = ["AUTH", user, password].into_iter();
    let words = words.filter(|word| !word.is_empty());
    Some(words.map(str::to_owned).collect())
}

/// Reads what `INFO all` says; none when it says nothing of hits.
fn tally(info: &str) -> Option<Tally> {
    let mut tally = Tally::default();
    let mut has_hits = false;
    for line in info.lines() {
        let Some((key, value)) = line.trim_end().split_once(':') else {
            continue;
        };
        match key {
            "keyspace_hits" => {
                tally.hits = value.parse().ok()?;
                has_hits = true;
            }
            "used_memory" => tally.memory = value.parse().ok()?,
            "keyspace_misses" => tally.misses = value.parse().ok()?,
            _ => {
                if let Some(name) = key.strip_prefix("cmdstat_") {
                    // Subcommands are written as `client|list`.
                    let name = name.split('|').next().unwrap_or(name);
                    if !HOUSEKEEPING.contains(&name) {
                        tally.commands += field(value, "calls").unwrap_or(0.0);
                    }
                } else if is_database(key) {
                    let keys = field(value, "keys").unwrap_or(0.0);
                    tally.keys += keys;
                    tally.lasting += keys - field(value, "expires").unwrap_or(0.0);
                }
            }
        }
    }
    has_hits.then_some(tally)
}

/// `db0`, `db1`, …
fn is_database(key: &str) -> bool {
    key.strip_prefix("db")
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()))
}

/// A field of a value such as `calls=12,usec=30`.
fn field(value: &str, name: &str) -> Option<f64> {
    value
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| value.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of `redis-cli INFO all` of Redis 7.0.15.
    const RECORDED: &str = "# Server\r\nredis_version:7.0.15\r\n\r\n# Memory\r\nused_memory:1014496\r\nused_memory_human:990.72K\r\n\r\n# Stats\r\n\
        total_commands_processed:14\r\nkeyspace_hits:3\r\nkeyspace_misses:2\r\n\r\n# Commandstats\r\n\
        cmdstat_info:calls=4,usec=211,usec_per_call=52.75,rejected_calls=0,failed_calls=0\r\n\
        cmdstat_get:calls=5,usec=14,usec_per_call=2.80,rejected_calls=0,failed_calls=0\r\n\
        cmdstat_set:calls=3,usec=12,usec_per_call=4.00,rejected_calls=0,failed_calls=0\r\n\
        cmdstat_client|setname:calls=2,usec=3,usec_per_call=1.50,rejected_calls=0,failed_calls=0\r\n\r\n\
        # Keyspace\r\ndb0:keys=3,expires=2,avg_ttl=98714\r\ndb2:keys=4,expires=0,avg_ttl=0\r\n";

    #[test]
    fn reads_a_recorded_answer() {
        let tally = tally(RECORDED).unwrap();
        let read = [
            tally.commands,
            tally.hits,
            tally.misses,
            tally.keys,
            tally.lasting,
            tally.memory,
        ];
        assert_eq!(
            read.map(|number| number.to_string()),
            ["8", "3", "2", "7", "5", "1014496"]
        );
    }

    #[test]
    fn what_says_nothing_of_hits_is_no_reading() {
        assert_eq!(tally("# Server\r\nredis_version:7.0.15\r\n"), None);
    }

    #[test]
    fn logs_in_as_the_address_says() {
        assert_eq!(login("redis://127.0.0.1:6379/0"), None);
        assert_eq!(
            login("redis://:secret@127.0.0.1:6379"),
            Some(vec!["AUTH".to_owned(), "secret".to_owned()])
        );
        assert_eq!(
            login("redis://me:a:b@localhost").unwrap(),
            ["AUTH", "me", "a:b"]
        );
    }
}
