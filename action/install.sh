#!/bin/sh
# Finds the tollgate program for this runner: the one named, or the release that this commit of the
# action belongs to, held to the checksum in checksums.txt beside this file. Sets the output `binary`.
#
# Reads: TOLLGATE_BINARY, TOLLGATE_REPOSITORY, RUNNER_OS, RUNNER_ARCH, RUNNER_TEMP, GITHUB_OUTPUT,
# and TOLLGATE_RELEASES, where another server than github.com has the releases.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

fail() {
    echo "::error title=Tollgate::$1" >&2
    exit 2
}

sha256() {
    if command -v sha256sum >/dev/null 2>&1; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}

if [ -n "${TOLLGATE_BINARY:-}" ]; then
    [ -x "$TOLLGATE_BINARY" ] || fail "binary-path is \`$TOLLGATE_BINARY\`, which is no program"
    printf 'binary=%s\n' "$TOLLGATE_BINARY" >> "$GITHUB_OUTPUT"
    exit 0
fi

case "${RUNNER_OS:-}-${RUNNER_ARCH:-}" in
    Linux-X64) target=x86_64-unknown-linux-musl ;;
    Linux-ARM64) target=aarch64-unknown-linux-musl ;;
    *) fail "there is no release for ${RUNNER_OS:-this system} on ${RUNNER_ARCH:-this processor}; build one and name it with binary-path" ;;
esac
version=$(cat "$here/VERSION")
name=tollgate-$version-$target.tar.gz
expected=$(awk -v name="$name" '$2 == name { print $1 }' "$here/checksums.txt")
[ -n "$expected" ] || fail "this commit of the action belongs to no release: checksums.txt has no $name. Use the commit of a release, or binary-path"
releases=${TOLLGATE_RELEASES:-https://github.com/${TOLLGATE_REPOSITORY:?}/releases/download}
folder=$(mktemp -d "${RUNNER_TEMP:-/tmp}/tollgate.XXXXXX")
curl --fail --silent --show-error --location --retry 3 --output "$folder/$name" "$releases/v$version/$name" ||
    fail "$name could not be downloaded"
actual=$(sha256 "$folder/$name")
[ "$actual" = "$expected" ] || fail "$name has the checksum $actual, not $expected: it is not the program that was released"
tar -xzf "$folder/$name" -C "$folder" tollgate
printf 'binary=%s\n' "$folder/tollgate" >> "$GITHUB_OUTPUT"
