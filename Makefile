# A fresh machine needs make and Python 3.11 or newer, nothing else:
#   make demo    install, label the example recordings, show the result
#   make test    install, then spelling, lint, types, layers, tests
#   make docs    install, then the documentation as a site: build/site/index.html
# Without a GPU, torch can be had smaller (once, before the others):
#   make setup TORCH_INDEX=https://download.pytorch.org/whl/cpu

PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UV := $(shell command -v uv 2>/dev/null)
INSTALL := $(if $(UV),$(UV) pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet)
RESULT := build/demo/results.parquet
PLUGINS := $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml))

# torch and torchaudio as pyproject.toml asks for them
define PAIR
import tomllib
wanted = tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']
print('\n'.join(each for each in wanted if each.startswith('torch')))
endef
export PAIR

define SHOW
import sys, polars
with polars.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=120, tbl_hide_dataframe_shape=True, float_precision=3):
    table = polars.read_parquet(sys.argv[1])
    print(table.select('file', 'channel', 'duration_s', 'label', 'confidence', 'status'))
endef
export SHOW

.PHONY: help setup demo test quick coverage docs format clean

help:
	@sed -n 's/^#  //p' Makefile

setup: $(STAMP)

# One setuptools for all that is installed here, instead of an environment of its own for building each.
$(STAMP): pyproject.toml $(PLUGINS:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
ifneq ($(TORCH_INDEX),)
	$(BIN)/python -c "$$PAIR" >$(VENV)/torch.txt
	$(INSTALL) --index-url $(TORCH_INDEX) -r $(VENV)/torch.txt
endif
	$(INSTALL) 'setuptools>=77'
	$(INSTALL) --no-build-isolation -e '.[dev]' $(PLUGINS:%=-e %)
	@touch $@

# One of the examples is broken on purpose, so labelling ends with 3: done, but some inputs failed.
demo: $(STAMP)
	@mkdir -p $(dir $(RESULT))
	$(BIN)/pcqtool label examples/recordings --out $(RESULT) || test $$? -eq 3
	@$(BIN)/python -c "$$SHOW" $(RESULT)

test: $(STAMP)
	$(BIN)/codespell
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2

quick: $(STAMP)
	$(BIN)/pytest -n 2 -m "not slow"

# Which lines the tests run; fails below the floor that pyproject.toml names.
coverage: $(STAMP)
	$(BIN)/pytest -n 2 --cov --cov-report=term

# Without network; a warning is an error. (The variable silences an advertisement.)
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: $(STAMP)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf $(VENV) build dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
