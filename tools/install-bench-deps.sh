#!/bin/sh
# Installs the Debian packages that `make bench-peers` compares Postrider with.
set -eu
exec "$(dirname "$0")/install-test-deps.sh" postfix dovecot-core dovecot-imapd dovecot-lmtpd dovecot-pop3d
