//! Where requests go, and what is spoken there: TCP or a unix socket, with TLS or without,
//! HTTP/1.1 or HTTP/2.
//!
//! Opens connections and nothing else: what is sent over them is not known here.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::socket::{Socket, Stream, Through, Wait};
use crate::measure::plan::{Speaks, Tls};

/// How a protocol is asked for within TLS (RFC 7301).
const ALPN_ONE: &[u8] = b"http/1.1";
/// See [`ALPN_ONE`].
const ALPN_TWO: &[u8] = b"h2";

/// Where requests go.
#[derive(Debug, Clone)]
pub struct Origin {
    /// `host:port`, as the `Host` header says it.
    authority: String,
    /// The unix socket that stands for it.
    socket: Option<PathBuf>,
    tls: Option<Secured>,
    /// Whether HTTP/2 is spoken there; HTTP/1.1 otherwise.
    pub is_http2: bool,
}

/// What TLS needs.
#[derive(Debug, Clone)]
struct Secured {
    config: Arc<ClientConfig>,
    /// Whom the certificate must name.
    name: ServerName<'static>,
}

/// Any stream of bytes.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug> Duplex for S {}

/// An open connection that HTTP/1.1 is spoken over.
#[derive(Debug)]
pub(super) enum Transport {
    Plain(Socket),
    Tls(Box<Through<TlsStream<Box<dyn Duplex>>>>),
}

impl Stream for Transport {
    async fn send(&mut self, bytes: &[u8], wait: Wait<'_>) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.send(bytes, wait).await,
            Self::Tls(stream) => stream.send(bytes, wait).await,
        }
    }

    async fn receive(&mut self, room: &mut [u8], wait: Wait<'_>) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.receive(room, wait).await,
            Self::Tls(stream) => stream.receive(room, wait).await,
        }
    }
}

impl Origin {
    /// HTTP/1.1 over TCP, in the clear.
    pub fn plain(authority: &str) -> Self {
        Self {
            authority: authority.to_owned(),
            socket: None,
            tls: None,
            is_http2: false,
        }
    }

    /// What a service speaks at an address. `socket` and the certificates of `speaks` are paths
    /// that can be opened from here; the error says what to mend.
    pub fn new(authority: &str, speaks: &Speaks, socket: Option<PathBuf>) -> Result<Self, String> {
        let alpn = if speaks.http2 { ALPN_TWO } else { ALPN_ONE };
        let secure = |tls: &Tls| Secured::new(authority, tls, alpn);
        Ok(Self {
            authority: authority.to_owned(),
            socket,
            tls: speaks.tls.as_ref().map(secure).transpose()?,
            is_http2: speaks.http2,
        })
    }

    /// `host:port`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// What errors call it.
    pub fn shown(&self) -> String {
        match &self.socket {
            Some(path) => path.display().to_string(),
            None => self.authority.clone(),
        }
    }

    /// A client for what is not timed: whether it is ready, and logging in.
    pub fn untimed(&self) -> reqwest::ClientBuilder {
        let mut client = reqwest::Client::builder()
            .no_proxy()
            .tls_backend_preconfigured(match &self.tls {
                Some(tls) => (*tls.config).clone(),
                None => trusting(RootCertStore::empty(), ALPN_ONE),
            });
        if self.is_http2 {
            client = client.http2_prior_knowledge();
        }
        if let Some(path) = &self.socket {
            client = client.unix_socket(path.clone());
        }
        // Otherwise the certificate would have to name the address.
        if let (Some(host), None) = (self.name_to_resolve(), &self.socket)
            && let Ok(address) = self.authority.parse()
        {
            client = client.resolve(&host, address);
        }
        client
    }

    /// The URL of a path for [`Origin::untimed`].
    pub fn url(&self, path: &str) -> String {
        let authority = match (self.name_to_resolve(), self.authority.rsplit_once(':')) {
            (Some(host), Some((_, port))) => format!("{host}:{port}"),
            _ => self.authority.clone(),
        };
        format!("{}://{authority}{path}", self.scheme())
    }

    /// The name in the certificate, where it is none of the address.
    fn name_to_resolve(&self) -> Option<String> {
        if let ServerName::DnsName(name) = &self.tls.as_ref()?.name {
            return Some(name.as_ref().to_owned());
        }
        None
    }

    /// Opens a connection for HTTP/1.1.
    pub(super) async fn open(&self) -> io::Result<Transport> {
        if let Some(tls) = &self.tls {
            let stream = tls.over(self.raw().await?, ALPN_ONE).await?;
            return Ok(Transport::Tls(Box::new(Through(stream))));
        }
        let socket = match &self.socket {
            Some(path) => Socket::unix(UnixStream::connect(path).await?)?,
            None => Socket::tcp(TcpStream::connect(&self.authority).await?)?,
        };
        Ok(Transport::Plain(socket))
    }

    /// Whether what is sent there goes over a plain socket.
    pub(super) fn is_plain(&self) -> bool {
        self.tls.is_none() && !self.is_http2
    }

    /// Opens a connection for HTTP/2.
    pub(super) async fn open_for_two(&self) -> io::Result<Box<dyn Duplex>> {
        let raw = self.raw().await?;
        match &self.tls {
            Some(tls) => Ok(Box::new(tls.over(raw, ALPN_TWO).await?)),
            None => Ok(raw),
        }
    }

    /// Whether anything listens there.
    pub async fn reach(&self) -> io::Result<()> {
        self.raw().await.map(drop)
    }

    async fn raw(&self) -> io::Result<Box<dyn Duplex>> {
        if let Some(path) = &self.socket {
            return Ok(Box::new(UnixStream::connect(path).await?));
        }
        let stream = TcpStream::connect(&self.authority).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

impl Secured {
    fn new(authority: &str, tls: &Tls, alpn: &[u8]) -> Result<Self, String> {
        let host = authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host);
        let host = host.trim_matches(['[', ']']);
        let name = tls.name.as_deref().unwrap_or(host).to_owned();
        let wrong = |error| format!("`{name}` is no name that a certificate can have: {error}");
        Ok(Self {
            name: ServerName::try_from(name.clone()).map_err(wrong)?,
            config: Arc::new(trusting(roots(tls.ca.as_deref())?, alpn)),
        })
    }

    async fn over(
        &self,
        stream: Box<dyn Duplex>,
        alpn: &[u8],
    ) -> io::Result<TlsStream<Box<dyn Duplex>>> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let stream = connector.connect(self.name.clone(), stream).await?;
        let chosen = stream.get_ref().1.alpn_protocol();
        // A server that chooses nothing speaks HTTP/1.1.
        if chosen.unwrap_or(ALPN_ONE) == alpn {
            return Ok(stream);
        }
        let chosen = String::from_utf8_lossy(chosen.unwrap_or(ALPN_ONE)).into_owned();
        Err(io::Error::other(format!(
            "it speaks `{chosen}` and not `{}`",
            String::from_utf8_lossy(alpn)
        )))
    }
}

/// Whom to trust: these authorities, or those of the system.
fn roots(ca: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Some(path) = ca else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let unreadable = |why: String| format!("the CA `{}` cannot be read: {why}", path.display());
    let pem = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        let added = roots.add(certificate);
        added.map_err(|error| unreadable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unreadable("it has no certificate in PEM".to_owned()));
    }
    Ok(roots)
}

fn trusting(roots: RootCertStore, alpn: &[u8]) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let mut config = builder
        .with_safe_default_protocol_versions()
        .unwrap_or_else(|error| unreachable!("ring knows every version: {error}"))
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    config
}

#[cfg(test)]
mod tests;
