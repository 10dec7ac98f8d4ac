//! One connection, one request at a time, and the check of what comes back.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::prepare::Prepared;
use super::quote::quote;
use crate::measure::plan::Expect;

/// What came of one request.
#[derive(Debug)]
pub enum Answer {
    /// It met every expectation.
    Good {
        /// From the first byte out to the last byte in.
        latency: Duration,
        /// Body bytes as transferred.
        bytes: u64,
    },
    /// It did not.
    Wrong(Wrong),
}

/// A wrong answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What kind, to count by: `status 500`.
    pub kind: String,
    /// This one in words.
    pub example: String,
}

/// A keep-alive connection to one service.
#[derive(Debug)]
pub struct Connection {
    address: String,
    sender: Option<SendRequest<Full<Bytes>>>,
    /// The body that was found good last: most answers repeat it, and comparing bytes is cheaper
    /// than parsing them again.
    known_good: Option<(u16, Bytes)>,
}

impl Connection {
    /// A connection that is opened with the first request.
    pub fn to(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            sender: None,
            known_good: None,
        }
    }

    /// Sends one request and checks the answer.
    pub async fn send(&mut self, prepared: &Prepared) -> Answer {
        let limit = prepared.endpoint.time_out;
        if let Ok(result) = tokio::time::timeout(limit, self.exchange(prepared)).await {
            result.unwrap_or_else(Answer::Wrong)
        } else {
            // What is under way on this connection would answer the next request.
            self.sender = None;
            Answer::Wrong(Wrong {
                kind: "time-out".to_owned(),
                example: format!("no answer within {} s", limit.as_secs_f64()),
            })
        }
    }

    async fn exchange(&mut self, prepared: &Prepared) -> Result<Answer, Wrong> {
        let reused = self.open().await?;
        let request = prepared.request();
        match self.attempt(request).await {
            Ok(received) => Ok(self.check(received, prepared)),
            // The server may close an idle connection just as we use it: once more, on a new one.
            Err(_) if reused => {
                self.sender = None;
                self.open().await?;
                let received = self.attempt(prepared.request()).await?;
                Ok(self.check(received, prepared))
            }
            Err(wrong) => Err(wrong),
        }
    }

    /// Makes sure the connection is open; tells whether it was before.
    async fn open(&mut self) -> Result<bool, Wrong> {
        if let Some(sender) = &mut self.sender {
            // A connection whose end has arrived is not ready any more.
            tokio::task::yield_now().await;
            if !sender.is_closed() && sender.ready().await.is_ok() {
                return Ok(true);
            }
        }
        let failed = |error: &dyn std::fmt::Display| Wrong {
            kind: "connection refused".to_owned(),
            example: format!("no connection to {}: {error}", self.address),
        };
        let stream = TcpStream::connect(&self.address)
            .await
            .map_err(|error| failed(&error))?;
        stream.set_nodelay(true).map_err(|error| failed(&error))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(&error))?;
        tokio::spawn(connection);
        self.sender = Some(sender);
        Ok(false)
    }

    async fn attempt(&mut self, request: hyper::Request<Full<Bytes>>) -> Result<Received, Wrong> {
        let broken = |error: hyper::Error| Wrong {
            kind: "connection lost".to_owned(),
            example: format!("the connection ended before the answer did: {error}"),
        };
        let Some(sender) = &mut self.sender else {
            return Err(Wrong {
                kind: "connection refused".to_owned(),
                example: format!("no connection to {}", self.address),
            });
        };
        let start = Instant::now();
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status().as_u16();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(broken)?
            .to_bytes();
        Ok(Received {
            latency: start.elapsed(),
            status,
            body,
        })
    }

    fn check(&mut self, received: Received, prepared: &Prepared) -> Answer {
        let expect = &prepared.endpoint.expect;
        let answer = (received.status, received.body);
        if self.known_good.as_ref() != Some(&answer) {
            if let Err(wrong) = meets(answer.0, &answer.1, expect, prepared.token()) {
                return Answer::Wrong(wrong);
            }
            self.known_good = Some(answer.clone());
        }
        Answer::Good {
            latency: received.latency,
            bytes: answer.1.len() as u64,
        }
    }
}

struct Received {
    latency: Duration,
    status: u16,
    body: Bytes,
}

/// Whether an answer meets what is expected of it.
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
            kind: format!("status {status}"),
            example: format!("status {status} instead of {expected}: {}", quoted()),
        });
    }
    if let Some((text, path)) = &expect.json {
        let value: serde_json::Value = serde_json::from_slice(body).map_err(|error| Wrong {
            kind: "body".to_owned(),
            example: format!("the body is no JSON ({error}): {}", quoted()),
        })?;
        if path.query(&value).is_empty() {
            return Err(Wrong {
                kind: "body".to_owned(),
                example: format!("`{text}` finds nothing in the body: {}", quoted()),
            });
        }
    }
    if let Some(wanted) = &expect.contains
        && !String::from_utf8_lossy(body).contains(wanted.as_str())
    {
        return Err(Wrong {
            kind: "body".to_owned(),
            example: format!("the body does not contain `{wanted}`: {}", quoted()),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expect(status: Option<u16>, json: Option<&str>, contains: Option<&str>) -> Expect {
        Expect {
            status,
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
}
