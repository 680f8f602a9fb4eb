# KATO: the commands that the README and CI use. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PORT ?= 8000
WORKERS_FOR_TESTS ?= 3
# pytest rewrites hundreds of modules, which takes each process ten seconds unless it may keep them.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help install run up down check test torture soak engine-check engine-stalls engine-sanitize operator-truth operator-rivals operator-kills operator-storms operator-hostile fuzz audit e2e bench bench-operator dist images chart crds client format clean browser-test console-scale client-test

help: ## list these commands
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## create the virtual environment (.venv) that the other commands use

NATIVE := service/kato_service/search/native

$(STAMP): pyproject.toml client/pyproject.toml setup.py constraints.txt $(wildcard $(NATIVE)/*/*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "KATO needs Python 3.11 or newer; choose one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(PYTHON) e2e/testbed/testbed.py packages python3-venv
	@echo "installing into $(VENV), about a minute (to undo: rm -r $(VENV))"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --upgrade pip
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install -q -c constraints.txt -e '.[operator,service,traces,dev,fuzz,audit,release]' -e './client[subscribe,agents]'
	@touch $@

run: install ## start the service alone, with embedded stores, on 127.0.0.1 and PORT=8000
	@printf '%s\n' \
	  'Embedded stores are in ./data (to undo: rm -r data). Stop with Ctrl-C. In another terminal, try:' \
	  "  KATO=http://127.0.0.1:$(PORT)" \
	  "  SESSION=\$$(curl -fsS \$$KATO/v2/sessions -H 'content-type: application/json' -d '{\"user_id\": \"me\"}' | sed 's/.*\"session_id\":\"\([^\"]*\)\".*/\1/')" \
	  "  curl -fsS -o /dev/null \$$KATO/v2/sessions/\$$SESSION/observe-sequence -H 'content-type: application/json' -d '{\"observations\": [{\"strings\": [\"hello\"]}, {\"strings\": [\"world\"]}, {\"strings\": [\"again\"]}], \"learn_at_end\": true}'" \
	  "  curl -fsS -o /dev/null \$$KATO/v2/sessions/\$$SESSION/observe-sequence -H 'content-type: application/json' -d '{\"observations\": [{\"strings\": [\"hello\"]}, {\"strings\": [\"world\"]}]}'" \
	  "  curl -fsS \$$KATO/v2/sessions/\$$SESSION/predictions | python3 -m json.tool    # \"future\": [[\"again\"]]"
	@HOST=127.0.0.1 PORT=$(PORT) LOG_FORMAT=$${LOG_FORMAT:-console} exec $(BIN)/kato-service

up: ## start the platform: node (or current cluster), images, chart, a KatoInstance, a first prediction
	@$(PYTHON) e2e/kato_platform.py up $(if $(DIST),--dist $(DIST))

down: ## remove what `make up` started
	@$(PYTHON) e2e/kato_platform.py down

check: install ## check format, lint, types, import contracts, generated files and the chart
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m kato_operator.crd --check
	@$(BIN)/python client/make_synchronous.py --check
	@$(MAKE) --no-print-directory chart
	@if command -v gcc >/dev/null; then $(BIN)/python tests/native/build.py small; fi

test: install ## run unit, contract and integration tests on servers that they start and stop
	@$(PYTHON) e2e/testbed/testbed.py packages redis-server openssl
	@$(PYTHON) e2e/testbed/testbed.py binaries
	@$(BIN)/python -m pytest tests --ignore=tests/clients --ignore-glob="tests/integration/test_browser*" --ignore=tests/integration/console -n $(WORKERS_FOR_TESTS) --dist loadgroup $(PYTEST_ARGS)

browser-test: install ## show in Chromium that foreign pages can do nothing, and that /docs and /console work offline
	@$(PYTHON) e2e/testbed/testbed.py packages chromium
	@$(BIN)/python -m pytest tests/integration/test_browser*.py tests/integration/console $(PYTEST_ARGS)

console-scale: install ## drive the console in Chromium on an instance with CONSOLE_PATTERNS=100000 (2 minutes)
	@$(PYTHON) e2e/testbed/testbed.py packages chromium
	@CONSOLE_PATTERNS=$${CONSOLE_PATTERNS:-100000} $(BIN)/python -m pytest tests/integration/console/test_console_scale.py -s $(PYTEST_ARGS)

ADAPTERS := kato_client.frames.pandas kato_client.frames.polars kato_client.retrievers.langchain kato_client.retrievers.llamaindex

client-test: install ## test generated clients, the TypeScript client in Node.js and Chromium, and the adapters of the Python client
	@$(PYTHON) e2e/testbed/testbed.py packages chromium redis-server
	@$(BIN)/python client/client_tools.py
	@$(BIN)/python -m pytest tests/clients --ignore=tests/clients/adapters $(PYTEST_ARGS)
	@$(BIN)/python tests/clients/adapter_libraries.py build/adapters
	@build/adapters/bin/python -m mypy $(ADAPTERS:%=-m %)
	@build/adapters/bin/python -m pytest tests/clients/adapters $(PYTEST_ARGS)

engine-check: install ## compare the C engine with difflib over PATTERNS=100000, every match (4 minutes on 2 idle cores)
	@$(BIN)/python bench/check.py $${PATTERNS:-100000} $${QUERIES:-54}

engine-stalls: install ## measure event-loop stalls with PATTERNS=1000000 in memory (minutes; needs a quiet machine)
	@KATO_STALL_PATTERNS=$${PATTERNS:-1000000} KATO_MAX_STALL_MS=$${MAX_STALL_MS:-10} \
	  $(BIN)/python -m pytest -q -s -k "[c]" tests/contract/test_event_loop_stalls.py

torture: install ## kill, freeze and cut off every part, TORTURE_POINTS=200 times per kind of fault, from SEED (an hour)
	@$(PYTHON) e2e/testbed/testbed.py packages redis-server
	@$(PYTHON) e2e/testbed/testbed.py binaries
	@TORTURE_POINTS=$${TORTURE_POINTS:-200} $(BIN)/python -m pytest tests/torture -s -n 3 $(PYTEST_ARGS)
	@IN_FULL=1 $(BIN)/python -m pytest tests/contract/test_session_*.py -k cluster $(PYTEST_ARGS)

operator-truth: install ## hibernate, pause, edit and break an instance in TRUTH_STEPS=500 steps from SEED; no status may be a lie (3 minutes)
	@$(PYTHON) e2e/testbed/testbed.py binaries
	@TRUTH_STEPS=$${TRUTH_STEPS:-500} SEED=$${SEED:-$$RANDOM} $(BIN)/python -m pytest tests/integration/test_operator_truth.py -s $(PYTEST_ARGS)

operator-rivals: install ## let two operators with other images live side by side for RIVALS_S=600 seconds; no child may have two writers
	@$(PYTHON) e2e/testbed/testbed.py binaries
	@RIVALS_S=$${RIVALS_S:-600} $(BIN)/python -m pytest tests/integration/test_operator_rivals.py -s $(PYTEST_ARGS)

operator-kills: install ## kill the operator at every write of an instance's life, twice; the end must be the same (3 minutes)
	@$(PYTHON) e2e/testbed/testbed.py binaries
	@KILL_EVERY=$${KILL_EVERY:-1} $(BIN)/python -m pytest tests/integration/test_operator_kills.py -s $(PYTEST_ARGS)

operator-storms: install ## let STORM_SHARE=0.35 of the operator's requests fail, and the API server be away for OUTAGE_S=300 seconds
	@$(PYTHON) e2e/testbed/testbed.py binaries
	@STORM_SHARE=$${STORM_SHARE:-0.35} OUTAGE_S=$${OUTAGE_S:-300} SEED=$${SEED:-$$RANDOM} $(BIN)/python -m pytest tests/integration/test_operator_storms.py -s $(PYTEST_ARGS)

operator-hostile: install ## put hostile values into every field of an instance; none may make a child that the API server refuses (10 minutes)
	@$(PYTHON) e2e/testbed/testbed.py binaries
	@HOSTILE_CASES=$${HOSTILE_CASES:-1000000} $(BIN)/python -m pytest tests/integration/test_operator_hostile_specs.py -s $(PYTEST_ARGS)

fuzz: install ## send FUZZ_CASES=20000 generated requests per kind of test, from SEED, and judge every answer (half an hour)
	@$(PYTHON) e2e/testbed/testbed.py packages redis-server
	@FUZZ_CASES=$${FUZZ_CASES:-20000} SEED=$${SEED:-$$RANDOM} $(BIN)/python -m pytest tests/fuzz -s $(PYTEST_ARGS)

audit: install ## ask which dependencies have known vulnerabilities; check licences and the checksums of files taken from others
	@$(BIN)/python release/audit.py $(AUDIT_ARGS)

soak: install ## run mixed load for SOAK_MINUTES=20; memory, files, threads and keys must stay flat
	@$(PYTHON) e2e/testbed/testbed.py packages redis-server
	@SOAK_MINUTES=$${SOAK_MINUTES:-20} $(BIN)/python -m pytest tests/torture/test_soak.py -s $(PYTEST_ARGS)

engine-sanitize: install ## test and fuzz the C engine under address, undefined-behaviour and thread sanitizers
	@$(BIN)/python tests/native/sanitize.py $${FUZZ_SECONDS:-300}

e2e: install ## test the platform on a real Kubernetes node, with Helm, kubectl and HTTP only
	@$(if $(CLUSTER)$(KUBECONFIG),,$(PYTHON) e2e/testbed/testbed.py packages chromium)
	@$(BIN)/python -m pytest e2e -p no:cacheprovider --durations=0 --durations-min=5 $(PYTEST_ARGS)

bench-operator: install ## measure the operator with INSTANCES=50 (default) on a real API server
	@$(BIN)/python bench/operator_scale.py --instances $${INSTANCES:-50}

bench: install ## measure speed and memory: prints tables, writes JSON to build/bench
	@$(BIN)/python bench/run.py

dist: install ## build a release into dist/: wheels, sdists, npm package, chart, install.yaml, images, SBOMs, checksums
	@$(BIN)/python release/dist.py $(if $(IMAGES),--images $(IMAGES)) $(if $(BASE),--base $(BASE)) $(if $(ARCH),--arch $(ARCH))

images: ## build the container images and the test node's stand-ins
	@$(PYTHON) e2e/testbed/images.py

chart: ## lint and render the Helm chart
	@$(PYTHON) e2e/kato_platform.py lint-chart

crds: install ## generate the CRD from its models (crds/ and the chart's copy)
	@$(BIN)/python -m kato_operator.crd --write

client: install ## generate the synchronous Python client, and the types of the TypeScript client
	@$(BIN)/python client/make_synchronous.py
	@$(BIN)/python client/make_types.py

format: install ## format the code and apply automatic fixes
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## remove .venv, caches, build output and local data
	rm -rf $(VENV) .cache build dist data .mypy_cache .ruff_cache .pytest_cache
