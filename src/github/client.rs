//! One repository on GitHub, asked through octocrab with patience of our own.
//!
//! octocrab's retry is off (its feature `retry` is not built in): it repeats a POST whose answer was lost, which makes two comments of
//! one. Must not know what is asked, only how.

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{HeaderMap, USER_AGENT};
use http::{Method, StatusCode, Uri};
use octocrab::Octocrab;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::error::GithubError;
use super::retry::{self, Next, Trouble};

/// Where a permission that is missing is named.
const ACCEPTED: &str = "x-accepted-github-permissions";
/// GitHub ends a request after 10 s; what has no answer by then has none.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// The longest message of GitHub that is shown, in characters.
const MESSAGE: usize = 300;
/// The most items of a list on one page.
const PAGE: usize = 100;
/// The most pages of a list that are read: 10,000 comments.
const PAGES: usize = 100;

/// How patient to be.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// All waiting together; after that GitHub counts as unreachable.
    pub most_waiting: Duration,
    /// The pause before the first repetition; each further one is twice as long.
    pub first_pause: Duration,
    /// Repetitions of one request.
    pub repetitions: u32,
    /// The pause between two writes, as GitHub asks for.
    pub between_writes: Duration,
    /// How long one run may hold the comment before others take it from it.
    pub lease: Duration,
    /// How often is looked whether another run still holds it.
    pub glance: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            most_waiting: Duration::from_secs(90),
            first_pause: Duration::from_secs(1),
            repetitions: 4,
            between_writes: Duration::from_secs(1),
            // Longer than a request can take, twice: see `lease.rs`.
            lease: Duration::from_secs(40),
            glance: Duration::from_secs(1),
        }
    }
}

/// Where GitHub is, and which repository it is about.
#[derive(Debug, Clone)]
pub struct Address {
    /// `https://api.github.com`, or `https://host/api/v3` of an own server.
    pub api: String,
    /// Where GraphQL is asked.
    pub graphql: String,
    /// `owner/name`.
    pub repository: String,
}

/// A connection to one repository.
#[derive(Debug)]
pub struct Client {
    octocrab: Octocrab,
    graphql: String,
    repository: String,
    /// How patient it is.
    pub(super) pace: Pace,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waited: Duration,
    written: Option<Instant>,
}

/// What GitHub answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status, a success.
    pub(super) status: StatusCode,
    /// The body; null when there is none.
    pub(super) body: Value,
}

impl Answer {
    /// The body in the form it should have.
    pub(super) fn read<T: DeserializeOwned>(self, what: &'static str) -> Result<T, GithubError> {
        serde_json::from_value(self.body).map_err(|error| GithubError::Form {
            what,
            why: error.to_string(),
        })
    }
}

/// A request, in words and in HTTP.
#[derive(Debug)]
struct Request<'a> {
    what: &'static str,
    method: Method,
    route: &'a str,
    body: Option<&'a Value>,
}

impl Client {
    /// Makes a client; nothing is sent yet.
    pub fn new(address: &Address, token: &str, pace: Pace) -> Result<Self, GithubError> {
        let failed = |error: octocrab::Error| GithubError::Client(one_line(&error.to_string()));
        let token = token.trim();
        if token.is_empty() || token.chars().any(char::is_control) {
            return Err(GithubError::Client(
                "the token is empty or no token".to_owned(),
            ));
        }
        if !is_repository(&address.repository) {
            return Err(GithubError::Client(
                "`GITHUB_REPOSITORY` is not of the form `owner/name`".to_owned(),
            ));
        }
        let octocrab = Octocrab::builder()
            .base_uri(address.api.as_str())
            .map_err(failed)?
            .add_header(
                USER_AGENT,
                concat!("tollgate/", env!("CARGO_PKG_VERSION")).to_owned(),
            )
            .personal_token(token)
            .build()
            .map_err(failed)?;
        Ok(Self {
            octocrab,
            graphql: address.graphql.clone(),
            repository: address.repository.clone(),
            pace,
            state: Mutex::default(),
        })
    }

    /// `owner/name`.
    pub(super) fn repository(&self) -> &str {
        &self.repository
    }

    /// Reads one thing of the repository.
    pub(super) async fn get(&self, what: &'static str, route: &str) -> Result<Answer, GithubError> {
        self.ask(what, Method::GET, route, None, true).await
    }

    /// Reads a whole list, page by page.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        what: &'static str,
        route: &str,
    ) -> Result<Vec<T>, GithubError> {
        let mut all = Vec::new();
        let separator = if route.contains('?') { '&' } else { '?' };
        for page in 1..=PAGES {
            let route = format!("{route}{separator}per_page={PAGE}&page={page}");
            let items: Vec<T> = self.get(what, &route).await?.read(what)?;
            let is_last = items.len() < PAGE;
            all.extend(items);
            if is_last {
                break;
            }
        }
        Ok(all)
    }

    /// Creates something. Never sent again when it may have been carried out.
    pub(super) async fn post(
        &self,
        what: &'static str,
        route: &str,
        body: &Value,
    ) -> Result<Answer, GithubError> {
        self.ask(what, Method::POST, route, Some(body), false).await
    }

    /// Creates something that GitHub does not create twice.
    pub(super) async fn post_again(
        &self,
        what: &'static str,
        route: &str,
        body: &Value,
    ) -> Result<Answer, GithubError> {
        self.ask(what, Method::POST, route, Some(body), true).await
    }

    /// Changes something to what it shall be, however often that is asked.
    pub(super) async fn patch(
        &self,
        what: &'static str,
        route: &str,
        body: &Value,
    ) -> Result<Answer, GithubError> {
        self.ask(what, Method::PATCH, route, Some(body), true).await
    }

    /// [`Self::patch`], once: where a late repetition could undo what came after it.
    pub(super) async fn patch_once(
        &self,
        what: &'static str,
        route: &str,
        body: &Value,
    ) -> Result<Answer, GithubError> {
        self.ask(what, Method::PATCH, route, Some(body), false)
            .await
    }

    /// Deletes something. What is gone already is deleted.
    pub(super) async fn delete(&self, what: &'static str, route: &str) -> Result<(), GithubError> {
        match self.ask(what, Method::DELETE, route, None, true).await {
            Ok(_) => Ok(()),
            Err(GithubError::Refused {
                status: 404 | 410, ..
            }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Who the token belongs to. Tokens of workflows may not ask `GET /user`.
    pub async fn login(&self) -> Result<String, GithubError> {
        let what = "say whose token it is";
        let query = serde_json::json!({ "query": "query { viewer { login } }" });
        let answer = self
            .send(
                &Request {
                    what,
                    method: Method::POST,
                    route: &self.graphql,
                    body: Some(&query),
                },
                true,
            )
            .await?;
        let login = answer.body.pointer("/data/viewer/login");
        let login = login.and_then(Value::as_str).map(str::to_owned);
        login.ok_or_else(|| GithubError::Form {
            what,
            why: "it has no login".to_owned(),
        })
    }

    async fn ask(
        &self,
        what: &'static str,
        method: Method,
        route: &str,
        body: Option<&Value>,
        repeatable: bool,
    ) -> Result<Answer, GithubError> {
        let mut path = String::new();
        let _infallible = write!(path, "/repos/{}{route}", self.repository);
        let request = Request {
            what,
            method,
            route: &path,
            body,
        };
        self.send(&request, repeatable).await
    }

    async fn send(&self, request: &Request<'_>, repeatable: bool) -> Result<Answer, GithubError> {
        let mut attempt = 0;
        loop {
            let error = match self.once(request).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(refusal)) => Err(refusal),
                Err(lost) => Ok(lost),
            };
            let trouble = match &error {
                Ok(_) => Trouble::NoAnswer,
                Err((status, headers, message)) => Trouble::Refusal {
                    status: *status,
                    headers,
                    message,
                },
            };
            let pause = self.pace.first_pause;
            let next = retry::next(&trouble, repeatable, attempt, pause, now());
            let (wait, limited) = match next {
                Next::Again(wait) => (jittered(wait), false),
                Next::Limited(wait) => (wait, true),
                Next::Final => return Err(failure(request.what, error)),
            };
            if limited && !self.has_patience_for(wait) {
                return Err(GithubError::RateLimited {
                    what: request.what,
                    seconds: wait.as_secs(),
                });
            }
            if attempt >= self.pace.repetitions || !self.has_patience_for(wait) {
                return Err(failure(request.what, error));
            }
            self.wait(wait).await;
            attempt += 1;
        }
    }

    /// Sends it once. The outer error is an answer that never came.
    async fn once(
        &self,
        request: &Request<'_>,
    ) -> Result<Result<Answer, (StatusCode, HeaderMap, String)>, String> {
        if request.method != Method::GET {
            self.pace_writes().await;
        }
        let work = async {
            let builder = http::request::Builder::new()
                .method(request.method.clone())
                .uri(request.route.parse::<Uri>().map_err(|e| e.to_string())?);
            let built = self.octocrab.build_request(builder, request.body);
            let built = built.map_err(|error| one_line(&error.to_string()))?;
            let response = self.octocrab.execute(built).await;
            let response = response.map_err(|error| causes(&error))?;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = self.octocrab.body_to_string(response).await;
            let body = body.map_err(|error| causes(&error))?;
            Ok((status, headers, body))
        };
        let answer: Result<_, String> = tokio::time::timeout(ANSWER_WITHIN, work)
            .await
            .map_err(|_| format!("no answer within {} s", ANSWER_WITHIN.as_secs()))?;
        let (status, headers, body) = answer?;
        if status.is_success() {
            // A success that cannot be read was carried out, and must not be sent again.
            let body = serde_json::from_str(&body).unwrap_or(Value::Null);
            return Ok(Ok(Answer { status, body }));
        }
        Ok(Err((status, headers, message(status, &body))))
    }

    /// Writes come one after the other with a pause, as GitHub asks for.
    async fn pace_writes(&self) {
        let due = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let due = state
                .written
                .map_or(now, |written| written + self.pace.between_writes);
            state.written = Some(due.max(now));
            due
        };
        tokio::time::sleep_until(due).await;
    }

    fn has_patience_for(&self, wait: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waited + wait <= self.pace.most_waiting
    }

    async fn wait(&self, wait: Duration) {
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.waited += wait;
        }
        tokio::time::sleep(wait).await;
    }
}

/// Whether a text is `owner/name` and cannot lead anywhere else as part of an address.
fn is_repository(text: &str) -> bool {
    let is_name = |name: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !name.is_empty() && name.chars().all(is_plain) && name.chars().any(|c| c != '.')
    };
    text.split_once('/')
        .is_some_and(|(owner, name)| is_name(owner) && is_name(name))
}

fn failure(
    what: &'static str,
    error: Result<String, (StatusCode, HeaderMap, String)>,
) -> GithubError {
    match error {
        Ok(why) => GithubError::Unreachable { what, why },
        Err((status, _, message)) if status.is_server_error() => GithubError::Unreachable {
            what,
            why: format!("{} {message}", status.as_u16()),
        },
        Err((status, headers, message)) => GithubError::Refused {
            what,
            status: status.as_u16(),
            message,
            accepted: headers
                .get(ACCEPTED)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
        },
    }
}

/// GitHub's words for a refusal, with the first detail.
fn message(status: StatusCode, body: &str) -> String {
    let json: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let words = json.get("message").and_then(Value::as_str);
    let detail = json.pointer("/errors/0/message").and_then(Value::as_str);
    match (words, detail) {
        (Some(words), Some(detail)) => one_line(&format!("{words}: {detail}")),
        (Some(words), None) => one_line(words),
        (None, _) => status
            .canonical_reason()
            .unwrap_or("without a reason")
            .to_owned(),
    }
}

/// An error and everything that caused it.
fn causes(error: &octocrab::Error) -> String {
    let mut text = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        let _infallible = write!(text, "{error}");
        cause = error.source();
    }
    one_line(if text.is_empty() { "no answer" } else { &text })
}

fn one_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars()
        .filter(|c| !c.is_control())
        .take(MESSAGE)
        .collect()
}

/// Up to a quarter longer, so that several jobs do not come back at the same time.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(1.0 + fastrand::f64() / 4.0)
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_an_owner_and_a_name() {
        assert!(is_repository("o/r.js"));
        for wrong in ["", "o", "/", "o/", "o/r/x", "o/..", "o/r?x", "o/r#x", "ö/r"] {
            assert!(!is_repository(wrong), "{wrong}");
        }
    }

    #[test]
    fn the_words_of_a_refusal_have_their_detail() {
        let body = r#"{"message":"Validation Failed","errors":[{"message":"Body is too long"}]}"#;
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        assert_eq!(message(status, body), "Validation Failed: Body is too long");
        assert_eq!(message(StatusCode::BAD_GATEWAY, "<html>"), "Bad Gateway");
    }
}
