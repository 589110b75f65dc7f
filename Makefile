# Everything runs in .venv, made here from the pinned versions in constraints.txt.
PYTHON ?= python3
VENV := .venv
SHELL := /bin/bash
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-slow coverage check wheel bench format install clean

demo: install
	$(BIN)/actinscope demo -o demo

test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

test-slow: install
	$(BIN)/python -m pytest -m slow

# The share of lines and branches that `make test` runs; tests/README.md has the figure.
coverage: install
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" --cov --cov-report=term:skip-covered

# Built, installed without its dependencies, and tried outside the source tree.
wheel: install
	rm -rf build dist
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(PYTHON) -m venv build/installed
	build/installed/bin/python -m pip install --quiet --disable-pip-version-check --no-deps dist/*.whl
	diff <(cd src && find actinscope -type f ! -name '*.pyc' | sort) \
		<(cd build/installed/lib/python*/site-packages && find actinscope -type f ! -name '*.pyc' | sort)
	cd / && $(CURDIR)/build/installed/bin/actinscope demo --help

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: install
	$(BIN)/python benchmarks/run_all.py

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "actinscope needs Python 3.11 or newer; say: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(STAMP)

clean:
	rm -rf $(VENV) demo build dist .coverage* .pytest_cache .mypy_cache .ruff_cache
