//! Frontends that grow, that do not build, and whose base does not build.

use std::fs;

use crate::support::{Finished, Sandbox};

#[test]
fn fifty_kilobytes_more_are_blocked() {
    let project = Sandbox::with_frontend("", "");
    project.edit("build.sh", "extra_kilobytes=0", "extra_kilobytes=50");

    let check = project.check();

    check.exits(1).prints("FAIL").prints("web");
    assert_eq!(check.verdict("bundle/web/total"), "regressed");
    assert_eq!(check.verdict("bundle/web/initial-js"), "regressed");
    // The file, named without its hash.
    let asset = "asset/web/assets/index.js/size";
    assert_eq!(check.verdict(asset), "regressed", "{check}");
}

#[test]
fn another_hash_in_the_file_names_is_no_change() {
    let project = Sandbox::with_frontend("", "");
    project.edit("build.sh", "9f86d081", "5e884898");

    let check = project.check();

    check.exits(0).prints("PASS");
    for (id, verdict) in check.verdicts() {
        assert_eq!(verdict, "unchanged", "{id}\n{check}");
    }
}

#[test]
fn a_build_that_leaves_an_empty_folder_could_not_be_measured() {
    let project = Sandbox::with_frontend("", "");
    project.write("build.sh", "mkdir -p dist\n");

    let check = project.check();

    check
        .exits(3)
        .says("error: frontend `web`: the build left nothing to weigh in `")
        .says("/dist`")
        .says("hint: check `output`: it is the folder the build writes");
}

#[test]
fn a_build_that_leaves_no_folder_could_not_be_measured() {
    let project = Sandbox::with_frontend("", "");
    project.write("build.sh", "mkdir -p build\n");

    project
        .check()
        .exits(3)
        .says("the build left no folder `")
        .says("/dist`");
}

#[test]
fn a_committed_output_does_not_pass_for_what_a_build_wrote() {
    let project = Sandbox::with_frontend("", "");
    project.write(
        "dist/index.html",
        "<!doctype html><p>committed long ago</p>",
    );
    project.commit("the output as well");
    project.write("build.sh", "echo 'builds nothing'\n");

    project.check().exits(3).says("the build left no folder");
}

/// The files that head ships.
fn shipped(check: &Finished<'_>) -> Vec<String> {
    let run = check.run_file();
    let assets = &run["head"]["evidence"]["bundles"]["web"]["assets"];
    let paths = assets.as_array().into_iter().flatten();
    paths
        .map(|asset| asset["path"].as_str().expect("a path").to_owned())
        .collect()
}

/// A frontend of which a page, an image and what an earlier build said of itself are committed.
fn with_committed_page(build: &str) -> Sandbox {
    let project = Sandbox::with_frontend("", "");
    project.write("dist/index.html", "<script src=app.js></script>");
    project.write("dist/icon é.svg", "<svg/>");
    project.write("dist/app.js.map", "{\"version\":3,");
    let stale = r#"{"old.js": {"file": "old.js", "isEntry": true}}"#;
    project.write("dist/.vite/manifest.json", stale);
    project.write(
        "dist/manifest.json",
        r#"{"app.js": {"file": "app.js", "isEntry": true}}"#,
    );
    project.write("build.sh", build);
    project.commit("a page that is not built");
    project
}

#[test]
fn what_is_committed_beside_what_a_build_writes_is_weighed_and_says_nothing_of_the_build() {
    // It needs the page that is there.
    let project =
        with_committed_page("grep -q app.js dist/index.html && echo 'app()' > dist/app.js\n");
    // Nobody has told git of it.
    project.write("dist/left-over.js", "left over");

    let check = project.check();

    check.exits(0).prints(
        "web: the build left 4 committed files in `dist` untouched, weighed all the same because it \
         may be deployed: `.vite/manifest.json`, `icon é.svg`, `index.html` and 1 more; remove",
    );
    let expected = [
        ".vite/manifest.json",
        "app.js",
        "icon é.svg",
        "index.html",
        "manifest.json",
    ];
    assert_eq!(shipped(&check), expected, "{check}");
    assert_eq!(check.verdict("bundle/web/initial-js"), "unchanged");
    let report = check.report().to_string();
    for wrong in ["old.js", "app.js.map"] {
        assert!(!report.contains(wrong), "{wrong}\n{check}");
    }

    project.git(&[
        "rm",
        "--quiet",
        "dist/icon é.svg",
        "dist/.vite/manifest.json",
    ]);
    let check = project.check();
    check.exits(0).prints("the build left 2 committed files");
    assert_eq!(shipped(&check), ["app.js", "index.html", "manifest.json"]);
}

#[test]
fn a_build_that_empties_its_folder_leaves_nothing_that_is_committed() {
    let project = with_committed_page("rm -rf dist; mkdir dist; echo 'app()' > dist/app.js\n");
    let check = project.check();
    check.exits(0);
    assert_eq!(shipped(&check), ["app.js"]);
    assert!(!check.stdout.contains("committed"), "{check}");
}

#[test]
fn a_build_that_leaves_alone_what_it_would_write_just_so_has_written_it() {
    let build = "echo built >> $MARKS/builds\nmkdir -p dist\n\
                 cmp -s app.js dist/app.js || cp app.js dist/app.js\n";
    let project = with_committed_page(build);
    project.write("app.js", "app()");
    project.write("dist/app.js", "app()");
    project.commit("the output as well");

    let check = project.check();

    check.exits(0).prints("the build left 4 committed files");
    let files = shipped(&check);
    assert!(files.contains(&"app.js".to_owned()), "{files:?}");
    assert!(files.contains(&"index.html".to_owned()), "{files:?}");
    // Base and head are the same: built once with what is committed, and once without.
    let builds = fs::read_to_string(project.marks().join("builds")).expect("builds");
    assert_eq!(builds.lines().count(), 2);
    assert_eq!(check.verdict("bundle/web/initial-js"), "unchanged");
}

#[test]
fn a_failing_build_shows_its_last_lines_and_its_log() {
    let project = Sandbox::with_frontend("", "");
    let lines = "echo 'building 12 modules'\necho 'app.js:3: unexpected token' >&2\nexit 2\n";
    project.write("build.sh", lines);

    let check = project.check();

    check.exits(3);
    insta::assert_snapshot!(check.error(), @"
    error: frontend `web`: build: `sh build.sh` ended with status 2 after N s
      | building 12 modules
      | app.js:3: unexpected token

    hint: the whole output is in `PROJECT/.tollgate/logs/head/web-build.log`
    ");
    let log = project.result("logs/head/web-build.log");
    let text = fs::read_to_string(log).expect("the log that the hint names");
    assert!(text.contains("unexpected token"), "{text}");
    assert_eq!(check.stdout, "", "standard output is for results");
}

#[test]
fn a_failing_install_shows_its_last_lines_and_its_log() {
    let install = "    install: { run: sh install.sh, inputs: [install.sh] }\n";
    let project = Sandbox::with_frontend(install, "");
    project.write(
        "install.sh",
        "echo 'no such package: left-pad' >&2; exit 9\n",
    );

    let check = project.check();

    check.exits(3);
    insta::assert_snapshot!(check.error(), @"
    error: frontend `web`: install: `sh install.sh` ended with status 9 after N s
      | no such package: left-pad

    hint: the whole output is in `PROJECT/.tollgate/logs/head/web-install.log`
    ");
    let log = project.result("logs/head/web-install.log");
    let text = fs::read_to_string(log).expect("the log that the hint names");
    assert!(text.contains("left-pad"), "{text}");
}

#[test]
fn a_build_that_does_not_end_is_stopped() {
    let project = Sandbox::with_frontend("    within: 1 s\n", "");
    project.write("build.sh", "sleep 60\n");

    project
        .check()
        .exits(3)
        .says("did not end within 1 s and was stopped");
}

#[test]
fn an_install_runs_once_for_what_it_depends_on() {
    let install = "    install: { run: sh install.sh, inputs: [install.sh] }\n";
    let project = Sandbox::with_frontend(install, "");
    let line = "echo once >> $MARKS/installs; mkdir -p lib; echo data > lib/data\n";
    project.write("install.sh", line);
    project.edit(
        "build.sh",
        "mkdir -p dist/assets",
        "cat lib/data; mkdir -p dist/assets",
    );
    project.commit("install");
    // Head differs, so both arms are built, each needing what was installed.
    project.edit("build.sh", "set -eu", "set -eu # strict");
    project.check().exits(0);
    assert_eq!(installs(&project), 1);

    project.edit("install.sh", "data", "other data");
    project.edit("build.sh", "strict", "stricter");
    project.check().exits(0);
    assert_eq!(
        installs(&project),
        2,
        "another install for what it now depends on"
    );
}

/// A workspace that ships the one package it asks for, as Node finds it: from its folder upwards. The
/// package holds what the lockfile says of it. `keys` are more keys of the frontend.
fn workspace(keys: &str) -> Sandbox {
    let project = Sandbox::empty();
    let config = format!(
        "project: sandbox\nfrontend:\n  - name: web\n    directory: apps/web\n{keys}    \
         build: sh build.sh\n    output: dist\n"
    );
    project.write("tollgate.yml", &config);
    project.write(".gitignore", "dist/\nnode_modules/\n.tollgate/\n");
    project.write("package.json", r#"{"workspaces": ["apps/*"]}"#);
    let package = r#"{"name": "web", "scripts": {}, "dependencies": {"x": "*"}}"#;
    project.write("apps/web/package.json", package);
    project.write("yarn.lock", "x@1\n");
    let install = "echo once >> $MARKS/installs\nmkdir -p node_modules/x\n\
                   cp yarn.lock node_modules/x/index.js\n";
    project.write("install.sh", install);
    let build = "set -eu\nhere=$PWD\n\
                 while ! [ -e node_modules/x ]; do [ $PWD != / ]; cd ..; done\n\
                 mkdir -p $here/dist\ncp node_modules/x/index.js $here/dist/\n\
                 echo '<script src=index.js></script>' > $here/dist/index.html\n";
    project.write("apps/web/build.sh", build);
    project.commit("a workspace");
    project
}

/// What the workspace's developer has installed: another version than base has.
fn with_other_packages(project: &Sandbox) {
    project.write("yarn.lock", "x@2, which is longer\n");
    project.write("node_modules/x/index.js", "x@2, which is longer\n");
}

/// How many bytes of the package each arm ships.
fn shipped_of_the_package(check: &Finished<'_>) -> (Option<u64>, Option<u64>) {
    let run = check.run_file();
    let of = |arm: &str| {
        let assets = &run.pointer(arm)?["evidence"]["bundles"]["web"]["assets"];
        let mut assets = assets.as_array().into_iter().flatten();
        assets.find(|it| it["path"] == "index.js")?["raw"].as_u64()
    };
    (of("/base/measured"), of("/head"))
}

fn installs(project: &Sandbox) -> usize {
    let text = fs::read_to_string(project.marks().join("installs"));
    text.unwrap_or_default().lines().count()
}

#[test]
fn what_is_installed_for_a_whole_workspace_is_installed_in_every_arm() {
    let project =
        workspace("    install: { run: cd ../.. && sh install.sh, inputs: [package.json] }\n");
    with_other_packages(&project);
    let sizes = (
        Some("x@1\n".len() as u64),
        Some("x@2, which is longer\n".len() as u64),
    );

    assert_eq!(shipped_of_the_package(project.check().exits(0)), sizes);
    assert_eq!(installs(&project), 2);

    // Nothing is known of a build with this, so both are made again.
    let more = [("MORE", std::path::Path::new("1"))];
    let again = project.run_with(&more, &["check"]);
    assert_eq!(shipped_of_the_package(&again), sizes, "{again}");
    assert_eq!(installs(&project), 4);
}

#[test]
fn a_lockfile_above_decides_what_is_installed() {
    let keys =
        "    install: { run: mkdir -p lib && cp ../../yarn.lock lib/x, inputs: [package.json] }\n";
    let project = workspace(keys);
    project.edit(
        "apps/web/build.sh",
        "cp node_modules/x/index.js",
        "cp $here/lib/x",
    );
    project.edit("apps/web/build.sh", "[ -e node_modules/x ]", "true");
    project.edit("apps/web/build.sh", "dist/\n", "dist/index.js\n");
    project.commit("installed in its own folder");
    project.write("yarn.lock", "x@2, which is longer\n");

    let check = project.check();

    let sizes = (
        Some("x@1\n".len() as u64),
        Some("x@2, which is longer\n".len() as u64),
    );
    assert_eq!(shipped_of_the_package(check.exits(0)), sizes, "{check}");
}

#[test]
fn base_is_not_compared_where_it_would_be_built_with_the_packages_of_head() {
    let project = workspace("");
    with_other_packages(&project);

    let check = project.check();

    let why = "its packages are not installed: `yarn.lock` is another one than in the checkout";
    let help = "install: { run: yarn install, inputs: [package.json] }";
    check.exits(0).prints("WARN").says(why).says(help);
    assert_eq!(check.verdict("bundle/web/total"), "inconclusive", "{check}");
    assert!(check.comment().contains(why), "{check}");
    assert!(check.comment().contains(help), "{check}");
    let (_, head) = shipped_of_the_package(&check);
    assert_eq!(head, Some("x@2, which is longer\n".len() as u64));

    // Base does not even build with them, which is no fault of base.
    let line = "set -eu\ngrep -q x@1 ../../node_modules/x/index.js";
    project.git(&["stash", "--quiet"]);
    let line = line.replace("../../", "../../../../../../");
    project.edit("apps/web/build.sh", "set -eu", &line);
    project.commit("needs what it asks for");
    project.git(&["stash", "pop", "--quiet"]);
    project.edit("apps/web/build.sh", &line, "set -eu");
    project.check().exits(0).says(why);
}

#[test]
fn the_packages_of_the_checkout_serve_an_arm_that_asks_for_the_same() {
    let project = workspace("");
    project.write("node_modules/x/index.js", "x@1\n");
    // Neither has anything to do with what is installed.
    project.edit(
        "apps/web/package.json",
        r#""scripts": {}"#,
        r#""scripts": {"a": "b"}"#,
    );
    project.write(".git/info/exclude", ".npmrc\n");
    project.write(".npmrc", "//localhost/:_authToken=secret\n");

    let check = project.check();

    check.exits(0).prints("PASS");
    assert_eq!(check.verdict("bundle/web/total"), "unchanged", "{check}");
    assert_eq!(shipped_of_the_package(&check), (Some(4), Some(4)));
    assert!(!check.stdout.contains("worktree"), "{check}");

    project.edit(
        "tollgate.yml",
        "    build:",
        "    install: 'true'\n    build:",
    );
    let check = project.check();
    check
        .exits(0)
        .prints("web: its `install` left no `node_modules` in the worktree");
}

#[test]
fn a_head_that_is_not_checked_out_is_not_built_with_what_is() {
    let project = workspace("");
    with_other_packages(&project);
    project.commit("another version");
    project.git(&["branch", "other"]);
    project.git(&["reset", "--quiet", "--hard", "HEAD^"]);

    let check = project.run(&["check", "--head", "other"]);

    check
        .exits(3)
        .says("its packages are not installed: `yarn.lock`");
}

#[test]
fn a_build_that_installs_has_packages_of_its_own() {
    let project = workspace("");
    let line = "sh -c 'cd ../.. && sh install.sh' && sh build.sh";
    project.edit(
        "tollgate.yml",
        "build: sh build.sh",
        &format!("build: {line}"),
    );
    project.commit("installs");
    with_other_packages(&project);

    let check = project.check();

    let sizes = (
        Some("x@1\n".len() as u64),
        Some("x@2, which is longer\n".len() as u64),
    );
    assert_eq!(shipped_of_the_package(check.exits(0)), sizes, "{check}");
}

/// A repository whose last commit does not build, repaired in the working tree. Returns the
/// commit before.
fn with_a_broken_base() -> (Sandbox, String) {
    let project = Sandbox::with_frontend("", "");
    let good = project.git(&["rev-parse", "HEAD"]);
    project.edit("build.sh", "set -eu", "echo 'disk on fire' >&2; exit 4");
    project.commit("break the build");
    project.edit("build.sh", "echo 'disk on fire' >&2; exit 4", "set -eu");
    (project, good)
}

#[test]
fn a_base_that_does_not_build_leaves_the_targets() {
    let (project, _) = with_a_broken_base();

    let check = project.check();

    check
        .exits(0)
        .prints("WARN")
        .prints("no ancestor is stored")
        .says("base could not be measured: frontend `web`: build: `sh build.sh` ended");
    assert_eq!(check.verdict("bundle/web/total"), "inconclusive");
    assert!(check.comment().contains("no ancestor is stored"), "{check}");
}

#[test]
fn a_base_that_does_not_build_is_replaced_by_a_stored_ancestor() {
    let (project, good) = with_a_broken_base();
    project
        .run(&["baseline", "refresh", "--revision", &good])
        .exits(0);
    let short = &good[..10];

    let same = project.check();
    same.exits(0);
    assert_eq!(same.verdict("bundle/web/total"), "unchanged", "{same}");
    same.prints(&format!("the stored run of {short}"));

    project.edit("build.sh", "extra_kilobytes=0", "extra_kilobytes=50");
    let grown = project.check();
    grown.exits(1);
    assert_eq!(grown.verdict("bundle/web/total"), "regressed", "{grown}");
    let comment = grown.comment();
    for text in ["the stored run of", short, "disk on fire"] {
        assert!(comment.contains(text), "`{text}` is not in\n{comment}");
    }
}

#[test]
fn a_base_that_fails_silently_is_not_explained_with_what_head_wrote() {
    let project = Sandbox::with_frontend("", "");
    project.edit("build.sh", "set -eu", "exit 4");
    project.commit("break the build");
    project.edit("build.sh", "exit 4", "echo 'head is built'; set -eu");

    project
        .check()
        .exits(0)
        .says("base could not be measured: frontend `web`: build: `sh build.sh` ended")
        .does_not_say("head is built");
}

#[test]
fn a_head_that_does_not_build_is_not_excused_by_a_base_that_does_not_either() {
    let (project, _) = with_a_broken_base();
    project.git(&["checkout", "--quiet", "--", "."]);
    project.write("notes.txt", "nothing repaired\n");

    project.check().exits(3).says("disk on fire");
}

#[test]
fn what_lies_beside_a_project_below_the_top_is_built_from_too() {
    let project = Sandbox::empty();
    project.write("packages/ui/a.js", "export const a = 1;\n");
    project.write(
        "apps/web/tollgate.yml",
        "project: web\nfrontend:\n  - { name: web, build: sh build.sh, output: dist }\n",
    );
    let build = "mkdir -p dist && cp ../../packages/ui/a.js dist/a.js\n\
                 echo '<!doctype html><script src=a.js></script>' > dist/index.html\n";
    project.write("apps/web/build.sh", build);
    project.commit("an app below the top");
    let folder = project.project().join("apps/web");
    let check = || project.start_in(&folder, &["check"]).finish();
    check().exits(0);

    let random: String = (0..30_000_u32)
        .map(|n| char::from(b'!' + (n.wrapping_mul(2_654_435_761) >> 25) as u8 % 90))
        .collect();
    let text = format!("// {}\n", random.replace('\\', "/"));
    project.write("packages/ui/a.js", &text);
    let grown = check();
    grown.exits(1).prints("initial JS");
}

#[test]
fn sources_that_are_nowhere_are_a_mistake() {
    let project = Sandbox::with_frontend("    sources: [wed, build.sh]\n", "");

    project
        .check()
        .exits(3)
        .says("`sources` names `wed`, which git knows in neither base nor head")
        .says("or remove `sources`");
}

#[test]
fn a_frontend_that_base_does_not_have_takes_nothing_from_the_others() {
    let project = Sandbox::with_frontend("", "");
    project.write("b/build.sh", crate::support::BUILD);
    let second = "  - { name: second, directory: b, build: sh build.sh, output: dist }\n";
    project.edit(
        "tollgate.yml",
        "    output: dist\n",
        &format!("    output: dist\n{second}"),
    );
    project.edit("build.sh", "extra_kilobytes=0", "extra_kilobytes=50");

    let check = project.check();

    check.exits(1);
    assert_eq!(check.verdict("bundle/web/total"), "regressed", "{check}");
    assert_eq!(
        check.verdict("bundle/second/total"),
        "inconclusive",
        "{check}"
    );
    let note = "second: only its targets are judged, base cannot be built";
    let notes = check.run_file()["head"]["evidence"]["skipped"].to_string();
    assert!(notes.contains(note), "{notes}");
}

#[test]
fn a_variable_that_is_built_in_is_no_known_build() {
    let project = Sandbox::with_frontend("", "");
    project.edit(
        "build.sh",
        "* $extra_kilobytes",
        "* $(printenv MORE || echo 0)",
    );
    project.commit("built from the environment");
    let total = |check: &Finished<'_>| {
        let total = check.comparison("bundle/web/total");
        assert!(total["verdict"]["unchanged"].is_object(), "{check}");
        total["now"]["point"].as_f64().unwrap_or_default()
    };

    let small = total(project.check().exits(0));
    let more = [("MORE", std::path::Path::new("50"))];
    let large = total(project.run_with(&more, &["check"]).exits(0));

    assert!(large > small + 30_000.0, "{small} and {large}");
}
