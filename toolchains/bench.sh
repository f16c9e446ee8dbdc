#!/bin/sh
# Builds the optimised presets and runs the benchmarks, native and wasm, next to the installed peers.
# usage: toolchains/bench.sh [options of bench/run.mjs]
set -eu
cd "$(dirname "$0")/.."

toolchains/install-deps.sh bench
mkdir -p build
log=build/bench.log

for preset in native-release web-release; do
    printf 'Building %s ... ' "$preset"
    if cmake --preset "$preset" -DTRP_BUILD_TESTS=OFF >"$log" 2>&1 &&
        cmake --build --preset "$preset" --target bench_programs >>"$log" 2>&1; then
        echo done
    else
        echo failed
        tail -n 40 "$log"
        exit 1
    fi
done
exec node bench/run.mjs "$@"
