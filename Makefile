# make            lists the targets
# make demo       sets everything up and runs the main job
# make test       sets everything up and runs all tests

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

# Where a change of Cargo.lock would go unnoticed, it is an error.
LOCKED := $(if $(CI),--locked)
# The tests kill the plugin at named points, which only this feature compiles in.
FEATURES := --features fail-points
# Counts of `make test-long`, where the tests' own are for every day.
LONG := ROTATIONS=10000 IDENTITY_PAIRS=10000000 KILL_ROUNDS=5 PROPTEST_CASES=20000
NOMAD ?= $(shell command -v nomad 2>/dev/null)

# A developer's own servers must not reach the tests through the environment.
CLEAN_ENV := env -u VAULT_ADDR -u VAULT_TOKEN -u VAULT_NAMESPACE -u VAULT_CACERT -u VAULT_SKIP_VERIFY -u BAO_ADDR -u BAO_TOKEN \
  -u BAO_NAMESPACE -u NOMAD_ADDR -u NOMAD_TOKEN -u NOMAD_NAMESPACE -u DOCKER_HOST -u DOCKER_CONTEXT \
  NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost RUST_BACKTRACE=1 LC_ALL=C.UTF-8

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install and start Docker Engine, images, OpenBao, PostgreSQL (root, Debian or Ubuntu)
	@scripts/setup

.PHONY: teardown
teardown: ## stop what setup started
	@scripts/teardown

.PHONY: build
build: ## build the plugin, target/release/nomad-driver-strongbox
	cargo build --release $(LOCKED)

.PHONY: test
test: setup ## run all tests, the real parts included
	$(CLEAN_ENV) cargo test $(LOCKED) $(FEATURES) </dev/null
	@$(if $(NOMAD),$(MAKE) --no-print-directory test-nomad NOMAD=$(NOMAD),\
	  echo 'nomad: none on PATH; `make test-nomad NOMAD=/path` runs the end-to-end suite')

.PHONY: test-long
test-long: setup ## run the tests that count for longer: 10,000 sets under readers, 10^7 names, five rounds of kills
	$(CLEAN_ENV) $(LONG) cargo test $(LOCKED) $(FEATURES) --lib -- lease:: identity:: domain:: readers_see_whole_sets </dev/null
	$(CLEAN_ENV) $(LONG) cargo test $(LOCKED) $(FEATURES) --test e2e -- reader:: kill_in_ </dev/null

.PHONY: test-nomad
test-nomad: setup ## run the end-to-end suite under a Nomad agent: NOMAD=/path/to/nomad
	@[ -x "$(NOMAD)" ] || { echo "test-nomad: name an executable, NOMAD=/path/to/nomad" >&2; exit 1; }
	$(CLEAN_ENV) NOMAD=$(abspath $(NOMAD)) cargo test $(LOCKED) $(FEATURES) --test nomad -- --ignored </dev/null

.PHONY: demo
demo: setup ## run the main job through the harness and tell its story
	cargo build --release $(LOCKED) --bins --example harness --example demo
	@$(CLEAN_ENV) cargo run --quiet --release $(LOCKED) --example demo

.PHONY: bench
bench: setup ## measure side by side with peers; writes target/bench/ (BENCH_PART=output,masks: these alone)
	cargo build --release $(LOCKED) --bins --example harness --example bench
	@$(CLEAN_ENV) cargo run --quiet --release $(LOCKED) --example bench

.PHONY: lint
lint: ## check format, lints, licences, bans and duplicates
	cargo fmt --check
	cargo clippy --quiet $(LOCKED) --all-targets $(FEATURES) -- -D warnings
	@scripts/deny

.PHONY: clean
clean: ## remove what was built; .dev stays, since servers run in it
	cargo clean
