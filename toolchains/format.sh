#!/bin/sh
# Lays out C files as .clang-format says: the given ones, or all of the project.
# usage: toolchains/format.sh [--check] [file...]
set -eu
cd "$(dirname "$0")/.."

mode=-i
if [ "${1:-}" = --check ]; then
    mode='--dry-run -Werror'
    shift
fi
if [ $# -eq 0 ]; then
    # shellcheck disable=SC2046 # no file of ours has a blank in its name
    set -- $(find core platform-native platform-web web-demo tests bench \
        -name node_modules -prune -o -name '*.[ch]' -print | sort)
fi
[ $# -gt 0 ] || { echo "format: no file to look at" >&2; exit 1; }
# shellcheck disable=SC2086 # the mode is two words
exec clang-format $mode -style=file "$@"
