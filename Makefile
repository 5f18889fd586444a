# Everything a contributor does, from a bare machine on: each target sets up what it needs and says so.
# Needed beforehand: make, cargo; Java 17, Maven and Node are installed with apt where they are missing.

.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
CARGO ?= cargo
FETCH := tests/servers/fetch.sh

# $(call step,text): what happens next, for whoever watches.
step = printf '\n==> %s\n' '$(1)' >&2

.PHONY: help setup setup-build build test sim lint demo clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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

lint: setup-build ## Check format, lints and documentation; warnings are errors
	@$(call step,checking the format)
	$(CARGO) fmt --check
	@$(call step,checking the lints (librdkafka takes a minute or two the first time))
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --all-targets --no-default-features -- -D warnings
	@$(call step,checking the documentation)
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
	    $(call step,checking the dependencies); $(CARGO) deny --locked check bans licenses sources; \
	else echo 'cargo-deny is not installed: deny.toml was not checked' >&2; fi

demo: setup ## Watch changes travel from a PostgreSQL server to a Kafka broker
	@$(call step,building the demo (librdkafka takes a minute or two the first time))
	$(CARGO) run --locked --example demo

clean: ## Remove what was built and the servers that were fetched
	$(CARGO) clean
	@$(FETCH) --remove
