# Every target does its own set-up: Python 3.12, make and a network are enough. ARGS goes to the command behind it.
PYTHON := .venv/bin/python
ARGS ?=
# Addresses and keys are made up for the check; the servers are started for it.
PRODUCTION := MEDISETTLE_ENV=production MEDISETTLE_HOSTS=settle.example.org

.PHONY: help setup demo demo-stop test check lock bench chaos simulate mutants clean

help:
	@echo "make demo [ARGS=--story|--detach] [PORT=8000]   run everything on this machine"
	@echo "make demo-stop [PORT=8000]                      stop what --detach started"
	@echo "make test [ARGS='-k name']                      all tests"
	@echo "make check                                      style, types, imports, migrations, settings"
	@echo "make bench                                      figures into var/bench/latest.json"
	@echo "make chaos [N=5000] [SEED=1]                    load, faults and kills; a report into var/proof"
	@echo "make simulate [SEEDS=5000 TX=20 FROM=1]         days drawn from seeds, with crashes at every commit"
	@echo "make mutants [ARGS=name]                        break each promise: its tests must go red"
	@echo "make lock                                       resolve requirements.lock again"
	@echo "make clean                                      remove what stopped instances and tools left behind"

setup:
	@sh deploy/setup.sh

demo: setup
	@exec $(PYTHON) -m deploy.demo $(ARGS)

demo-stop: setup
	@exec $(PYTHON) -m deploy.demo --stop

test: setup
	@sh deploy/browser.sh
	@exec $(PYTHON) -m pytest $(ARGS)

# mypy loads the settings for Django's types, so it too runs with an environment made for the occasion.
check: setup
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"
	$(PYTHON) -m deploy.local run -- sh -ec '$(PYTHON) -m mypy . && \
	    $(PYTHON) manage.py database_prepare && \
	    $(PYTHON) manage.py makemigrations --check --dry-run && \
	    $(PRODUCTION) $(PYTHON) manage.py check --deploy --fail-level WARNING'

bench: setup
	@exec $(PYTHON) -m bench $(ARGS)

# How many wishes, and what everything is drawn from.
N ?= 5000
SEED ?= 1

chaos: setup
	@exec $(PYTHON) -m chaos --count $(N) --seed $(SEED) $(ARGS)

simulate: setup
	@SIMULATE_SEEDS=$(or $(SEEDS),5000) SIMULATE_TX=$(or $(TX),20) SIMULATE_FROM=$(or $(FROM),1) \
	    $(PYTHON) -m pytest tests/simulation/test_seeds.py -n 0 $(ARGS)

mutants: setup
	@exec $(PYTHON) -m tests.mutants $(ARGS)

lock:
	@sh deploy/lock.sh

clean: setup
	@$(PYTHON) -m deploy.local clean
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache var/bytecode var/templates
