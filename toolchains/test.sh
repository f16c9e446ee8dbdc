#!/bin/sh
# `make test`: installs what is missing and runs every test there is: each preset's suites, the fuzz targets
# for 30 s each, and both twins end to end. The last line is the sum of all ctest entries.
# TRP_TEST_PRESETS narrows it down, for example TRP_TEST_PRESETS="native-debug e2e".
set -u
cd "$(dirname "$0")/.." || exit 2

presets=${TRP_TEST_PRESETS:-native-debug native-asan native-tsan native-release native-fuzz web-release e2e}

toolchains/install-deps.sh test || exit 1
mkdir -p build

passed=0
failed=0
broken=

# One number of the <testsuite> element that ctest wrote, 0 when it is not there.
suite_number() { # attribute, junit file
    number=$(sed -n '/<testsuite/,/>/s/^[[:space:]]*'"$1"'="\([0-9]*\)".*/\1/p' "$2" 2>/dev/null | head -n 1)
    echo "${number:-0}"
}

# Adds up what ctest wrote about one preset. A test that did not run proved nothing, and a preset without a
# result, or one that ctest calls bad without naming a test, counts as one failure.
count_results() { # preset, junit file, ctest's exit code
    tests=$(suite_number tests "$2")
    bad=$(($(suite_number failures "$2") + $(suite_number disabled "$2") + $(suite_number skipped "$2")))
    passed=$((passed + tests - bad))
    if [ "$bad" -eq 0 ] && { [ "$tests" -eq 0 ] || [ "$3" -ne 0 ]; }; then
        bad=1
    fi
    failed=$((failed + bad))
    [ "$bad" -eq 0 ] || broken="$broken $1"
}

run_preset() { # preset
    name=$1
    configure=$name
    [ "$name" = e2e ] && configure=web-release
    log=build/test-$name.log
    result=build/$configure/ctest.xml
    [ "$name" = e2e ] && result=build/$configure/e2e.xml
    rm -f "$result"
    started=$(date +%s)
    echo "== $name"
    if cmake --preset "$configure" >"$log" 2>&1 &&
        cmake --build --preset "$configure" -- -k 0 >>"$log" 2>&1; then
        { ctest --preset "$name" 2>&1; echo $? >build/status; } | tee -a "$log" | grep -v '^ *Start *[0-9]*:'
    else
        echo 1 >build/status
        grep -vE '^\[[0-9]+/[0-9]+\]' "$log" | tail -n 100
        echo "$name did not build; the whole log is in $log"
    fi
    count_results "$name" "$result" "$(cat build/status)"
    echo "   ($name took $(($(date +%s) - started)) s)"
}

for preset in $presets; do
    run_preset "$preset"
done

[ -z "$broken" ] || echo "Failures in:$broken"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
