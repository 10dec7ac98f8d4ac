//! One connection, one request at a time, and the check of what comes back.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::prepare::Prepared;
use super::quote::quote;
use super::socket::{Socket, Wait};
use super::wire::{Response, Wire, WireError};
use crate::measure::install::hex;
use crate::measure::plan::Expect;

/// What came of one request.
#[derive(Debug)]
pub enum Answer {
    /// It met every expectation.
    Good(Good),
    /// It did not.
    Wrong(Wrong),
}

/// When a good answer came, and how large it was.
#[derive(Debug, Clone, Copy)]
pub struct Good {
    /// When the request began to leave.
    pub sent: Instant,
    /// From then until the first byte was in.
    pub first_byte: Duration,
    /// From then until the last byte was in.
    pub latency: Duration,
    /// How long the connection took to open before; none when it was open.
    pub connect: Option<Duration>,
    /// Body bytes, without chunk marks.
    pub bytes: u64,
}

/// A wrong answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What kind, to count by: `status 500`.
    pub kind: String,
    /// This one in words.
    pub example: String,
    /// The status, where it is the status that is wrong.
    pub status: Option<u16>,
}

/// A keep-alive connection to one service.
#[derive(Debug)]
pub struct Connection {
    line: Line,
    alarm: Alarm,
}

impl Connection {
    /// A connection that is opened with the first request.
    pub fn to(address: &str) -> Self {
        Self {
            line: Line {
                address: address.to_owned(),
                wire: None,
                known_good: None,
            },
            alarm: Alarm::default(),
        }
    }

    /// Sends one request and checks the answer.
    pub(super) async fn send(&mut self, prepared: &Prepared, wait: Wait) -> Answer {
        let limit = prepared.endpoint.time_out;
        let began = Cell::new(None);
        let asked = self.line.ask(prepared, wait, &began);
        match self.alarm.within(limit, &began, asked).await {
            Some(Ok(good)) => Answer::Good(good),
            Some(Err(wrong)) => Answer::Wrong(wrong),
            None => Answer::Wrong(Wrong {
                status: None,
                kind: "time-out".to_owned(),
                example: format!("no answer within {} s", limit.as_secs_f64()),
            }),
        }
    }
}

/// The connection itself, and what was found good on it.
#[derive(Debug)]
struct Line {
    address: String,
    wire: Option<Wire<Socket>>,
    /// The answer that was found good last: most repeat it, and comparing bytes is cheaper than
    /// parsing them again.
    known_good: Option<(u16, Vec<u8>)>,
}

impl Line {
    async fn ask(
        &mut self,
        prepared: &Prepared,
        wait: Wait,
        began: &Cell<Option<Instant>>,
    ) -> Result<Good, Wrong> {
        let (bytes, is_head) = (prepared.bytes(), prepared.is_head());
        // One that was given up in the middle, or that the server closes, is not reusable.
        if let Some(wire) = self.wire.as_mut().filter(|wire| wire.is_reusable()) {
            match wire.exchange(bytes, is_head, wait, began).await {
                Ok(response) => return check(&response, None, prepared, &mut self.known_good),
                // The server may close an idle connection just as we use it: once more, on a new
                // one.
                Err(WireError::NotAnswered(_)) => {}
                Err(error) => return Err(lost(&error)),
            }
        }
        self.wire = None;
        let start = Instant::now();
        let stream = open(&self.address).await?;
        let connect = start.elapsed();
        let wire = self.wire.insert(Wire::new(stream));
        let response = wire.exchange(bytes, is_head, wait, began).await;
        let response = response.map_err(|error| lost(&error))?;
        check(&response, Some(connect), prepared, &mut self.known_good)
    }
}

async fn open(address: &str) -> Result<Socket, Wrong> {
    let refused = |error: std::io::Error| Wrong {
        status: None,
        kind: "connection refused".to_owned(),
        example: format!("no connection to {address}: {error}"),
    };
    let stream = TcpStream::connect(address).await.map_err(refused)?;
    Socket::tcp(stream).map_err(refused)
}

fn lost(error: &WireError) -> Wrong {
    let kind = match error {
        WireError::NotAnswered(_) | WireError::Lost(_) => "connection lost",
        WireError::Malformed(_) => "no HTTP",
    };
    Wrong {
        status: None,
        kind: kind.to_owned(),
        example: error.to_string(),
    }
}

fn check(
    response: &Response<'_>,
    connect: Option<Duration>,
    prepared: &Prepared,
    known_good: &mut Option<(u16, Vec<u8>)>,
) -> Result<Good, Wrong> {
    let (status, body) = (response.status, response.body);
    let expect = &prepared.endpoint.expect;
    let is_known = known_good
        .as_ref()
        .is_some_and(|known| known.0 == status && known.1 == body);
    if !is_known {
        meets(status, body, expect, prepared.token())?;
        *known_good = Some((status, body.to_vec()));
    }
    has_headers(response, &expect.headers)?;
    Ok(Good {
        sent: response.sent,
        first_byte: response.first_byte - response.sent,
        latency: response.last_byte - response.sent,
        connect,
        bytes: body.len() as u64,
    })
}

/// A time limit that costs next to nothing while it is kept: the timer is only set anew when it
/// rings, not for every request.
#[derive(Debug, Default)]
struct Alarm {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// What the future gives, or none `limit` after `began`, or after now where it is not known
    /// when that was. The clock is not even read for what is ready at once.
    async fn within<F: Future>(
        &mut self,
        limit: Duration,
        began: &Cell<Option<Instant>>,
        future: F,
    ) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut deadline = None;
        poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            let deadline = *deadline.get_or_insert_with(|| {
                tokio::time::Instant::from_std(began.get().unwrap_or_else(Instant::now)) + limit
            });
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            // It was set for an earlier request, and rings too early: never too late.
            if timer.deadline() > deadline {
                timer.as_mut().reset(deadline);
            }
            while timer.as_mut().poll(context).is_ready() {
                if tokio::time::Instant::now() >= deadline {
                    return Poll::Ready(None);
                }
                timer.as_mut().reset(deadline);
            }
            Poll::Pending
        })
        .await
    }
}

/// Whether an answer has the headers that are expected of it.
fn has_headers(response: &Response<'_>, expected: &[(String, String)]) -> Result<(), Wrong> {
    for (name, text) in expected {
        let values = response.header(name);
        if values.iter().any(|value| value.contains(text.as_str())) {
            continue;
        }
        let found = if values.is_empty() {
            "is not there".to_owned()
        } else {
            format!("is `{}`", quote(values.join(", ").as_bytes(), None))
        };
        return Err(Wrong {
            status: None,
            kind: format!("header {name}"),
            example: format!("the header `{name}` should contain `{text}` and {found}"),
        });
    }
    Ok(())
}

/// Whether status and body of an answer meet what is expected of them.
fn meets(status: u16, body: &[u8], expect: &Expect, token: Option<&str>) -> Result<(), Wrong> {
    let quoted = || quote(body, token);
    let as_expected = match expect.status {
        Some(expected) => status == expected,
        None => (200..300).contains(&status),
    };
    if !as_expected {
        let expected = expect
            .status
            .map_or("2xx".to_owned(), |status| status.to_string());
        return Err(Wrong {
            status: Some(status),
            kind: format!("status {status}"),
            example: format!("status {status} instead of {expected}: {}", quoted()),
        });
    }
    if let Some((text, path)) = &expect.json {
        let value: serde_json::Value = serde_json::from_slice(body).map_err(|error| Wrong {
            status: None,
            kind: "body".to_owned(),
            example: format!("the body is no JSON ({error}): {}", quoted()),
        })?;
        if path.query(&value).is_empty() {
            return Err(Wrong {
                status: None,
                kind: "body".to_owned(),
                example: format!("`{text}` finds nothing in the body: {}", quoted()),
            });
        }
    }
    if let Some(wanted) = &expect.contains
        && !String::from_utf8_lossy(body).contains(wanted.as_str())
    {
        return Err(Wrong {
            status: None,
            kind: "body".to_owned(),
            example: format!("the body does not contain `{wanted}`: {}", quoted()),
        });
    }
    if let Some(wanted) = &expect.sha256 {
        let found = Sha256::digest(body);
        if found.as_slice() != wanted {
            let example = format!(
                "the body's SHA-256 is {} instead of {}: {}",
                hex(&found),
                hex(wanted),
                quoted()
            );
            return Err(Wrong {
                status: None,
                kind: "body".to_owned(),
                example,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expect(status: Option<u16>, json: Option<&str>, contains: Option<&str>) -> Expect {
        Expect {
            status,
            headers: Vec::new(),
            sha256: None,
            json: json.map(|path| {
                let parsed = serde_json_path::JsonPath::parse(path).unwrap();
                (path.to_owned(), parsed)
            }),
            contains: contains.map(str::to_owned),
        }
    }

    #[test]
    fn a_wrong_status_body_or_path_is_named() {
        let good = br#"{"items":[{"id":1}]}"#;
        let all = expect(Some(200), Some("$.items[0].id"), Some("items"));
        assert!(meets(200, good, &all, None).is_ok());
        let kind = |status, body: &[u8], expect: &Expect| {
            meets(status, body, expect, None).unwrap_err().kind
        };
        assert_eq!(kind(500, good, &all), "status 500");
        assert_eq!(kind(200, b"{}", &all), "body");
        assert_eq!(kind(200, b"<html>", &all), "body");
        assert_eq!(kind(200, good, &expect(None, None, Some("x"))), "body");
        assert_eq!(kind(302, good, &expect(None, None, None)), "status 302");
    }

    #[test]
    fn another_body_than_the_one_that_was_hashed_is_wrong() {
        let hashed = Expect {
            sha256: Some(Sha256::digest(b"cells: 17").into()),
            ..Expect::default()
        };
        assert!(meets(200, b"cells: 17", &hashed, None).is_ok());
        let wrong = meets(200, b"cells: 16", &hashed, None).unwrap_err();
        assert_eq!(wrong.kind, "body");
        let start = "the body's SHA-256 is ";
        assert!(wrong.example.starts_with(start), "{}", wrong.example);
        assert!(wrong.example.ends_with(": cells: 16"), "{}", wrong.example);
    }

    #[test]
    fn a_header_must_be_there_and_contain_the_text() {
        let now = Instant::now();
        let response = Response {
            status: 200,
            head: b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n\r\n",
            body: b"",
            sent: now,
            first_byte: now,
            last_byte: now,
        };
        let check = |name: &str, text: &str| {
            let expected = [(name.to_owned(), text.to_owned())];
            has_headers(&response, &expected).map_err(|wrong| wrong.example)
        };
        assert_eq!(check("content-type", "application/json"), Ok(()));
        assert_eq!(
            check("content-type", "text/html"),
            Err(
                "the header `content-type` should contain `text/html` and is \
                 `application/json; charset=utf-8`"
                    .to_owned()
            )
        );
        let missing = "the header `etag` should contain `` and is not there".to_owned();
        assert_eq!(check("etag", ""), Err(missing));
    }
}
