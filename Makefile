# `make` alone lists what there is.
PYTHON ?= python3
BIN := .venv/bin
DATA ?= data/fer2013
EPOCHS ?= 20
TRAIN := $(BIN)/python -m utils train $(DATA) --batch-size 256
PORT ?= 8000
BENCHMARKS := $(filter-out __init__ card measuring,$(basename $(notdir $(wildcard benchmarks/*.py))))

.DEFAULT_GOAL := help
.PHONY: help setup demo train release test lint lab web bench

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-8s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(BIN)/.ready  ## create .venv and install the pinned requirements

$(BIN)/.ready: requirements.txt requirements-dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; assert (3, 10) <= sys.version_info[:2] <= (3, 13), "Python 3.10 to 3.13 is needed; name one with make PYTHON=python3.12. This is " + sys.version'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

demo: setup  ## run both notebooks on drawn faces: nothing to download, no camera
	$(BIN)/python -m utils demo

train: setup  ## train on DATA=data/fer2013 for EPOCHS=20; again to go on after a stop
	$(BIN)/python -m utils train $(DATA) --epochs $(EPOCHS)

release: setup  ## make the released models again: pack, train, finish
	for step in pack train finish; do $(BIN)/python -m benchmarks.release.$$step || exit 1; done

test: setup  ## run the tests
	$(BIN)/python -m pytest

lint: setup  ## check code and notebooks with ruff, and which room imports which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

lab: setup  ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

web: setup  ## serve the model in the browser, on this machine only, at PORT=8000
	$(BIN)/python -m app --port $(PORT)

bench: setup  ## measure again what the README quotes, into results/
	$(BIN)/python -m utils evaluate models/fer2013.keras $(DATA)/validation --json results/fer2013_publictest.json
	for name in $(BENCHMARKS) card; do $(BIN)/python -m benchmarks.$$name || exit 1; done
