//! What is written for the runner, byte for byte as GitHub's own toolkit writes it; action and
//! workflows as GitHub's own language service reads them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::json;
use tollgate::github::annotations::{self, Annotation, Level};

use crate::support::{Sandbox, needs};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of the packages, installed once for every state of `package.json`.
fn kit() -> &'static Path {
    static KIT: OnceLock<PathBuf> = OnceLock::new();
    KIT.get_or_init(|| {
        needs("npm", "npm");
        let wanted = root().join("tests/fixtures/github/kit");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("github-kit");
        fs::create_dir_all(&folder).expect("a folder");
        for file in ["validate.mjs", "golden.mjs"] {
            fs::copy(wanted.join(file), folder.join(file)).expect("a copy");
        }
        let list = fs::read_to_string(wanted.join("package.json")).expect("the list");
        let installed = folder.join("installed.json");
        if fs::read_to_string(&installed).ok().as_deref() != Some(&list) {
            fs::write(folder.join("package.json"), &list).expect("a file");
            let install = ["install", "--no-audit", "--no-fund", "--no-package-lock"];
            run(Command::new("npm").args(install).current_dir(&folder));
            fs::write(&installed, list).expect("a file");
        }
        // The service imports JSON in a way that Node does not read.
        let banner = "--banner:js=import { createRequire } from 'node:module'; \
                      const require = createRequire(import.meta.url);";
        run(Command::new("node_modules/.bin/esbuild")
            .args([
                "validate.mjs",
                "--bundle",
                "--platform=node",
                "--format=esm",
            ])
            .args(["--outfile=bundle.mjs", "--log-level=error", banner])
            .current_dir(&folder));
        folder
    })
}

fn run(command: &mut Command) -> Output {
    let output = command.output().expect("it can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

/// What GitHub's service finds in these files.
fn findings(files: &[PathBuf], folder: &Path) -> String {
    let output = Command::new("node")
        .arg(kit().join("bundle.mjs"))
        .args(files)
        .current_dir(folder)
        .output()
        .expect("node can be run");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn workflows() -> Vec<PathBuf> {
    let folder = fs::read_dir(root().join(".github/workflows")).expect("the workflows");
    let names = folder.map(|entry| entry.expect("a workflow").file_name());
    let mut paths: Vec<PathBuf> = names
        .map(|name| Path::new(".github/workflows").join(name))
        .collect();
    paths.push("action.yml".into());
    paths.sort();
    paths
}

#[test]
fn github_reads_the_action_and_the_workflows_without_a_finding() {
    assert_eq!(findings(&workflows(), root()), "");
    // It would find something.
    let wrong = Sandbox::empty();
    wrong.write(
        ".github/workflows/wrong.yml",
        "on: pushh\njobs: { a: { runs-on: x, permissions: { nope: read }, steps: [{ run: x }] } }\n",
    );
    let said = findings(&[".github/workflows/wrong.yml".into()], &wrong.project());
    assert!(said.contains("Unexpected value 'pushh'"), "{said}");
    assert!(said.contains("Unexpected value 'nope'"), "{said}");
}

#[test]
fn the_action_validator_accepts_the_action_and_the_workflows() {
    for file in workflows() {
        // Its schema is older than this permission, which the language service knows.
        let text = fs::read_to_string(root().join(&file)).expect("a file");
        let lines = text.lines();
        let known: Vec<&str> = lines
            .filter(|line| !line.trim_start().starts_with("attestations: write"))
            .collect();
        let sandbox = Sandbox::empty();
        let name = file.to_str().expect("a path");
        sandbox.write(name, &known.join("\n"));
        let said = Command::new(kit().join("node_modules/.bin/action-validator"))
            .arg(sandbox.project().join(&file))
            .output()
            .expect("it can be run");
        let text = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
        assert!(said.status.success(), "{name}: {text}");
    }
}

/// Texts that mean something to the runner, or look as if they did.
const HOSTILE: [&str; 8] = [
    "plain",
    "100 % of a:b, c",
    "two\nlines\r\nand %0A",
    "::error::forged",
    "name<<EOF",
    "é ü 你好 🚀",
    "",
    " spaces ",
];

#[test]
fn commands_are_the_bytes_of_the_toolkit() {
    let ours: Vec<Annotation> = HOSTILE
        .iter()
        .filter(|text| !text.is_empty())
        .map(|text| Annotation {
            level: Level::Failure,
            file: format!("src/{text}.rs"),
            line: 3,
            title: (*text).to_owned(),
            message: (*text).to_owned(),
        })
        .collect();
    let theirs: Vec<_> = ours
        .iter()
        .map(|one| {
            json!({
                "level": "error", "message": one.message, "title": one.title,
                "file": one.file, "line": one.line,
            })
        })
        .collect();
    let (printed, _) = toolkit(&json!({ "annotations": theirs, "outputs": [] }));
    assert_eq!(annotations::commands(&ours), printed);
}

#[test]
fn outputs_are_the_bytes_of_the_toolkit() {
    let sandbox = Sandbox::empty();
    let event = sandbox.outside("event.json");
    let payload = json!({
        "action": "created",
        "issue": { "number": 3, "pull_request": {} },
        "comment": { "id": 5, "body": "hello", "user": { "login": "ada" } },
    });
    fs::write(&event, payload.to_string()).expect("a file");
    let outputs = sandbox.outside("ours");
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_tollgate"));
    command
        .arg("command")
        .env("GITHUB_EVENT_NAME", "issue_comment")
        .env("GITHUB_EVENT_PATH", event)
        .env("GITHUB_REPOSITORY", "o/r")
        .env("GITHUB_SERVER_URL", "https://github.com")
        .env("GITHUB_API_URL", "http://127.0.0.1:1")
        .env("GITHUB_RUN_ID", "7")
        .env("GITHUB_RUN_ATTEMPT", "1")
        .env("GITHUB_OUTPUT", &outputs);
    run(&mut command);
    let ours = fs::read_to_string(outputs).expect("the outputs");
    let wanted = json!({ "annotations": [], "outputs": [["todo", "nothing"], ["run", ""]] });
    let (_, theirs) = toolkit(&wanted);
    assert_eq!(without_chance(&ours), without_chance(&theirs));
    assert_eq!(ours.matches("ghadelimiter_").count(), 4);
}

/// What GitHub's toolkit prints, and what it writes as outputs.
fn toolkit(input: &serde_json::Value) -> (String, String) {
    let sandbox = Sandbox::empty();
    let outputs = sandbox.outside("theirs");
    fs::write(&outputs, "").expect("a file");
    let mut child = Command::new("node")
        .arg("golden.mjs")
        .current_dir(kit())
        .env("GITHUB_OUTPUT", &outputs)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node can be run");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin
        .write_all(input.to_string().as_bytes())
        .expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).expect("text");
    (printed, fs::read_to_string(outputs).expect("the outputs"))
}

/// The same text, with every delimiter of chance as one word.
fn without_chance(text: &str) -> String {
    let mut rest = text;
    let mut plain = String::new();
    while let Some((before, after)) = rest.split_once("ghadelimiter_") {
        plain.push_str(before);
        plain.push_str("DELIMITER");
        let is_of_it = |c: char| c.is_ascii_hexdigit() || c == '-';
        rest = after.trim_start_matches(is_of_it);
    }
    plain + rest
}
