# make demo    the meeting room on a local Firestore     (ARGS=--once tells its story and ends)
# make test    ruff, mypy --strict and the quick tests: all but those marked `long`, which are on
#              the embedded Firestore, in some minutes     (ARGS=tests/unit runs some of them)
# make test-all      make test, then some with the oldest dependencies, and last all long tests:
#              on Google's emulator, random histories, google-cloud-firestore's own suite, ...
# make test-long     the long tests alone
# make soak    many more random histories and killed workers than make test-all has
#              (HISTORIES=3000 TASKS=2000 STEPS=100000), and `make foreign`
# make foreign clients of others on the embedded Firestore, each in an environment of its own
# make bench   figures as JSON, each beside its peer
# make test-lowest   all tests with the oldest dependencies that pyproject.toml allows
# make clean   remove .venv and everything generated
#
# The first run makes .venv and installs into it what that target needs.

SHELL := bash
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
WORKERS ?= 2
HISTORIES ?= 3000
CLIENTS ?= 1000
TASKS ?= 2000
STEPS ?= 100000

# Newest last: the machine's own python3 is preferred when it is new enough.
PYTHONS := python3 python3.14 python3.13 python3.12 python3.11 python

# What make test-all runs with the oldest dependencies.
LOWEST := tests/unit tests/firestore
QUICK := -m "not long"
LONG := -m long

.PHONY: demo test test-all test-long test-lowest soak foreign bench clean

demo: $(VENV)/.demo
	@$(BIN)/python -m examples.meeting_room $(ARGS)

test: $(VENV)/.dev
	@echo "ruff check"; $(BIN)/ruff check --quiet .
	@echo "ruff format --check"; $(BIN)/ruff format --check --quiet .
	@echo "mypy --strict"; $(BIN)/mypy
	@$(BIN)/pytest --numprocesses $(WORKERS) --dist loadgroup $(QUICK) $(ARGS)

# One after the other, under make -j too, so that the last line is that of the last of them.
test-all:
	@$(MAKE) --no-print-directory test
	@$(MAKE) --no-print-directory test-lowest ARGS='$(QUICK) $(LOWEST)'
	@$(MAKE) --no-print-directory test-long

test-long: $(VENV)/.dev
	@$(BIN)/pytest --numprocesses $(WORKERS) --dist loadgroup $(LONG) $(ARGS)

test-lowest: export PIP_CONSTRAINT := $(CURDIR)/tests/lowest-versions.txt
test-lowest:
	@$(MAKE) --no-print-directory VENV=.venv-lowest .venv-lowest/.dev
	@.venv-lowest/bin/pytest --numprocesses $(WORKERS) --dist loadgroup $(ARGS)

soak: $(VENV)/.dev
	@FLASK_BOILER_HISTORIES=$(HISTORIES) FLASK_BOILER_TASKS=$(TASKS) \
	  FLASK_BOILER_CLIENTS=$(CLIENTS) FLASK_BOILER_DISCONNECTS=$(CLIENTS) $(BIN)/pytest \
	  --numprocesses $(WORKERS) --timeout 0 tests/histories tests/firestore/test_task_crashes.py \
	  tests/e2e/test_websocket_clients.py $(ARGS)
	@FLASK_BOILER_DIFFERENTIAL_STEPS=$(STEPS) FLASK_BOILER_KILLS=200 $(BIN)/pytest --timeout 0 \
	  tests/firestore/test_embedded_differential.py tests/firestore/test_embedded_durability.py \
	  $(ARGS)
	@$(MAKE) --no-print-directory foreign

foreign: $(VENV)/.dev
	@$(BIN)/pytest --timeout 0 tests/foreign/soak_suites.py $(ARGS)

bench: $(VENV)/.dev
	@$(BIN)/python -m benchmarks $(ARGS)

clean:
	@rm -rf $(VENV) .venv-lowest build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@for candidate in $(PYTHONS); do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Making $(VENV) with $$("$$candidate" --version)"; \
	    "$$candidate" -m venv --clear $(VENV) && exit 0; \
	    rm -rf $(VENV); \
	    echo "$$candidate could not make a virtual environment;" \
	         "on Debian and Ubuntu: sudo apt-get install python3-venv" >&2; \
	    exit 1; \
	  fi; \
	done; \
	echo "flask_boiler needs Python 3.11 or newer; none of $(PYTHONS) is." \
	     "Install one (https://www.python.org/downloads/) and run make again." >&2; \
	exit 1

# $(call install,WHAT): pip's own talk goes to a log, of which only a failure shows anything.
define install
	@set -o pipefail; printf 'Installing %s into $(VENV) ' "$(1)"; \
	if $(BIN)/python -m pip install --editable "$(1)" 2>&1 | tee $(VENV)/install.log \
	   | awk '/^ *(Collecting|Installing)/ { printf "."; fflush() } END { print "" }'; \
	then touch $@; \
	else tail -n 30 $(VENV)/install.log >&2; \
	     echo "The installation failed; all of it is in $(VENV)/install.log." >&2; exit 1; \
	fi
endef

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(call install,.[openapi])

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(call install,.[dev])
