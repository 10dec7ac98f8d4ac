//! What one value may hold: names, paths inside the project, shell lines, requests.
//!
//! Must not look at two keys at once: that is for `resolve`, `stack` and `judge`.

use std::path::{Component, Path, PathBuf};

use serde_json_path::JsonPath;

use super::error::{Flaw, list, quote};
use super::varying;

/// The request methods that can be sent.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// A name of a frontend, endpoint, session or project. It becomes a part of metric names.
pub(super) fn name(text: &str) -> Result<String, Flaw> {
    let wrong = if text.is_empty() {
        "is empty"
    } else if text.contains('/') {
        "contains `/`, which separates the parts of a metric's name"
    } else if text.trim() != text {
        "begins or ends with a space"
    } else if text.chars().any(char::is_control) {
        "contains a control character"
    } else {
        return Ok(text.to_owned());
    };
    let flaw = Flaw::new(format!("the name {} {wrong}", quote(text)));
    Err(flaw.help("write a short name such as `list projects`"))
}

/// A name of a service: it is part of `{{ services.NAME.port }}` and of folders too.
pub(super) fn service_name(text: &str) -> Result<String, Flaw> {
    let text = name(text)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if text.chars().all(fits) {
        return Ok(text);
    }
    let message = format!("{} is no name for a service", quote(&text));
    Err(Flaw::new(message).help("use letters, digits, `-` and `_`"))
}

/// A path that stays inside the project.
pub(super) fn project_path(text: &str) -> Result<PathBuf, Flaw> {
    let path = Path::new(text);
    let mut parts = path.components();
    let leaves = |part| !matches!(part, Component::Normal(_) | Component::CurDir);
    if text.is_empty() || text.chars().any(char::is_control) {
        let flaw = Flaw::new(format!("{} is no path", quote(text)));
        return Err(flaw.help("write a path relative to the project"));
    }
    if parts.any(leaves) {
        let flaw = Flaw::new(format!("the path {} leaves the project", quote(text)));
        return Err(flaw.help("write a path relative to the project, without `..`"));
    }
    Ok(path.to_owned())
}

/// A shell line.
pub(super) fn shell_line(text: &str) -> Result<String, Flaw> {
    if text.trim().is_empty() || text.contains('\0') {
        return Err(Flaw::new("this shell line is empty").help("write for example `npm ci`"));
    }
    Ok(text.to_owned())
}

/// `METHOD /path`.
pub(super) fn request_line(text: &str) -> Result<(String, String), Flaw> {
    let example = "write for example `GET /api/projects?page=1`";
    let Some((method, path)) = text.split_once(' ') else {
        let flaw = Flaw::new(format!("{} is no request", quote(text)));
        return Err(flaw.help(example));
    };
    if !METHODS.contains(&method) {
        let flaw = Flaw::new(format!("{} is no request method", quote(method)));
        return Err(flaw.suggest(method, METHODS, "methods"));
    }
    let path = path.trim();
    if path.contains("://") && !path.starts_with('/') {
        let flaw = Flaw::new("a request has no address, only a path");
        return Err(flaw.help("the address is that of its service; write for example `GET /api`"));
    }
    url_path(&varying::with_zeros(path)).map_err(|flaw| {
        // Said of what is written, not of what was put in for the check.
        if path.contains("{{") {
            flaw.help("a path starts with `/` and has no spaces but in `{{ name }}`")
        } else {
            flaw
        }
    })?;
    Ok((method.to_owned(), path.to_owned()))
}

/// A path with leading slash, and a query if there is one, as it goes over the wire.
pub(super) fn url_path(text: &str) -> Result<String, Flaw> {
    let flaw = |why: &str| Flaw::new(format!("the path {} {why}", quote(text)));
    if !text.starts_with('/') {
        return Err(
            flaw("does not start with `/`").help(format!("write {}", quote(&format!("/{text}"))))
        );
    }
    if let Some(wrong) = text.chars().find(|c| !c.is_ascii_graphic()) {
        let shown = quote(&wrong.to_string());
        let escaped: String = wrong
            .to_string()
            .bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect();
        let flaw = flaw(&format!("contains {shown}, which cannot be sent"));
        return Err(flaw.help(format!("write `{escaped}` for it")));
    }
    Ok(text.to_owned())
}

/// A header of a request.
pub(super) fn header(name: &str, value: &str) -> Result<(), Flaw> {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) {
        return Err(Flaw::new(format!("{} is no header name", quote(name))));
    }
    if value.chars().any(|c| c.is_control() && c != '\t') {
        let message = format!("the value of header {} cannot be sent", quote(name));
        return Err(Flaw::new(message).help("header values are one line"));
    }
    Ok(())
}

/// A SHA-256 in hexadecimal digits.
pub(super) fn sha256(text: &str) -> Result<[u8; 32], Flaw> {
    let digits = text.as_bytes().chunks(2);
    let bytes = digits.map_while(|two| u8::from_str_radix(str::from_utf8(two).ok()?, 16).ok());
    let bytes: Vec<u8> = bytes.collect();
    let is_whole = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match bytes.try_into() {
        Ok(hash) if is_whole => Ok(hash),
        _ => {
            let message = format!("{} is no SHA-256: 64 hexadecimal digits", quote(text));
            let help = "ask for it with `curl -s URL | sha256sum`";
            Err(Flaw::new(message).help(help))
        }
    }
}

/// A JSON path, with the text it was parsed from.
pub(super) fn json_path(text: &str) -> Result<(String, JsonPath), Flaw> {
    match JsonPath::parse(text) {
        Ok(path) => Ok((text.to_owned(), path)),
        Err(error) => {
            let message = format!("{} is no JSON path: {error}", quote(text));
            Err(Flaw::new(message).help("write for example `$.items[0].id`"))
        }
    }
}

/// The address of something that already runs: `scheme://host:port`.
pub(super) fn url(text: &str) -> Result<String, Flaw> {
    const SCHEMES: [&str; 6] = ["http", "https", "postgresql", "postgres", "redis", "tcp"];
    let example = "write for example `http://127.0.0.1:9000`";
    let Some((scheme, rest)) = text.split_once("://") else {
        let flaw = Flaw::new(format!("{} is no address", quote(text)));
        return Err(flaw.help(example));
    };
    if !SCHEMES.contains(&scheme) {
        let message = format!("{} addresses cannot be measured", quote(scheme));
        return Err(Flaw::new(message).help(format!("there are {}", list(&SCHEMES))));
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    if !is_host_and_port(host) || text.chars().any(|c| !c.is_ascii_graphic()) {
        let flaw = Flaw::new(format!("{} has no host and port", quote(text)));
        return Err(flaw.help(example));
    }
    if ["http", "https"].contains(&scheme) && !path.is_empty() {
        let flaw = Flaw::new("the address of a service has no path");
        return Err(flaw.help("move the path into the `request` of its endpoints"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn is_host_and_port(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        // `[::1]` without a port.
        Some((_, port)) if port.ends_with(']') => (text, None),
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    !host.is_empty()
        && !host.contains(['?', '#'])
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}
