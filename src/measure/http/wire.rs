//! HTTP/1.1 on one connection: the bytes of a request out, one response in.
//!
//! Only framing: where a response begins and ends, and when. Whether it is a good one is judged
//! elsewhere. The hot path of every measurement, so it keeps its buffers and parses in place.

use std::cell::Cell;
use std::io;
use std::ops::Range;
use std::time::Instant;

use http::HeaderMap;

use super::socket::{Stream, Wait};

/// What one read asks for at most; most responses fit.
const READ: usize = 16 * 1024;
/// Most headers of one response. Node refuses heads above 16 KiB, so hundreds are an error.
const MOST_HEADERS: usize = 128;
/// Longest head of a response.
const MOST_HEAD: usize = 256 * 1024;
/// Largest body; beyond it a response is wrong, rather than the generator killed for its memory.
const MOST_BODY: u64 = 1 << 30;
/// Longest line that says how long a chunk is.
const MOST_CHUNK_LINE: usize = 8 * 1024;

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// The connection ended before the first byte of a response.
    #[error("the connection ended before the answer began: {0}")]
    NotAnswered(io::Error),
    /// The connection ended in the middle of a response.
    #[error("the connection ended before the answer did: {0}")]
    Lost(io::Error),
    /// What came is no HTTP/1.1.
    #[error("the answer is no HTTP/1.1: {0}")]
    Malformed(String),
}

/// A response and when it came.
#[derive(Debug)]
pub(super) struct Response<'w> {
    /// Its status.
    pub(super) status: u16,
    /// Its headers.
    pub(super) headers: Headers<'w>,
    /// Its body, without chunk marks.
    pub(super) body: &'w [u8],
    /// When the request began to leave.
    pub(super) sent: Instant,
    /// When its first byte had come.
    pub(super) first_byte: Instant,
    /// When its last byte had.
    pub(super) last_byte: Instant,
}

/// The headers of a response.
#[derive(Debug, Clone, Copy)]
pub(super) enum Headers<'w> {
    /// Status line and headers as they came.
    Raw(&'w [u8]),
    /// Understood already.
    Parsed(&'w HeaderMap),
}

impl Response<'_> {
    /// The values of a header, as text.
    pub(super) fn header(&self, name: &str) -> Vec<String> {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        match self.headers {
            Headers::Raw(head) => {
                let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
                let mut response = httparse::Response::new(&mut headers);
                // It was parsed before, so it can be.
                let _complete = response.parse(head);
                let named = response.headers.iter();
                named
                    .filter(|header| header.name.eq_ignore_ascii_case(name))
                    .map(|header| text(header.value))
                    .collect()
            }
            Headers::Parsed(headers) => {
                let named = headers.get_all(name).iter();
                named.map(|value| text(value.as_bytes())).collect()
            }
        }
    }
}

/// A connection and its buffers.
#[derive(Debug)]
pub(super) struct Wire<S> {
    stream: S,
    /// Room for what is read, the start of it filled: what belongs to the current response.
    room: Vec<u8>,
    filled: usize,
    /// When the last of it had come.
    came: Instant,
    /// A chunked body, put together.
    joined: Vec<u8>,
    /// The head that came last, for which request and understood: most responses repeat it, and
    /// comparing bytes is cheaper than parsing them again.
    known: Option<(bool, Vec<u8>, Head)>,
    is_reusable: bool,
}

/// The status line and headers, understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    status: u16,
    length: usize,
    body: Framing,
    keeps_alive: bool,
}

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    UntilClosed,
}

impl<S: Stream> Wire<S> {
    /// Over an open stream.
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            room: vec![0; READ],
            filled: 0,
            came: Instant::now(),
            joined: Vec::new(),
            known: None,
            is_reusable: true,
        }
    }

    /// Whether another request can be sent.
    pub(super) fn is_reusable(&self) -> bool {
        self.is_reusable
    }

    /// Sends a request, in two pieces, and reads what comes back. `is_head`: a HEAD request, answered without the
    /// body its headers tell of. `began` is told when the request begins to leave.
    pub(super) async fn exchange(
        &mut self,
        request: [&[u8]; 2],
        is_head: bool,
        wait: Wait<'_>,
        began: &Cell<Option<Instant>>,
    ) -> Result<Response<'_>, WireError> {
        self.filled = 0;
        // Until the response is whole, nothing else can be sent.
        self.is_reusable = false;
        let sent = Instant::now();
        began.set(Some(sent));
        // A server may answer and close before it has read everything: its answer counts.
        let mut written = Ok(());
        for bytes in request.into_iter().filter(|bytes| !bytes.is_empty()) {
            if written.is_ok() {
                written = self.stream.send(bytes, wait).await;
            }
        }
        if let Err(error) = self.fill(wait).await {
            return Err(WireError::NotAnswered(written.err().unwrap_or(error)));
        }
        let first_byte = self.came;
        let (start, head) = self.head(is_head, wait).await?;
        let begin = start + head.length;
        let (body, end) = match head.body {
            Framing::Length(length) => self.fixed(begin, length, wait).await?,
            Framing::Chunked => self.chunked(begin, wait).await?,
            Framing::UntilClosed => self.until_closed(begin, wait).await?,
        };
        // Bytes nobody asked for would be taken for the next answer.
        let is_all = end == self.filled;
        self.is_reusable = head.keeps_alive && is_all && written.is_ok();
        Ok(Response {
            status: head.status,
            headers: Headers::Raw(&self.room[start..begin]),
            body: match body {
                Some(range) => &self.room[range],
                None => &self.joined,
            },
            sent,
            first_byte,
            last_byte: self.came,
        })
    }

    /// Reads some more; the end of the connection is an error.
    async fn fill(&mut self, wait: Wait<'_>) -> io::Result<()> {
        // Doubled as it fills, whatever length a head claims.
        if self.room.len() - self.filled < READ / 4 {
            self.room.resize(self.room.len() * 2, 0);
        }
        let count = self
            .stream
            .receive(&mut self.room[self.filled..], wait)
            .await?;
        // Before anything is made of it: understanding an answer is no part of its latency.
        self.came = Instant::now();
        self.filled += count;
        if count == 0 {
            let why = "the other side closed it";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
        }
        Ok(())
    }

    /// What was read so far.
    fn read(&self) -> &[u8] {
        &self.room[..self.filled]
    }

    /// The final head and where it starts: after interim ones such as `100 Continue`.
    async fn head(&mut self, is_head: bool, wait: Wait<'_>) -> Result<(usize, Head), WireError> {
        if let Some((of_head, bytes, head)) = &self.known
            && *of_head == is_head
            && self.read().starts_with(bytes)
        {
            return Ok((0, *head));
        }
        let mut start = 0;
        loop {
            match parse(&self.read()[start..], is_head)? {
                Some(head) if head.status < 200 => start += head.length,
                Some(head) => {
                    let bytes = &self.read()[start..start + head.length];
                    self.known = Some((is_head, bytes.to_vec(), head));
                    return Ok((start, head));
                }
                None if self.filled - start > MOST_HEAD => {
                    let why = format!("its head is longer than {} KiB", MOST_HEAD / 1024);
                    return Err(WireError::Malformed(why));
                }
                None => self.fill(wait).await.map_err(WireError::Lost)?,
            }
        }
    }

    async fn fixed(
        &mut self,
        begin: usize,
        length: u64,
        wait: Wait<'_>,
    ) -> Result<Body, WireError> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let end = begin + length;
        while self.filled < end {
            self.fill(wait).await.map_err(WireError::Lost)?;
        }
        Ok((Some(begin..end), end))
    }

    async fn until_closed(&mut self, begin: usize, wait: Wait<'_>) -> Result<Body, WireError> {
        loop {
            within_reason(self.filled as u64)?;
            match self.fill(wait).await {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    let end = self.filled;
                    return Ok((Some(begin..end), end));
                }
                Err(error) => return Err(WireError::Lost(error)),
            }
        }
    }

    /// Chunks into `joined`; trailers are read and dropped.
    async fn chunked(&mut self, begin: usize, wait: Wait<'_>) -> Result<Body, WireError> {
        self.joined.clear();
        let mut at = begin;
        loop {
            let length = loop {
                match httparse::parse_chunk_size(&self.read()[at..]) {
                    Ok(httparse::Status::Complete((line, length))) => {
                        at += line;
                        break length;
                    }
                    Ok(httparse::Status::Partial) if self.filled - at <= MOST_CHUNK_LINE => {
                        self.fill(wait).await.map_err(WireError::Lost)?;
                    }
                    Ok(httparse::Status::Partial) | Err(_) => {
                        return Err(WireError::Malformed("a chunk has no size".to_owned()));
                    }
                }
            };
            if length == 0 {
                return Ok((None, self.trailers(at, wait).await?));
            }
            within_reason(self.joined.len() as u64 + length)?;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let end = at + length;
            while self.filled < end + 2 {
                self.fill(wait).await.map_err(WireError::Lost)?;
            }
            self.joined.extend_from_slice(&self.room[at..end]);
            if self.room[end..end + 2] != *b"\r\n" {
                let why = "a chunk is longer than it says".to_owned();
                return Err(WireError::Malformed(why));
            }
            at = end + 2;
        }
    }

    /// Where the empty line after the last chunk ends.
    async fn trailers(&mut self, mut at: usize, wait: Wait<'_>) -> Result<usize, WireError> {
        loop {
            match self.read()[at..].windows(2).position(|two| two == b"\r\n") {
                Some(0) => return Ok(at + 2),
                Some(line) => at += line + 2,
                None if self.filled - at > MOST_HEAD => {
                    return Err(WireError::Malformed("its trailers do not end".to_owned()));
                }
                None => self.fill(wait).await.map_err(WireError::Lost)?,
            }
        }
    }
}

/// Where a body is in what was read (none: it was put together elsewhere), and where it ends.
type Body = (Option<Range<usize>>, usize);

pub(super) fn within_reason(length: u64) -> Result<(), WireError> {
    if length <= MOST_BODY {
        return Ok(());
    }
    let why = format!("its body is larger than {} GiB", MOST_BODY >> 30);
    Err(WireError::Malformed(why))
}

/// A head, once it is there as a whole. RFC 9112, section 6.3, says where the body ends.
fn parse(bytes: &[u8], is_head: bool) -> Result<Option<Head>, WireError> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(WireError::Malformed(error.to_string())),
    };
    let status = response.code.unwrap_or_default();
    let mut keeps_alive = response.version == Some(1);
    let mut is_chunked = None;
    let mut content_length = None;
    for header in response.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let value = content_length_of(header.value)?;
            if content_length
                .replace(value)
                .is_some_and(|other| other != value)
            {
                let why = "it has two content lengths".to_owned();
                return Err(WireError::Malformed(why));
            }
        } else if is("transfer-encoding") {
            is_chunked = Some(has_token(header.value, "chunked"));
        } else if is("connection") {
            if has_token(header.value, "close") {
                keeps_alive = false;
            } else if has_token(header.value, "keep-alive") {
                keeps_alive = true;
            }
        }
    }
    let body = match (is_chunked, content_length) {
        _ if is_head || status < 200 || status == 204 || status == 304 => Framing::Length(0),
        (Some(true), _) => Framing::Chunked,
        (Some(false), _) | (None, None) => Framing::UntilClosed,
        (None, Some(length)) => Framing::Length(length),
    };
    if let Framing::Length(length) = body {
        within_reason(length)?;
    }
    Ok(Some(Head {
        status,
        length,
        body,
        keeps_alive: keeps_alive && body != Framing::UntilClosed,
    }))
}

fn content_length_of(value: &[u8]) -> Result<u64, WireError> {
    let text = str::from_utf8(value).unwrap_or_default().trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| {
        let value = String::from_utf8_lossy(value);
        WireError::Malformed(format!("its content length is `{value}`"))
    })
}

/// Whether a comma-separated list has this word.
fn has_token(list: &[u8], word: &str) -> bool {
    list.split(|byte| *byte == b',')
        .any(|token| token.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::measure::http::socket::Through;

    async fn exchange<'w>(
        wire: &'w mut Wire<Through<tokio::io::DuplexStream>>,
        request: &[u8],
        is_head: bool,
    ) -> Result<Response<'w>, WireError> {
        let request = [request, b""];
        wire.exchange(request, is_head, Wait::Yielding, &Cell::default())
            .await
    }

    /// What is read of these bytes, which come in pieces of this size.
    async fn read_in(pieces: usize, bytes: &[u8]) -> Result<(u16, String, bool), String> {
        let (ours, mut theirs) = tokio::io::duplex(pieces);
        let bytes = bytes.to_vec();
        let server = async move {
            let mut asked = [0; 3];
            theirs.read_exact(&mut asked).await.unwrap();
            // The reader may have had enough before everything is written.
            let _closed = theirs.write_all(&bytes).await;
        };
        let client = async move {
            let mut wire = Wire::new(Through(ours));
            let response = exchange(&mut wire, b"GET", false).await;
            let response = response.map_err(|error| error.to_string())?;
            let body = String::from_utf8_lossy(response.body).into_owned();
            Ok((response.status, body, wire.is_reusable()))
        };
        futures_util::future::join(client, server).await.0
    }

    /// The same in whatever pieces it comes.
    async fn read(bytes: &[u8]) -> Result<(u16, String, bool), String> {
        let whole = read_in(64 * 1024, bytes).await;
        for pieces in [3, 7, 64] {
            assert_eq!(read_in(pieces, bytes).await, whole);
        }
        whole
    }

    fn good(body: &str, is_reusable: bool) -> Result<(u16, String, bool), String> {
        Ok((200, body.to_owned(), is_reusable))
    }

    #[tokio::test]
    async fn every_framing_is_read_whatever_pieces_it_comes_in() {
        let fixed = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(read(fixed).await, good("hello", true));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
            5;name=value\r\nhello\r\n6\r\n world\r\n0\r\nDigest: x\r\n\r\n";
        assert_eq!(read(chunked).await, good("hello world", true));
        let closed = b"HTTP/1.0 200 OK\r\n\r\nhello";
        assert_eq!(read(closed).await, good("hello", false));
        let empty = b"HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(read(empty).await, Ok((204, String::new(), true)));
        let interim =
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(read(interim).await, good("ok", true));
        let long = "x".repeat(100_000);
        let many = format!("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n{long}");
        assert_eq!(read_in(1000, many.as_bytes()).await, good(&long, true));
    }

    #[tokio::test]
    async fn a_connection_that_is_to_be_closed_is_not_used_again() {
        let close = b"HTTP/1.1 200 OK\r\nConnection: Upgrade, Close\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(read(close).await, good("", false));
        let kept = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(read(kept).await, good("", true));
        let more = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n";
        let (_, body, is_reusable) = read_in(64 * 1024, more).await.unwrap();
        assert_eq!((body.as_str(), is_reusable), ("x", false));
    }

    #[tokio::test]
    async fn what_is_no_response_says_why() {
        let why = async |bytes: &[u8]| read(bytes).await.unwrap_err();
        assert_eq!(
            why(b"").await,
            "the connection ended before the answer began: the other side closed it"
        );
        assert_eq!(
            why(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello").await,
            "the connection ended before the answer did: the other side closed it"
        );
        assert!(
            why(b"SSH-2.0-OpenSSH_9.2\r\n")
                .await
                .contains("no HTTP/1.1")
        );
        for head in [
            "Content-Length: +5",
            "Content-Length: 5\r\nContent-Length: 6",
        ] {
            let text = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nhello!");
            assert!(
                why(text.as_bytes()).await.contains("content length"),
                "{head}"
            );
        }
        let chunk = |text: &str| {
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{text}").into_bytes()
        };
        assert!(why(&chunk("five\r\nhello\r\n")).await.contains("no size"));
        assert!(
            why(&chunk("3\r\nhello\r\n0\r\n\r\n"))
                .await
                .contains("longer")
        );
        let large = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n";
        assert!(why(large).await.contains("larger than 1 GiB"));
    }

    #[tokio::test]
    async fn the_answer_to_head_has_no_body() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        theirs.write_all(head).await.unwrap();
        let mut wire = Wire::new(Through(ours));
        let response = exchange(&mut wire, b"HEAD", true).await.unwrap();
        assert_eq!(response.header("content-length"), ["5"]);
        assert_eq!(response.body, b"");
        assert!(wire.is_reusable());
    }
}
