#!/bin/sh
# `make bench`: builds the optimised presets and prints the benchmarks' figures, native and wasm.
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
cmake --build --preset native-release --target run_bench -- --quiet
cmake --build --preset web-release --target run_bench -- --quiet
