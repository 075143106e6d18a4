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

release: setup  ## repeat the released model's last three trainings: an hour or more
	git cat-file -e 1bef941 || { echo "The models released before are in the project's history: git fetch --unshallow"; exit 1; }
	git show 1bef941:models/fer2013.keras > models/first.keras
	git show 064488f:models/fer2013.keras > models/second.keras
	git show 9d7a1cc:models/fer2013.keras > models/third.keras
	git show 391eb5b:models/fer2013.keras > models/fourth.keras
	$(TRAIN) --augmentation strong --network wide --epochs 28 --patience 28 --teachers models/first.keras models/second.keras models/third.keras --save models/taught.keras
	$(TRAIN) --network wide --epochs 6 --learning-rate 2e-3 --start models/taught.keras --save models/wide.keras
	$(TRAIN) --zoom 0.2 --epochs 4 --learning-rate 5e-4 --start models/fourth.keras --teachers models/fourth.keras models/wide.keras --variants 2 --save models/fer2013.keras
	KERAS_BACKEND=tensorflow $(BIN)/python -c 'from utils.models.model_file import add_litert_model as add; add("models/fer2013.keras")'

test: setup  ## run the tests
	$(BIN)/python -m pytest

lint: setup  ## check code and notebooks with ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lab: setup  ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

web: setup  ## serve the model in the browser, on this machine only, at PORT=8000
	$(BIN)/python -m app --port $(PORT)

bench: setup  ## measure again what the README quotes, into results/
	$(BIN)/python -m utils evaluate models/fer2013.keras $(DATA)/validation --json results/fer2013_publictest.json
	for name in $(BENCHMARKS) card; do $(BIN)/python -m benchmarks.$$name || exit 1; done
