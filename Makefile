# Everything a contributor does, from a bare machine on: each target sets up what it needs and says so.
# Needed beforehand: make, cargo; Java 17, Maven and Node are installed with apt where they are missing.

.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
CARGO ?= cargo
FETCH := tests/servers/fetch.sh

# $(call step,text): what happens next, for whoever watches.
step = printf '\n==> %s\n' '$(1)' >&2

.PHONY: help setup setup-build build test sim fuzz chaos chaos-control large lint demo bench callgrind clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Get what tests and demo run: build packages, PostgreSQL 12-18, a Kafka broker (no Docker)
	@$(FETCH)

setup-build:
	@$(FETCH) build

build: setup-build ## Build the pgsluice command, optimised
	@$(call step,building pgsluice (librdkafka takes a minute or two the first time))
	$(CARGO) build --release --locked

test: setup ## Run every test, those against real servers included
	@$(call step,building the tests (librdkafka takes a minute or two the first time))
	$(CARGO) test --locked --no-run
	@$(call step,running the tests)
	$(CARGO) test --locked
	@$(call step,letting the simulator find the faults that are put in on purpose)
	$(CARGO) test --locked --features sabotage --test sim sabotage

# One seed of them is replayed with its trace by PGSLUICE_SEED=N cargo test --test sim -- --nocapture
SEEDS ?= 20000
sim: ## Run the pipeline in a simulated world with faults, SEEDS=100000 times (no server needed)
	@$(call step,building the simulator)
	$(CARGO) test --release --locked --no-default-features --test sim --no-run
	@$(call step,running $(SEEDS) seeds)
	PGSLUICE_SEEDS=$(SEEDS) $(CARGO) test --release --locked --no-default-features --test sim every_promise

SECONDS_EACH ?= 60
TARGET ?=
fuzz: setup-build ## Fuzz each target for SECONDS_EACH=60, or one with TARGET=test_decoding (no server needed)
	@fuzz/run.sh $(SECONDS_EACH) $(TARGET)

# PROGRAM runs another build than the optimised one.
MINUTES ?= 20
SEED ?= 1
MAJOR ?= 17
PROGRAM ?= $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/release/pgsluice
# $(call real,filter,variables): some of the tests against real servers, on the optimised program.
real = PGSLUICE_TEST_PROGRAM=$(PROGRAM) $(2) $(CARGO) test --locked --test real -- --test-threads 1 $(1)

chaos: setup build ## Let everything fail under load for MINUTES=20 and judge what came of it (SEED=1, MAJOR=17)
	@$(call step,chaos for $(MINUTES) minutes with seed $(SEED) on PostgreSQL $(MAJOR))
	@$(call real,chaos::,PGSLUICE_CHAOS_MINUTES=$(MINUTES) PGSLUICE_CHAOS_SEED=$(SEED) PGSLUICE_CHAOS_MAJOR=$(MAJOR))

chaos-control: setup ## Prove that the checker of `make chaos` finds a program that confirms too early
	@$(call step,building a program with a deliberate fault)
	$(CARGO) test --locked --features sabotage --test real -- --test-threads 1 chaos_control::

large: setup build ## Test what is larger than usual in full: 10,000,000 rows, 100 MB, 1,000 tables (minutes)
	@$(call step,testing what is larger than usual)
	@$(call real,large::,PGSLUICE_TEST_LARGE=1)

lint: setup-build ## Check format, lints and documentation; warnings are errors
	@$(call step,checking the format)
	$(CARGO) fmt --check
	$(CARGO) fmt --check --manifest-path fuzz/Cargo.toml
	@$(call step,checking the lints (librdkafka takes a minute or two the first time))
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --all-targets --no-default-features -- -D warnings
	$(CARGO) clippy --locked --lib --bins --manifest-path fuzz/Cargo.toml -- -D warnings
	@$(call step,checking the documentation)
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
	    $(call step,checking the dependencies); $(CARGO) deny --locked check bans licenses sources; \
	else echo 'cargo-deny is not installed: deny.toml was not checked' >&2; fi

demo: setup-build ## Watch changes travel from a PostgreSQL server to a Kafka broker
	@$(call step,building pgsluice and the demo (unoptimised: that is sooner done; some minutes the first time))
	$(CARGO) build --locked --bin pgsluice --example demo
	@$(call step,starting the demo)
	@exec $(CARGO) run --quiet --locked --example demo

bench: setup ## Measure the pipeline against pg_recvlogical (minutes; wants a quiet machine)
	@command -v pg_recvlogical >/dev/null || ls /usr/lib/postgresql/*/bin/pg_recvlogical >/dev/null 2>&1 || \
	    { $(call step,installing pg_recvlogical); apt-get install -y postgresql-client; }
	@$(call step,building the benchmark (librdkafka takes a minute or two the first time))
	$(CARGO) bench --locked --bench pipeline -- $(BENCH)

callgrind: setup-build ## Count the instructions that decoding and encoding a row take (no quiet machine needed)
	@command -v valgrind >/dev/null || { $(call step,installing valgrind); apt-get install -y valgrind; }
	@$(call step,building what is counted)
	$(CARGO) bench --locked --no-default-features --profile profiling --bench instructions

clean: ## Remove what was built and the servers that were fetched
	$(CARGO) clean
	@$(FETCH) --remove
