.DEFAULT_GOAL := help
.PHONY: help install clients demo docs test fuzz siege mutants bench results memory lock format clean

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
BIN := .venv/bin
CLIENTS := tests/clients/node_modules/.chromium/chromium
JOBS ?= 2
PYTEST_ARGS ?=
LOCK_ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: .venv/installed ## make .venv with what requirements.lock names and this project

clients: $(CLIENTS) ## install what tests/clients runs exported models on: Node's packages, with a Chromium

demo: install ## train, export and verify the sentiment model
	$(BIN)/python -m pipeline.demo

docs: install ## build the documentation into site/
	$(BIN)/python -m sphinx --fail-on-warning --fresh-env --quiet \
		--conf-dir docs/building --doctree-dir build/doctrees docs site

test: install clients ## every check that CI runs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

FUZZ ?= 5000
fuzz: install ## export FUZZ=5000 random models, and compare every number
	FUZZ=$(FUZZ) $(BIN)/python -m pytest -n $(JOBS) tests/exports/test_fuzz.py

MUTANTS ?= 100
SEED ?= 0
ONLY ?=
mutants: install ## put MUTANTS=100 mistakes into the code, by SEED=0, and list those that no test notices; ONLY=exports/
	$(BIN)/python -m benchmarks.mutants --size $(MUTANTS) --seed $(SEED) --only "$(ONLY)"

SIEGE ?= 5000
siege: install ## send SIEGE=5000 random requests to the server, and damage as many files; it takes hours
	SIEGE=$(SIEGE) $(BIN)/python -m pytest -n $(JOBS) -k siege tests

bench: install ## measure speed, and write docs/benchmarks, linear, litert, formats, serving and grid
	$(BIN)/python -m benchmarks.run
	$(BIN)/python -m benchmarks.linear
	$(BIN)/python -m benchmarks.litert
	$(BIN)/python -m benchmarks.formats
	$(BIN)/python -m benchmarks.serving
	$(BIN)/python -m benchmarks.grid

results: install ## train the seeds that docs/results.json lacks, of all presets or TASKS="digits ...", and write docs/results.md
	$(BIN)/python -m benchmarks.results $(TASKS)

memory: install ## train what docs/memory.json lacks: layers that remember over several gaps; write docs/memory.md
	$(BIN)/python -m benchmarks.memory

# Without the machine's pip configuration, so that no local wheel gets into the lock.
lock: install ## write requirements.lock anew; LOCK_ARGS=--upgrade for newer versions
	PIP_CONFIG_FILE=/dev/null PIP_FIND_LINKS= CUSTOM_COMPILE_COMMAND="make lock" \
	$(BIN)/pip-compile pyproject.toml --extra dev --output-file requirements.lock --quiet \
		--generate-hashes --unsafe-package keras-recurrent --strip-extras --no-build-isolation \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options $(LOCK_ARGS)

format: install ## fix and format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove .venv, caches and builds; runs/ stays
	rm -rf .venv tests/clients/node_modules .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist site *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Some packages come as source only. pip and setuptools go first, so that the locked setuptools builds them.
.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; v < (3, 11) and sys.exit(f"Python 3.11 or newer is needed; {sys.executable} is {v[0]}.{v[1]}. Set PYTHON=...")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv
	@awk '/^[a-z]/ { on = /^(pip|setuptools)==/ } on' requirements.lock > .venv/first.txt
	$(BIN)/python -m pip install --require-hashes -r .venv/first.txt
	$(BIN)/python -m pip install --require-hashes --no-build-isolation -r requirements.lock
	$(BIN)/python -m pip install --no-deps --no-build-isolation --editable .
	@touch $@

$(CLIENTS): tests/clients/package-lock.json tests/clients/.npmrc tests/clients/unpack.mjs
	@command -v npm > /dev/null || { echo "Node.js 20.11 or newer is needed, with npm." >&2; exit 1; }
	cd tests/clients && npm ci && node unpack.mjs
	@touch $@
