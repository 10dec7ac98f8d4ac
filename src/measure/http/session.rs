//! Logging in: never timed, and what proves the session is never written anywhere.

use std::time::Duration;

use super::prepare::{PrepareError, Prepared};
use crate::measure::plan::{Body, Endpoint, Expect, Load, Proof, Session};

/// How long a login may take.
const LOGIN_WITHIN: Duration = Duration::from_secs(10);

/// What is sent with a request to prove who sends it.
#[derive(Clone)]
pub struct Pass {
    /// Name of the header.
    pub header: String,
    /// Its whole value.
    pub value: String,
    /// The part of it that nobody may read.
    pub secret: String,
}

impl std::fmt::Debug for Pass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pass({}: ***)", self.header)
    }
}

/// How an arm logs in again when its pass is refused.
#[derive(Debug, Clone)]
pub struct Login {
    /// The session.
    pub session: Session,
    /// `host:port` of the service to log in at.
    pub address: String,
}

/// A login that gave no pass.
#[derive(Debug, thiserror::Error)]
#[error("session `{session}`: {why}")]
pub struct SessionError {
    /// Which session.
    pub session: String,
    /// Why.
    pub why: String,
}

/// Logs in at `address`.
pub async fn log_in(session: &Session, address: &str) -> Result<Pass, SessionError> {
    let failed = |why: String| SessionError {
        session: session.name.clone(),
        why,
    };
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(LOGIN_WITHIN)
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let method = reqwest::Method::from_bytes(session.request.method.as_bytes())
        .map_err(|error| failed(error.to_string()))?;
    let url = format!("http://{address}{}", session.request.path);
    let mut request = client.request(method, url);
    for (name, value) in &session.request.headers {
        request = request.header(name, value);
    }
    if let Body::Json(text) = &session.request.body {
        request = request
            .header("content-type", "application/json")
            .body(text.clone());
    }
    let response = request
        .send()
        .await
        .map_err(|error| failed(format!("the login was not answered: {error}")))?;
    let status = response.status();
    if !status.is_success() {
        return Err(failed(format!("the login answered {}", status.as_u16())));
    }
    match &session.proof {
        Proof::Token(text, path) => {
            let value: serde_json::Value = response
                .json()
                .await
                .map_err(|error| failed(format!("the login's answer is no JSON: {error}")))?;
            let found = path.query(&value).all();
            let [serde_json::Value::String(token)] = found.as_slice() else {
                let why = format!("`{text}` does not name one text in the login's answer");
                return Err(failed(why));
            };
            Ok(Pass {
                header: "authorization".to_owned(),
                value: format!("Bearer {token}"),
                secret: token.clone(),
            })
        }
        Proof::Cookie(name) => {
            let set = response.headers().get_all("set-cookie").iter();
            let found = set
                .filter_map(|value| cookie(value.to_str().ok()?, name))
                .next_back();
            let secret = found
                .ok_or_else(|| failed(format!("the login's answer sets no cookie `{name}`")))?;
            Ok(Pass {
                header: "cookie".to_owned(),
                value: format!("{name}={secret}"),
                secret,
            })
        }
        Proof::Header(name) => {
            let value = response.headers().get(name);
            let secret = value
                .and_then(|value| value.to_str().ok())
                .ok_or_else(|| failed(format!("the login's answer has no header `{name}`")))?;
            Ok(Pass {
                header: name.clone(),
                value: secret.to_owned(),
                secret: secret.to_owned(),
            })
        }
    }
}

/// The value of a cookie in a `Set-Cookie` header, where it is the one of this name.
fn cookie(set: &str, name: &str) -> Option<String> {
    let (pair, _) = set.split_once(';').unwrap_or((set, ""));
    let (found, value) = pair.split_once('=')?;
    (found.trim() == name).then(|| value.trim().to_owned())
}

/// Checks that a session's request can be sent at all.
pub fn check(session: &Session, project: &std::path::Path) -> Result<(), PrepareError> {
    let endpoint = Endpoint {
        name: session.name.clone(),
        service: session.service.clone(),
        request: session.request.clone(),
        expect: Expect::default(),
        load: Load::Closed { concurrency: 1 },
        time_out: LOGIN_WITHIN,
        session: None,
    };
    Prepared::new(&endpoint, project).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_name() {
        let set = "sid=s%3Aab.cd==; Path=/; HttpOnly";
        assert_eq!(cookie(set, "sid").as_deref(), Some("s%3Aab.cd=="));
        assert_eq!(cookie(set, "id"), None);
        assert_eq!(cookie("sid", "sid"), None);
    }

    #[test]
    fn a_pass_does_not_show_its_secret() {
        let pass = Pass {
            header: "cookie".to_owned(),
            value: "sid=s3cret".to_owned(),
            secret: "s3cret".to_owned(),
        };
        assert_eq!(format!("{pass:?}"), "Pass(cookie: ***)");
    }
}
