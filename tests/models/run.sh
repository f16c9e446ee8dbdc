#!/bin/sh
# Checks one model exhaustively with SPIN and fails on any error, or if it saw hardly a state.
# With `--broken NAME` the model is first broken by the sed script of that name and must fail.
# Usage: run.sh MODEL.pml LEAST_STATES [--broken SED_SCRIPT]
set -eu
model=$1
least=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cp "$model" "$dir/model.pml"
if [ "${3:-}" = --broken ]; then
    sed "$4" "$model" >"$dir/model.pml"
    if cmp -s "$model" "$dir/model.pml"; then
        echo "the mutation '$4' changes nothing in $model"
        exit 1
    fi
fi
cd "$dir"
spin -a model.pml >spin.log || { cat spin.log; exit 1; }
cc -w -O2 -DSAFETY -o pan pan.c
./pan -m1000000 >pan.log 2>&1 || true
states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored$/\1/p' pan.log)
errors=$(sed -n 's/.*errors: \([0-9]*\)$/\1/p' pan.log)
echo "$(basename "$model"): $states states, $errors errors"
if [ "${3:-}" = --broken ]; then
    [ "$errors" -gt 0 ]
    exit
fi
if [ "$errors" != 0 ]; then
    cat pan.log
    exit 1
fi
awk -v states="$states" -v least="$least" 'BEGIN { exit !(states >= least) }'
