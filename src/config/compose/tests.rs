//! What compose files say, and how what cannot be honoured is refused.

use std::fs;

use crate::config::{Config, ConfigError, parse as configuration};
use crate::measure::plan::{Container, Fresh, Image, Ready, Service, ServiceKind, VolumeSource};

/// A project with this compose file and these other lines of `tollgate.yml`.
fn read(compose: &str, others: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("compose.yaml"), compose).expect("a file");
    fs::write(folder.path().join(".env"), "TAG=7\n").expect("a file");
    fs::write(folder.path().join("api.env"), "A=file\nB='of a file'\n").expect("a file");
    let text =
        format!("project: x\nfrontend: [{{ name: web, build: make, output: out }}]\n{others}");
    configuration(&text, "tollgate.yml", folder.path())
}

fn services(compose: &str, others: &str) -> Vec<Service> {
    let others = format!("compose: compose.yaml\n{others}");
    match read(compose, &others) {
        Ok(config) => config.plan.services,
        Err(error) => panic!("{error}"),
    }
}

fn container<'a>(services: &'a [Service], name: &str) -> &'a Container {
    let service = services.iter().find(|service| service.name == name);
    match service.map(|service| &service.kind) {
        Some(ServiceKind::Container(container)) => container,
        other => panic!("{name} is {other:?}"),
    }
}

const WHOLE: &str = r#"
name: shop
x-common: &common
  restart: always
  environment: { LEVEL: info }
services:
  db:
    image: postgres:16
    environment: [POSTGRES_PASSWORD=secret, "UNSET_ANYWHERE_ELSE"]
    volumes:
      - data:/var/lib/postgresql/data
      - ./db/init:/docker-entrypoint-initdb.d:ro
      - { type: tmpfs, target: /scratch }
    healthcheck: { test: [CMD, pg_isready, -U, postgres], interval: 2s }
    expose: ["5432"]
    shm_size: 128mb
  migrate:
    build: { context: ./api, target: migrate, args: { NODE: "20" } }
    depends_on: { db: { condition: service_healthy } }
  cache:
    image: redis:${TAG:-6}
    command: redis-server --save '' --appendonly no
    deploy: { resources: { limits: { memory: 64M, cpus: "0.5" } } }
  api:
    <<: *common
    build: ./api
    env_file: api.env
    environment: { A: own, PRICE: "5 $$", PORT: 3000 }
    ports: ["127.0.0.1:8080:3000/tcp", "9229:9229"]
    depends_on:
      migrate: { condition: service_completed_successfully }
      cache: { condition: service_started }
    entrypoint: ["/entry", "--now"]
    networks: { default: { aliases: [backend] } }
  debugger:
    image: busybox
    profiles: [debug]
volumes: { data: {} }
networks: { default: {} }
"#;

#[test]
fn a_compose_file_says_what_runs_and_in_which_order() {
    let services = services(WHOLE, "");
    let names: Vec<&str> = services
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    assert_eq!(names, ["db", "migrate", "cache", "api"]);
    let ready: Vec<&Ready> = services.iter().map(|service| &service.ready).collect();
    assert_eq!(
        ready,
        [
            &Ready::Health,
            &Ready::Completed,
            &Ready::Started,
            &Ready::Tcp
        ]
    );
    let fresh: Vec<Fresh> = services.iter().map(|service| service.fresh).collect();
    let kept = Fresh::PerRun;
    assert_eq!(fresh, [kept, kept, kept, Fresh::PerBlock]);
    assert_eq!(services[3].needs, ["migrate", "cache"]);
}

#[test]
fn a_database_of_a_compose_file_has_its_volumes_and_its_health_check() {
    let services = services(WHOLE, "");
    let db = container(&services, "db");
    assert_eq!(db.image, Image::Named("postgres:16".to_owned()));
    assert_eq!(db.port, Some(5432));
    assert_eq!(
        db.environment.get("POSTGRES_PASSWORD").map(String::as_str),
        Some("secret")
    );
    assert_eq!(db.environment.len(), 1, "what is not set is not passed on");
    assert_eq!(db.shm_size, Some(128 * 1024 * 1024));
    let health = db.health.as_deref().unwrap_or_default();
    assert_eq!(health, ["CMD", "pg_isready", "-U", "postgres"]);
    let sources: Vec<&VolumeSource> = db.volumes.iter().map(|volume| &volume.source).collect();
    assert_eq!(
        sources,
        [
            &VolumeSource::Named("data".to_owned()),
            &VolumeSource::Bind("db/init".into()),
            &VolumeSource::Tmpfs
        ]
    );
    assert!(db.volumes[1].read_only);
}

#[test]
fn variables_files_lines_and_limits_are_read() {
    let services = services(WHOLE, "");
    let cache = container(&services, "cache");
    assert_eq!(cache.image, Image::Named("redis:7".to_owned()));
    let words = ["redis-server", "--save", "", "--appendonly", "no"];
    assert_eq!(cache.command.as_deref().unwrap_or_default(), words);
    assert_eq!(cache.memory, Some(64 * 1024 * 1024));
    assert_eq!(cache.nano_cpus, Some(500_000_000));
    let api = container(&services, "api");
    let environment: Vec<String> = api
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        environment,
        ["A=own", "B=of a file", "PORT=3000", "PRICE=5 $"]
    );
    assert_eq!(api.port, Some(3000));
    assert_eq!(api.aliases, ["backend"]);
    let migrate = container(&services, "migrate");
    let Image::Built(build) = &migrate.image else {
        panic!("{migrate:?}");
    };
    assert_eq!(build.target.as_deref(), Some("migrate"));
    assert_eq!(build.args.get("NODE").map(String::as_str), Some("20"));
}

#[test]
fn the_configuration_adds_to_a_service_what_compose_has_no_words_for() {
    let others = "services:
  db: { connection: 'postgresql://postgres@{{ address }}/app', seed: db/load }
  api: { ready: { http: /health }, port: 9229, memory: 512 MB, environment: { A: '{{ services.db.address }}' } }
";
    let services = services(WHOLE, others);
    let api = container(&services, "api");
    assert_eq!((api.port, api.memory), (Some(9229), Some(512_000_000)));
    let own = api.environment.get("A").map(String::as_str);
    assert_eq!(own, Some("{{ services.db.address }}"));
    let found = services.iter().find(|service| service.name == "api");
    let needs = found
        .map(|service| service.needs.clone())
        .unwrap_or_default();
    assert_eq!(needs, ["db", "migrate", "cache"]);
}

#[test]
fn some_services_bring_what_they_need() {
    let others = "compose: { file: compose.yaml, services: [migrate] }\n";
    let services = read(WHOLE, others).map(|config| config.plan.services);
    let services = services.unwrap_or_else(|error| panic!("{error}"));
    let names: Vec<&str> = services
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    assert_eq!(names, ["db", "migrate"]);
}

#[test]
fn what_cannot_be_honoured_is_named_with_its_place() {
    let service = |lines: &str| format!("services:\n  a:\n    image: b\n{lines}");
    let cases = [
        (
            service("    privileged: true\n"),
            "`privileged` of service `a` cannot be honoured",
            4,
        ),
        (
            service("    volumes: ['/etc:/etc']\n"),
            "`/etc` is outside of the project",
            4,
        ),
        (
            service("    volumes: ['../x:/x']\n"),
            "the path `../x` leaves the project",
            4,
        ),
        (
            service("    ports: ['53:53/udp']\n"),
            "a port for `udp` cannot be honoured",
            4,
        ),
        (
            service("    ports: ['3000-3005']\n"),
            "`3000-3005` is no port of a container",
            4,
        ),
        (
            service("    depends_on: [c]\n"),
            "there is no service `c`",
            4,
        ),
        (
            service("    depends_on: { a: { condition: service_ready } }\n"),
            "`service_ready` is no condition",
            4,
        ),
        (
            service("    deploy: { replicas: 3 }\n"),
            "`replicas` of `3` cannot be honoured",
            4,
        ),
        (
            service("    restart: always\n    scale: 2\n"),
            "`scale` of `2` cannot be honoured",
            5,
        ),
        (
            service(
                "    deploy:\n      resources:\n        reservations:\n          devices: [{ driver: nvidia, count: 1, capabilities: [gpu] }]\n",
            ),
            "`devices` of `reservations` cannot be honoured",
            7,
        ),
        (
            service("    tmpfs: ['/run', '/tmp:size=64m,mode=1777']\n"),
            "the option `size=64m` of a tmpfs cannot be honoured",
            4,
        ),
        (
            service("    volumes: [{ type: tmpfs, target: /tmp, tmpfs: { size: 64m } }]\n"),
            "`size` of `tmpfs` cannot be honoured",
            4,
        ),
        (
            service(
                "    volumes: [{ type: volume, source: a, target: /a, volume: { subpath: b } }]\n",
            ),
            "`subpath` of `volume` cannot be honoured",
            4,
        ),
        (
            service("    healthcheck: { test: 'true', interval: soon }\n"),
            "`soon` is no time",
            4,
        ),
        (
            service("    healthcheck: { test: 'true', retries: many }\n"),
            "`many` is no number of tries",
            4,
        ),
        (service("    mem_limit: lots\n"), "`lots` is no size", 4),
        (
            service("    environment:\n      A: ${NOT_SET_HERE:?say it}\n"),
            "the variable `NOT_SET_HERE` is not set: say it",
            5,
        ),
        (
            service("    env_file: none.env\n"),
            "the file cannot be read",
            4,
        ),
        (
            service("    command: \"say 'no end\"\n"),
            "a quote in this line has no end",
            4,
        ),
        (
            "services:\n  a: { restart: always }\n".to_owned(),
            "service `a` has no `image` and no `build`",
            2,
        ),
        (
            "secrets: { a: { file: b } }\nservices: {}\n".to_owned(),
            "`secrets` of a compose file cannot be honoured",
            1,
        ),
        (
            "volumes:\n  data: { external: true }\n".to_owned(),
            "`external` of a volume cannot be honoured",
            2,
        ),
        ("services: [a]\n".to_owned(), "this should be a mapping", 1),
        ("services:\n\ta: b\n".to_owned(), "this is not YAML", 2),
    ];
    for (compose, expected, line) in cases {
        let error = read(&compose, "compose: compose.yaml\n").expect_err(&compose);
        assert!(error.message().starts_with(expected), "{compose}\n{error}");
        assert_eq!(error.file(), "compose.yaml", "{compose}\n{error}");
        assert_eq!(error.line(), Some(line), "{compose}\n{error}");
    }
}

#[test]
fn a_compose_file_that_is_missing_or_overruled_is_said_beside_the_configuration() {
    let compose = "services: { a: { image: b } }";
    let cases = [
        (
            "compose: other.yaml\n",
            "the compose file `other.yaml` cannot be read",
            3,
        ),
        (
            "compose: ../compose.yaml\n",
            "the path `../compose.yaml` leaves the project",
            3,
        ),
        (
            "compose: { file: compose.yaml, services: [b] }\n",
            "the compose file has no service `b`",
            3,
        ),
        (
            "compose: compose.yaml\nservices:\n  a: { image: c }\n",
            "`image` of service `a` is the compose file's to say",
            5,
        ),
    ];
    for (others, expected, line) in cases {
        let error = read(compose, others).expect_err(others);
        assert!(error.message().starts_with(expected), "{others}\n{error}");
        assert_eq!(
            (error.file(), error.line()),
            ("tollgate.yml", Some(line)),
            "{error}"
        );
    }
}

#[test]
fn what_a_container_cannot_have_is_said() {
    let cases = [
        (
            "{ image: b, url: 'http://a:1' }",
            "service `a` is a container and has a `url`",
        ),
        (
            "{ image: b, build: c }",
            "service `a` has an `image` and a `build`",
        ),
        ("{ image: 'b c' }", "`b c` is no name of an image"),
        (
            "{ image: b, install: npm ci }",
            "`install` has no effect on a container",
        ),
        (
            "{ image: b, memory: 1 MB }",
            "a container cannot start with so little memory",
        ),
        (
            "{ image: b, cpus: 0 }",
            "a container cannot have so many cores",
        ),
        (
            "{ image: b, ready: { http: / } }",
            "`http` asks at a port, and the service has none",
        ),
        (
            "{ image: b, environment: { A: '{{ data }}' } }",
            "`{{ data }}` exists for processes only",
        ),
        ("{ build: ../x }", "the path `../x` leaves the project"),
        (
            "{ command: x, memory: 1 GB }",
            "`memory` has an effect on containers only",
        ),
        (
            "{ command: [x] }",
            "the command of a process is a line for the shell",
        ),
        (
            "{ command: x, ready: { health: true } }",
            "only a container has a health check",
        ),
        (
            "{ url: 'http://a:1', ready: { log: up } }",
            "the log of what already runs is not known here",
        ),
    ];
    for (service, expected) in cases {
        let error = read("", &format!("services:\n  a: {service}\n")).expect_err(service);
        assert!(error.message().starts_with(expected), "{service}\n{error}");
        assert_eq!(error.line(), Some(4), "{service}\n{error}");
    }
}

#[test]
fn a_health_check_is_waited_for_as_long_as_compose_waits() {
    let within = |check: &str, others: &str| {
        let compose = format!("services: {{ a: {{ image: b, healthcheck: {{ {check} }} }} }}");
        services(&compose, others)[0].within.as_secs()
    };
    let times = "test: 'true', start_period: 1m30s, interval: 5s, timeout: 2500ms, retries: 4";
    assert_eq!(within(times, ""), 90 + 4 * 7 + 2);
    // Docker's own numbers stand for what is not said, zero included.
    assert_eq!(within("test: 'true', interval: 0s", ""), 3 * 60);
    // Never less than of any other service, and never an hour.
    let quick = "test: 'true', interval: 1s, timeout: 1s, retries: 2";
    assert_eq!(within(quick, ""), 30);
    assert_eq!(within("test: 'true', start_period: 1h", ""), 300);
    // What the configuration says is stronger.
    let said = "services: { a: { ready: { health: true, within: 7 s } } }\n";
    assert_eq!(within(times, said), 7);
    let other = "services: { a: { port: 80, ready: { tcp: true } } }\n";
    assert_eq!(within(times, other), 30);
    assert_eq!(within("test: 'true', disable: true, interval: 9m", ""), 30);
}

#[test]
fn one_of_a_service_is_what_an_arm_has() {
    let compose = "services: { a: { image: b, scale: 1, deploy: { replicas: 1, resources: { reservations: { memory: 64M } } }, tmpfs: /tmp:rw } }";
    let services = services(compose, "");
    let volumes = &container(&services, "a").volumes;
    assert_eq!(volumes[0].target, "/tmp");
}
