//! A double of GitHub's API: it keeps what it is told, and holds every request and every answer
//! to GitHub's own description. What is not described fails the test.

mod description;
mod git;
mod world;

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use serde_json::Value;
use tokio::sync::oneshot;

use description::Description;
pub(crate) use world::{Fault, RunOf, World};
use world::{Identity, Pull};
use world::{Reply, refused};

/// The repository of every test that does not say otherwise.
pub(crate) const REPOSITORY: &str = "octo-org/octo-repo";

/// The routes below a repository: what a segment in braces matches is anything.
const ROUTES: [&str; 28] = [
    "GET /git/ref/{ref}",
    "POST /git/refs",
    "PATCH /git/refs/{ref}",
    "POST /git/blobs",
    "GET /git/blobs/{file_sha}",
    "POST /git/trees",
    "GET /git/trees/{tree_sha}",
    "POST /git/commits",
    "GET /git/commits/{commit_sha}",
    "GET /collaborators/{username}/permission",
    "POST /actions/runs/{run_id}/rerun",
    "GET /actions/runs/{run_id}",
    "GET /issues/{issue_number}/events",
    "GET /pulls",
    "GET /pulls/{pull_number}",
    "GET /issues/{issue_number}/comments",
    "POST /issues/{issue_number}/comments",
    "GET /issues/comments/{comment_id}",
    "PATCH /issues/comments/{comment_id}",
    "DELETE /issues/comments/{comment_id}",
    "POST /issues/comments/{comment_id}/reactions",
    "DELETE /issues/comments/{comment_id}/reactions/{reaction_id}",
    "POST /check-runs",
    "PATCH /check-runs/{check_run_id}",
    "GET /commits/{ref}/check-runs",
    "GET /commits/{ref}/statuses",
    "POST /statuses/{sha}",
    "GET /compare/{basehead}",
];

/// The double, which serves until the test ends.
pub(crate) struct Github {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    worlds: Mutex<HashMap<String, World>>,
    gates: Mutex<HashMap<String, Gate>>,
    violations: Mutex<Vec<String>>,
}

/// Lets the requests of several runs through one at a time, in a random order.
struct Gate {
    random: fastrand::Rng,
    /// Runs that have not ended.
    running: usize,
    waiting: Vec<oneshot::Sender<()>>,
}

impl Gate {
    /// Lets one through, once every run that has not ended waits here.
    fn open(&mut self) {
        self.waiting.retain(|one| !one.is_closed());
        if self.waiting.is_empty() || self.waiting.len() < self.running {
            return;
        }
        let chosen = self.random.usize(..self.waiting.len());
        let _gone = self.waiting.swap_remove(chosen).send(());
    }
}

impl Github {
    /// Starts serving the usual repository with one workflow's token, `t-actions`.
    pub(crate) fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let (sender, receiver) = std::sync::mpsc::channel();
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async move {
                let any = (Ipv4Addr::LOCALHOST, 0);
                let listener = tokio::net::TcpListener::bind(any).await.expect("a port");
                sender
                    .send(listener.local_addr().expect("its address"))
                    .expect("the test waits");
                let router = Router::new().fallback(serve).with_state(served);
                axum::serve(listener, router).await.expect("it serves");
            });
        });
        let address = receiver.recv().expect("it starts");
        let github = Self { address, shared };
        github.add(REPOSITORY);
        github
    }

    /// Adds a repository.
    pub(crate) fn add(&self, repository: &str) {
        let mut world = World::new();
        let permissions = [
            ("pull_requests", "write"),
            ("statuses", "write"),
            ("checks", "write"),
            ("contents", "write"),
            ("actions", "write"),
        ];
        let token = Identity::actions(&permissions);
        world.tokens.insert("t-actions".to_owned(), token);
        self.worlds().insert(repository.to_owned(), world);
    }

    /// `http://127.0.0.1:…`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Opens a pull request: number 3, of branch `topic` in a repository of this number.
    pub(crate) fn pull(&self, head: &str, repository: u64) {
        self.look(|world| {
            world.pulls.push(Pull {
                number: 3,
                head: head.to_owned(),
                branch: "topic".to_owned(),
                from: ("eve".to_owned(), repository),
                base: "c".repeat(40),
                state: "open",
                locked: false,
                labels: Vec::new(),
                merged_as: None,
            });
        });
    }

    /// What it holds of the usual repository.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        self.look_at(REPOSITORY, look)
    }

    /// What it holds of a repository.
    pub(crate) fn look_at<T>(&self, repository: &str, look: impl FnOnce(&mut World) -> T) -> T {
        let mut worlds = self.worlds();
        look(worlds.get_mut(repository).expect("a repository"))
    }

    /// From now on requests to a repository wait until each of so many runs has one waiting, and
    /// are let through in an order of chance.
    pub(crate) fn gate(&self, repository: &str, runs: usize, seed: u64) {
        let gate = Gate {
            random: fastrand::Rng::with_seed(seed),
            running: runs,
            waiting: Vec::new(),
        };
        lock(&self.shared.gates).insert(repository.to_owned(), gate);
    }

    /// A run at a gate has ended.
    pub(crate) fn ended(&self, repository: &str) {
        if let Some(gate) = lock(&self.shared.gates).get_mut(repository) {
            gate.running -= 1;
            gate.open();
        }
    }

    fn worlds(&self) -> MutexGuard<'_, HashMap<String, World>> {
        lock(&self.shared.worlds)
    }
}

impl Drop for Github {
    fn drop(&mut self) {
        let violations = lock(&self.shared.violations);
        if !thread::panicking() {
            assert!(
                violations.is_empty(),
                "against GitHub's description: {violations:#?}"
            );
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let path: Vec<String> = uri
        .path()
        .trim_matches('/')
        .split('/')
        .map(str::to_owned)
        .collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let token = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default()
        .to_owned();
    // An own server has its API below a folder.
    let path = path.strip_prefix(&["api", "v3"]).unwrap_or(&path);
    if method == Method::POST && path.last() == Some(&"graphql") {
        return graphql(&shared, &token);
    }
    let ["repos", owner, name, rest @ ..] = path else {
        return violation(&shared, format!("{method} {uri} is not served"));
    };
    let repository = format!("{owner}/{name}");
    wait_at_gate(&shared, &repository).await;
    let Some(route) = ROUTES.iter().find(|route| matches(route, &method, rest)) else {
        return violation(&shared, format!("{method} {uri} is not served"));
    };
    let described = route.replacen(' ', " /repos/{owner}/{repo}", 1);
    let body: Value = match serde_json::from_slice(&body) {
        Ok(body) => body,
        Err(_) if body.is_empty() => Value::Null,
        Err(error) => return violation(&shared, format!("{route}: {error}")),
    };
    let description = Description::get();
    if let Some(wrong) = description.wrong_request(&described, &body) {
        return violation(&shared, format!("{route} was asked wrongly: {wrong}"));
    }
    let query: BTreeMap<String, String> =
        form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let mut worlds = lock(&shared.worlds);
    let Some(world) = worlds.get_mut(&repository) else {
        return violation(&shared, format!("there is no repository {repository}"));
    };
    world.look_at_watched();
    let mut more = Vec::new();
    let (mut reply, fault) = answer(
        world, &described, route, rest, &query, &body, &token, &mut more,
    );
    world.log.push(((*route).to_owned(), reply.status));
    drop(worlds);
    if fault.is_none()
        && let Some(wrong) = description.wrong_answer(&described, reply.status, &first(&reply.body))
    {
        return violation(&shared, format!("{route} was answered wrongly: {wrong}"));
    }
    paginate(&mut reply, &uri, &query, &mut more);
    response(&reply, &more)
}

/// A list is checked by its first page.
fn first(body: &Value) -> Value {
    match body.as_array() {
        Some(items) => items.iter().take(2).cloned().collect(),
        None => body.clone(),
    }
}

async fn wait_at_gate(shared: &Shared, repository: &str) {
    let turn = lock(&shared.gates).get_mut(repository).map(|gate| {
        let (sender, receiver) = oneshot::channel();
        gate.waiting.push(sender);
        gate.open();
        receiver
    });
    if let Some(turn) = turn {
        let _closed = turn.await;
    }
}

#[expect(clippy::too_many_arguments, reason = "one request, taken apart once")]
fn answer(
    world: &mut World,
    described: &str,
    route: &str,
    path: &[&str],
    query: &BTreeMap<String, String>,
    body: &Value,
    token: &str,
    headers: &mut Vec<(&'static str, String)>,
) -> (Reply, Option<()>) {
    let description = Description::get();
    let Some(by) = world.tokens.get(token).cloned() else {
        return (refused(401, "Bad credentials"), None);
    };
    let choices = description.permissions(described);
    let is_enough = |(scope, level): &(String, String)| by.may(scope, level);
    if !choices.is_empty() && !choices.iter().any(is_enough) {
        let accepted: Vec<String> = choices
            .iter()
            .map(|(scope, level)| format!("{scope}={level}"))
            .collect();
        headers.push(("x-accepted-github-permissions", accepted.join("; ")));
        return (refused(403, "Resource not accessible by integration"), None);
    }
    let has_no_body = described.starts_with("DELETE ") || described.ends_with("/rerun");
    let example = if has_no_body {
        Value::Null
    } else {
        description.answer(described)
    };
    let fault = world.fault(route);
    let handle = || world.handle(route, path, query, body, &by, example);
    match fault {
        None => (handle(), None),
        Some(Fault::Before) => (refused(502, "Server Error"), Some(())),
        Some(Fault::After) => {
            let _done = handle();
            (refused(502, "Server Error"), Some(()))
        }
        Some(Fault::Limited(seconds)) => {
            headers.push(("retry-after", seconds.to_string()));
            let words = "You have exceeded a secondary rate limit.";
            (refused(403, words), Some(()))
        }
        Some(Fault::First(happens)) => {
            happens(world);
            let example = description.answer(described);
            (world.handle(route, path, query, body, &by, example), None)
        }
    }
}

/// Only a page of a list goes out, with the way to the next.
fn paginate(
    reply: &mut Reply,
    uri: &Uri,
    query: &BTreeMap<String, String>,
    headers: &mut Vec<(&'static str, String)>,
) {
    let number = |name: &str, usual: usize| {
        let asked = query.get(name).and_then(|text| text.parse().ok());
        asked.unwrap_or(usual)
    };
    let (size, page) = (number("per_page", 30).min(100), number("page", 1).max(1));
    let body = &mut reply.body;
    let list = match body.get_mut("check_runs") {
        Some(_) => &mut body["check_runs"],
        None => body,
    };
    if let Value::Array(items) = list {
        let all = items.len();
        let start = ((page - 1) * size).min(all);
        let shown = items[start..(start + size).min(all)].to_vec();
        if start + size < all {
            let next = format!(
                "<{}?per_page={size}&page={}>; rel=\"next\"",
                uri.path(),
                page + 1
            );
            headers.push(("link", next));
        }
        *items = shown;
    }
}

fn graphql(shared: &Shared, token: &str) -> Response<Body> {
    let mut worlds = lock(&shared.worlds);
    worlds.values_mut().for_each(World::look_at_watched);
    let identity = worlds.values().find_map(|world| world.tokens.get(token));
    let Some(identity) = identity else {
        return response(&refused(401, "Bad credentials"), &[]);
    };
    let login = &identity.login;
    if worlds.values().any(|world| world.hides_login) {
        return response(&refused(502, "Bad gateway"), &[]);
    }
    let body = serde_json::json!({ "data": { "viewer": { "login": login } } });
    response(&Reply { status: 200, body }, &[])
}

fn matches(route: &str, method: &Method, path: &[&str]) -> bool {
    let Some((of, template)) = route.split_once(" /") else {
        return false;
    };
    let parts: Vec<&str> = template.split('/').collect();
    let fits = |(part, segment): (&&str, &&str)| part.starts_with('{') || part == segment;
    // The name of a branch may have several parts: `heads/main`.
    let is_branch = template.starts_with("git/") && parts.last() == Some(&"{ref}");
    if is_branch && path.len() > parts.len() {
        let path = &path[..parts.len()];
        return of == method.as_str() && parts.iter().zip(path).all(fits);
    }
    // `/issues/comments/7` is not comment 7 of an issue.
    of == method.as_str() && parts.len() == path.len() && parts.iter().zip(path).all(fits)
}

fn violation(shared: &Shared, what: String) -> Response<Body> {
    lock(&shared.violations).push(what.clone());
    response(&refused(400, &what), &[])
}

fn response(reply: &Reply, headers: &[(&'static str, String)]) -> Response<Body> {
    let mut response = Response::builder()
        .status(reply.status)
        .header("content-type", "application/json; charset=utf-8");
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    let body = if reply.body.is_null() {
        Body::empty()
    } else {
        Body::from(reply.body.to_string())
    };
    response.body(body).expect("a response")
}
