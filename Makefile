# connmgr. `make help` lists what there is.
export DOTNET_NOLOGO := 1
export DOTNET_CLI_TELEMETRY_OPTOUT := 1
export DOTNET_CLI_WORKLOAD_UPDATE_NOTIFY_DISABLE := true
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup ready build test unit netns netns-nft attrd demo bench inject fuzz lint size manuals deb test-deb test-release test-monitoring test-luci release install uninstall dropin soak soak-tests soak-verdict clean test-arm64-vm

HOST := $(shell uname -m)
ARTIFACT := artifacts/linux-$(or $(patsubst x86_64,x64,$(filter x86_64,$(HOST))),$(patsubst aarch64,arm64,$(filter aarch64,$(HOST))),arm)/connmgr
# linux-x64, static, stripped.
SIZE_BUDGET := 4600000

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what building and testing need (Debian 12 or later, root)
	@tests/prerequisites.sh

# Installs nothing: names what the tests lack.
ready:
	@tests/prerequisites.sh --check

build: ## the static executable, artifacts/RID/connmgr (./build.sh RID for another machine)
	@./build.sh

demo: setup build ## the main job, shown in a lab of network namespaces (root)
	@tests/netns/demo.sh

test: setup build ## install, build, and run all tests (root)
	@tests/run.sh

unit: ready build ## only the unit tests
	@dotnet run --project tests/ConnMgr.Tests --

netns: ready build ## only the lab's tests, on real packets (root)
	@tests/netns/run.sh

netns-nft: ready build ## the tests of the lockdown once more, where the device has nft and BusyBox alone (root)
	@LAB_FIREWALL=nft tests/netns/run.sh $$(cd tests/netns && ls 1[0-7]?-*.sh)

attrd: ready ## only the tests of the attrd shim
	@tests/attrd/run.sh

bench: setup build ## the figures of docs/figures.md, measured in the lab beside peers, which it fetches (root)
	@tests/prerequisites.sh bench
	@./build.sh linux-arm64
	@tests/netns/bench.sh

# HOURS=24 for a day, MINUTES=5 or SECONDS=90 for a try; SEED=N gives the events of an earlier run.
soak: ready build ## random events for an hour while a checker asks the kernel what must always hold (root)
	@tests/netns/soak.sh $(or $(SECONDS),$(and $(MINUTES),$$(($(MINUTES) * 60))),$$(($(or $(HOURS),1) * 3600))) $(SEED)

soak-tests: ready build ## the lab's tests of minutes, at their full length: about an hour and a half (root)
	@SOAK=1 LAB_LIMIT=3600 tests/netns/run.sh $$(cd tests/netns && grep -l '^soak ' [0-9]*.sh)

soak-verdict: setup build ## how soon a dead link is left, and that no other is, beside a script that pings every second (root)
	@tests/prerequisites.sh bench
	@tests/netns/verdict.sh

inject: ready build ## each system call of the daemon fails in turn, with each of its errors: hours on two cores (root)
	@pids=; for share in 0/4 1/4 2/4 3/4; do \
		INJECT=$$share LAB_LIMIT=36000 tests/netns/run.sh 227-faults & pids="$$pids $$!"; \
	done; failed=0; for pid in $$pids; do wait $$pid || failed=1; done; exit $$failed

test-arm64-vm: setup ## the drop-in in an emulated arm64 machine, which fetches Debian's kernel (root, ten minutes)
	@tests/prerequisites.sh vm
	@$(MAKE) --no-print-directory dropin ARCH=arm64 DEPLOYMENT=prod
	@tests/vm/run.sh

fuzz: ready ## the property tests for longer, and AFL++ and libFuzzer on each reader of foreign bytes (root, MINUTES=1 each)
	@tests/prerequisites.sh fuzz
	@CONNMGR_MODEL_STEPS=10000000 CONNMGR_ROUTE_TABLES=100000 CsCheck_Iter=2000000 dotnet run --project tests/ConnMgr.Tests -c Release --
	@tests/attrd/fuzz.sh build && tests/attrd/fuzz.sh new $$(( $(or $(MINUTES),1) * 60 ))
	@tests/fuzz.sh build && tests/fuzz.sh run $$(( $(or $(MINUTES),1) * 60 ))

lint: ready build ## formatting, analyzers, shellcheck
	@tests/lint.sh
	@echo "ok - make lint"

size: build ## fails if the executable is larger than its budget
	@size=$$(wc -c < $(ARTIFACT)); echo "$(ARTIFACT): $$size bytes, budget $(SIZE_BUDGET)"; test $$size -le $(SIZE_BUDGET)
	@echo "ok - make size"

manuals: build ## manual pages and completions, artifacts/manuals
	@packaging/manuals.sh

deb: manuals ## artifacts/connmgr_VERSION_ARCH.deb (ARCH=amd64|arm64, default: both)
	@$(foreach arch,$(or $(ARCH),amd64 arm64),./build.sh $(patsubst linux-amd64,linux-x64,linux-$(arch)) && packaging/deb.sh $(arch) &&) true

test-deb: deb ## the package's whole life in booted roots of bookworm and trixie (root, ten minutes; SUITES=)
	@tests/prerequisites.sh deb
	@tests/deb/run.sh $(SUITES)

test-monitoring: ready build ## the alert rules and the dashboard with Debian's promtool and Prometheus, which it fetches (root)
	@tests/monitoring/run.sh

test-luci: setup build ## the views for LuCI in headless Chromium, before a live daemon, which needs 400 MB more (root, three minutes)
	@tests/prerequisites.sh luci
	@tests/luci/run.sh

release: ready ## artifacts/release: tarballs, packages, drop-ins, SBOM, SHA256SUMS of VERSION (x64 and arm64)
	@packaging/release.sh

test-release: ready ## two releases in two directories, compared byte by byte (four minutes each)
	@tests/release.sh

install: ## below DESTDIR= (default: /), with DEPLOYMENT=prod|dev and INIT=systemd|openwrt|sysvinit|none; LUCI=1: views for LuCI
	@test -e $(ARTIFACT) || ./build.sh
	@LUCI=$(LUCI) ./install.sh $(ARTIFACT) "$(DESTDIR)/" $(or $(DEPLOYMENT),prod) $(or $(INIT),systemd)

uninstall: ## removes what `make install` put below DESTDIR; with DESTDIR=/ (default) it stops the daemon and unlocks first
	@./uninstall.sh "$(DESTDIR)/"

dropin: ## artifacts/connmgr-ARCH-DEPLOYMENT.tar.xz for a device's image (ARCH=arm64 DEPLOYMENT=prod; LUCI=1)
	@./build.sh linux-$(or $(ARCH),arm64)
	@LUCI=$(LUCI) ./dropin.sh $(or $(ARCH),arm64) $(or $(DEPLOYMENT),prod)

clean: ## remove what was built
	@rm -rf artifacts; find src tests \( -name bin -o -name obj \) -type d -prune -exec rm -rf {} +
