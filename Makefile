# make demo, make test, make check, make clean.
# Each makes its own virtual environment under .venv/ and keeps it until the
# packaging files change.  Another interpreter: make test PYTHON=python3.13

PYTHON ?= python3
VENV := .venv
TRIAL := -m twisted.trial --temp-directory=$(VENV)/trial
# What a virtual environment is made from.
PACKAGING := setup.cfg pyproject.toml Makefile

.PHONY: help demo test check clean

help:
	@echo "make demo    see calls, limits and a circuit breaker at work, in half a minute"
	@echo "make test    run every test that this machine has the programs for"
	@echo "make check   ruff, mypy --strict and the order of imports"
	@echo "make clean   remove what these have made"

demo: $(VENV)/demo/ready
	@$(VENV)/demo/bin/edgemesh demo

test: $(VENV)/test/ready
	$(VENV)/test/bin/python $(TRIAL) tests

check: $(VENV)/check/ready
	$(VENV)/check/bin/ruff check .
	$(VENV)/check/bin/ruff format --check .
	$(VENV)/check/bin/mypy -p edgemesh
	$(VENV)/check/bin/python $(TRIAL) tests.test_layering tests.test_style tests.test_mirror

$(VENV)/demo/ready: EXTRAS :=
$(VENV)/test/ready: EXTRAS := [test]
$(VENV)/check/ready: EXTRAS := [check]

# Editable, so that an edit is in force at the next run; not upgraded, so that a
# machine whose package index is away for a moment can go on working.
$(VENV)/%/ready: $(PACKAGING)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "edgemesh needs Python >= 3.11, and $(PYTHON) is:" \
	    "$$($(PYTHON) --version 2>&1); say make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; \
	  exit 1; }
	@echo "making $(@D) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv --clear $(@D) || { \
	  echo "$(PYTHON) cannot make a virtual environment; on Debian: apt install python3-venv" >&2; \
	  exit 1; }
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.$(EXTRAS)'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info _trial_temp* .hypothesis .mypy_cache .ruff_cache
	rm -f twisted/plugins/dropin.cache
	find edgemesh tests twisted -name __pycache__ -type d -prune -exec rm -rf {} +
