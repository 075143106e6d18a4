# `make` alone lists what there is.
PYTHON ?= python3
BIN := .venv/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
DATA ?= data/fer2013
EPOCHS ?= 20
# A process a core, up to four: each takes 2 GB. One file stays in one process; the slow ones begin.
TESTS ?= -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
PORT ?= 8000
PACK := .cache/release/images.npz.xz
BENCHMARKS := $(filter-out __init__ card conditions measuring numbers photographs,$(basename $(notdir $(wildcard benchmarks/*.py))))

# Jupyter refuses to run as root unless it is told to.
ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

define CHECK_PYTHON
import sys; \
found = sys.version_info[:2]; \
found < (3, 11) and sys.exit("Python 3.11, 3.12 or 3.13 is needed; name one with make PYTHON=python3.12. This is " + sys.version); \
found > (3, 13) and print("Python 3.11 to 3.13 are tested. On a newer one, constraints.txt may be too old: make lock renews it.")
endef

.DEFAULT_GOAL := help
.PHONY: help setup demo train release test lint lab web bench lock yunet

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-8s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(BIN)/.ready  ## create .venv and install what the notebooks and the page need

# An environment that is there stays; remove .venv to change its Python.
$(BIN)/.ready: requirements.txt requirements-live.txt constraints.txt pyproject.toml
	$(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) -c '$(CHECK_PYTHON)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) -r requirements.txt -c constraints.txt
	touch $@

# What tests, linter and benchmarks need besides; no target of its own.
$(BIN)/.ready-dev: requirements-dev.txt requirements-scale.txt $(BIN)/.ready
	$(PIP) -r requirements-dev.txt -c constraints.txt
	touch $@

demo: setup  ## train a head on drawn faces and label a clip: nothing to download, no camera
	$(BIN)/python -m utils demo

train: setup  ## train on DATA=data/fer2013 for EPOCHS=20; again to go on after a stop
	$(BIN)/python -m utils train $(DATA) --epochs $(EPOCHS)

# PHOTOS=photos.zip, photographs with a boxes.csv, teaches what is a face and what is none.
# Without a GPU it is a smaller chain, of some hours on two cores; run again, it goes on.
release: $(PACK)  ## make the released models again, from ARCHIVE=fer2013.zip and VOTES=fer2013new.csv
	$(BIN)/python -m benchmarks.release.train $(TRAIN)
	$(BIN)/python -m benchmarks.release.finish
	test -z "$(PHOTOS)" || $(BIN)/python -m benchmarks.release.opinion $(PHOTOS)

$(PACK): $(BIN)/.ready-dev
	$(BIN)/python -m benchmarks.release.pack $(ARCHIVE) $(VOTES) $@

test: $(BIN)/.ready-dev  ## run the tests
	$(BIN)/python -m pytest $(TESTS)

lint: $(BIN)/.ready-dev  ## check code and notebooks with ruff, and which room imports which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

lab: setup  ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab $(ROOT) notebooks

web: setup  ## serve the model in the browser, on this machine only, at PORT=8000
	$(BIN)/python -m app --port $(PORT)

yunet: setup  ## bring the model file of the face finder YuNet into models/; or that of FILE=
	$(BIN)/python -m utils yunet $(FILE)

bench: $(BIN)/.ready-dev  ## measure again what the README quotes, into results/
	for name in $(BENCHMARKS) card numbers; do $(BIN)/python -m benchmarks.$$name || exit 1; done

lock:  ## write the newest versions that go together into constraints.txt
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.13"
	# 1.3 is for Python below 3.11; uv looks at lower bounds only, pip refuses it.
	echo 'backports.strenum<1.3' > .venv-lock/limits
	.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
		--constraint .venv-lock/limits --no-emit-package facial-expression-recognition \
		requirements-dev.txt requirements-export.txt > .venv-lock/versions
	printf '%s\n' \
		'# The versions that the tests ran with, of all that the requirements files bring along, for' \
		'# every system and Python from 3.11 on. `make lock` writes this file (uv pip compile' \
		'# --universal requirements-dev.txt requirements-export.txt); run `make test` before you commit it.' > constraints.txt
	cat .venv-lock/versions >> constraints.txt
	rm -r .venv-lock
