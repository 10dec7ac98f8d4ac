//! Logging in: never timed, and the token is never written anywhere.

use std::time::Duration;

use super::prepare::{PrepareError, Prepared};
use crate::measure::plan::{Body, Endpoint, Expect, Load, Session};

/// How long a login may take.
const LOGIN_WITHIN: Duration = Duration::from_secs(10);

/// A login that gave no token.
#[derive(Debug, thiserror::Error)]
#[error("session `{session}`: {why}")]
pub struct SessionError {
    /// Which session.
    pub session: String,
    /// Why.
    pub why: String,
}

/// Logs in at `address` and returns the token.
pub async fn log_in(session: &Session, address: &str) -> Result<String, SessionError> {
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
    let value: serde_json::Value = response
        .json()
        .await
        .map_err(|error| failed(format!("the login's answer is no JSON: {error}")))?;
    let (text, path) = &session.token;
    let found = path.query(&value).all();
    match found.as_slice() {
        [serde_json::Value::String(token)] => Ok(token.clone()),
        _ => Err(failed(format!(
            "`{text}` does not name one text in the login's answer"
        ))),
    }
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
