# One command each: `make bench SUITE=geneval`, `make test`. Both create the virtual environment when it is missing.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# What `make bench` takes: lists separated by commas or spaces (searches by spaces, since their parameters hold commas);
# empty means the default.
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
split = $(subst $(comma), ,$(1))
each = $(foreach value,$(call split,$(2)),$(1) $(value))
# random,beam is a list; beam:width=2,candidates=4 is one search.
searches = $(if $(findstring :,$(SEARCHES)),$(SEARCHES),$(call split,$(SEARCHES)))
RUN_ARGS = $(SUITE) $(call each,--model,$(MODELS)) $(foreach value,$(searches),--search $(value)) \
	$(call each,--verifier,$(VERIFIERS)) $(if $(BUDGETS),--budget $(subst $(space),$(comma),$(strip $(BUDGETS)))) \
	$(if $(UNIT),--unit $(UNIT)) $(if $(PROMPTS),--prompts $(PROMPTS)) $(call each,--seed,$(SEEDS)) $(if $(OUT),--out $(OUT))

.PHONY: help setup bench bench-speed ablations report test lint train-shapes clean
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

bench-speed: $(STAMP)  ## measure searches against their bare forward passes, and prompts together against one at a time, as ratios
	@$(BIN)/python -m harness.bench.speed
	@$(BIN)/python -m harness.bench.searches

report: $(STAMP)  ## rebuild the report of every run, or a joint one: make report [RUNS="DIR DIR …" OUT=DIR]
	@$(if $(RUNS),$(BIN)/vistas report $(RUNS) $(if $(OUT),--out $(OUT)),for run in results/runs/*/; do $(BIN)/vistas report $$run || exit 1; done)

ablations: $(STAMP)  ## run every ablation of docs/ablations.md on the embedded pair (long; goes on where it stopped)
	@for name in $$($(BIN)/vistas ablate | cut -d' ' -f1); do $(BIN)/vistas ablate $$name || exit 1; done

# All workers, and the processes that tests start, share what is compiled, also where the environment has nothing kept.
test: $(STAMP)  ## run the tests
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile

lint: $(STAMP)  ## style and types
	@$(BIN)/ruff check . && $(BIN)/mypy

train-shapes: $(STAMP)  ## train the embedded models and verifiers from scratch (minutes on a GPU, many hours on two cores; resumes)
	$(BIN)/python -m models.shapes.train all
	$(BIN)/python -m models.shapes.export infinity flux
	$(BIN)/python -m verifiers.train all
	$(BIN)/python -m verifiers.evaluate --model shapes-flux --model shapes-infinity --write

clean:  ## remove what commands here have made, training checkpoints and runs excepted
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
