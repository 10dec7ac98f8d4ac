//! Requests, made ready once: bodies are read and multipart forms put together before anything
//! is timed.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use bytes::Bytes;
use http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue,
};
use http::{Method, Request};
use http_body_util::Full;

use super::origin::Origin;
use super::session::Pass;
use super::vary::{Number, Place, fill};
use crate::measure::plan::{self, Body, Endpoint, Part};

/// Separates the parts of a multipart body. Fixed, so that both arms get the same bytes.
const BOUNDARY: &str = "tollgate-7f3c9a52d1e84b06";
/// Bodies up to this length leave in one piece with their head: copying them costs less than a
/// second call of the kernel.
const IN_ONE_PIECE: usize = 64 * 1024;

/// A request that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A file of the body cannot be read.
    #[error("endpoint `{endpoint}`: file `{}` cannot be read: {source}", path.display())]
    File {
        /// Which endpoint.
        endpoint: String,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no valid HTTP request.
    #[error("endpoint `{endpoint}`: {why}")]
    Request {
        /// Which endpoint.
        endpoint: String,
        /// Why.
        why: String,
    },
}

/// The requests of an endpoint, ready to be sent.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The endpoint they belong to.
    pub endpoint: Endpoint,
    /// Bodies, one after the other; empty where the body differs from request to request.
    bodies: Rc<Vec<Bytes>>,
    content_type: Option<String>,
    /// Where they go, and the pass they are sent with.
    to: Option<(Origin, Option<Pass>)>,
    /// One for each body, where requests do not differ otherwise.
    messages: Vec<Rc<Message>>,
}

/// One request as it is sent.
#[derive(Debug)]
pub struct Message {
    /// As HTTP/1.1 sends it: the head with the body, or the body after it.
    pieces: [Bytes; 2],
    /// The same in parts, as HTTP/2 needs it.
    parts: Request<()>,
    body: Bytes,
    /// Equal for equal requests, whichever arm they go to and with whatever pass.
    pub key: u64,
}

impl Message {
    pub(super) fn pieces(&self) -> [&[u8]; 2] {
        [&self.pieces[0], &self.pieces[1]]
    }

    /// Whether it is answered without a body.
    pub(super) fn is_head(&self) -> bool {
        self.parts.method() == Method::HEAD
    }

    pub(super) fn for_two(&self) -> Request<Full<Bytes>> {
        self.parts.clone().map(|()| Full::new(self.body.clone()))
    }
}

impl Prepared {
    /// Reads what the bodies need, from files of `project`.
    pub fn new(endpoint: &Endpoint, project: &Path) -> Result<Self, PrepareError> {
        let (bodies, content_type) =
            bodies(&endpoint.request, project).map_err(|(path, source)| PrepareError::File {
                endpoint: endpoint.name.clone(),
                path,
                source,
            })?;
        let prepared = Self {
            endpoint: endpoint.clone(),
            bodies: Rc::new(bodies),
            content_type,
            to: None,
            messages: Vec::new(),
        };
        // Whatever cannot be sent is found before anything is started.
        prepared.made(Number {
            index: 0,
            seed: 0,
            sequence: 1,
        })?;
        Ok(prepared)
    }

    /// The same requests for one arm: where they go, and the pass of its session.
    pub fn at(&self, origin: &Origin, pass: Option<&Pass>) -> Result<Self, PrepareError> {
        let mut own = self.clone();
        own.to = Some((origin.clone(), pass.cloned()));
        own.messages.clear();
        if own.endpoint.request.variables.is_empty() {
            own.messages = (0..own.bodies.len() as u64)
                .map(|index| {
                    own.made(Number {
                        index,
                        seed: 0,
                        sequence: 0,
                    })
                })
                .map(|made| made.map(Rc::new))
                .collect::<Result<_, _>>()?;
        }
        Ok(own)
    }

    /// The secret they are sent with.
    pub fn token(&self) -> Option<&str> {
        let (_, pass) = self.to.as_ref()?;
        pass.as_ref().map(|pass| pass.secret.as_str())
    }

    /// The request with this number.
    pub(super) fn message(&self, number: Number) -> Result<Rc<Message>, PrepareError> {
        let count = self.messages.len() as u64;
        let ready = number.index.checked_rem(count);
        match ready.and_then(|index| self.messages.get(usize::try_from(index).ok()?)) {
            Some(message) => Ok(Rc::clone(message)),
            None => self.made(number).map(Rc::new),
        }
    }

    fn made(&self, number: Number) -> Result<Message, PrepareError> {
        let invalid = |why: String| PrepareError::Request {
            endpoint: self.endpoint.name.clone(),
            why,
        };
        let request = &self.endpoint.request;
        let filled = |text: &str, place| fill(text, &request.variables, number, place);
        let body = match &request.body {
            Body::Json(text) => Bytes::from(filled(text, Place::Json)),
            Body::Empty | Body::Text(_) | Body::File(_) | Body::Multipart(_) => {
                let count = self.bodies.len().max(1) as u64;
                let index = usize::try_from(number.index % count).unwrap_or_default();
                self.bodies.get(index).cloned().unwrap_or_default()
            }
        };
        let path = filled(&request.path, Place::Path);
        let mut hasher = DefaultHasher::new();
        (&path, &body[..]).hash(&mut hasher);
        let mut builder = Request::builder()
            .method(request.method.as_str())
            .uri(&path);
        for (name, value) in &request.headers {
            let value = filled(value, Place::Header);
            (name, &value).hash(&mut hasher);
            builder = builder.header(name, value);
        }
        let key = hasher.finish();
        let has_type = request
            .headers
            .keys()
            .any(|name| name.eq_ignore_ascii_case(CONTENT_TYPE.as_str()));
        if let Some(content_type) = self.content_type.as_ref().filter(|_| !has_type) {
            builder = builder.header(CONTENT_TYPE, content_type);
        }
        let mut parts = builder
            .body(())
            .map_err(|error| invalid(error.to_string()))?;
        // Methods that have a meaning for a body say that there is none (RFC 9110, section 8.6).
        if !body.is_empty() || [Method::POST, Method::PUT, Method::PATCH].contains(parts.method()) {
            let length = HeaderValue::from(body.len());
            parts.headers_mut().insert(CONTENT_LENGTH, length);
        }
        if let Some((origin, pass)) = &self.to {
            if let Some(pass) = pass {
                self.show(pass, parts.headers_mut())
                    .ok_or_else(|| invalid("what the login gave is no valid header".to_owned()))?;
            }
            let authority = origin.authority();
            if origin.is_http2 {
                let whole = format!("{}://{authority}{path}", origin.scheme());
                let whole = whole
                    .parse()
                    .map_err(|_| invalid(format!("`{whole}` is no URL")))?;
                *parts.uri_mut() = whole;
            } else {
                let host = authority
                    .parse()
                    .map_err(|_| invalid(format!("`{authority}` is no host")))?;
                parts.headers_mut().insert(HOST, host);
            }
        }
        Ok(Message {
            pieces: on_the_wire(&parts, &body),
            parts,
            body,
            key,
        })
    }

    /// Sends the pass along; none when it is no header. Other cookies of the request stay.
    fn show(&self, pass: &Pass, headers: &mut HeaderMap) -> Option<()> {
        let name: HeaderName = pass.header.parse().ok()?;
        let others = (name == COOKIE).then(|| headers.get(COOKIE)).flatten();
        let value = match others.and_then(|cookies| cookies.to_str().ok()) {
            Some(cookies) => format!("{cookies}; {}", pass.value),
            None => pass.value.clone(),
        };
        headers.insert(name, value.parse().ok()?);
        Some(())
    }
}

fn on_the_wire(parts: &Request<()>, body: &Bytes) -> [Bytes; 2] {
    let mut bytes = format!("{} {} HTTP/1.1\r\n", parts.method(), parts.uri()).into_bytes();
    for (name, value) in parts.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    if body.len() > IN_ONE_PIECE {
        return [Bytes::from(bytes), body.clone()];
    }
    bytes.extend_from_slice(body);
    [Bytes::from(bytes), Bytes::new()]
}

type BodyError = (PathBuf, io::Error);

/// The bytes of the bodies, and the content type they need.
fn bodies(
    request: &plan::Request,
    project: &Path,
) -> Result<(Vec<Bytes>, Option<String>), BodyError> {
    let of_type = |name: &str| Some(name.to_owned());
    match &request.body {
        Body::Empty => Ok((vec![Bytes::new()], None)),
        Body::Json(text) => Ok((vec![Bytes::from(text.clone())], of_type("application/json"))),
        Body::Text(text) => Ok((
            vec![Bytes::from(text.clone())],
            of_type("text/plain; charset=utf-8"),
        )),
        Body::File(path) => {
            let files = files(project, path)?;
            let kind = files.first().map(|file| content_type(&file.path));
            let bodies = files.into_iter().map(|file| file.content).collect();
            Ok((bodies, kind.and_then(of_type)))
        }
        Body::Multipart(parts) => Ok((
            multipart(parts, project)?,
            Some(format!("multipart/form-data; boundary={BOUNDARY}")),
        )),
    }
}

/// A file that is sent.
#[derive(Debug)]
struct File {
    path: PathBuf,
    content: Bytes,
}

/// A file, or the files of a folder in the order of their names.
fn files(project: &Path, path: &Path) -> Result<Vec<File>, BodyError> {
    let failed = |error| (path.to_owned(), error);
    let whole = project.join(path);
    if !whole.is_dir() {
        let content = fs::read(&whole).map_err(failed)?.into();
        let path = path.to_owned();
        return Ok(vec![File { path, content }]);
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(&whole).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !is_hidden && entry.path().is_file() {
            names.push(entry.file_name());
        }
    }
    names.sort();
    if names.is_empty() {
        return Err(failed(io::Error::other("it is a folder without files")));
    }
    let read = |name| {
        let path = path.join(name);
        match fs::read(project.join(&path)) {
            Ok(content) => Ok(File {
                content: content.into(),
                path,
            }),
            Err(error) => Err((path, error)),
        }
    };
    names.into_iter().map(read).collect()
}

/// A form for each file of the longest folder in it.
fn multipart(parts: &[(String, Part)], project: &Path) -> Result<Vec<Bytes>, BodyError> {
    let mut read = Vec::new();
    for (name, part) in parts {
        let files = match part {
            Part::Text(_) => Vec::new(),
            Part::File(path) => files(project, path)?,
        };
        read.push((name, part, files));
    }
    let count = read.iter().map(|(_, _, files)| files.len()).max();
    let forms = (0..count.unwrap_or(1).max(1)).map(|index| {
        let mut body = Vec::new();
        for (name, part, files) in &read {
            body.extend(
                format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"").bytes(),
            );
            match part {
                Part::Text(text) => body.extend(format!("\r\n\r\n{text}").bytes()),
                Part::File(_) => {
                    let file = &files[index % files.len()];
                    let name = file.path.file_name().unwrap_or_default().to_string_lossy();
                    let kind = content_type(&file.path);
                    body.extend(
                        format!("; filename=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n").bytes(),
                    );
                    body.extend_from_slice(&file.content);
                }
            }
            body.extend(b"\r\n");
        }
        body.extend(format!("--{BOUNDARY}--\r\n").bytes());
        Bytes::from(body)
    });
    Ok(forms.collect())
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|end| end.to_str()) {
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        Some("gif") => "image/gif",
        Some("tif" | "tiff") => "image/tiff",
        Some("json") => "application/json",
        Some("csv") => "text/csv",
        Some("txt") => "text/plain",
        _ => "application/octet-stream",
    }
}
