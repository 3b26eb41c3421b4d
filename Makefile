# `make run` does the main job, `make test` passes the tests; both set themselves up.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

CONFIG ?= configs/movielens_100k/mbcnet.yaml

# Beam's Flink job server, put together from its thin jars; outlives `make clean`.
FLINK := $(or $(CONCORD_CACHE),$(HOME)/.cache/concord)/flink
FLINK_JAR := $(FLINK)/flink-job-server.jar

.PHONY: run test lint format lock clean flink-server flink-test

run: $(STAMP)  ## Raw logs -> bundle -> trained MBCnet -> SavedModel -> five scored rows
	$(BIN)/python -m pipeline run --config $(CONFIG)

test: $(STAMP) lint  ## Lint, then all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

flink-server: $(FLINK_JAR)  ## Beam's Flink job server, by Maven

flink-test: $(STAMP) $(FLINK_JAR)  ## The data job on Apache Flink against the one in memory
	$(BIN)/python -m pytest -m flink tests/flink

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(STAMP)  ## Writes every pin to requirements.txt
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet requirements.in requirements-dev.in --output-file requirements.txt \
	  --python-version 3.11 --no-emit-index-url --custom-compile-command "make lock"

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis

$(FLINK_JAR): pipeline/data/runners/flink/pom.xml
	@command -v java >/dev/null && command -v mvn >/dev/null || { \
	  echo "Flink needs Java 11 or newer and Maven (java and mvn on the PATH)."; exit 2; }
	@echo "fetching Beam's Flink job server into $(FLINK) (150 MB)"
	rm -rf "$(FLINK).building"
	mvn -B -ntp -q -f $< -Dserver.folder="$(FLINK).building" package
	rm -rf "$(FLINK)" && mv "$(FLINK).building" "$(FLINK)" && touch "$@"

$(STAMP): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo "Concord needs Python 3.11, but '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
	       "Install it and run: make PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@echo "installing the pins of requirements.txt into $(VENV): a minute or two"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@
