# Each target makes what it needs, from nothing but Python 3.11 or later and make; the second time is quick.

PYTHON ?= $(firstword $(foreach candidate,python3 python3.14 python3.13 python3.12 python3.11,$(shell $(candidate) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(candidate))))
BIN := .venv/bin
PART ?= all
.DEFAULT_GOAL := help
.PHONY: help venv demo test lint bench agreement soak lock clean

help:
	@echo 'make venv    .venv with the riverseq command ($(BIN)/riverseq), kernels compiled'
	@echo 'make demo    everything, with a made-up family: from three completion events to findings'
	@echo 'make test    lint and every quick test, in groups side by side; prints the seconds of each tier'
	@echo 'make bench   variants per second, CPU and memory (PART=spine, lookup, memory, consequence, release, packs or all)'
	@echo 'make agreement  our calls beside those of Ensembl VEP, SnpEff and bcftools csq, and why they differ (needs the shared data)'
	@echo 'make soak    the long tests'
	@echo 'make lint    ruff and mypy --strict'
	@echo 'make lock    resolve the dependencies anew'
	@echo 'make clean   remove what the targets made (never .riverseq itself)'

venv: .venv/.made

# pip only brings uv, which installs the rest in seconds; every file is checked against its hash
.venv/.made: requirements/tools.txt requirements/test.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or later is needed: install it, or give make PYTHON=/path/to/python3'; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/tools.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/test.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	$(BIN)/python -m processors.warm
	@touch $@

demo: venv
	$(BIN)/riverseq demo --state .riverseq/demo

lint: venv
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

test: venv
	$(BIN)/python -m tests.run

soak: venv
	$(BIN)/python -m pytest -m soak -p tests.tiers --durations=20

bench: venv
	$(BIN)/python -m bench $(PART)

agreement: venv
	$(BIN)/python -m bench.agreement

lock: venv
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header pyproject.toml -o requirements/base.txt
	for extra in test train gpu; do \
	  $(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header --extra $$extra -c requirements/base.txt pyproject.toml -o requirements/$$extra.txt || exit 1; \
	done

clean:
	@for folder in demo bench; do test ! -e .riverseq/$$folder/version || $(BIN)/riverseq down --state .riverseq/$$folder; done
	rm -rf .venv .riverseq/demo .riverseq/bench .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
