# Everything a developer does. `make` alone lists it.
PYTHON := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: help setup demo test check format bench faults soak docs lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv with everything, pinned; done again only when the requirements change
	@scripts/setup.sh

demo: setup ## an interview on this machine, transcribed live; ONCE=1 ends by itself
	@$(PYTHON) -m local.demo $(if $(ONCE),--once)

test: setup ## all tests, on a real LiveKit server; ARGS="-k word" for some of them
	@$(PYTHON) -m pytest -n 2 --dist load --maxschedchunk 1 $(ARGS)

check: setup ## format, lint, types and the rules of the architecture
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy
	@$(PYTHON) -m pytest -q tests/test_architecture.py tests/test_docs.py

format: setup ## put the code into its form
	@$(PYTHON) -m ruff format .
	@$(PYTHON) -m ruff check --fix .

bench: setup ## measure the worker beside a process that only receives; prints and writes JSON
	@$(PYTHON) -m bench $(ARGS)

faults: setup ## break things while known words are spoken, and count the words; ARGS="killed" for some rows
	@$(PYTHON) -m bench.faults $(ARGS)

soak: setup ## random faults on three rooms; MINUTES=30, ARGS="--seed 7" for an earlier run again
	@$(PYTHON) -m bench.soak --minutes $(or $(MINUTES),30) $(ARGS)

docs: setup ## write the generated pages of docs/ anew
	@$(PYTHON) -m agent.settings_page > docs/settings.md.new
	@mv docs/settings.md.new docs/settings.md

lock: setup ## compile requirements/*.txt anew from pyproject.toml; ARGS=--upgrade for newer versions
	@scripts/lock.sh $(ARGS)

clean: ## remove what was made here, .venv included; transcripts (data/) and the built LiveKit server stay
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info examples/captions/node_modules \
		demo-result.json bench-result.json faults-result.json soak-result.json
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
