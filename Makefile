# The targets for developers. `make demo` and `make test` install everything that they need into .venv.
PYTHON ?= python3
BIN := .venv/bin
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --upgrade \
	--custom-compile-command "make lock"
BILL := --pyproject pyproject.toml --mc-type application --output-reproducible --output-format JSON
OSV := https://api.osv.dev
CHECKOV := .venv/checkov/bin/checkov --config-file .checkov.yaml
# Without compiled modules, each process that a test or the demo starts would compile all of them again.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

QUICK := not (soak or postgresql or mysql or slow)
# The other tests also wait for programs, so that more workers than cores are quicker there.
CORES = $(shell $(BIN)/python -c "import os; print(os.cpu_count() or 1)")

# Tests that name a half-made addition: a column without a migration, a setting, metric or reason without its reference
# page, an event or an error without its description.
HALF_MADE := tests/documents/test_reference.py tests/documents/test_architecture.py tests/test_documents.py \
	tests/test_errors.py tests/observe/test_events.py::test_the_declared_events_are_those_that_the_code_logs \
	tests/warehouse/test_schema.py::test_the_tables_are_those_that_the_loader_knows \
	tests/warehouse/test_schema.py::test_every_column_of_a_view_is_explained

.PHONY: demo quick test field soak check check-overlays audit docs reference picture release sbom bench example lock clean simulate rate-lab

demo: .venv/.runtime          ## run the whole job once, on embedded parts
	$(BIN)/task-audit demo

quick: .venv/.development     ## run the tests that need no database server and no other program: under a minute
	$(BIN)/python -m pytest -n $(CORES) --dist worksteal -m "$(QUICK)"

test: .venv/.development      ## run the test suite
	$(BIN)/python -m pytest -n auto --dist worksteal

field: .venv/.development     ## run the tests beside real parts of a network, such as PgBouncer and squid
	$(BIN)/python -m pytest -n auto --dist worksteal -m field

soak: .venv/.development      ## run the tests that take minutes
	$(BIN)/python -m pytest -n 2 --dist worksteal -m soak

simulate: .venv/.development  ## play 10,000 nights on virtual time, and audit each
	$(BIN)/python -m tests.simulation

check: .venv/.development .venv/.checkov  ## formatting, lint, types, direction of imports, half-made additions, security, vulnerabilities, documents, image, manifests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --quiet -m "not (postgresql or mysql)" $(HALF_MADE)
	$(BIN)/bandit --quiet --recursive etl --configfile pyproject.toml
	$(BIN)/hadolint Dockerfile
	$(CHECKOV) --file Dockerfile
	$(CHECKOV) --directory cron/kubernetes/base
	@$(MAKE) --no-print-directory audit
	@$(MAKE) --no-print-directory docs
	@if command -v kubectl >/dev/null; then $(MAKE) --no-print-directory check-overlays; \
		else echo "OVERLAYS NOT CHECKED BY CHECKOV: no kubectl here to render them"; fi

check-overlays: .venv/.checkov
	for overlay in cron/kubernetes/overlays/*; do mkdir -p build/$$overlay && \
		kubectl kustomize $$overlay > build/$$overlay/rendered.yaml || exit; done
	$(CHECKOV) --directory build/cron/kubernetes/overlays

audit: .venv/.development     ## look for known vulnerabilities of the packages in the image and of the tools that build it
	@if $(BIN)/python -c "import requests; requests.get('$(OSV)', timeout=10)" 2>/dev/null; \
		then $(BIN)/pip-audit --vulnerability-service osv --disable-pip --require-hashes \
			--requirement requirements-image.lock --requirement requirements-build.lock; \
		else echo "VULNERABILITIES NOT AUDITED: $(OSV) cannot be reached from here"; fi

release: .venv/.development   ## build the files of a release twice with the same bytes, check them, and try the wheel on every Python
	rm -rf dist build/again
	for folder in dist build/again; do SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) \
		$(BIN)/python -m hatchling build --directory $$folder || exit; done
	for file in build/again/*; do cmp $$file dist/$${file##*/} || exit; done
	@$(MAKE) --no-print-directory sbom
	cd dist && sha256sum *.whl *.tar.gz sbom.cdx.json > SHA256SUMS && sha256sum --check SHA256SUMS
	$(BIN)/python -m tests.wheels dist

sbom: .venv/.development      ## list what the image is made of as a CycloneDX file in dist/
	mkdir -p build dist
	$(BIN)/cyclonedx-py requirements requirements-image.lock $(BILL) --output-file build/sbom-of-lock.json
	$(BIN)/cyclonedx-py environment $(BIN)/python $(BILL) --output-file build/sbom-of-environment.json
	$(BIN)/python -m docs.generate.sbom build/sbom-of-lock.json build/sbom-of-environment.json > dist/sbom.cdx.json

bench: .venv/.development     ## measure the job beside its snapshot, other programs and its parts; TASKS= and ROUNDS= bound the time
	$(BIN)/python -m tests.bench $(if $(TASKS),--tasks $(TASKS)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(PART),--part $(PART))

rate-lab: .venv/.development  ## let the rate limiter find simulated hidden limits, beside AIMD and botocore's adaptive mode
	$(BIN)/python -m tests.simulation.rate_lab

docs: .venv/.development      ## build the site of docs/ into build/site; a warning is an error
# --quiet would also keep a warning from being an error. The variable turns off the theme's notice about its successor.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

reference: .venv/.development ## write docs/reference, docs/errors/index.md, sql/dbt and sql/contract from the code
	$(BIN)/python -m docs.generate .

picture: .venv/.runtime       ## run the demo and draw it in docs/images/demo.svg
	mkdir -p build
	$(BIN)/python -m docs.generate.picture > build/demo.svg
	mv build/demo.svg docs/images/demo.svg

example: .venv/.runtime       ## write configs/production.toml from the code
	$(BIN)/python -m etl.settings.write > configs/production.toml

lock:                         ## renew the lock files from pyproject.toml
	$(COMPILE) --extra mysql --extra postgresql --extra report --group build --output-file requirements.lock pyproject.toml
	$(COMPILE) --group pyproject.toml:build --constraint requirements.lock --output-file requirements-build.lock
	$(COMPILE) --all-extras --constraint requirements.lock --output-file requirements-image.lock pyproject.toml
	$(COMPILE) --all-extras --group dev --constraint requirements-image.lock --output-file requirements-dev.lock pyproject.toml
	$(COMPILE) --group pyproject.toml:checkov --output-file requirements-checkov.lock

clean:                        ## remove the files that the targets above made
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

.venv/bin/python:
	$(PYTHON) -m venv .venv

# pip installs only hashed packages; the pinned backend in .venv builds the project itself.
.venv/.runtime: requirements.lock pyproject.toml | .venv/bin/python
	$(PIP) install --require-hashes --requirement requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

.venv/.development: requirements-dev.lock .venv/.runtime
	$(PIP) install --require-hashes --requirement requirements-dev.lock
	touch $@

# checkov has its own environment, since its requirements contradict those of the job.
.venv/.checkov: requirements-checkov.lock | .venv/bin/python
	$(PYTHON) -m venv .venv/checkov
	.venv/checkov/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-checkov.lock
	touch $@
