# Verbs of the project. `make demo` and `make test` are all that a newcomer needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Warehouses that only tests run: half a gigabyte, so not for whoever just wants to look.
ENGINES := $(VENV)/.engines

CORES := $(shell getconf _NPROCESSORS_ONLN)

.PHONY: install demo test check format bench docs clean

install: $(STAMP)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("Tailorbird needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.11 " + "install") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(STAMP): $(BIN)/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(STAMP)

$(ENGINES): $(STAMP) pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[engines]' && touch $(ENGINES) || echo "ClickHouse and Spark could not be installed: their tests skip." >&2

demo: install
	$(BIN)/tailorbird demo $(ARGS)

# What another program did not do in time is tried once more, and told; a wrong result never is.
SLOW_PEERS := -rfER --reruns 1 \
	--only-rerun TimeoutError --only-rerun TimeoutExpired --only-rerun CalledProcessError

# Tests without processes of their own share the cores; the others have the machine to themselves.
# Pytest answers 5 where ARGS leave it none.
test: install $(ENGINES) check
	$(BIN)/pytest -n $(CORES) --dist loadfile -m "not integration" $(ARGS) || [ $$? -eq 5 ]
	$(BIN)/pytest -m integration $(SLOW_PEERS) $(ARGS) || [ $$? -eq 5 ]

check: install
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff format src tests benchmarks
	$(BIN)/ruff check --fix src tests benchmarks

bench: install
	$(BIN)/python -m benchmarks $(ARGS)

docs: install
	$(BIN)/pytest tests/unit/test_docs.py tests/unit/workspace/test_reference.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
