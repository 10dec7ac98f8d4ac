#!/bin/sh
# From nothing to the first request: both arms of the sample app in containers, beside
# `docker compose up --wait` of one arm, started twice in a row. Images are built before.
#
# usage: benches/start.sh [rounds]; needs an engine, `docker compose` 2, and SPHEROID_BASE where no
# image can be pulled (scripts/base-image prints one). Ours fills both databases as well, which
# compose is not asked to.
set -eu
cd "$(dirname "$0")/.."
. scripts/requirements.sh
. scripts/engine.sh

app=examples/spheroid
rounds=${1:-3}
said=$(mktemp)
trap 'rm -f "$said"' EXIT
engine_answers || fail 'no container engine answers' 'start dockerd, or run scripts/demo --containers once'
"$DOCKER" compose version >/dev/null 2>&1 || fail '`docker compose` is missing' 'install the plugin docker-compose 2'
cargo build --quiet --locked

now() { date +%s.%N; }

calculate() { awk "BEGIN { printf \"%.2f\", $1 }"; }

compose() { DOCKER_BUILDKIT=0 "$DOCKER" compose --project-name tollgate-start --file $app/compose.yaml "$@"; }

# Seconds that two starts of one arm take; what was started is removed in between, and not timed.
twice() {
    total=0
    for _ in 1 2; do
        from=$(now)
        compose up --wait --quiet-pull >/dev/null 2>&1
        total=$(calculate "$total + $(now) - $from")
        compose down --volumes --timeout 1 >/dev/null 2>&1
    done
    echo "$total"
}

# Seconds from the start of services to the first warm-up, in both arms.
ours() {
    setsid target/debug/tollgate check --config $app/tollgate.containers.yml --base HEAD --head HEAD >/dev/null 2>"$said" &
    tollgate=$!
    until grep -q 'warm up' "$said"; do
        kill -0 $tollgate 2>/dev/null || { cat "$said" >&2; exit 2; }
        sleep 0.1
    done
    kill -INT $tollgate
    wait $tollgate || true
    sed -n 's/^\[ *\([0-9.]*\) s\] start services.*/\1/p; s/^\[ *\([0-9.]*\) s\] warm up.*/\1/p' "$said" |
        head -n 2 | { read -r from; read -r to; calculate "$to - $from"; }
}

compose build >/dev/null 2>&1
ours >/dev/null
for round in $(seq "$rounds"); do
    theirs=$(twice)
    mine=$(ours)
    say "round $round: compose twice $theirs s, both arms of tollgate $mine s"
    echo "figure tollgate_over_compose_twice.round$round $(calculate "$mine / $theirs")"
done
