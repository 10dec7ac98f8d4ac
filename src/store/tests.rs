//! The store against real files: what is kept, what is found, and what is refused.

mod both;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::model::evidence::Statement;
use crate::model::{Evidence, Machine, Metric, MetricId, Responses, Revision, Samples};

const PROJECT: &str = "shop";

fn run(commit: &str, measured_at: &str) -> Run {
    let p50 = MetricId::endpoint("list projects", Metric::LatencyP50);
    let queries = MetricId::endpoint("list projects", Metric::QueriesPerRequest);
    Run {
        revision: Revision {
            commit: commit.to_owned(),
            tree: format!("tree of {commit}"),
            label: "main".to_owned(),
        },
        machine: machine("AMD EPYC 7763", 4, 16_766_906_368),
        measured_at: measured_at.to_owned(),
        samples: [
            (p50, Samples::new(vec![1.5, 2.25]).unwrap()),
            (queries, Samples::new(vec![3.0]).unwrap()),
        ]
        .into(),
        confirmation: [].into(),
        control: [].into(),
        contention: [].into(),
        not_measured: [(MetricId::bundle("web", Metric::Total), "no build".into())].into(),
        not_offered: [].into(),
        ended: None,
        ended_endpoints: [].into(),
        histograms: [("list projects".to_owned(), vec!["HISTFAAA".to_owned()])].into(),
        fresh_histograms: [].into(),
        timings: [].into(),
        open_loops: [].into(),
        responses: [("list projects".to_owned(), Responses::default())].into(),
        evidence: Evidence::default(),
    }
}

fn machine(cpu: &str, cores: u32, memory: u64) -> Machine {
    Machine {
        cpu: cpu.to_owned(),
        cores,
        memory,
        kernel: "Linux 6.8".to_owned(),
        image: None,
    }
}

fn at(second: u32) -> String {
    format!("2026-03-01T10:00:{second:02}Z")
}

fn commits(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{index:040x}")).collect()
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("history.sqlite")
}

async fn open_at(path: &Path) -> Result<BaselineStore, StoreError> {
    BaselineStore::connect(&Location::Sqlite(path.to_owned())).await
}

async fn new_store() -> (TempDir, BaselineStore) {
    let folder = TempDir::new().unwrap();
    let store = open_at(&file(&folder)).await.unwrap();
    (folder, store)
}

async fn filled_file() -> (TempDir, PathBuf) {
    let (folder, store) = new_store().await;
    for commit in commits(200) {
        let mut run = run(&commit, &at(0));
        run.histograms
            .insert("bulk".to_owned(), vec!["x".repeat(2_000)]);
        store.append(PROJECT, &run, None).await.unwrap();
    }
    store.close().await;
    let path = file(&folder);
    (folder, path)
}

/// Message and causes, as a terminal shows them.
fn told(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn a_run_comes_back_as_it_was_stored() {
    let (_folder, store) = new_store().await;
    let run = run("aaaa1111", &at(0));
    let id = store.append(PROJECT, &run, None).await.unwrap();
    assert_eq!(
        store.show(PROJECT, &id.to_string()).await.unwrap(),
        Some(run.clone())
    );
    assert_eq!(
        store.nearest(PROJECT, &["aaaa1111".into()]).await.unwrap(),
        Some(Baseline { run, distance: 0 })
    );
}

#[tokio::test]
async fn samples_come_back_to_the_last_bit() {
    let (_folder, store) = new_store().await;
    let mut run = run("aaaa1111", &at(0));
    let mut random = fastrand::Rng::with_seed(1);
    let values = (0..2_000).map(|_| random.f64() * 100.0).collect();
    let metric = MetricId::endpoint("list", Metric::QueriesPerRequest);
    run.samples.insert(metric, Samples::new(values).unwrap());
    store.append(PROJECT, &run, None).await.unwrap();
    assert_eq!(store.show(PROJECT, "aaaa1111").await.unwrap(), Some(run));
}

#[tokio::test]
async fn an_empty_history_answers_nothing() {
    let (_folder, store) = new_store().await;
    assert_eq!(store.nearest(PROJECT, &commits(3)).await.unwrap(), None);
    assert_eq!(store.nearest(PROJECT, &[]).await.unwrap(), None);
    assert_eq!(store.list(PROJECT, 10).await.unwrap(), []);
    assert_eq!(store.show(PROJECT, "1").await.unwrap(), None);
    assert_eq!(store.show(PROJECT, "abcdef").await.unwrap(), None);
}

#[tokio::test]
async fn the_nearest_of_5000_ancestors_is_found() {
    let (_folder, store) = new_store().await;
    let ancestors = commits(5_000);
    for index in [4_999, 4_321] {
        let run = run(&ancestors[index], &at(0));
        store.append(PROJECT, &run, None).await.unwrap();
    }
    let baseline = store.nearest(PROJECT, &ancestors).await.unwrap().unwrap();
    assert_eq!(baseline.distance, 4_321);
    assert_eq!(baseline.run.revision.commit, ancestors[4_321]);
}

#[tokio::test]
async fn nearer_wins_over_newer() {
    let (_folder, store) = new_store().await;
    store
        .append(PROJECT, &run("near", &at(1)), None)
        .await
        .unwrap();
    store
        .append(PROJECT, &run("far", &at(2)), None)
        .await
        .unwrap();
    let ancestors = ["unmeasured", "near", "far"].map(String::from);
    let baseline = store.nearest(PROJECT, &ancestors).await.unwrap().unwrap();
    assert_eq!(baseline.run.revision.commit, "near");
    assert_eq!(baseline.distance, 1);
}

#[tokio::test]
async fn the_newest_run_of_a_commit_is_taken_whatever_the_time_looks_like() {
    let (_folder, store) = new_store().await;
    let times = [
        "2026-03-01T10:00:07.25Z",
        "2026-03-01T12:00:09+02:00", // 10:00:09 in UTC, the newest
        "2026-03-01T10:00:08Z",
    ];
    for time in times {
        store
            .append(PROJECT, &run("aaaa1111", time), None)
            .await
            .unwrap();
    }
    let newest = store.show(PROJECT, "aaaa1111").await.unwrap().unwrap();
    assert_eq!(newest.measured_at, times[1]);
    let listed = store.list(PROJECT, 10).await.unwrap();
    let seconds: Vec<&str> = listed.iter().map(|run| run.measured_at.as_str()).collect();
    assert_eq!(seconds, [at(9), at(8), at(7)]);
}

#[tokio::test]
async fn of_two_runs_at_the_same_second_the_later_stored_is_newer() {
    let (_folder, store) = new_store().await;
    for label in ["first", "second"] {
        let mut run = run("aaaa1111", &at(0));
        run.revision.label = label.to_owned();
        store.append(PROJECT, &run, None).await.unwrap();
    }
    let newest = store.show(PROJECT, "aaaa1111").await.unwrap().unwrap();
    assert_eq!(newest.revision.label, "second");
}

#[tokio::test]
async fn a_list_says_what_a_run_is_without_reading_it() {
    let (_folder, store) = new_store().await;
    for (second, commit) in ["aaaa1111", "bbbb2222", "cccc3333"].iter().enumerate() {
        let second = u32::try_from(second).unwrap();
        store
            .append(PROJECT, &run(commit, &at(second)), None)
            .await
            .unwrap();
    }
    let listed = store.list(PROJECT, 2).await.unwrap();
    assert_eq!(
        listed[0],
        StoredRun {
            id: 3,
            commit: "cccc3333".to_owned(),
            parent: String::new(),
            pinned: String::new(),
            label: "main".to_owned(),
            measured_at: at(2),
            machine: "4 × AMD EPYC 7763, 16 GiB".to_owned(),
            metrics: 2,
        }
    );
    assert_eq!(listed[1].commit, "bbbb2222");
    assert_eq!(listed.len(), 2);
}

#[tokio::test]
async fn projects_do_not_see_each_other() {
    let (_folder, store) = new_store().await;
    let id = store
        .append("other", &run("aaaa1111", &at(0)), None)
        .await
        .unwrap();
    assert_eq!(store.list(PROJECT, 10).await.unwrap(), []);
    assert_eq!(store.show(PROJECT, &id.to_string()).await.unwrap(), None);
    assert_eq!(store.show(PROJECT, "aaaa").await.unwrap(), None);
    assert_eq!(
        store.nearest(PROJECT, &["aaaa1111".into()]).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn the_start_of_a_commit_is_enough_unless_two_share_it() {
    let (_folder, store) = new_store().await;
    for commit in ["abcd1111", "abcd2222", "1234aaaa"] {
        store
            .append(PROJECT, &run(commit, &at(0)), None)
            .await
            .unwrap();
    }
    let shown = store.show(PROJECT, "abcd1").await.unwrap().unwrap();
    assert_eq!(shown.revision.commit, "abcd1111");
    let shown = store.show(PROJECT, "1234").await.unwrap().unwrap();
    assert_eq!(shown.revision.commit, "1234aaaa");

    let error = store.show(PROJECT, "abcd").await.unwrap_err();
    insta::assert_snapshot!(told(&error), @"`abcd` could be `abcd1111` or `abcd2222`");
    let error = store.show(PROJECT, "abc").await.unwrap_err();
    insta::assert_snapshot!(told(&error), @"`abc` is neither the number of a run nor four characters of a commit");
}

#[tokio::test]
async fn a_prefix_is_text_and_not_a_pattern() {
    let (_folder, store) = new_store().await;
    store
        .append(PROJECT, &run("abcd1111", &at(0)), None)
        .await
        .unwrap();
    for reference in ["%%%%", "____", "' or 1=1 --"] {
        assert_eq!(store.show(PROJECT, reference).await.unwrap(), None);
    }
}

#[test]
fn machines_of_a_kind_are_of_one_class() {
    let classes = [
        machine("AMD  EPYC 7763 ", 4, 16_766_906_368),
        machine("AMD EPYC 7763", 4, 16_374_562_816),
        machine("AMD EPYC 7763", 4, 16 << 30),
    ]
    .map(|machine| machine.class());
    assert_eq!(classes, [(); 3].map(|()| "4 × AMD EPYC 7763, 16 GiB"));

    let sizes = [0, 1, 3 << 30, 5 << 30, 7 << 30, 13 << 30, 31 << 30];
    let classes = sizes.map(|memory| machine("x", 1, memory).class());
    let expected = [1, 1, 3, 6, 8, 16, 32].map(|gib| format!("1 × x, {gib} GiB"));
    assert_eq!(classes, expected);
}

#[tokio::test]
async fn what_could_not_be_read_again_is_not_stored() {
    let (_folder, store) = new_store().await;
    let mut broken = run("aaaa1111", &at(0));
    broken.evidence.statements.insert(
        "list projects".to_owned(),
        vec![Statement {
            text: "select 1".to_owned(),
            calls_per_request: f64::NAN,
            rows_per_call: 1.0,
            pages_per_call: 0.0,
            mean_ms: 1.0,
        }],
    );
    let error = store.append(PROJECT, &broken, None).await.unwrap_err();
    assert!(told(&error).starts_with("the run of `aaaa1111` cannot be stored: invalid type: null"));

    let error = store
        .append(PROJECT, &run("aaaa1111", "yesterday"), None)
        .await
        .unwrap_err();
    insta::assert_snapshot!(told(&error), @"the run of `aaaa1111` cannot be stored: `yesterday` is not an RFC 3339 time");
    assert_eq!(store.list(PROJECT, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_history_survives_being_closed_and_opened() {
    let (folder, store) = new_store().await;
    store
        .append(PROJECT, &run("aaaa1111", &at(0)), None)
        .await
        .unwrap();
    store.close().await;
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "only the file itself is left: {names:?}");

    let store = open_at(&file(&folder)).await.unwrap();
    let id = store
        .append(PROJECT, &run("bbbb2222", &at(1)), None)
        .await
        .unwrap();
    assert_eq!(id, 2);
    assert_eq!(store.list(PROJECT, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn the_file_alone_is_complete_after_an_append() {
    let (folder, store) = new_store().await;
    store
        .append(PROJECT, &run("aaaa1111", &at(0)), None)
        .await
        .unwrap();
    let copy = folder.path().join("copy.sqlite");
    fs::copy(file(&folder), &copy).unwrap();
    let copy = open_at(&copy).await.unwrap();
    assert!(copy.show(PROJECT, "aaaa1111").await.unwrap().is_some());
    drop(store);
}

#[tokio::test]
async fn odd_paths_are_only_paths() {
    let folder = TempDir::new().unwrap();
    for name in [
        "deep/er/a b.sqlite",
        "100%?mode=ro#x.db",
        ":memory:",
        "ü.db",
    ] {
        let path = folder.path().join(name);
        let store = open_at(&path).await.unwrap();
        store
            .append(PROJECT, &run("aaaa1111", &at(0)), None)
            .await
            .unwrap();
        store.close().await;
        assert!(fs::metadata(&path).unwrap().len() > 0, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_connections_that_write_at_once_lose_nothing() {
    let (folder, first) = new_store().await;
    let second = open_at(&file(&folder)).await.unwrap();
    let stores = [first, second].map(std::sync::Arc::new);
    let mut writers = tokio::task::JoinSet::new();
    for (index, commit) in commits(100).into_iter().enumerate() {
        let store = stores[index % 2].clone();
        writers.spawn(async move { store.append(PROJECT, &run(&commit, &at(0)), None).await });
    }
    let mut ids = BTreeSet::new();
    while let Some(done) = writers.join_next().await {
        ids.insert(done.unwrap().unwrap());
    }
    assert_eq!(ids.len(), 100);
    for store in stores {
        assert_eq!(store.list(PROJECT, 1_000).await.unwrap().len(), 100);
        assert_eq!(store.commits(PROJECT).await.unwrap().len(), 100);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_may_create_the_same_history_at_once() {
    let folder = TempDir::new().unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for commit in commits(8) {
        let path = file(&folder);
        writers.spawn(async move {
            let store = open_at(&path).await?;
            store.append(PROJECT, &run(&commit, &at(0)), None).await
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap().unwrap();
    }
    let store = open_at(&file(&folder)).await.unwrap();
    assert_eq!(store.list(PROJECT, 100).await.unwrap().len(), 8);
}

#[tokio::test]
async fn a_dropped_transaction_leaves_no_row() {
    let (folder, store) = new_store().await;
    let row = Row::of(&run("aaaa1111", &at(0)), "").unwrap();
    let mut transaction = store.pool.begin().await.unwrap();
    row.insert(PROJECT, &mut transaction).await.unwrap();
    drop(transaction);
    assert_eq!(store.list(PROJECT, 10).await.unwrap(), []);
    let other = open_at(&file(&folder)).await.unwrap();
    assert_eq!(other.list(PROJECT, 10).await.unwrap(), []);
}

const VICTIM: &str = "TOLLGATE_TEST_VICTIM";

#[tokio::test]
async fn a_killed_writer_leaves_no_half_row() {
    let (folder, store) = new_store().await;
    store
        .append(PROJECT, &run("aaaa1111", &at(0)), None)
        .await
        .unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::writer_that_dies"])
        .env(VICTIM, file(&folder))
        .output()
        .unwrap()
        .status;
    assert_eq!(status.code(), None, "the writer must die of a signal");

    for store in [store, open_at(&file(&folder)).await.unwrap()] {
        let listed = store.list(PROJECT, 10).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].commit, "aaaa1111");
        store
            .append(PROJECT, &run("aaaa1111", &at(0)), None)
            .await
            .unwrap();
        sqlx::query("delete from runs where id > 1")
            .execute(&store.pool)
            .await
            .unwrap();
    }
}

/// The other half of `a_killed_writer_leaves_no_half_row`, run by it in a process of its own.
/// Writes more than SQLite keeps in memory, so that uncommitted pages are on disk, and dies.
#[tokio::test]
async fn writer_that_dies() {
    let Some(path) = std::env::var_os(VICTIM) else {
        return;
    };
    let store = open_at(Path::new(&path)).await.unwrap();
    let mut run = run("bbbb2222", &at(1));
    run.histograms
        .insert("bulk".to_owned(), vec!["x".repeat(8_000_000)]);
    let mut transaction = store.pool.begin().await.unwrap();
    let row = Row::of(&run, "").unwrap();
    row.insert(PROJECT, &mut transaction).await.unwrap();
    std::process::abort();
}

#[tokio::test]
async fn a_body_that_is_no_run_is_named() {
    let (_folder, store) = new_store().await;
    let id = store
        .append(PROJECT, &run("aaaa1111", &at(0)), None)
        .await
        .unwrap();
    for (body, why) in [
        ("'{\"revision\": 1}'", "invalid type: integer `1`"),
        ("'{\"revision\": '", "EOF while parsing"),
        ("cast(x'ff00' as text)", "invalid utf-8"),
    ] {
        let change = format!("update runs set body = {body}");
        sqlx::query(sqlx::AssertSqlSafe(change))
            .execute(&store.pool)
            .await
            .unwrap();
        let error = store
            .nearest(PROJECT, &["aaaa1111".into()])
            .await
            .unwrap_err();
        let text = told(&error);
        assert!(text.starts_with(&format!("run {id} in `")), "{text}");
        assert!(text.contains(why), "{text}");
    }
}

#[tokio::test]
async fn a_run_of_a_newer_format_is_not_guessed_at() {
    let (folder, store) = new_store().await;
    store
        .append(PROJECT, &run("aaaa1111", &at(0)), None)
        .await
        .unwrap();
    sqlx::query("update runs set format = 99")
        .execute(&store.pool)
        .await
        .unwrap();
    let error = store.show(PROJECT, "aaaa1111").await.unwrap_err();
    let text = told(&error).replace(folder.path().to_str().unwrap(), "[folder]");
    insta::assert_snapshot!(text, @"run 1 in `[folder]/history.sqlite` has format 99, and this version reads up to 6");
    assert_eq!(error.hint(), Some("update tollgate"));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_kept() {
    let folder = TempDir::new().unwrap();
    for content in [
        "hi",
        &"version https://git-lfs.github.com/spec/v1\n".repeat(30),
    ] {
        fs::write(file(&folder), content).unwrap();
        let error = open_at(&file(&folder)).await.unwrap_err();
        assert!(
            matches!(error, StoreError::NotADatabase { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("history.sqlite"));
        assert!(error.hint().unwrap().starts_with("restore the file"));
        assert_eq!(fs::read_to_string(file(&folder)).unwrap(), content);
    }
}

#[tokio::test]
async fn a_file_cut_to_nothing_is_not_an_empty_history() {
    let (_folder, path) = filled_file().await;
    fs::write(&path, "").unwrap();
    let error = open_at(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Empty { .. }), "{error:?}");
}

#[tokio::test]
async fn a_damaged_file_is_never_an_empty_history() {
    let (_folder, path) = filled_file().await;
    let good = fs::read(&path).unwrap();
    let half = good[..good.len() / 2].to_vec();
    let first_page = good[..4096].to_vec();
    let mut zeroed = good.clone();
    zeroed[4096..].fill(0);
    let mut noise = good.clone();
    let mut random = fastrand::Rng::with_seed(7);
    noise[4096..].fill_with(|| random.u8(..));

    for (name, bytes) in [
        ("half", half),
        ("first page", first_page),
        ("zeroed", zeroed),
        ("noise", noise),
    ] {
        fs::write(&path, bytes).unwrap();
        let answer = match open_at(&path).await {
            Ok(store) => store.nearest(PROJECT, &commits(200)).await.map(|_| ()),
            Err(error) => Err(error),
        };
        let error = answer.expect_err(name);
        assert!(
            matches!(error, StoreError::Damaged { .. }),
            "{name}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_history_of_a_newer_version_is_refused() {
    let (folder, store) = new_store().await;
    sqlx::query(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
         values (9999, 'later', true, x'00', 0)",
    )
    .execute(&store.pool)
    .await
    .unwrap();
    store.close().await;
    let error = open_at(&file(&folder)).await.unwrap_err();
    let text = told(&error).replace(folder.path().to_str().unwrap(), "[folder]");
    insta::assert_snapshot!(text, @"`[folder]/history.sqlite` was written by a newer version (schema 9999)");
    assert_eq!(error.hint(), Some("update tollgate"));
}

#[tokio::test]
async fn a_history_with_another_schema_of_the_same_number_is_refused() {
    let (folder, store) = new_store().await;
    sqlx::query("update _sqlx_migrations set checksum = x'00'")
        .execute(&store.pool)
        .await
        .unwrap();
    store.close().await;
    let error = open_at(&file(&folder)).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Altered { version: 1, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let (folder, store) = new_store().await;
    for change in ["drop table runs", "create table customers (name text)"] {
        sqlx::query(change).execute(&store.pool).await.unwrap();
    }
    store.close().await;
    let before = fs::read(file(&folder)).unwrap();
    let error = open_at(&file(&folder)).await.unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");
    assert_eq!(fs::read(file(&folder)).unwrap(), before);
}

#[tokio::test]
async fn a_place_that_cannot_be_written_to_is_named() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("plain"), "").unwrap();
    let error = open_at(&folder.path().join("plain/history.sqlite"))
        .await
        .unwrap_err();
    let text = told(&error).replace(folder.path().to_str().unwrap(), "[folder]");
    insta::assert_snapshot!(text, @"could not create the folder of `[folder]/plain/history.sqlite`: File exists (os error 17)");
    assert!(error.hint().unwrap().contains("permissions"));

    let error = open_at(folder.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
}
