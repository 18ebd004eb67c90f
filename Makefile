# The task surface. CI calls the same targets.
#
#   PYTHON           the interpreter to build .venv with (3.11 to 3.13)
#   TORCH_INDEX_URL  where to take PyTorch from, for example PyTorch's own index of CPU builds
#   DEMO_ARGS, TEST_ARGS, BENCH_ARGS   passed on to the command of that target

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKFLOWS := $(wildcard .github/workflows/*.yml)
TORCH_VERSION := $(shell sed -n 's/^torch==//p' constraints.txt)
TORCH_INDEX := $(if $(TORCH_INDEX_URL),--index-url $(TORCH_INDEX_URL))
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

# Tests at a time: most of them start processes of their own.
JOBS ?= 2

.PHONY: help setup cluster demo test lint fmt test-gpu test-matrix bench

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: $(STAMP) ## make .venv with everything pinned in constraints.txt

# PyTorch comes first and alone: its GPU builds pin a Triton of their own, its CPU builds pin none.
# Triton's pin in constraints.txt therefore counts only where PyTorch names none.
$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "no $(PYTHON) here: set PYTHON to a Python 3.11, 3.12 or 3.13" >&2; exit 2; }
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || {
		echo "$$($(PYTHON) --version) is not supported: set PYTHON to a Python 3.11, 3.12 or 3.13" >&2; exit 2; }
	$(PYTHON) -c 'import ensurepip, venv' || {
		echo "$(PYTHON) cannot make virtual environments: install its venv package (python3-venv)" >&2; exit 2; }
	echo "setting up $(VENV) (some minutes the first time)"
	rm -f $(STAMP)
	$(PYTHON) -m venv $(VENV)
	$(PIP) install $(TORCH_INDEX) torch==$(TORCH_VERSION)
	if $(BIN)/python -c 'import importlib.metadata as m, sys; sys.exit(not any(line.startswith("triton") for line in m.requires("torch")))'; then
		grep -v '^triton==' constraints.txt > $(VENV)/constraints.txt
	else
		cp constraints.txt $(VENV)/constraints.txt
	fi
	$(PIP) install -c $(VENV)/constraints.txt hatchling editables
	$(PIP) install -c $(VENV)/constraints.txt --no-build-isolation -e '.[runner,dev]'
	touch $(STAMP)

cluster: $(STAMP) ## Ray as well: what `--executor ray` and its tests need
	@$(PIP) install -c $(VENV)/constraints.txt --no-build-isolation -e '.[cluster]'

demo: $(STAMP) ## the whole path on this machine: no GPU, no account, no key
	@$(BIN)/python -m bot demo $(DEMO_ARGS)

test: $(STAMP) ## every test that this machine can run, JOBS at a time (2)
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(TEST_ARGS)

test-gpu: $(STAMP) ## the tests that need a CUDA GPU
	@$(BIN)/python -m pytest -m gpu $(TEST_ARGS)

test-matrix: $(STAMP) ## a kill at every step with every fault: half an hour
	@$(BIN)/python -m pytest -m matrix $(TEST_ARGS)

bench: $(STAMP) ## how long a verdict takes, and the acknowledgement of a delivery in a burst
	@$(BIN)/python -m pytest tests/bench --benchmark-only $(BENCH_ARGS)

fmt: $(STAMP) ## format and apply the safe fixes
	@$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

# Every linter runs even when an earlier one has complained, so that one call shows all findings.
lint: $(STAMP) ## every linter; changes nothing
	@failed=
	run() { echo "-- $$1"; shift; "$$@" || failed=yes; }
	run "ruff check" $(BIN)/ruff check .
	run "ruff format" $(BIN)/ruff format --check .
	run mypy $(BIN)/mypy
	run import-linter $(BIN)/lint-imports
	run zizmor $(BIN)/zizmor --offline --quiet --persona=pedantic .github
	run actionlint $(BIN)/actionlint -config-file .github/actionlint.yaml $(WORKFLOWS)
	run "workflow schema" $(BIN)/check-jsonschema --builtin-schema vendor.github-workflows $(WORKFLOWS)
	run "issue form schema" $(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/kernel-request.yml
	run "issue config schema" $(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	run hadolint $(BIN)/hadolint Dockerfile
	test -z "$$failed" || { echo "lint: findings above" >&2; exit 1; }
	echo "lint: clean"
