#!/bin/sh
# Puts CMocka's source, as Debian ships it, into a directory: <directory>/cmocka. Does nothing when it is
# there. The machine's own apt sources say where from; its apt configuration is read, never changed.
# usage: fetch-cmocka.sh directory
set -eu
[ $# -eq 1 ] || { echo "usage: fetch-cmocka.sh directory" >&2; exit 2; }
target=$1/cmocka
[ -f "$target/src/cmocka.c" ] && exit 0

fail() {
    echo "fetch-cmocka: $1" >&2
    exit 1
}

command -v apt-get >/dev/null || fail "needs apt-get; or put CMocka's source into $target yourself"
command -v dpkg-source >/dev/null || fail "needs dpkg-source; install dpkg-dev"

mkdir -p "$1"
work=$(mktemp -d "$1/.fetch-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -f "$keyring" ] && options="[signed-by=$keyring] " || options=
apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)' 'Created-By: Packages' |
    awk -v options="$options" '$4 == "Debian" && $3 == "main" { print "deb-src " options $1 " " $2 " main" }' |
    sort -u >"$work/sources.list"
[ -s "$work/sources.list" ] || fail "apt knows no Debian source; run apt-get update"

cat >"$work/apt.conf" <<EOF
Dir::Etc::SourceList "$work/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$work/lists";
Dir::Cache "$work/cache";
APT::Sandbox::User "root";
EOF
APT_CONFIG=$work/apt.conf
export APT_CONFIG

cd "$work"
apt-get update -qq >log 2>&1 || { cat log >&2; fail "the source lists could not be read"; }
apt-get source -qq cmocka >log 2>&1 || { cat log >&2; fail "the source could not be fetched"; }
unpacked=$(find . -maxdepth 1 -type d -name 'cmocka-*')
[ -f "$unpacked/src/cmocka.c" ] || fail "the source package holds no src/cmocka.c"
# Two builds may fetch at once: the first rename wins, the second finds the same files there.
mv -T "$unpacked" "$target" 2>/dev/null || [ -f "$target/src/cmocka.c" ]
