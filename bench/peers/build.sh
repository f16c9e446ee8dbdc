#!/bin/sh
# Builds the programs of every peer whose tools are installed.
# usage: bench/peers/build.sh OUTPUT-DIRECTORY
# Debian's own compilers and libraries are used, never what a user has put in front of them; a peer
# that is not installed is named and left out. Fails when an installed peer does not build.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: bench/peers/build.sh OUTPUT-DIRECTORY}
mkdir -p "$out"
out=$(cd "$out" && pwd)
PATH=/usr/sbin:/usr/bin:/sbin:/bin

is_there() { command -v "$1" >/dev/null; }
left_out() { echo "bench: $1 is not installed ($2), left out"; }

# Makes $out/$1 from the given sources unless it is newer than all of them.
is_stale() {
    target=$out/$1
    shift
    [ ! -e "$target" ] || [ -n "$(find "$@" -newer "$target" -print -quit)" ]
}

build_floor() {
    is_stale floor-bench "$here/floor" || return 0
    cc -std=c11 -O2 -pthread "$here/floor/floor-bench.c" -o "$out/floor-bench"
}

build_erlang() {
    is_there erlc || { left_out Erlang erlang-base; return 0; }
    is_stale bench.beam "$here/erlang" || return 0
    erlc -o "$out" "$here/erlang/bench.erl"
}

build_go() {
    is_there go || { left_out Go golang-go; return 0; }
    is_stale go-bench "$here/go" || return 0
    (cd "$here/go" && GOTOOLCHAIN=local GOFLAGS=-mod=mod GOPROXY=off go build -o "$out/go-bench" .)
}

build_caf() {
    [ -e /usr/include/caf/all.hpp ] || { left_out CAF libcaf-dev; return 0; }
    is_stale caf-bench "$here/caf" || return 0
    c++ -std=c++17 -O3 -DNDEBUG "$here/caf/caf-bench.cpp" -o "$out/caf-bench" -lcaf_core
}

# Cargo writes a lock file next to the manifest, so it works on a copy; crates come from Debian's
# packages alone.
build_tokio() {
    is_there cargo && ls -d /usr/share/cargo/registry/tokio-1* >/dev/null 2>&1 ||
        { left_out tokio "cargo, librust-tokio-dev"; return 0; }
    is_stale tokio-bench "$here/tokio" || return 0
    rm -rf "$out/tokio"
    cp -R "$here/tokio" "$out/tokio"
    mkdir -p "$out/tokio/.cargo"
    cat >"$out/tokio/.cargo/config.toml" <<'EOF'
[source.crates-io]
replace-with = "debian"
[source.debian]
directory = "/usr/share/cargo/registry"
EOF
    (cd "$out/tokio" && RUSTC=/usr/bin/rustc cargo build --quiet --offline --release)
    cp "$out/tokio/target/release/tokio-bench" "$out/tokio/target/release/crossbeam-bench" "$out/"
}

for peer in floor erlang go caf tokio; do
    "build_$peer"
done
