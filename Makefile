# `make setup` sets .venv up, once, and every target calls it: uv installs exactly requirements.lock. Another Python:
# make PYTHON=python3.12.
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
CORES ?= all

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-faults test-slurm test-gpu lint format schema bench lock

help: ## This list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.installed: requirements.lock workflow/scripts/bootstrap.sh workflow/scripts/uv.sh
	@sh workflow/scripts/bootstrap.sh

setup: .venv/.installed ## Sets .venv up, and nothing else; the others call it.

demo: setup ## Raw video to shards, a trained model and a report, on a small synthetic dataset.
	@snakemake --cores $(CORES) --quiet reason host
	@snakemake --report results/report.html --report-stylesheet workflow/report/report.css --quiet all
	@python -m pipeline stats results/demo
	@echo "Shards and manifests: results/demo/shards/cmp, results/demo_segments/shards/grouping and .../selflow"
	@echo "Trained models, curves and metrics: results/experiments/demo, demo_groups and demo_arm"
	@echo "Report with pictures: results/report.html (open it in a browser)"
	@echo "Next: put five lines for your own videos in place of the demo's in config.yaml (its first lines show them), then run"
	@echo "  $(BIN)/snakemake --cores all"

# A worker that crashes ends the run: with another in its place, xdist waits for ever (its issue 1378).
# Files stand in the order of tests/conftest.py: xdist's own begins with those of many tests, which are quick.
PYTEST := python -m pytest -n auto --dist loadfile --no-loadscope-reorder --max-worker-restart 0

test: lint ## Lint, then every test but for those below.
	@$(PYTEST) -m "not slurm and not faults and not gpu"

test-faults: setup ## Jobs killed at every step, disks that fail, hostile files.
	@$(PYTEST) -m faults

test-slurm: setup ## The workflow on a real SLURM on this machine (as root; installs it).
	@sh tests/slurm/install.sh
	@python -m pytest -m slurm -rs -o faulthandler_timeout=3600 tests/slurm

test-gpu: setup ## A few steps of every method and evaluation on this machine's GPU against its CPU's numbers.
	@python -m pytest -m gpu -rs tests/gpu

lint: setup ## ruff, mypy, snakefmt and snakemake --lint.
	@ruff format --check .
	@ruff check .
	@mypy
	@snakefmt --check --compact-diff Snakefile workflow/rules
	@snakemake --lint

format: setup ## Formats Python and Snakemake files.
	@ruff format .
	@ruff check --fix .
	@snakefmt Snakefile workflow/rules

schema: setup ## Writes the schema of config.yaml and the tables of docs/configuration.md from the options' own words.
	@python -m trainers.schema

bench: setup ## Every speed claim, measured beside its peer in one run.
	@python -m benchmarks

lock: ## Compiles requirements.in into requirements.lock.
	@. workflow/scripts/uv.sh && "$$UV" pip compile --quiet --universal --python-version 3.11 --override requirements.overrides requirements.in -o requirements.lock
