//! GitHub's own description of its API: what the double takes and answers is held to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use jsonschema::Validator;
use serde_json::{Value, json};

const OPENAPI: &str = include_str!("../../../fixtures/github/openapi.json");
const ANSWERS: &str = include_str!("../../../fixtures/github/answers.json");
const PERMISSIONS: &str = include_str!("../../../fixtures/github/permissions.json");

/// The description, read once.
pub(crate) struct Description {
    openapi: Value,
    answers: Value,
    permissions: Value,
    validators: Mutex<BTreeMap<String, Option<Arc<Validator>>>>,
}

impl Description {
    pub(crate) fn get() -> &'static Self {
        static DESCRIPTION: OnceLock<Description> = OnceLock::new();
        DESCRIPTION.get_or_init(|| {
            let read = |text| serde_json::from_str(text).expect("a fixture is JSON");
            let mut openapi: Value = read(OPENAPI);
            nullable(&mut openapi);
            Self {
                openapi,
                answers: read(ANSWERS),
                permissions: read(PERMISSIONS),
                validators: Mutex::default(),
            }
        })
    }

    /// GitHub's example of an answer.
    pub(crate) fn answer(&self, operation: &str) -> Value {
        let answer = &self.answers[operation];
        assert!(!answer.is_null(), "there is no example for {operation}");
        answer.clone()
    }

    /// The permissions of which one is enough.
    pub(crate) fn permissions(&self, operation: &str) -> Vec<(String, String)> {
        let choices = self.permissions[operation].as_array();
        let choices = choices.unwrap_or_else(|| panic!("{operation} is not described"));
        let word = |choice: &Value, at: usize| choice[at].as_str().expect("a word").to_owned();
        let choices = choices
            .iter()
            .map(|choice| (word(choice, 0), word(choice, 1)));
        choices.collect()
    }

    /// What is wrong with the body of a request.
    pub(crate) fn wrong_request(&self, operation: &str, body: &Value) -> Option<String> {
        let schema = |described: &Value| described["requestBody"].clone();
        let described = self.validator(operation, "request", schema);
        match described {
            Some(validator) => wrong(&validator, body),
            None => (!body.is_null()).then(|| "it takes no body".to_owned()),
        }
    }

    /// What is wrong with an answer.
    pub(crate) fn wrong_answer(
        &self,
        operation: &str,
        status: u16,
        body: &Value,
    ) -> Option<String> {
        let status = status.to_string();
        let response = |described: &Value| {
            let response = described["responses"][&status].clone();
            match response["$ref"].as_str() {
                Some(reference) => self.referenced(reference),
                None => response,
            }
        };
        if response(self.described(operation)).is_null() {
            // Every operation may be refused in general.
            let in_general = ["401", "403", "404", "410", "429", "502"].contains(&&*status);
            return (!in_general).then(|| format!("{operation} never answers {status}"));
        }
        let validator = self.validator(operation, &status, response);
        validator.and_then(|validator| wrong(&validator, body))
    }

    fn described(&self, operation: &str) -> &Value {
        let (method, path) = operation.split_once(' ').expect("a method and a path");
        &self.openapi["paths"][path][method.to_lowercase()]
    }

    fn referenced(&self, reference: &str) -> Value {
        let pointer = reference.trim_start_matches('#');
        self.openapi.pointer(pointer).expect("it is there").clone()
    }

    fn validator(
        &self,
        operation: &str,
        part: &str,
        schema: impl Fn(&Value) -> Value,
    ) -> Option<Arc<Validator>> {
        let key = format!("{operation} {part}");
        let mut validators = self.validators.lock().expect("no panic while it is held");
        let build = || {
            let content = schema(self.described(operation))["content"]["application/json"].clone();
            let mut schema = content["schema"].clone();
            schema["components"] = self.openapi["components"].clone();
            let built = jsonschema::options()
                .with_draft(jsonschema::Draft::Draft4)
                .build(&schema);
            let has_schema = content["schema"].is_object();
            has_schema.then(|| Arc::new(built.expect("a schema")))
        };
        validators.entry(key).or_insert_with(build).clone()
    }
}

fn wrong(validator: &Validator, body: &Value) -> Option<String> {
    let error = validator.iter_errors(body).next()?;
    Some(format!("{error} at `{}`", error.instance_path()))
}

/// OpenAPI 3.0 has `nullable`, JSON Schema has a type for it.
fn nullable(node: &mut Value) {
    match node {
        Value::Array(items) => items.iter_mut().for_each(nullable),
        Value::Object(keys) => {
            keys.values_mut().for_each(nullable);
            if keys.get("nullable") == Some(&Value::Bool(true)) {
                keys.remove("nullable");
                let bare = std::mem::take(node);
                *node = json!({ "anyOf": [{ "type": "null" }, bare] });
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
