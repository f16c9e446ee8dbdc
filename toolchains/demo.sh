#!/bin/sh
# `make demo`: installs what is missing, builds both twins, and starts a node that serves the demo site.
# TROUPE_LISTEN changes the address.
set -eu
cd "$(dirname "$0")/.."

listen=${TROUPE_LISTEN:-127.0.0.1:8080}
log=build/demo.log

toolchains/install-deps.sh demo
mkdir -p build

# The demo needs neither CMocka nor a browser driver, so it builds without the tests.
build() { # preset, target...
    preset=$1
    shift
    printf 'Building %s ... ' "$preset"
    if cmake --preset "$preset" -DTRP_BUILD_TESTS=OFF -DTRP_BUILD_BENCH=OFF >"$log" 2>&1 &&
        cmake --build --preset "$preset" --target "$@" >>"$log" 2>&1; then
        echo done
    else
        echo failed
        tail -n 40 "$log"
        exit 1
    fi
}

build native-release troupe_command
build web-release site
exec build/native-release/platform-native/troupe node \
    --serve build/web-release/web-demo/site --listen "$listen" \
    --cookie-file build/demo.cookie --create-cookie
