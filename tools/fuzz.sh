#!/bin/sh
# Runs every fuzz target of the given packages for FUZZTIME each. A finding does not stop the others; the
# status tells at the end.
set -eu
cd "$(dirname "$0")/.."
fuzztime=${FUZZTIME:-1m}
[ $# -gt 0 ] || set -- ./...

# `go test -list` prints the names of a package, then a line "ok <package> <time>".
list=$(go test -list '^Fuzz' "$@") || {
	printf '%s\n' "$list" >&2
	echo "fuzz: the packages do not build" >&2
	exit 1
}
targets=$(printf '%s\n' "$list" | awk '/^Fuzz/ { names = names " " $1 } $1 == "ok" { n = split(names, a, " "); for (i = 1; i <= n; i++) print $2 ":" a[i]; names = "" }')
[ -n "$targets" ] || {
	echo "fuzz: no fuzz target in $*" >&2
	exit 1
}
echo "fuzz: $(printf '%s\n' "$targets" | wc -l) targets, $fuzztime each"
failed=""
for t in $targets; do
	package=${t%%:*}
	name=${t##*:}
	echo "fuzz: $package $name"
	go test -run '^$' -fuzz "^$name\$" -fuzztime "$fuzztime" "$package" || failed="$failed $package:$name"
done
[ -z "$failed" ] || {
	echo "fuzz: findings in$failed" >&2
	exit 1
}
echo "fuzz: no finding"
