//! What holds of a store wherever it is: in a file, and on a PostgreSQL server started for it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::super::open;
use super::*;
use crate::model::Worse;

/// A PostgreSQL server of our own, without a port, which ends with the thread that started it.
struct Server {
    folder: TempDir,
    process: Child,
}

impl Server {
    /// A fresh server; the packages are named where they are missing.
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        let is_root = nix::unistd::geteuid().is_root();
        if is_root {
            let owner = nix::unistd::User::from_name("postgres").unwrap();
            let owner = owner.expect("Debian's package `postgresql` makes this user");
            std::os::unix::fs::chown(folder.path(), Some(owner.uid.as_raw()), None).unwrap();
        }
        let program = |name: &str| {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL"]);
            if is_root {
                command.args(["--reuid", "postgres", "--clear-groups"]);
            }
            command.arg(tool(name)).current_dir(folder.path());
            command
        };
        let made = program("initdb")
            .args([
                "--username",
                "tollgate",
                "--auth",
                "trust",
                "--no-sync",
                "-D",
            ])
            .arg(&data)
            .output()
            .unwrap();
        let why = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "initdb: {why}");
        let rules = fs::read_to_string(data.join("pg_hba.conf")).unwrap();
        let rules = format!("local all guarded scram-sha-256\n{rules}");
        fs::write(data.join("pg_hba.conf"), rules).unwrap();
        let mut process = program("postgres");
        process.arg("-D").arg(&data).arg("-k").arg(folder.path());
        for setting in ["listen_addresses=", "fsync=off"] {
            process.args(["-c", setting]);
        }
        let process = process
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { folder, process }
    }

    fn address(&self, database: &str) -> Location {
        let socket = self.folder.path().display().to_string();
        let socket = socket.replace('/', "%2F");
        let text = format!("postgres://tollgate@localhost/{database}?host={socket}");
        Location::Postgres(Address::parse(&text).unwrap())
    }

    /// An empty database of this name.
    async fn create(&self, database: &str) -> Location {
        let admin = self.address("postgres");
        let Location::Postgres(address) = &admin else {
            unreachable!("made above");
        };
        sqlx::any::install_default_drivers();
        let mut pool = AnyPool::connect(address.reveal()).await;
        for _ in 0..200 {
            if pool.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            pool = AnyPool::connect(address.reveal()).await;
        }
        let pool = pool.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!("create database {database}")))
            .execute(&pool)
            .await
            .unwrap();
        pool.close().await;
        self.address(database)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

/// Debian keeps the programs of the server out of the path.
fn tool(name: &str) -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .expect("the package `postgresql` is installed (scripts/requirements.sh)")
        .map(|version| version.unwrap().path().join("bin").join(name))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.pop().expect("the package `postgresql` has it")
}

/// An empty place of each kind.
async fn places(server: &Server, folder: &TempDir, name: &str) -> [Location; 2] {
    let file = Location::Sqlite(folder.path().join(format!("{name}.db")));
    [file, server.create(name).await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_a_file_and_on_a_server_alike() {
    let server = Server::start();
    let folder = TempDir::new().unwrap();
    for place in places(&server, &folder, "one").await {
        finds_what_it_keeps(&place).await;
    }
    for place in places(&server, &folder, "two").await {
        creators_and_writers_at_once_lose_nothing(&place).await;
        a_killed_writer_leaves_nothing(&place).await;
        a_newer_schema_is_refused(&place).await;
    }
    for place in places(&server, &folder, "three").await {
        an_old_database_migrates(&place).await;
    }
    for place in places(&server, &folder, "four").await {
        a_damaged_run_is_an_error(&place).await;
    }
    for place in places(&server, &folder, "five").await {
        an_old_acceptance_migrates(&place).await;
    }
    for place in places(&server, &folder, "six").await {
        an_old_acceptance_of_anything_says_nothing(&place).await;
    }
    a_password_opens_a_server(&server).await;
    a_server_that_is_away_is_named_without_password(&server).await;
}

async fn finds_what_it_keeps(place: &Location) {
    let store = BaselineStore::connect(place).await.unwrap();
    assert_eq!(store.nearest(PROJECT, &commits(3)).await.unwrap(), None);
    let ancestors = commits(5_000);
    for (second, index) in [(1, 4_999), (2, 4_321), (3, 7)] {
        let parent = Some(ancestors[index - 1].as_str());
        let mut run = run(&ancestors[index], &at(second));
        // What SQLite and PostgreSQL would each treat in their own way, if they were let.
        run.revision.label = format!("'ü{second}\\ -- ?$1");
        store.append(PROJECT, &run, parent).await.unwrap();
    }
    let nearest = store.nearest(PROJECT, &ancestors).await.unwrap().unwrap();
    assert_eq!(nearest.distance, 7);
    let far = store
        .nearest(PROJECT, &ancestors[8..])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(far.distance, 4_321 - 8);
    assert_eq!(far.run.revision.label, "'ü2\\ -- ?$1");
    assert_eq!(far.run.samples.len(), 2);
    assert_eq!(far.run.histograms["list projects"], ["HISTFAAA"]);
    let series = store.series(PROJECT, &ancestors[8..], 10).await.unwrap();
    assert_eq!(series.len(), 2);
    assert_eq!(store.list("other", 10).await.unwrap(), []);

    let listed = store.list(PROJECT, 2).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0].commit, ancestors[7]);
    assert_eq!(listed[0].parent, ancestors[6]);
    assert_eq!(listed[0].machine, "4 × AMD EPYC 7763, 16 GiB");
    let shown = store
        .show(PROJECT, &listed[1].id.to_string())
        .await
        .unwrap();
    assert_eq!(shown.unwrap().revision.commit, ancestors[4_321]);
    let prefix = &ancestors[7][..40];
    assert!(store.show(PROJECT, prefix).await.unwrap().is_some());

    let p50 = MetricId::endpoint("list projects", Metric::LatencyP50);
    let points = store.history(PROJECT, &p50, 10).await.unwrap();
    assert_eq!(points.len(), 3);
    let numbers = [points[0].median, points[0].lowest, points[0].highest];
    assert_eq!(
        numbers.map(f64::to_bits),
        [1.875, 1.5, 2.25].map(f64::to_bits)
    );
    assert_eq!(points[0].samples, 2);

    // The oldest is pinned: it survives, as does the newest.
    let oldest = store.list(PROJECT, 10).await.unwrap()[2].id;
    assert!(store.pin(PROJECT, oldest, "v1.0").await.unwrap());
    assert!(!store.pin(PROJECT, 99_999, "v1.0").await.unwrap());
    assert_eq!(store.prune(PROJECT, 1).await.unwrap(), 1);
    let left = store.list(PROJECT, 10).await.unwrap();
    assert_eq!(left.len(), 2);
    assert_eq!(left[1].pinned, "v1.0");
    assert_eq!(store.history(PROJECT, &p50, 10).await.unwrap().len(), 2);
    let pinned = store.pinned(PROJECT).await.unwrap();
    assert_eq!(pinned[0].1.revision.commit, ancestors[4_999]);
    // A name belongs to one run.
    assert!(store.pin(PROJECT, left[0].id, "v1.0").await.unwrap());
    assert_eq!(store.pinned(PROJECT).await.unwrap().len(), 1);

    let mut accepted = AcceptedOnce {
        commit: ancestors[7].clone(),
        metric: p50.to_string(),
        ceiling: Some(0.08),
        by: "ada".to_owned(),
        because: "the index costs writes".to_owned(),
        at: at(4),
        pull_request: Some(3),
        measured: Some(0.05),
        added: None,
        merged_as: None,
        merging: Merging::NotAsked,
    };
    // Seen twice it is one; with another ceiling it is another.
    for ceiling in [Some(0.08), Some(0.12), None] {
        accepted.ceiling = ceiling;
        for _ in 0..2 {
            store.record(PROJECT, &accepted).await.unwrap();
        }
    }
    let recorded = store.accepted(PROJECT).await.unwrap();
    assert_eq!(recorded.len(), 3);
    assert_eq!(recorded[0], accepted);
    // What became known later is added, and nothing is forgotten.
    let later = AcceptedOnce {
        merged_as: Some(ancestors[0].clone()),
        merging: Merging::Merged,
        pull_request: None,
        measured: None,
        ..accepted.clone()
    };
    store.record(PROJECT, &later).await.unwrap();
    accepted.learn(&later);
    let recorded = store.accepted(PROJECT).await.unwrap();
    assert_eq!(recorded.len(), 3);
    assert_eq!(recorded[0], accepted);
    assert_eq!(recorded[0].merged_as, Some(ancestors[0].clone()));
    // What is final stays; what is not becomes what was heard last.
    let earlier = AcceptedOnce {
        merging: Merging::Open,
        ..later.clone()
    };
    store.record(PROJECT, &earlier).await.unwrap();
    assert_eq!(store.accepted(PROJECT).await.unwrap()[0], accepted);
    for merging in [Merging::Open, Merging::Closed, Merging::Superseded] {
        let asked = AcceptedOnce {
            merging,
            ceiling: Some(0.12),
            ..later.clone()
        };
        store.record(PROJECT, &asked).await.unwrap();
        let recorded = store.accepted(PROJECT).await.unwrap();
        assert!(
            recorded
                .iter()
                .any(|one| one.is_same(&asked) && one.merging == merging)
        );
    }
    // Of growth from zero there is no share, and what a file of an earlier version says in its place is none.
    for (measured, added, known) in [
        (Some(f64::MAX), None, Worse::default()),
        (None, Some(3.0), Worse::of(None, Some(3.0))),
        (Some(0.5), None, Worse::of(None, Some(3.0))),
    ] {
        let from_zero = AcceptedOnce {
            measured,
            added,
            because: "it was never counted".to_owned(),
            ..accepted.clone()
        };
        store.record(PROJECT, &from_zero).await.unwrap();
        let recorded = store.accepted(PROJECT).await.unwrap();
        let of_it = recorded.iter().find(|one| one.is_same(&from_zero));
        assert_eq!(of_it.unwrap().worse(), known);
    }
    store.close().await;
    let store = BaselineStore::connect(place).await.unwrap();
    assert_eq!(store.list(PROJECT, 10).await.unwrap().len(), 2);
    store.close().await;
}

async fn creators_and_writers_at_once_lose_nothing(place: &Location) {
    let mut openers = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let place = place.clone();
        openers.spawn(async move { BaselineStore::connect(&place).await });
    }
    let mut stores = Vec::new();
    while let Some(opened) = openers.join_next().await {
        stores.push(Arc::new(opened.unwrap().unwrap()));
    }
    let mut writers = tokio::task::JoinSet::new();
    for (index, commit) in commits(60).into_iter().enumerate() {
        let store = stores[index % stores.len()].clone();
        writers.spawn(async move { store.append(PROJECT, &run(&commit, &at(0)), None).await });
    }
    let mut ids = BTreeSet::new();
    while let Some(done) = writers.join_next().await {
        ids.insert(done.unwrap().unwrap());
    }
    assert_eq!(ids.len(), 60);
    assert_eq!(stores[0].list(PROJECT, 1_000).await.unwrap().len(), 60);
    for store in stores {
        Arc::into_inner(store).unwrap().close().await;
    }
}

const DOOMED: &str = "TOLLGATE_TEST_DOOMED";

async fn a_killed_writer_leaves_nothing(place: &Location) {
    let text = match place {
        Location::Sqlite(path) => path.display().to_string(),
        Location::Postgres(address) => address.reveal().to_owned(),
    };
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::both::writer_that_dies"])
        .env(DOOMED, text)
        .output()
        .unwrap()
        .status;
    assert_eq!(status.code(), None, "the writer must die of a signal");
    let store = BaselineStore::connect(place).await.unwrap();
    assert_eq!(store.list(PROJECT, 1_000).await.unwrap().len(), 60);
    let next = run("bbbb2222", &at(1));
    store.append(PROJECT, &next, None).await.unwrap();
    assert_eq!(store.list(PROJECT, 1_000).await.unwrap().len(), 61);
    store.close().await;
}

/// The other half of the above, run by it in a process of its own.
#[tokio::test]
async fn writer_that_dies() {
    let Ok(text) = std::env::var(DOOMED) else {
        return;
    };
    let place = match Address::parse(&text) {
        Some(address) => Location::Postgres(address),
        None => Location::Sqlite(PathBuf::from(text)),
    };
    let store = BaselineStore::connect(&place).await.unwrap();
    let mut run = run("dddd4444", &at(1));
    let bulk = vec!["x".repeat(8_000_000)];
    run.histograms.insert("bulk".to_owned(), bulk);
    let mut transaction = store.begin().await.unwrap();
    let row = Row::of(&run, "").unwrap();
    row.insert(PROJECT, &mut transaction).await.unwrap();
    std::process::abort();
}

async fn a_newer_schema_is_refused(place: &Location) {
    let store = BaselineStore::connect(place).await.unwrap();
    sqlx::query("update _sqlx_migrations set version = 9999 where version = 3")
        .execute(&store.pool)
        .await
        .unwrap();
    store.close().await;
    let error = BaselineStore::connect(place).await.unwrap_err();
    let is_newer = matches!(error, StoreError::Newer { version: 9999, .. });
    assert!(is_newer, "{error:?}");
}

/// As the first version made it, with a run in it.
async fn an_old_database_migrates(place: &Location) {
    let pool = open::open_old(place, 1).await;
    let stored = run("aaaa1111", &at(0));
    sqlx::query(
        "insert into runs (project, commit_hash, tree_hash, label, measured_at, machine, \
         metrics, format, body) values ($1, 'aaaa1111', 't', 'main', $2, 'm', 2, 4, $3)",
    )
    .bind(PROJECT)
    .bind(at(0))
    .bind(serde_json::to_string(&stored).unwrap())
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
    let store = BaselineStore::connect(place).await.unwrap();
    assert_eq!(store.show(PROJECT, "aaaa1111").await.unwrap(), Some(stored));
    assert_eq!(store.list(PROJECT, 10).await.unwrap()[0].pinned, "");
    let p50 = MetricId::endpoint("list projects", Metric::LatencyP50);
    let points = store.history(PROJECT, &p50, 10).await.unwrap();
    assert_eq!(points.len(), 1, "what was stored before has a summary too");
    store.close().await;
}

/// As the fourth version made it, with an acceptance of growth from zero in it.
async fn an_old_acceptance_of_anything_says_nothing(place: &Location) {
    let pool = open::open_old(place, 4).await;
    for (metric, measured) in [("bundle/web/total", f64::MAX), ("bundle/app/total", 0.5)] {
        sqlx::query(
            "insert into acceptances (project, commit_hash, metric, accepted_by, reason, accepted_at, \
             measured) values ($1, 'aaaa1111', $2, 'ada', 'icons', $3, $4)",
        )
        .bind(PROJECT)
        .bind(metric)
        .bind(at(0))
        .bind(measured)
        .execute(&pool)
        .await
        .unwrap();
    }
    pool.close().await;
    let store = BaselineStore::connect(place).await.unwrap();
    let accepted = store.accepted(PROJECT).await.unwrap();
    let measured: Vec<_> = accepted.iter().map(|one| one.measured).collect();
    assert_eq!(measured, [Some(0.5), None]);
    // One without numbers first, on this connection.
    for number in [None, Some(0.5)] {
        let one = AcceptedOnce {
            ceiling: number,
            added: number,
            because: format!("{number:?}"),
            ..accepted[1].clone()
        };
        store.record(PROJECT, &one).await.unwrap();
        assert!(store.accepted(PROJECT).await.unwrap().contains(&one));
    }
    store.close().await;
}

/// As the second version made it, with an acceptance in it.
async fn an_old_acceptance_migrates(place: &Location) {
    let pool = open::open_old(place, 2).await;
    sqlx::query(
        "insert into acceptances (project, commit_hash, metric, ceiling, accepted_by, reason, \
         accepted_at) values ($1, 'aaaa1111', 'bundle/web/total', 0.08, 'ada', 'icons', $2)",
    )
    .bind(PROJECT)
    .bind(at(0))
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
    let store = BaselineStore::connect(place).await.unwrap();
    let accepted = store.accepted(PROJECT).await.unwrap();
    let expected = AcceptedOnce {
        commit: "aaaa1111".to_owned(),
        metric: "bundle/web/total".to_owned(),
        ceiling: Some(0.08),
        by: "ada".to_owned(),
        because: "icons".to_owned(),
        at: at(0),
        pull_request: None,
        measured: None,
        added: None,
        merged_as: None,
        merging: Merging::NotAsked,
    };
    assert_eq!(accepted, [expected]);
    store.close().await;
}

async fn a_damaged_run_is_an_error(place: &Location) {
    let store = BaselineStore::connect(place).await.unwrap();
    let stored = run("aaaa1111", &at(0));
    let id = store.append(PROJECT, &stored, None).await.unwrap();
    sqlx::query("update runs set body = substr(body, 1, 40)")
        .execute(&store.pool)
        .await
        .unwrap();
    let ancestors = ["aaaa1111".to_owned()];
    let error = store.nearest(PROJECT, &ancestors).await.unwrap_err();
    assert!(
        told(&error).starts_with(&format!("run {id} in `")),
        "{error:?}"
    );
    assert!(store.series(PROJECT, &ancestors, 5).await.is_err());
    store.close().await;
}

async fn a_password_opens_a_server(server: &Server) {
    let Location::Postgres(address) = server.address("postgres") else {
        unreachable!("made above");
    };
    let admin = AnyPool::connect(address.reveal()).await.unwrap();
    sqlx::query("create role guarded login password 'p@ss w&rd+%'")
        .execute(&admin)
        .await
        .unwrap();
    admin.close().await;
    let guarded = address.reveal().replace("tollgate@", "guarded@");
    let guarded = Address::parse(&guarded).unwrap();
    for (password, opens) in [("p@ss w&rd+%", true), ("p@ss", false)] {
        let pool = AnyPool::connect(&guarded.with_password(password)).await;
        assert_eq!(pool.is_ok(), opens, "{pool:?}");
    }
}

async fn a_server_that_is_away_is_named_without_password(server: &Server) {
    let address = |text: &str| Location::Postgres(Address::parse(text).unwrap());
    let nowhere = "postgres://ada:secret@localhost/x?host=%2Fnowhere";
    for place in [address(nowhere), server.address("missing")] {
        let error = BaselineStore::connect(&place).await.unwrap_err();
        let is_away = matches!(error, StoreError::Unreachable { .. });
        assert!(is_away && !told(&error).contains("secret"), "{error:?}");
        assert!(error.hint().unwrap().contains("PGPASSWORD"));
    }
}
