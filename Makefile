# The doors of this project. `make demo` and `make test` set up everything they need in .venv.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: demo test soak check bench lock clean

demo: .venv/.runtime          ## run the whole job once, on embedded parts
	$(BIN)/task-audit demo

test: .venv/.development      ## run the test suite
	$(BIN)/python -m pytest -n 2

soak: .venv/.development      ## run the tests that take minutes
	$(BIN)/python -m pytest -n 2 -m soak

check: .venv/.development     ## formatting, lint, types, direction of the rooms
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.development     ## measure the job beside its parts; prints ratios
	$(BIN)/python -m tests.bench

lock:                         ## renew the lock files from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --upgrade \
		--custom-compile-command "make lock" --extra mysql --extra postgresql --group build \
		--output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --upgrade \
		--custom-compile-command "make lock" --extra mysql --extra postgresql --extra report --group dev --constraint requirements.lock \
		--output-file requirements-dev.lock pyproject.toml

clean:                        ## remove what the targets above made
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

.venv/bin/python:
	$(PYTHON) -m venv .venv

# Only hashed packages are installed; the project itself is built by the pinned backend already in .venv.
.venv/.runtime: requirements.lock pyproject.toml | .venv/bin/python
	$(PIP) install --require-hashes --requirement requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

.venv/.development: requirements-dev.lock .venv/.runtime
	$(PIP) install --require-hashes --requirement requirements-dev.lock
	touch $@
