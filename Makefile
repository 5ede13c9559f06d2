# Two commands do everything on a fresh machine: `make lab` and `make test`.
PACSLAB := .venv/bin/pacslab
LAB ?= lab/reference.yaml

.PHONY: help setup images lab down test unit e2e check bench docs lock clean

help:  ## what there is to make
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup:  ## prepare the machine: venv, Docker engine
	@lab/bootstrap

images: setup  ## build the container images that have changed
	@$(PACSLAB) images build

lab: images  ## bring the reference lab up, verify it, leave it running
	@$(PACSLAB) up $(LAB)
	@$(PACSLAB) verify $(LAB)

down:  ## remove every lab
	@$(PACSLAB) down --all

test: images  ## all tests, real Docker included
	@lab/bootstrap --no-engine --tests
	.venv/bin/pytest

unit: ## tests that need no engine
	@lab/bootstrap --no-engine --tests
	.venv/bin/pytest tests/unit tests/golden tests/properties

check:  ## linters and types
	@lab/bootstrap --no-engine
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

bench: images  ## benchmarks: whole runs, ratios against a peer in the same run
	@lab/bootstrap --no-engine --tests
	.venv/bin/python -m tests.bench

docs:  ## write the generated parts of docs/
	@lab/bootstrap --no-engine
	.venv/bin/python docs/generate.py

lock:  ## write requirements.lock anew
	.venv/bin/uv pip compile pyproject.toml --group dev --group bench --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --custom-compile-command "make lock" -o requirements.lock

clean:  ## remove every lab, and what was made here
	-@$(PACSLAB) down --all
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
