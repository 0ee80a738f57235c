# Two commands: `make grade` and `make test`. Each sets up what it needs, without root, in .venv.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.DEFAULT_GOAL := help
.PHONY: help setup grade test test-all lint bench bench-training accept steadiness build clean

help:
	@echo "make grade           set up, and grade the sample class of ps1_backprop"
	@echo "make test            set up, and run every test"
	@echo "make test-all        set up, and run those too that train for minutes"
	@echo "make build           make the notebooks from the text in source/"
	@echo "make lint            formatting, lint and types (what pre-commit runs)"
	@echo "make bench           measure: training and grading, side by side"
	@echo "make bench-training  how soon networks reach an accuracy, and classes of them; hours"
	@echo "make accept          hold ps4_cnn and ps6_lstm against what is promised of them; a quarter of an hour"
	@echo "make steadiness      grade 40 networks around the thresholds twice, with other seeds; half an hour"
	@echo "make clean           remove the environment; what was handed in and graded stays"

setup: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or newer is needed, $(PYTHON) is older. Remedy: make PYTHON=/path/to/python3"; exit 1; }
	@echo "Setting up .venv (once; about a minute) ..."
	@$(PYTHON) -m venv .venv || \
		{ echo "Python's venv is missing. Remedy: install it (Debian, Ubuntu: python3-venv)"; rm -rf .venv; exit 1; }
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation --quiet -e .
	$(BIN)/python -m compileall -q gradescent grader_tests
	@touch $@

build: setup
	$(BIN)/gradescent build

# Nothing contains students' code on macOS. The sample class is ours; whoever adds others there trusts them.
TRUST := $(if $(filter Darwin,$(shell uname)),--trust-students)

# The sample class goes to submitted/ like any other; students who are there already are left alone.
grade: setup
	@$(BIN)/python -m grader_tests.sample_class submitted
	$(BIN)/gradescent grade ps1_backprop $(TRUST)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/gradescent build --check
	$(BIN)/python -m pytest -n auto

test-all: export GRADESCENT_TESTS = all
test-all: test

bench: setup
	$(BIN)/python -m benchmarks

# What is finished stays in bench-training.json, so that the same command goes on after a break. Delete it to start afresh.
bench-training: setup
	$(BIN)/python -m benchmarks --networks --classes

accept: setup
	$(BIN)/python -m benchmarks.accept

steadiness: setup
	$(BIN)/python -m benchmarks.steadiness

clean:
	rm -rf .venv dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
