# Every target sets up what it needs. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BIN := .venv/bin
INSTALLED := .venv/installed
T ?= tests
R ?=
JOBS ?= 2
DATA ?=
TRACKS ?= U S
METHODS ?=
OUT ?= evaluation
S ?=
QUICK ?=
COMPOSE := docker compose --file deploy/compose.yaml
# A file of tests stays on one worker, so that what it prepares is prepared once; in the order of tests/conftest.py.
PYTEST := $(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

.PHONY: help install demo kernels test quick check format rules bench bench-stream bench-web evaluate lock clean up down logs

help:  ## this list
	@echo "make COMMAND; each sets up what it needs"
	@echo
	@sed -n 's/^\([a-z-]*\):.*##/  \1\t/p' $(MAKEFILE_LIST) | expand -t 16

install: $(INSTALLED)  ## the virtual environment .venv, with pinned dependencies

$(INSTALLED): requirements.lock pyproject.toml
	@python=; \
	for each in "$${PYTHON:-}" python3 python3.13 python3.12 python3.11; do \
	  if [ -n "$$each" ] && "$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$each; break; fi; \
	done; \
	[ -n "$$python" ] || { echo "Missing: Python 3.11 or later (on Debian: apt install python3 python3-venv). Another one: make $(or $(MAKECMDGOALS),install) PYTHON=/path/to/python3"; exit 1; }; \
	"$$python" -c 'import ensurepip, venv' 2>/dev/null || { echo "Missing: the venv module of $$("$$python" -V) (on Debian: apt install python3-venv)."; exit 1; }; \
	echo "Setting up .venv with $$("$$python" -V) and $$(grep -c == requirements.lock) pinned packages (once, a minute or two)"; \
	[ -x $(BIN)/python ] && $(BIN)/python -m pip --version >/dev/null 2>&1 || "$$python" -m venv --clear .venv; \
	{ $(BIN)/python -m pip install --disable-pip-version-check -r requirements.lock && \
	  $(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e . ; } > .venv/install.log 2>&1 || { \
	  if grep -qiE 'connection|timed out|resolve|network|no matching distribution' .venv/install.log; then \
	    echo "Missing: a network, or a package index that has the pinned packages. The whole log: .venv/install.log"; \
	  else echo "pip could not install: $$(grep -m1 -i error .venv/install.log || tail -n 1 .venv/install.log) The whole log: .venv/install.log"; fi; exit 1; }; \
	touch $@

demo: install  ## a simulated bank streams in; alerts come out; cases wait in a queue
	@$(BIN)/aml demo

kernels: install  ## compile what the machine runs, before many processes need it
	@sh deploy/image/compile-kernels.sh $(CURDIR)/$(BIN)/aml > .venv/kernels.log 2>&1 || { cat .venv/kernels.log; exit 1; }

test: kernels  ## the whole suite                              (JOBS=2)
	@$(PYTEST) --durations 20 --doctest-modules tests monitor models

quick: install  ## tests that need no server and little time    (T=tests/engine)
	@$(PYTEST) -m "not slow and not kafka and not redis and not postgres and not prometheus and not s3 and not browser" $(T)

check: install  ## format, style, types, imports, docs, then quick
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/pytest --doctest-modules monitor models
	@$(MAKE) --no-print-directory quick

format: install  ## bring the code into its format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

rules: install  ## inline tests of the rules, mutants, lock       (R=AML-STR-001)
	@$(BIN)/aml rules test --mutate $(R)
	@$(BIN)/aml rules lock --check $(R)
	@[ -n "$(R)" ] || $(BIN)/aml rules coverage --check

bench: install  ## speed, as ratios to baselines of the same run
	@$(BIN)/python -m tests.bench.bench

bench-stream: install  ## rates and delays of the workers on Kafka  (QUICK=1)
	@$(BIN)/python -m tests.bench.stream.stream_bench $(if $(QUICK),--quick)

bench-web: install  ## pages of the workbench on 100,000 cases
	@$(BIN)/python -m tests.bench.web_pages

evaluate: install  ## detection on labelled streams           (DATA=folder TRACKS="U S" METHODS= OUT=evaluation)
	@[ -n "$(DATA)" ] || { echo "Name a folder of labelled streams:  make evaluate DATA=folder   (docs/evaluating.md has the columns)"; exit 2; }
	@$(BIN)/aml evaluate $(DATA) $(addprefix --track ,$(TRACKS)) $(addprefix --only ,$(METHODS)) --out $(OUT) --alerts-out $(OUT)/alerts

up:  ## the whole distributed system in Docker, on this machine
	@docker compose version >/dev/null 2>&1 || { echo "Missing: Docker with its compose plugin, 2.24 or later. Without it the servers alone: python -m deploy.servers (docs/servers.md)"; exit 1; }
	@sh deploy/make-secrets.sh deploy/secrets
	@mkdir -p deploy/inputs
	@$(COMPOSE) up --build --detach --wait || { echo "Not everything is ready:"; $(COMPOSE) ps --all; echo "What they say: make logs S=kafka"; exit 1; }
	@echo "Kafka 127.0.0.1:9092   Grafana http://127.0.0.1:3000 (admin, deploy/secrets/grafana_password)   Prometheus http://127.0.0.1:9090"
	@echo "Payments in: .venv/bin/aml produce FILE   what the workers say: make logs   stop: make down"

down:  ## stop it; topics, cases and state stay in its volumes
	@$(COMPOSE) down

logs:  ## what its services say                             (S=score)
	@$(COMPOSE) logs --follow --tail 100 $(S)

lock: install  ## choose newer dependencies within pyproject.toml
	@$(BIN)/python -m venv .venv/lock-tools && .venv/lock-tools/bin/pip install --quiet pip-tools
	@.venv/lock-tools/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --no-header --no-annotate --no-emit-index-url \
	  --no-emit-trusted-host --no-emit-find-links --extra dev --output-file requirements.lock pyproject.toml

clean:  ## remove what the other commands made
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache demo-data build dist bench.json bench-stream.json
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
