# make run: a gateway on port 4000.  make test: everything that CI runs.  Both set themselves up.
SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 4000
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PLUGINS := $(patsubst %/setup.cfg,%,$(sort $(wildcard plugins/*/setup.cfg)))
SETUPS := setup.cfg $(PLUGINS:%=%/setup.cfg)
CLIENTS := openai-new openai-old anthropic-new anthropic-old

openai-new := openai==3.54.0
openai-old := openai==1.109.1
anthropic-new := anthropic[bedrock,vertex]==2.12.0
anthropic-old := anthropic==0.79.0

.PHONY: run setup setup-dev clients lint format test test-quick test-full clean help

run: setup  ## Serve on PORT; without ANTHROPIC_API_KEY the answers are simulated
	@deploy/run.sh $(BIN) $(PORT)

setup: .venv/.installed  ## Make .venv; install the core and every package under plugins/

.venv/.installed: $(SETUPS)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) "setuptools>=77" wheel
	$(PIP) --no-build-isolation -e . $(PLUGINS:%=-e %)
	@touch $@

setup-dev: .venv/.installed-dev

.venv/.installed-dev: .venv/.installed
	$(PIP) --no-build-isolation -e ".[dev]"
	@touch $@

clients: $(CLIENTS:%=.venvs/%/.installed)  ## The official clients that the tests drive, each in its own environment

.venvs/%/.installed: Makefile
	test -x .venvs/$*/bin/python || $(PYTHON) -m venv .venvs/$*
	.venvs/$*/bin/python -m pip install --quiet --disable-pip-version-check "$($*)"
	@touch $@

lint: setup-dev  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup-dev  ## Put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: setup-dev clients lint  ## Linters and the whole suite
	tests/run.sh $(BIN)

test-full: setup-dev clients lint  ## The whole suite, with what make test leaves out; about a minute longer
	GATEWAY_TEST_FULL=1 tests/run.sh $(BIN)

test-quick: setup-dev  ## The core's tests, in under a minute
	$(BIN)/pytest -q -n 2 -m "not slow" tests

clean:  ## Remove what make made
	rm -rf .venv .venvs .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* htmlcov

help:  ## This list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14
