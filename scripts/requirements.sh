# What the other scripts need on a fresh Debian or Ubuntu machine. Sourced, not run.
#
# As root missing packages are installed; otherwise the message says which and how.

# The program, the Debian package that has it, one pair a line.
PACKAGES='git git
cc build-essential
curl curl
python3 python3
redis-server redis-server
psql postgresql-client
setpriv util-linux
dockerd docker.io
iptables iptables'

# Node runs Vite 8, which refuses anything older.
NODE_AT_LEAST='20.19.0'
# The version in Cargo.toml's `rust-version`.
RUST_AT_LEAST='1.95.0'

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "error: $1"
    say
    say "hint: $2"
    exit 2
}

# Whether version $1 is at least version $2.
at_least() {
    [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

has_postgres() {
    command -v postgres >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1
}

has_venv() {
    python3 -c 'import ensurepip, venv' >/dev/null 2>&1
}

# Whether a program is there; those of the engine may be out of a user's PATH.
has() {
    command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]
}

missing_packages() {
    printf '%s\n' "$PACKAGES" | while read -r program package; do
        has "$program" || printf '%s ' "$package"
    done
    has_postgres || printf 'postgresql '
    has_venv || printf 'python3-venv '
    command -v node >/dev/null 2>&1 || printf 'nodejs '
    command -v npm >/dev/null 2>&1 || printf 'npm '
}

install_packages() {
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        fail "these packages are missing: $missing" "sudo apt-get install $missing"
    fi
    command -v apt-get >/dev/null 2>&1 ||
        fail "these packages are missing: $missing" 'install what your system calls them'
    say "installing: $missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2
    # shellcheck disable=SC2086 # one word a package
    apt-get install -y -qq $missing >&2 || fail 'apt-get could not install them' "apt-get install $missing"
    # Debian starts the servers it installs; ours are started by the gate, on free ports.
    missing=$(missing_packages)
    [ -z "$missing" ] || fail "still missing: $missing" "apt-get install $missing"
}

require_node() {
    version=$(node --version 2>/dev/null | tr -d v)
    at_least "${version:-0}" "$NODE_AT_LEAST" ||
        fail "node ${version:-is missing} is too old; $NODE_AT_LEAST or newer is needed" \
            'install Node 20.19 or newer, for example from nodejs.org; Debian 12 and Ubuntu 24.04 package an older one'
}

require_rust() {
    PATH="$HOME/.cargo/bin:$PATH"
    version=$(cargo --version 2>/dev/null | cut -d ' ' -f 2)
    at_least "${version:-0}" "$RUST_AT_LEAST" ||
        fail "cargo ${version:-is missing}; $RUST_AT_LEAST or newer is needed" \
            'install Rust with rustup, see rustup.rs'
}

require_everything() {
    install_packages
    require_node
    require_rust
}
