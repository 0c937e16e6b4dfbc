# One command each; every one sets up what it needs first. `make` alone lists them.
#
# Without make (Windows), the same by hand. On Windows write .venv\Scripts instead of .venv/bin:
#
#   set-up   python -m venv .venv
#            .venv/bin/python -m pip install --constraint constraints.txt --upgrade pip
#            .venv/bin/python -m pip install --constraint constraints.txt --editable .[demo,prometheus] --group dev
#   demo     .venv/bin/whatsself-otel demo
#   stack    .venv/bin/whatsself-otel stack up
#   check    .venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy
#   test     check, then .venv/bin/python tools/run_tests.py -m "not (e2e or collector or backend or proof or versions)"
#   versions .venv/bin/pytest -m versions
#   instructions  .venv/bin/python benchmarks/request_parts.py --check
#   native   python native/build.py
#   wheels   .venv/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir build/wheels ., then .venv/bin/python native/wheels.py
#   e2e      native, then .venv/bin/pytest -m "(e2e or collector or backend) and not proof"
#   proof    native, then .venv/bin/pytest -m proof
#   docs     .venv/bin/sphinx-build --quiet --nitpicky --fail-on-warning --keep-going docs build/docs && .venv/bin/python tools/check_site.py build/docs && .venv/bin/python tools/count_words.py && .venv/bin/python tools/check_prose.py

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SET_UP := $(VENV)/.set-up
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# What was said to this make is for it alone: the tests run make too.
unexport MAKEFLAGS MAKELEVEL PYTHON ARGS

.PHONY: help demo test versions instructions e2e stack proof docs coverage check format generate native wheels constraints set-up clean
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(SET_UP) ## set up, then follow one message from end to end (ARGS="--stack ..." is passed on)
	@$(BIN)/whatsself-otel demo $(ARGS)

test: check ## set up, then lint, types and the quick tests
	@$(BIN)/python tools/run_tests.py -m "not (e2e or collector or backend or proof or versions)" $(ARGS)

versions: $(SET_UP) ## what touches the SDK, on the oldest and the newest OpenTelemetry that pyproject.toml allows
	@$(BIN)/pytest -m versions $(ARGS)

instructions: $(SET_UP) ## fail if telemetry executes 5 % more a request than committed (needs valgrind; ARGS=--commit renews)
	@$(BIN)/python benchmarks/request_parts.py --check $(ARGS)

e2e: $(SET_UP) native ## set up, build the backends if needed, then every test that runs real programs
	@$(BIN)/pytest -m "(e2e or collector or backend) and not proof" $(ARGS)

stack: $(SET_UP) ## set up, then collector and backends in the foreground until Ctrl-C
	@$(BIN)/whatsself-otel stack up $(ARGS)

proof: $(SET_UP) native ## the long proofs: faults, load, abuse
	@$(BIN)/pytest -m proof $(ARGS)

docs: $(SET_UP) ## the documentation as a site in build/docs; a warning, a dead link, too many words or turned sentences are errors
	@$(BIN)/sphinx-build --quiet --nitpicky --fail-on-warning --keep-going docs build/docs
	@$(BIN)/python tools/check_site.py build/docs
	@$(BIN)/python tools/count_words.py
	@$(BIN)/python tools/check_prose.py

coverage: $(SET_UP) ## which branches of the package no test takes; fails below 95 % (Python 3.12 or newer; slow)
	@$(BIN)/python tools/check_coverage.py
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -m "not (proof or versions)" $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage json --quiet -o build/coverage.json
	@$(BIN)/python tools/check_coverage.py build/coverage.json

check: $(SET_UP) ## lint, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(SET_UP) ## put the code into form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

generate: $(SET_UP) ## write every generated file again
	@for tool in tools/generate_*.py; do $(BIN)/python $$tool || exit 1; done
	@$(BIN)/python native/build.py --regenerate

native: ## build the real backends that are not built yet (needs Go)
	@$(PYTHON) native/build.py

wheels: $(SET_UP) ## the package and the backends as wheels in build/wheels (needs Go; ARGS="--platform windows-x86_64" for others)
	@rm -f build/wheels/whatsself_otel-*.whl
	@$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir build/wheels .
	@$(BIN)/python native/wheels.py $(ARGS)

constraints: ## write constraints.txt again from the newest versions that pyproject.toml allows
	@rm -rf $(VENV)-fresh && $(PYTHON) -m venv $(VENV)-fresh
	@$(VENV)-fresh/bin/python -m pip install --quiet --upgrade pip
	@$(VENV)-fresh/bin/python -m pip install --quiet --editable '.[demo,prometheus,postgres]' --group dev
	@$(VENV)-fresh/bin/python -m pip freeze --all --exclude-editable --exclude setuptools > constraints.txt
	@rm -rf $(VENV)-fresh

set-up: $(SET_UP) ## the Python environment in .venv, when it is missing or older than its inputs

$(SET_UP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade pip
	@$(PIP) --editable '.[demo,prometheus]' --group dev
	@touch $@

clean: ## remove what was made here; built backends and their data lie elsewhere and stay
	@rm -rf $(VENV) $(VENV)-fresh build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
