# A container engine for the tests and the demo. Sourced, not run, after requirements.sh.
#
# The one that answers is used. Where none does, root starts one and it is ended with the script;
# nothing else is.

# Debian's client; something else of that name may come first in PATH.
DOCKER=docker
for one in /usr/bin/docker /usr/local/bin/docker; do
    if [ -x "$one" ] && "$one" --version 2>/dev/null | grep -q '^Docker version'; then
        DOCKER=$one
        break
    fi
done
export DOCKER

engine_answers() {
    curl -s --max-time 10 --unix-socket /var/run/docker.sock http://engine/_ping >/dev/null 2>&1
}

# Starts `dockerd` unless an engine answers, and ends it again when the script ends.
start_engine() {
    if engine_answers; then return 0; fi
    if [ "$(id -u)" -ne 0 ]; then
        fail 'no container engine answers at /var/run/docker.sock' 'sudo systemctl start docker'
    fi
    command -v dockerd >/dev/null 2>&1 ||
        fail 'a container engine is missing: docker.io' 'apt-get install docker.io iptables'
    say 'starting dockerd'
    engine_log=$(mktemp)
    setsid dockerd >"$engine_log" 2>&1 </dev/null &
    engine=$!
    trap end_engine EXIT
    trap 'exit 130' INT TERM
    tries=0
    until engine_answers; do
        tries=$((tries + 1))
        if [ "$tries" -gt 120 ] || ! kill -0 "$engine" 2>/dev/null; then
            tail -n 20 "$engine_log" >&2
            fail 'dockerd did not start' 'its last lines are above; it needs the packages docker.io and iptables'
        fi
        sleep 0.5
    done
}

end_engine() {
    [ -n "${engine:-}" ] || return 0
    kill "$engine" 2>/dev/null || true
    wait "$engine" 2>/dev/null || true
    rm -f "$engine_log"
    engine=
}
