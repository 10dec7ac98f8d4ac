//! HTTP/2 on one connection: one request at a time, so that every request under way has a
//! connection of its own, as with HTTP/1.1. Framing and flow control are hyper's.

use std::cell::Cell;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::origin::Duplex;
use super::wire::{Headers, Response, WireError, within_reason};

/// A connection.
#[derive(Debug)]
pub(super) struct Two {
    sender: SendRequest<Full<Bytes>>,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Two {
    /// Over an open stream.
    pub(super) async fn over(stream: Box<dyn Duplex>) -> Result<Self, hyper::Error> {
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        // It ends when the sender is dropped; what fails is seen by the request under way.
        tokio::spawn(async move {
            let _closed = connection.await;
        });
        Ok(Self {
            sender,
            headers: HeaderMap::new(),
            body: Vec::new(),
        })
    }

    /// Whether another request can be sent.
    pub(super) fn is_reusable(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends a request and reads what comes back. `began` is told when the request begins to
    /// leave.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        began: &Cell<Option<Instant>>,
    ) -> Result<Response<'_>, WireError> {
        let sent = Instant::now();
        began.set(Some(sent));
        let answer = self.sender.send_request(request).await.map_err(|error| {
            if error.is_canceled() || error.is_closed() {
                WireError::NotAnswered(std::io::Error::other(error))
            } else {
                WireError::Lost(std::io::Error::other(error))
            }
        })?;
        let first_byte = Instant::now();
        let mut last_byte = first_byte;
        let (parts, mut body) = answer.into_parts();
        self.body.clear();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| WireError::Lost(std::io::Error::other(error)))?;
            last_byte = Instant::now();
            if let Some(data) = frame.data_ref() {
                within_reason((self.body.len() + data.len()) as u64)?;
                self.body.extend_from_slice(data);
            }
        }
        self.headers = parts.headers;
        Ok(Response {
            status: parts.status.as_u16(),
            headers: Headers::Parsed(&self.headers),
            body: &self.body,
            sent,
            first_byte,
            last_byte,
        })
    }
}
