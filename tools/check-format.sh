#!/bin/sh
# Fails when gofmt would change a Go file that git knows or would add.
set -eu
cd "$(dirname "$0")/.."
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
	files=$(git ls-files --cached --others --exclude-standard -- '*.go')
else
	files=$(find . -name '*.go' -not -path './.git/*')
fi
unformatted=""
for f in $files; do
	[ -f "$f" ] && unformatted="$unformatted $f"
done
# shellcheck disable=SC2086
unformatted=$(gofmt -l $unformatted)
[ -z "$unformatted" ] || {
	printf 'check-format: run gofmt -w on:\n%s\n' "$unformatted" >&2
	exit 1
}
