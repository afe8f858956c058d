#!/bin/sh
# Fetches from npm what the webmail is built with and what its browser tests use, as the two package-lock.json say. Without node 20.19 or
# later, or without a way to the registry, it says so and the tests that need them are skipped.
set -eu
cd "$(dirname "$0")/.."

if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
	tools/install-test-deps.sh nodejs npm || {
		echo "install-npm-deps: node is missing; the webmail is not tested" >&2
		exit 0
	}
fi
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' || {
	echo "install-npm-deps: $(node --version) is too old to build the webmail, 20.19 is the oldest that can; it is not tested" >&2
	exit 0
}

for dir in ua/web test/webmail/browser; do
	mark="$dir/node_modules/.complete"
	if [ -e "$mark" ] && cmp -s "$mark" "$dir/package-lock.json"; then
		continue
	fi
	echo "install-npm-deps: fetching the packages of $dir"
	if (cd "$dir" && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error >/dev/null); then
		cp "$dir/package-lock.json" "$mark"
	else
		echo "install-npm-deps: npm failed in $dir; what needs it is skipped" >&2
		rm -rf "$dir/node_modules"
	fi
done
