#!/bin/sh
# Runs a CMocka program and believes it only if its own summary says that tests ran and none failed. A
# program that stops half-way with exit code 0 (as an assertion on a second thread does) fails here.
# usage: run-cmocka.sh program [argument...]
set -u
[ $# -ge 1 ] || { echo "usage: run-cmocka.sh program [argument...]" >&2; exit 2; }

log=$(mktemp) || exit 2
trap 'rm -f "$log" "$log.status"' EXIT

{ "$@" 2>&1; echo $? >"$log.status"; } | tee "$log"
status=$(cat "$log.status" 2>/dev/null || echo 126)

fail() {
    echo "run-cmocka: $1"
    exit 1
}

[ "$status" -eq 0 ] || fail "the program ended with code $status"
started=$(grep -c '^\[==========\].*Running [0-9][0-9]* test' "$log")
ended=$(grep -c '^\[  PASSED  \] [0-9][0-9]* test' "$log")
[ "$started" -gt 0 ] || fail "no test output was seen"
[ "$started" -eq "$ended" ] || fail "$started groups were started, $ended ended"
grep -q '^\[==========\].*Running 0 test' "$log" && fail "a group ran no test"
grep -q '^\[  FAILED  \]' "$log" && fail "a test failed"
exit 0
