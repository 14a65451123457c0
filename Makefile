# `make demo` and `make test` need git, make, Python 3.10 or newer and a C compiler; everything else they install themselves.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= $(shell scripts/find_pythons.sh --first)
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
VENV := .venv-$(VERSION)
DEMO_VENV := .venv-demo
RUN := $(VENV)/bin/python
# A file of tests stays with one process, so that what it builds is built once.
PARALLEL := $(RUN) -m pytest -n auto --dist loadfile
SOURCES := src tests scripts bench

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(DEMO_VENV)/.ready ## install into an own environment and check the sample that ships with the package
	@$(DEMO_VENV)/bin/python scripts/demo.py

test: $(VENV)/.ready ## the whole suite, with this Python
	$(PARALLEL)

test-pythons: ## unit and integration tests with the oldest and the newest other CPython on this machine (`make test` takes the first)
	@for python in $$(scripts/find_pythons.sh --others); do \
	    $(MAKE) --no-print-directory test-python PYTHON=$$python; \
	done

test-python: $(VENV)/.ready
	$(PARALLEL) -q tests/unit tests/integration

test-loader: $(VENV)/.ready ## hold the verdicts against the real dynamic loader, on every object of the machine
	GLIBC_GUARD_ALL_OBJECTS=1 $(PARALLEL) tests/loader

test-e2e: $(VENV)/.ready ## run the Action for real: by the runner harness and by act
	$(PARALLEL) tests/e2e

lint: $(VENV)/.ready ## ruff, mypy, the one-way rule of the rooms, workflows, shell scripts
	$(RUN) -m ruff format --check $(SOURCES)
	$(RUN) -m ruff check $(SOURCES)
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/zizmor --offline --no-progress --quiet action.yml .github examples
	scripts/shellcheck.sh

bench: $(VENV)/.ready ## all of docs/performance.md: beside the peers on real wheels (downloads them), on generated objects, the Action
	$(RUN) -m bench.compare --write

fuzz: ## a million executions of each reader under atheris (an hour), into docs/security.md
	scripts/fuzz.sh --runs 1000000 --record docs/security.md

fuzz-short: ## a few seconds of each reader under atheris
	scripts/fuzz.sh --seconds 3 --jobs 2

sbom: ## the bill of materials of what the Action installs (CycloneDX), to standard output
	@$(PYTHON) scripts/make_sbom.py
bench-scale: $(VENV)/.ready ## docs/scale.md: what many wheels cost, from files and from a server on this machine (downloads them)
	$(RUN) -m bench.scale --write

survey: $(VENV)/.ready ## all wheels of bench/wheels.toml beside auditwheel, into docs/real-wheels.md; docs/site-packages.md
	$(RUN) -m bench.survey --write
	$(RUN) -m bench.site_packages --write

zipapp: $(VENV)/.ready ## dist/glibc-guard.pyz: one file for this Python on this platform
	mkdir -p dist
	$(RUN) scripts/make_zipapp.py dist/glibc-guard.pyz

lock: $(VENV)/.ready ## renew the hash-locked requirements
	$(RUN) scripts/update_action_lock.py
	scripts/lock_tests.sh $(VENV)/bin/uv

data: $(VENV)/.ready ## regenerate the tables in src/glibc_guard/data and the JSON Schema
	$(RUN) scripts/update_report_schema.py
	$(RUN) scripts/update_advice.py
	$(RUN) scripts/update_symbol_guide.py
	$(RUN) scripts/update_rule_help.py
	$(RUN) scripts/update_man_page.py
	$(RUN) scripts/update_picture.py
	$(RUN) scripts/update_reference.py
	$(RUN) scripts/update_manylinux_policies.py
	$(RUN) scripts/update_glibc_symbols.py
	$(RUN) scripts/update_build_images.py

docs: .venv-docs/.ready ## the documentation as a site in site/; a broken link is an error
	.venv-docs/bin/python -m mkdocs build --strict --quiet

clean: ## remove what the other targets made
	rm -rf .venv-* site .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(VENV)/.ready: tests/requirements.txt pyproject.toml
	scripts/make_environment.sh $(PYTHON) $(VENV) tests/requirements.txt

$(DEMO_VENV)/.ready: scripts/action/requirements.txt pyproject.toml
	scripts/make_environment.sh $(PYTHON) $(DEMO_VENV) scripts/action/requirements.txt

.venv-docs/.ready: scripts/docs/requirements.txt
	scripts/make_environment.sh $(PYTHON) .venv-docs scripts/docs/requirements.txt

.PHONY: help demo test test-pythons test-python test-loader test-e2e lint docs bench bench-scale fuzz fuzz-short sbom survey zipapp lock data clean
