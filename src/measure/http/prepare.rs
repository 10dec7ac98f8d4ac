//! A request, made ready once: bodies are read and multipart forms put together before anything
//! is timed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue};
use http::{Method, Request};

use super::session::Pass;
use crate::measure::plan::{self, Body, Endpoint, Part};

/// Separates the parts of a multipart body. Fixed, so that both arms get the same bytes.
const BOUNDARY: &str = "tollgate-7f3c9a52d1e84b06";

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

/// A request ready to be sent.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The endpoint it belongs to.
    pub endpoint: Endpoint,
    parts: Request<()>,
    body: Bytes,
    /// All of it as it is sent.
    bytes: Bytes,
    /// The secret it is sent with, so that it can be masked.
    token: Option<String>,
}

impl Prepared {
    /// Reads what the body needs, from files of `project`.
    pub fn new(endpoint: &Endpoint, project: &Path) -> Result<Self, PrepareError> {
        let invalid = |why: String| PrepareError::Request {
            endpoint: endpoint.name.clone(),
            why,
        };
        let (body, content_type) =
            body(&endpoint.request, project).map_err(|(path, source)| PrepareError::File {
                endpoint: endpoint.name.clone(),
                path,
                source,
            })?;
        let mut builder = Request::builder()
            .method(endpoint.request.method.as_str())
            .uri(&endpoint.request.path);
        for (name, value) in &endpoint.request.headers {
            builder = builder.header(name, value);
        }
        if let Some(content_type) = content_type {
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
        Ok(Self {
            endpoint: endpoint.clone(),
            bytes: on_the_wire(&parts, &body),
            parts,
            body,
            token: None,
        })
    }

    /// The same request for one arm: its host, and the pass of its session.
    pub fn at(&self, address: &str, pass: Option<&Pass>) -> Result<Self, PrepareError> {
        let invalid = || PrepareError::Request {
            endpoint: self.endpoint.name.clone(),
            why: "what the login gave is no valid header".to_owned(),
        };
        let mut own = self.clone();
        let headers = own.parts.headers_mut();
        headers.insert(HOST, address.parse().map_err(|_| invalid())?);
        if let Some(pass) = pass {
            let name: HeaderName = pass.header.parse().map_err(|_| invalid())?;
            // Other cookies of the request stay.
            let value = match self
                .endpoint
                .request
                .headers
                .iter()
                .find(|(key, _)| name == COOKIE && key.eq_ignore_ascii_case("cookie"))
            {
                Some((_, cookies)) => format!("{cookies}; {}", pass.value),
                None => pass.value.clone(),
            };
            headers.insert(name, value.parse().map_err(|_| invalid())?);
            own.token = Some(pass.secret.clone());
        }
        own.bytes = on_the_wire(&own.parts, &own.body);
        Ok(own)
    }

    /// The secret it is sent with.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The request as HTTP/1.1 sends it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it is answered without a body.
    pub(super) fn is_head(&self) -> bool {
        self.parts.method() == Method::HEAD
    }
}

fn on_the_wire(parts: &Request<()>, body: &[u8]) -> Bytes {
    let mut bytes = format!("{} {} HTTP/1.1\r\n", parts.method(), parts.uri()).into_bytes();
    for (name, value) in parts.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    Bytes::from(bytes)
}

type BodyError = (PathBuf, io::Error);

/// The bytes of a body, and the content type they need.
fn body(request: &plan::Request, project: &Path) -> Result<(Bytes, Option<String>), BodyError> {
    match &request.body {
        Body::Empty => Ok((Bytes::new(), None)),
        Body::Json(text) => Ok((
            Bytes::from(text.clone()),
            Some("application/json".to_owned()),
        )),
        Body::Multipart(parts) => Ok((
            multipart(parts, project)?,
            Some(format!("multipart/form-data; boundary={BOUNDARY}")),
        )),
    }
}

fn multipart(parts: &[(String, Part)], project: &Path) -> Result<Bytes, BodyError> {
    let mut body = Vec::new();
    for (name, part) in parts {
        body.extend(
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"").bytes(),
        );
        match part {
            Part::Text(text) => body.extend(format!("\r\n\r\n{text}").bytes()),
            Part::File(path) => {
                let content =
                    fs::read(project.join(path)).map_err(|error| (path.clone(), error))?;
                let file = path.file_name().unwrap_or_default().to_string_lossy();
                let kind = content_type(path);
                body.extend(
                    format!("; filename=\"{file}\"\r\nContent-Type: {kind}\r\n\r\n").bytes(),
                );
                body.extend(content);
            }
        }
        body.extend(b"\r\n");
    }
    body.extend(format!("--{BOUNDARY}--\r\n").bytes());
    Ok(Bytes::from(body))
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|end| end.to_str()) {
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("json") => "application/json",
        Some("csv") => "text/csv",
        Some("txt") => "text/plain",
        _ => "application/octet-stream",
    }
}
