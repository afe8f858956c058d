# Postrider's chores. `make test` is everything a change must pass; it needs Go, make and a Debian or Ubuntu system.

GO      ?= go
FUZZTIME ?= 1m
# How often test/crash kills a server and takes its power, and at how many of its calls the disk fails, in `make crash` and in `make soak`.
KILLS      ?= 100
POWER      ?= 40
CALLS      ?= 60
SOAKKILLS  ?= 1000
SOAKPOWER  ?= 200
SOAKCALLS  ?= all
RAPIDCHECKS ?= 20000
# The checker stays out of go.mod: it is no part of the product.
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: demo build deps test format vet check race fuzz bench bench-peers soak crash interop webmail rfc

# The whole system on loopback with a throw-away directory.
demo:
	$(GO) run ./cmd/postrider demo

build:
	CGO_ENABLED=0 $(GO) build -o postrider ./cmd/postrider

# Programs by others that the suites talk to.
deps:
	tools/install-test-deps.sh
	tools/install-npm-deps.sh

test: deps format vet
	CGO_ENABLED=0 $(GO) test -timeout 20m ./...

format:
	tools/check-format.sh

vet:
	$(GO) vet ./...

# Format, vet and staticcheck. Without a network staticcheck is left out, and it says so.
check: format vet
	tools/lint.sh $(STATICCHECK) ./...

race:
	CGO_ENABLED=1 $(GO) test -race -short -timeout 30m ./...

# Every fuzz target, one after the other, each for FUZZTIME. PACKAGES narrows it.
fuzz:
	FUZZTIME=$(FUZZTIME) tools/fuzz.sh $(or $(PACKAGES),./...)

bench:
	$(GO) test -run '^$$' -bench . -benchmem $(or $(PACKAGES),./...)

# Postrider against Debian's Postfix and Dovecot, on this machine: an hour or so, as root. It writes the figures of
# docs/performance.md anew. BENCHFLAGS narrows it: BENCHFLAGS="-works inbound -rounds 3".
bench-peers:
	tools/install-bench-deps.sh
	CGO_ENABLED=0 $(GO) run ./test/load/cmd -out docs/performance.md $(BENCHFLAGS)

interop: deps
	CGO_ENABLED=0 $(GO) test -count 1 -timeout 15m -v ./test/interop/...

# All browser tests, those that measure included, on a quiet machine.
webmail: deps
	WEBMAIL_MORE=1 CGO_ENABLED=0 $(GO) test -count 1 -timeout 30m -v ./test/webmail/...

crash:
	CRASH_KILLS=$(KILLS) CRASH_POWER=$(POWER) CRASH_CALLS=$(CALLS) CGO_ENABLED=0 $(GO) test -count 1 -timeout 60m -v ./test/crash/...

# Hours, not minutes: many more kills, and property tests with many more cases.
soak:
	CRASH_KILLS=$(SOAKKILLS) CRASH_POWER=$(SOAKPOWER) CRASH_CALLS=$(SOAKCALLS) CGO_ENABLED=0 $(GO) test -count 1 -timeout 8h -v ./test/crash/...
	tools/rapid.sh $(RAPIDCHECKS)

# Writes docs/rfc.md anew from the RFC references in the code.
rfc:
	$(GO) run ./tools/rfcindex/cmd -o docs/rfc.md
