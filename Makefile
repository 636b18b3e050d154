# Everything works from a fresh clone with Python 3.11+, git and make: the virtual environment is made on first use.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PEERS  := .work/peers
PYTEST := $(BIN)/python -m pytest
WORKERS ?= 2

.PHONY: demo test test-slow check format bench docs clean

demo: $(READY)
	$(BIN)/datamon demo

test: $(READY)
	$(PYTEST) -n $(WORKERS) -m "not slow" --junitxml=.work/junit.xml $(ARGS)

test-slow: $(READY) $(VENV)/.slow
	$(PYTEST) -n $(WORKERS) -m slow -o faulthandler_timeout=1800 $(ARGS)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -q tests/test_docs.py tests/cli/test_reference.py -k "not snippet"

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Its peers: restic comes from the system (Debian: restic), the others from PyPI (borgbackup builds: Debian's borgbackup does too).
bench: $(READY) $(PEERS)/.ready
	PATH="$(abspath $(BIN)):$$PATH:$(abspath $(PEERS))/bin" $(BIN)/python bench/storage.py --write
	$(BIN)/python bench/recording.py
	$(BIN)/python bench/terminal.py
	$(BIN)/python bench/cells.py
	$(BIN)/python bench/events.py
	$(BIN)/python bench/trace.py
	$(BIN)/python bench/questions.py
	$(BIN)/python bench/paths.py
	$(BIN)/python bench/mounts.py --huge 100

$(PEERS)/.ready:
	@echo "setting up the tools that bench/ compares with, in $(PEERS)" >&2
	$(PYTHON) -m venv $(PEERS)
	-$(PEERS)/bin/python -m pip install --quiet dvc
	-$(PEERS)/bin/python -m pip install --quiet borgbackup
	-$(PEERS)/bin/python -m pip install --quiet ml-metadata
	@touch $@

docs: $(READY)
	$(BIN)/python docs/generate_cli.py

$(READY): pyproject.toml
	@echo "setting up $(VENV) (a minute or two, once)" >&2
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@

# Spark is large, and only slow tests need it (and Java 17 or newer).
$(VENV)/.slow: $(READY)
	$(BIN)/python -m pip install --quiet --group slow
	@touch $@

clean:
	rm -rf $(VENV) .work build dist src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
