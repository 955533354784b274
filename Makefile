# One door: `make` alone prints the targets.
PYTHON ?= python3
BIN := .venv/bin
WALL := dashboards/wall

.PHONY: help setup run test check bench chaos lock clean
help:
	@echo "make setup   .venv with monitor in .venv/bin, and the wall built"
	@echo "make run     everything on this machine, fed by the simulator: http://127.0.0.1:8080/"
	@echo "make check   format, lint, types, import contracts, fast tests (under two minutes)"
	@echo "make test    all tests but the long fault tests"
	@echo "make chaos   the long fault tests"
	@echo "make bench   benchmarks; writes benchmarks/results.json"

setup: .venv/installed wall

run: setup
	$(BIN)/monitor run $(ARGS)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python hatch_build.py check
	$(BIN)/pytest -q -n 2 -m "not slow and not browser and not chaos and not peer"

test: setup
	$(BIN)/pytest -m "not chaos"

chaos: setup
	$(BIN)/pytest -m chaos tests/chaos

bench: setup
	$(BIN)/python -m benchmarks

# The wall is built while pip installs (npm and pip wait for different things); with no fit Node on PATH it is built afterwards
# with the Node that the lock brings along.
.venv/installed: requirements.lock pyproject.toml hatch_build.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PYTHON) hatch_build.py early & \
	$(BIN)/pip install --quiet --no-deps -r requirements.lock \
	&& $(BIN)/pip install --quiet --no-deps --no-build-isolation --editable . \
	&& wait $$!
	@touch $@

.PHONY: wall
wall: .venv/installed
	@$(BIN)/python hatch_build.py

lock:
	@{ echo "# Exact versions of everything that runs or tests this project (pip freeze); make lock writes it anew."; \
	$(BIN)/pip freeze --exclude-editable; } > requirements.lock

clean:
	rm -rf .venv build monitor/static $(WALL)/dist $(WALL)/node_modules
