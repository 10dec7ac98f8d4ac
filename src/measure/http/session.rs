//! Logging in: never timed, and what proves the session is never written anywhere.

use std::collections::BTreeMap;
use std::time::Duration;

use http::HeaderMap;

use super::origin::Origin;
use super::prepare::{PrepareError, Prepared};
use super::vary::{Number, Place, fill};
use crate::measure::plan::{self, Body, Endpoint, Expect, Load, Session, Source, Variable};
use crate::measure::secrets;

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
    /// Where to log in.
    pub origin: Origin,
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

/// Logs in there.
pub async fn log_in(session: &Session, origin: &Origin) -> Result<Pass, SessionError> {
    let failed = |why: String| SessionError {
        session: session.name.clone(),
        why,
    };
    let client = origin
        .untimed()
        .redirect(reqwest::redirect::Policy::none())
        .cookie_store(true)
        .timeout(LOGIN_WITHIN)
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let mut known = of_environment(session).map_err(failed)?;
    for step in &session.before {
        let line = format!("{} {}", step.request.method, step.request.path);
        let answer = ask(&client, origin, &step.request, &known, &line).await;
        let answer = answer.map_err(failed)?;
        for (name, source) in &step.captures {
            let found = answer.find(source, &line).map_err(failed)?;
            known.insert(name.clone(), Variable::OneOf(vec![found]));
        }
    }
    let answer = ask(&client, origin, &session.request, &known, "the login").await;
    let found = answer
        .and_then(|answer| answer.find(&session.proof, "the login"))
        .map_err(failed)?;
    let serde_json::Value::String(secret) = found else {
        return Err(failed("what proves the session is no text".to_owned()));
    };
    let (header, value) = match &session.proof {
        Source::Json(..) => ("authorization", format!("Bearer {secret}")),
        Source::Cookie(name) => ("cookie", format!("{name}={secret}")),
        Source::Header(name) => (name.as_str(), secret.clone()),
    };
    Ok(Pass {
        header: header.to_owned(),
        value,
        secret,
    })
}

/// What stands for each `{{ env.NAME }}` of a login.
fn of_environment(session: &Session) -> Result<BTreeMap<String, Variable>, String> {
    let requests = session.before.iter().map(|step| &step.request);
    let mut known = BTreeMap::new();
    for request in requests.chain([&session.request]) {
        let body = match &request.body {
            Body::Json(text) => text.as_str(),
            Body::Empty | Body::Text(_) | Body::File(_) | Body::Multipart(_) => "",
        };
        let texts = [request.path.as_str(), body].into_iter();
        for text in texts.chain(request.headers.values().map(String::as_str)) {
            for part in text.split("{{").skip(1) {
                let whole = part.split("}}").next().unwrap_or_default().trim();
                let Some(name) = whole.strip_prefix("env.") else {
                    continue;
                };
                if secrets::is_ours(name) {
                    return Err(format!(
                        "the environment variable `{name}` is kept from what is measured; use another one"
                    ));
                }
                let value = std::env::var(name)
                    .map_err(|_| format!("the environment variable `{name}` is not set"))?;
                known.insert(whole.to_owned(), Variable::OneOf(vec![value.into()]));
            }
        }
    }
    Ok(known)
}

/// An answer on the way of a login.
struct LoginAnswer {
    headers: HeaderMap,
    body: Vec<u8>,
}

/// Sends one request of a login; `what` is what errors call it.
async fn ask(
    client: &reqwest::Client,
    origin: &Origin,
    request: &plan::Request,
    known: &BTreeMap<String, Variable>,
    what: &str,
) -> Result<LoginAnswer, String> {
    let number = Number {
        index: 0,
        seed: 0,
        sequence: 0,
    };
    let filled = |text: &str, place| fill(text, known, number, place);
    let method = reqwest::Method::from_bytes(request.method.as_bytes())
        .map_err(|error| error.to_string())?;
    let url = origin.url(&filled(&request.path, Place::Path));
    let mut sent = client.request(method, url);
    for (name, value) in &request.headers {
        sent = sent.header(name, filled(value, Place::Header));
    }
    if let Body::Json(text) = &request.body {
        sent = sent
            .header("content-type", "application/json")
            .body(filled(text, Place::Json));
    }
    // The address is known, and a query may hold a secret.
    let lost = |error: reqwest::Error| format!("{what} was not answered: {}", error.without_url());
    let response = sent.send().await.map_err(lost)?;
    let status = response.status();
    if !status.is_success() && !status.is_redirection() {
        return Err(format!("{what} answered {}", status.as_u16()));
    }
    let headers = response.headers().clone();
    let body = response.bytes().await.map_err(lost)?.to_vec();
    Ok(LoginAnswer { headers, body })
}

impl LoginAnswer {
    /// What is there; a text or, in JSON, any plain value.
    fn find(&self, source: &Source, what: &str) -> Result<serde_json::Value, String> {
        match source {
            Source::Json(text, path) => {
                let value: serde_json::Value = serde_json::from_slice(&self.body)
                    .map_err(|error| format!("the answer to {what} is no JSON: {error}"))?;
                let found = path.query(&value).all();
                match found.as_slice() {
                    [one] if !one.is_array() && !one.is_object() => Ok((*one).clone()),
                    _ => Err(format!(
                        "`{text}` does not name one text in the answer to {what}"
                    )),
                }
            }
            Source::Cookie(name) => {
                let set = self.headers.get_all("set-cookie").iter();
                let found = set
                    .filter_map(|value| cookie(value.to_str().ok()?, name))
                    .next_back();
                let found =
                    found.ok_or_else(|| format!("the answer to {what} sets no cookie `{name}`"))?;
                Ok(found.into())
            }
            Source::Header(name) => {
                let value = self.headers.get(name);
                let found = value
                    .and_then(|value| value.to_str().ok())
                    .ok_or_else(|| format!("the answer to {what} has no header `{name}`"))?;
                Ok(found.into())
            }
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
        time_limit: None,
        session: None,
        cold_start: false,
        batch: None,
        has_read_budget: false,
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
