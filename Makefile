# What is done with this tree. `verify` only reads, `fix` writes; a fresh machine needs cargo, a C compiler and make.

CARGO ?= cargo
# Builds take the versions that Cargo.lock names.
LOCKED = --locked

.DEFAULT_GOAL := help
.PHONY: alerts walk advisories browser help screenshots demo replay build test verify fix proto keep simulate models mutants crash speed

help: ## Say what can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo: ## Build the release and play four tiers on this machine
	$(CARGO) build $(LOCKED) --release --bin fengqiao --bin demo
	target/release/demo

FILE ?= sample
KILLS ?= 0
replay: ## Feed FILE, requests of Boston, through four tiers, kill the county KILLS times, and compare every end
	$(CARGO) build $(LOCKED) --release --bin fengqiao --bin replay
	target/release/replay $(FILE) --kills $(KILLS)

browser: ## Play a case through three tiers in a real browser; installs Debian's Chromium
	tests/browser/install.sh
	$(CARGO) build $(LOCKED) --bin fengqiao --bin browser
	target/debug/browser day

screenshots: ## Take pictures of every page into target/screenshots
	tests/browser/install.sh
	$(CARGO) build $(LOCKED) --bin fengqiao --bin browser
	target/debug/browser pictures target/screenshots

alerts: ## Check alert rules and figures with promtool; installs Debian's prometheus
	tests/alerts/install.sh
	promtool check rules deploy/alerts/*.yaml
	$(CARGO) build $(LOCKED) --bin fengqiao
	FENGQIAO_PROMTOOL=promtool $(CARGO) test $(LOCKED) --package fengqiao-tests --test system figures

walk: ## Play README and OPERATIONS literally, command by command, on fresh folders
	$(CARGO) build $(LOCKED) --bin fengqiao
	$(CARGO) test $(LOCKED) --package fengqiao-tests --test walk -- --nocapture --test-threads=1

build: ## Build everything for tests
	$(CARGO) build $(LOCKED) --workspace

# The tests run real processes of target/debug/fengqiao: the tests of the whole workspace build it first.
test: ## Run every test
	$(CARGO) test $(LOCKED) --workspace

# Installed below target once, at the version named here, so that what it refuses does not change by itself.
DENY_VERSION = 0.20.2
DENY = target/tools/bin/cargo-deny --config .deny.toml
$(firstword $(DENY)):
	$(CARGO) install --locked --quiet --root target/tools --version $(DENY_VERSION) cargo-deny

advisories: $(firstword $(DENY)) ## Ask the advisory database, by network, about every crate
	$(DENY) check advisories

verify: $(firstword $(DENY)) ## Check form, lints, documents, dependencies and the repository's own facts; write nothing in git
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(LOCKED) --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(LOCKED) --workspace --no-deps --document-private-items
	$(DENY) check bans licenses sources
	$(CARGO) test $(LOCKED) --package fengqiao-proto --test words
	$(CARGO) test $(LOCKED) --package fengqiao-tests --test repository

fix: proto ## Write what can be written: generated code, form
	$(CARGO) fmt --all

proto: ## Generate proto/src/gen from the .proto files
	$(CARGO) run --package fengqiao-proto --example generate

keep: ## At a release: keep today's words, after checking that those kept before still stand
	$(CARGO) test --package fengqiao-proto --test words kept
	cp proto/src/gen/fengqiao.v1.bin proto/tests/kept/v1.bin

SEEDS ?= 1000
simulate: ## Play SEEDS whole deployments on virtual time, or the one of FENGQIAO_SEED
	$(CARGO) run $(LOCKED) --release --package fengqiao-tests --bin simulate -- $(SEEDS)

models: ## Explore every model to its end, also the large ones, optimised
	$(CARGO) test $(LOCKED) --release --package fengqiao-tests --test models -- --include-ignored --test-threads=1

mutants: ## Break the code on purpose, one promise at a time, and see that a test notices
	$(CARGO) run $(LOCKED) --package fengqiao-tests --bin mutants

crash: ## Stop a node at every point, by kill and by power cut, rot its files, and look at what is left
	$(CARGO) build $(LOCKED) --release --package fengqiao-tests --bin crash
	target/release/crash all

# Measures on this machine, each figure beside its raw append and sync.
ifneq ($(wildcard tests/speed/main.rs),)
speed:
	$(CARGO) build $(LOCKED) --release --bin fengqiao
	$(CARGO) run $(LOCKED) --release --package fengqiao-tests --bin speed
endif
