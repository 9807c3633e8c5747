# One command each: `make bench SUITE=geneval`, `make test`. Both create the virtual environment when it is missing.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# What `make bench` takes; each may be a comma-separated list, empty means the default.
SUITE ?= geneval
MODELS ?=
SEARCHES ?=
VERIFIERS ?=
BUDGETS ?=
UNIT ?=
PROMPTS ?=
SEEDS ?=
OUT ?=

comma := ,
space := $(subst ,, )
# Searches carry commas inside their parameters (beam:width=2,candidates=4): separate several with spaces.
each = $(foreach value,$(subst $(comma), ,$(2)),$(1) $(value))
RUN_ARGS = $(SUITE) $(call each,--model,$(MODELS)) $(foreach value,$(SEARCHES),--search $(value)) \
	$(call each,--verifier,$(VERIFIERS)) $(if $(BUDGETS),--budget $(subst $(space),$(comma),$(strip $(BUDGETS)))) \
	$(if $(UNIT),--unit $(UNIT)) $(if $(PROMPTS),--prompts $(PROMPTS)) $(call each,--seed,$(SEEDS)) $(if $(OUT),--out $(OUT))

.PHONY: help setup bench bench-speed report test lint train-shapes clean
help:  ## show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(STAMP): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) (once; some minutes, about 6 GB with torch) …"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "vistas needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test]' -c constraints.txt
	@touch $@

setup: $(STAMP)  ## create the virtual environment

bench: $(STAMP)  ## run a suite and write its report: make bench SUITE=geneval [MODELS= SEARCHES= VERIFIERS= BUDGETS= UNIT= PROMPTS=N|all SEEDS= OUT=]
	@$(BIN)/vistas run $(RUN_ARGS)

bench-speed: $(STAMP)  ## measure a whole search against its bare forward passes, as ratios
	@$(BIN)/python -m harness.speed

report: $(STAMP)  ## rebuild reports: make report RUNS="results/runs/NAME …" [OUT=DIR]
	@$(BIN)/vistas report $(or $(RUNS),$(wildcard results/runs/*)) $(if $(OUT),--out $(OUT))

test: $(STAMP)  ## run the tests
	@$(BIN)/python -m pytest

lint: $(STAMP)  ## style and types
	@$(BIN)/ruff check . && $(BIN)/mypy

train-shapes: $(STAMP)  ## train the embedded models and verifiers from scratch (hours; resumes)
	for stage in flux-vae tokenizer tokenizer-previews flux infinity; do $(BIN)/python -m models.shapes.train $$stage || exit 1; done
	$(BIN)/python -m models.shapes.export infinity flux
	$(BIN)/python -m verifiers.train all

clean:  ## remove what commands here have made, training checkpoints and runs excepted
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
