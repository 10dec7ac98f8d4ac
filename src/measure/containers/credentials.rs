//! The login of a registry, as Docker keeps it: `~/.docker/config.json` and its helpers.

use std::collections::HashMap;

use bollard::auth::DockerCredentials;
use docker_credential::{DockerCredential, get_credential};

/// What Docker calls its own registry.
const HUB: &str = "https://index.docker.io/v1/";

/// The login for an image's registry; none where nobody has logged in.
pub(super) fn of(image: &str) -> Option<DockerCredentials> {
    login(&registry(image))
}

/// The logins for the images that a Dockerfile starts from.
pub(super) fn of_dockerfile(text: &str) -> HashMap<String, DockerCredentials> {
    let images = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let is_from = words.next()?.eq_ignore_ascii_case("from");
        let image = words.find(|word| !word.starts_with("--"))?;
        is_from.then_some(image)
    });
    images
        .map(registry)
        .filter_map(|server| Some((server.clone(), login(&server)?)))
        .collect()
}

fn login(server: &str) -> Option<DockerCredentials> {
    let mut login = DockerCredentials {
        serveraddress: Some(server.to_owned()),
        ..DockerCredentials::default()
    };
    match get_credential(server).ok()? {
        DockerCredential::IdentityToken(token) => login.identitytoken = Some(token),
        DockerCredential::UsernamePassword(name, password) => {
            login.username = Some(name);
            login.password = Some(password);
        }
    }
    Some(login)
}

/// The registry of an image: what stands before the first `/`, where that is a host.
fn registry(image: &str) -> String {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host.to_owned(),
        Some(_) | None => HUB.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_says_its_registry() {
        for (image, expected) in [
            ("redis:7", HUB),
            ("library/redis", HUB),
            ("ghcr.io/a/b:1", "ghcr.io"),
            ("localhost/a", "localhost"),
            ("127.0.0.1:5000/a@sha256:0", "127.0.0.1:5000"),
        ] {
            assert_eq!(registry(image), expected, "{image}");
        }
    }
}
