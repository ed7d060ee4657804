# Every target works on a fresh checkout: it makes .venv first if it is not there.
# `make env PYTHON=python3.12` chooses another interpreter.

PYTHON ?= python3
BIN := .venv/bin
# Two OpenMP threads on two virtual cores made a training step up to 20 times slower.
export OMP_NUM_THREADS ?= 1

# Two tests at a time, those of one file one after the other: they share what they have trained.
PARALLEL := -n 2 --dist loadfile

.PHONY: help env demo test test-data lint types docs bench fuzz clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

env: .venv/dev.stamp  ## create .venv with everything that development needs

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is older than Python 3.11; give another: make env PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/run.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/dev.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ .venv/run.stamp

demo: .venv/run.stamp  ## train on the embedded example: a table and a picture in runs/demo
	$(BIN)/scribbleseg demo

test: .venv/dev.stamp  ## all tests; those of real data are skipped where there are none
	$(BIN)/python -m pytest $(PARALLEL)

test-data: .venv/dev.stamp  ## the tests of real data; fails where there are none
	SCRIBBLESEG_REQUIRE_DATA=1 $(BIN)/python -m pytest $(PARALLEL) -m data

lint: .venv/dev.stamp  ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev.stamp  ## types
	$(BIN)/mypy

docs: .venv/dev.stamp  ## the manual, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: .venv/dev.stamp  ## speed against stated baselines (accuracy runs: see docs/benchmarks)
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/inference.py
	$(BIN)/python benchmarks/dense_crf.py
	$(BIN)/python benchmarks/evaluation.py
	$(BIN)/python benchmarks/strokes.py
	$(BIN)/python benchmarks/distance.py
	$(BIN)/python benchmarks/simulation.py
	$(BIN)/python benchmarks/preparation.py

fuzz: .venv/dev.stamp  ## a minute of coverage-guided fuzzing of each reader (Python 3.11, Linux)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	for format in labelme cvat label_studio coco qupath scribblesup_xml points; do \
		$(BIN)/python tests/fuzz/fuzz_readers.py $$format --seconds 60 || exit 1; \
	done

clean:  ## remove what is built; runs/ and .venv stay
	rm -rf site dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
