#!/bin/sh
# Runs a file of Node's test runner and believes it only if tests ran, none failed and none was skipped.
# usage: run-node-tests.sh node file.mjs
set -u
[ $# -eq 2 ] || { echo "usage: run-node-tests.sh node file.mjs" >&2; exit 2; }

# Set when a test starts this script; node would then talk to its parent and not to us.
unset NODE_TEST_CONTEXT

log=$(mktemp) || exit 2
trap 'rm -f "$log" "$log.status"' EXIT

{ "$1" --test-reporter=tap "$2" 2>&1; echo $? >"$log.status"; } | tee "$log"

count() {
    sed -n "s/^# $1 \([0-9]*\)\$/\1/p" "$log" | tail -n 1
}

fail() {
    echo "run-node-tests: $1"
    exit 1
}

[ "$(cat "$log.status")" -eq 0 ] || fail "node ended with code $(cat "$log.status")"
passed=$(count pass)
[ "${passed:-0}" -gt 0 ] || fail "no test was run"
[ "$(count tests)" = "$passed" ] || fail "only $passed of $(count tests) tests passed"
exit 0
