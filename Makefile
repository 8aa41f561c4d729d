# Everything here needs Python 3.11 or newer, make, and the network once, for the packages.
PYTHON ?= python3
MNIST ?= ../shared/data/mnist
TABLES ?= ../shared/data/tables
N ?= 1000
INPUTS ?= 100000
BIN := .venv/bin
PIP := -m pip --disable-pip-version-check
.DEFAULT_GOAL := help

.PHONY: help train mnist gradcheck test test-oldest crash fuzz lint types format pictures bench \
	bench-quick bench-tables constraints clean

help: ## show what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

train: .venv/run ## train on handwritten digits, in seconds
	$(BIN)/mlpcli train configs/digits.toml

mnist: .venv/run ## train on MNIST, in under a minute (DATA=folder for files you have)
	$(BIN)/mlpcli train configs/mnist-quick.toml $(if $(DATA),--data $(DATA))

gradcheck: .venv/run ## check every gradient, and the checker itself
	$(BIN)/mlpcli gradcheck configs/digits.toml
	$(BIN)/mlpcli gradcheck --self-test

test: .venv/dev ## run all tests, on every core, and measure their coverage
	$(BIN)/python -m coverage erase
	$(BIN)/python -m pytest --numprocesses logical --dist worksteal --cov --cov-report=term

test-oldest: .venv-oldest/ready ## run all tests on the oldest versions allowed, with Python 3.11
	.venv-oldest/bin/python -m pytest --numprocesses logical --dist worksteal

crash: .venv/dev ## kill training processes N times (1000), resume them, and compare every byte
	$(BIN)/python -m tests.reliability.crash $(N)

fuzz: .venv/dev ## read INPUTS damaged and hostile files (100000) with each loader
	$(BIN)/python -m tests.reliability.fuzz $(INPUTS)

lint: .venv/dev ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev ## check types
	$(BIN)/mypy

format: .venv/dev ## put the code in form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pictures: .venv/run ## draw the README's pictures of a terminal anew
	$(BIN)/python -m docs.pictures.make docs/pictures

bench: .venv-bench/all ## measure beside JAX, PyTorch, Keras and scikit-learn, in half an hour (MNIST=folder)
	.venv-bench/bin/python -m benchmarks.bench --mnist $(MNIST)

bench-quick: .venv-bench/quick ## a part of it, in three minutes: no Keras, two workloads (MNIST=folder)
	.venv-bench/bin/python -m benchmarks.bench --mnist $(MNIST) --quick

bench-tables: .venv-bench-tables/ready ## compare the defaults with scikit-learn on tables, in half an hour (TABLES=folder)
	.venv-bench-tables/bin/python -m benchmarks.tables $(TABLES)

constraints: ## write constraints.txt anew: the newest versions, which the next make installs
	$(PYTHON) -m venv --clear .venv-constraints
	.venv-constraints/bin/python $(PIP) install --quiet --upgrade "pip>=25.1"
	.venv-constraints/bin/python $(PIP) install --quiet --editable . --group dev
	.venv-constraints/bin/python $(PIP) freeze --exclude-editable > constraints.txt
	rm -rf .venv-constraints

clean: ## remove everything that was made here, but not your runs
	rm -rf .venv .venv-oldest .venv-bench .venv-bench-tables dist build .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/pip: constraints.txt
	@echo "Making an environment in .venv, once."
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python $(PIP) install --quiet --upgrade "pip>=25.1"
	@touch $@

.venv/run: .venv/pip pyproject.toml
	@echo "Installing NumPy, scikit-learn and what else mlpcli needs. This takes a minute, once."
	$(BIN)/python $(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

.venv/dev: .venv/run
	@echo "Installing what the tests need, once."
	$(BIN)/python $(PIP) install --quiet --constraint constraints.txt --group dev
	@touch $@

.venv-oldest/ready: constraints-oldest.txt pyproject.toml
	$(PYTHON) -m venv --clear .venv-oldest
	.venv-oldest/bin/python $(PIP) install --quiet --upgrade "pip>=25.1"
	.venv-oldest/bin/python $(PIP) install --quiet --constraint constraints-oldest.txt --editable . --group test
	@touch $@

.venv-bench/pip:
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	@touch $@

.venv-bench/quick: .venv-bench/pip pyproject.toml
	.venv-bench/bin/python -m pip install --quiet --editable . --group bench-quick
	@touch $@

.venv-bench/all: .venv-bench/quick
	.venv-bench/bin/python -m pip install --quiet --group bench
	@touch $@

.venv-bench-tables/ready: constraints.txt pyproject.toml
	$(PYTHON) -m venv --clear .venv-bench-tables
	.venv-bench-tables/bin/python $(PIP) install --quiet --upgrade "pip>=25.1"
	.venv-bench-tables/bin/python $(PIP) install --quiet --constraint constraints.txt --editable .
	.venv-bench-tables/bin/python $(PIP) install --quiet --no-deps --group bench-tables
	@touch $@
