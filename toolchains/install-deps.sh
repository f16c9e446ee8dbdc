#!/bin/sh
# Installs what a purpose needs and the machine does not have, on Debian 12 and its relatives.
# usage: toolchains/install-deps.sh demo|test|bench|bench-peers
set -eu

purpose=${1:-}
root=$(cd "$(dirname "$0")/.." && pwd)

# Each line: purposes, package, how to see that it is there, why it is needed. The check is `pkg` (dpkg knows
# the package) or a command that succeeds when it is.
packages() {
    cat <<'EOF'
demo,test,bench|build-essential|command -v cc && command -v c++ && command -v make|the C compiler
demo,test,bench|cmake|command -v cmake|the build, 3.25 or newer
demo,test,bench|ninja-build|command -v ninja|runs the build
demo,test,bench|pkg-config|command -v pkg-config|finds the libraries
demo,test,bench|libuv1-dev|pkg|event loops of the native host
demo,test,bench|libssl-dev|pkg|HMAC and TLS of the native host
demo,test,bench|libwebsockets-dev|pkg|HTTP and WebSocket server
demo,test,bench|libwebsockets-evlib-uv|pkg|its libuv plug-in
demo,test,bench|nodejs|node_is_new_enough|runs Emscripten and the tests, 18 or newer
demo,test,bench|emscripten|pkg|compiles C to wasm
demo,test,bench|binaryen|pkg|optimises wasm
demo,test,bench|esbuild|command -v esbuild|joins the ES modules
demo,test,bench|terser|command -v terser|shrinks them further
test|npm|command -v npm|installs the browser driver
test|libcmocka-dev|pkg|the test framework
test|spin|pkg|checks the models of the protocols
test|dpkg-dev|command -v dpkg-source|unpacks the test framework for wasm
test|clang|command -v clang|compiler of the fuzz targets
test|libclang-rt-14-dev|pkg|libFuzzer and its sanitizers
test|clang-format|command -v clang-format|checks the layout of the sources
test|chromium|pkg|the browser that tests run in
test|fonts-dejavu-core|pkg|letters for the browser
bench-peers|erlang-base|command -v erl|benchmark peer
bench-peers|golang-go|command -v go|benchmark peer
bench-peers|libcaf-dev|pkg|benchmark peer
bench-peers|cargo|[ -x /usr/bin/cargo ]|builds the Rust peers from Debian's crates
bench-peers|rustc|[ -x /usr/bin/rustc ]|the same
bench-peers|librust-tokio-dev|pkg|benchmark peer
bench-peers|librust-crossbeam-channel-dev|pkg|benchmark peer
bench-peers|libjemalloc2|pkg|the allocator that CAF and tokio do best with
EOF
}

node_is_new_enough() {
    command -v node >/dev/null &&
        node -e 'process.exit(+process.versions.node.split(".")[0] >= 18 ? 0 : 1)'
}

is_installed() { # package, check
    if [ "$2" = pkg ]; then
        dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q ' installed$'
    else
        eval "$2" >/dev/null 2>&1
    fi
}

missing_packages() {
    packages | while IFS='|' read -r purposes package check why; do
        case ",$purposes," in
        *",$purpose,"*) is_installed "$package" "$check" || echo "$package|$why" ;;
        esac
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "install-deps: needs root or sudo to run: $*" >&2
        exit 1
    fi
}

# A short count instead of apt's wall of text; the text is shown when something fails. On a terminal every
# package overwrites the line before it, elsewhere each 25th is told.
show_progress() {
    [ -t 1 ] && terminal=1 || terminal=0
    awk -v terminal="$terminal" '
        /^[0-9]+ upgraded, [0-9]+ newly installed/ { total = $1 + $3 }
        /^Setting up / {
            done++
            line = sprintf("  [%d/%d] %s", done, total, $3)
            if (terminal) printf "\r\033[K%s", line
            else if (done % 25 == 0 || done == total) print line
            fflush()
        }
        END { if (terminal && done) print "" }'
}

apt_install() {
    log=$(mktemp)
    failed=$(mktemp)
    { as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        -o DPkg::Lock::Timeout=600 "$@" 2>&1 || echo failed >"$failed"; } | tee "$log" | show_progress
    if [ -s "$failed" ]; then
        tail -n 40 "$log" >&2
        echo "install-deps: apt-get could not install: $*" >&2
        exit 1
    fi
    rm -f "$log" "$failed"
}

install_packages() {
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || {
        echo "install-deps: this machine has no apt-get; install these yourself:" >&2
        echo "$missing" | sed 's/^/  /; s/|/: /' >&2
        exit 1
    }
    echo "Installing what '$purpose' needs:"
    echo "$missing" | awk -F'|' '{ printf "  %-24s %s\n", $1, $2 }'
    as_root apt-get update -q >/dev/null || echo "install-deps: the package lists could not be refreshed" >&2
    # shellcheck disable=SC2046 # one word per package is meant
    apt_install $(echo "$missing" | cut -d'|' -f1)
    still=$(missing_packages | cut -d'|' -f1)
    [ -z "$still" ] || {
        echo "install-deps: still missing after the installation:" $still >&2
        exit 1
    }
    changed=yes
}

# The modules are up to date when each one there has the version that our lock file names.
node_modules_are_current() {
    node -e '
        const { readFileSync } = require("fs");
        const read = (name) => JSON.parse(readFileSync(`${process.argv[1]}/${name}`));
        const wanted = Object.entries(read("package-lock.json").packages).filter(([name]) => name);
        const current = ([name, { version }]) => read(`${name}/package.json`).version === version;
        process.exit(wanted.every(current) ? 0 : 1);' "$root/tests" 2>/dev/null
}

install_node_modules() {
    node_modules_are_current && return 0
    echo "Installing the test driver from npm (tests/package-lock.json):"
    (cd "$root/tests" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    changed=yes
}

case $purpose in
demo | test | bench | bench-peers) ;;
*)
    echo "usage: install-deps.sh demo|test|bench|bench-peers" >&2
    exit 2
    ;;
esac

changed=no
install_packages
[ "$purpose" = test ] && install_node_modules
[ "$changed" = yes ] && echo "Everything that '$purpose' needs is installed."
exit 0
