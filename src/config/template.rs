//! The expressions `{{ … }}` in commands and addresses: which there are, and what they refer to.
//!
//! Must not fill them in: ports and folders exist only while `measure` runs.

use super::error::{Flaw, quote};

/// What a service may say of itself.
const OWN: [&str; 4] = ["port", "data", "host", "address"];
/// What a service may say of another.
const OF_OTHERS: [&str; 3] = ["address", "port", "host"];

/// The service a template stands in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    /// Its name.
    pub(super) service: &'a str,
    /// Every service, in the order of the file.
    pub(super) services: &'a [&'a str],
    /// Whether it is a process of ours, with a folder for its data.
    pub(super) has_data: bool,
}

/// Checks every expression and returns the services they refer to, in order, each once.
pub(super) fn references<'a>(text: &'a str, scope: Scope<'_>) -> Result<Vec<&'a str>, Flaw> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((expression, behind)) = after.split_once("}}") else {
            let flaw = Flaw::new("an expression that starts with `{{` has no end");
            return Err(flaw.help("write for example `{{ port }}`"));
        };
        if let Some(service) = reference(expression.trim(), scope)?
            && !found.contains(&service)
        {
            found.push(service);
        }
        rest = behind;
    }
    Ok(found)
}

fn reference<'a>(expression: &'a str, scope: Scope<'_>) -> Result<Option<&'a str>, Flaw> {
    if expression == "data" && !scope.has_data {
        let flaw = Flaw::new("`{{ data }}` exists for processes only");
        return Err(flaw.help(
            "only a service with a `command` has a folder of its own; a container has `volumes`",
        ));
    }
    if OWN.contains(&expression) {
        return Ok(None);
    }
    let Some((service, property)) = expression
        .strip_prefix("services.")
        .and_then(|rest| rest.rsplit_once('.'))
    else {
        return Err(unknown(expression));
    };
    if !scope.services.contains(&service) {
        let flaw = Flaw::new(format!("there is no service {}", quote(service)));
        return Err(flaw.suggest(service, scope.services.iter().copied(), "services"));
    }
    if !OF_OTHERS.contains(&property) {
        let message = format!("a service has no {} to refer to", quote(property));
        return Err(Flaw::new(message).suggest(property, OF_OTHERS, "there are"));
    }
    if service == scope.service {
        let flaw = Flaw::new(format!("{} refers to itself", quote(service)));
        return Err(flaw.help(format!("write `{{{{ {property} }}}}`")));
    }
    Ok(Some(service))
}

fn unknown(expression: &str) -> Flaw {
    let shown = quote(&format!("{{{{ {expression} }}}}"));
    let flaw = Flaw::new(format!("unknown expression {shown}"));
    let near = OWN.iter().find(|own| {
        strsim::damerau_levenshtein(own, &expression.to_lowercase()) <= 1 + own.len() / 4
    });
    match near {
        Some(near) => flaw.help(format!("did you mean `{{{{ {near} }}}}`?")),
        None => flaw.help(
            "there are `{{ port }}`, `{{ data }}`, `{{ host }}`, `{{ address }}` and \
             `{{ services.NAME.address }}`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCOPE: Scope<'_> = Scope {
        service: "api",
        services: &["api", "postgres"],
        has_data: true,
    };

    #[test]
    fn references_are_found_once() {
        let text = "run {{port}} {{ services.postgres.address }} {{ services.postgres.port }}";
        assert_eq!(references(text, SCOPE), Ok(vec!["postgres"]));
        assert_eq!(
            references("no expression, { one brace }", SCOPE),
            Ok(vec![])
        );
    }

    #[test]
    fn wrong_expressions_say_what_would_be_right() {
        let cases = [
            (
                "{{ prot }}",
                "unknown expression `{{ prot }}`; did you mean `{{ port }}`?",
            ),
            (
                "{{ services.postgress.port }}",
                "there is no service `postgress`; did you mean `postgres`?",
            ),
            (
                "{{ services.postgres.adress }}",
                "a service has no `adress` to refer to; did you mean `address`?",
            ),
            (
                "{{ services.api.port }}",
                "`api` refers to itself; write `{{ port }}`",
            ),
            (
                "{{ port",
                "an expression that starts with `{{` has no end; write for example `{{ port }}`",
            ),
            (
                "{{ env.HOME }}",
                "unknown expression `{{ env.HOME }}`; there are `{{ port }}`, `{{ data }}`, \
                 `{{ host }}`, `{{ address }}` and `{{ services.NAME.address }}`",
            ),
        ];
        for (text, expected) in cases {
            let flaw = references(text, SCOPE).expect_err(text);
            assert_eq!(flaw.to_string().replace('\n', "; "), expected);
        }
    }
}
