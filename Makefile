# The first call of any target makes .venv and installs everything that requirements.lock pins.
# VENV names another folder, so that environments of several Pythons can stand side by side.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

# An environment of another Python than the one asked for is neither used nor overwritten
ifneq ($(filter command environment,$(firstword $(origin PYTHON))),)
ifneq ($(wildcard $(VENV)/bin/python),)
VERSION := import sys; print(sys.version_info[:2])
ifneq ($(shell $(PYTHON) -c '$(VERSION)'),$(shell $(VENV)/bin/python -c '$(VERSION)'))
$(error $(VENV) is of another Python than $(PYTHON); name another folder: make VENV=.venv-$(notdir $(PYTHON)) PYTHON=$(PYTHON) $(MAKECMDGOALS))
endif
endif
endif

.PHONY: install bench test test-diagnose test-faults lint tensorboard lock

install: $(READY)

bench: $(READY)
	$(BIN)/pytest bench --benchmark-only $(ARGS)

# Two processes, since a test fills one core; never for the bench, where one would disturb the other's clock.
test: $(READY)
	$(BIN)/pytest -m "not slow and not faults" -n 2 --dist loadfile $(ARGS)

test-diagnose: $(READY)
	$(BIN)/pytest -m slow $(ARGS)

test-faults: $(READY)
	$(BIN)/pytest -m faults -n 2 $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

tensorboard: $(READY)
	$(BIN)/tensorboard --logdir runs

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || \
	  { echo "error: $(PYTHON) is missing or not Python 3.11, 3.12 or 3.13; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)

# Pins all dependencies anew, with hashes, for every supported Python; needs uv.
lock:
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header --quiet --output-file requirements.lock
