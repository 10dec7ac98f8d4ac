//! `action.yml` and the workflows of this project: run by act on this machine, with the program
//! that was built and the double in the place of GitHub, and read by zizmor.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::support::github::{Github, REPOSITORY, RunOf, World};
use crate::support::{Sandbox, python};

const EVENTS: &str = include_str!("../../fixtures/github/events.json");
/// What stands in the place of the actions of others.
const CHECKOUT: &str = r#"git clone --quiet "$STUB_REPOSITORY" . && git checkout --quiet "$REF""#;
const UPLOAD: &str = r#"mkdir -p "$STUB_ARTIFACTS/$NAME" && cp "$FILE" "$STUB_ARTIFACTS/$NAME""#;
/// One artifact by its name, or all that a pattern names, each in a folder of its own.
const DOWNLOAD: &str = r#"mkdir -p "$FILE"; if [ -n "$NAME" ]; then cp -R "$STUB_ARTIFACTS/$NAME/." "$FILE"; else cp -R "$STUB_ARTIFACTS"/$PATTERN "$FILE"; fi"#;
const OURS: u64 = 186_853_002;
const FORK: u64 = 99;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of the programs in `requirements.txt`.
fn tools() -> &'static Path {
    static TOOLS: OnceLock<PathBuf> = OnceLock::new();
    TOOLS.get_or_init(|| python("github-tools", "tests/fixtures/github/requirements.txt"))
}

fn run(command: &mut Command) -> Output {
    let output = command.output().expect("it can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

/// A project with this project's action and workflows, and GitHub around it.
struct Project {
    sandbox: Sandbox,
    github: Github,
}

impl Project {
    /// A frontend on `main`; the branch `topic` makes it larger by so many kilobytes.
    fn with_growth(kilobytes: u32) -> (Self, String) {
        Self::grown(Sandbox::with_frontend("", ""), kilobytes)
    }

    fn grown(sandbox: Sandbox, kilobytes: u32) -> (Self, String) {
        let project = Self {
            sandbox,
            github: Github::start(),
        };
        project.copy("action.yml");
        project.copy("action/install.sh");
        project.copy("action/VERSION");
        project.copy("action/checksums.txt");
        for workflow in [
            "pull-request.yml",
            "publish.yml",
            "commands.yml",
            "sharded.yml",
            "nightly.yml",
        ] {
            project.workflow(workflow);
        }
        let sandbox = &project.sandbox;
        sandbox.write(".gitignore", "/target\n");
        let base = sandbox.commit("the workflows");
        let address = format!("https://github.com/{REPOSITORY}.git");
        sandbox.git(&["remote", "add", "origin", &address]);
        sandbox.git(&["checkout", "--quiet", "-b", "topic"]);
        let more = format!("extra_kilobytes={kilobytes}");
        sandbox.edit("build.sh", "extra_kilobytes=0", &more);
        let head = sandbox.commit("a change");
        sandbox.git(&["checkout", "--quiet", "main"]);
        project.github.look(|world| world.merge_base = base);
        (project, head)
    }

    fn copy(&self, file: &str) {
        let to = self.sandbox.project().join(file);
        fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        fs::copy(root().join(file), to).expect("a copy");
    }

    /// The real workflow, with the built program in place of a build and a frontend in place of
    /// the sample app.
    fn workflow(&self, name: &str) {
        let path = format!(".github/workflows/{name}");
        let text = fs::read_to_string(root().join(&path)).expect("the workflow");
        let binary = env!("CARGO_BIN_EXE_tollgate");
        let build = format!("mkdir -p target/release && ln -s {binary} target/release/tollgate");
        let replaced = |line: &str| match line.trim_start() {
            step if step.starts_with("run: sudo apt-get") => "        run: 'true'".to_owned(),
            step if step.starts_with("run: cargo build") => format!("        run: {build}"),
            _ => line.replace("examples/spheroid/", ""),
        };
        let lines: Vec<String> = text.lines().map(replaced).collect();
        self.sandbox.write(&path, &(lines.join("\n") + "\n"));
    }

    /// Runs a workflow for an event on this machine; what act printed.
    fn act(&self, name: &str, workflow: &str, event: &Value) -> (bool, String) {
        let outside = |name: &str| self.sandbox.outside(name);
        fs::write(outside("event.json"), event.to_string()).expect("a file");
        let mut command = self.sandbox.command(&tools().join("act").to_string_lossy());
        command
            .arg(name)
            .arg("--eventpath")
            .arg(outside("event.json"))
            .args(["--workflows", &format!(".github/workflows/{workflow}")])
            .args([
                "--platform",
                "ubuntu-latest=-self-hosted",
                "--no-cache-server",
            ])
            .args(["--secret", "GITHUB_TOKEN=t-actions"])
            .env("HOME", outside("home"))
            .env("XDG_CACHE_HOME", outside("home"));
        let url = self.github.url();
        let variables = [
            ("GITHUB_API_URL", url.clone()),
            ("GITHUB_GRAPHQL_URL", format!("{url}/graphql")),
            ("GITHUB_RUN_ID", "7".to_owned()),
            (
                "STUB_REPOSITORY",
                self.sandbox.project().display().to_string(),
            ),
            ("STUB_ARTIFACTS", outside("artifacts").display().to_string()),
        ];
        for (name, value) in variables {
            command.args(["--env", &format!("{name}={value}")]);
        }
        for (action, pin) in self.pins(workflow) {
            let stub = self.stub(&action);
            let replaced = format!("{action}@{pin}={}", stub.display());
            command.args(["--local-repository", &replaced]);
        }
        let output = command.output().expect("act can be run");
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    /// The actions of others that a workflow uses, each with its commit.
    fn pins(&self, workflow: &str) -> Vec<(String, String)> {
        let path = self
            .sandbox
            .project()
            .join(".github/workflows")
            .join(workflow);
        let text = fs::read_to_string(path).expect("the workflow");
        let used = text
            .lines()
            .filter_map(|line| line.trim_start_matches(['-', ' ']).strip_prefix("uses: "));
        let pins = used.filter_map(|used| used.split(' ').next()?.split_once('@'));
        pins.map(|(action, pin)| (action.to_owned(), pin.to_owned()))
            .collect()
    }

    /// An action of ours in place of another's.
    fn stub(&self, action: &str) -> PathBuf {
        let script = match action {
            "actions/checkout" => CHECKOUT,
            "actions/upload-artifact" => UPLOAD,
            "actions/download-artifact" => DOWNLOAD,
            other => panic!("there is no stub for {other}"),
        };
        let folder = self.sandbox.outside("stubs").join(action);
        if folder.exists() {
            return folder;
        }
        fs::create_dir_all(&folder).expect("a folder");
        let text = format!(
            "name: stub\ninputs:\n  ref: {{ default: main }}\n  path: {{ default: '' }}\n  name: {{ default: '' }}\n  \
             pattern: {{ default: '' }}\nruns:\n  \
             using: composite\n  steps:\n    - shell: bash\n      env:\n        \
             REF: ${{{{ inputs.ref }}}}\n        FILE: ${{{{ inputs.path }}}}\n        \
             NAME: ${{{{ inputs.name }}}}\n        PATTERN: ${{{{ inputs.pattern }}}}\n      run: {script}\n"
        );
        fs::write(folder.join("action.yml"), text).expect("a file");
        for arguments in [
            &["init", "--quiet", "--initial-branch=main"][..],
            &["add", "--all"],
            &[
                "-c",
                "user.name=A",
                "-c",
                "user.email=a@example.com",
                "commit",
                "--quiet",
                "-m",
                "a stub",
            ],
        ] {
            run(Command::new("git").args(arguments).current_dir(&folder));
        }
        folder
    }

    /// Runs a workflow that measures a pull request: run 7.
    fn measure(&self, event: &Value) -> (bool, String) {
        let head = &event["pull_request"]["head"];
        let repository = head["repo"]["id"].as_u64().expect("a number");
        let run = RunOf::commit(head["sha"].as_str().expect("a commit"), repository);
        self.github.look(|world| world.runs.insert(7, run));
        self.act("pull_request", "pull-request.yml", event)
    }

    /// The nights so far become a branch of the repository, as a workflow has pushed it.
    fn keep_nights(&self, history: &[u8]) {
        let path = self.sandbox.outside("night.json");
        fs::write(&path, history).expect("a file");
        let sandbox = &self.sandbox;
        sandbox.git(&["checkout", "--quiet", "--orphan", "tollgate-baselines"]);
        sandbox.git(&["rm", "--quiet", "-r", "--force", "."]);
        fs::copy(&path, sandbox.project().join("main.json")).expect("a copy");
        sandbox.git(&["add", "main.json"]);
        sandbox.git(&["commit", "--quiet", "-m", "Add a night"]);
        sandbox.git(&["checkout", "--quiet", "main"]);
    }

    fn state(&self, head: &str) -> Option<String> {
        self.github.look(|world| {
            let status = world.status(head, "tollgate");
            status.map(|(state, _)| state.to_owned())
        })
    }

    /// Every status that was set, in order.
    fn states(&self) -> Vec<Value> {
        self.github.look(|world| {
            let states = world.statuses.iter();
            states.map(|(_, status)| status["state"].clone()).collect()
        })
    }

    fn comments(&self) -> Vec<String> {
        self.github.look(|world| {
            let bots = world.comments.iter().filter(|one| one.kind == "Bot");
            bots.map(|comment| comment.body.clone()).collect()
        })
    }
}

fn event(key: &str) -> Value {
    let events: Value = serde_json::from_str(EVENTS).expect("a fixture is JSON");
    events[key].clone()
}

fn pull_request(head: &str, repository: u64) -> Value {
    let mut event = event("pull_request.opened");
    event["number"] = 3.into();
    event["repository"]["id"] = OURS.into();
    let pull = &mut event["pull_request"];
    pull["head"]["sha"] = head.into();
    pull["head"]["repo"]["id"] = repository.into();
    pull["head"]["repo"]["full_name"] = REPOSITORY.into();
    pull["base"]["ref"] = "main".into();
    event
}

#[test]
fn the_workflow_of_a_pull_request_comments_and_fails() {
    let (project, head) = Project::with_growth(50);
    project.github.pull(&head, OURS);

    let event = pull_request(&head, OURS);
    let (passed, said) = project.act("pull_request", "pull-request.yml", &event);

    assert!(!passed, "{said}");
    assert_eq!(project.state(&head).as_deref(), Some("failure"), "{said}");
    let comments = project.comments();
    assert_eq!(comments.len(), 1, "{said}");
    assert!(
        comments[0].contains("❌ Tollgate: 2 regressions"),
        "{}",
        comments[0]
    );
    // It was pending while it was measured.
    assert_eq!(project.states(), ["pending", "failure"]);
    assert!(
        !said.contains("t-actions"),
        "the token is in the log: {said}"
    );
}

#[test]
fn the_workflow_of_a_pull_request_without_a_change_passes() {
    let (project, head) = Project::with_growth(0);
    project.github.pull(&head, OURS);

    let event = pull_request(&head, OURS);
    let (passed, said) = project.act("pull_request", "pull-request.yml", &event);

    assert!(passed, "{said}");
    assert_eq!(project.state(&head).as_deref(), Some("success"), "{said}");
    let comments = project.comments();
    assert!(
        comments[0].contains("✅ **Tollgate:** no change beyond tolerance"),
        "{comments:?}"
    );
}

#[test]
fn a_status_that_is_waited_for_is_set_where_a_step_before_measuring_fails() {
    let (project, head) = Project::with_growth(0);
    project.github.pull(&head, OURS);
    let file = ".github/workflows/pull-request.yml";
    project.sandbox.edit(
        file,
        "run: mkdir -p target/release",
        "run: false && mkdir -p target/release",
    );

    let event = pull_request(&head, OURS);
    let (passed, said) = project.act("pull_request", "pull-request.yml", &event);

    assert!(!passed, "{said}");
    assert_eq!(project.states(), ["error"], "{said}");
    assert_eq!(project.state(&head).as_deref(), Some("error"));
}

#[test]
fn a_merge_queue_is_judged_against_the_entry_before() {
    let (project, head) = Project::with_growth(50);
    let sandbox = &project.sandbox;
    let mut group = event("merge_group.checks_requested");
    let queued = |group: &mut Value, before: &str, head: &str| {
        let group = &mut group["merge_group"];
        group["base_sha"] = before.into();
        group["head_sha"] = head.into();
        group["head_ref"] = format!("refs/heads/gh-readonly-queue/main/pr-3-{before}").into();
    };
    let main = sandbox.git(&["rev-parse", "main"]);
    project.github.pull(&head, OURS);
    // act takes the commit of the run from what is checked out.
    sandbox.git(&["checkout", "--quiet", "topic"]);

    queued(&mut group, &main, &head);
    let (passed, said) = project.act("merge_group", "pull-request.yml", &group);
    assert!(!passed, "{said}");
    assert_eq!(project.state(&head).as_deref(), Some("failure"), "{said}");

    sandbox.write("notes.txt", "nothing that is built\n");
    let next = sandbox.commit("a note");
    queued(&mut group, &head, &next);
    let (passed, said) = project.act("merge_group", "pull-request.yml", &group);
    assert!(passed, "{said}");
    assert_eq!(project.state(&next).as_deref(), Some("success"), "{said}");
    assert_eq!(project.comments().len(), 0);
}

#[test]
fn a_fork_is_measured_without_rights_and_published_by_the_second_workflow() {
    let (project, head) = Project::with_growth(50);
    project.github.pull(&head, FORK);
    let mut measuring = pull_request(&head, FORK);
    measuring["pull_request"]["head"]["repo"]["full_name"] = "eve/octo-repo".into();

    let (passed, said) = project.act("pull_request", "pull-request.yml", &measuring);

    assert!(!passed, "{said}");
    assert!(said.contains("comes from a fork"), "{said}");
    project
        .github
        .look(|world| assert!(world.log.is_empty(), "{:?}", world.log));

    let publishing = measured_elsewhere(&head, "failure");
    let (passed, said) = project.act("workflow_run", "publish.yml", &publishing);

    assert!(passed, "{said}");
    assert_eq!(project.state(&head).as_deref(), Some("failure"), "{said}");
    let comments = project.comments();
    assert_eq!(comments.len(), 1, "{said}");
    assert!(
        comments[0].contains("❌ Tollgate: 2 regressions"),
        "{}",
        comments[0]
    );
}

#[test]
fn shards_of_a_pull_request_make_one_comment_and_one_status() {
    let second = "  - { name: admin, directory: admin, build: sh ../build.sh, output: dist }\n";
    let sandbox = Sandbox::with_frontend("", second);
    sandbox.write("admin/package.json", "{}");
    let (project, head) = Project::grown(sandbox, 50);
    let sandbox = &project.sandbox;
    // What the head of the workflow says is needed for pull requests.
    let file = ".github/workflows/sharded.yml";
    sandbox.edit(file, "  workflow_dispatch:", "  pull_request:");
    let head_of_event = "${{ github.event.pull_request.head.sha || github.sha }}";
    for _ in 0..2 {
        sandbox.edit(file, "${{ github.sha }}", head_of_event);
    }
    project.github.pull(&head, OURS);

    let (passed, said) = project.act("pull_request", "sharded.yml", &pull_request(&head, OURS));

    assert!(!passed, "{said}");
    assert_eq!(project.state(&head).as_deref(), Some("failure"), "{said}");
    let comments = project.comments();
    assert_eq!(comments.len(), 1, "{said}");
    for frontend in ["web", "admin"] {
        assert!(comments[0].contains(frontend), "{}", comments[0]);
    }
    let states = project.states();
    assert_eq!(states, ["pending", "failure"], "{said}");
}

#[test]
fn an_accepted_regression_is_published_by_the_workflow_of_commands() {
    let (project, head) = Project::with_growth(50);
    project.github.pull(&head, OURS);
    project.github.look(|world| {
        world.people.insert("ada".to_owned(), "write");
    });
    project.measure(&pull_request(&head, OURS));
    assert_eq!(project.state(&head).as_deref(), Some("failure"));

    let mut said = event("issue_comment.created");
    said["issue"]["number"] = 3.into();
    said["issue"]["pull_request"] = json!({ "url": "https://api.github.com" });
    said["comment"]["user"]["login"] = "ada".into();
    said["repository"]["default_branch"] = "main".into();
    let words = "/tollgate accept web/initial-js because we need the map";
    said["comment"]["body"] = words.into();
    let number = project.github.look(|world| world.comment(3, "ada", words));
    said["comment"]["id"] = number.into();
    let (passed, log) = project.act("issue_comment", "commands.yml", &said);
    assert!(passed, "{log}");
    assert_eq!(project.state(&head).as_deref(), Some("failure"), "{log}");

    // A label says the same.
    let name = "tollgate accept web/total";
    project
        .github
        .look(|world| world.label(3, "ada", name, "the map is large"));
    let mut labelled = pull_request(&head, OURS);
    labelled["action"] = "labeled".into();
    labelled["label"] = json!({
        "name": "tollgate accept web/total",
        "description": "the map is large",
    });
    labelled["sender"]["login"] = "ada".into();
    labelled["repository"]["default_branch"] = "main".into();
    let (passed, log) = project.act("pull_request_target", "commands.yml", &labelled);
    assert!(passed, "{log}");

    assert_eq!(project.state(&head).as_deref(), Some("success"));
    let comments = project.comments();
    assert!(
        comments[0].contains("`ada` accepted the regression because we need the map"),
        "{comments:#?}"
    );
    assert!(
        comments[0].contains("`ada` accepted the regression because the map is large"),
        "{comments:#?}"
    );
    // Both are where the next night finds them.
    let kept = project.github.look(|world| {
        let kept = world.git.file("tollgate-baselines", "main.accepted.json");
        String::from_utf8(kept.expect("a file")).expect("text")
    });
    for metric in ["bundle/web/initial-js", "bundle/web/total"] {
        assert!(kept.contains(metric), "{kept}");
    }
}

#[test]
fn a_night_is_measured_and_kept_and_what_got_worse_is_not() {
    let (project, head) = Project::with_growth(50);
    let night = |project: &Project| project.act("schedule", "nightly.yml", &json!({}));

    let (passed, said) = night(&project);
    assert!(passed, "{said}");
    assert!(said.contains("the first night"), "{said}");
    let history = |project: &Project| {
        let file = |world: &mut World| world.git.file("tollgate-baselines", "main.json");
        let bytes = project.github.look(file).expect("a night was kept");
        serde_json::from_slice::<Value>(&bytes).expect("JSON")
    };
    let runs = |project: &Project| history(project)["runs"].as_array().map(Vec::len);
    assert_eq!(runs(&project), Some(1));
    let (passed, said) = night(&project);
    assert!(passed, "{said}");
    assert_eq!(
        runs(&project),
        Some(2),
        "it starts from what was kept: {said}"
    );

    // The pull request is merged, and nobody has accepted what it makes worse.
    let sandbox = &project.sandbox;
    sandbox.git(&["merge", "--quiet", "--no-ff", "-m", "topic", "topic"]);
    let (passed, said) = night(&project);
    assert!(!passed, "{said}");
    assert!(said.contains("worse than in the last night"), "{said}");
    assert_eq!(runs(&project), Some(2), "{said}");

    // Accepted on the pull request, it is let through.
    let bundle = |metric: &str| {
        json!({
            "commit": head, "metric": metric, "ceiling": null, "by": "ada", "because": "maps",
            "at": "2030-01-01T00:00:00Z", "pull-request": 3, "measured": 10.0,
        })
    };
    let samples = &history(&project)["runs"][0]["samples"];
    let metrics = samples.as_object().expect("samples").keys();
    let accepted: Vec<Value> = metrics.map(|metric| bundle(metric)).collect();
    let kept = json!({ "format": 1, "project": "sandbox", "accepted": accepted }).to_string();
    let runs_kept = history(&project).to_string();
    project.github.pull(&head, OURS);
    let merged = sandbox.git(&["rev-parse", "main"]);
    project.github.look(|world| {
        world.pulls[0].merged_as = Some(merged);
        let files = [
            ("main.json", runs_kept.as_bytes()),
            ("main.accepted.json", kept.as_bytes()),
        ];
        world.git.commit_all("tollgate-baselines", &files);
    });
    let (passed, said) = night(&project);
    assert!(passed, "{said}");
    assert!(said.contains("`ada` accepted it because maps"), "{said}");
    assert_eq!(runs(&project), Some(3), "{said}");
}

#[test]
fn a_night_that_is_kept_stands_in_for_a_base_that_cannot_be_built() {
    let (project, _) = Project::with_growth(0);
    let (passed, said) = project.act("schedule", "nightly.yml", &json!({}));
    assert!(passed, "{said}");
    let kept = project
        .github
        .look(|world| world.git.file("tollgate-baselines", "main.json"));
    let kept = kept.expect("a night was kept");
    let sandbox = &project.sandbox;
    let good = sandbox.git(&["rev-parse", "main"]);
    sandbox.edit("build.sh", "set -eu", "exit 4");
    sandbox.commit("it does not build");
    sandbox.git(&["checkout", "--quiet", "-B", "topic"]);
    sandbox.edit("build.sh", "exit 4", "set -eu");
    sandbox.edit("build.sh", "extra_kilobytes=0", "extra_kilobytes=50");
    let head = sandbox.commit("it builds, and is larger");
    sandbox.git(&["checkout", "--quiet", "main"]);
    project.github.pull(&head, OURS);

    // Without a night there is nothing but targets, and that is said.
    let (_, said) = project.measure(&pull_request(&head, OURS));
    let missing = "there is no branch `tollgate-baselines` in this clone";
    assert!(said.contains(missing), "{said}");
    assert_ne!(project.state(&head).as_deref(), Some("failure"), "{said}");

    project.keep_nights(&kept);
    let (passed, said) = project.measure(&pull_request(&head, OURS));
    assert!(!passed, "{said}");
    assert_eq!(project.state(&head).as_deref(), Some("failure"), "{said}");
    let comments = project.comments();
    let stored = format!("the stored run of {}", &good[..10]);
    assert!(comments[0].contains(&stored), "{comments:#?}");
}

#[test]
fn a_damaged_history_is_never_a_success() {
    let (project, head) = Project::with_growth(0);
    project.github.pull(&head, OURS);
    project.keep_nights(b"{\"format\":");

    let (passed, said) = project.measure(&pull_request(&head, OURS));

    assert!(!passed, "{said}");
    assert_eq!(project.state(&head).as_deref(), Some("error"), "{said}");
    let comments = project.comments().concat();
    let words = "the stored baselines could not be read";
    assert!(comments.contains(words), "{comments}");
}

#[test]
fn a_damaged_history_is_never_a_success_of_a_fork() {
    let (project, head) = Project::with_growth(0);
    project.github.pull(&head, FORK);
    let (_, said) = project.measure(&pull_request(&head, FORK));
    assert!(
        project
            .sandbox
            .outside("artifacts/tollgate-run/run.json")
            .exists(),
        "{said}"
    );
    project.keep_nights(b"{\"format\":");

    let event = measured_elsewhere(&head, "success");
    let (passed, said) = project.act("workflow_run", "publish.yml", &event);

    assert!(!passed, "{said}");
    assert_eq!(project.state(&head).as_deref(), Some("error"), "{said}");
    let comments = project.comments().concat();
    let words = "the stored baselines could not be read";
    assert!(comments.contains(words), "{comments}");
}

/// What a run of the measuring workflow on a fork's commit ended like.
fn measured_elsewhere(head: &str, conclusion: &str) -> Value {
    let mut publishing = event("workflow_run.completed");
    let run = &mut publishing["workflow_run"];
    run["id"] = 7.into();
    run["run_attempt"] = 1.into();
    run["event"] = "pull_request".into();
    run["conclusion"] = conclusion.into();
    run["head_sha"] = head.into();
    run["head_branch"] = "topic".into();
    run["pull_requests"] = json!([]);
    run["head_repository"]["id"] = FORK.into();
    run["head_repository"]["full_name"] = "eve/octo-repo".into();
    run["head_repository"]["owner"]["login"] = "eve".into();
    publishing
}

#[test]
fn a_cancelled_measurement_of_a_fork_leaves_nothing_pending_and_is_no_success() {
    let (project, head) = Project::with_growth(0);
    project.github.pull(&head, FORK);

    let event = measured_elsewhere(&head, "cancelled");
    let (passed, said) = project.act("workflow_run", "publish.yml", &event);

    assert!(passed, "{said}");
    assert_eq!(project.state(&head).as_deref(), Some("error"), "{said}");
}

#[test]
fn a_status_of_a_fork_is_set_where_a_step_before_publishing_fails() {
    let (project, head) = Project::with_growth(0);
    project.github.pull(&head, FORK);
    project.sandbox.edit(
        ".github/workflows/publish.yml",
        "run: mkdir -p target/release",
        "run: false && mkdir -p target/release",
    );

    let event = measured_elsewhere(&head, "success");
    let (passed, said) = project.act("workflow_run", "publish.yml", &event);

    assert!(!passed, "{said}");
    assert_eq!(project.states(), ["error"], "{said}");
}

#[test]
fn jobs_that_are_not_for_an_event_are_skipped_and_write_nothing() {
    let (project, head) = Project::with_growth(0);
    project.github.pull(&head, OURS);

    // What the repository's own pull request measured is published there.
    let mut own = measured_elsewhere(&head, "success");
    own["workflow_run"]["head_repository"]["full_name"] = REPOSITORY.into();
    own["workflow_run"]["actor"]["login"] = "ada".into();
    own["repository"]["full_name"] = REPOSITORY.into();
    let (passed, said) = project.act("workflow_run", "publish.yml", &own);
    assert!(passed, "{said}");
    // A comment that is no command.
    let mut comment = event("issue_comment.created");
    comment["issue"]["pull_request"] = json!({ "url": "https://api.github.com" });
    comment["comment"]["body"] = "well done".into();
    let (passed, said) = project.act("issue_comment", "commands.yml", &comment);
    assert!(passed, "{said}");

    let log = project.github.look(|world| world.log.clone());
    assert!(log.is_empty(), "{log:?}");
}

#[test]
fn zizmor_finds_nothing_in_the_action_and_the_workflows() {
    let output = Command::new(tools().join("zizmor"))
        .args([
            "--offline",
            "--persona=pedantic",
            "--no-progress",
            "--color=never",
        ])
        .args(["action.yml", ".github/workflows"])
        .current_dir(root())
        .output()
        .expect("zizmor can be run");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("No findings to report"), "{said}");
}

#[test]
fn the_action_and_the_workflows_have_the_form_that_github_wants() {
    let folder = root().join(".github/workflows");
    let workflows = fs::read_dir(folder).expect("the workflows");
    let workflows = workflows.map(|entry| entry.expect("a workflow").path());
    let check = |schema: &str, files: Vec<PathBuf>| {
        assert!(!files.is_empty());
        run(Command::new(tools().join("check-jsonschema"))
            .args(["--builtin-schema", schema])
            .args(files));
    };
    check("vendor.github-workflows", workflows.collect());
    check("vendor.github-actions", vec![root().join("action.yml")]);
}

#[test]
fn a_program_that_is_not_the_released_one_is_not_run() {
    let folder = Sandbox::empty();
    for file in ["install.sh", "VERSION"] {
        let from = root().join("action").join(file);
        fs::copy(from, folder.project().join(file)).expect("a copy");
    }
    let version = fs::read_to_string(folder.project().join("VERSION")).expect("a version");
    let (version, target) = (version.trim(), "x86_64-unknown-linux-musl");
    let name = format!("tollgate-{version}-{target}.tar.gz");
    let release = folder.outside("releases").join(format!("v{version}"));
    fs::create_dir_all(&release).expect("a folder");
    folder.write("tollgate", "#!/bin/sh\necho hello\n");
    run(Command::new("chmod")
        .arg("755")
        .arg(folder.project().join("tollgate")));
    let mut tar = Command::new("tar");
    let archive = release.join(&name);
    run(tar
        .arg("-czf")
        .arg(&archive)
        .arg("tollgate")
        .current_dir(folder.project()));
    let sum = run(Command::new("sha256sum").arg(&archive)).stdout;
    let sum = String::from_utf8_lossy(&sum)[..64].to_owned();
    let install = || {
        let releases = format!("file://{}", folder.outside("releases").display());
        let output = folder
            .command("sh")
            .arg("install.sh")
            .env("TOLLGATE_RELEASES", releases)
            .envs([("RUNNER_OS", "Linux"), ("RUNNER_ARCH", "X64")])
            .env("RUNNER_TEMP", folder.outside("output"))
            .env("GITHUB_OUTPUT", folder.outside("outputs"))
            .output()
            .expect("a shell");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };

    folder.write("checksums.txt", &format!("{}  {name}\n", "0".repeat(64)));
    let (code, said) = install();
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("it is not the program that was released"),
        "{said}"
    );
    folder.write("checksums.txt", "");
    let (code, said) = install();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("belongs to no release"), "{said}");
    assert!(!folder.outside("outputs").exists());

    folder.write("checksums.txt", &format!("{sum}  {name}\n"));
    let (code, said) = install();
    assert_eq!(code, Some(0), "{said}");
    let outputs = fs::read_to_string(folder.outside("outputs")).expect("an output");
    let binary = outputs.trim().strip_prefix("binary=").expect("the program");
    assert_eq!(run(&mut Command::new(binary)).stdout, b"hello\n");
}
