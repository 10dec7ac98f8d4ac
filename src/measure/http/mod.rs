//! Driving endpoints: prepared requests, honest latency, fair between the arms.
//!
//! A request's service time runs from the moment its first byte may leave until the last byte of
//! its body has arrived; connecting is not part of it. In an open loop users do not wait for one
//! another, so there the response time counts, from when the request was due. Every response is
//! checked; a wrong one never enters either.

mod arrivals;
pub mod connection;
mod crew;
pub mod drive;
mod origin;
pub mod pacer;
pub mod prepare;
mod quote;
pub mod recording;
pub mod session;
mod socket;
mod two;
mod vary;
mod wire;

pub use drive::Arms;
pub use origin::Origin;
pub use prepare::Prepared;
pub use recording::Recording;

/// What it comes down to: `connection refused`, or what is wrong with a certificate.
pub fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    match cause.downcast_ref::<std::io::Error>() {
        Some(refused) if refused.kind() == std::io::ErrorKind::ConnectionRefused => {
            "connection refused".to_owned()
        }
        Some(_) | None => cause.to_string(),
    }
}
