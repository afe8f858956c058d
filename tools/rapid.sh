#!/bin/sh
# rapid.sh CHECKS: runs the packages that have property tests with so many cases each.
set -eu
cd "$(dirname "$0")/.."
checks=${1:-20000}
packages=$(go list -f '{{$d := .ImportPath}}{{range .TestImports}}{{if eq . "pgregory.net/rapid"}}{{$d}}{{"\n"}}{{end}}{{end}}{{range .XTestImports}}{{if eq . "pgregory.net/rapid"}}{{$d}}{{"\n"}}{{end}}{{end}}' ./... | sort -u)
[ -n "$packages" ] || {
	echo "rapid: no package has property tests" >&2
	exit 1
}
for p in $packages; do
	go test -count 1 -timeout 4h "$p" -args -rapid.checks="$checks"
done
