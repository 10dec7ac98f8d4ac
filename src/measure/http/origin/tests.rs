//! Every protocol, driven for real against a server in a thread of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::measure::arm::ArmName;
use crate::measure::http::drive::{Arms, Switch, Target};
use crate::measure::http::{Prepared, Recording};
use crate::measure::plan::{Body, Endpoint, Expect, Load, Request as Planned, Same, Variable};

struct NoSwitch;

impl Switch for NoSwitch {
    fn to(&self, _turn: ArmName) {}
}

/// A CA in PEM, and what a server for `localhost` needs.
fn certificates(alpn: &[&[u8]]) -> (String, ServerConfig) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = authority.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(authority, key);
    let own = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&own, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(own.serialize_der().into()),
        )
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    (pem, config)
}

/// Answers with the method, the path and the length of the body that it was sent.
async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let length = body.collect().await?.to_bytes().len();
    let path = parts.uri.path();
    let text = format!(r#"{{"said":"{} {path} {length}"}}"#, parts.method);
    Ok(Response::new(Full::new(Bytes::from(text))))
}

async fn converse(stream: Box<dyn Duplex>, is_http2: bool) {
    let io = TokioIo::new(stream);
    // A client that has what it wants closes its connections.
    let _closed = if is_http2 {
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        server.serve_connection(io, service_fn(echo)).await
    } else {
        let server = hyper::server::conn::http1::Builder::new();
        server.serve_connection(io, service_fn(echo)).await
    };
}

async fn serve_tcp(tls: Option<ServerConfig>, is_http2: bool, told: Sender<SocketAddr>) {
    let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    told.send(listener.local_addr().unwrap()).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let stream: Box<dyn Duplex> = match acceptor {
                None => Box::new(stream),
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => Box::new(stream),
                    Err(_) => return,
                },
            };
            converse(stream, is_http2).await;
        });
    }
}

async fn serve_unix(path: PathBuf, told: Sender<()>) {
    let listener = UnixListener::bind(path).unwrap();
    told.send(()).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(converse(Box::new(stream), false));
    }
}

/// In a thread of its own: a request may hold the one that it is sent from.
fn in_background<T: Send + 'static, F: Future<Output = ()>>(
    serve: impl FnOnce(Sender<T>) -> F + Send + 'static,
) -> T {
    let (told, said) = channel();
    std::thread::spawn(move || runtime().block_on(serve(told)));
    said.recv().unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn tcp(tls: Option<ServerConfig>, is_http2: bool) -> String {
    in_background(move |told| serve_tcp(tls, is_http2, told)).to_string()
}

fn endpoint(body: Body) -> Endpoint {
    Endpoint {
        name: "echo".to_owned(),
        service: "api".to_owned(),
        request: Planned {
            method: "POST".to_owned(),
            path: "/things/{{ id }}".to_owned(),
            headers: [].into(),
            body,
            variables: [("id".to_owned(), Variable::Integers(1..=9))].into(),
        },
        expect: Expect {
            status: Some(200),
            contains: Some("POST /things/".to_owned()),
            same: Some(Same::default()),
            ..Expect::default()
        },
        load: Load::Closed { concurrency: 1 },
        time_out: Duration::from_secs(2),
        time_limit: None,
        session: None,
        cold_start: false,
        batch: None,
        has_read_budget: false,
    }
}

/// What is answered there, one request at a time and four at once.
fn drive(origin: &Origin) -> [Recording; 2] {
    [1, 4].map(|concurrency| {
        let mut endpoint = endpoint(Body::Text("x".repeat(200_000)));
        endpoint.load = Load::Closed { concurrency };
        let prepared = Prepared::new(&endpoint, Path::new(".")).unwrap();
        let target = Target {
            arm: ArmName::Head,
            request: prepared.at(origin, None).unwrap(),
            origin: origin.clone(),
            login: None,
            sequence: Rc::default(),
        };
        runtime().block_on(async {
            let mut arms = Arms::new(vec![target]);
            let mut random = fastrand::Rng::with_seed(1);
            let length = Duration::from_millis(200);
            let mut driven = arms.drive(length, &mut random, &NoSwitch).await;
            driven.pop().unwrap().1
        })
    })
}

fn is_answered(origin: &Origin) {
    for recording in drive(origin) {
        assert!(recording.wrong.is_empty(), "{:?}", recording.example);
        assert!(recording.good() > 10, "{}", recording.good());
        // Nine paths, each always answered alike.
        let said = &recording.said;
        assert!(said.len() > 5 && said.values().all(Option::is_some));
    }
    let answered = runtime().block_on(async {
        let client = origin.untimed().build().unwrap();
        let asked = client.get(origin.url("/ready")).send().await.unwrap();
        asked.text().await.unwrap()
    });
    assert_eq!(answered, r#"{"said":"GET /ready 0"}"#);
}

fn speaking(tls: Option<Tls>, http2: bool) -> Speaks {
    Speaks {
        http2,
        tls,
        socket: None,
    }
}

#[test]
fn http_two_is_spoken_with_prior_knowledge() {
    let address = tcp(None, true);
    is_answered(&Origin::new(&address, &speaking(None, true), None).unwrap());
}

#[test]
fn tls_trusts_the_given_authority_in_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    for is_http2 in [false, true] {
        let alpn: &[u8] = if is_http2 { b"h2" } else { b"http/1.1" };
        let (pem, config) = certificates(&[alpn]);
        std::fs::write(&ca, pem).unwrap();
        let address = tcp(Some(config), is_http2);
        let tls = Tls {
            ca: Some(ca.clone()),
            name: Some("localhost".to_owned()),
        };
        let speaks = speaking(Some(tls), is_http2);
        is_answered(&Origin::new(&address, &speaks, None).unwrap());
    }
}

#[test]
fn a_unix_socket_stands_for_an_address() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let at = path.clone();
    in_background(move |told| serve_unix(at, told));
    let speaks = Speaks::default();
    is_answered(&Origin::new("localhost:80", &speaks, Some(path)).unwrap());
}

#[test]
fn what_cannot_be_trusted_or_spoken_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let (pem, config) = certificates(&[b"http/1.1"]);
    let (other, _) = certificates(&[]);
    let address = tcp(Some(config), false);
    let why = |pem: &str, name: &str, http2: bool| {
        std::fs::write(&ca, pem).unwrap();
        let tls = Tls {
            ca: Some(ca.clone()),
            name: Some(name.to_owned()),
        };
        let origin = Origin::new(&address, &speaking(Some(tls), http2), None);
        let [one, _] = drive(&origin?);
        assert_eq!(one.good(), 0);
        assert_eq!(one.wrong.keys().collect::<Vec<_>>(), ["no handshake"]);
        Ok::<_, String>(one.example.unwrap())
    };
    let untrusted = why(&other, "localhost", false).unwrap();
    assert!(untrusted.contains("certificate"), "{untrusted}");
    let misnamed = why(&pem, "example.org", false).unwrap();
    assert!(misnamed.contains("not valid for name"), "{misnamed}");
    let version = why(&pem, "localhost", true).unwrap();
    assert!(
        version.contains("alert") || version.contains("http/1.1"),
        "{version}"
    );
    let empty = why("nothing", "localhost", false).unwrap_err();
    assert!(empty.contains("ca.pem` cannot be read"), "{empty}");
}
