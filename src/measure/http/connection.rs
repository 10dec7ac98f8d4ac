//! One connection, one request at a time, and the check of what comes back.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::time::Sleep;

use super::origin::{Origin, Transport};
use super::prepare::{Message, Prepared};
use super::quote::quote;
use super::socket::Wait;
use super::two::Two;
use super::vary::Number;
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
    /// What it said.
    pub said: Said,
}

/// What was said to which request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// Equal for equal requests.
    pub request: u64,
    /// Equal for equal answers; none where they change from answer to answer.
    pub answer: Option<u64>,
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
    pub fn to(origin: &Origin) -> Self {
        Self {
            line: Line {
                origin: origin.clone(),
                talk: None,
                known_good: None,
                is_varying: false,
            },
            alarm: Alarm::default(),
        }
    }

    /// Sends one request and checks the answer.
    pub(super) async fn send(
        &mut self,
        prepared: &Prepared,
        number: Number,
        wait: Wait<'_>,
    ) -> Answer {
        let message = match prepared.message(number) {
            Ok(message) => message,
            Err(error) => {
                return Answer::Wrong(Wrong {
                    status: None,
                    kind: "no request".to_owned(),
                    example: error.to_string(),
                });
            }
        };
        let limit = prepared.endpoint.time_out;
        let began = Cell::new(None);
        let asked = self.line.ask(prepared, &message, wait, &began);
        match self.alarm.within(limit, &began, wait, asked).await {
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
    origin: Origin,
    talk: Option<Talk>,
    /// The answer that was found good last: most repeat it, and comparing bytes is cheaper than
    /// parsing them again.
    known_good: Option<KnownGood>,
    /// Whether the same request was answered in two ways: then no answer says much.
    is_varying: bool,
}

/// An answer that was found good.
#[derive(Debug)]
struct KnownGood {
    status: u16,
    body: Vec<u8>,
    /// To which request.
    request: u64,
    said: Option<u64>,
}

/// An open connection in the protocol that is spoken there.
#[derive(Debug)]
enum Talk {
    One(Box<Wire<Transport>>),
    Two(Two),
}

impl Talk {
    fn is_reusable(&self) -> bool {
        match self {
            Self::One(wire) => wire.is_reusable(),
            Self::Two(two) => two.is_reusable(),
        }
    }

    async fn exchange(
        &mut self,
        message: &Message,
        wait: Wait<'_>,
        began: &Cell<Option<Instant>>,
    ) -> Result<Response<'_>, WireError> {
        match self {
            Self::One(wire) => {
                let is_head = message.is_head();
                wire.exchange(message.pieces(), is_head, wait, began).await
            }
            Self::Two(two) => two.exchange(message.for_two(), began).await,
        }
    }
}

impl Line {
    async fn ask(
        &mut self,
        prepared: &Prepared,
        message: &Message,
        wait: Wait<'_>,
        began: &Cell<Option<Instant>>,
    ) -> Result<Good, Wrong> {
        let mut judge = Judge {
            prepared,
            request: message.key,
            known_good: &mut self.known_good,
            is_varying: &mut self.is_varying,
        };
        // One that was given up in the middle is not reusable.
        if let Some(talk) = self.talk.as_mut().filter(|talk| talk.is_reusable()) {
            match talk.exchange(message, wait, began).await {
                Ok(response) => {
                    let judged = judge.check(&response, None);
                    self.hang_up();
                    return judged;
                }
                // The server may close an idle connection just as we use it: once more, on a new
                // one.
                Err(WireError::NotAnswered(_)) => {}
                Err(error) => return Err(lost(&error)),
            }
        }
        self.talk = None;
        began.set(None);
        let start = Instant::now();
        let talk = self.talk.insert(open(&self.origin).await?);
        let connect = start.elapsed();
        let response = talk.exchange(message, wait, began).await;
        let response = response.map_err(|error| lost(&error))?;
        let judged = judge.check(&response, Some(connect));
        self.hang_up();
        judged
    }

    /// Closes what the server said it closes. Not only when the next request needs a connection: a
    /// server that works on one connection at a time may wait for us to close, seconds (gunicorn's
    /// sync worker does), and whoever comes next waits with it.
    fn hang_up(&mut self) {
        self.talk.take_if(|talk| !talk.is_reusable());
    }
}

async fn open(origin: &Origin) -> Result<Talk, Wrong> {
    let failed = |why: &dyn std::fmt::Display, kind: &str| Wrong {
        status: None,
        kind: kind.to_owned(),
        example: format!("no connection to {}: {why}", origin.shown()),
    };
    // What a handshake finds wrong is no refusal.
    let of_handshake = [std::io::ErrorKind::InvalidData, std::io::ErrorKind::Other];
    let refused = |error: std::io::Error| {
        if of_handshake.contains(&error.kind()) {
            failed(&error, "no handshake")
        } else {
            failed(&error, "connection refused")
        }
    };
    if origin.is_http2 {
        let stream = origin.open_for_two().await.map_err(refused)?;
        let two = Two::over(stream).await;
        return two
            .map(Talk::Two)
            .map_err(|error| failed(&error, "no handshake"));
    }
    let transport = origin.open().await.map_err(refused)?;
    Ok(Talk::One(Box::new(Wire::new(transport))))
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

/// Judges the answers that come over one connection.
struct Judge<'l> {
    prepared: &'l Prepared,
    request: u64,
    known_good: &'l mut Option<KnownGood>,
    is_varying: &'l mut bool,
}

impl Judge<'_> {
    fn check(&mut self, response: &Response<'_>, connect: Option<Duration>) -> Result<Good, Wrong> {
        let (status, body) = (response.status, response.body);
        let expect = &self.prepared.endpoint.expect;
        let known = self.known_good.as_ref();
        let same = known.filter(|known| known.status == status && known.body == body);
        let said = match same {
            Some(known) => known.said,
            None => {
                meets(status, body, expect, self.prepared.token())?;
                let said = self.said(body);
                *self.known_good = Some(KnownGood {
                    status,
                    body: body.to_vec(),
                    request: self.request,
                    said,
                });
                said
            }
        };
        has_headers(response, &expect.headers)?;
        Ok(Good {
            sent: response.sent,
            first_byte: response.first_byte - response.sent,
            latency: response.last_byte - response.sent,
            connect,
            bytes: body.len() as u64,
            said: Said {
                request: self.request,
                answer: said,
            },
        })
    }

    /// A checksum of what this answer says; none where that changes from answer to answer.
    fn said(&mut self, body: &[u8]) -> Option<u64> {
        let path = self.prepared.endpoint.expect.same.as_ref();
        let checksum = match path.and_then(|same| same.path.as_ref()) {
            None if *self.is_varying => return None,
            None => checksum(body),
            Some((_, path)) => {
                let value: serde_json::Value = serde_json::from_slice(body).ok()?;
                checksum(serde_json::to_string(&path.query(&value)).ok()?.as_bytes())
            }
        };
        let earlier = self.known_good.as_ref();
        if earlier.is_some_and(|earlier| {
            earlier.request == self.request && earlier.said != Some(checksum)
        }) {
            *self.is_varying = true;
            return None;
        }
        Some(checksum)
    }
}

/// The first eight bytes of a SHA-256: the same for ever, as `run.json` needs it.
fn checksum(bytes: &[u8]) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&Sha256::digest(bytes)[..8]);
    u64::from_be_bytes(first)
}

/// A time limit that costs next to nothing while it is kept: the timer is only set anew when it
/// rings, not for every request.
#[derive(Debug, Default)]
struct Alarm {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// What the future gives, or none `limit` after `began`, or after now where it is not known
    /// when that was. The clock is not even read for what is ready at once, and a crew says when to.
    async fn within<F: Future>(
        &mut self,
        limit: Duration,
        began: &Cell<Option<Instant>>,
        wait: Wait<'_>,
        future: F,
    ) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut deadline = None;
        poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            let is_seated = match wait {
                Wait::Seated(seat) if !seat.is_roll_call() => return Poll::Pending,
                Wait::Seated(_) => true,
                Wait::Yielding | Wait::Holding(_) => false,
            };
            let deadline = *deadline.get_or_insert_with(|| {
                tokio::time::Instant::from_std(began.get().unwrap_or_else(Instant::now)) + limit
            });
            if is_seated {
                let is_over = tokio::time::Instant::now() >= deadline;
                return if is_over {
                    Poll::Ready(None)
                } else {
                    Poll::Pending
                };
            }
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
    use crate::measure::http::wire::Headers;

    fn expect(status: Option<u16>, json: Option<&str>, contains: Option<&str>) -> Expect {
        Expect {
            status,
            headers: Vec::new(),
            sha256: None,
            same: None,
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
            headers: Headers::Raw(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n\r\n",
            ),
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
