#!/bin/sh
# Installs the Debian packages that the test suites talk to. Silent when all are there. No service is left running:
# the suites start their own instances with their own directories. Given arguments, it installs those packages instead.
set -eu

packages="swaks msmtp curl mutt isync fetchmail postfix dovecot-imapd openssl ca-certificates
libnet-ssleay-perl libio-socket-ssl-perl libauthen-sasl-perl nsd ldnsutils unbound python3-dkim python3-nacl
iproute2 hostname bind9 bind9-utils bind9-dnsutils pebble opendkim opendmarc
nginx libnginx-mod-stream caddy chromium libxml2-utils zbar-tools"
[ $# = 0 ] || packages="$*"

command -v dpkg-query >/dev/null 2>&1 || {
	echo "install-test-deps: this is no Debian system; install by hand what stands for: $packages" >&2
	exit 1
}

missing=""
for p in $packages; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true)
	[ "$status" = installed ] || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
echo "install-test-deps: installing$missing"

if [ "$(id -u)" = 0 ]; then
	root=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
	root="sudo -n"
else
	echo "install-test-deps: run as root, or allow sudo without a password, or install$missing first" >&2
	exit 1
fi

# policy-rc.d keeps packages from starting their services. One that is there already is put back.
policy=/usr/sbin/policy-rc.d
kept=$(mktemp)
had=no
if [ -e "$policy" ]; then
	cp -p "$policy" "$kept"
	had=yes
fi
restore() {
	if [ "$had" = yes ]; then
		$root cp -p "$kept" "$policy"
	else
		$root rm -f "$policy"
	fi
	rm -f "$kept"
}
trap restore EXIT
trap 'exit 1' HUP INT TERM
printf '#!/bin/sh\nexit 101\n' | $root tee "$policy" >/dev/null
$root chmod 755 "$policy"

install() {
	# shellcheck disable=SC2086
	$root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 \
		--no-install-recommends install $missing </dev/null
}
log=$(mktemp)
trap 'restore; rm -f "$log"' EXIT
if ! { $root apt-get -q update && install; } >"$log" 2>&1; then
	tail -n 40 "$log" >&2
	echo "install-test-deps: apt-get failed" >&2
	exit 1
fi
echo "install-test-deps: done"
