#!/bin/sh
# Runs a libFuzzer program for a while. New inputs go to a directory of the build; the committed corpus is
# only read. An empty corpus or a run that executed next to nothing is a failure.
# usage: run-fuzz.sh program corpus found seconds
set -u
[ $# -eq 4 ] || { echo "usage: run-fuzz.sh program corpus found seconds" >&2; exit 2; }
program=$1 corpus=$2 found=$3 seconds=$4

[ -n "$(ls -A "$corpus" 2>/dev/null)" ] || { echo "$corpus: no committed corpus"; exit 1; }
mkdir -p "$found"
log=$found.log
"$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
    -print_final_stats=1 -artifact_prefix="$found/crash-" "$found" "$corpus" >"$log" 2>&1
status=$?
tail -n 40 "$log"
[ "$status" -eq 0 ] || exit 1
executed=$(sed -n 's/^stat::number_of_executed_units: *\([0-9]*\).*/\1/p' "$log")
[ "${executed:-0}" -ge 1000 ] || { echo "only ${executed:-0} inputs were executed"; exit 1; }
