# Everything happens in .venv, made on first use with nothing but Python 3.11 or newer.
#
#   make PYTHON=/path/to/python3.12 demo    chooses the Python for it
#   make demo ARGS='--data my.csv'          passes arguments on

VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
BENCH_ARGS ?= --quick
BENCHMARKS := $(wildcard benchmarks/[a-z]*.py)

candidates := python3 python3.13 python3.12 python3.11 python3.14 python
enough := import sys; sys.exit(sys.version_info < (3, 11))
found = $(shell for p in $(candidates); do \
	$$p -c '$(enough)' >/dev/null 2>&1 && echo $$p && break; done)
python = $(or $(PYTHON),$(found),$(error Python 3.11 or newer is needed and none of \
	"$(candidates)" is one; install it, or name it: make PYTHON=/path/to/python3.11))

# A .venv whose Python has gone (an upgrade, a moved folder) counts as not made.
broken := $(shell $(BIN)/python -c '' >/dev/null 2>&1 || echo always)

.DEFAULT_GOAL := help
.PHONY: help demo up test lab check bench always

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile

demo: $(VENV)/.ready-demo ## teach a classifier on real text, store it, ask it from a second process
	@$(BIN)/astermind demo $(ARGS)

up: $(VENV)/.ready-demo ## the engine, the dashboards and a browser, until Ctrl-C
	@$(BIN)/astermind up $(ARGS)

test: check ## check, then run every test and every notebook
	@$(BIN)/python -m pytest -q --nbmake --nbmake-timeout=120 tests astermind_lab notebooks $(ARGS)

lab: $(VENV)/.ready-demo ## open JupyterLab on the notebooks
	@$(BIN)/jupyter lab --notebook-dir=notebooks $(ARGS)

check: $(VENV)/.ready-test ## style, types and layers
	@echo 'ruff: style'
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@echo 'mypy: types'
	@$(BIN)/mypy --no-error-summary
	@echo 'import-linter: layers'
	@$(BIN)/lint-imports --no-cache > $(VENV)/layers.log || { cat $(VENV)/layers.log; exit 1; }

bench: $(VENV)/.ready-test ## the benchmarks, small; all of it with BENCH_ARGS=
	@for file in $(BENCHMARKS); do \
		echo "$$file"; $(BIN)/python $$file $(BENCH_ARGS) || exit 1; done

$(VENV)/.ready-%: pyproject.toml scripts/install.py $(broken)
	@$(python) scripts/install.py $(VENV) $*
