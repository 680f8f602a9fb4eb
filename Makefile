# KATO: what the README and CI call. `make` alone lists everything.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PORT ?= 8000
WORKERS_FOR_TESTS ?= 2

.PHONY: help install run up down check test torture soak engine-check engine-stalls engine-sanitize e2e bench images chart crds format clean

help: ## list these commands
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## make the virtual environment (.venv) with everything the other commands need

NATIVE := service/kato_service/search/native

$(STAMP): pyproject.toml setup.py constraints.txt $(wildcard $(NATIVE)/*/*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "KATO needs Python 3.11 or newer; name one with: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(PYTHON) e2e/testbed/testbed.py packages python3-venv
	@echo "installing into $(VENV) (about a minute; undo: rm -r $(VENV))"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --upgrade pip
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install -q -c constraints.txt -e '.[operator,service,dev]'
	@touch $@

run: install ## start the service alone, with embedded stores, on http://127.0.0.1:$(PORT)
	@printf '%s\n' \
	  'Embedded stores under ./data (undo: rm -r data). Stop with Ctrl-C. In another terminal, try:' \
	  "  S=\$$(curl -s -X POST http://127.0.0.1:$(PORT)/v2/sessions -H 'content-type: application/json' -d '{\"user_id\":\"me\"}' | sed 's/.*\"session_id\":\"\([^\"]*\)\".*/\1/')" \
	  "  curl -s -X POST http://127.0.0.1:$(PORT)/v2/sessions/\$$S/observe-sequence -H 'content-type: application/json' -d '{\"observations\":[{\"strings\":[\"hello\"]},{\"strings\":[\"world\"]},{\"strings\":[\"again\"]}],\"learn_at_end\":true}'" \
	  "  curl -s -X POST http://127.0.0.1:$(PORT)/v2/sessions/\$$S/observe-sequence -H 'content-type: application/json' -d '{\"observations\":[{\"strings\":[\"hello\"]},{\"strings\":[\"world\"]}]}' && curl -s http://127.0.0.1:$(PORT)/v2/sessions/\$$S/predictions"
	@HOST=127.0.0.1 PORT=$(PORT) LOG_FORMAT=$${LOG_FORMAT:-console} exec $(BIN)/kato-service

up: ## the platform: node (or current cluster) → images → chart → a KatoInstance → a first prediction
	@$(PYTHON) e2e/kato_platform.py up

down: ## take away what `make up` made
	@$(PYTHON) e2e/kato_platform.py down

check: install ## format, lint, types, import contracts, generated files, chart
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m kato_operator.crd --check
	@$(MAKE) --no-print-directory chart
	@if command -v gcc >/dev/null; then $(BIN)/python tests/native/build.py small build/engine/small; fi

test: install ## unit, contract and integration tests, on servers that the tests start and stop
	@$(PYTHON) e2e/testbed/testbed.py packages redis-server
	@$(PYTHON) e2e/testbed/testbed.py binaries
	@$(BIN)/python -m pytest tests -n $(WORKERS_FOR_TESTS) --dist loadgroup $(PYTEST_ARGS)

engine-check: install ## full answers of the compiled engine against difflib over 100 000 patterns (4 minutes on 2 idle cores)
	@$(BIN)/python bench/check.py $${PATTERNS:-100000} $${QUERIES:-54}

engine-stalls: install ## how long the event loop stands still beside a million patterns (minutes; quiet machine)
	@KATO_STALL_PATTERNS=$${PATTERNS:-1000000} KATO_MAX_STALL_MS=$${MAX_STALL_MS:-10} \
	  $(BIN)/python -m pytest -q -s -k "[c]" tests/contract/test_event_loop_stalls.py

torture: install ## kill, freeze and cut off everything, TORTURE_POINTS=200 times a kind, from SEED=…: an hour
	@$(PYTHON) e2e/testbed/testbed.py packages redis-server
	@$(PYTHON) e2e/testbed/testbed.py binaries
	@TORTURE_POINTS=$${TORTURE_POINTS:-200} $(BIN)/python -m pytest tests/torture -s -n 3 $(PYTEST_ARGS)
	@IN_FULL=1 $(BIN)/python -m pytest tests/contract/test_session_*.py -k cluster $(PYTEST_ARGS)

soak: install ## mixed load for SOAK_MINUTES=20; what the service holds has to stay flat
	@$(PYTHON) e2e/testbed/testbed.py packages redis-server
	@SOAK_MINUTES=$${SOAK_MINUTES:-20} $(BIN)/python -m pytest tests/torture/test_soak.py -s $(PYTEST_ARGS)

engine-sanitize: install ## the compiled engine under sanitizers of memory, behaviour and threads: tests and a fuzzer
	@$(BIN)/python tests/native/sanitize.py build/engine $${FUZZ_SECONDS:-300}

e2e: install ## the whole platform on a real Kubernetes node, by Helm, kubectl and HTTP only
	@$(BIN)/python -m pytest e2e -p no:cacheprovider --durations=0 --durations-min=5 $(PYTEST_ARGS)

bench: install ## measure; prints tables and writes JSON to build/bench
	@$(BIN)/python bench/run.py

images: ## build the container images (and the test node's stand-ins)
	@$(PYTHON) e2e/testbed/images.py

chart: ## lint and render the Helm chart
	@$(PYTHON) e2e/kato_platform.py lint-chart

crds: install ## write the CRD from its models (crds/ and the chart's copy)
	@$(BIN)/python -m kato_operator.crd --write

format: install ## format and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## remove the environment, caches and local data
	rm -rf $(VENV) .cache build dist data .mypy_cache .ruff_cache .pytest_cache
