# Needs Python 3.11 or newer, git and make. Another Python: make PYTHON=python3.12 up
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
RUNTIME := .venv/.runtime
READY := .venv/.ready
WORKERS := --numprocesses=3 --dist=worksteal  # tests wait for processes: three keep two cores busy

.DEFAULT_GOAL := help
.PHONY: help up test test-all check bench lock clean

help:  ## show this help
	@sed -n 's/^\([a-z-]*\):.*##/make \1\t/p' $(MAKEFILE_LIST)

up: $(RUNTIME)  ## start everything in one process; Ctrl-C stops it
	@$(BIN)/handrail up

test: $(READY)  ## run the tests in a few minutes: at least one case of each promise
	@$(BIN)/python -m pytest $(WORKERS)

test-all: $(READY)  ## run all cases with fresh seeds and 2,000 random kills; takes long
	@$(BIN)/python -m pytest $(WORKERS) --all --fresh-seeds --kills 2000 --session-timeout 14400

check: $(READY)  ## check format, lint, types, imports, words, documents and architecture
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.plain_words
	$(BIN)/python -m tests.document_rules
	$(BIN)/python -m tests.architecture_rules

bench: $(READY)  ## measure speed and size, beside raw commits of the same database
	@$(BIN)/python -m tests.bench

PIP_COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe \
  --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host
PROJECT := $(BIN)/python -c 'import sys, tomllib; table = tomllib.load(open("pyproject.toml", "rb")); \
  print(*table[sys.argv[1]][sys.argv[2]], sep="\n")'

# pip-compile reads neither build requirements nor dependency groups, so they are passed on stdin.
lock: $(READY)  ## pin the dependencies of pyproject.toml, with hashes
	@$(PROJECT) build-system requires | $(PIP_COMPILE) --output-file=requirements.lock pyproject.toml -
	@$(PROJECT) dependency-groups dev | $(PIP_COMPILE) --constraint=requirements.lock --output-file=requirements-dev.lock -

clean:  ## remove generated files; .handrail stays
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNTIME): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Handrail needs Python 3.11 or newer: make PYTHON=python3.12 up")'
	@echo "Creating .venv from requirements.lock; this takes about a minute, once."
	@$(PYTHON) -m venv .venv
	@$(PIP) install --quiet --require-hashes --requirement requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(READY): $(RUNTIME) requirements-dev.lock
	@echo "Adding the tools for tests and checks from requirements-dev.lock to .venv, once."
	@$(PIP) install --quiet --require-hashes --requirement requirements-dev.lock
	@touch $@
