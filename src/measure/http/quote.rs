//! A piece of an answer for a reader, without its secrets.

use serde_json::Value;

/// How much of a wrong answer a report quotes.
const QUOTED: usize = 160;
/// What stands in the place of a secret.
const MASK: &str = "***";
/// Words in a key that make its value a secret.
const SECRET_KEYS: [&str; 9] = [
    "token",
    "secret",
    "password",
    "passwd",
    "authorization",
    "cookie",
    "session",
    "apikey",
    "api_key",
];

/// The beginning of a body on one line. Values of secret keys are masked, and `known`, the token
/// the request was sent with, wherever it stands.
pub(super) fn quote(body: &[u8], known: Option<&str>) -> String {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(mut value) => {
            mask(&mut value);
            value.to_string()
        }
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let text = match known.filter(|token| !token.is_empty()) {
        Some(token) => text.replace(token, MASK),
        None => text,
    };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(QUOTED).collect()
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let key = key.to_ascii_lowercase();
                if SECRET_KEYS.iter().any(|word| key.contains(word)) {
                    *value = Value::from(MASK);
                } else {
                    mask(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_by_key_and_by_value() {
        let body =
            br#"{"user": {"accessToken": "abc"}, "list": [{"password": 1}], "text": "is s3cret"}"#;
        let quoted = quote(body, Some("s3cret"));
        assert_eq!(
            quoted,
            r#"{"list":[{"password":"***"}],"text":"is ***","user":{"accessToken":"***"}}"#
        );
        assert_eq!(quote(b"no\n json s3cret", Some("s3cret")), "no json ***");
    }
}
